"""A synthetic school arrives; the same school in the middle of a school year leaves: two cohorts complete, one running.

What every school has in front of it when it makes an invitation list. Years move by whole calendar years, and what
would happen after the export's day is taken away, as a student information system that day would not know it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import LAST_WEEK, PERIOD_WEEKS, Attendance
from experiments.synthetic.background import COHORTS, Columns
from experiments.synthetic.leaving import NOT_YET
from experiments.synthetic.sector import SyntheticSchool

WEEKS_OF_STARTING = 6  # after so many weeks all but the last few starters have begun
LAST_TEACHING_WEEK = 40
Days = NDArray[np.datetime64]


def export_day(year: int, week: int) -> np.datetime64:
    """The day of an export at the end of teaching week `week` of school year `year`."""
    return np.datetime64(f"{year}-08-01") + np.timedelta64(7 * (WEEKS_OF_STARTING + week), "D")


def running(school: SyntheticSchool, year: int, week: int) -> SyntheticSchool:
    """Return the school as its systems know it at the end of teaching week `week` (0 to 40) of school year `year`.

    Its cohorts become year-2, year-1 (both complete) and `year`. `known` of the result says whose first year is over
    or ended early. Raises ValueError for another week.
    """
    if not 0 <= week <= LAST_TEACHING_WEEK:
        raise ValueError(f"a school year has teaching weeks 0 to {LAST_TEACHING_WEEK}, got {week}")
    moved = _moved(school, year)
    today = export_day(year, week)
    first = moved.enrolments["enrolment_id"] == 1
    left = np.zeros(school.size, dtype=bool)
    left[moved.enrolments["student"][first].astype(int)] = moved.enrolments["end_date"][first] <= today
    now = moved.students["cohort"] == year
    return replace(
        moved,
        attendance=_so_far(moved.attendance, moved.students["start_date"], now, today, week),
        enrolments=_known_enrolments(moved.enrolments, today),
        programme_periods=_rows(moved.programme_periods, moved.programme_periods["start_date"] <= today),
        diplomas=_rows(moved.diplomas, moved.diplomas["date"] <= today),
        known=~now | left,
    )


def _moved(school: SyntheticSchool, year: int) -> SyntheticSchool:
    """Of two cohorts make three: one in three students of each goes to year-1, the others to year-2 and to `year`."""
    cohort = school.students["cohort"].astype(int)
    aside = np.arange(school.size) % 3 == 0
    years = np.where(aside, year - 1, np.where(cohort == COHORTS[0], year - 2, year)) - cohort
    students = school.students | {"cohort": cohort + years}
    for name in ("start_date", "birth_date"):
        students[name] = _years_later(school.students[name], years)
    return replace(
        school,
        students=students,
        enrolments=_later(school.enrolments, years),
        programme_periods=_later(school.programme_periods, years),
        diplomas=_later(school.diplomas, years),
    )


def _later(columns: Columns, years: NDArray[np.int64]) -> Columns:
    """Move every date and cohort of a table by the years of the row's student."""
    own = years[columns["student"].astype(int)]
    dated = {name: _years_later(values, own) for name, values in columns.items() if values.dtype.kind == "M"}
    cohorts = {"cohort": columns["cohort"] + own} if "cohort" in columns else {}
    return columns | dated | cohorts


def _years_later(days: Days, years: NDArray[np.int64]) -> Days:
    months = days.astype("datetime64[M]")
    within = days.astype("datetime64[D]") - months.astype("datetime64[D]")
    moved = (months + (12 * years).astype("timedelta64[M]")).astype("datetime64[D]") + within
    return np.where(np.isnat(days), NOT_YET, moved)


def _known_enrolments(rows: Columns, today: np.datetime64) -> Columns:
    begun = _rows(rows, rows["start_date"] <= today)
    over = begun["end_date"] <= today
    return begun | {
        "end_date": np.where(over, begun["end_date"], NOT_YET),
        "reason": np.where(over, begun["reason"], ""),
    }


def _rows(columns: Columns, chosen: NDArray[np.bool_]) -> Columns:
    return {name: values[chosen] for name, values in columns.items()}


def _so_far(hours: Attendance, start: Days, now: NDArray[np.bool_], today: np.datetime64, week: int) -> Attendance:
    """Blank, for the running cohort, the weeks that have not been taught yet."""
    taught = np.minimum((today - start.astype("datetime64[D]")).astype(np.int64) // 7, week)
    taught = np.where(now, np.maximum(taught, 0), LAST_TEACHING_WEEK)[:, None]
    weeks, periods = np.array(LAST_WEEK) <= taught, np.array(PERIOD_WEEKS) <= taught
    return replace(
        hours,
        scheduled=np.where(weeks, hours.scheduled, np.nan),
        unauthorised=np.where(weeks, hours.unauthorised, np.nan),
        authorised=np.where(weeks, hours.authorised, np.nan),
        grades=np.where(periods, hours.grades, np.nan),
    )
