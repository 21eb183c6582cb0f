"""Students of whom the outcome is known arrive; the school's own model leaves, or in words why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.reading.words import Words
from node.local.linear import LinearModel, scaled_by_bounds
from shared_schema import Schema, features
from shared_schema.features import Feature

FEWEST_STUDENTS = 100
FEWEST_OF_EACH = 12
INVERSE_REGULARISATION = 1.0  # as `experiments.baselines`, so that "local" means the same in every comparison
TOLERANCE, ITERATIONS = 1e-8, 5000


@dataclass(frozen=True)
class Ground:
    """What a model of one cut-off week learns from and is measured on: features by student, outcomes of those known."""

    week: int
    features: tuple[Feature, ...]
    frame: pd.DataFrame
    labels: pd.Series

    def of(self, students: pd.Index) -> pd.DataFrame:
        """The features of these students, in order of pseudonym."""
        return self.frame.loc[students.sort_values()]


def wanted(schema: Schema, week: int, sensitive: bool) -> tuple[Feature, ...]:
    """The features of the school's own model; sensitive ones only where the school's policy allows them."""
    return tuple(one for one in features.available(schema, week) if sensitive or not one.sensitive)


def why_not(labels: pd.Series) -> Words | None:
    """Why nothing can be learned from these outcomes; None where something can."""
    left, stayed = int((labels == 1.0).sum()), int((labels == 0.0).sum())
    if left + stayed >= FEWEST_STUDENTS and min(left, stayed) >= FEWEST_OF_EACH:
        return None
    return Words(
        f"Voor een eigen model zijn minstens {FEWEST_STUDENTS} studenten met bekende uitkomst nodig, van wie"
        f" minstens {FEWEST_OF_EACH} uitvielen en {FEWEST_OF_EACH} bleven; er zijn er {left + stayed}, van wie"
        f" {left} uitvielen.",
        f"A model of one's own takes at least {FEWEST_STUDENTS} students with a known outcome, at least"
        f" {FEWEST_OF_EACH} of whom left and {FEWEST_OF_EACH} stayed; there are {left + stayed}, {left} of whom"
        f" left.",
    )


def fit(ground: Ground, students: pd.Index, outcome: str, schema: Schema) -> LinearModel:
    """Fit a logistic regression with an L2 penalty on standardised features of these students.

    Rows stand in order of pseudonym: the same students give the same model. The caller has asked `why_not`.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = students.sort_values()
    scaled = scaled_by_bounds(ground.frame.loc[chosen], ground.features)
    mean, spread = scaled.mean(axis=0), scaled.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    model = LogisticRegression(C=INVERSE_REGULARISATION, tol=TOLERANCE, max_iter=ITERATIONS)
    model.fit((scaled - mean) / scale, ground.labels.loc[chosen].to_numpy())
    weights = np.where(spread > 1e-9, model.coef_[0], 0.0)
    return LinearModel(
        kind="local",
        week=ground.week,
        outcome=outcome,
        features=ground.features,
        mean=mean,
        scale=scale,
        weights=weights,
        intercept=float(model.intercept_[0]),
        largest=np.inf,
        schema_hash=schema.hash,
    )


def ordered(values: Sequence[str]) -> pd.Index:
    """Pseudonyms in their one order."""
    return pd.Index(sorted(values), dtype=object, name="student")
