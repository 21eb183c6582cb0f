"""Costs: rationals are exact, conversions agree with an independent high-precision oracle, bounds point upwards."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import verify_report
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
from privacy.errors import AccountingError

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
    assert abs(epsilon_from_rho(rho, delta) - verify_report.epsilon(rho, delta)) < 1e-9


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
    assert sum_correction([(5, variance)], 2) == pytest.approx(expected, rel=1e-12)
    assert sum_correction([(2, variance), (3, variance)], 2) == pytest.approx(expected, rel=1e-12)
    assert sum_correction([(10**6, Fraction(9 * 10))], 10) < LARGEST_CORRECTION
    assert sum_correction([(10**6, Fraction(1))], 1) == 0.0
    with pytest.raises(AccountingError, match="2\\^-40"):
        sum_correction([(10**6, Fraction(2))], 2)


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
