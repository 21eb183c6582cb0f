"""A school's students and what is asked arrive; the invitation list leaves, with how well such a list did last year.

1. `Ground`      features of one cut-off week, and the outcomes that are known
2. `Trial`       who a model learns from and who it is measured on: the last year, never whom it learned from
3. `Weighing`    the rankings of those measured (own model, joint model, teachers, combined) and their figures
4. `Place`       the students of the running year, ranked by a model of everyone whose outcome is known

A score follows from one student's own rows and the model; other students of the list change a place, never a score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from node.local import estimates, fitting, measuring
from node.local.fitting import Ground
from node.local.joint import Joint
from node.local.linear import LinearModel
from node.local.measuring import Difference, Measured
from node.local.people import People

FOLDS = 5
FOLD_TAG = b"datacoalitie/local-fold/1"
FEWEST_MEASURED = 12  # of either outcome (Inspectie's smallest denominator), to say how good a list was
SHARE_JUDGED = 0.5  # fewer students with a teacher's estimate do not make a ranking
LOCAL, JOINT, TEACHER, COMBINED = "local", "joint", "teacher", "combined"


@dataclass(frozen=True)
class Trial:
    """How figures come about: measured on school year `year`, or, where there is one year only, on parts in turn."""

    year: int | None
    learn: pd.Index
    measure: pd.Index


@dataclass(frozen=True)
class Weighing:
    """How rankings did on students that none of them learned from.

    own: the school's own model on everyone measured; of: ranking -> figures, all on the same students; joint: local
    and joint model on students that neither learned from, None without a joint model; scores: ranking -> score by
    student, of as many as can be measured; labels: their outcomes.
    """

    week: int
    trial: Trial
    own: Measured
    of: Mapping[str, Measured]
    joint: Difference | None
    scores: Mapping[str, pd.Series]
    labels: pd.Series


@dataclass(frozen=True)
class Ranking:
    """The students of the running year. Every series has one entry per student, in order of pseudonym.

    scores: log odds by model; concern: teachers' estimates, of those judged; order: everyone, who comes first first.
    """

    by: str
    model: LinearModel | None
    scores: Mapping[str, pd.Series]
    concern: pd.Series
    order: pd.Index
    listed: int


def ground(people: People, week: int, sensitive: bool) -> Ground:
    """Features at the end of a cut-off week, and the outcomes known of those who were still there."""
    wanted = fitting.wanted(people.schema, week, sensitive)
    return Ground(week, wanted, people.frame(wanted, week), people.labels(week))


def past(people: People, labels: pd.Series, cohort: int | None, students: pd.Index) -> pd.Index:
    """Who a model of this list may learn from: earlier cohorts; where there are none, all with a known outcome."""
    known = labels.index.difference(students)
    if cohort is None:
        return known
    earlier = known[(people.cohort.loc[known] < cohort).fillna(False).to_numpy(dtype=bool)]
    return earlier if len(earlier) else known


def trial(people: People, labels: pd.Series, known: pd.Index) -> Trial | None:
    """How to measure: learn from earlier cohorts and measure on the last one, else by parts; None for too few."""
    cohort = people.cohort.loc[known]
    years = sorted(int(year) for year in cohort.dropna().unique())
    if len(years) > 1:
        last = (cohort == years[-1]).fillna(False).to_numpy(dtype=bool)
        learn, measure = known[~last], known[last]
        if fitting.why_not(labels.loc[learn]) is None and _enough(labels.loc[measure]):
            return Trial(years[-1], learn, measure)
    if fitting.why_not(labels.loc[known]) is None:
        return Trial(None, known, known)
    return None


def _enough(labels: pd.Series) -> bool:
    left = int((labels == 1.0).sum())
    return min(left, len(labels) - left) >= FEWEST_MEASURED


def local_scores(ground: Ground, trial: Trial, people: People) -> pd.Series:
    """Scores of the students measured, each by a model that did not learn from that student."""
    if trial.year is not None:
        model = fitting.fit(ground, trial.learn, people.outcome, people.schema)
        return model.scores(ground.of(trial.measure))
    fold = np.array([fold_of(student) for student in trial.measure])
    parts = [_of_fold(ground, trial.measure, fold == number, people) for number in range(FOLDS)]
    return pd.concat([part for part in parts if len(part)]).sort_index()


def _of_fold(ground: Ground, students: pd.Index, here: np.ndarray, people: People) -> pd.Series:
    if not here.any():
        return pd.Series([], dtype=np.float64)
    model = fitting.fit(ground, students[~here], people.outcome, people.schema)
    return model.scores(ground.of(students[here]))


def fold_of(student: str) -> int:
    """In which of the parts a student stands: a hash decides, for each student alone."""
    return hashlib.sha256(FOLD_TAG + student.encode()).digest()[0] * FOLDS // 256


def joint_frame(people: People, joint: Joint) -> pd.DataFrame:
    """The features that the joint model sees, of every student."""
    return people.frame(joint.model.features, joint.model.week)


def weigh(people: People, ground: Ground, trial: Trial, joint: Joint | None, share: float) -> Weighing:
    """Rank the students measured in every way there is, and say how good the top `share` of each was.

    All figures are of the same students: with a joint model those it did not learn from, with teachers those judged.
    """
    scores = {LOCAL: local_scores(ground, trial, people)}
    students = scores[LOCAL].index
    own = measuring.measure(scores[LOCAL], ground.labels, share)
    if joint is not None:
        students = joint.not_learned_from(students, people.cohort)
        scores[JOINT] = joint.model.scores(joint_frame(people, joint).loc[students])
    both = difference(scores, students, ground.labels)
    concern = estimates.concerns(people.tables, ground.week)
    judged = students[students.isin(concern.index)]
    if len(judged) >= SHARE_JUDGED * len(students) and _enough(ground.labels.loc[judged]):
        students = judged
        scores[TEACHER] = concern.loc[students]
        scores[COMBINED] = estimates.combined(scores[LOCAL].loc[students], scores[TEACHER])
    of = {name: measuring.measure(values.loc[students], ground.labels, share) for name, values in scores.items()}
    return Weighing(ground.week, trial, own, of, both, scores, ground.labels)


def difference(scores: Mapping[str, pd.Series], students: pd.Index, labels: pd.Series) -> Difference | None:
    """Local against joint on the students given; None without a joint model or with too few students."""
    if JOINT not in scores or not _enough(labels.loc[students]):
        return None
    return measuring.difference(scores[LOCAL].loc[students], scores[JOINT].loc[students], labels)


def rank(
    people: People, ground: Ground, students: pd.Index, known: pd.Index, joint: Joint | None, by: str, share: float
) -> Ranking:
    """Rank the students of the running year; the model that decides is the school's own unless `by` says otherwise."""
    scores: dict[str, pd.Series] = {}
    own: LinearModel | None = None
    if fitting.why_not(ground.labels.loc[known]) is None:
        own = fitting.fit(ground, known, people.outcome, people.schema)
        scores[LOCAL] = own.scores(ground.of(students))
    if joint is not None:
        scores[JOINT] = joint.model.scores(joint_frame(people, joint).loc[students.sort_values()])
    concern = estimates.concerns(people.tables, ground.week)
    concern = concern[concern.index.isin(students)]
    leading = scores.get(JOINT if by == JOINT or own is None else LOCAL)
    if leading is not None and len(concern):
        scores[COMBINED] = estimates.combined(leading, concern)
    model = joint.model if joint is not None and (by == JOINT or own is None) else own
    order = _order(by, scores, concern, students, leading)
    return Ranking(by, model, scores, concern, order, measuring.listed(share, len(students)))


def _order(
    by: str, scores: Mapping[str, pd.Series], concern: pd.Series, students: pd.Index, leading: pd.Series | None
) -> pd.Index:
    """The deciding order; equal estimates of teachers go by the model, and who was not judged comes last."""
    if by != TEACHER:
        return measuring.in_order(scores[by])
    judged = concern.reindex(students.sort_values()).fillna(-1.0)
    return measuring.in_order(judged, leading)


def average(ground_frame: pd.DataFrame, model: LinearModel) -> pd.Series:
    """Averages of the model's features, in their own units, over the students it is compared with."""
    return ground_frame[[feature.name for feature in model.features]].mean(axis=0)
