"""For any rows whatever: one student moves the sum by at most C, and no student changes another's vector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.queries import Query, State
from experiments.students import Students
from privacy.lattice import Lattice, points, total
from tests.unit.experiments.queries_contract import FEATURES, every_query

QUERIES = every_query()
NASTY = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1e-160, 0.3, -0.7]
STEPS = 2**20


@st.composite
def students(draw: st.DrawFn) -> Students:
    """Up to a dozen rows of ordinary and of nasty values."""
    n = draw(st.integers(1, 12))
    value = st.one_of(st.floats(-1, 1), st.sampled_from(NASTY), st.floats(allow_nan=True))
    features = draw(arrays(np.float64, (n, FEATURES), elements=value))
    outcome = draw(arrays(np.float64, (n,), elements=st.sampled_from([0.0, 1.0, 1.0, 0.0, np.nan, 0.5])))
    held_out = draw(arrays(np.bool_, (n,)))
    names = ("normal0", *(f"feature{i}" for i in range(1, FEATURES)))
    return Students(features, outcome, held_out, names)


@pytest.mark.parametrize(("query", "state"), QUERIES, ids=[query.name for query, _ in QUERIES])
class TestOneStudent:
    """Sensitivity and independence of rows, per query."""

    @given(given_students=students(), data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_deleting_a_row_leaves_all_others_bit_identical(
        self, query: Query, state: State, given_students: Students, data: st.DataObject
    ) -> None:
        """Every other student's vector has the same bytes, whichever row goes."""
        gone = data.draw(st.integers(0, len(given_students) - 1))
        kept = np.arange(len(given_students)) != gone
        whole = query.contributions(given_students, state)[kept]
        assert whole.tobytes() == query.contributions(given_students.rows(kept), state).tobytes()

    @given(given_students=students(), data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_one_row_moves_the_sum_by_at_most_the_clip_norm(
        self, query: Query, state: State, given_students: Students, data: st.DataObject
    ) -> None:
        """On the lattice, in exact integers: |S - S'|² <= Δ², and no vector is other than finite."""
        lattice = Lattice(query.dimension, query.clip, STEPS)
        gone = data.draw(st.integers(0, len(given_students) - 1))
        kept = np.arange(len(given_students)) != gone
        difference = total(query.blocks(given_students, state), lattice) - total(
            query.blocks(given_students.rows(kept), state), lattice
        )
        assert sum(int(step) ** 2 for step in difference) <= STEPS**2
        assert np.isfinite(query.contributions(given_students, state)).all()


def test_the_sensitivity_check_can_fail() -> None:
    """Positive control: a vector a thousandth longer than the clip norm is seen, were it not clipped."""
    query, _ = QUERIES[0]
    lattice = Lattice(query.dimension, query.clip, STEPS)
    long = np.full((1, query.dimension), float(query.clip) * 1.001 / query.dimension**0.5)
    unclipped = np.trunc(long / float(lattice.gamma)).astype(np.int64)
    assert sum(int(step) ** 2 for step in unclipped[0]) > STEPS**2
    assert sum(int(step) ** 2 for step in points(long, lattice)[0]) <= STEPS**2


def test_a_row_seen_by_another_is_caught() -> None:
    """Positive control: adding a billionth of the row above, as a batched product might, changes other rows' bytes."""
    query, state = QUERIES[0]
    table = Students(np.full((3, FEATURES), 0.3), np.ones(3), np.zeros(3, dtype=bool), ("x",) * FEATURES)

    def leaky(given_students: Students) -> bytes:
        vectors = query.contributions(given_students, state)
        vectors[1:] += 1e-9 * vectors[:-1]
        return vectors[-1].tobytes()

    assert leaky(table) != leaky(table.rows(slice(2, 3)))
