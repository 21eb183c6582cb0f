"""A variance and the operating system's randomness arrive; exact discrete Gaussian integers leave.

Exact: given uniform bits, no value's probability is off by anything, however small, so nothing is added to
delta. Claim, assumptions and proof stand in `noise.md`; its labels [N1] to [N14] mark lines here. The method is
Canonne, Kamath, Steinke 2020 (arXiv:2004.00010), Algorithms 1 to 3, done for a whole block at once:

* a candidate is x = u + t*v with a sign, u uniform on {0..t-1} and P(v >= k) = exp(-k) (Algorithm 2; a
  negative zero is thrown away), where t = floor(sigma) + 1;
* Algorithm 2 keeps u with probability exp(-u/t), Algorithm 3 keeps x with exp(-(x - s2/t)^2 / (2 s2)), where
  s2 = sigma^2. Given x, both coins are independent, so one coin with the product exp(-r) stands for the two:
  r = u/t + (x - s2/t)^2 / (2 s2).

Every question "is a uniform number U of [0, 1) below exp(-r)?" looks at the first 64 bits of U. In doubles
exp(-r) is known within a margin; where that settles it, the answer is what infinitely many bits would have
given. Where it does not (once in about 2**31 questions) further bits of the same U are drawn and compared with
bounds of exp(-r) in integer arithmetic until it is settled.
"""

import math
import os
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from privacy.errors import NoiseError

Source = Callable[[int], bytes]
"""Returns as many random bytes as asked. Only tests pass another than the operating system's."""

LARGEST_VARIANCE: Final = 2**62
_MARGIN: Final = 2.0**-32
_BLOCK: Final = 2**15
"""Candidates worked on at once, so that every intermediate array stays in cache."""
_WORDS: Final = 3
_TAIL: Final = 45
"""exp(-45) < 2**-64: from here on 64 bits of U no longer tell one v from the next."""

_Words = npt.NDArray[np.uint64]
_Integers = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


def discrete_gaussian(count: int, variance: Fraction, source: Source = os.urandom) -> _Integers:
    """Return `count` independent draws of the discrete Gaussian N_Z(0, `variance`): int64 [count].

    P(x) is proportional to exp(-x^2 / (2 variance)) over all integers, exactly (arXiv:2004.00010,
    Definition 1). `variance` is the parameter sigma^2, a Fraction from 1 to 2**62 in squared lattice steps.
    A value beyond 63 bits, of probability below 2**-(10**19), is given mod 2**64, as sums and masks are.
    The time taken depends on the draws, never on data. `source` is for tests.
    Raises `NoiseError` for another variance, a negative count, or a source that returns too few bytes.
    """
    if type(count) is not int or count < 0:
        raise NoiseError(f"a number of draws is a whole number from 0; here it is {count!r}; ask for one")
    check_variance(variance)
    parts: list[_Integers] = []
    missing = count
    while missing > 0:
        candidates = min(_BLOCK, missing * 9 // 4 + 64)  # a candidate is kept with probability about 0.48
        kept = _draw(candidates, variance, source)[:missing]  # [N12]
        missing -= len(kept)
        parts.append(kept)
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _draw(candidates: int, variance: Fraction, source: Source) -> _Integers:
    """Return the signed values of those of `candidates` candidates that are kept, in order."""
    width = math.isqrt(math.floor(variance)) + 1  # [N1]
    words = _words(_WORDS * candidates, source).reshape(_WORDS, candidates)
    offset, in_range = _uniform(words[0] >> np.uint64(1), width)
    negative = (words[0] & np.uint64(1)).astype(np.bool_)  # [N3]
    blocks = _geometric(words[1], source)
    magnitude = offset + width * blocks  # [N13]
    accepted = _accepted(words[2], offset, blocks, variance, width, source)
    kept = in_range & ~(negative & ((offset | blocks) == 0)) & accepted  # [N4]
    signed: _Integers = np.where(negative, -magnitude, magnitude)[kept]
    return signed


def _words(count: int, source: Source) -> _Words:
    raw = source(8 * count)
    if len(raw) != 8 * count:
        raise NoiseError(f"a random source returns what is asked; {8 * count} bytes became {len(raw)}; replace it")
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64, copy=False)


def _uniform(words: _Words, width: int) -> tuple[_Integers, _Flags]:
    """Return words of 63 bits mod `width`, and which of them lie below the last whole multiple of it.

    Only those are uniform; the others (fewer than one in 2**31) are thrown away with their candidate.
    """
    limit = 2**63 - 2**63 % width
    offset: _Integers = (words % np.uint64(width)).astype(np.int64)
    in_range: _Flags = words < np.uint64(limit)  # [N2]
    return offset, in_range


def _geometric(words: _Words, source: Source) -> _Integers:
    """Return v with P(v >= k) = exp(-k): the number of k >= 1 with U < exp(-k), for U beginning so."""
    lower, upper = _geometric_thresholds()
    result = (_TAIL - np.searchsorted(lower, words, side="right")).astype(np.int64)  # [N5]
    at_most = _TAIL - np.searchsorted(upper, words, side="right")  # [N5]
    for index in np.flatnonzero(result != at_most):  # [N6] 64 bits leave the choice open
        result[index] = _exact_geometric(int(words[index]), source)
    return result


@cache
def _geometric_thresholds() -> tuple[_Words, _Words]:
    """Return the ascending bounds of exp(-k) * 2**64 for k from _TAIL down to 1, below and above."""
    bounds = [exp_bounds(Fraction(k), 64) for k in range(_TAIL, 0, -1)]
    lower, upper = zip(*bounds, strict=True)
    return np.array(lower, dtype=np.uint64), np.array(upper, dtype=np.uint64)


def _exact_geometric(word: int, source: Source) -> int:
    number = _Uniform(word, source)
    count = 0
    while number.below_exp(Fraction(count + 1)):
        count += 1
    return count


def _accepted(
    words: _Words, offset: _Integers, blocks: _Integers, variance: Fraction, width: int, source: Source
) -> _Flags:
    """Return which candidates pass their draw with probability exp(-r)."""
    with np.errstate(all="ignore"):  # whatever the process asked of NumPy, exp(-800) is no error
        distance = (offset + width * blocks) - float(variance / width)
        exponent = offset / width + np.square(distance / math.sqrt(2 * variance))  # [N7]
        gap = np.exp(-exponent) - words * 2.0**-64
    result: _Flags = gap > 0  # [N8]
    for index in np.flatnonzero((np.abs(gap) <= _MARGIN) | (blocks >= _TAIL)):  # [N9]
        exact = _exponent(int(offset[index]), int(blocks[index]), variance, width)
        result[index] = _Uniform(int(words[index]), source).below_exp(exact)
    return result


def _exponent(offset: int, blocks: int, variance: Fraction, width: int) -> Fraction:
    distance = offset + width * blocks - variance / width
    return Fraction(offset, width) + distance**2 / (2 * variance)  # [N7]


class _Uniform:
    """A uniform real number of [0, 1) of which 64 bits are known, and more are drawn when they are needed."""

    def __init__(self, word: int, source: Source) -> None:
        self._digits = word
        self._bits = 64
        self._source = source

    def below_exp(self, exponent: Fraction) -> bool:
        """Decide whether this number is below exp(-exponent), which is irrational or 1: so this ends."""
        while True:
            lower, upper = exp_bounds(exponent, self._bits)
            if self._digits + 1 <= lower:  # [N10]
                return True
            if self._digits >= upper:  # [N10]
                return False
            self._digits = self._digits << 64 | int(_words(1, self._source)[0])  # [N10]
            self._bits += 64


def exp_bounds(exponent: Fraction, bits: int) -> tuple[int, int]:
    """Return integers lower <= exp(-exponent) * 2**bits <= upper, at most two apart; exponent >= 0.

    In integer arithmetic only: exp(-y) for y = exponent / 2**k <= 1/2 lies between successive partial sums of
    its alternating series; k squarings, rounded down and up, lead back. Guard digits absorb the roundings.
    """
    if exponent == 0:
        return 1 << bits, 1 << bits
    halvings = math.ceil(2 * exponent).bit_length()
    precision = bits + 2 * halvings + 32
    lower, upper = _small_exp(exponent / 2**halvings, precision)
    for _ in range(halvings):
        lower, upper = lower * lower >> precision, -(-upper * upper >> precision)  # [N11]
    guard = precision - bits
    return lower >> guard, -(-upper >> guard)  # [N11]


def _small_exp(exponent: Fraction, precision: int) -> tuple[int, int]:
    """Bound exp(-y) * 2**precision for 0 < y <= 1/2 by the series, each term rounded outwards."""
    lower = upper = low = high = 1 << precision
    order = 0
    while True:
        order, low, high = _next_term(order, low, high, exponent)
        lower -= high  # [N11]
        if high <= 1:
            return lower, upper
        upper -= low
        order, low, high = _next_term(order, low, high, exponent)
        lower, upper = lower + low, upper + high  # [N11]


def _next_term(order: int, low: int, high: int, exponent: Fraction) -> tuple[int, int, int]:
    """Multiply a term y^k/k!, known between `low` and `high`, by y/(k+1)."""
    divisor = exponent.denominator * (order + 1)
    return order + 1, low * exponent.numerator // divisor, -(-high * exponent.numerator // divisor)


def check_variance(variance: Fraction) -> None:
    """Raise `NoiseError` unless the sampler takes this variance: a Fraction from 1 to 2**62."""
    if type(variance) is not Fraction or not 1 <= variance <= LARGEST_VARIANCE:  # [N14]
        raise NoiseError(f"a variance is a Fraction from 1 to 2**62; here it is {variance!r}; plan it again")
