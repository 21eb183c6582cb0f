"""A score per row and a target arrive; the intercept and slope leave that give that base rate or that AUC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def logistic(score: Floats) -> Floats:
    """Return 1 / (1 + exp(-score)), elementwise, without overflow. Shape [n] in, [n] out."""
    return 0.5 * (1.0 + np.tanh(0.5 * score))


def intercept_for(score: Floats, rate: float) -> float:
    """Return the number to add to `score` [n] so that the mean probability is `rate`, 0 < rate < 1."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        too_low = logistic(score + middle).mean() < rate
        low, high = (middle, high) if too_low else (low, middle)
    return 0.5 * (low + high)


def expected_auc(probability: Floats) -> float:
    """Return the AUC of ranking by `probability` [n] when outcomes are drawn from it: the best one can reach.

    Every pair (i above j) counts with the chance that i has the outcome and j has not; no draw is needed.
    """
    ascending = np.sort(probability)
    negatives_below = np.cumsum(1.0 - ascending) - (1.0 - ascending)
    return float((ascending * negatives_below).sum() / (ascending.sum() * (1.0 - ascending).sum()))


def slope_for(score: Floats, rate: float, auc: float) -> float:
    """Return the factor on `score` [n] that, at base rate `rate`, makes `expected_auc` equal to `auc`."""
    low, high = 0.0, 50.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        probability = logistic(middle * score + intercept_for(middle * score, rate))
        low, high = (middle, high) if expected_auc(probability) < auc else (low, middle)
    return 0.5 * (low + high)
