"""A synthetic school arrives; what DUO's yearly deliveries tell of it leaves: who was enrolled when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.leaving import EXPORT_DATE, NOT_YET
from experiments.synthetic.sector import SyntheticSchool

Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class StudyYear:
    """A study year, 1 August of `year` to 31 July, as a delivery made on a later day shows it."""

    year: int
    made: date

    @property
    def first(self) -> np.datetime64:
        """1 August."""
        return np.datetime64(f"{self.year}-08-01")

    @property
    def last(self) -> np.datetime64:
        """31 July of the next year."""
        return np.datetime64(f"{self.year + 1}-07-31")

    def enrolled(self, school: SyntheticSchool) -> NDArray[np.bool_]:
        """Say per enrolment whether it held on any day of the year."""
        rows = school.enrolments
        ended = rows["end_date"] < self.first  # NaT is never earlier
        return np.asarray((rows["start_date"] <= self.last) & ~ended)

    def known(self, day: Days) -> Days:
        """Return the days that had come when the delivery was made, the others as NaT."""
        return np.where(day <= np.datetime64(self.made), day, NOT_YET)


YEARS = (
    StudyYear(2022, date(2023, 10, 15)),
    StudyYear(2023, date(2024, 10, 15)),
    StudyYear(2024, date(2024, 10, 15)),
)


@dataclass(frozen=True)
class Counted:
    """One enrolment on one count day. row: of school.enrolments; period: row of school.programme_periods."""

    row: int
    period: int
    day: np.datetime64


def counted(school: SyntheticSchool, year: StudyYear) -> Iterator[Counted]:
    """Yield each enrolment of a study year on 1 October and 1 February, where it held and that day had come."""
    enrolments, periods = school.enrolments, school.programme_periods
    of_period = _periods_of(enrolments, periods)
    for row in np.flatnonzero(year.enrolled(school)).tolist():
        for text in (f"{year.year}-10-01", f"{year.year + 1}-02-01"):
            day = np.datetime64(text)
            held = enrolments["start_date"][row] <= day and not enrolments["end_date"][row] < day
            if held and day <= EXPORT_DATE:
                begun = [at for at in of_period[row] if periods["start_date"][at] <= day]
                yield Counted(row, begun[-1], day)


def _periods_of(enrolments: Columns, periods: Columns) -> list[list[int]]:
    """Rows of the programme periods of each enrolment, in order."""
    places: dict[tuple[int, int], list[int]] = {}
    for at, place in enumerate(zip(periods["student"].tolist(), periods["enrolment_id"].tolist(), strict=True)):
        places.setdefault(place, []).append(at)
    keys = zip(enrolments["student"].tolist(), enrolments["enrolment_id"].tolist(), strict=True)
    return [places[key] for key in keys]
