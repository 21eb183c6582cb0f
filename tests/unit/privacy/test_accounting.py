"""Costs: rationals are exact, conversions agree with an independent high-precision oracle, bounds point upwards."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import verify
from privacy.accounting import (
    LARGEST_CORRECTION,
    corrected,
    epsilon_from_rho,
    epsilon_pld,
    rho_from_epsilon,
    rho_of,
    several_schools,
    shared_sum,
    sum_correction,
)
from privacy.errors import AccountingError, LatticeError
from privacy.private_sum import Release

DELTA = Fraction(1, 10**6)


def oracle_epsilon(rho: Fraction, delta: Fraction) -> mpmath.mpf:
    """Corollary 13 of arXiv:2004.00010 read as delta(epsilon), inverted at 40 digits: another road to the number.

    delta(eps) = inf over alpha of exp((alpha-1)(alpha rho - eps)) / (alpha-1) * (1 - 1/alpha)^alpha; here the log
    of it is minimised by a search over log(alpha - 1), and eps is found by bisection.
    """
    with mpmath.workdps(40):
        r, target = (
            mpmath.mpf(rho.numerator) / rho.denominator,
            mpmath.log(mpmath.mpf(delta.numerator) / delta.denominator),
        )

        def log_delta(eps: Any) -> Any:
            def slope(excess: Any) -> Any:
                a = 1 + excess
                return (2 * a - 1) * r - eps + mpmath.log(1 - 1 / a)

            low, high = mpmath.mpf(10) ** -25, (eps + 1) / (2 * r) + 2
            for _ in range(75):
                middle = mpmath.sqrt(low * high)
                low, high = (middle, high) if slope(middle) < 0 else (low, middle)
            a = 1 + low
            return low * (a * r - eps) - mpmath.log(low) + a * mpmath.log(1 - 1 / a)

        low, high = mpmath.mpf(0), 2 * r + 2 * mpmath.sqrt(-r * target) + 1
        for _ in range(55):
            middle = (low + high) / 2
            low, high = (middle, high) if log_delta(middle) > target else (low, middle)
        return high


@pytest.mark.parametrize("delta", [Fraction(1, 10**5), DELTA, Fraction(1, 10**12)])
@pytest.mark.parametrize("rho", [Fraction(1, 10**5), Fraction(1, 200), Fraction(1, 3), Fraction(7)])
def test_epsilon_agrees_with_the_oracle_to_nine_digits(rho: Fraction, delta: Fraction) -> None:
    """The formula solved for epsilon equals the formula for delta inverted at 40 digits, to 1e-10."""
    assert abs(epsilon_from_rho(rho, delta) - float(oracle_epsilon(rho, delta))) < 1e-10


@settings(max_examples=200, deadline=None)
@given(st.fractions(Fraction(1, 10**9), 100), st.integers(2, 15))
def test_epsilon_agrees_with_the_verifiers_own_search(rho: Fraction, digits: int) -> None:
    """The verifier minimises by golden section and shares no code; both agree to 1e-9, everywhere."""
    delta = Fraction(1, 10**digits)
    assert abs(epsilon_from_rho(rho, delta) - verify.epsilon(rho, delta)) < 1e-9


def test_epsilon_at_the_ends() -> None:
    """Nothing costs nothing; next to nothing is covered by delta; much costs much; delta may be a float."""
    assert epsilon_from_rho(Fraction(0), DELTA) == 0.0
    assert epsilon_from_rho(Fraction(1, 10**30), DELTA) == 0.0
    assert 1000 < epsilon_from_rho(Fraction(1000), DELTA) < 1300
    assert epsilon_from_rho(Fraction(1, 3), 1e-6) == pytest.approx(epsilon_from_rho(Fraction(1, 3), DELTA), abs=1e-12)


@pytest.mark.parametrize("epsilon", [Fraction(1, 100), Fraction(1), Fraction(3), Fraction(8), Fraction(50)])
def test_rho_of_an_epsilon_is_the_largest_that_fits(epsilon: Fraction) -> None:
    """Rounded down to 10^-12: that rho stays within epsilon, ten units more do not."""
    rho = rho_from_epsilon(epsilon, DELTA)
    unit = Fraction(1, 10**12)
    assert (rho * 10**12).denominator == 1
    assert oracle_epsilon(rho, DELTA) <= float(epsilon)
    assert oracle_epsilon(rho + 10 * unit, DELTA) > float(epsilon)


def test_no_epsilon_gives_no_rho() -> None:
    """Nought in, nought out: rounding never rounds up."""
    assert rho_from_epsilon(Fraction(0), DELTA) == 0


def test_figures_of_the_field() -> None:
    """50 releases at mu = 0.2, delta = 1e-5: zCDP 7.08, PLD 6.57; the same student at two schools: PLD 15.5."""
    event = (1, Fraction(25))
    assert rho_of(*event) == Fraction(1, 50)
    assert epsilon_from_rho(50 * rho_of(*event), 1e-5) == pytest.approx(7.08, abs=0.005)
    assert epsilon_pld([event] * 50, 1e-5) == pytest.approx(6.57, abs=0.005)
    assert epsilon_pld([(2, Fraction(25))] * 50, 1e-5) == pytest.approx(15.5, abs=0.05)


@pytest.mark.parametrize(
    "events", [[(100, Fraction(10**6))], [(1, Fraction(25))] * 50, [(3, Fraction(7)), (1, Fraction(2))]]
)
def test_pld_agrees_with_the_closed_form_of_the_gaussian(events: list[tuple[int, Fraction]]) -> None:
    """delta(eps) = Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu) (Balle, Wang 2018, Theorem 8), at the eps found."""
    epsilon = epsilon_pld(events, DELTA)
    mu = mpmath.sqrt(2 * sum(float(rho_of(*event)) for event in events))
    exact = mpmath.ncdf(mu / 2 - epsilon / mu) - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)
    assert float(exact) == pytest.approx(float(DELTA), rel=2e-3) and exact <= float(DELTA) * (1 + 1e-6)
    assert epsilon < epsilon_from_rho(sum((rho_of(*event) for event in events), Fraction(0)), DELTA)


def test_pld_of_nothing_is_nothing_and_imports_nothing() -> None:
    """No events cost 0, and accounting can be imported without its second of dp-accounting."""
    assert epsilon_pld([], DELTA) == 0.0
    code = "import sys, privacy.accounting; sys.exit('dp_accounting' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.lists(st.fractions(0, 2, max_denominator=10**6), min_size=1, max_size=5))
def test_several_schools_is_an_upper_bound_that_is_tight(rhos: list[Fraction]) -> None:
    """Never below the true (sum of roots)^2, and above it by less than 1e-15."""
    with mpmath.workdps(80):
        true = sum(mpmath.sqrt(mpmath.mpf(rho.numerator) / rho.denominator) for rho in rhos) ** 2
        bound = several_schools(rhos)
        exact = mpmath.mpf(bound.numerator) / bound.denominator
        assert exact - true + mpmath.mpf(10) ** -70 >= 0 and exact - true < mpmath.mpf(10) ** -15


def test_several_schools_is_exact_on_squares_and_below_m_times_the_sum() -> None:
    """Quarter and ninth make 25/36; one school pays its own rho; m equal schools pay m^2 rho, as in one shared sum."""
    assert several_schools([Fraction(1, 4), Fraction(4)]) == Fraction(25, 4)
    assert several_schools([Fraction(1, 4)]) == Fraction(1, 4)
    assert several_schools([Fraction(1, 4)] * 3) == shared_sum(Fraction(1, 4), 3) == Fraction(9, 4)
    assert several_schools([]) == 0


def test_the_correction_for_sums_of_noise() -> None:
    """eta by hand for two honest schools; sigma_s = 3 at d = 10^6 suffices (DESIGN §3); one school needs none."""
    variance = Fraction(8)  # of the sum; sigma_s^2 = 4
    expected = 5 * 10 * math.exp(-(math.pi**2) * 4)
    assert sum_correction([(5, variance)], 2) == pytest.approx(expected, rel=1e-12, abs=0)
    assert sum_correction([(2, variance), (3, variance)], 2) == pytest.approx(expected, rel=1e-12, abs=0)
    three = 10 * (math.exp(-(math.pi**2) * 4) + math.exp(-(math.pi**2) * 16 / 3))
    assert sum_correction([(1, Fraction(12))], 3) == pytest.approx(three, rel=1e-12, abs=0)
    assert sum_correction([(10**6, Fraction(9 * 10))], 10) < LARGEST_CORRECTION
    assert sum_correction([(10**6, Fraction(1))], 1) == 0.0
    assert 0.99 * LARGEST_CORRECTION < sum_correction([(91, Fraction(7))], 2) < LARGEST_CORRECTION
    for dimension in (92, 10**6):
        with pytest.raises(AccountingError, match="2\\^-40"):
            sum_correction([(dimension, Fraction(7))], 2)


def _discrete_gaussian(variance: float, reach: int) -> np.ndarray:
    """P(-reach..reach) of N_Z(0, variance)."""
    weight = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * variance))
    return weight / weight.sum()


def _distance(shares: int, share_variance: float, one_variance: float) -> float:
    """The largest log ratio, in any point out to 7 sigma, of a sum of shares to one discrete Gaussian."""
    share, total = _discrete_gaussian(share_variance, 60), np.ones(1)
    for _ in range(shares):
        total = np.convolve(total, share)
    middle, reach = len(total) // 2, int(7 * math.sqrt(shares * share_variance))
    near = total[middle - reach : middle + reach + 1]
    return float(np.abs(np.log(near / _discrete_gaussian(one_variance, 400)[400 - reach : 401 + reach])).max())


@pytest.mark.parametrize("shares", [2, 3, 5])
@pytest.mark.parametrize("share_variance", [1.0, 1.5])
def test_tau_bounds_how_far_a_sum_of_shares_is_from_one_noise(shares: int, share_variance: float) -> None:
    """Exact convolutions at the smallest shares there are: within tau/2 in every point; for two shares a fifth of tau.

    The control: against one noise of 1 % less variance the distance is far beyond tau.
    """
    tau = 10 * sum(math.exp(-2 * math.pi**2 * share_variance * k / (k + 1)) for k in range(1, shares))
    variance = shares * share_variance
    distance = _distance(shares, share_variance, variance)
    assert distance <= tau / 2 and (shares > 2 or distance > tau / 6)
    assert _distance(shares, share_variance, 0.99 * variance) > tau


def test_every_planned_release_is_as_good_as_one_noise() -> None:
    """What `check_planning` lets pass has shares of 100 steps and more, for which eta is nought to every digit."""
    for schools in (2, 60, 10_000):
        release = Release(10**7, Fraction(1), 2**20, Fraction((100 * schools) ** 2))
        release.check_planning(schools)
        assert sum_correction([(release.dimension, release.variance)], schools) == 0.0
    with pytest.raises(LatticeError):
        Release(1, Fraction(1), 1, Fraction((100 * 60) ** 2 - 1)).check_planning(60)


def _optimal_epsilon(rho: Fraction, delta: Fraction) -> mpmath.mpf:
    """Corollary 13 itself at 50 digits, at the order where its derivative is nought."""
    with mpmath.workdps(50):
        cost = mpmath.mpf(rho.numerator) / rho.denominator
        log_delta = mpmath.log(mpmath.mpf(delta.numerator) / delta.denominator)
        low, high = mpmath.mpf(-400), -log_delta
        for _ in range(170):
            middle = (low + high) / 2
            below = cost * mpmath.exp(2 * middle) + mpmath.log1p(mpmath.exp(middle)) + log_delta < 0
            low, high = (middle, high) if below else (low, middle)
        excess = mpmath.exp(high)
        tail = (-mpmath.log1p(excess) - log_delta) / excess + mpmath.log(excess) - mpmath.log1p(excess)
        return max(mpmath.mpf(0), (1 + excess) * cost + tail)


@pytest.mark.parametrize("digits", [2, 6, 9, 30])
def test_epsilon_is_off_by_roundings_only(digits: int) -> None:
    """From rho = 10^-9 to 1000: less than 1e-13 of epsilon, or of 1 where epsilon is smaller, as the module says."""
    delta = Fraction(1, 10**digits)
    for tenths in range(-90, 31, 3):
        rho = Fraction(round(10 ** (tenths / 10) * 10**12), 10**12)
        exact = _optimal_epsilon(rho, delta)
        assert abs(epsilon_from_rho(rho, delta) - exact) < 1e-13 * max(1, exact)


@pytest.mark.parametrize("alpha", [1.1, 2.0, 7.5, 40.0])
@pytest.mark.parametrize("shift", [1, 2, 5])
@pytest.mark.parametrize("variance", [0.3, 1.0, 9.0])
def test_the_divergence_of_shifted_noise_is_within_rho(variance: float, shift: int, alpha: float) -> None:
    """Claim 1: D_alpha of N_Z(0, s) and itself, a whole number aside, is at most alpha shift^2 / 2s, and near it."""
    with mpmath.workdps(60):
        s, order = mpmath.mpf(variance), mpmath.mpf(alpha)
        reach = int(alpha * shift + 40 * math.sqrt(variance) + 20)
        weight = {x: mpmath.exp(-(mpmath.mpf(x) ** 2) / (2 * s)) for x in range(-reach - shift, reach + 1)}
        total = sum(weight.values())
        terms = (weight[x - shift] ** order * weight[x] ** (1 - order) for x in range(-reach, reach + 1))
        divergence = mpmath.log(sum(terms) / total) / (order - 1)
        bound = order * shift**2 / (2 * s)
        assert divergence <= bound * (1 + mpmath.mpf(10) ** -30)
        assert divergence > bound / 3 or variance < 1


RELEASES = st.tuples(st.sets(st.integers(0, 3), min_size=1), st.fractions(0, 1, max_denominator=1000))


@given(st.lists(RELEASES, max_size=8))
def test_a_person_pays_no_more_than_the_schools_say_however_they_were_combined(
    releases: list[tuple[set[int], Fraction]],
) -> None:
    """Claim 6: the sum of k^2 rho over releases, k of the four schools in each, is within (sum of roots)^2."""
    paid = sum((shared_sum(rho, len(schools)) for schools, rho in releases), Fraction(0))
    each = [sum((rho for schools, rho in releases if school in schools), Fraction(0)) for school in range(4)]
    assert paid <= several_schools(each)


def test_the_corrected_guarantee() -> None:
    """(eps + 2 eta, e^eta delta), and (1 + e^eps) times the sampler's distance on top."""
    assert corrected(1.0, 1e-6, 0.0) == (1.0, 1e-6)
    wider, delta = corrected(1.0, 1e-6, 0.1, 1e-9)
    assert wider == pytest.approx(1.2)
    assert delta == pytest.approx(math.exp(0.1) * 1e-6 + (1 + math.exp(1.2)) * 1e-9)


@pytest.mark.parametrize(
    "act",
    [
        lambda: rho_of(-1, Fraction(1)),
        lambda: rho_of(1, Fraction(0)),
        lambda: epsilon_from_rho(Fraction(-1), DELTA),
        lambda: epsilon_from_rho(Fraction(1), 0),
        lambda: epsilon_from_rho(Fraction(1), 1.0),
        lambda: rho_from_epsilon(Fraction(-1), DELTA),
        lambda: rho_from_epsilon(Fraction(1001), DELTA),
        lambda: epsilon_pld([], 2.0),
        lambda: several_schools([Fraction(-1)]),
        lambda: sum_correction([], 0),
    ],
)
def test_costs_outside_the_formulas_are_refused(act: Any) -> None:
    """Negative costs, delta outside (0, 1), no honest school: an error, never a number."""
    with pytest.raises(AccountingError):
        act()
