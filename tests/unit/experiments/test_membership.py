"""Shadow models: the attack succeeds where nothing protects, and finds no more than is reported where noise does."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from experiments import membership
from experiments.errors import QueryError
from experiments.membership import SHADOWS, Guessed, Membership, Setting, attack, infer_membership, judge
from experiments.students import Students
from privacy import accounting

DELTA = Fraction(1, 10**6)
RHO = accounting.rho_from_epsilon(Fraction(1), DELTA)


@pytest.fixture(scope="module")
def found() -> Membership:
    with threadpool_limits(1):  # matrices of 61 by 61: several threads only wait for each other
        return infer_membership(RHO, DELTA, lambda stage, done, total: None)


def test_thirty_two_shadow_models_find_no_more_than_is_reported(found: Membership) -> None:
    """Epsilon 1: both bounds stay below it (a correct model exceeds one of them once in 5,000 at most)."""
    assert found.shadows == SHADOWS == 32
    assert found.epsilon_reported == pytest.approx(1.0, abs=1e-6)
    assert max(found.found.epsilon_lower, found.found.epsilon_lower_any) <= found.epsilon_reported
    assert abs(found.found.auc - 0.5) < 6 * 0.0162


def test_without_noise_an_overfit_model_gives_its_students_away(found: Membership) -> None:
    """The positive control: AUC near .80, above .6 by far, and a bound that alone exceeds epsilon 1."""
    assert found.control.auc > membership.SUCCEEDS + 0.05
    assert found.control.epsilon_lower > 1.0
    assert found.verdict == "holds"


def test_the_verdict_is_a_pure_function_of_what_was_found(found: Membership) -> None:
    """A bound above the reported figure breaks it; a control that failed makes the rest worth nothing."""
    caught = Guessed(1280, 0.9, 1.01, 0.0)
    assert replace(found, found=caught).verdict == "broken"
    assert replace(found, found=replace(caught, epsilon_lower=0.0, epsilon_lower_any=1.01)).verdict == "broken"
    assert replace(found, control=replace(caught, auc=0.59)).verdict == "low_power"
    assert replace(found).data()["verdict"] == "holds" and replace(found).data()["found"]["coins"] == 1280


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    """90 of 100 members and 5 of 100 others guessed "in", none "out": ln of the two beta quantiles, from scipy."""
    ratios = np.concatenate([np.r_[np.full(90, 2.0), np.full(10, 0.0)], np.r_[np.full(5, 2.0), np.full(95, 0.0)]])
    inside = np.arange(200) < 100
    level = 1e-4 / 4
    least = stats.beta.ppf(level, 90, 11) - 1e-6
    most = stats.beta.ppf(1 - level, 6, 95)
    assert judge(ratios, inside, -1.0, 1.0, DELTA).epsilon_lower == pytest.approx(math.log(least / most), rel=1e-6)


def test_guesses_no_better_than_a_coin_bound_nothing() -> None:
    """Ratios that have nothing to do with membership: AUC near a half (six standard deviations), both bounds zero."""
    draw = np.random.default_rng(8)
    guessed = judge(draw.normal(size=2000), draw.random(2000) < 0.5, -1.6, 1.6, DELTA)
    assert abs(guessed.auc - 0.5) < 6 * 0.013 and guessed.epsilon_lower == guessed.epsilon_lower_any == 0.0


def test_the_likelihood_ratio_is_that_of_two_normals() -> None:
    """One student, sureness 1 and 3 inside, -1 and 1 outside, spread 1: the ratio rises by (2 - 0) a unit."""
    shadow, inside = np.array([[1.0], [3.0], [-1.0], [1.0]]), np.array([[True], [True], [False], [False]])
    ratios = membership.likelihood_ratios(shadow, inside, np.array([[1.0], [2.0], [0.0]]))
    np.testing.assert_allclose(ratios.ravel(), [0.0, 2.0, -2.0], atol=1e-9)


def test_a_student_who_is_out_is_in_no_school() -> None:
    """What trains a model are the members alone, each always at the same school."""
    seen: list[list[Students]] = []

    def train(schools: Sequence[Students]) -> membership.Sureness:
        seen.append(list(schools))
        return lambda students: np.zeros(len(students))

    marked = Students(np.arange(20.0)[:, None] / 20, np.ones(20), np.zeros(20, dtype=bool), ("x",))
    attack(marked, train, Setting(students=20, shadows=8, attacked=1), DELTA)
    homes: dict[float, set[int]] = {}
    for schools in seen:
        for index, school in enumerate(schools):
            for row in school.features[:, 0]:
                homes.setdefault(float(row), set()).add(index)
    assert len(seen) == 9 and all(len(home) == 1 for home in homes.values())
    assert 0 < sum(len(school) for school in seen[0]) < 20


@pytest.mark.parametrize("few", [{"shadows": 7}, {"attacked": 0}])
def test_too_few_models_are_refused(few: dict) -> None:
    """An attack that cannot learn, or attacks nobody, is no evidence of anything."""
    with pytest.raises(QueryError):
        Setting(**few)
