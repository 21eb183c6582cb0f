"""Who is in the first year now, and of whom the outcome is known: by dates, by flags, by a day that a person names."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

from node.errors import UnusableInput
from node.local import people as module
from tests.unit.node.local.school import SCHEMA, TODAY, pseudonym, school, tables


def enrolments(*rows: tuple[str, str | None]) -> dict[str, pd.DataFrame]:
    """One enrolment a student: first and last day."""
    frame = pd.DataFrame(
        {
            "student": [pseudonym(number) for number in range(len(rows))],
            "enrolment_id": "1",
            "start_date": pd.to_datetime([start for start, _ in rows]).astype("datetime64[us]"),
            "end_date": pd.to_datetime([end for _, end in rows]).astype("datetime64[us]"),
        }
    )
    return {"enrolment": frame}


def test_the_data_are_known_until_the_last_day_they_hold() -> None:
    """A planned end next summer, and a start with a year too many, are no news of today."""
    frames = enrolments(("2024-08-20", None), ("2025-08-20", "2025-11-14"), ("2025-08-20", "2027-07-31"))
    assert module.last_date(frames, TODAY) == datetime.date(2025, 11, 14)
    assert module.last_date({}, TODAY) is None


def test_who_left_or_has_not_begun_is_not_invited() -> None:
    """
    | student | start | end | on the list of 14 November 2025 |
    |---|---|---|---|
    | 0 | 20 August 2025 | | yes |
    | 1 | 20 August 2025 | 14 October 2025 | no: left |
    | 2 | 20 August 2025 | 1 February 2026 | yes: has not left yet on that day |
    | 3 | 1 February 2026 | | no: has not begun |
    | 4 | 20 August 2023 | | no: the first year is over |
    """
    frames = enrolments(
        ("2025-08-20", None),
        ("2025-08-20", "2025-10-14"),
        ("2025-08-20", "2026-02-01"),
        ("2026-02-01", None),
        ("2023-08-20", None),
    )
    found = school(frames, as_of=datetime.date(2025, 11, 14))
    assert list(found.running(None)) == [pseudonym(0), pseudonym(2)]
    assert list(found.running(2025)) == [pseudonym(0), pseudonym(2)]
    assert list(found.running(2024)) == []
    assert list(found.labels().index) == [pseudonym(4)]


def flags(*rows: tuple[str, bool | None]) -> dict[str, pd.DataFrame]:
    """An export without ends of enrolments: first day and flag."""
    frame = pd.DataFrame(
        {
            "student": [pseudonym(number) for number in range(len(rows))],
            "enrolment_id": "1",
            "start_date": pd.to_datetime([start for start, _ in rows]).astype("datetime64[us]"),
            "dropout_flag": pd.array([flag for _, flag in rows], dtype="boolean"),
            "dropout_flag_definition": "uitnodigingsregel",
        }
    )
    return {"enrolment": frame}


def test_an_empty_flag_is_not_known_yet() -> None:
    """The way of the uitnodigingsregel: rows with an outcome teach, rows without are ranked."""
    found = school(flags(("2024-08-20", True), ("2024-08-20", False), ("2025-08-20", None)))
    assert list(found.running(None)) == [pseudonym(2)]
    assert found.labels().to_dict() == {pseudonym(0): 1.0, pseudonym(1): 0.0}


def test_a_zero_of_this_year_is_not_known_yet_once_the_day_is_named() -> None:
    """Many exports write 0 for who has not left so far; who left (1) is known to have."""
    rows = flags(("2024-08-20", False), ("2025-08-20", False), ("2025-08-20", True))
    assert list(school(rows).running(None)) == []
    found = school(rows, as_of=datetime.date(2025, 11, 14))
    assert list(found.running(None)) == [pseudonym(1)]
    assert found.labels().to_dict() == {pseudonym(0): 0.0, pseudonym(2): 1.0}


def test_a_day_to_come_is_refused() -> None:
    with pytest.raises(UnusableInput) as refused:
        school(tables(), as_of=datetime.date(2026, 11, 28))
    assert refused.value.code == "day_to_come"


def test_the_week_is_the_last_one_that_half_of_the_students_have_something_in() -> None:
    """Three students, known through week 10, 6 and 0: half of them have week 6 behind them."""
    frames = flags(("2025-08-20", None), ("2025-08-20", None), ("2025-08-20", None))
    students = [pseudonym(0), pseudonym(0), pseudonym(1)]
    frames["attendance"] = pd.DataFrame({"student": students, "week": [3, 10, 6], "hours_absent": 1.0})
    found = school(frames)
    assert module.weeks_in(found, found.running(None)) == 6
    assert module.weeks_in(found, pd.Index([])) == 0


def test_the_schema_of_the_test_is_the_shared_one() -> None:
    assert school().schema.hash == SCHEMA.hash
