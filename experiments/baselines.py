"""Schools' students arrive; models without privacy, pooled and local, leave: for rehearsals and benchmarks only.

They answer "what did joining bring, and what did privacy cost?" on data that is synthetic or public. No value
here ever leaves a school.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.evaluation import exact_auc
from experiments.queries.base import bounded_rows
from experiments.students import Floats, Students

INVERSE_REGULARISATION = 1.0
FEWEST_OF_EACH = 5  # of either outcome, to fit or to judge a model on


@dataclass(frozen=True)
class Baseline:
    """A plain logistic regression on standardised features: weights [p], per feature mean and scale [p]."""

    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def scores(self, students: Students) -> Floats:
        """Return each student's log odds, float64 [n]."""
        features, _ = bounded_rows(students)
        return ((features - self.mean) / self.scale) @ self.weights + self.intercept


def fit(students: Students) -> Baseline:
    """Fit on the rows that are not held out, standardised by those rows; an L2 penalty with C = 1."""
    from sklearn.linear_model import LogisticRegression

    training = students.rows(~students.held_out)
    features, _ = bounded_rows(training)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)
    model.fit((features - mean) / scale, training.outcome)
    return Baseline(mean, scale, model.coef_[0], float(model.intercept_[0]))


def join(schools: Sequence[Students]) -> Students:
    """Return all schools' rows as one table: what pooling would be."""
    return Students(
        np.vstack([school.features for school in schools]),
        np.concatenate([school.outcome for school in schools]),
        np.concatenate([school.held_out for school in schools]),
        schools[0].names,
    )


def auc_on_held_out(scores: Floats, students: Students) -> float | None:
    """Return the exact AUC of scores [n] on the held-out rows; None where too few of either outcome are."""
    outcome = students.outcome[students.held_out]
    if not _enough(outcome):
        return None
    return exact_auc(scores[students.held_out], outcome)


def local_auc(school: Students) -> float | None:
    """Return the held-out AUC of a school's own model; None where it has too few students for one."""
    if not _enough(school.outcome[~school.held_out]):
        return None
    return auc_on_held_out(fit(school).scores(school), school)


def pooled_auc(schools: Sequence[Students]) -> float | None:
    """Return the held-out AUC of one model fitted on all schools' rows together."""
    together = join(schools)
    return auc_on_held_out(fit(together).scores(together), together)


def _enough(outcome: Floats) -> bool:
    positives = int((outcome == 1.0).sum())
    return min(positives, len(outcome) - positives) >= FEWEST_OF_EACH
