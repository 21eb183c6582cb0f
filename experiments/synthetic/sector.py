"""How many schools and students, and a seed, arrive; a sector of invented schools leaves.

The same seed gives the same schools, and school number i does not depend on how many others are asked for.
Nothing is modelled after a real school or a real student.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import Attendance, attend
from experiments.synthetic.background import COHORTS, Columns, background, character
from experiments.synthetic.calibration import Floats
from experiments.synthetic.careers import careers
from experiments.synthetic.leaving import after_departure, chance_of_leaving, depart
from experiments.synthetic.programmes import CATALOGUE, brin, school_id, school_name

LOWEST_DROPOUT, HIGHEST_DROPOUT = 0.08, 0.30
_GOLDEN = 0.6180339887498949  # steps of this spread any number of schools evenly over the range


@dataclass(frozen=True)
class SyntheticSchool:
    """One invented school, with everything its student information system would know.

    students: columns of length n (number, geslacht, birth_date, vooropleiding, postcode4 (0 = unknown), apcg,
    and the first enrolment's facts); attendance: see `Attendance`; enrolments, programme_periods, diplomas:
    columns of their own length, `student` being the row in `students` and `programme` the row in CATALOGUE;
    dropout: bool [n], the truth about the first enrolment; chance: float64 [n], what it was drawn with.
    known: bool [n], whose first year is over or ended early; None where everybody's is.
    """

    id: str
    name: str
    brin: str
    dropout_rate: float
    students: Columns
    attendance: Attendance
    enrolments: Columns
    programme_periods: Columns
    diplomas: Columns
    dropout: NDArray[np.bool_]
    chance: Floats
    known: NDArray[np.bool_] | None = None

    @property
    def size(self) -> int:
        """Number of students."""
        return len(self.dropout)

    @property
    def cohort_sizes(self) -> dict[int, int]:
        """Number of first enrolments by cohort: what DUO publishes, so what a charter may hold."""
        return {cohort: int((self.students["cohort"] == cohort).sum()) for cohort in COHORTS}


def generate(schools: int, students: int, seed: int) -> list[SyntheticSchool]:
    """Make `schools` schools of `students` students each, in cohorts 2022 and 2023.

    Dropout in year 1 runs from about 8 to about 30 % over the schools. Raises ValueError for a number
    below 1.
    """
    if schools < 1 or students < 1:
        raise ValueError(f"a sector needs at least one school of one student, got {schools} x {students}")
    shift = float(np.random.default_rng(seed).random())
    return [_school(index, students, seed, shift) for index in range(schools)]


def _school(index: int, n: int, seed: int, shift: float) -> SyntheticSchool:
    rng = np.random.default_rng([seed, index])
    rate = LOWEST_DROPOUT + (HIGHEST_DROPOUT - LOWEST_DROPOUT) * ((index * _GOLDEN + shift) % 1.0)
    school = character(rng, rate)
    students = background(rng, school, n) | {"number": 100_000 + np.cumsum(rng.integers(1, 8, size=n))}
    attendance = attend(rng, students, school.absence)
    chance = chance_of_leaving(students, attendance, rate)
    years = np.array([programme.years for programme in CATALOGUE])[students["programme"].astype(int)]
    departures = depart(rng, students, years, chance)
    rows = careers(rng, school.programme_share, students, departures)
    return SyntheticSchool(
        id=school_id(index),
        name=school_name(index),
        brin=brin(index),
        dropout_rate=rate,
        students=students,
        attendance=after_departure(attendance, students["start_date"], departures.end_date),
        enrolments=rows["enrolments"],
        programme_periods=rows["programme_periods"],
        diplomas=rows["diplomas"],
        dropout=departures.dropout,
        chance=chance,
    )
