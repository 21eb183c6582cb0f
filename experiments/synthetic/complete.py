"""A synthetic school arrives; its tables in the form of the shared schema leave, without a file in between.

For studies of scale, and as the yardstick of the export writers: what an export that lost nothing would give.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import LAST_WEEK, PERIOD_WEEKS, WEEKS
from experiments.synthetic.background import Columns
from experiments.synthetic.early_leaving import LEAVER_REPORTS, LEAVING, START_REPORTS, STARTING, YEARS, population
from experiments.synthetic.placements import placements
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.surveys import BPV_DATE, JOB_DATE, bpv_monitor, job_monitor

if TYPE_CHECKING:
    import pandas as pd

LAST_MONTH = 15  # later reports are those of a year, which name no enrolment


def tables(school: SyntheticSchool) -> dict[str, pd.DataFrame]:
    """Return person, enrolment, programme_period, attendance, result, placement, diploma, survey and vsv_report.

    In the schema's dtypes: every table about students that any layout fills.
    `student` is a made-up pseudonym of 32 hex digits; `team` and `college` are those of the programme.
    """
    student = pseudonyms(school)
    return {
        "person": _frame(_person(school, student)),
        "enrolment": _frame(_enrolment(school, student)),
        "programme_period": _frame(_programme_period(school, student)),
        "attendance": _frame(_attendance(school, student)),
        "result": _frame(_result(school, student)),
        "placement": _frame(_placement(school, student)),
        "diploma": _frame(_diploma(school, student)),
        "survey": _frame(_survey(school, student)),
        "vsv_report": _frame(_vsv_report(school, student)),
    }


def pseudonyms(school: SyntheticSchool) -> NDArray[np.object_]:
    """Return one pseudonym per row of `school.students`; made up, so hashed without a key."""
    texts = (f"{school.id}/{number}".encode() for number in school.students["number"])
    return np.array([hashlib.sha256(text).hexdigest()[:32] for text in texts], dtype=object)


def of_programmes(field: str) -> NDArray[np.generic]:
    """Return one field of every programme in CATALOGUE, to be indexed by `programme` columns."""
    return np.array([getattr(programme, field) for programme in CATALOGUE])


def _person(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    people = school.students
    return {
        "student": student,
        "geslacht": people["geslacht"],
        "vooropleiding": people["vooropleiding"],
        "postcode4": _blank_where(people["postcode4"] == 0, people["postcode4"]),
        "apcg": people["apcg"],
    }


def _enrolment(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    rows = school.enrolments
    kept = (
        "cohort",
        "start_date",
        "planned_end_date",
        "end_date",
        "age_at_start",
        "first_study",
        "applications",
    )
    return {
        "student": student[rows["student"]],
        "enrolment_id": rows["enrolment_id"].astype(str),
        **{name: rows[name] for name in kept},
        "reden_uitschrijving": _blank_where(rows["reason"] == "", rows["reason"]),
        "applied_before_april": rows["applied_before_april"],
        "team": rows["team"],
        "college": rows["college"],
    }


def _programme_period(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    rows = school.programme_periods
    programme = rows["programme"]
    return {
        "student": student[rows["student"]],
        "enrolment_id": rows["enrolment_id"].astype(str),
        "start_date": rows["start_date"],
        "crebo": of_programmes("crebo")[programme],
        "niveau": of_programmes("niveau")[programme],
        "leertraject": rows["leertraject"],
        "sector": of_programmes("sector")[programme],
        "funded": np.ones(len(programme), dtype=bool),
    }


def _attendance(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    hours = school.attendance
    row, column = np.nonzero(~np.isnan(hours.scheduled))
    without, with_leave = hours.unauthorised[row, column], hours.authorised[row, column]
    return {
        "student": student[row],
        "week": np.array(LAST_WEEK)[column],
        "weeks": np.array(WEEKS)[column],
        "hours_scheduled": hours.scheduled[row, column],
        "hours_absent": without + with_leave,
        "hours_absent_unauthorised": without,
        "hours_absent_authorised": with_leave,
    }


def _result(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    row, period = np.nonzero(~np.isnan(school.attendance.grades))
    return {
        "student": student[row],
        "week": np.array(PERIOD_WEEKS)[period],
        "course": np.array(["gemiddelde"] * len(row)),
        "kind": np.array(["periode"] * len(row)),
        "score": school.attendance.grades[row, period],
        "score_max": np.full(len(row), 10.0),
    }


def _diploma(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    rows = school.diplomas
    return {
        "student": student[rows["student"]],
        "enrolment_id": rows["enrolment_id"].astype(str),
        "date": rows["date"],
        "crebo": of_programmes("crebo")[rows["programme"]],
        "niveau": rows["niveau"],
        "funded": np.ones(len(rows["student"]), dtype=bool),
    }


def _placement(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    rows = placements(school)
    return {
        "student": student[rows["student"]],
        "enrolment_id": rows["enrolment_id"].astype(str),
        "placement_id": rows["placement_id"].astype(str),
        **{name: rows[name] for name in ("start_date", "planned_end_date", "end_date", "hours", "leerbedrijf")},
    }


def _survey(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    """Every question that a respondent saw, answered or not."""
    surveys = (("JOB", job_monitor(school), JOB_DATE), ("BPV", bpv_monitor(school), BPV_DATE))
    found = [
        {
            "student": np.repeat(student[given.who], len(given.questions)),
            "survey": np.full(given.answers.size, survey),
            "date": np.full(given.answers.size, date),
            "question": np.tile(np.array(given.questions), len(given.who)),
            "answer": given.answers.reshape(-1),
        }
        for survey, given, date in surveys
    ]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _vsv_report(school: SyntheticSchool, student: NDArray[np.object_]) -> Columns:
    """What the school's deliveries on early leaving hold together: a row per student, list and report of a year."""
    found: list[Columns] = []
    for given in (population(school, year) for year in YEARS):
        lists = (
            (STARTING, START_REPORTS, np.arange(len(given.row))),
            (LEAVING, LEAVER_REPORTS, given.leaver.nonzero()[0]),
        )
        for listed, reports, chosen in lists:
            period, n = given.period[chosen], len(chosen)
            programme = school.programme_periods["programme"][period].astype(int)
            found += [
                {
                    "student": student[given.student[chosen]],
                    "school_year": np.full(n, given.year),
                    "report": np.full(n, report),
                    "list": np.full(n, listed),
                    "enrolment_id": _unless(report > LAST_MONTH, school.enrolments["enrolment_id"][given.row[chosen]]),
                    "crebo": of_programmes("crebo")[programme],
                    "niveau": of_programmes("niveau")[programme],
                    "leertraject": school.programme_periods["leertraject"][period],
                }
                for report in reports
            ]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _unless(unknown: bool, values: NDArray[Any]) -> NDArray[np.object_]:
    return _blank_where(np.full(len(values), unknown), values)


def _blank_where(missing: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.object_]:
    """Return the values as text, None where missing."""
    texts = values.astype(str).astype(object)
    texts[missing] = None
    return texts


def _frame(columns: Columns) -> pd.DataFrame:
    """Give each column the pandas dtype that a conforming table has."""
    import pandas as pd

    return pd.DataFrame({name: pd.array(values, dtype=_dtype(values)) for name, values in columns.items()})


def _dtype(values: NDArray[np.generic]) -> str:
    kinds = {
        "U": "string",
        "O": "string",
        "i": "Int64",
        "f": "float64",
        "b": "boolean",
        "M": "datetime64[us]",
    }
    return kinds[values.dtype.kind]
