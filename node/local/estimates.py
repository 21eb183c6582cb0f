"""What teachers wrote down about each student arrives; one number a student leaves, and the two rankings made with it.

A teacher's chance of leaving is used as it is. Where there is none, judgements count: sufficient 0, doubtful 1/2,
insufficient 1. The latest one of each subject counts, `totaal` before all others; without it the mean over subjects.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from node.local.measuring import EQUAL, in_order
from node.local.people import Tables

JUDGEMENTS = {"voldoende": 0.0, "twijfel": 0.5, "onvoldoende": 1.0}
OVERALL = "totaal"
WEEKS_A_PERIOD = 10  # an estimate of a period without a week was there at the end of that period


def concerns(tables: Tables, week: int) -> pd.Series:
    """How worried teachers were by the end of teaching week `week`, 0 to 1, of each student they judged."""
    frame = tables.get("estimate")
    if frame is None or frame.empty:
        return pd.Series([], index=pd.Index([], dtype=object, name="student"), dtype=np.float64)
    rows = pd.DataFrame(
        {
            "student": frame["student"].astype(object),
            "subject": frame["subject"].astype(object),
            "week": _week(frame),
            "value": _value(frame),
        }
    )
    rows = rows[(rows["week"] <= week) & rows["value"].notna()]
    latest = (
        rows.sort_values(["student", "subject", "week", "value"]).groupby(["student", "subject"], sort=True).tail(1)
    )
    by_subject = latest.pivot(index="student", columns="subject", values="value")
    others = by_subject.drop(columns=[OVERALL], errors="ignore").mean(axis=1)
    overall = by_subject[OVERALL] if OVERALL in by_subject else pd.Series(np.nan, index=by_subject.index)
    return overall.fillna(others).astype(np.float64).rename_axis("student")


def _week(frame: pd.DataFrame) -> pd.Series:
    missing = pd.Series(np.nan, index=frame.index)
    week = _numbers(frame["week"]) if "week" in frame else missing
    period = _numbers(frame["period"]) if "period" in frame else missing
    return week.fillna(period * WEEKS_A_PERIOD).fillna(0.0)


def _value(frame: pd.DataFrame) -> pd.Series:
    missing = pd.Series(np.nan, index=frame.index)
    chance = _numbers(frame["chance"]) if "chance" in frame else missing
    words = frame["judgement"].astype(object).map(JUDGEMENTS) if "judgement" in frame else missing
    return chance.fillna(words.astype(np.float64))


def _numbers(series: pd.Series) -> pd.Series:
    return pd.Series(pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan), index=series.index)


def combined(scores: pd.Series, concern: pd.Series) -> pd.Series:
    """One ranking of two: minus each student's place in it, so that higher is more worrying.

    Students whom a teacher judged stand in order of the mean of their places in the model's and in the teachers' order
    (equal ones share their mean; what is equal then goes by the model). Who was not judged keeps the model's place.
    """
    by_model = in_order(scores)
    judged = concern.reindex(by_model).dropna()
    both = _places(scores.loc[judged.index]) + _places(judged)
    waiting = iter(in_order(-both, scores))
    order = [next(waiting) if student in judged.index else student for student in by_model]
    return pd.Series(-np.arange(1.0, len(order) + 1.0), index=pd.Index(order, name="student")).loc[scores.index]


def _places(values: pd.Series) -> pd.Series:
    """Places from the highest value down; equal ones share their mean."""
    return values.round(EQUAL).rank(ascending=False, method="average")
