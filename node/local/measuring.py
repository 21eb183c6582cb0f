"""Scores and outcomes of students that a model did not learn from arrive; how good the top of the list is, leaves.

Everything in closed form, so that the same list has the same figures: intervals of shares after Wilson (1927), of an
AUC and of the difference between two AUCs on the same students after DeLong, DeLong and Clarke-Pearson (1988).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_schema.norms import wilson

TWO_SIDED_95 = 1.959963984540054
EQUAL = 9  # decimals: scores that differ by less are one score, whatever machine added them up


@dataclass(frozen=True)
class Share:
    """`hits` of `out_of` students, and the 95 % interval of the share after Wilson; None where there is nobody."""

    hits: int
    out_of: int

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.hits / self.out_of if self.out_of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, within 0 and 1."""
        return wilson(self.hits, self.out_of) if self.out_of else None


@dataclass(frozen=True)
class Auc:
    """The chance that a student who left scores above one who stayed, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """How good a ranking is on students it did not learn from.

    precision: of those listed, who left; recall: of those who left, who was listed; auc None where there is none.
    """

    students: int
    left: int
    listed: int
    precision: Share
    recall: Share
    auc: Auc | None

    @property
    def base_rate(self) -> float | None:
        """The share that a list drawn by lot would find."""
        return self.left / self.students if self.students else None


def in_order(scores: pd.Series, second: pd.Series | None = None) -> pd.Index:
    """Students from the highest score down; equal scores by `second`, then by pseudonym.

    So a list made again is the same list.
    """
    keys = [scores.index.to_numpy(dtype=str)]
    for values in (second, scores):
        if values is not None:
            keys.append(-values.loc[scores.index].round(EQUAL).to_numpy())
    return scores.index[np.lexsort(keys)]


def listed(share: float, students: int) -> int:
    """How many students a share comes to: rounded half up, at least one, at most all."""
    return min(students, max(1, math.floor(share * students + 0.5)))


def measure(scores: pd.Series, labels: pd.Series, share: float) -> Measured:
    """Measure a ranking of the students of `scores`; `labels` holds the outcome of each of them."""
    outcome = labels.loc[scores.index]
    count = listed(share, len(scores)) if len(scores) else 0
    top = in_order(scores)[:count]
    hits, left = int((outcome.loc[top] == 1.0).sum()), int((outcome == 1.0).sum())
    return Measured(len(scores), left, count, Share(hits, count), Share(hits, left), auc(scores, outcome))


def auc(scores: pd.Series, labels: pd.Series) -> Auc | None:
    """The AUC with its interval; None where fewer than two students have one of the outcomes."""
    parts = _placements(scores, labels)
    if parts is None:
        return None
    left, stayed = parts
    value = float(left.mean())
    reach = TWO_SIDED_95 * math.sqrt(left.var(ddof=1) / len(left) + stayed.var(ddof=1) / len(stayed))
    return Auc(value, max(0.0, value - reach), min(1.0, value + reach))


@dataclass(frozen=True)
class Difference:
    """AUC of a second ranking minus that of a first, on the same students, with its 95 % interval."""

    first: Auc
    second: Auc
    value: float
    low: float
    high: float
    students: int


def difference(first: pd.Series, second: pd.Series, labels: pd.Series) -> Difference | None:
    """Compare two rankings of the same students; None where there is no AUC."""
    one, other = auc(first, labels), auc(second, labels)
    parts, others = _placements(first, labels), _placements(second.loc[first.index], labels)
    if one is None or other is None or parts is None or others is None:
        return None
    left, stayed = others[0] - parts[0], others[1] - parts[1]
    reach = TWO_SIDED_95 * math.sqrt(left.var(ddof=1) / len(left) + stayed.var(ddof=1) / len(stayed))
    value = other.value - one.value
    return Difference(one, other, value, value - reach, value + reach, len(first))


def _placements(scores: pd.Series, labels: pd.Series) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each leaver the share of stayers scored below (ties half), of each stayer the share of leavers above."""
    outcome = labels.loc[scores.index].to_numpy()
    values = scores.round(EQUAL)
    left, stayed = values[outcome == 1.0], values[outcome == 0.0]
    m, n = len(left), len(stayed)
    if min(m, n) < 2:
        return None
    everyone = values.rank(method="average").to_numpy()
    of_left = (everyone[outcome == 1.0] - left.rank(method="average").to_numpy()) / n
    of_stayed = 1.0 - (everyone[outcome == 0.0] - stayed.rank(method="average").to_numpy()) / m
    return of_left, of_stayed
