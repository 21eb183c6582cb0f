"""Enrolment, period and diploma rows arrive; who is enrolled on a day, and from when until when, leaves.

Days are numbers since 1970-01-01 (float64, one per student); infinity is "not yet". `end_date` is the last day.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.facts import Facts, Numbers, Positions, texts
from shared_schema.periods import DATED_ON, FROM, LEVEL, UNTIL, diplomas, periods, spans

Mask = npt.NDArray[np.bool_]

TRANSFER_GAP_DAYS = 92
"""A new enrolment within this many days (a long summer) continues the stay: a transfer within the school."""

GRADUATED, DEATH, ADMINISTRATIVE = "01", "05", "08"


@dataclass(frozen=True)
class Stays:
    """Each student's first unbroken stay: first day, last day (infinity while enrolled), reason for leaving.

    `start` is NaN for a student without any dated enrolment.
    """

    start: Numbers
    end: Numbers
    reason: npt.NDArray[np.object_]


def day_number(day: datetime.date) -> float:
    """Return a date as days since 1970-01-01."""
    return float((day - datetime.date(1970, 1, 1)).days)


def october(year: int) -> float:
    """Return the peildatum, 1 October of `year`, as days since 1970-01-01."""
    return day_number(datetime.date(year, 10, 1))


def years_later(day: Numbers, years: int) -> Numbers:
    """Return the same calendar day some years on; 29 February becomes 1 March where there is none."""
    known = np.isfinite(day)
    dates = np.where(known, day, 0.0).astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    moved = (months + 12 * years).astype("datetime64[D]") + (dates - months.astype("datetime64[D]"))
    return np.where(known, moved.astype(np.int64).astype(np.float64), day)


def next_october(day: Numbers) -> Numbers:
    """Return the first 1 October on or after each day, NaN where the day is missing."""
    known = np.isfinite(day)
    years = np.where(known, day, 0.0).astype(np.int64).astype("datetime64[D]").astype("datetime64[Y]")
    this = years.astype("datetime64[M]") + 9
    first = this.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    return np.where(known, np.where(first >= day, first, years_later(first, 1)), np.nan)


def first_stays(facts: Facts, until: float = np.inf) -> Stays:
    """Return each student's first stay as it was known on day `until`: later starts and ends have not happened."""
    frame, positions = facts.ordered("enrolment")
    start, end = spans(frame)
    seen = start <= until
    frame, positions, start, end = frame.loc[seen], positions[seen], start[seen], end[seen]
    end = np.where(end > until, np.inf, end)
    part = _in_first_stay(positions, start, end)
    reasons = texts(frame["reden_uitschrijving"]) if "reden_uitschrijving" in frame else np.full(len(frame), "", object)
    return _merge(len(facts.index), positions[part], start[part], end[part], reasons[part])


def _in_first_stay(positions: Positions, start: Numbers, end: Numbers) -> Mask:
    """Say of rows sorted by student and start whether they belong to the student's first unbroken stay."""
    reach = pd.Series(end).groupby(positions).cummax().groupby(positions).shift().to_numpy(np.float64)
    broken = start > np.where(np.isnan(reach), np.inf, reach) + TRANSFER_GAP_DAYS
    return np.asarray(pd.Series(broken).groupby(positions).cumsum().to_numpy() == 0)


def _merge(n: int, positions: Positions, start: Numbers, end: Numbers, reason: npt.NDArray[np.object_]) -> Stays:
    first, last = np.full(n, np.nan), np.full(n, np.nan)
    why = np.full(n, "", dtype=object)
    first[positions[::-1]] = start[::-1]
    by_end = np.lexsort((np.arange(len(end)), end, positions))
    last[positions[by_end]] = end[by_end]
    why[positions[by_end]] = np.where(np.isinf(end[by_end]), "", reason[by_end])
    return Stays(first, last, why)


def rows_on(facts: Facts, table: str, day: Numbers) -> tuple[pd.DataFrame, Positions]:
    """Return the rows of `table` that are in force on each student's own `day` (NaN: none), in declared order.

    A programme period lies within its enrolment and ends where the next one of that enrolment begins.
    """
    if table == "programme_period":
        frame, positions = periods(facts)
        start, end = frame[FROM].to_numpy(np.float64), frame[UNTIL].to_numpy(np.float64)
    else:
        frame, positions = facts.ordered(table)
        start, end = spans(frame)
    own = day[positions]
    now = (start <= own) & (own <= end)
    return frame.loc[now], positions[now]


def enrolled_on(facts: Facts, day: Numbers) -> Mask:
    """Say of each student whether any enrolment is in force on the student's own `day`; never on a NaN day."""
    _, positions = rows_on(facts, "enrolment", day)
    return _any(facts, positions)


def still_enrolled(facts: Facts, until: float) -> Mask:
    """Say of each student whether an enrolment that has begun is open, or ends after day `until`."""
    frame, positions = facts.ordered("enrolment")
    start, end = spans(frame)
    return _any(facts, positions[(start <= until) & ((end > until) | np.isinf(end))])


def died_by(facts: Facts, day: Numbers) -> Mask:
    """Say of each student whether an enrolment ended by death by the student's own `day`; an undated death counts."""
    frame, positions = facts.ordered("enrolment")
    if "reden_uitschrijving" not in frame:
        return np.zeros(len(facts.index), dtype=bool)
    _, end = spans(frame)
    known = np.isinf(end) | (end <= day[positions])
    return _any(facts, positions[(texts(frame["reden_uitschrijving"]) == DEATH) & known])


def died(facts: Facts) -> Mask:
    """Say of each student whether any enrolment ended by death, whenever that was."""
    return died_by(facts, np.full(len(facts.index), np.inf))


def has_diploma(facts: Facts, since: Numbers, until: Numbers, niveau: int = 1, undated: bool = True) -> Mask:
    """Say of each student whether a diploma of at least `niveau` is dated from `since` to `until`, both inclusive.

    An undated diploma counts, or, with `undated` false, counts on the last day of its enrolment if that is known. A
    diploma of which the level is not delivered (DUO RO) has that of the student's own period of the same programme or
    enrolment; where that is unknown too it counts as level 1.
    """
    frame, positions = diplomas(facts)
    date, ended = frame[DATED_ON].to_numpy(np.float64), frame[UNTIL].to_numpy(np.float64)
    day = date if undated else np.where(np.isnan(date), np.where(np.isinf(ended), np.nan, ended), date)
    inside = (np.isnan(day) & undated) | ((day >= since[positions]) & (day <= until[positions]))
    return _any(facts, positions[inside & (frame[LEVEL].to_numpy(np.float64) >= niveau)])


def _any(facts: Facts, positions: Positions) -> Mask:
    out = np.zeros(len(facts.index), dtype=bool)
    out[positions] = True
    return out
