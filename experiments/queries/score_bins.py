"""A model's released spread of scores arrives; the edges of the score bins leave."""

from __future__ import annotations

import math

import numpy as np

from experiments.errors import QueryError
from experiments.students import Floats

LARGEST_EDGE = 1e6
# Share of students expected below each edge. Every set has .70, .80, .85, .90 and .95: the top 30 to 5 %.
LEVELS: dict[int, tuple[float, ...]] = {
    8: (0.25, 0.50, 0.70, 0.80, 0.85, 0.90, 0.95),
    20: tuple(step / 20 for step in range(1, 20)),
    40: tuple(step / 40 for step in range(1, 40)),
}
BISECTIONS = 80


def edges(bins: int, centre: float, gap: float, rate: float) -> Floats:
    """Return float64 [bins-1], rising: quantiles of two normal groups of scores.

    centre: mean score; gap: difference of the groups' means and their common variance; rate: share of group 1.
    Raises `QueryError` for a number of bins without declared levels.
    """
    if bins not in LEVELS:
        raise QueryError(f"score bins are {sorted(LEVELS)}", str(bins), "plan again")
    return np.array([_quantile(level, centre, gap, rate) for level in LEVELS[bins]], dtype=np.float64)


def _quantile(level: float, centre: float, gap: float, rate: float) -> float:
    low, high = centre - 10.0 * (gap + 1.0), centre + 10.0 * (gap + 1.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if below(middle, centre, gap, rate) < level:
            low = middle
        else:
            high = middle
    return high


def below(score: float, centre: float, gap: float, rate: float) -> float:
    """Return the share of students expected below a score."""
    spread = math.sqrt(gap)
    lower = _normal_cdf((score - centre + rate * gap) / spread)
    upper = _normal_cdf((score - centre - (1.0 - rate) * gap) / spread)
    return (1.0 - rate) * lower + rate * upper


def _normal_cdf(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
