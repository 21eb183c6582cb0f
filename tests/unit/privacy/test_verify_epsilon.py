"""The verifier's two ways to epsilon: proved from rho to 1e-9, and estimated from the sums with a stated error.

Oracles: mpmath at 40 digits, the privacy loss distributions of dp-accounting, and discrete Gaussians summed point by
point.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import product

import mpmath as mp
import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import verify
from privacy.accounting import epsilon_from_rho, sum_correction
from privacy.verify import Event, epsilon, estimate, tight_epsilon

DELTA = Fraction(1, 10**6)
RHOS = st.fractions(Fraction(1, 10**9), 200)


@settings(max_examples=200, deadline=None)
@given(RHOS, st.integers(2, 15))
def test_the_proved_epsilon_agrees_with_the_platforms(rho: Fraction, digits: int) -> None:
    """Golden section here, bisection there, no code shared: the same to 1e-9."""
    delta = Fraction(1, 10**digits)
    assert abs(epsilon(rho, delta) - epsilon_from_rho(rho, delta)) < 1e-9


def exact(rho: mp.mpf, delta: mp.mpf) -> mp.mpf:
    """The tight epsilon of the Gaussian with mu = sqrt(2 rho), by bisection on Balle and Wang's own formula."""
    mu = mp.sqrt(2 * rho)

    def excess(eps: mp.mpf) -> mp.mpf:
        return mp.ncdf(mu / 2 - eps / mu) - mp.exp(eps) * mp.ncdf(-mu / 2 - eps / mu) - delta

    low, high = mp.mpf(0), mp.mpf(1)
    if excess(low) <= 0:
        return low
    while excess(high) > 0:
        high *= 2
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


@settings(max_examples=60, deadline=None)
@given(st.floats(-13, 2.3), st.floats(-15, -0.4))
def test_the_tight_epsilon_is_an_upper_bound_within_its_error(log_rho: float, log_delta: float) -> None:
    """Never below the truth at 40 digits, and above it by less than 1e-9 max(1, eps), over fifteen orders of size."""
    rho, delta = 10**log_rho, 10**log_delta
    with mp.workdps(40):
        truth = exact(mp.mpf(rho), mp.mpf(delta))
        assert 0 <= mp.mpf(tight_epsilon(rho, delta)) - truth < mp.mpf("1e-9") * max(1, truth)


def test_the_tight_epsilon_at_the_ends() -> None:
    """Nothing costs nothing; what delta covers costs nothing; beyond 10^6 nobody would spend."""
    assert tight_epsilon(0.0, 1e-6) == 0.0 == tight_epsilon(1e-20, 1e-6)
    assert tight_epsilon(2e6, 1e-6) == math.inf == epsilon(Fraction(2 * 10**6), DELTA)
    assert epsilon(Fraction(0), DELTA) == 0.0 and estimate({}, DELTA) == (0.0, 0.0)


@pytest.mark.parametrize("mu", [0.05, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-6, 1e-9])
def test_the_tight_epsilon_agrees_with_dp_accounting(mu: float, delta: float) -> None:
    """Its privacy loss distribution is pessimistic: below ours by our error at most, above by under 1e-4."""
    loss = privacy_loss_distribution.from_gaussian_mechanism(1 / mu)
    theirs, ours = loss.get_epsilon_for_delta(delta), tight_epsilon(mu**2 / 2, delta)
    assert -1e-9 * max(1, ours) < theirs - ours < 1e-4


def test_composition_is_one_gaussian() -> None:
    """Fifty sums of mu = 0.2: dp-accounting composes them one by one; METHODS §5 gives 6.57 beside 7.08 from rho."""
    loss = privacy_loss_distribution.from_gaussian_mechanism(5.0).self_compose(50)
    events = {Event(1, 10**6, Fraction(25 * 10**12), 1): 50}
    value, error = estimate(events, Fraction(1, 10**5))
    assert value == pytest.approx(loss.get_epsilon_for_delta(1e-5), abs=1e-3) and round(value, 2) == 6.57
    assert error < 1e-9 and round(epsilon(Fraction(1), Fraction(1, 10**5)), 2) == 7.08


# ---- the noise is discrete


def discrete(variance: float, honest: int = 1, reach: int = 400) -> np.ndarray:
    """Probabilities of a sum of `honest` discrete Gaussians of variance/honest each, on -reach..reach."""
    points = np.arange(-reach, reach + 1)
    one = np.exp(-(points**2) * honest / (2 * variance))
    one /= one.sum()
    total = one
    for _ in range(honest - 1):
        total = np.convolve(total, one)[reach:-reach]
    return total


def shifted(probabilities: np.ndarray, by: int) -> np.ndarray:
    """The same noise around `by`."""
    found = np.zeros_like(probabilities)
    if by >= 0:
        found[by:] = probabilities[: len(probabilities) - by]
    else:
        found[:by] = probabilities[-by:]
    return found


def epsilon_by_points(noises: list[np.ndarray], shift: tuple[int, ...], delta: float) -> float:
    """The tight epsilon between a point and its neighbour at `shift`, every outcome of every coordinate summed."""
    here, there = np.ones(1), np.ones(1)
    for noise, by in zip(noises, shift, strict=True):
        here = np.outer(here, noise).ravel()
        there = np.outer(there, shifted(noise, by)).ravel()
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        worst = max(
            np.maximum(here - math.exp(middle) * there, 0).sum(), np.maximum(there - math.exp(middle) * here, 0).sum()
        )
        low, high = (middle, high) if worst > delta else (low, middle)
    return high


CASES = [
    (shift, variance, honest)
    for shift, variance, honest in product([(3,), (8,), (0, 5), (3, 4), (5, -12)], [25, 40, 100], [1, 2, 3])
]


def test_the_stated_error_covers_discrete_noise() -> None:
    """Vectors of one and two numbers, one to three schools' noise, summed point by point: never above estimate + error.

    The control: the estimate alone is too low for some of them, so the error is needed; and it is not empty talk.
    """
    too_low = 0
    for shift, variance, honest in CASES:
        reach = 400 if len(shift) == 1 else 110
        noise = discrete(variance, honest, reach)
        truth = epsilon_by_points([noise] * len(shift), shift, float(DELTA))
        step = math.isqrt(sum(part**2 for part in shift))
        value, error = estimate({Event(len(shift), step, Fraction(variance), honest): 1}, DELTA)
        assert truth <= value + error and error <= 0.5, (shift, variance, honest)
        too_low += truth > value + 1e-6
    assert too_low > 0


def test_the_estimate_is_what_the_truth_tends_to() -> None:
    """On a finer lattice the point-by-point epsilon comes as near as the stated error says, and that error shrinks."""
    errors = []
    for scale in (1, 2, 4):
        variance, step = 25 * scale**2, 5 * scale
        truth = epsilon_by_points([discrete(variance, reach=80 * step)], (step,), float(DELTA))
        value, error = estimate({Event(1, step, Fraction(variance), 1): 1}, DELTA)
        assert value - 0.01 < truth <= value + error
        errors.append(error)
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@pytest.mark.parametrize("variance", [1, 2, 4, 9, 25, 100, 1000])
def test_a_discrete_gaussian_is_nearly_a_rounded_one(variance: int) -> None:
    """The step of the derivation: |log ratio| <= 16/s^4 on |k| <= 12 s, and 1e-30 covers what lies beyond."""
    s2 = mp.mpf(variance)
    with mp.workdps(60):
        sigma2, s = s2 + mp.mpf(1) / 12, mp.sqrt(s2)
        norm = mp.nsum(lambda k: mp.exp(-(k**2) / (2 * sigma2)), [-mp.inf, mp.inf])
        edge = int(12 * s)
        worst = mp.mpf(0)
        for k in {round(edge * part / 24) for part in range(25)}:
            rounded = mp.ncdf((k + mp.mpf(1) / 2) / s) - mp.ncdf((k - mp.mpf(1) / 2) / s)
            worst = max(worst, abs(mp.log(rounded * norm) + k**2 / (2 * sigma2)))
        assert worst <= 16 / s2**2
        beyond = 2 * mp.nsum(lambda k: mp.exp(-((k + edge + 1) ** 2) / (2 * sigma2)), [0, mp.inf]) / norm
        assert max(beyond, 2 * mp.ncdf(-(edge + mp.mpf(1) / 2) / s)) <= mp.mpf("1e-30")


def test_the_gap_of_shared_noise_is_the_platforms() -> None:
    """tau of Kairouz, Liu and Steinke: the same figure as the platform's own, and none for one school."""
    for honest, variance in ((2, 10), (3, 40), (10, 90)):
        ours = 7 * verify._sum_gap(Fraction(variance), honest)
        assert ours == pytest.approx(sum_correction([(7, Fraction(variance))], honest), rel=1e-12)
    assert verify._sum_gap(Fraction(1), 1) == 0.0 and verify._sum_gap(Fraction(10**30), 5) == 0.0


def test_an_estimate_that_cannot_be_bounded_says_so() -> None:
    """Noise of a lattice step or two, sums without number, costs beyond all: an infinite error, and no crash."""
    coarse = {Event(1, 1, Fraction(2), 1): 1}
    many = {Event(10**9, 1, Fraction(100), 1): 1}
    nothing = {Event(1, 1, Fraction(1, 12), 1): 1}
    dear = {Event(1, 10**6, Fraction(10**9, 2), 1): 1}
    dearest = {Event(1, 10**9, Fraction(10**9), 1): 1}
    for events in (coarse, many, nothing, dear, dearest):
        assert estimate(events, DELTA)[1] == math.inf
    assert estimate({Event(10**6, 1, Fraction(10**20), 1): 1}, Fraction(1, 10**28))[1] == math.inf
    assert estimate(Counter({Event(10**6, 10**9, Fraction(10**20), 20): 100}), DELTA)[1] < 1e-9
