"""Attendance rows arrive; one array of absence hours per teaching week leaves, and the features made from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shared_schema.facts import Facts, Numbers, Positions, fill, numbers

HOURS_PER_WEEK = 40.0
"""No student can be absent for more clock hours a week than this (public bound, as table attendance declares)."""

WEEK_CODES = 64  # more than there are weeks: codes of a week and a length side by side

LAST_WEEKS = 3
"""How many of the latest weeks the trend compares with the weeks before."""


@dataclass(frozen=True)
class Absence:
    """Hours per week for every student, each array [weeks, students]; NaN where no row covers the week."""

    total: Numbers
    unauthorised: Numbers
    authorised: Numbers
    scheduled: Numbers


@dataclass(frozen=True)
class _Blocks:
    """Attendance rows as arrays, by last week, number of weeks, and student.

    row: where in the table it stands; place: `WEEK_CODES` times its last week, plus how many weeks it covers.
    """

    row: Positions
    place: Positions
    student: Positions

    def where(self, chosen: np.ndarray) -> _Blocks:
        return _Blocks(self.row[chosen], self.place[chosen], self.student[chosen])


def absence(facts: Facts, cutoff_week: int) -> Absence:
    """Return the hours of weeks 1 to `cutoff_week`; rows that end later do not count.

    Where the source has only two of total, unauthorised and authorised, the third follows from them.
    """
    blocks = _blocks(facts, cutoff_week)
    total = _hours(facts, "hours_absent", blocks, cutoff_week)
    without = _hours(facts, "hours_absent_unauthorised", blocks, cutoff_week)
    with_leave = _hours(facts, "hours_absent_authorised", blocks, cutoff_week)
    derived = np.where(np.isnan(without) & np.isnan(with_leave), np.nan, fill(without, 0.0) + fill(with_leave, 0.0))
    both = np.where(np.isnan(total), derived, total)
    return Absence(
        total=np.minimum(both, HOURS_PER_WEEK),
        unauthorised=np.where(np.isnan(without), np.maximum(total - with_leave, 0.0), without),
        authorised=np.where(np.isnan(with_leave), np.maximum(total - without, 0.0), with_leave),
        scheduled=_hours(facts, "hours_scheduled", blocks, cutoff_week),
    )


def _blocks(facts: Facts, cutoff_week: int) -> _Blocks:
    """Return the rows that end in weeks 1 to `cutoff_week`; a row covers at most the weeks up to its own."""
    frame, students = facts.rows("attendance")
    missing = np.full(len(frame), np.nan)
    ends = np.floor(numbers(frame["week"])) if "week" in frame else missing
    row = np.flatnonzero((ends >= 1) & (ends <= cutoff_week))
    week, student = ends[row].astype(np.int64), students[row]
    weeks = np.floor(fill(numbers(frame["weeks"]) if "weeks" in frame else missing, 1.0))[row]
    place = week * WEEK_CODES + np.clip(weeks, 1, week).astype(np.int64)
    return _Blocks(row, place, student).where(np.argsort(place * len(facts.index) + student))


def _hours(facts: Facts, column: str, blocks: _Blocks, cutoff_week: int) -> Numbers:
    """Return [weeks, students]: each row's hours spread evenly over the weeks that no earlier row covers.

    Of several rows for the same student and weeks the one with most hours counts, whatever their order.
    """
    grid = np.full((cutoff_week, len(facts.index)), np.nan)
    if not facts.has("attendance", column):
        return grid
    given = numbers(facts.rows("attendance")[0][column])[blocks.row]
    blocks, given = blocks.where(known := ~np.isnan(given)), given[known]
    hours = np.clip(given, 0.0, HOURS_PER_WEEK * (blocks.place % WEEK_CODES))
    firsts = np.flatnonzero((_steps(blocks.place) != 0) | (_steps(blocks.student) != 0))
    if not len(firsts):
        return grid
    blocks, hours = blocks.where(firsts), np.maximum.reduceat(hours, firsts)
    starts = np.flatnonzero(_steps(blocks.place))
    for start, end in pairwise([*starts, len(hours)]):
        week, weeks = divmod(int(blocks.place[start]), WEEK_CODES)
        _spread(grid, blocks.student[start:end], hours[start:end], week, weeks)
    return grid


def _steps(values: Positions) -> Positions:
    """How much each value differs from the one before; the first from -1, which none has."""
    return np.diff(values, prepend=-1)


def _spread(grid: Numbers, student: Positions, hours: Numbers, week: int, weeks: int) -> None:
    """Write the blocks of one last week and length into the grid: hours that earlier ones do not explain, over the
    weeks that they do not cover.

    Blocks may overlap: a total through week 6 minus the total through week 3 is the total of weeks 4 to 6.
    """
    span = grid[week - weeks : week, student]
    known, covered = _total(span), _covered(span)
    free = weeks - covered
    each = np.maximum(hours - known, 0.0) / np.maximum(free, 1.0)
    grid[week - weeks : week, student] = np.where(np.isnan(span), np.minimum(each, HOURS_PER_WEEK), span)


def _total(grid: Numbers) -> Numbers:
    """Return the sum over weeks, added week by week: its bits cannot depend on the number of students."""
    total = np.zeros(grid.shape[1])
    for hours in grid:
        total = total + fill(hours, 0.0)
    return total


def _covered(grid: Numbers) -> Numbers:
    """Return how many weeks of the grid hold a value."""
    return np.asarray((~np.isnan(grid)).sum(axis=0), dtype=np.float64)


def mean(grid: Numbers) -> Numbers:
    """Return the mean over the covered weeks, NaN where no week is covered."""
    covered = _covered(grid)
    return np.where(covered > 0, _total(grid) / np.maximum(covered, 1.0), np.nan)


def last_weeks(grid: Numbers) -> Numbers:
    """Return the mean of the last three weeks before the cut-off, NaN where none of them is covered."""
    return mean(grid[-LAST_WEEKS:])


def trend(grid: Numbers) -> Numbers:
    """Return the mean of the last three weeks minus the mean of the weeks before, in hours a week."""
    return last_weeks(grid) - mean(grid[:-LAST_WEEKS])


def share_absent(grid: Absence) -> Numbers:
    """Return hours absent / hours scheduled over the weeks where both are known, NaN where nothing was scheduled."""
    both = ~np.isnan(grid.total) & (fill(grid.scheduled, 0.0) > 0.0)
    absent, scheduled = _total(np.where(both, grid.total, np.nan)), _total(np.where(both, grid.scheduled, np.nan))
    return np.where(scheduled > 0, absent / np.where(scheduled > 0, scheduled, 1.0), np.nan)


def share_of_full_weeks(grid: Numbers) -> Numbers:
    """Return the share of covered weeks without any absence, NaN where no week is covered."""
    return mean(np.where(np.isnan(grid), np.nan, (grid == 0.0).astype(np.float64)))
