"""What every query promises, and what each one means, against plain sums, statsmodels and scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from experiments.baselines import auc_on_held_out, pooled_auc
from experiments.errors import QueryError, StateError
from experiments.queries import Axis, Moments, Query, State, Table, scores, two_stage
from experiments.queries.curvature import clean, expected, symmetric
from experiments.queries.moments import standardised
from experiments.queries.score_bins import LEVELS, below, edges
from experiments.students import Students
from privacy import canonical
from privacy.lattice import Lattice, points
from tests.unit.experiments.queries_contract import chain, every_query, made_up

QUERIES = every_query()
NAMES = [query.name for query, _ in QUERIES]


@pytest.mark.parametrize(("query", "state"), QUERIES, ids=NAMES)
class TestContract:
    """Every query keeps these promises."""

    def test_one_vector_per_student(self, query: Query, state: State) -> None:
        """Contributions are float64 [n, d], finite, also for no students at all."""
        for n in (0, 1, 37):
            vectors = query.contributions(made_up(60).rows(slice(n)), state)
            assert vectors.shape == (n, query.dimension) and vectors.dtype == np.float64
            assert np.isfinite(vectors).all()

    def test_blocks_are_the_same_vectors(self, query: Query, state: State) -> None:
        """Dividing rows into blocks changes nothing, whatever the size of a block."""
        students = made_up(70)
        whole = query.contributions(students, state)
        assert np.array_equal(np.vstack(list(query.blocks(students, state))), whole)
        parts = [query.contributions(students.rows(slice(i, i + 9)), state) for i in range(0, 70, 9)]
        assert np.array_equal(np.vstack(parts), whole)

    def test_memory_order_changes_nothing(self, query: Query, state: State) -> None:
        """Column-major features give the same bits as row-major ones."""
        students = made_up(50)
        turned = replace(students, features=np.asfortranarray(students.features))
        assert np.array_equal(query.contributions(students, state), query.contributions(turned, state))

    def test_rows_that_are_not_numbers_count_as_zero(self, query: Query, state: State) -> None:
        """A NaN, an infinity or an impossible outcome makes that row zero and changes no other."""
        students = made_up(40)
        features, outcome = students.features.copy(), students.outcome.copy()
        features[3, 0], features[8, 1], outcome[12] = np.nan, np.inf, 0.5
        vectors = query.contributions(replace(students, features=features, outcome=outcome), state)
        plain = query.contributions(students, state)
        bad = np.isin(np.arange(40), [3, 8, 12])
        assert not vectors[bad].any()
        assert np.array_equal(vectors[~bad], plain[~bad])

    def test_values_outside_their_bounds_are_bounded(self, query: Query, state: State) -> None:
        """1e308 counts as the declared bound."""
        students = made_up(10)
        huge = replace(students, features=np.where(students.features > 0, 1e308, -1e308))
        edge = replace(students, features=np.sign(huge.features))
        assert np.array_equal(query.contributions(huge, state), query.contributions(edge, state))

    def test_parameters_have_a_canonical_encoding(self, query: Query, state: State) -> None:
        """What the masks are bound to can be encoded: whole numbers, fractions, text."""
        assert canonical.decode(canonical.encode(dict(query.parameters())), 10_000) == dict(query.parameters())

    def test_state_is_checked_before_rows(self, query: Query, state: State) -> None:
        """The own state passes; another key, length, range, NaN or type is refused."""
        query.check_state(state)
        with pytest.raises(StateError):
            query.check_state({**state, "extra": np.zeros(1)})
        for key in state:
            for wrong in (np.append(state[key], 0.0), state[key] * np.nan, state[key] + 1e13, state[key].tolist()):
                with pytest.raises(StateError):
                    query.check_state({**state, key: wrong})
            with pytest.raises(StateError):
                query.check_state({name: value for name, value in state.items() if name != key})

    def test_no_admissible_state_overflows(self, query: Query, state: State) -> None:
        """At the ends of the ranges that `check_state` allows, every vector is still finite."""
        students = made_up(20)
        for end in (0, 1):
            extreme = {key: np.full(length, (low, high)[end]) for key, (length, low, high) in query.bounds().items()}
            query.check_state(extreme)
            with np.errstate(over="raise", invalid="raise"):
                assert np.isfinite(query.contributions(students, extreme)).all()

    def test_absorbed_states_are_admissible(self, query: Query, state: State) -> None:
        """Whatever the noise, the next state has no NaN and no -0.0, and passes through canonical bytes."""
        for total in (np.zeros(query.dimension), np.full(query.dimension, -1e9), np.full(query.dimension, 1e9)):
            start = state if query.name != "logistic_gradient" else _with_curvature(query, state)
            after = query.absorb(start, total, 1e3)
            for values in after.values():
                assert values.ndim == 1 and values.dtype == np.float64 and np.isfinite(values).all()
                assert not (np.signbit(values) & (values == 0)).any()
            canonical.encode(dict(after))


def _with_curvature(query: Query, state: State) -> State:
    settings = query.settings  # type: ignore[attr-defined]
    flat = expected(settings)[np.triu_indices(settings.width)]
    return {"curvature": flat, **state}


@pytest.mark.parametrize("name", ["moments", "score_table", "table"])
def test_natural_bounds_hold_before_any_clipping(name: str) -> None:
    """Moments and tables never exceed their clip norm, so clipping never biases a count."""
    query, state = next(pair for pair in QUERIES if pair[0].name == name)
    students = made_up(200)
    corners = replace(students, features=np.sign(students.features))
    for given in (students, corners, replace(students, features=students.features * 0)):
        norms = np.sqrt((query.contributions(given, state) ** 2).sum(axis=1))
        assert norms.max() <= float(query.clip)


def test_a_query_with_a_batch_statistic_is_caught() -> None:
    """Positive control: a query that centres on the rows it is given does not survive the test of blocks."""

    class Leaky(Moments):
        def contributions(self, students: Students, state: State) -> np.ndarray:
            vectors = super().contributions(students, state)
            return vectors - vectors.mean(axis=0) if len(vectors) else vectors

    query = Leaky(QUERIES[0][0].settings)  # type: ignore[attr-defined]
    students = made_up(30)
    one_less = query.contributions(students.rows(slice(29)), {})
    assert not np.array_equal(query.contributions(students, {})[:29], one_less)


def test_moments_are_counts_means_and_spreads() -> None:
    """Without noise: counts exact, mean and scale those of the training rows, as plain NumPy has them."""
    students = made_up(300)
    _, asked, _ = chain(students)
    after = asked[0][0].absorb({}, asked[0][0].contributions(students, {}).sum(axis=0), 0.0)
    training = students.rows(~students.held_out)
    positives = training.outcome.sum()
    assert after["counts"].tolist() == pytest.approx([len(training) - positives, positives])
    assert after["mean"] == pytest.approx(training.features.mean(axis=0), abs=1e-9)
    assert after["scale"] == pytest.approx(np.maximum(training.features.std(axis=0), 0.03), abs=1e-9)


def test_moments_under_heavy_noise_stay_usable() -> None:
    """A variance drowned in noise becomes that noise: no scale is zero and none is absurd."""
    query = QUERIES[0][0]
    after = query.absorb({}, np.full(query.dimension, -5.0), 80.0)
    assert (after["scale"] >= 0.03).all() and (after["scale"] <= 1.0).all()


def test_curvature_is_the_second_moment_matrix() -> None:
    """Without noise and floor, the state holds E[z·zᵀ] of the training rows."""
    students = made_up(600)
    settings, asked, _ = chain(students)
    query, state = asked[1]
    rows, _ = standardised(students.rows(~students.held_out), settings, state)
    total = query.contributions(students, state).sum(axis=0)
    after = query.absorb(state, total, 0.0)
    plain = rows.T @ rows / len(rows)
    values, vectors = np.linalg.eigh(plain)
    floored = (vectors * np.maximum(values, float(settings.eigenvalue_floor))) @ vectors.T
    assert symmetric(after["curvature"]) == pytest.approx(floored, abs=1e-8)


def test_cleaning_takes_noise_out() -> None:
    """Pure noise is cleaned to the prior; a strong signal under noise comes closer to the truth than it was.

    Random matrices of order 40 with a fixed seed: nothing is left to chance.
    """
    students = made_up(60, features=39)
    settings = chain(students)[0]
    rng = np.random.default_rng(1)
    noise = np.triu(rng.normal(size=(40, 40)) * 0.05)
    noise = np.triu(noise, 1) + noise.T
    prior = expected(settings)
    assert np.abs(clean(prior + noise, prior, 0.05, settings) - prior).max() < 0.05
    direction = np.ones(40) / 40**0.5
    truth = prior + 5.0 * np.outer(direction, direction)
    cleaned = clean(truth + noise, prior, 0.05, settings)
    assert np.linalg.norm(cleaned - truth) < 0.7 * np.linalg.norm(noise)


def test_gradient_is_the_score_of_statsmodels() -> None:
    """The sum of contributions is minus the score of a logit model, as statsmodels computes it."""
    from statsmodels.discrete.discrete_model import Logit

    students = made_up(500)
    settings, asked, _ = chain(students)
    query, state = asked[4]
    training = students.rows(~students.held_out)
    rows, _ = standardised(training, settings, state)
    expected_gradient = -Logit(training.outcome, rows).score(state["weights"])
    assert query.contributions(students, state).sum(axis=0) == pytest.approx(expected_gradient, rel=1e-9, abs=1e-9)


def test_without_noise_the_model_reaches_the_pooled_one() -> None:
    """Eight gradients without noise or clipping end within .002 AUC of scikit-learn's optimum."""
    students = made_up(4000, seed=5, features=20)
    settings, _, state = chain(students)
    found = auc_on_held_out(scores(students, settings, state), students)
    best = pooled_auc([students])
    assert found is not None and best is not None and found > best - 0.002


def test_released_gradients_all_count() -> None:
    """Ten times the noise on the last gradient moves the final weights less than the same noise on all of them."""
    students = made_up(2000, seed=8)
    _, asked, state = chain(students, noise_sd=5.0)
    query, before = asked[-2]
    rng = np.random.default_rng(2)
    total = query.contributions(students, before).sum(axis=0)
    shaken = query.absorb(before, total + 50.0 * rng.normal(size=query.dimension), 50.0)
    believed = query.absorb(before, total + 50.0 * rng.normal(size=query.dimension), 5.0)
    moved = np.linalg.norm(shaken["weights"] - state["weights"])
    assert moved < np.linalg.norm(believed["weights"] - state["weights"])


def test_score_table_counts_held_out_students_once() -> None:
    """Bins add to the number of held-out students per outcome, and bin borders agree with the scores."""
    students = made_up(800)
    settings, asked, state = chain(students)
    held_out = students.rows(students.held_out)
    found = scores(held_out, settings, state)
    table = asked[-1][0].contributions(students, asked[-1][1]).sum(axis=0).reshape(2, -1)
    assert table.sum(axis=1).tolist() == [(held_out.outcome == y).sum() for y in (0, 1)]
    plain = np.histogram(found, bins=[-np.inf, *state["edges"], np.inf])[0]
    assert table.sum(axis=0).tolist() == plain.tolist()


def test_score_edges_are_quantiles_of_two_normal_groups() -> None:
    """Edges rise and stand where the declared shares of students are expected."""
    for bins, levels in LEVELS.items():
        found = edges(bins, -1.3, 0.9, 0.2)
        assert len(found) == bins - 1 and (np.diff(found) > 0).all()
        assert [below(edge, -1.3, 0.9, 0.2) for edge in found] == pytest.approx(levels, abs=1e-9)


def test_table_counts_cells_as_pandas_does() -> None:
    """Counts of two axes equal a cross-tabulation; edges belong to the class above."""
    import pandas as pd

    students = made_up(500)
    axes = (Axis("outcome", (Fraction(1, 2),)), Axis("normal0", (Fraction(-1, 4), Fraction(1, 4))))
    table = Table("x", axes).contributions(students, {}).sum(axis=0).reshape(2, 3)
    classes = pd.cut(students.features[:, 0], [-2, -0.25, 0.25, 2], right=False, labels=False)
    plain = pd.crosstab(students.outcome, classes).reindex(columns=range(3), fill_value=0).to_numpy()
    assert table.tolist() == plain.tolist()


def test_tables_refuse_what_is_not_declared() -> None:
    """An unknown column, edges that do not rise, no axes, and too many cells each have their own message."""
    with pytest.raises(QueryError, match="a feature of the experiment"):
        Table("x", (Axis("nonsense", (Fraction(0),)),)).contributions(made_up(5), {})
    with pytest.raises(QueryError, match="rising edges"):
        Axis("outcome", (Fraction(1), Fraction(0)))
    with pytest.raises(QueryError, match="cells"):
        Table("x", ())
    wide = Axis("outcome", tuple(Fraction(i, 1000) for i in range(999)))
    with pytest.raises(QueryError, match="cells"):
        Table("x", (wide, wide))


def test_shares_add_to_one_and_exchanges_to_twelve() -> None:
    """The whole budget is spent, nothing is spent twice; nine steps and score table, prepare and close make 12."""
    _, steps = two_stage(45, 12_000, 4_000, Fraction(1, 40))
    assert sum(share for step in steps for _, share in step) == 1
    assert len(steps) + 2 == 12


def test_clipped_gradients_keep_their_direction() -> None:
    """On the lattice a long gradient is shrunk to the clip norm and not beyond."""
    students = made_up(300)
    _, asked, _ = chain(students)
    query, state = asked[2]
    lattice = Lattice(query.dimension, query.clip, 2**20)
    vectors = query.contributions(students, {**state, "weights": state["weights"] + 50.0})
    found = points(vectors, lattice) * float(lattice.gamma)
    norms = np.linalg.norm(vectors, axis=1)
    kept = np.minimum(1.0, float(query.clip) / np.maximum(norms, 1e-12))
    assert (norms > float(query.clip)).any()
    assert found == pytest.approx(vectors * kept[:, None], abs=1e-4)
