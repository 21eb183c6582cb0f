"""The discrete Gaussian sampler bit by bit: high-precision arithmetic, hostile words, what it refuses. No chance."""

import os
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import noise
from privacy.errors import NoiseError
from privacy.noise import discrete_gaussian, exp_bounds


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


def test_every_rounding_of_the_series_is_outwards() -> None:
    """At few digits, where no guard digit hides a rounding: lower <= exp(-y) 2**bits <= upper for y up to a half."""
    for bits in range(3, 16):
        for top in range(1, 98):
            lower, upper = noise._small_exp(Fraction(top, 2 * 97), bits)
            scaled = _exp(Fraction(top, 2 * 97), 40) * 2**bits
            assert lower <= scaled <= upper <= lower + 2 * bits


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


def test_a_far_candidate_is_never_left_to_doubles() -> None:
    """From v = 45 on integers decide. Here v*t is 2**71, zero as a word: doubles alone would keep it."""
    width, blocks = 2**31, np.array([2**40])
    offset, variance = np.array([0]), Fraction(2**62 - 1)
    word = np.array([2**62], dtype=np.uint64)
    assert int((offset + width * blocks)[0]) == 0
    assert np.exp(-(float(variance / width) ** 2) / (2 * float(variance))) > 2**62 / 2**64
    assert not noise._accepted(word, offset, blocks, variance, width, _next_words())[0]
    nothing = np.array([0], dtype=np.uint64)
    assert not noise._accepted(nothing, offset, np.array([45]), Fraction(4), 3, _next_words(2**32))[0]


def test_the_process_may_ask_numpy_for_errors() -> None:
    """exp(-900) underflows; where NumPy raises on everything, a far candidate is still only thrown away."""
    arguments = np.array([2**63], dtype=np.uint64), np.array([0]), np.array([44])
    with np.errstate(all="raise"):
        assert not noise._accepted(*arguments, Fraction(4), 3, _next_words())[0]
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        np.exp(np.array([-900.0]))


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
