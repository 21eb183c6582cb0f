"""The discrete Gaussian sampler against exact probabilities, OpenDP, high-precision arithmetic and hostile bits.

Every statistical test has a false-alarm rate of 1e-6 where the sampler is right (about thirty such checks: 3e-5 in
all), and a planted fault of the same size of sample that the same check must reject.
"""

import os
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import opendp.prelude as dp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from privacy import noise
from privacy.errors import NoiseError
from privacy.noise import discrete_gaussian, exp_bounds

FALSE_ALARM = 1e-6
DRAWS = 400_000


def _exact_probabilities(variance: float, reach: int) -> np.ndarray:
    """Return P(-reach..reach), by summing the density over all integers that matter."""
    support = np.arange(-60 * int(np.sqrt(variance) + 1), 60 * int(np.sqrt(variance) + 1) + 1)
    weight = np.exp(-(support.astype(float) ** 2) / (2 * variance))
    return weight[np.abs(support) <= reach] / weight.sum()


def _fits_exactly(values: np.ndarray, variance: float) -> bool:
    """Chi-squared test of every single integer that is expected ten times, and of the rest as one bin."""
    reach = int(np.sqrt(2 * variance * np.log(len(values) / (30 * np.sqrt(variance)))))
    probabilities = _exact_probabilities(variance, reach)
    inside = values[np.abs(values) <= reach]
    counts = np.append(np.bincount(inside + reach, minlength=2 * reach + 1), len(values) - len(inside))
    expected = np.append(probabilities, 1 - probabilities.sum()) * len(values)
    return bool(stats.chisquare(counts, expected, sum_check=False).pvalue > FALSE_ALARM)


def _fits_quantiles(values: np.ndarray, sigma: float) -> bool:
    """Chi-squared test of 200 bins equally likely under a wide Gaussian (error of that: below 1 / sigma)."""
    bins = np.clip((stats.norm.cdf((values + 0.5) / sigma) * 200).astype(int), 0, 199)
    return bool(stats.chisquare(np.bincount(bins, minlength=200)).pvalue > FALSE_ALARM)


def _fits_low_bits(values: np.ndarray) -> bool:
    """Chi-squared test of the lowest six bits, uniform for a wide Gaussian: where float samplers betray themselves."""
    return bool(stats.chisquare(np.bincount(values & 63, minlength=64)).pvalue > FALSE_ALARM)


@pytest.mark.parametrize("variance", [Fraction(1), Fraction(9, 4), Fraction(2), Fraction(1000, 7), Fraction(10**4)])
def test_every_integer_has_its_exact_probability(variance: Fraction) -> None:
    """Small variances, whole and not: each integer comes as often as exp(-x^2 / 2 sigma^2) says."""
    assert _fits_exactly(discrete_gaussian(DRAWS, variance), float(variance))


def test_a_wrong_variance_is_noticed() -> None:
    """The positive control: a tenth less variance fails the test above, on as many draws."""
    for variance in (Fraction(9, 4), Fraction(10**4)):
        assert not _fits_exactly(discrete_gaussian(DRAWS, variance * Fraction(9, 10)), float(variance))


@pytest.mark.parametrize("sigma", [10**5, 10**7, 10**9])
def test_wide_noise_has_its_quantiles_and_even_low_bits(sigma: int) -> None:
    """The widths of the fine lattice: quantiles of the Gaussian, and low bits without a pattern."""
    values = discrete_gaussian(DRAWS, Fraction(sigma**2))
    assert _fits_quantiles(values, sigma)
    assert _fits_low_bits(values)
    assert not _fits_quantiles(values, sigma * 1.03)


def test_rounded_to_even_noise_is_noticed() -> None:
    """The positive control of the low bits: noise on a grid twice as coarse fails."""
    assert not _fits_low_bits(discrete_gaussian(DRAWS, Fraction(10**10)) & ~1)


def test_moments_and_tails() -> None:
    """Mean, variance, kurtosis and what lies beyond 4 sigma, each within its sampling error at rate 1e-6."""
    sigma = 10**6
    values = discrete_gaussian(1_000_000, Fraction(sigma**2)) / sigma
    limit = stats.norm.isf(FALSE_ALARM / 2)
    assert abs(values.mean()) < limit / 1e3
    assert abs(values.var() - 1) < limit * np.sqrt(2) / 1e3
    assert abs((values**4).mean() - 3) < limit * np.sqrt(96) / 1e3
    beyond = int((np.abs(values) > 4).sum())
    assert stats.binomtest(beyond, len(values), 2 * stats.norm.sf(4)).pvalue > FALSE_ALARM
    assert np.abs(values).max() < 8


def test_opendp_draws_the_same_distribution() -> None:
    """OpenDP's exact sampler at sigma = 2.5 and ours: a two-sample chi-squared test, rate 1e-6.

    The control: OpenDP's at sigma = 2.8 is told apart from ours.
    """
    ours = discrete_gaussian(DRAWS, Fraction(25, 4))
    assert _same(ours, _opendp(20_000, 2.5)) > FALSE_ALARM
    assert _same(discrete_gaussian(DRAWS, Fraction(25, 4)), _opendp(20_000, 2.8)) < FALSE_ALARM


def _opendp(count: int, scale: float) -> np.ndarray:
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    return np.array(dp.m.make_gaussian(*space, scale=scale)([0] * count))


def _same(first: np.ndarray, second: np.ndarray) -> float:
    table = [np.bincount(np.clip(values, -8, 8) + 8, minlength=17) for values in (first, second)]
    return float(stats.chi2_contingency(table).pvalue)


def test_draws_are_independent_of_their_neighbours() -> None:
    """No correlation at lags 1 to 20, nor between sizes, at rate 1e-6 for all together."""
    values = discrete_gaussian(DRAWS, Fraction(10**12)) / 10**6
    limit = stats.norm.isf(FALSE_ALARM / 80) / np.sqrt(DRAWS)
    for series in (values, (values**2 - 1) / np.sqrt(2)):
        assert max(abs((series[:-lag] * series[lag:]).mean()) for lag in range(1, 21)) < limit


@pytest.mark.parametrize("stuck", [0, 1, 63])
def test_a_biased_source_is_noticed(stuck: int) -> None:
    """The positive control of the whole path from bits to integers: one bit of every word held at zero."""

    def biased(size: int) -> bytes:
        words = np.frombuffer(os.urandom(size), dtype="<u8") & ~np.uint64(1 << stuck)
        return words.tobytes()

    values = discrete_gaussian(DRAWS, Fraction(9, 4), biased)
    assert not _fits_exactly(values, 9 / 4)


def test_randomness_is_asked_from_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default source is os.urandom itself, bound once: nobody can swap it by name later."""
    assert discrete_gaussian.__defaults__ == (os.urandom,)
    monkeypatch.setattr(os, "urandom", lambda size: bytes(size))
    assert len(set(discrete_gaussian(100, Fraction(10**12)).tolist())) > 90


def test_every_draw_takes_enough_fresh_bytes() -> None:
    """A counter on the source: at least 24 bytes a draw, never the same bytes twice."""
    asked: list[int] = []

    def counted(size: int) -> bytes:
        asked.append(size)
        return os.urandom(size)

    discrete_gaussian(10_000, Fraction(10**6), counted)
    assert 24 * 10_000 <= sum(asked) <= 24 * 10_000 * 4


def test_the_number_of_draws_is_the_number_asked() -> None:
    """Nothing, one, and more than a block."""
    for count in (0, 1, 2, 100_001):
        assert discrete_gaussian(count, Fraction(3)).shape == (count,)


@pytest.mark.parametrize("variance", [1.0, 1, Fraction(1, 2), Fraction(2**62 + 1), Fraction(0)])
def test_a_variance_out_of_range_is_refused(variance: Fraction) -> None:
    """No floats, and only the range that the error analysis covers."""
    with pytest.raises(NoiseError, match="variance"):
        discrete_gaussian(1, variance)


@pytest.mark.parametrize("count", [-1, True, 1.0])
def test_a_wrong_number_of_draws_is_refused(count: int) -> None:
    """A whole number from zero."""
    with pytest.raises(NoiseError, match="draws"):
        discrete_gaussian(count, Fraction(1))


def test_a_source_that_falls_short_is_refused() -> None:
    """Fewer bytes than asked are an error, never stretched."""
    with pytest.raises(NoiseError, match="source"):
        discrete_gaussian(1, Fraction(1), lambda size: os.urandom(size - 1))


# -- exactness ------------------------------------------------------------------------------------------------------


def _exp(exponent: Fraction, digits: int = 120) -> Decimal:
    """Return exp(-exponent) by the decimal module: the independent oracle."""
    with localcontext() as context:
        context.prec = digits
        return (-(Decimal(exponent.numerator) / Decimal(exponent.denominator))).exp()


@settings(max_examples=200, deadline=None)
@given(st.fractions(0, 5000, max_denominator=10**12), st.sampled_from([64, 128, 192]))
def test_bounds_of_the_exponential_hold_and_are_tight(exponent: Fraction, bits: int) -> None:
    """lower <= exp(-r) 2**bits <= upper against the decimal module, at most two apart."""
    lower, upper = exp_bounds(exponent, bits)
    with localcontext() as context:
        context.prec = 120
        scaled = _exp(exponent) * 2**bits
    assert lower <= scaled <= upper <= lower + 2


def test_bounds_of_certainty() -> None:
    """exp(0) is one, exactly."""
    assert exp_bounds(Fraction(0), 64) == (2**64, 2**64)


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 800))
def test_the_double_exponential_is_far_within_the_margin(exponent: float) -> None:
    """NumPy's exp, scalar and vectorised, errs by less than 2**-50, where the margin allows 2**-32."""
    for computed in (np.exp(-np.float64(exponent)), np.exp(np.full(16, -exponent))[7]):
        assert abs(Decimal(float(computed)) - _exp(Fraction(exponent))) < Decimal(2) ** -50


def _replayed(seed: int) -> noise.Source:
    return np.random.default_rng(seed).bytes


@pytest.mark.parametrize("variance", [Fraction(1), Fraction(22, 7), Fraction(10**12 + 1, 3), Fraction(2**62)])
def test_fast_and_exact_decisions_agree(variance: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits, once decided by doubles and once all in integer arithmetic: the same integers."""
    fast = noise._draw(1500, variance, _replayed(1))
    monkeypatch.setattr(noise, "_MARGIN", 2.0)
    np.testing.assert_array_equal(noise._draw(1500, variance, _replayed(1)), fast)


def test_a_wrong_exponent_in_doubles_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault of the test above: doubles off by one part in 64 decide some draw otherwise."""
    fast = noise._draw(1500, Fraction(10**6), _replayed(1))
    monkeypatch.setattr(noise, "_MARGIN", 2.0)
    exact = noise._exponent
    monkeypatch.setattr(noise, "_exponent", lambda *arguments: exact(*arguments) * Fraction(65, 64))
    assert noise._draw(1500, Fraction(10**6), _replayed(1)).tolist() != fast.tolist()


def _next_words(*words: int) -> noise.Source:
    """Return a source of the given words, and a count of none left at the end."""
    rest = list(words)
    return lambda size: b"".join(rest.pop(0).to_bytes(8, "little") for _ in range(size // 8))


def _digits(exponent: Fraction, word: int) -> int:
    """Return the `word`-th 64 bits of exp(-exponent)."""
    with localcontext() as context:
        context.prec = 200
        return int(_exp(exponent, 200) * 2 ** (64 * (word + 1))) % 2**64


@pytest.mark.parametrize("exponent", [Fraction(1), Fraction(10, 7), Fraction(40)])
def test_an_undecided_draw_takes_further_bits(exponent: Fraction) -> None:
    """A number that agrees with exp(-r) in 64 or 128 bits is settled by the next word, on the right side."""
    first, second, third = (_digits(exponent, word) for word in range(3))
    assert noise._Uniform(first, _next_words(second - 1)).below_exp(exponent)
    assert not noise._Uniform(first, _next_words(second + 1)).below_exp(exponent)
    assert noise._Uniform(first, _next_words(second, third - 1)).below_exp(exponent)
    assert not noise._Uniform(first, _next_words(second, third + 1)).below_exp(exponent)


@pytest.mark.parametrize("count", [1, 2, 17, 43])
def test_an_undecided_geometric_takes_further_bits(count: int) -> None:
    """A word equal to the first 64 bits of exp(-k) gives k or k - 1, as the next word says."""
    word, following = _digits(Fraction(count), 0), _digits(Fraction(count), 1)
    words = np.array([word - 1, word, word + 1], dtype=np.uint64)
    assert noise._geometric(words, _next_words(following - 1)).tolist() == [count, count, count - 1]
    assert noise._geometric(words, _next_words(following + 1)).tolist() == [count, count - 1, count - 1]


def test_the_geometric_tail_beyond_64_bits_exists() -> None:
    """A word of zeros is not the end: the following words go on, to v beyond 45."""
    word = _digits(Fraction(80), 1)
    assert noise._geometric(np.zeros(1, dtype=np.uint64), _next_words(word - 1)).tolist() == [80]
    assert noise._geometric(np.zeros(1, dtype=np.uint64), _next_words(word + 1)).tolist() == [79]


def test_an_accepted_boundary_is_settled_exactly() -> None:
    """In the sampler itself: a word within the margin of exp(-r) is decided by the next bits."""
    variance, width, offset, blocks = Fraction(10**6), 1001, 7, 0
    exponent = noise._exponent(offset, blocks, variance, width)
    words = np.array([_digits(exponent, 0)], dtype=np.uint64)
    arguments = (np.array([offset]), np.array([blocks]), variance, width)
    second = _digits(exponent, 1)
    assert noise._accepted(words, *arguments, _next_words(second - 1)).tolist() == [True]
    assert noise._accepted(words, *arguments, _next_words(second + 1)).tolist() == [False]


@pytest.mark.parametrize("width", [2, 3, 1000, 2**31 + 1])
def test_words_beyond_the_last_whole_multiple_are_thrown_away(width: int) -> None:
    """What is kept of 63 bits is exactly uniform mod width."""
    limit = 2**63 // width * width
    words = np.array([0, width - 1, width, limit - 1, min(limit, 2**63 - 1), 2**63 - 1], dtype=np.uint64)
    offset, in_range = noise._uniform(words, width)
    assert offset.tolist()[:4] == [0, width - 1, 0, width - 1]
    assert in_range.tolist() == [int(word) < limit for word in words]


def test_the_exponents_are_those_of_the_paper() -> None:
    """Algorithm 2's u/t and Algorithm 3's (|x| - s2/t)^2 / (2 s2), added."""
    assert noise._exponent(3, 2, Fraction(81), 10) == Fraction(3, 10) + (23 - Fraction(81, 10)) ** 2 / 162
