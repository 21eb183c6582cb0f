"""A few variances arrive; how many exact samples a second our sampler and OpenDP's make leave, side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from fractions import Fraction

from experiments.benchmarks import report
from privacy.noise import discrete_gaussian

COMMAND = "python -m experiments.benchmarks samplers"
SIGMAS = (10**4, 10**5, 10**6, 10**7)
OURS, THEIRS = 2_000_000, 20_000  # samples drawn of each: OpenDP is slower, and a rate needs no more
TARGET = 2.0  # million a second of one core


def rate(draw: Callable[[int], object], count: int) -> float:
    """Return million samples a second of processor time; the first, small call is not counted."""
    draw(1000)
    start = time.process_time()
    draw(count)
    return count / (time.process_time() - start) / 1e6


def opendp(scale: float) -> Callable[[int], object]:
    """Return OpenDP's sampler of the discrete Gaussian on vectors of integers."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    measurement = dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float), scale=scale)
    return lambda count: measurement([0] * count)


def main() -> bool:
    """Print the benchmark; return whether every rate of ours reaches the target."""
    report.heading("Exact discrete Gaussian: million samples a second of one core", COMMAND)
    slowest = math.inf
    for sigma in SIGMAS:
        ours = rate(lambda count, sigma=sigma: discrete_gaussian(count, Fraction(sigma**2)), OURS)  # type: ignore[misc]
        theirs = rate(opendp(float(sigma)), THEIRS)
        report.say(f"   sigma {sigma:>10,}: ours {ours:6.2f}, OpenDP {theirs:7.4f}: {ours / theirs:5.0f} times as many")
        slowest = min(slowest, ours)
    return report.show(
        [report.Figure("slowest rate, million a second", f"{slowest:.1f}", f">= {TARGET:.0f}", slowest >= TARGET)]
    )
