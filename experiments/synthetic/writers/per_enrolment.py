"""A synthetic school arrives; what the writers share leaves: facts per enrolment and absence per stretch of weeks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import LAST_WEEK, WEEKS
from experiments.synthetic.background import Columns
from experiments.synthetic.calibration import Floats
from experiments.synthetic.leaving import NOT_YET
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool


def of_programmes(field: str, programme: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return one field of each programme [m], `programme` being rows of CATALOGUE."""
    return np.array([getattr(entry, field) for entry in CATALOGUE])[programme.astype(np.int64)]


def recoded(values: NDArray[np.generic], codes: dict[str, str]) -> NDArray[np.str_]:
    """Return each text as the source system writes it; a text that is not in `codes` stays as it is."""
    return np.array([codes.get(str(value), str(value)) for value in values.tolist()])


def dropped_out(school: SyntheticSchool) -> NDArray[np.bool_]:
    """Say per enrolment whether it ended within twelve months without a diploma."""
    rows = school.enrolments
    lasted = (rows["end_date"] - rows["start_date"]).astype("timedelta64[D]")
    within: NDArray[np.bool_] = ~np.isnat(lasted) & (lasted < np.timedelta64(365, "D"))
    without: NDArray[np.bool_] = rows["reason"] != "01"
    return within & without


def diploma_date(school: SyntheticSchool) -> NDArray[np.datetime64]:
    """Return per enrolment the day of its diploma, or NaT."""
    found = np.full(len(school.enrolments["student"]), NOT_YET)
    first = np.searchsorted(school.enrolments["student"], school.diplomas["student"])
    found[first] = school.diplomas["date"]
    return found


def period_ends(school: SyntheticSchool) -> NDArray[np.datetime64]:
    """Return per programme period its last day: the day before the next one, or the enrolment's, or NaT."""
    rows, enrolments = school.programme_periods, school.enrolments
    ends = dict(zip(zip(*_places(enrolments), strict=True), enrolments["end_date"], strict=True))
    places = list(zip(*_places(rows), strict=True))
    start = rows["start_date"].astype("datetime64[D]")
    found = [
        start[row + 1] - np.timedelta64(1, "D") if places[row + 1 : row + 2] == [place] else ends[place]
        for row, place in enumerate(places)
    ]
    return np.array(found, dtype="datetime64[D]")


def _places(rows: Columns) -> tuple[list[int], list[int]]:
    return rows["student"].tolist(), rows["enrolment_id"].tolist()


def on_first(school: SyntheticSchool, per_student: Floats) -> Floats:
    """Give the value of each student [n] to the first enrolment only; later enrolments have NaN."""
    rows = school.enrolments
    return np.where(rows["enrolment_id"] == 1, per_student[rows["student"].astype(np.int64)], np.nan)


def hours_between(table: Floats, first: int, last: int) -> Floats:
    """Sum hours [n, 13] over weeks `first` to `last`; NaN where nothing at all was registered in them."""
    ends = np.array(LAST_WEEK)
    part = table[:, (ends - np.array(WEEKS) >= first - 1) & (ends <= last)]
    return np.where(np.isnan(part).all(axis=1), np.nan, np.nansum(part, axis=1))


def programme_list(columns: tuple[str, str, str]) -> Columns:
    """The school's own list of programmes, under the given names for crebo, name and sector."""
    fields = ("crebo", "name", "sector")
    everything = np.arange(len(CATALOGUE))
    return {column: of_programmes(field, everything) for column, field in zip(columns, fields, strict=True)}
