"""Arrives: sensitivities and variances of releases. Leaves: what they cost one student, as rho and as
(epsilon, delta).

The ledger counts in zCDP: rho = Delta^2 / (2 sigma^2) a release, an exact rational, and costs add, also when
later questions depend on earlier answers (Bun, Steinke 2016, arXiv:1605.02065v1, Lemma 1.7; with a cap fixed
beforehand: Whitehouse et al. 2023, arXiv:2203.05481). People read epsilon, so rho is converted
here, two ways: proved (`epsilon_from_rho`) and as an estimate from the privacy loss distribution
(`epsilon_pld`).

Unit: one student at one school, records added or removed. Rationals are exact; floats are upper bounds up to
rounding (less than 1e-13 of epsilon, or of 1 where epsilon is smaller), and caps are never enforced on them. Proofs
stand in `accounting.md`; its labels [A1] to [A9] mark lines here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from privacy.errors import AccountingError

RHO_DENOMINATOR: Final = 10**12
LARGEST_CORRECTION: Final = 2.0**-40
_FLOAT_MARGIN: Final = 1e-13
_ROOT_SCALE: Final = 10**18
_MOST_EPSILON: Final = 1000


def rho_of(delta_steps: int, variance: Fraction) -> Fraction:
    """zCDP cost of one integer Gaussian sum with sensitivity `delta_steps` and `variance`, both in lattice
    steps.

    rho = Delta^2 / (2 sigma^2), whatever the dimension (Canonne, Kamath, Steinke 2020, arXiv:2004.00010v4,
    Theorem 14).
    """
    if delta_steps < 0 or variance <= 0:
        raise _error("A release has a sensitivity of 0 or more and a variance above 0.", "another")
    return Fraction(delta_steps**2) / (2 * Fraction(variance))  # [A1]


def epsilon_from_rho(rho: Fraction, delta: Fraction | float) -> float:
    """The least epsilon for which every rho-zCDP mechanism is proved (epsilon, delta)-DP; 0.0 for rho = 0.

    Canonne, Kamath, Steinke 2020, arXiv:2004.00010v4, Corollary 13, solved for epsilon: the infimum over
    alpha > 1 of alpha rho + (log(1/(alpha delta)) + (alpha - 1) log(1 - 1/alpha)) / (alpha - 1). Its
    derivative is rho - log(1/(alpha delta)) / (alpha - 1)^2, which has one root, so bisection finds the
    infimum; and a root that is slightly off still gives a valid epsilon. Raises `AccountingError` unless rho
    >= 0 and 0 < delta < 1.
    """
    log_delta = _log_delta(delta)
    if rho < 0:
        raise _error("A cost rho is 0 or more.", "a negative one")
    if rho == 0:
        return 0.0
    excess = _best_order(float(rho), log_delta)
    tail = (-math.log1p(excess) - log_delta) / excess + math.log(excess) - math.log1p(excess)
    return max(0.0, (1 + excess) * float(rho) + tail)  # [A2]


def rho_from_epsilon(epsilon: Fraction, delta: Fraction | float) -> Fraction:
    """The largest rho, rounded down to a multiple of 10^-12, whose `epsilon_from_rho` is at most `epsilon`.

    Raises `AccountingError` unless 0 <= epsilon <= 1000 and 0 < delta < 1.
    """
    if not 0 <= epsilon <= _MOST_EPSILON:
        raise _error(f"epsilon lies between 0 and {_MOST_EPSILON}.", "another")
    bound = float(epsilon) - _FLOAT_MARGIN * max(1.0, float(epsilon))  # [A4]
    low, high = 0, 2 * _MOST_EPSILON * RHO_DENOMINATOR
    while high - low > 1:
        middle = (low + high) // 2
        fits = epsilon_from_rho(Fraction(middle, RHO_DENOMINATOR), delta) <= bound
        low, high = (middle, high) if fits else (low, middle)
    return Fraction(low, RHO_DENOMINATOR)


def epsilon_pld(events: Iterable[tuple[int, Fraction]], delta: Fraction | float) -> float:
    """An *estimate* of epsilon at `delta` for these releases (Delta, sigma^2), from the privacy loss
    distribution.

    Gaussian releases compose to one Gaussian whose squared signal-to-noise ratio is the sum (Dong, Roth, Su
    2019, arXiv:1905.02383, Corollary 3.3), here evaluated by `dp-accounting`, pessimistically discretised. It
    is an estimate because the recorded noise is a sum of discrete Gaussians on a fine lattice and this
    computes the continuous one.
    """
    _log_delta(delta)
    ratio = float(sum((2 * rho_of(*event) for event in events), Fraction(0)))
    if ratio == 0:
        return 0.0
    from dp_accounting.pld import privacy_loss_distribution  # a second to import, so only where it is used

    loss = privacy_loss_distribution.from_gaussian_mechanism(1 / math.sqrt(ratio))  # [A5]
    return float(loss.get_epsilon_for_delta(float(delta)))


def several_schools(rhos: Sequence[Fraction]) -> Fraction:
    """What one person pays who is in the sums of several schools at once: (sum of sqrt(rho_i))^2, rounded up.

    Sensitivities add in norm: sqrt(2 rho) is Delta/sigma, and the person's vectors may point the same way.
    Rational; too large by less than 2e-18 times the sum of roots for each school.
    """
    if any(rho < 0 for rho in rhos):
        raise _error("A cost rho is 0 or more.", "a negative one")
    return Fraction(sum(_root_up(rho) for rho in rhos), _ROOT_SCALE) ** 2  # [A6]


def shared_sum(rho: Fraction, schools: int) -> Fraction:
    """What one person pays for one shared sum, having a record at `schools` of its schools: m^2 rho, exactly."""
    return schools**2 * rho  # [A7]


def sum_correction(releases: Iterable[tuple[int, Fraction]], honest: int) -> float:
    """eta: how far sums of `honest` discrete Gaussians are from one, over releases (dimension d, sigma^2 of
    the sum).

    tau = 10 sum_{k=1}^{h-1} exp(-2 pi^2 sigma_s^2 k/(k+1)) bounds the log ratio in one coordinate, with
    sigma_s^2 = sigma^2/h (Kairouz, Liu, Steinke 2021, arXiv:2102.06387, Proposition 14); eta adds tau d.
    Raises `AccountingError` unless eta < 2^-40, which the fine lattice makes sure of.
    """
    if honest < 1:
        raise _error("At least one school is honest.", f"{honest}")
    eta = math.fsum(dimension * _tau(float(variance / honest), honest) for dimension, variance in releases)
    if not eta < LARGEST_CORRECTION:  # [A8]
        raise _error("The lattice is so fine that sums of noise are as good as one (eta < 2^-40).", f"{eta:.3g}")
    return eta


def corrected(epsilon: float, delta: float, eta: float, total_variation: float = 0.0) -> tuple[float, float]:
    """(epsilon, delta) of ideal noise -> that of the noise in use: (eps + 2 eta, e^eta delta + (1 + e^eps)
    TV).

    eta: `sum_correction`; total_variation: distance of the sampler from its ideal, all draws together (DESIGN
    §3).
    """
    wider = epsilon + 2 * eta
    return wider, math.exp(eta) * delta + (1 + math.exp(wider)) * total_variation  # [A9]


def _best_order(rho: float, log_delta: float) -> float:
    """alpha - 1 at the root of rho (alpha - 1)^2 = log(1/(alpha delta)), which lies between 0 and 1/delta."""
    low, high = -745.0, -log_delta  # logarithms, since the root may be near 0 or near 1/delta
    for _ in range(200):
        middle = (low + high) / 2
        excess = math.exp(middle)
        below = rho * excess * excess + math.log1p(excess) + log_delta < 0  # [A3]
        low, high = (middle, high) if below else (low, middle)
    return math.exp(high)


def _log_delta(delta: Fraction | float) -> float:
    exact = Fraction(delta)
    if not 0 < exact < 1:
        raise _error("delta lies between 0 and 1.", "another")
    return math.log(exact.numerator) - math.log(exact.denominator)


def _root_up(rho: Fraction) -> int:
    """The square root of rho in units of 1/_ROOT_SCALE, rounded up."""
    scaled = math.ceil(rho * _ROOT_SCALE**2)
    root = math.isqrt(scaled)
    return root if root * root == scaled else root + 1


def _tau(variance: float, honest: int) -> float:
    return 10 * math.fsum(math.exp(-2 * math.pi**2 * variance * k / (k + 1)) for k in range(1, honest))  # [A8]


def _error(rule: str, found: str) -> AccountingError:
    return AccountingError(f"{rule} Found: {found}. Plan the experiment again with this platform.")
