"""Held-out students and the final model arrive; one table of score bin by outcome leaves, noisy.

One student stands in one cell, so the norm is 1. AUC, precision and recall at k, lift, calibration and Brier
all follow from this one table (`experiments/evaluation.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.hyperparameters import Settings
from experiments.queries.base import Bounds, Query, State, linear, one_cell, public
from experiments.queries.logistic import gradient_bounds
from experiments.queries.moments import standardised
from experiments.queries.score_bins import LARGEST_EDGE
from experiments.students import Floats, Students

LARGEST_CELL = 1e12


@dataclass(frozen=True)
class ScoreTable(Query):
    """Students the model never saw, by predicted chance and by what happened."""

    name: ClassVar[str] = "score_table"
    settings: Settings

    @property
    def dimension(self) -> int:
        """Bins of outcome 0, then bins of outcome 1, from low to high scores."""
        return 2 * self.settings.bins

    @property
    def clip(self) -> Fraction:
        """One student, one cell: the norm is 1."""
        return Fraction(1)

    def parameters(self) -> Mapping[str, Any]:
        """Return everything that a row's cell follows from."""
        settings = self.settings
        return {
            "features": settings.features,
            "intercept": settings.intercept,
            "largest_feature": settings.largest_feature,
            "bins": settings.bins,
        }

    def bounds(self) -> Bounds:
        """Return what is known after the last gradient."""
        edges = {"edges": (self.settings.bins - 1, -LARGEST_EDGE, LARGEST_EDGE)}
        return {**gradient_bounds(self.settings, self.settings.gradients), **edges}

    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, 2·bins], a single 1.0 in each held-out student's row."""
        rows, usable = standardised(students, self.settings, state)
        score = linear(rows, state["weights"])
        cell = cells(score, state["edges"]) + self.settings.bins * (students.outcome == 1.0)
        counted = usable * students.held_out
        return one_cell(cell, self.dimension, counted)

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Add `score_table` [2·bins] and `score_table_sd` [1]."""
        return {
            **state,
            "score_table": public(total, -LARGEST_CELL, LARGEST_CELL),
            "score_table_sd": public(noise_sd, 0.0, LARGEST_CELL),
        }


def cells(scores: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return how many edges each score reaches: its bin, int64 [n].

    Counted, not searched for: a binary search starts where the row before it ended, so that at edges which a
    coordinator did not sort one row would decide the bin of the next.
    """
    return np.asarray((scores[:, None] >= edges).sum(axis=1), dtype=np.int64)
