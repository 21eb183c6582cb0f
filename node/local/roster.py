"""A school arrives; its students leave as local lists need them: who is here, in which year, team and programme."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shared_schema.facts import Facts
from shared_schema.main_enrolment import MainEnrolment, main_on
from shared_schema.stays import day_number, first_stays, still_enrolled

if TYPE_CHECKING:
    from node.local.school import School

SHORT = 8  # digits of a pseudonym that a page shows; a school has too few students for two to share them often
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Roster:
    """Per student of `facts.index`: year of the first start (NaN unknown), here on the last known day, and where.

    Who objected has no year and is not here: nothing that judges a student is made of them.
    """

    facts: Facts
    year: npt.NDArray[np.float64]
    here: npt.NDArray[np.bool_]
    main: MainEnrolment
    team: npt.NDArray[np.object_]
    crebo: npt.NDArray[np.object_]

    def first_years(self, year: int) -> npt.NDArray[np.bool_]:
        """Who began in a school year and is still here."""
        return np.asarray(self.here & (self.year == year), dtype=np.bool_)


def roster(school: School) -> Roster:
    """Gather the students; team and programme are those of the last known day."""
    facts = school.facts
    until = day_number(school.until)
    start = first_stays(facts).start
    main = main_on(facts, np.full(len(facts.index), until))
    judged = ~facts.index.isin(school.objected)
    here, year = still_enrolled(facts, until) & judged, np.where(judged, school_year(start), np.nan)
    return Roster(facts, year, here, main, main.text("enrolment", "team"), main.text("programme_period", "crebo"))


def school_year(day: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The year of the 1 August on or before each day, NaN where it is unknown."""
    known = np.isfinite(day)
    months = np.where(known, day, 0.0).astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
    return np.where(known, 1970 + np.floor((months.astype(np.int64) - 7) / 12), np.nan)


def names(school: School, students: list[str], numbers: Path | None) -> Mapping[str, str]:
    """How a list names each student: by the school's own number if an export is named, else by a short pseudonym.

    The numbers are read again from the export and kept in memory only. Raises as `node.local.numbers.of_students`.
    """
    short = {student: f"…{student[-SHORT:]}" for student in students}
    if numbers is None:
        return short
    from node.local.numbers import of_students

    return short | of_students(school.folder, numbers, students)


def file_name(what: str, team: str) -> str:
    """A page's name: what it is and the team in small letters."""
    return f"{what}-{_NOT_IN_A_NAME.sub('-', team.casefold()).strip('-') or 'team'}"[:60].rstrip("-")
