"""Two filled shares or two distributions arrive; how far apart they are, and whether chance explains it, leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping

from node.quality.numbers import SMALL
from node.quality.thresholds import DECLARED, Thresholds

MEAN_OF_HALF_NORMAL = math.sqrt(2 / math.pi)


def coverage_differs(first: float, second: float, people: tuple[float, float], least: Thresholds = DECLARED) -> bool:
    """Whether two filled shares differ by the threshold, and by more than chance does among so many people each.

    The people are counted, not the rows: forty rows of one student are filled or empty together.
    """
    pooled = (first * people[0] + second * people[1]) / (people[0] + people[1])
    error = math.sqrt(pooled * (1 - pooled) * (1 / people[0] + 1 / people[1]))
    return abs(first - second) >= least.coverage and abs(first - second) > least.chance * error


def distance(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Total variation distance: the share of the values that would have to move to make the two equal, 0 to 1.

    Where small bins were put together (`SMALL`), the least distance that can be: a bin that is not named may hold what
    was put together, up to what counts as small.
    """
    return max(_surplus(first, second), _surplus(second, first))


def _surplus(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """What `first` has more than `second` in the bins that it names, as a share."""
    unnamed = min(second.get(SMALL, 0), DECLARED.few - 1)
    one, two = sum(first.values()), sum(second.values())
    return sum(max(0.0, n / one - second.get(name, unnamed) / two) for name, n in first.items() if name != SMALL)


def expected_by_chance(first: Mapping[str, int], second: Mapping[str, int], people: tuple[float, float]) -> float:
    """The distance that two samples of so many people from one distribution have on average.

    Half the sum over bins of the mean absolute difference of two binomial shares, by the normal approximation.
    """
    total = sum(first.values()) + sum(second.values())
    shares = [(first.get(name, 0) + second.get(name, 0)) / total for name in {*first, *second}]
    scale = 1 / people[0] + 1 / people[1]
    return sum(math.sqrt(share * (1 - share) * scale) for share in shares) * MEAN_OF_HALF_NORMAL / 2


def shape_differs(
    first: Mapping[str, int], second: Mapping[str, int], people: tuple[float, float], least: Thresholds = DECLARED
) -> bool:
    """Whether two distributions differ by the threshold beyond what chance gives on average and hardly ever exceeds.

    One person moves the distance by at most 1/n, so that it lies above its mean by t with a chance of at most
    exp(-2 t^2 / (1/n + 1/m)) (McDiarmid 1989, Surveys in Combinatorics, lemma 1.2).
    """
    beyond = math.sqrt(math.log(1 / least.doubt) / 2 * (1 / people[0] + 1 / people[1]))
    return distance(first, second) - expected_by_chance(first, second, people) >= max(least.shape, beyond)
