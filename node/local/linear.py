"""A model's weights arrive; scores and the share that each feature has in a score leave, student by student.

Glass box: a score is a sum of one term per feature. Nothing here looks at more than one student at a time, and every
sum runs feature by feature, so that no other student can move a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.queries.base import linear
from experiments.students import Floats
from privacy import canonical
from shared_schema.features import Feature

TAG = "datacoalitie/local-model/1"
DECIMALS = 9  # a model's name does not depend on the last bits of a machine's linear algebra


@dataclass(frozen=True)
class LinearModel:
    """Log odds = intercept + Σ weight·cut((x − mean)/scale), x scaled to [−1, 1] by the features' declared bounds.

    kind: `local` or `joint`; week: cut-off week; mean, scale, weights: float64 [p]; largest: where a standardised
    feature is cut. A sensitive feature that the school does not allow has weight 0: it counts the same for everyone.
    """

    kind: str
    week: int
    outcome: str
    features: tuple[Feature, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float
    largest: float
    schema_hash: bytes

    @property
    def hash(self) -> str:
        """SHA-256 over everything a score follows from, in hexadecimal."""
        numbers = [*self.mean, *self.scale, *self.weights, self.intercept, min(self.largest, 1e9)]
        rounded = np.round(np.array(numbers, dtype=np.float64), DECIMALS) + 0.0  # -0.0 has no encoding
        names = [feature.name for feature in self.features]
        return canonical.digest(TAG, self.kind, self.week, self.outcome, names, rounded, self.schema_hash).hex()

    def standard(self, frame: pd.DataFrame) -> Floats:
        """Standardised features, float64 [n, p], of a frame in the features' own units."""
        scaled = scaled_by_bounds(frame[[feature.name for feature in self.features]], self.features)
        return np.clip((scaled - self.mean) / self.scale, -self.largest, self.largest)

    def scores(self, frame: pd.DataFrame) -> pd.Series:
        """Log odds per student."""
        scores = linear(self.standard(frame), self.weights) + self.intercept
        return pd.Series(scores, index=frame.index, dtype=np.float64)

    def terms(self, frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
        """What each feature adds to a student's log odds beside the average of `reference`: columns by feature."""
        own, average = self.standard(frame), self.standard(reference).mean(axis=0)
        names = [feature.name for feature in self.features]
        return pd.DataFrame((own - average) * self.weights, index=frame.index, columns=names)


def chances(scores: pd.Series) -> pd.Series:
    """Log odds as chances, 0 to 1."""
    return 1.0 / (1.0 + np.exp(-scores.clip(-700.0, 700.0)))


def scaled_by_bounds(frame: pd.DataFrame, wanted: Sequence[Feature]) -> Floats:
    """Declared [low, high] to [−1, 1], float64 [n, p]."""
    low = np.array([feature.low for feature in wanted])
    high = np.array([feature.high for feature in wanted])
    values = frame.to_numpy(dtype=np.float64)
    return np.asarray(np.clip(2.0 * (values - low) / (high - low) - 1.0, -1.0, 1.0))
