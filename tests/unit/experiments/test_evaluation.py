"""Figures of a score table against scikit-learn and plain sorting; intervals against repeated draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, roc_auc_score

from experiments.errors import EvaluationError
from experiments.evaluation import (
    SHARES,
    Evaluation,
    deterministic_normals,
    evaluate,
    exact_auc,
    exact_table,
    feasible,
    predicted,
)
from experiments.queries.score_bins import edges
from experiments.students import Floats


@dataclass(frozen=True)
class Population:
    """Two normal groups of calibrated scores: everything about it is known in closed form."""

    rate: float = 0.25
    gap: float = 1.4

    @property
    def centre(self) -> float:
        """Mean score that makes the scores calibrated log odds."""
        return float(np.log(self.rate / (1 - self.rate)) + (self.rate - 0.5) * self.gap)

    @property
    def auc(self) -> float:
        """Chance that a positive scores above a negative."""
        return float(norm.cdf((self.gap / 2) ** 0.5))

    def edges(self, bins: int) -> Floats:
        """Edges as a model would release them."""
        return edges(bins, self.centre, self.gap, self.rate)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Scores and outcomes of n students."""
        outcome = (rng.random(n) < self.rate).astype(np.float64)
        spread = self.gap**0.5 * rng.standard_normal(n)
        return self.centre + (outcome - self.rate) * self.gap + spread, outcome


PEOPLE = Population()


def exact(n: int = 20_000, bins: int = 20, seed: int = 1) -> tuple[Floats, Floats, Evaluation]:
    """Scores, outcomes and the evaluation of their table without noise."""
    scores, outcome = PEOPLE.draw(n, np.random.default_rng(seed))
    found = PEOPLE.edges(bins)
    return scores, outcome, evaluate(exact_table(scores, outcome, found), 0.0, found)


def test_population_is_calibrated() -> None:
    """The yardstick itself: the share of positives near a score is the logistic of that score."""
    scores, outcome = PEOPLE.draw(400_000, np.random.default_rng(0))
    near = np.abs(scores + 0.5) < 0.05
    assert outcome[near].mean() == pytest.approx(1 / (1 + np.exp(0.5)), abs=0.01)


@pytest.mark.parametrize("bins", [8, 20, 40])
def test_auc_of_a_table_is_that_of_scikit_learn(bins: int) -> None:
    """Binning costs less than .002 AUC, also with eight bins."""
    scores, outcome, result = exact(bins=bins)
    assert result.auc.value == pytest.approx(roc_auc_score(outcome, scores), abs=0.002)


def test_counting_ties_as_half_would_underrate() -> None:
    """Positive control: with eight bins, ties counted half lose more than .005, against .002."""
    scores, outcome, _ = exact(bins=8)
    binned = np.searchsorted(PEOPLE.edges(8), scores)
    assert roc_auc_score(outcome, binned) < roc_auc_score(outcome, scores) - 0.005


def test_exact_auc_is_that_of_scikit_learn() -> None:
    """Ties included; one outcome only is refused."""
    rng = np.random.default_rng(4)
    scores, outcome = np.round(rng.standard_normal(500), 1), (rng.random(500) < 0.3).astype(np.float64)
    assert exact_auc(scores, outcome) == pytest.approx(roc_auc_score(outcome, scores), abs=1e-12)
    with pytest.raises(EvaluationError):
        exact_auc(scores, np.zeros(500))


def test_precision_recall_and_lift_are_those_of_the_sorted_list() -> None:
    """Against plain sorting: within a binomial standard error of each figure."""
    scores, outcome, result = exact()
    ranked = outcome[np.argsort(-scores)]
    for row in result.at_k:
        chosen = ranked[: round(row.k * len(ranked))]
        assert row.precision.value == pytest.approx(chosen.mean(), abs=0.012)
        assert row.recall.value == pytest.approx(chosen.sum() / outcome.sum(), abs=0.012)
        assert row.lift.value == pytest.approx(chosen.mean() / outcome.mean(), abs=0.06)
    assert tuple(row.k for row in result.at_k) == SHARES


def test_brier_and_calibration_are_those_of_scikit_learn() -> None:
    """Brier within .002 of the exact scores'; each bin's observed rate is its own; a calibrated model looks so."""
    scores, outcome, result = exact()
    chances = 1 / (1 + np.exp(-scores))
    assert result.brier.value == pytest.approx(brier_score_loss(outcome, chances), abs=0.002)
    cell = np.searchsorted(PEOPLE.edges(20), scores, side="right")
    for index, row in enumerate(result.calibration):
        assert row.observed is not None
        assert row.observed.value == pytest.approx(outcome[cell == index].mean(), abs=1e-9)
        assert row.predicted == pytest.approx(row.observed.value, abs=0.06)


def test_base_rate_and_number_are_plain_counts() -> None:
    """Without noise both are exact."""
    _, outcome, result = exact(n=5000)
    assert result.students.value == pytest.approx(5000)
    assert result.base_rate.value == pytest.approx(outcome.mean())


def coverage(n: int, noise_sd: float, bins: int, repeats: int, narrow: float = 1.0) -> dict[str, float]:
    """How often the interval of each figure covers the population's own value."""
    rng = np.random.default_rng(11)
    found = PEOPLE.edges(bins)
    scores, outcome = PEOPLE.draw(2_000_000, rng)
    ranked = outcome[np.argsort(-scores)]
    truth = {"auc": PEOPLE.auc, "base_rate": PEOPLE.rate}
    for k in SHARES:
        chosen = ranked[: round(k * len(ranked))]
        truth |= {f"precision {k}": chosen.mean(), f"recall {k}": chosen.sum() / outcome.sum()}
    hits = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        drawn = exact_table(*PEOPLE.draw(n, rng), found)
        result = evaluate(drawn + noise_sd * rng.standard_normal(len(drawn)), noise_sd * narrow, found)
        figures = {"auc": result.auc, "base_rate": result.base_rate}
        for row in result.at_k:
            figures |= {f"precision {row.k}": row.precision, f"recall {row.k}": row.recall}
        for name, figure in figures.items():
            hits[name] += figure.low <= truth[name] <= figure.high
    return {name: count / repeats for name, count in hits.items()}


@pytest.mark.parametrize(
    ("n", "noise_sd", "bins"), [(1200, 0.0, 8), (1200, 8.0, 8), (6000, 14.0, 8), (30_000, 14.0, 20)]
)
def test_intervals_cover_as_often_as_they_say(n: int, noise_sd: float, bins: int) -> None:
    """Nominal 95 %: between 92 and 98.5 % of 400 repeated draws of students and of noise, for every figure.

    The seed is fixed, so this fails always or never; with a fresh seed and a true coverage of 95 %, one figure
    would fail about once in 300.
    """
    for name, share in coverage(n, noise_sd, bins, repeats=400).items():
        assert 0.92 <= share <= 0.985, (name, share)


def test_intervals_that_forget_the_noise_are_caught() -> None:
    """Positive control: told that there is no noise, the same intervals cover far too rarely."""
    assert coverage(1200, 8.0, 8, repeats=200, narrow=0.0)["auc"] < 0.85


def test_privacy_dominates_where_its_error_is_larger() -> None:
    """Much noise on few students raises the flag; little noise on many does not."""
    scores, outcome = PEOPLE.draw(1000, np.random.default_rng(2))
    table = exact_table(scores, outcome, PEOPLE.edges(8))
    assert evaluate(table, 15.0, PEOPLE.edges(8)).privacy_dominates
    assert not evaluate(table, 0.5, PEOPLE.edges(8)).privacy_dominates


def test_every_figure_lies_in_its_interval_whatever_the_noise() -> None:
    """Tables drowned in noise still give figures within bounds, and low <= value <= high."""
    rng = np.random.default_rng(6)
    found = PEOPLE.edges(8)
    for _ in range(50):
        result = evaluate(20.0 + 60.0 * np.abs(rng.standard_normal(16)) - 30.0, 60.0, found)
        rows = [figure for row in result.at_k for figure in (row.precision, row.recall)]
        for figure in (result.auc, result.brier, result.base_rate, *rows):
            assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0


def test_same_table_same_interval() -> None:
    """Whoever holds the table gets the same interval, bit for bit; another table draws other normals."""
    seed = np.arange(4.0)
    assert np.array_equal(deterministic_normals(seed, (5, 3)), deterministic_normals(seed, (5, 3)))
    assert not np.array_equal(deterministic_normals(seed + 1, (5, 3)), deterministic_normals(seed, (5, 3)))


def test_simulated_normals_are_normal() -> None:
    """Mean, sd and tails of 200,000 of them; the stream is fixed, so this fails always or never."""
    normals = deterministic_normals(np.zeros(1), (200_000,))
    assert abs(normals.mean()) < 0.01 and abs(normals.std() - 1) < 0.01
    assert np.mean(np.abs(normals) > 1.959964) == pytest.approx(0.05, abs=0.002)


def test_feasible_keeps_totals() -> None:
    """No negative cells, the same total per outcome, and a table without negative cells stays as it is."""
    cells = np.array([[5.0, -3.0, 2.0, 10.0], [1.0, 0.0, 4.0, 2.0]])
    found = feasible(cells)
    assert (found >= 0).all() and found.sum(axis=1) == pytest.approx(cells.sum(axis=1))
    assert found[1] == pytest.approx(cells[1])


def test_hopeless_tables_are_refused() -> None:
    """Without one of the outcomes, or with cells that do not fit, there is an error and no figure."""
    found = PEOPLE.edges(8)
    with pytest.raises(EvaluationError, match="both outcomes"):
        evaluate(np.concatenate([np.ones(8), -np.ones(8)]), 1.0, found)
    with pytest.raises(EvaluationError, match="2·bins"):
        evaluate(np.ones(15), 1.0, found)


def test_predicted_chances_rise() -> None:
    """Bins go from low to high predicted chance, within 0 and 1."""
    chances = predicted(PEOPLE.edges(40))
    assert (np.diff(chances) > 0).all() and chances[0] > 0 and chances[-1] < 1
