"""Remove any student: every other student's vector stays the same, bit for bit, from tables to lattice points.

The whole of `experiments.selection` and of every query's blocks is walked, as a node does it, with block limits so
small that a removal pushes students over them. From export files to tables: `tests/attack/test_deleted_rows.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import definition, selection
from experiments.definition import Experiment
from experiments.queries import (
    Axis,
    Curvature,
    LogisticGradient,
    Moments,
    Query,
    ScoreTable,
    State,
    Table,
    base,
    two_stage,
)
from experiments.students import Students
from privacy.lattice import Lattice, points
from shared_schema import load_schema, outcomes
from shared_schema.rows import synthetic
from tests.kit import DEFAULT
from tests.property.test_sensitivity import NASTY, declared

SCHEMA = load_schema()
EXPERIMENT = definition.freeze(definition.read(DEFAULT), SCHEMA)
COHORT = EXPERIMENT.definition.population.cohorts[0]
WIDTH = len(selection.features_of(EXPERIMENT, SCHEMA))
SETTINGS, _ = two_stage(WIDTH, 3000, 1000, Fraction(1, 2))
FIRST = selection.features_of(EXPERIMENT, SCHEMA)[0].name
AXES = Axis("outcome", (Fraction(1, 2),)), Axis(FIRST, (Fraction(-1, 3), Fraction(1, 3)))
QUERIES: tuple[Query, ...] = (
    Moments(SETTINGS),
    Curvature(SETTINGS),
    LogisticGradient(SETTINGS, SETTINGS.gradients - 1),
    ScoreTable(SETTINGS),
    Table("t", AXES),
)
TABLES = ("person", "enrolment", "programme_period", "attendance", "result", "diploma")
STEPS = 2**24
Tables = dict[str, pd.DataFrame]
Vectors = Mapping[str, bytes]
Select = Callable[[Tables, Mapping[str, int | None], Experiment], Students]


@functools.lru_cache(maxsize=8)
def _drawn(seed: int, students: int) -> Tables:
    sizes = {"person": students, "attendance": 5 * students, "result": 3 * students, "diploma": students}
    tables = {name: synthetic(name, sizes.get(name, 2 * students), SCHEMA, seed, students) for name in TABLES}
    return tables | {"enrolment": _enrolled(tables["enrolment"])}


def _enrolled(frame: pd.DataFrame) -> pd.DataFrame:
    """Nearly everyone in the outcome's population: in since an autumn, some left within the year."""
    row = np.arange(len(frame))
    start = pd.Timestamp("2022-08-15") + pd.to_timedelta(7 * (row % 5), unit="D")
    end = start + pd.to_timedelta(200 + 150 * (row % 3), unit="D")
    dates = {"start_date": start, "end_date": end.where(row % 4 > 0)}
    return frame.assign(**{name: pd.Series(days).astype(frame[name].dtype) for name, days in dates.items()})


def school(seed: int, students: int, hostile: bool) -> Tables:
    """Return the tables of a made-up school; a hostile one has floats of every nasty kind in its number columns."""
    tables = {name: frame.copy() for name, frame in _drawn(seed, students).items()}
    draw = np.random.default_rng(seed)
    for frame in tables.values():
        for column in frame.select_dtypes("number").columns if hostile else ():
            frame[column] = np.where(draw.random(len(frame)) < 0.3, draw.choice(NASTY, len(frame)), 1.0)
    return tables


def without(tables: Tables, student: str) -> Tables:
    """Return the tables without any row of one student."""
    return {name: frame[frame["student"] != student].reset_index(drop=True) for name, frame in tables.items()}


def public_state(query: Query, seed: int) -> State:
    """Return a permitted state, anywhere in the declared ranges."""
    draw = np.random.default_rng(seed)
    return {key: draw.uniform(low, high, length) for key, (length, low, high) in query.bounds().items()}


def vectors(tables: Tables, query: Query, state: State, select: Select) -> Vectors:
    """Return student -> features, outcome, side of the split and lattice point of the query's vector, as bytes."""
    cohorts: dict[str, int | None] = dict.fromkeys(tables["enrolment"]["student"].unique(), COHORT)
    chosen = select(tables, cohorts, EXPERIMENT)
    names = _names(tables)
    lattice = Lattice(query.dimension, query.clip, STEPS)
    found = np.concatenate([points(block, lattice) for block in query.blocks(chosen, state)] or [np.zeros((0, 1))])
    own = zip(names, chosen.features, chosen.outcome, chosen.held_out, found, strict=True)
    return {name: b"".join(part.tobytes() for part in parts) for name, *parts in own}


def _names(tables: Tables) -> list[str]:
    """Whose rows were selected, in their order: everyone of the outcome's population."""
    asked = EXPERIMENT.definition
    return sorted(outcomes.compute(tables, asked.outcome, SCHEMA, cutoff_week=asked.features.cutoff_week).index)


def as_built(tables: Tables, cohorts: Mapping[str, int | None], experiment: Experiment) -> Students:
    return selection.select(tables, cohorts, experiment, SCHEMA)


def moved(tables: Tables, query: Query, state: State, gone: str, select: Select = as_built) -> set[str]:
    """Return every other student whose bytes are otherwise once `gone` is gone, or who came or went."""
    before, after = (vectors(given_tables, query, state, select) for given_tables in (tables, without(tables, gone)))
    others = (before.keys() | after.keys()) - {gone}
    return {name for name in others if before.get(name) != after.get(name)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three students a block at most, and one for the widest query."""
    monkeypatch.setattr(base, "BLOCK_VALUES", 3 * (2 + 2 * WIDTH))


def test_every_query_is_walked() -> None:
    """No query is left out, a new one neither."""
    assert {type(query) for query in QUERIES} == declared()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 8), hostile=st.booleans(), data=st.data())
def test_removing_a_student_leaves_everyone_else(
    query: Query, seed: int, count: int, hostile: bool, data: st.DataObject
) -> None:
    """Whoever goes, of however hostile a school, at whatever permitted state."""
    tables = school(seed, count, hostile)
    gone = data.draw(st.sampled_from(sorted(tables["person"]["student"])))
    state = public_state(query, seed)
    query.check_state(state)
    assert moved(tables, query, state, gone) == set()


def test_students_are_there_and_rows_count() -> None:
    """The test above is not about empty schools: most students are selected, and a row changes its own vector."""
    tables = school(1, 8, hostile=False)
    found = vectors(tables, QUERIES[0], {}, as_built)
    assert len(found) >= 6 and len(set(found.values())) > 1


def _centred(tables: Tables, cohorts: Mapping[str, int | None], experiment: Experiment) -> Students:
    chosen = as_built(tables, cohorts, experiment)
    return Students(chosen.features - chosen.features.mean(axis=0) / 8, chosen.outcome, chosen.held_out, chosen.names)


def _every_third_held_out(tables: Tables, cohorts: Mapping[str, int | None], experiment: Experiment) -> Students:
    chosen = as_built(tables, cohorts, experiment)
    return Students(chosen.features, chosen.outcome, np.arange(len(chosen)) % 3 == 0, chosen.names)


@pytest.mark.parametrize("fault", [_centred, _every_third_held_out])
def test_a_selection_that_looks_at_others_is_caught(fault: Select) -> None:
    """Planted: features less a bit of the school's mean; a split by place in the list instead of by pseudonym."""
    tables = school(2, 8, hostile=False)
    gone = _names(tables)[0]
    assert moved(tables, QUERIES[0], {}, gone) == set()
    assert moved(tables, QUERIES[0], {}, gone, fault)
