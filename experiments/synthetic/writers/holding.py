"""A complete table of a synthetic school arrives; the part of it that a layout can hold leaves.

What a layout has no column for needs no word here: only columns that both have are compared. This is about rows that
it cannot tell apart or does not have, and about codes that it merges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from experiments.synthetic.complete import pseudonyms
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.study_years import YEARS, counted

if TYPE_CHECKING:
    import pandas as pd

Holding = Callable[[str, "pd.DataFrame", SyntheticSchool], "pd.DataFrame"]
"""(table, its complete rows, the school) -> the rows that the layout holds."""


def everything(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """Every row of every table that the layout has."""
    return rows


def no_combined_vmbo(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """Combined and theoretical vmbo are one code."""
    if table != "person" or "vooropleiding" not in rows:
        return rows
    return rows.assign(vooropleiding=rows["vooropleiding"].replace({"VMBO_GL": "VMBO_TL"}))


def one_programme_per_enrolment(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """A row per enrolment: of its programmes the first."""
    if table != "programme_period":
        return rows
    return rows.sort_values("start_date").drop_duplicates(["student", "enrolment_id"])


def diplomas_dated_by_leaving(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """A row per enrolment, of its programmes the first; a diploma is a flag, dated by the day of leaving if any."""
    if table != "diploma":
        return one_programme_per_enrolment(table, rows, school)
    first = school.enrolments["enrolment_id"].astype(int) == 1  # every diploma here is of the first enrolment
    ended = school.enrolments["end_date"][first].astype("datetime64[us]")
    left = dict(zip(pseudonyms(school), ended, strict=True))
    return rows.assign(date=np.array([left[student] for student in rows["student"]], dtype="datetime64[us]"))


def one_survey(survey: str) -> Holding:
    """The answers to one survey; of other tables nothing."""
    return lambda table, rows, school: rows[rows["survey"] == survey] if table == "survey" else rows


def one_row_per_student(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """A row per student: the first enrolment and its first programme."""
    kept = one_programme_per_enrolment(table, rows, school)
    return kept[kept["enrolment_id"] == "1"] if table in ("enrolment", "programme_period") else kept


def on_count_days(table: str, rows: pd.DataFrame, school: SyntheticSchool) -> pd.DataFrame:
    """Of the programmes those that were followed on a 1 October or 1 February, each once per enrolment."""
    if table != "programme_period":
        return rows
    periods = school.programme_periods
    places = zip(
        pseudonyms(school)[periods["student"].astype(int)],
        periods["enrolment_id"].astype(str).tolist(),
        periods["start_date"],
        strict=True,
    )
    by_row = list(places)
    seen = {by_row[one.period] for year in YEARS for one in counted(school, year)}
    keys = zip(rows["student"], rows["enrolment_id"], rows["start_date"].to_numpy("datetime64[D]"), strict=True)
    kept = rows[[key in seen for key in keys]]
    return kept.sort_values("start_date").drop_duplicates(["student", "enrolment_id", "crebo"])
