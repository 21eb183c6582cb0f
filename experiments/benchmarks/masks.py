"""A roster of 60 schools arrives; the CPU time one school needs to mask 100,000 values leaves."""

from __future__ import annotations

import hashlib
import time

from experiments.benchmarks import report
from privacy.masking import EphemeralKey, Party, pairwise_mask

COMMAND = "python -m experiments.benchmarks masks"
SCHOOLS, VALUES, REPEATS = 60, 100_000, 5
TARGET_MS = 100.0


def cpu_ms(schools: int = SCHOOLS, values: int = VALUES) -> float:
    """Return the least CPU time over some repeats, in ms: the others measure what else the machine did.

    All of it: key agreement with each peer, key derivation, keystreams, additions.
    """
    keys = [EphemeralKey.generate() for _ in range(schools)]
    roster = [Party(f"school-{index:03d}", 1, key.public) for index, key in enumerate(keys)]
    return min(_once(roster, keys[0], repeat, values) for repeat in range(REPEATS))


def _once(roster: list[Party], key: EphemeralKey, repeat: int, values: int) -> float:
    context = hashlib.sha256(f"mask benchmark {repeat}".encode()).digest()
    start = time.process_time()
    pairwise_mask(roster[0], key, roster, context, values)
    return (time.process_time() - start) * 1000.0


def main() -> bool:
    """Print the benchmark; return whether the target is met."""
    report.heading(f"Masks: {SCHOOLS} schools, {VALUES:,} values", COMMAND)
    spent = cpu_ms()
    return report.show([report.Figure("CPU per school", f"{spent:.0f} ms", "< 100 ms", spent < TARGET_MS)])
