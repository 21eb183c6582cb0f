"""Students on their first day arrive; hours absent per week, then per ten weeks, and period grades leave.

Absence is drawn before anybody leaves; `leaving` then blanks what a leaver no longer could be absent from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.calibration import Floats

# The last school week a column covers, and how many weeks: single weeks to week 10, then periods of ten.
LAST_WEEK = (*range(1, 11), 20, 30, 40)
WEEKS = (*(1 for _ in range(10)), 10, 10, 10)
PERIOD_WEEKS = (10, 20, 30, 40)


@dataclass(frozen=True)
class Attendance:
    """Per student and column of LAST_WEEK: lesson hours scheduled, absent without and with permission.

    All float64 [n, 13], in half hours, NaN where nothing was registered. grades: [n, 4], 1.0 to 10.0 or NaN,
    the average of each period of ten weeks. trend: [n], how fast unauthorised absence grows (in no export).
    """

    scheduled: Floats
    unauthorised: Floats
    authorised: Floats
    grades: Floats
    trend: Floats


def attend(rng: np.random.Generator, students: Columns, absence_factor: float) -> Attendance:
    """Draw absence and grades for students [n]; `absence_factor` is the school's own."""
    n = len(students["niveau"])
    motivation = students["motivation"].astype(np.float64)
    weekly = np.where(students["leertraject"] == "BBL", 8.0, rng.choice([22.0, 24.0, 26.0, 28.0], size=n))
    scheduled = weekly[:, None] * np.array(WEEKS, dtype=np.float64)
    trend = rng.normal(0.05 - 0.30 * motivation, 0.55)
    unauthorised = _hours(rng, absence_factor * _unauthorised_share(rng, students, trend) * scheduled, 0.35)
    authorised = _hours(rng, absence_factor * _authorised_share(rng, students) * scheduled, 0.25)
    unauthorised = np.minimum(unauthorised, scheduled)
    authorised = np.minimum(authorised, scheduled - unauthorised)
    unregistered = rng.random((n, len(WEEKS))) < 0.006  # a teacher who forgot
    return Attendance(
        scheduled=np.where(unregistered, np.nan, scheduled),
        unauthorised=np.where(unregistered, np.nan, unauthorised),
        authorised=np.where(unregistered, np.nan, authorised),
        grades=_grades(rng, motivation, unauthorised, scheduled),
        trend=trend,
    )


def _unauthorised_share(rng: np.random.Generator, students: Columns, trend: Floats) -> Floats:
    """Expected share of lessons missed without permission, [n, 13]; few students miss much of it."""
    level = (
        -3.4
        - 0.75 * students["motivation"].astype(np.float64)
        + 0.45 * (students["niveau"].astype(int) <= 2)
        + 0.30 * (students["age_at_start"].astype(int) >= 18)
        + 0.9 * rng.normal(size=len(trend))
    )
    middle = np.array(LAST_WEEK) - np.array(WEEKS) / 2
    growth = trend[:, None] * np.minimum(middle - 5.0, 15.0) / 5.0
    share: Floats = np.minimum(np.exp(level[:, None] + growth), 0.9)
    return share


def _authorised_share(rng: np.random.Generator, students: Columns) -> Floats:
    level = -3.2 + 0.7 * rng.normal(size=len(students["niveau"])) - 0.15 * students["motivation"].astype(float)
    season = np.array([0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 1.2, 1.2, 1.3, 1.2, 1.0])
    share: Floats = np.minimum(np.exp(level)[:, None] * season, 0.8)
    return share


def _hours(rng: np.random.Generator, expected: Floats, shape: float) -> Floats:
    """Hours in steps of one half with the given expectation: absence comes in whole days, so it clusters."""
    burst = rng.gamma(shape, 1.0 / shape, size=expected.shape)
    return rng.poisson(2.0 * expected * burst) / 2.0


def _grades(rng: np.random.Generator, motivation: Floats, absent: Floats, scheduled: Floats) -> Floats:
    """Period averages to one decimal; absence in a period costs marks, and 4 % of them are not filled in."""
    share = np.column_stack(
        [absent[:, :10].sum(axis=1) / scheduled[:, :10].sum(axis=1), absent[:, 10:] / scheduled[:, 10:]]
    )
    ability = rng.normal(size=len(motivation))
    drawn = 6.6 + (0.35 * motivation + 0.45 * ability)[:, None] - 3.0 * np.minimum(share, 0.5)
    grades = np.clip(np.round(drawn + rng.normal(0.0, 0.5, size=drawn.shape), 1), 1.0, 10.0)
    return np.where(rng.random(grades.shape) < 0.04, np.nan, grades)


def through_week_10(table: NDArray[np.float64]) -> Floats:
    """Sum of the ten single weeks of a table [n, 13], unregistered weeks left out. Shape [n]."""
    total: Floats = np.nansum(table[:, :10], axis=1)
    return total
