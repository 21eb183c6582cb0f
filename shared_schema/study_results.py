"""Result rows arrive; the number of results and the mean score share up to the cut-off week leave, as features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_schema.facts import Facts, Numbers, Positions, fill, numbers
from shared_schema.feature import RESULTS, Feature, Source, recorded

DUTCH_MARK = 10.0
"""Highest mark in Dutch education; the meaning of an empty `score_max`."""

SUFFICIENT = 0.55
"""Share of the highest score from which a result is sufficient: the mark 5.5."""


@dataclass(frozen=True)
class Results:
    """Results up to the cut-off per student: how many, their mean share of the highest score, the insufficient share.

    Each array has one entry per student; the shares are NaN for a student without scored results.
    """

    count: Numbers
    mean_share: Numbers
    insufficient: Numbers


def results(facts: Facts, cutoff_week: int) -> Results:
    """Return what each student's own results up to the cut-off week come to."""
    frame, students = facts.until("result", cutoff_week)
    share = _share(frame)
    scored = ~np.isnan(share)
    who, what = students[scored], share[scored]
    count = _per_student(facts, who, np.ones(len(who)))
    some = np.where(count > 0, count, np.nan)
    return Results(
        count=_per_student(facts, students, np.ones(len(students))),
        mean_share=_per_student(facts, who, what) / some,
        insufficient=_per_student(facts, who, (what < SUFFICIENT).astype(np.float64)) / some,
    )


def _per_student(facts: Facts, students: Positions, values: Numbers) -> Numbers:
    """Sum values per student, in the order given: `bincount` adds one by one, so no other row changes the bits."""
    return np.bincount(students, weights=values, minlength=len(facts.index)).astype(np.float64)


def _share(frame: pd.DataFrame) -> Numbers:
    missing = np.full(len(frame), np.nan)
    score = numbers(frame["score"]) if "score" in frame else missing
    highest = fill(numbers(frame["score_max"]) if "score_max" in frame else missing, DUTCH_MARK)
    with np.errstate(over="ignore"):  # a warning would say that such a row is there; the share is clipped anyway
        return np.clip(np.where(highest > 0, score / np.where(highest > 0, highest, 1.0), np.nan), 0.0, 1.0)


def _source(
    name: str, nl: str, en: str, value: Callable[[Results], Numbers], high: float, fill: float
) -> Source[Results]:
    columns = ("result.week", "result.date", "result.score", "result.score_max")
    return Source(Feature(name, nl, en, 0.0, high, RESULTS, False, columns, fill), value)


SOURCES: tuple[Source[Results], ...] = (
    _source(
        "results_recorded", "resultaten zijn vastgelegd", "results are recorded",
        lambda given: recorded(given.mean_share), 1.0, 0.0,
    ),
    _source("results_count", "aantal resultaten", "number of results", lambda given: given.count, 20.0, 0.0),
    _source(
        "results_mean", "gemiddelde score als deel van de hoogste", "mean score as a share of the highest",
        lambda given: given.mean_share, 1.0, 0.625,
    ),
    _source(
        "results_insufficient", "deel onvoldoende resultaten", "share of insufficient results",
        lambda given: given.insufficient, 1.0, 0.0,
    ),
)  # fmt: skip
"""The result features in their fixed order; all need at least one week."""
