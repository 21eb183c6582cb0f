"""Nothing arrives; what a feature is leaves: its name, bounds and labels, and how its value comes about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from shared_schema.facts import Numbers, fill

T = TypeVar("T")

BACKGROUND, ATTENDANCE, RESULTS, EXTENSION = "background", "attendance", "results", "extension"


@dataclass(frozen=True)
class Feature:
    """A number between public bounds that says something about one student at the cut-off week.

    `low` and `high` are constants of the schema, never measured. `columns` are the `table.column` names that it
    is made of; it is `sensitive` when one of them is. `fill` is the neutral value of a student whose source is
    missing.
    """

    name: str
    label_nl: str
    label_en: str
    low: float
    high: float
    group: str
    sensitive: bool
    columns: tuple[str, ...] = ()
    fill: float = 0.0


@dataclass(frozen=True)
class Source(Generic[T]):
    """A feature beside the function that gives its value per student; NaN stands for a missing source."""

    feature: Feature
    value: Callable[[T], Numbers]

    def compute(self, given: T) -> Numbers:
        """Return one finite value per student, filled where missing and clipped to the feature's bounds."""
        values = fill(self.value(given), self.feature.fill)
        return np.clip(values, self.feature.low, self.feature.high) + 0.0  # -0.0 becomes 0.0: one zero only


def recorded(values: Numbers) -> Numbers:
    """Return 1.0 where there is a value and 0.0 where it is missing."""
    return (~np.isnan(values)).astype(np.float64)


def above(values: Numbers, threshold: float) -> Numbers:
    """Return 1.0 above the threshold, 0.0 at or below it, NaN where missing."""
    return np.where(np.isnan(values), np.nan, (values > threshold).astype(np.float64))


def between(values: Numbers, low: float, high: float) -> Numbers:
    """Return 1.0 from `low` to `high` inclusive, 0.0 outside, NaN where missing."""
    return np.where(np.isnan(values), np.nan, ((values >= low) & (values <= high)).astype(np.float64))
