"""A school's attendance, marks and talks arrive; a colour per student, subject and period of ten weeks leaves.

Deltion's norm scores. Weeks count from a student's own first teaching week, as the tables do, so that these colours are
about the first year. A colour follows from one student's own rows and the school's norms, and from nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from shared_schema import documents
from shared_schema.absence import absence
from shared_schema.documents import StrictModel
from shared_schema.facts import Facts, fill, numbers, texts

FILE = "kleuren.yaml"
PERIODS, WEEKS = 4, 10
UNKNOWN, GREEN, ORANGE, RED = 0, 1, 2, 3
SUBJECTS = ("absence", "results", "talk")
OVERALL = "totaal"
JUDGED: Mapping[str, int] = {"voldoende": GREEN, "twijfel": ORANGE, "onvoldoende": RED}

Colours = npt.NDArray[np.int64]
Hours = Annotated[float, Field(ge=0, le=40, strict=False)]
Mark = Annotated[float, Field(ge=1, le=10, strict=False)]


class Norms(StrictModel):
    """kleuren.yaml: from where a figure is orange, and from where it is red.

    Absence in hours without leave a week: sixteen hours in four weeks, that is four a week, must be reported by law.
    """

    kleuren: Literal[1] = 1
    absence_orange_from: Hours = 1.0
    absence_red_from: Hours = 4.0
    results_orange_below: Mark = 6.0
    results_red_below: Mark = 5.5

    @model_validator(mode="after")
    def _in_order(self) -> Norms:
        if self.absence_orange_from > self.absence_red_from or self.results_red_below > self.results_orange_below:
            raise ValueError("orange comes before red")
        return self


def read_norms(path: Path) -> Norms:
    """The school's own norms; without a document those above. Raises `DocumentError`."""
    return documents.read(path, Norms) if path.is_file() else Norms()


@dataclass(frozen=True)
class Coloured:
    """Colours [period, student] by subject, and the hours without leave a week and mean marks they are from."""

    of: Mapping[str, Colours]
    hours: npt.NDArray[np.float64]
    marks: npt.NDArray[np.float64]

    @property
    def overall(self) -> Colours:
        """The worst of what is known [period, student]; unknown where nothing is."""
        return np.asarray(np.maximum.reduce([self.of[subject] for subject in SUBJECTS]), dtype=np.int64)


def colours(facts: Facts, norms: Norms) -> Coloured:
    """Colour every student of `facts` in four periods of ten weeks."""
    hours, marks = _hours(facts), _marks(facts)
    of = {
        "absence": _by_norm(hours, norms.absence_orange_from, norms.absence_red_from),
        "results": _by_norm(-marks, -norms.results_orange_below, -norms.results_red_below, strict=True),
        "talk": judged(facts, OVERALL),
    }
    return Coloured(of, hours, marks)


def _by_norm(values: npt.NDArray[np.float64], orange: float, red: float, strict: bool = False) -> Colours:
    """Green below `orange`, red from `red` on (strict: above both); unknown where there is no value."""
    over = np.greater if strict else np.greater_equal
    known = ~np.isnan(values)
    filled = fill(values, -np.inf)
    coloured = np.where(over(filled, red), RED, np.where(over(filled, orange), ORANGE, GREEN))
    return np.where(known, coloured, UNKNOWN)


def _hours(facts: Facts) -> npt.NDArray[np.float64]:
    """Hours without leave a week [period, student]; all absence where the school does not tell with and without."""
    found = absence(facts, PERIODS * WEEKS)
    without = found.unauthorised if not np.isnan(found.unauthorised).all() else found.total
    return np.stack([_mean(without[first : first + WEEKS]) for first in range(0, PERIODS * WEEKS, WEEKS)])


def _mean(grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    known = (~np.isnan(grid)).sum(axis=0)
    total = np.zeros(grid.shape[1])
    for week in grid:
        total = total + fill(week, 0.0)
    return np.where(known > 0, total / np.maximum(known, 1), np.nan)


def _marks(facts: Facts) -> npt.NDArray[np.float64]:
    """The mean mark out of ten [period, student], NaN without results."""
    frame, who = facts.until("result", PERIODS * WEEKS)
    missing = np.full(len(frame), np.nan)
    score = numbers(frame["score"]) if "score" in frame else missing
    most = fill(numbers(frame["score_max"]) if "score_max" in frame else missing, 10.0)
    mark = np.clip(np.where(most > 0, score / np.where(most > 0, most, 1.0), np.nan), 0.0, 1.0) * 10.0
    period = period_of(numbers(frame["week"]) if "week" in frame else missing)
    return np.stack([_of_period(facts, who, mark, period == number) for number in range(PERIODS)])


def _of_period(
    facts: Facts, who: npt.NDArray[np.int64], mark: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    chosen = inside & ~np.isnan(mark)
    n = len(facts.index)
    count = np.bincount(who[chosen], minlength=n)
    total = np.bincount(who[chosen], weights=mark[chosen], minlength=n)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def period_of(week: npt.NDArray[np.float64]) -> Colours:
    """The period (0 to 3) in which a teaching week falls, -1 outside; week 0 belongs to the first."""
    known = np.isfinite(week) & (week >= 0) & (week <= PERIODS * WEEKS)
    return np.where(known, np.maximum(np.ceil(np.where(known, week, 1.0) / WEEKS), 1.0) - 1.0, -1.0).astype(np.int64)


def judged(facts: Facts, subject: str) -> Colours:
    """The last judgement of a subject in each period [period, student] as a colour."""
    out = np.full((PERIODS, len(facts.index)), UNKNOWN)
    frame, who = facts.ordered("estimate")
    if "judgement" not in frame or "subject" not in frame:
        return out
    week = numbers(frame["week"]) if "week" in frame else np.full(len(frame), np.nan)
    given = numbers(frame["period"]) - 1.0 if "period" in frame else np.full(len(frame), np.nan)
    period = np.where(np.isnan(week), np.where((given >= 0) & (given < PERIODS), given, -1.0), period_of(week))
    colour = np.array([JUDGED.get(word, UNKNOWN) for word in texts(frame["judgement"])], dtype=np.int64)
    chosen = (texts(frame["subject"]) == subject) & (period >= 0) & (colour != UNKNOWN)
    for row in np.flatnonzero(chosen):  # in declared order, so that the last one of a period stays
        out[int(period[row]), who[row]] = colour[row]
    return out
