"""A synthetic school arrives; whom DUO would count leaves: the starting population of a year, and its early leavers.

Within this invented world nobody enrols elsewhere, so that the school's own view and DUO's are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.sector import SyntheticSchool

YEARS = (2022, 2023)
OLDEST = 22
QUALIFIED_BEFORE = ("HAVO", "VWOplus")
STARTING, LEAVING = "startpopulatie", "vsv"
START_REPORTS, LEAVER_REPORTS = (1, 16, 17), (3, 12, 13, 16, 17)
"""Which reports of a year are written: months from October, then the provisional and the final one of the year."""


@dataclass(frozen=True)
class Population:
    """The starting population of one year, an entry per student.

    student: row of school.students; row: of school.enrolments; period: of school.programme_periods; qualified: holds
    a basic qualification on 1 October; leaver: a new early leaver a year later. All int or bool [k].
    """

    year: int
    student: NDArray[np.int64]
    row: NDArray[np.int64]
    period: NDArray[np.int64]
    qualified: NDArray[np.bool_]
    leaver: NDArray[np.bool_]


def population(school: SyntheticSchool, year: int) -> Population:
    """Return who was enrolled on 1 October and under 23, with the enrolment and the programme of that day."""
    day, later = np.datetime64(f"{year}-10-01"), np.datetime64(f"{year + 1}-10-01")
    row = _enrolled(school.enrolments, day)
    who = school.enrolments["student"][row].astype(np.int64)
    young = (day - school.students["birth_date"][who]).astype(int) // 365.25 <= OLDEST
    row, who = row[young], who[young]
    there_later = np.isin(who, school.enrolments["student"][_enrolled(school.enrolments, later)])
    return Population(
        year=year,
        student=who,
        row=row,
        period=_periods(school, row, day),
        qualified=_qualified(school, who, day),
        leaver=~there_later & ~_qualified(school, who, later),
    )


def _enrolled(rows: Columns, day: np.datetime64) -> NDArray[np.int64]:
    """Rows of the enrolments that held on a day; a student has at most one of these."""
    return np.flatnonzero((rows["start_date"] <= day) & ~(rows["end_date"] < day))


def _periods(school: SyntheticSchool, row: NDArray[np.int64], day: np.datetime64) -> NDArray[np.int64]:
    """Of each of these enrolments the programme period of that day: the last one that had begun."""
    periods, enrolments = school.programme_periods, school.enrolments
    begun = np.flatnonzero(periods["start_date"] <= day)
    last = np.searchsorted(_place(periods)[begun], _place(enrolments)[row], side="right") - 1
    return begun[last]


def _place(rows: Columns) -> NDArray[np.int64]:
    """A number per (student, enrolment), in the order in which a school's rows are kept."""
    return rows["student"].astype(np.int64) * 100 + rows["enrolment_id"].astype(np.int64)


def _qualified(school: SyntheticSchool, who: NDArray[np.int64], day: np.datetime64) -> NDArray[np.bool_]:
    """Say per student whether he or she holds havo, vwo or a diploma of niveau 2 or higher by this day."""
    rows = school.diplomas
    holders = rows["student"][(rows["date"] <= day) & (rows["niveau"].astype(int) >= 2)]
    return np.isin(school.students["vooropleiding"][who], QUALIFIED_BEFORE) | np.isin(who, holders)
