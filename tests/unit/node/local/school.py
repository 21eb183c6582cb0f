"""A small school of plain frames, for tests of what a node makes for itself."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd

from node.local.people import People, people
from shared_schema import load_schema

SCHEMA = load_schema()
TODAY = datetime.date(2026, 11, 27)


def pseudonym(number: int) -> str:
    """A pseudonym as the store holds them."""
    return f"{number:064x}"


def tables(n: int = 300, seed: int = 1, running: int = 80) -> dict[str, pd.DataFrame]:
    """Two complete cohorts of n students together, and `running` in their first year; who is absent leaves."""
    rng = np.random.default_rng(seed)
    students = [pseudonym(number) for number in range(n + running)]
    cohort = np.where(np.arange(n + running) >= n, 2025, 2023 + np.arange(n + running) % 2)
    absent = rng.gamma(1.0, 2.0, n + running)
    leaves = rng.random(n + running) < 1.0 / (1.0 + np.exp(3.0 - absent))
    start = pd.to_datetime([f"{year}-08-21" for year in cohort]).astype("datetime64[us]")
    end = start + pd.to_timedelta(np.where(leaves & (cohort < 2025), 150, 0), unit="D")
    enrolment = pd.DataFrame(
        {
            "student": students,
            "enrolment_id": "1",
            "cohort": pd.array(cohort, dtype="Int64"),
            "start_date": start,
            "end_date": pd.Series(end).where(leaves & (cohort < 2025)).astype("datetime64[us]"),
            "team": np.where(np.arange(n + running) % 2, "Zorg", "Techniek"),
        }
    )
    enrolment.loc[enrolment.index[-1], "start_date"] = pd.Timestamp("2025-11-10")  # the last date there is
    person = pd.DataFrame(
        {"student": students, "geslacht": np.where(rng.random(n + running) < 0.5, "M", "V"), "vooropleiding": "HAVO"}
    )
    weeks = [
        pd.DataFrame({"student": students, "week": week, "hours_absent_unauthorised": rng.poisson(absent)})
        for week in range(1, 11)
    ]
    return {"person": person, "enrolment": enrolment, "attendance": pd.concat(weeks, ignore_index=True)}


def school(frames: dict[str, pd.DataFrame] | None = None, as_of: datetime.date | None = None) -> People:
    """The people of such a school."""
    return people(frames or tables(), SCHEMA, "dropout_year_1", as_of, TODAY)
