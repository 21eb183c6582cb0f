"""Names of benchmarks arrive on the command line (none: all); measured figures leave on standard output.

Exit code 0 when every target is met, 1 when one is missed, 2 for an unknown name.
"""

from __future__ import annotations

import sys

from experiments.benchmarks import bulk, exchange, flower, masks, report, samplers, scale, uci697

BENCHMARKS = {
    "uci697": uci697.main,
    "scale": scale.main,
    "masks": masks.main,
    "samplers": samplers.main,
    "exchange": exchange.main,
    "bulk": bulk.main,
    "flower": flower.main,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        report.say(f"unknown benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
        return 2
    met = [BENCHMARKS[name]() for name in names or BENCHMARKS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
