"""A state crafted by the coordinator (METHODS §7, attack 11): one row must not decide another row's vector.

A state is checked for its ranges, not for having come from any opened sum. Every query must therefore be a function
of one row at a time at *every* state within those ranges, also at one that no honest run could reach.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import planning
from experiments.queries import score_table
from experiments.students import Students
from tests.kit import Kit, coalition, made_up

ROWS = 60


def _searched(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Defence off: cells found by binary search, as is usual."""
    return np.searchsorted(edges, scores, side="right")


def _moved(kit: Kit, step: planning.Step, state: dict[str, np.ndarray], students: Students) -> int:
    """How many rows get another vector when one other row goes, at worst over the rows that go."""
    worst = 0
    for planned in step.queries:
        asked_at = planning.state_for(planned.query, state)
        planned.query.check_state(asked_at)
        whole = planned.query.contributions(students, asked_at)
        for gone in range(len(students)):
            kept = np.arange(len(students)) != gone
            rest = planned.query.contributions(students.rows(kept), asked_at)
            worst = max(worst, int((rest != whole[kept]).any(axis=1).sum()))
    return worst


def _crafted(step: planning.Step, seed: int) -> dict[str, np.ndarray]:
    """Any numbers within the declared ranges: nothing is sorted, symmetric or consistent."""
    draw = np.random.default_rng(seed)
    bounds = {key: limits for planned in step.queries for key, limits in planned.query.bounds().items()}
    return {key: draw.uniform(max(low, -1.0), min(high, 1.0), n) + 0.0 for key, (n, low, high) in bounds.items()}


@pytest.mark.parametrize("step", [1, 2, 3, 10])
def test_no_crafted_state_makes_a_row_depend_on_another(tmp_path: Path, step: int) -> None:
    """At random states of every kind of step, taking any row away leaves all other vectors bit for bit the same."""
    kit = coalition(tmp_path, schools=3)
    students = made_up(kit.experiment, ROWS, seed=5)
    asked = kit.plan.steps[step - 1]
    assert [_moved(kit, asked, _crafted(asked, seed), students) for seed in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("defended", [False, True])
def test_unsorted_edges_bind_no_rows_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool) -> None:
    """A binary search begins where the previous row's ended: with unsorted edges, one student moves the next one.

    The privacy of a sum rests on one student making one vector; with the search, taking one away changed several.
    """
    if not defended:
        monkeypatch.setattr(score_table, "cells", _searched)
    kit = coalition(tmp_path, schools=3)
    last = kit.plan.steps[-1]
    students = made_up(kit.experiment, ROWS, seed=6)
    students.held_out[:] = True
    spread = {"edges": np.random.default_rng(3).normal(0.0, 4.0, last.dimension // 2 - 1)}
    moved = _moved(kit, last, _crafted(last, 0) | spread, students)
    assert (moved > 0) != defended


def test_counted_cells_are_those_of_a_search_at_honest_edges() -> None:
    """Where edges rise, both ways give the same cell, on an edge too."""
    edges = np.array([-1.0, 0.0, 0.0, 2.5])
    scores = np.array([-2.0, -1.0, -0.5, 0.0, 1.0, 2.5, 3.0])
    assert score_table.cells(scores, edges).tolist() == _searched(scores, edges).tolist()
