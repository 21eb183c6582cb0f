"""Constants follow from public sizes and the budget, and from nothing else."""

from __future__ import annotations

import inspect
from fractions import Fraction
from itertools import pairwise

import pytest

from experiments import hyperparameters
from experiments.errors import QueryError
from experiments.hyperparameters import Settings, bins, clip_share, gradient_shares, settings
from experiments.queries.score_bins import LEVELS


def test_constants_are_functions_of_public_figures_only() -> None:
    """No function takes rows: its parameters are numbers, fractions or settings."""
    public = {"int", "float", "Fraction", "Settings"}
    for name, function in inspect.getmembers(hyperparameters, inspect.isfunction):
        if function.__module__ == hyperparameters.__name__:
            kinds = {str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()}
            assert kinds <= public, (name, kinds)


def test_same_figures_same_constants() -> None:
    """Coordinator and node derive equal settings, and settings cannot be changed afterwards."""
    first, second = (settings(12_000, 4_000, 45, Fraction(1, 50), Fraction(1, 400)) for _ in range(2))
    assert first == second
    with pytest.raises(AttributeError):
        first.features = 3  # type: ignore[misc]


def test_clip_grows_with_signal_and_stays_within_bounds() -> None:
    """Little signal, tight clip; the steps are hundredths, so that the context holds a short fraction."""
    shares = [clip_share(10.0**power) for power in range(-2, 6)]
    assert shares == sorted(shares) and shares[0] == Fraction(35, 100) and shares[-1] == Fraction(6, 5)
    assert all(share.denominator <= 100 for share in shares)
    assert clip_share(13.0) == Fraction(45, 100)


def test_gradients_take_what_the_curvature_leaves() -> None:
    """Shares are exact, grow by the declared factor, and add to one with the curvature's."""
    chosen = settings(1000, 100, 10, Fraction(1))
    shares = gradient_shares(chosen)
    assert len(shares) == 8 and sum(shares) == 1 - chosen.curvature_share
    assert all(later / earlier == chosen.growth for earlier, later in pairwise(shares))


@pytest.mark.parametrize(
    ("students", "rho", "expected"), [(300, "1/400", 8), (30_000, "1/400", 20), (10**6, "1/400", 40)]
)
def test_bins_follow_the_signal(students: int, rho: str, expected: int) -> None:
    """Few students or little budget: eight bins; every answer has declared levels."""
    assert bins(students, Fraction(rho)) == expected
    assert expected in LEVELS


def test_impossible_sizes_are_refused() -> None:
    """No students, no features, no budget, a thousand and one features: each is a QueryError."""
    for sizes in ((0, 10, 5), (10, 10, 0)):
        with pytest.raises(QueryError):
            settings(*sizes, Fraction(1))
    with pytest.raises(QueryError):
        settings(10, 10, 5, Fraction(0))
    with pytest.raises(QueryError):
        Settings(1001, Fraction(1), 8)
    with pytest.raises(QueryError):
        Settings(5, Fraction(1), 1)
