"""The discrete Gaussian sampler against exact probabilities and against OpenDP's: chi-squared, moments, tails, signs.

The law of the values is judged by p-values, each of which is below `NOMINAL` = 5e-7 for a correct sampler with a
probability of at most 1e-6: moments are compared by their normal limits, which at these sizes and this level are off
by less than a factor 1.4. A fault that is planted passes its check with a probability below 1e-6. All p-values of one
run are counted, and there are at most 100: so a correct sampler fails this module in at most one run of ten thousand
(rate 1e-4). What is decided without chance stands in `test_noise.py`.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import opendp.prelude as dp
import pytest
from scipy import stats

from privacy import noise
from privacy.noise import discrete_gaussian

NOMINAL = 5e-7
RATE_OF_ONE, RATE_OF_A_RUN = 1e-6, 1e-4
DRAWS = 2_500_000
Values = npt.NDArray[np.int64]


class Tally:
    """Counts the p-values of a run, so that the rate of false alarms stated above stays true."""

    def __init__(self) -> None:
        self.judged = 0

    def fits(self, p: float) -> bool:
        """Whether a p-value speaks for the exact law."""
        self.judged += 1
        return p > NOMINAL


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """One tally for the module; more p-values than the rate allows fail it."""
    kept = Tally()
    yield kept
    assert kept.judged * RATE_OF_ONE <= RATE_OF_A_RUN


# -- the law --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """N_Z(0, variance): exact up to sigma = 2000 by summing all integers that matter, beyond by the Gaussian.

    The Gaussian with a correction for continuity gives the discrete one's probabilities of intervals to 1/(24 sigma^2)
    and its moments to exp(-2 pi^2 sigma^2): 1e-8 and less, where a test of 2.5 million draws sees 1e-4.
    """

    variance: Fraction

    @property
    def sigma(self) -> float:
        return math.sqrt(self.variance)

    @property
    def exact(self) -> bool:
        return self.sigma <= 2000

    def _points(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        support = np.arange(-40 * math.ceil(self.sigma), 40 * math.ceil(self.sigma) + 1).astype(float)
        weight = np.exp(-(support**2) / (2 * float(self.variance)))
        return support, weight / weight.sum()

    def moment(self, power: int) -> float:
        """E X^power, in units of sigma."""
        if not self.exact:
            return float(stats.norm.moment(power))
        support, probability = self._points()
        return float((support / self.sigma) ** power @ probability)

    def above(self, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """P(X > edge) for integer edges."""
        if not self.exact:
            return np.asarray(stats.norm.sf((edges + 0.5) / self.sigma))
        support, probability = self._points()
        return np.append(np.cumsum(probability[::-1])[::-1], 0)[np.searchsorted(support, edges, side="right")]

    def edges(self, draws: int) -> npt.NDArray[np.float64]:
        """Bins (a, b] by their edges: 200 alike where sigma is large, else every integer expected 100 times.

        What lies further out makes a bin of its own on either side, expected 25 times at least.
        """
        if self.sigma > 300:
            return np.round(stats.norm.ppf(np.arange(1, 200) / 200) * self.sigma)
        support, probability = self._points()
        above = self.above(support)
        return support[draws * np.minimum(probability / 100, np.minimum(above, 1 - above) / 25) >= 1]


def verdicts(values: Values, law: Law) -> dict[str, float]:
    """The p-value of each thing in which a sampler may be wrong."""
    scaled = values / law.sigma
    return {
        "probabilities": _chi_squared(values, law),
        "mean": _normal_p(scaled.mean() / math.sqrt(law.moment(2) / len(values))),
        "variance": _moment_p(scaled, law, 2),
        "fourth moment": _moment_p(scaled, law, 4),
        "tail": _tail_p(values, law),
        "sign": float(stats.binomtest(int((values > 0).sum()), int((values != 0).sum())).pvalue),
        "low bits": _low_bits_p(values) if law.sigma > 300 else 1.0,
    }


def _chi_squared(values: Values, law: Law) -> float:
    edges = law.edges(len(values))
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    expected = -np.diff(np.concatenate([[1.0], law.above(edges), [0.0]])) * len(values)
    return float(stats.chisquare(counts, expected, sum_check=False).pvalue)


def _normal_p(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))


def _moment_p(scaled: npt.NDArray[np.float64], law: Law, power: int) -> float:
    mean, square = law.moment(power), law.moment(2 * power)
    return _normal_p(((scaled**power).mean() - mean) / math.sqrt((square - mean**2) / len(scaled)))


def _tail_p(values: Values, law: Law) -> float:
    """What lies beyond 4.5 sigma, about 17 of 2.5 million: too few as well as too many."""
    edge = np.floor(np.array([4.5 * law.sigma]))
    return float(stats.binomtest(int((np.abs(values) > edge).sum()), len(values), 2 * float(law.above(edge)[0])).pvalue)


def _low_bits_p(values: Values) -> float:
    """The lowest six bits, uniform for wide noise: where samplers that calculate in floats betray themselves."""
    return float(stats.chisquare(np.bincount(values & 63, minlength=64)).pvalue)


def _draws(count: int, variance: Fraction) -> Values:
    """So many draws; below variance 1, which the public function refuses, from the blocks it is made of."""
    if variance >= 1:
        return discrete_gaussian(count, variance)
    blocks = [noise._draw(2**15, variance, os.urandom) for _ in range(count // 2**13)]
    return np.concatenate(blocks)[:count]


VARIANCES = {
    "0.5": Fraction(1, 4),
    "1": Fraction(1),
    "root of 22/7": Fraction(22, 7),
    "3": Fraction(9),
    "root of 1000/7": Fraction(1000, 7),
    "10^4": Fraction(10**8),
    "10^5": Fraction(10**10),
    "10^7": Fraction(10**14),
    "2^31": Fraction(2**62),
}


@pytest.mark.parametrize("sigma", VARIANCES)
def test_the_law_is_exact(sigma: str, tally: Tally) -> None:
    """Probabilities, mean, variance, fourth moment, tails, signs and low bits, from half a step to 2^31 steps."""
    law = Law(VARIANCES[sigma])
    found = verdicts(_draws(DRAWS, law.variance), law)
    assert {name: p for name, p in found.items() if not tally.fits(p)} == {}


def _wider(law: Law) -> Values:
    return discrete_gaussian(DRAWS, law.variance * Fraction(102, 100))


def _narrower(law: Law) -> Values:
    return discrete_gaussian(DRAWS, law.variance * Fraction(98, 100))


def _rounded(law: Law) -> Values:
    return np.rint(np.random.default_rng(1).normal(0, law.sigma, DRAWS)).astype(np.int64)


def _without_tail(law: Law) -> Values:
    values = discrete_gaussian(DRAWS, law.variance)
    values[np.abs(values) > 4.5 * law.sigma] = 0
    return values


def _with_more_minus(law: Law) -> Values:
    """One positive value in a hundred becomes negative: 50.5 % of them are."""
    values = discrete_gaussian(DRAWS, law.variance)
    return np.where(np.arange(DRAWS) % 100 == 0, -np.abs(values), values)


def _with_negative_zeros(law: Law) -> Values:
    """Algorithm 2 without throwing away the negative zero: zero comes twice as often, next to the rest."""
    values = discrete_gaussian(DRAWS, law.variance)
    return np.concatenate([values, values[values == 0]])


def _even(law: Law) -> Values:
    return discrete_gaussian(DRAWS, law.variance) & ~1


PLANTED = {
    "variance 2 % too large, sigma 3": (_wider, 9, "variance"),
    "variance 2 % too small, sigma 3": (_narrower, 9, "variance"),
    "variance 2 % too large, sigma 10^5": (_wider, 10**10, "variance"),
    "variance 2 % too small, sigma 10^7": (_narrower, 10**14, "variance"),
    "a continuous Gaussian, rounded": (_rounded, 9, "variance"),
    "a continuous Gaussian, rounded, seen by its bins": (_rounded, 9, "probabilities"),
    "no tail beyond 4.5 sigma": (_without_tail, 9, "tail"),
    "no tail beyond 4.5 sigma, wide": (_without_tail, 10**10, "tail"),
    "50.5 % negative": (_with_more_minus, 9, "sign"),
    "50.5 % negative, wide": (_with_more_minus, 10**10, "sign"),
    "negative zeros kept": (_with_negative_zeros, 9, "probabilities"),
    "on a lattice twice as coarse": (_even, 10**10, "low bits"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_noticed(name: str, tally: Tally) -> None:
    """The controls: the same number of draws, the same check, another law. What would be missed would be listed."""
    fault, variance, check = PLANTED[name]
    law = Law(Fraction(variance))
    assert not tally.fits(verdicts(fault(law), law)[check])


OPENDP_DRAWS = 40_000


def _opendp(count: int, scale: float) -> Values:
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    return np.array(dp.m.make_gaussian(*space, scale=scale)([0] * count))


def _same(first: Values, second: Values, law: Law) -> float:
    """P-value of two samples from one law, in bins where the smaller has 25 and more."""
    edges = law.edges(OPENDP_DRAWS)
    table = [np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) for values in (first, second)]
    return float(stats.chi2_contingency(table).pvalue)


@pytest.mark.parametrize("scale", [0.5, 3.0, 1e4, 1e5, 1e7])
def test_opendp_draws_the_same_distribution(scale: float, tally: Tally) -> None:
    """OpenDP's exact sampler and ours, by two-sample chi-squared tests. The control: OpenDP's a tenth wider."""
    law = Law(Fraction(scale) ** 2)
    ours = _draws(10 * OPENDP_DRAWS, law.variance)
    assert tally.fits(_same(ours, _opendp(OPENDP_DRAWS, scale), law))
    assert not tally.fits(_same(ours, _opendp(OPENDP_DRAWS, 1.1 * scale), law))


def test_draws_are_independent_of_their_neighbours(tally: Tally) -> None:
    """No correlation at lags 1 to 20, nor between sizes: the largest of forty, at forty times its p-value."""
    values = discrete_gaussian(DRAWS, Fraction(10**12)) / 10**6
    largest = max(
        abs((series[:-lag] * series[lag:]).mean())
        for series in (values, (values**2 - 1) / math.sqrt(2))
        for lag in range(1, 21)
    )
    assert tally.fits(40 * _normal_p(largest * math.sqrt(DRAWS)))


@pytest.mark.parametrize("stuck", [0, 1, 63])
def test_a_biased_source_is_noticed(stuck: int, tally: Tally) -> None:
    """The positive control of the whole path from bits to integers: one bit of every word held at zero."""

    def biased(size: int) -> bytes:
        words = np.frombuffer(os.urandom(size), dtype="<u8") & ~np.uint64(1 << stuck)
        return words.tobytes()

    law = Law(Fraction(9, 4))
    assert not tally.fits(_chi_squared(discrete_gaussian(DRAWS, law.variance, biased), law))
