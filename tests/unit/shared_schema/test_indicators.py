"""Indicators of an invented school, counted again student by student in plain Python from the rows themselves."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.synthetic.careers import CATALOGUE
from experiments.synthetic.sector import generate
from shared_schema import indicators, load_schema
from shared_schema.norms import wilson

SCHEMA = load_schema()
YEARS = (2022, 2023)
Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def school() -> dict[str, pd.DataFrame]:
    """One invented school as shared tables, with students in two programmes at once and diplomas of earlier years."""
    made = generate(1, 1500, seed=5)[0]
    name = np.array([f"s{row:04d}" for row in range(made.size)])
    enrolments, periods, diplomas = made.enrolments, made.programme_periods, made.diplomas
    niveau = np.array([programme.niveau for programme in CATALOGUE])
    crebo = np.array([programme.crebo for programme in CATALOGUE])
    tables = {
        "enrolment": {
            "student": name[enrolments["student"]],
            "enrolment_id": enrolments["enrolment_id"].astype(str),
            "start_date": enrolments["start_date"],
            "end_date": enrolments["end_date"],
            "team": enrolments["team"],
            "reden_uitschrijving": np.where(enrolments["reason"] == "07", "05", enrolments["reason"]),
        },
        "programme_period": {
            "student": name[periods["student"]],
            "enrolment_id": periods["enrolment_id"].astype(str),
            "start_date": periods["start_date"],
            "crebo": crebo[periods["programme"].astype(int)],
            "niveau": niveau[periods["programme"].astype(int)],
        },
        "diploma": {
            "student": name[diplomas["student"]],
            "enrolment_id": diplomas["enrolment_id"].astype(str),
            "date": diplomas["date"],
            "niveau": diplomas["niveau"],
        },
    }
    return _with_second_programmes({table: pd.DataFrame(columns) for table, columns in tables.items()})


def _with_second_programmes(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every ninth enrolment has a second beside it, of another team, which half of them leave before the summer."""
    beside = tables["enrolment"].iloc[::9].copy()
    half = np.arange(len(beside)) % 2 == 0
    start = pd.to_datetime(beside["start_date"]) + pd.Timedelta(days=20)
    beside["start_date"], beside["enrolment_id"], beside["team"] = start, "b" + beside["enrolment_id"], "beside"
    beside["end_date"] = pd.to_datetime(beside["end_date"]).where(~half, start + pd.Timedelta(days=200))
    beside["reden_uitschrijving"] = "02"
    periods = beside[["student", "enrolment_id", "start_date"]].assign(crebo="25000", niveau=3)
    return tables | {
        "enrolment": pd.concat([tables["enrolment"], beside], ignore_index=True),
        "programme_period": pd.concat([tables["programme_period"], periods], ignore_index=True),
    }


class Student:
    """One student's rows, read in a loop."""

    def __init__(self, rows: Mapping[str, list[Row]]) -> None:
        self.rows = rows

    def enrolments(self, day: datetime.date) -> list[Row]:
        return [row for row in self.rows["enrolment"] if _holds(row, day)]

    def main(self, day: datetime.date) -> tuple[str, int] | None:
        """Team and niveau under which the student counts."""
        options = []
        for enrolment in self.enrolments(day):
            own = [row for row in self.rows["programme_period"] if row["enrolment_id"] == enrolment["enrolment_id"]]
            begun = sorted((row for row in own if _date(row["start_date"]) <= day), key=lambda row: row["start_date"])
            period = begun[-1]
            order = (-period["niveau"], period["crebo"], -period["start_date"].toordinal())
            options.append((order, enrolment["team"], period["niveau"]))
        return min(options)[1:] if options else None

    def died(self, day: datetime.date) -> bool:
        return any(
            row["reden_uitschrijving"] == "05" and (pd.isna(row["end_date"]) or _date(row["end_date"]) <= day)
            for row in self.rows["enrolment"]
        )

    def diploma(self, since: datetime.date, until: datetime.date, niveau: int = 1) -> bool:
        return any(since <= _date(row["date"]) < until and row["niveau"] >= niveau for row in self.rows["diploma"])


def _date(value: Any) -> datetime.date:
    return pd.Timestamp(value).date()


def _holds(row: Row, day: datetime.date) -> bool:
    return _date(row["start_date"]) <= day and (pd.isna(row["end_date"]) or _date(row["end_date"]) >= day)


def _october(year: int) -> datetime.date:
    return datetime.date(year, 10, 1)


def _jr(student: Student, year: int) -> tuple[bool, bool]:
    graduated = student.diploma(_october(year), _october(year + 1))
    left = not student.enrolments(_october(year + 1))
    return (graduated or left), graduated


def _dr(student: Student, year: int) -> tuple[bool, bool]:
    left = not student.enrolments(_october(year + 1))
    return left, student.diploma(_october(year - 5), _october(year + 1), 2)


def _sr(student: Student, year: int) -> tuple[bool, bool]:
    new = not any(student.enrolments(_october(earlier)) for earlier in range(year - 12, year))
    stayed = bool(student.enrolments(_october(year + 1)))
    return new, stayed or student.diploma(_october(year), _october(year + 1))


ORACLES: dict[str, Callable[[Student, int], tuple[bool, bool]]] = {
    "jaarresultaat": _jr,
    "diplomaresultaat": _dr,
    "startersresultaat": _sr,
}


def _students(tables: Mapping[str, pd.DataFrame]) -> list[Student]:
    rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for table, frame in tables.items():
        for row in frame.to_dict("records"):
            rows[row["student"]][table].append(row)
    return [Student(of) for of in rows.values()]


@pytest.mark.parametrize("name", list(ORACLES))
def test_the_same_counts_student_by_student(name: str, school: dict[str, pd.DataFrame]) -> None:
    """Per team and niveau, two years together: numerator and denominator are those of a loop over students."""
    whole: Counter[tuple[str, str, int]] = Counter()
    part: Counter[tuple[str, str, int]] = Counter()
    for student in _students(school):
        for year in YEARS:
            main = student.main(_october(year))
            if main is None or student.died(_october(year + 1)):
                continue
            counts, yes = ORACLES[name](student, year)
            key = ("entree" if main[1] == 1 else "regulier", *main)
            whole[key] += counts
            part[key] += counts and yes
    found = indicators.indicator(name, school, SCHEMA, YEARS, "team", per_niveau=True)
    computed = {
        (row.segment, row.group, int(row.niveau)): (row.numerator, row.denominator) for row in found.itertuples()
    }
    assert computed == {key: (part[key], n) for key, n in whole.items() if n}
    assert len(computed) > 12 and any(group == "beside" for _, group, _ in computed)


@pytest.mark.parametrize("name", list(indicators.RULES))
def test_every_student_counts_alone(name: str, school: dict[str, pd.DataFrame]) -> None:
    """The counts of two halves of the students are those of the whole: no student's row moves another's."""
    tables = school | {"person": school["enrolment"][["student"]].drop_duplicates()}
    tables["enrolment"] = tables["enrolment"].assign(age_at_start=17)
    halves = [
        {table: frame[frame["student"].str[-1].isin(list(digits))] for table, frame in tables.items()}
        for digits in ("02468", "13579")
    ]
    columns = ["numerator", "denominator"]
    of_half = [_counts(name, half, columns) for half in halves]
    whole = _counts(name, tables, columns)
    assert whole["denominator"].sum() > 40
    assert of_half[0].add(of_half[1], fill_value=0).astype(int).equals(whole)


def _counts(name: str, tables: dict[str, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    found = indicators.indicator(name, tables, SCHEMA, YEARS, "team")
    return found.set_index(["segment", "group"])[columns].sort_index()


def test_the_order_of_rows_does_not_matter(school: dict[str, pd.DataFrame]) -> None:
    """An export in another order gives the same indicators."""
    turned = {table: frame.iloc[::-1] for table, frame in school.items()}
    for name in indicators.RULES:
        one, other = (indicators.indicator(name, tables, SCHEMA, YEARS, "team") for tables in (school, turned))
        pd.testing.assert_frame_equal(one, other)


def test_wilson_against_statsmodels() -> None:
    """Another implementation, the same interval."""
    from statsmodels.stats.proportion import proportion_confint

    for part, whole in ((0, 12), (7, 12), (12, 12), (3, 400)):
        assert wilson(part, whole) == pytest.approx(proportion_confint(part, whole, method="wilson"), abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0)
