"""Attendance rows arrive; one array of absence hours per teaching week leaves, and the features made from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_schema.facts import Facts, Numbers, Positions, fill, numbers

HOURS_PER_WEEK = 40.0
"""No student can be absent for more clock hours a week than this (public bound, as table attendance declares)."""

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
    """Attendance rows as arrays: whose, the last week, how many weeks, and the hours (finite)."""

    student: Positions
    week: Positions
    weeks: Positions
    hours: Numbers

    def where(self, chosen: np.ndarray) -> _Blocks:
        return _Blocks(self.student[chosen], self.week[chosen], self.weeks[chosen], self.hours[chosen])


def absence(facts: Facts, cutoff_week: int) -> Absence:
    """Return the hours of weeks 1 to `cutoff_week`; rows that end later do not count.

    Where the source has only two of total, unauthorised and authorised, the third follows from them.
    """
    total = _hours(facts, "hours_absent", cutoff_week)
    without = _hours(facts, "hours_absent_unauthorised", cutoff_week)
    with_leave = _hours(facts, "hours_absent_authorised", cutoff_week)
    derived = np.where(np.isnan(without) & np.isnan(with_leave), np.nan, fill(without, 0.0) + fill(with_leave, 0.0))
    both = np.where(np.isnan(total), derived, total)
    return Absence(
        total=np.minimum(both, HOURS_PER_WEEK),
        unauthorised=np.where(np.isnan(without), np.maximum(total - with_leave, 0.0), without),
        authorised=np.where(np.isnan(with_leave), np.maximum(total - without, 0.0), with_leave),
        scheduled=_hours(facts, "hours_scheduled", cutoff_week),
    )


def _hours(facts: Facts, column: str, cutoff_week: int) -> Numbers:
    """Return [weeks, students]: each row's hours spread evenly over the weeks that no earlier row covers."""
    grid = np.full((cutoff_week, len(facts.index)), np.nan)
    if not facts.has("attendance", column):
        return grid
    blocks = _blocks(facts, column, cutoff_week)
    for week, weeks in sorted(set(zip(blocks.week.tolist(), blocks.weeks.tolist(), strict=True))):
        part = blocks.where((blocks.week == week) & (blocks.weeks == weeks))
        _spread(grid, part, int(week), int(weeks))
    return grid


def _blocks(facts: Facts, column: str, cutoff_week: int) -> _Blocks:
    frame, students = facts.rows("attendance")
    week = np.floor(numbers(frame["week"])) if "week" in frame else np.full(len(frame), np.nan)
    weeks = fill(numbers(frame["weeks"]), 1.0) if "weeks" in frame else np.ones(len(frame))
    hours = numbers(frame[column])
    known = np.isfinite(hours) & (week >= 1) & (week <= cutoff_week)
    week, weeks = np.where(known, week, 1.0), np.clip(np.floor(weeks), 1.0, np.where(known, week, 1.0))
    hours = np.clip(fill(hours, 0.0), 0.0, HOURS_PER_WEEK * weeks)
    return _one_per_block(_Blocks(students, week.astype(np.int64), weeks.astype(np.int64), hours).where(known))


def _one_per_block(blocks: _Blocks) -> _Blocks:
    """Of several rows for the same student and weeks keep the one with most hours, whatever their order."""
    order = np.lexsort((blocks.hours, blocks.weeks, blocks.week, blocks.student))
    blocks = blocks.where(order)
    last = np.ones(len(order), dtype=bool)
    same = (np.diff(blocks.student) == 0) & (np.diff(blocks.week) == 0) & (np.diff(blocks.weeks) == 0)
    last[:-1] = ~same
    return blocks.where(last)


def _spread(grid: Numbers, part: _Blocks, week: int, weeks: int) -> None:
    """Write one kind of block into the grid: what earlier rows do not explain, over the weeks they do not cover.

    Blocks may overlap: a total through week 6 minus the total through week 3 is the total of weeks 4 to 6.
    """
    span = grid[week - weeks : week, part.student]
    known, covered = _total(span), _covered(span)
    free = weeks - covered
    each = np.maximum(part.hours - known, 0.0) / np.maximum(free, 1.0)
    grid[week - weeks : week, part.student] = np.where(np.isnan(span), np.minimum(each, HOURS_PER_WEEK), span)


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
