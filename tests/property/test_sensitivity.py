"""One student moves the lattice sum of every query there is by at most Delta, in exact integers, whatever stands in
the rows and whatever permitted state a coordinator sends along.

Query classes are found, not listed: one that no case below asks makes the first test fail.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import experiments.queries
from experiments.queries import (
    Axis,
    Curvature,
    LogisticGradient,
    Moments,
    Query,
    ScoreTable,
    State,
    Table,
    two_stage,
)
from experiments.queries.base import Bounds
from experiments.students import Floats, Students
from privacy.private_sum import Release, lattice_sum

FEATURES = 5
NAMES = tuple(f"feature{index}" for index in range(FEATURES))
SETTINGS, _ = two_stage(FEATURES, 3000, 1000, Fraction(1, 2))
AXES = (
    Axis("outcome", (Fraction(1, 2),)),
    Axis("feature0", (Fraction(-1, 3), Fraction(0))),
    Axis("feature4", (Fraction(1),)),
)
CASES: Mapping[type[Query], list[Query]] = {
    Moments: [Moments(SETTINGS)],
    Curvature: [Curvature(SETTINGS)],
    LogisticGradient: [LogisticGradient(SETTINGS, 0), LogisticGradient(SETTINGS, SETTINGS.gradients - 1)],
    ScoreTable: [ScoreTable(SETTINGS)],
    Table: [Table("t", AXES, whose) for whose in ("all", "training", "held_out")],
}
ASKED = [query for queries in CASES.values() for query in queries]

TINY, HUGE, BEYOND = 5e-324, 1.7976931348623157e308, float(2**53)
NASTY = [
    *(np.nan, np.inf, -np.inf, -0.0, 0.0, 1e308, -1e308, HUGE, TINY, -TINY, 2.2250738585072014e-308),
    *(BEYOND, BEYOND - 1, -BEYOND, 1e154, 1e-160, 1.0, -1.0, 1.0 + 2**-52, 1.0 - 2**-53, 0.5, -1 / 3),
]
VALUES = st.sampled_from(NASTY) | st.floats(width=64) | st.floats(-1, 1) | st.integers(-(2**53), 2**53).map(float)
STEPS = st.sampled_from([1, 1000, 2**20, 2**31])


def declared() -> set[type[Query]]:
    """Every concrete query class of the platform, wherever in the package of queries it is declared."""
    modules = [importlib.import_module(f"experiments.queries.{one.name}") for one in pkgutil.iter_modules(_folder())]
    found = {kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)}
    return {kind for kind in found if issubclass(kind, Query) and not inspect.isabstract(kind)}


def _folder() -> list[str]:
    return list(experiments.queries.__path__)


def unasked(kinds: set[type[Query]]) -> set[str]:
    """Return the names of classes for which no case stands above."""
    return {kind.__name__ for kind in kinds - CASES.keys()}


@st.composite
def students(draw: st.DrawFn) -> Students:
    """Return one to seven rows of anything that fits in a float64."""
    n = draw(st.integers(1, 7))
    features = draw(arrays(np.float64, (n, FEATURES), elements=VALUES, fill=st.sampled_from(NASTY)))
    outcome = draw(arrays(np.float64, (n,), elements=st.sampled_from([0.0, 1.0, -0.0]) | VALUES))
    return Students(features, outcome, draw(arrays(np.bool_, (n,))), NAMES)


@st.composite
def states(draw: st.DrawFn, bounds: Bounds) -> State:
    """Return a state that the node lets through: every value anywhere in its declared range, its ends included."""
    return {key: draw(_values(length, low, high)) for key, (length, low, high) in bounds.items()}


def _values(length: int, low: float, high: float) -> st.SearchStrategy[Floats]:
    edges = [value for value in (low, high, 0.0, TINY, -TINY, 1.0, -1.0) if low <= value <= high]
    elements = st.sampled_from(edges) | st.floats(low, high).map(lambda value: value + 0.0)
    return arrays(np.float64, (length,), elements=elements, fill=st.sampled_from(edges))


def difference(query: Query, given_students: Students, gone: int, state: State, steps: int) -> int:
    """Return |S - S'|^2 in lattice steps for a school with and without student `gone`; Python's own integers."""
    release = Release(query.dimension, query.clip, steps, Fraction(steps**2))
    kept = np.arange(len(given_students)) != gone
    both = [lattice_sum(query.blocks(chosen, state), release) for chosen in (given_students, given_students.rows(kept))]
    return sum((int(one) - int(other)) ** 2 for one, other in zip(*both, strict=True))


def test_every_query_there_is_is_asked_here() -> None:
    """The classes found are exactly those asked below; each case is of its own class."""
    assert unasked(declared()) == set()
    assert all(type(query) is kind for kind, queries in CASES.items() for query in queries)


@pytest.mark.parametrize("query", ASKED, ids=lambda query: query.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), given_students=students(), steps=STEPS)
def test_one_student_moves_the_sum_by_at_most_delta(
    query: Query, data: st.DataObject, given_students: Students, steps: int
) -> None:
    """For any rows, any student of them, any permitted state and any fineness of the lattice."""
    state = data.draw(states(query.bounds()))
    query.check_state(state)
    gone = data.draw(st.integers(0, len(given_students) - 1))
    assert difference(query, given_students, gone, state, steps) <= steps**2


@pytest.mark.parametrize("query", ASKED, ids=lambda query: query.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), given_students=students())
def test_no_row_makes_the_arithmetic_overflow(query: Query, data: st.DataObject, given_students: Students) -> None:
    """Within the permitted states every vector is finite, and NumPy has nothing to complain of on the way."""
    state = data.draw(states(query.bounds()))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        vectors = query.contributions(given_students, state)
    assert vectors.shape == (len(given_students), query.dimension) and np.isfinite(vectors).all()


# -- planted faults ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted(Query):
    """A query whose vectors are what a test makes them."""

    name: ClassVar[str] = "planted"
    made: Callable[[Students], Floats]

    @property
    def dimension(self) -> int:
        return FEATURES

    @property
    def clip(self) -> Fraction:
        return Fraction(1)

    def parameters(self) -> Mapping[str, Any]:
        return {}

    def bounds(self) -> Bounds:
        return {}

    def contributions(self, students: Students, state: State) -> Floats:
        return self.made(students)

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        return state


def test_a_query_that_looks_at_the_other_rows_is_caught() -> None:
    """Planted: each vector turns its back when there is company, so one student moves all of them."""
    rows = Students(np.full((3, FEATURES), 0.4), np.ones(3), np.zeros(3, dtype=np.bool_), NAMES)
    alone = Planted(lambda chosen: chosen.features)
    crowded = Planted(lambda chosen: chosen.features * (1.0 if len(chosen) == 3 else -1.0))
    assert difference(alone, rows, 0, {}, 2**20) <= 2**40 < difference(crowded, rows, 0, {}, 2**20)


def test_a_new_query_without_a_case_is_noticed() -> None:
    """Planted: the class above, were it declared among the platform's queries."""
    assert unasked(declared() | {Planted}) == {"Planted"}
