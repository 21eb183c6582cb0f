"""Students arrive; counts per outcome, means and spreads of every feature leave, noisy, from one private sum.

Each training student contributes (w(1-y), w·y, x/2, (1-x²)/2) for features x in [-1, 1]. Since
x²/4 + (1-x²)²/4 <= 1/4 for every such x, the second moments ride for nothing: the norm is at most
sqrt(w² + p/4) with or without them, half of what (x, x²) would take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from experiments.hyperparameters import Settings
from experiments.queries.base import Bounds, Query, State, bounded_rows, public, root_above
from experiments.students import Floats, Students

SMALLEST_SCALE, LARGEST_SCALE = 0.03, 1.0
SMALLEST_RATE = 0.02
LARGEST_COUNT = 1e9
LARGEST_WEIGHT = 1e3


@dataclass(frozen=True)
class Moments(Query):
    """How many, how often, and where each feature lies: the first exchange of a model."""

    name: ClassVar[str] = "moments"
    settings: Settings

    @property
    def dimension(self) -> int:
        """Two counts, p halves of x and p halves of 1 - x²."""
        return 2 + 2 * self.settings.features

    @property
    def clip(self) -> Fraction:
        """sqrt(w² + p/4): no vector is ever longer, so counts are unbiased."""
        return root_above(self.settings.class_weight**2 + Fraction(self.settings.features, 4))

    def parameters(self) -> Mapping[str, Any]:
        """Return p and w."""
        return {"features": self.settings.features, "class_weight": self.settings.class_weight}

    def bounds(self) -> Bounds:
        """Return nothing: this is the first question."""
        return {}

    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, 2 + 2p]; zero for held-out students."""
        features, usable = bounded_rows(students)
        weight = usable * ~students.held_out
        positive = np.where(students.outcome == 1.0, weight, 0.0)
        counts = float(self.settings.class_weight) * np.stack([weight - positive, positive], axis=1)
        moments = np.hstack([features, 1.0 - features * features]) * 0.5
        return np.hstack([counts, moments * weight[:, None]])

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Return counts [2], mean [p], scale [p] and the first weights [p+1]: log odds and nothing else.

        A variance below its own noise is taken to be that noise: a feature is rather scaled too small than
        blown up by an unlucky draw.
        """
        p, weight = self.settings.features, float(self.settings.class_weight)
        counts = np.maximum(total[:2] / weight, 0.5)
        students = float(counts[0] + counts[1])
        mean = np.clip(2.0 * total[2 : 2 + p] / students, -1.0, 1.0)
        second = 1.0 - np.clip(2.0 * total[2 + p :] / students, 0.0, 1.0)
        error = 2.0 * noise_sd / students * np.sqrt(1.0 + 4.0 * mean * mean)
        scale = np.sqrt(np.maximum(second - mean * mean, np.maximum(error, SMALLEST_SCALE**2)))
        rate = float(np.clip(counts[1] / students, SMALLEST_RATE, 1.0 - SMALLEST_RATE))
        return {
            "counts": public(counts, 0.0, LARGEST_COUNT),
            "mean": public(mean, -1.0, 1.0),
            "scale": public(scale, SMALLEST_SCALE, LARGEST_SCALE),
            "weights": public(self._start(rate), -LARGEST_WEIGHT, LARGEST_WEIGHT),
        }

    def _start(self, rate: float) -> Floats:
        constant = float(self.settings.intercept) * np.sqrt(self.settings.features)
        return np.concatenate([[np.log(rate / (1.0 - rate)) / constant], np.zeros(self.settings.features)])


def moment_bounds(settings: Settings) -> dict[str, tuple[int, float, float]]:
    """Return what a state must hold once moments and a current point are known."""
    return {
        "counts": (2, 0.0, LARGEST_COUNT),
        "mean": (settings.features, -1.0, 1.0),
        "scale": (settings.features, SMALLEST_SCALE, LARGEST_SCALE),
        "weights": (settings.width, -LARGEST_WEIGHT, LARGEST_WEIGHT),
    }


def standardised(students: Students, settings: Settings, state: State) -> tuple[Floats, Floats]:
    """Return float64 [n, p+1], constant first, standardised by the released moments, and usable [n].

    Elementwise: (x - mean)/scale, cut at ±largest_feature.
    """
    features, usable = bounded_rows(students)
    largest = float(settings.largest_feature)
    standard = np.clip((features - state["mean"]) / state["scale"], -largest, largest)
    constant = float(settings.intercept) * np.sqrt(settings.features)
    return np.hstack([np.full((len(students), 1), constant), standard]), usable
