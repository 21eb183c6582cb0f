"""Counts of correct guesses and values of noise arrive; lower bounds and p-values leave.

The mathematics of an audit, on plain numbers; what is claimed, looked at and judged stands in `audit.py`. Claims and
proofs: `audit.md`, whose labels mark lines here and there. Every p-value is an upper bound of the true one (but for
rounding in the last digits), by inequalities that hold for every sample size: no false alarm rests on a limit theorem.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist
from typing import Final

import numpy as np

from privacy.lattice import Floats, Integers

LEVEL: Final = 1e-4
"""A lower bound holds with 99.99 %; so does the statement that no test of the noise fails by chance."""
_RESIDUES: Final = 64
_BINS: Final = 16
_HALVINGS: Final = 60
_NORMAL: Final = NormalDist()

Inverse = Callable[[float], float]
"""h -> the least x with F(x) >= h, where F(x) = 1 - f(x) and f is the trade-off function of a claim."""


def gaussian_epsilon(mu: float, delta: Fraction) -> float:
    """The exact epsilon at `delta` of a mechanism whose trade-off is that of N(0,1) and N(mu,1); 0.0 for mu = 0.

    The root of delta = Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu) (Balle, Wang 2018, arXiv:1805.06530v2,
    Theorem 8), which falls in eps.
    """
    if mu <= 0:
        return 0.0
    low, high = 0.0, mu * mu / 2 + 40 * mu
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        excess = phi(mu / 2 - middle / mu) - math.exp(middle + _log_phi(-mu / 2 - middle / mu))
        low, high = (middle, high) if excess > delta else (low, middle)
    return low


def least_chance(found: int, trials: int, level: float = LEVEL) -> float:
    """Clopper-Pearson: the least chance of success that `found` of `trials` leave open, wrong with at most `level`."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(found, trials, middle) < level else (low, middle)
    return low


def gaussian_mu(correct: int, canaries: int, level: float = LEVEL) -> float:
    """A lower bound on mu from correct guesses of all canaries, each with noise of its own; 0.0 if none follows.

    Each guess is then right with probability Phi(mu/2), independently [A2], so a bound of that chance gives one of mu.
    """
    chance = least_chance(correct, canaries, level)
    return max(0.0, 2 * _NORMAL.inv_cdf(chance)) if 0 < chance < 1 else 0.0


def gaussian_inverse(mu: float) -> Inverse:
    """The trade-off of N(0,1) and N(mu,1): x = Phi(Phi^-1(h) - mu)."""

    def inverse(power: float) -> float:
        return power if not 0 < power < 1 else phi(_NORMAL.inv_cdf(power) - mu)

    return inverse


def approximate_inverse(epsilon: float, delta: float) -> Inverse:
    """The trade-off of (epsilon, delta)-DP: the least x with min(e^eps x + delta, 1 - e^-eps (1-delta-x)) >= h."""
    shrink, grow = math.exp(-epsilon), math.exp(epsilon)

    def inverse(power: float) -> float:
        return max(0.0, (power - delta) * shrink, 1 - delta - grow * (1 - power))

    return inverse


def one_run_rejects(inverse: Inverse, canaries: int, guesses: int, correct: int, level: float = LEVEL) -> bool:
    """Whether so many correct of exactly `guesses` guesses had a chance below `level`, whatever hangs together.

    Valid for every mechanism with the trade-off of `inverse` and every way of guessing (`audit.md`, A3 to A5). The
    mass that P(W >= correct) = level forces upon smaller counts is added up; beyond 1 it is a contradiction.
    """
    hits, misses = level * correct / canaries, level * (guesses - correct) / canaries  # [A4]
    mass = level
    for count in range(correct, 0, -1):
        needed = max(misses, inverse(hits))  # [A3]
        if needed == misses:
            return False  # nothing changes from here down
        forced = canaries * (needed - misses) / (guesses - count + 1)
        mass, misses, hits = mass + forced, needed, hits + forced * (count - 1) / canaries
        if mass > 1:  # [A5]
            return True
    return False


def one_run_mu(canaries: int, guesses: int, correct: int, level: float = LEVEL) -> float:
    """A lower bound on mu in one run, for every mechanism with that trade-off (arXiv:2410.22235, Algorithm 3)."""
    return _largest(lambda mu: one_run_rejects(gaussian_inverse(mu), canaries, guesses, correct, level), 20.0)


def one_run_epsilon(canaries: int, guesses: int, correct: int, delta: Fraction, level: float = LEVEL) -> float:
    """A lower bound on epsilon at `delta` in one run, for every (epsilon, delta)-DP mechanism (arXiv:2305.08846)."""

    def rejected(epsilon: float) -> bool:
        return one_run_rejects(approximate_inverse(epsilon, float(delta)), canaries, guesses, correct, level)

    return _largest(rejected, 20.0)


def chi_square_p(total: float, freedom: int) -> float:
    """Two-sided p-value, never too small, of `total` as a chi-squared variable of `freedom` degrees.

    Laurent, Massart 2000, Annals of Statistics 28(5), Lemma 1: P(X - D >= 2 sqrt(Dx) + 2x) <= e^-x and
    P(D - X >= 2 sqrt(Dx)) <= e^-x [A6].
    """
    excess = total - freedom
    root = -excess / (2 * math.sqrt(freedom))
    if excess > 0:
        root = (math.sqrt(freedom + 2 * excess) - math.sqrt(freedom)) / 2
    return min(1.0, 2 * math.exp(-float(root * root)))


def lattice_p(noise: Integers) -> float:
    """P-value, never too small, of integers that should fill the lattice: a common step, or uneven residues [A7].

    noise: int64 [k]. That all differences are multiples of one number above 1 has a chance below 2^(3 - k/2); residues
    mod 64 are equally likely. Fewer than two values say nothing.
    """
    if len(noise) < 2:
        return 1.0
    if int(np.gcd.reduce(noise - noise[0])) != 1:
        return min(1.0, math.pow(2.0, 3 - len(noise) / 2))
    return counts_p(np.bincount(noise % _RESIDUES, minlength=_RESIDUES))


def shape_p(values: Floats) -> float:
    """P-value, never too small, of numbers that should be standard normal, from 16 equally likely bins [A7]."""
    edges = [_NORMAL.inv_cdf(part / _BINS) for part in range(1, _BINS)]
    return counts_p(np.bincount(np.searchsorted(edges, values), minlength=_BINS))


def counts_p(counts: Integers) -> float:
    """P-value, never too small, of counts that should be equally likely: Chernoff for each, times their number [A7]."""
    total, cells = int(counts.sum()), len(counts)
    divergence = max(_divergence(int(count) / total, 1 / cells) for count in counts)
    return min(1.0, 2 * cells * math.exp(-total * divergence))


def binomial_tail(least: int, trials: int, chance: float) -> float:
    """P(Bin(trials, chance) >= least), to about ten digits."""
    if least <= 0 or chance >= 1:
        return 1.0
    if least > trials or chance <= 0:
        return 0.0
    steps = np.arange(least, trials)
    ratios = np.log((trials - steps) / (steps + 1)) + math.log(chance) - math.log1p(-chance)
    logs = np.concatenate([[0.0], np.cumsum(ratios)]) + _log_binomial(least, trials, chance)
    return min(1.0, float(np.exp(logs).sum()))


def _log_binomial(count: int, trials: int, chance: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return ways + count * math.log(chance) + (trials - count) * math.log1p(-chance)


def _largest(rejected: Callable[[float], bool], limit: float) -> float:
    """The largest value that is rejected, where all smaller ones are; 0.0 if none is."""
    if not rejected(0.0):
        return 0.0
    low, high = 0.0, limit
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def _divergence(found: float, expected: float) -> float:
    """Kullback-Leibler divergence of two coins."""
    heads = found * math.log(found / expected) if found else 0.0
    tails = (1 - found) * math.log((1 - found) / (1 - expected)) if found < 1 else 0.0
    return heads + tails


def phi(x: float) -> float:
    """The standard normal distribution function, also far in the tail."""
    return math.erfc(-x / math.sqrt(2)) / 2


def _log_phi(x: float) -> float:
    if x > -30:
        return math.log(phi(x))
    return -x * x / 2 - math.log(-x * math.sqrt(2 * math.pi)) + math.log1p(-1 / x**2 + 3 / x**4)
