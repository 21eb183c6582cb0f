"""Figures of a ranking, against plain sums and scikit-learn: another way, the same answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from node.local import measuring
from node.local.measuring import Share


def ranking(n: int, seed: int, step: float = 0.0) -> tuple[pd.Series, pd.Series]:
    """Scores and outcomes of n students; with a step scores have ties."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"s{number:04d}" for number in rng.permutation(n)], name="student")
    outcome = (rng.random(n) < 0.25).astype(float)
    scores = outcome + rng.normal(0.0, 1.5, n)
    scores = np.round(scores / step) * step if step else scores
    return pd.Series(scores, index=index), pd.Series(outcome, index=index)


@pytest.mark.parametrize(("seed", "step"), [(1, 0.0), (2, 0.5), (3, 1.0), (4, 3.0)])
def test_auc_is_that_of_scikit_learn_ties_included(seed: int, step: float) -> None:
    """Scores on a coarse lattice tie often; a tie counts half."""
    scores, labels = ranking(300, seed, step)
    found = measuring.auc(scores, labels)
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("share", "count"), [(0.01, 3), (0.2, 50), (0.5, 125), (1.0, 250)])
def test_precision_and_recall_are_plain_sums_over_the_top(share: float, count: int) -> None:
    """Sorted in a list of Python's own, cut, counted."""
    scores, labels = ranking(250, 7, 0.5)
    top = sorted(scores.index, key=lambda student: (-scores[student], student))[:count]
    hits = sum(labels[student] for student in top)
    found = measuring.measure(scores, labels, share)
    assert (found.listed, found.precision.hits, found.recall.out_of) == (len(top), hits, labels.sum())
    assert found.precision.value == hits / len(top)
    assert found.recall.value == hits / labels.sum()


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Against SciPy's, at the edges too."""
    for hits, out_of in ((0, 12), (3, 12), (50, 99), (12, 12)):
        low, high = binomtest(hits, out_of).proportion_ci(method="wilson")
        assert Share(hits, out_of).interval == pytest.approx((low, high), abs=1e-9)
    assert Share(0, 0).interval is None
    assert Share(0, 0).value is None


def kernels(scores: pd.Series, labels: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's placements pair by pair."""
    left = scores[labels == 1.0].to_numpy()[:, None]
    stayed = scores[labels == 0.0].to_numpy()[None, :]
    psi = (left > stayed) + 0.5 * (left == stayed)
    return psi.mean(axis=1), psi.mean(axis=0)


def test_the_interval_of_an_auc_is_delongs() -> None:
    """Both sides count: how leavers vary among stayers, and stayers among leavers."""
    scores, labels = ranking(200, 11, 0.5)
    left, stayed = kernels(scores, labels)
    reach = measuring.TWO_SIDED_95 * (left.var(ddof=1) / len(left) + stayed.var(ddof=1) / len(stayed)) ** 0.5
    found = measuring.auc(scores, labels)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((left.mean() - reach, left.mean() + reach), abs=1e-12)


def test_the_difference_of_two_aucs_has_delongs_interval() -> None:
    """The covariance matrix written out, as in the paper, gives the same interval."""
    first, labels = ranking(200, 11, 0.5)
    second = first + np.random.default_rng(3).normal(0, 1.0, 200)
    found = measuring.difference(first, second.sort_index(), labels)
    assert found is not None
    (a_left, a_stayed), (b_left, b_stayed) = kernels(first, labels), kernels(second, labels)
    s10, s01 = np.cov(a_left, b_left), np.cov(a_stayed, b_stayed)
    contrast = np.array([-1.0, 1.0])
    variance = contrast @ (s10 / len(a_left) + s01 / len(a_stayed)) @ contrast
    reach = measuring.TWO_SIDED_95 * variance**0.5
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach), abs=1e-12)
    assert found.value == pytest.approx(roc_auc_score(labels, second) - roc_auc_score(labels, first), abs=1e-12)


def test_a_ranking_against_itself_differs_by_nothing() -> None:
    scores, labels = ranking(100, 13)
    found = measuring.difference(scores, scores, labels)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_one_outcome_only_gives_no_auc() -> None:
    scores, labels = ranking(50, 17)
    assert measuring.auc(scores, labels * 0.0) is None
    assert measuring.difference(scores, scores, labels * 0.0) is None


def test_equal_scores_go_by_the_second_and_then_by_pseudonym() -> None:
    """So that a list made again from the same data is the same list, whatever the order of rows."""
    scores = pd.Series([1.0, 2.0, 1.0, 1.0], index=["d", "c", "b", "a"])
    assert list(measuring.in_order(scores)) == ["c", "a", "b", "d"]
    second = pd.Series([9.0, 0.0, 1.0, 1.0], index=["d", "c", "b", "a"])
    assert list(measuring.in_order(scores, second)) == ["c", "d", "a", "b"]
    assert list(measuring.in_order(scores.sort_index())) == ["c", "a", "b", "d"]


def test_scores_that_differ_in_the_last_bits_are_one_score() -> None:
    """Another machine adds up in another order; the list does not change by it."""
    scores = pd.Series([1.0 + 1e-13, 1.0], index=["b", "a"])
    assert list(measuring.in_order(scores)) == ["a", "b"]


@pytest.mark.parametrize(
    ("share", "students", "expected"), [(0.2, 10, 2), (0.25, 10, 3), (0.001, 10, 1), (1.0, 10, 10), (0.2, 1, 1)]
)
def test_a_share_of_students_is_rounded_half_up_and_never_nobody(share: float, students: int, expected: int) -> None:
    assert measuring.listed(share, students) == expected
