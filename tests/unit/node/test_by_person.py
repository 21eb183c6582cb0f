"""Stored tables by person: two numbers of one person are one student, in every table, and who must be away is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from node.people import by_person, withheld
from node.people.pseudonyms import Pseudonyms
from node.store import Store

STUDENTS = ("a", "b", "c", "a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two layouts that both fill attendance, one of which fills a table about staff; cohorts 2021 to 2023."""
    store = Store.open(tmp_path)
    students = pd.array(STUDENTS, dtype="string")
    store.write(
        {
            "enrolment": pd.DataFrame({"student": students, "cohort": pd.array([2021, 2022, 2023, 2021], "Int64")}),
            "attendance": pd.DataFrame({"student": students, "week": pd.array([1, 2, 3, 40], dtype="Int64")}),
        },
        {"layout": "osiris"},
    )
    more = pd.DataFrame({"student": pd.array(["d", "b"], dtype="string"), "week": pd.array([5, 6], dtype="Int64")})
    staff = pd.DataFrame({"staff": pd.array(["a", "x"], dtype="string"), "n": pd.array([1, 2], dtype="Int64")})
    shared = {"attendance": ("student", "week")}
    store.write({"attendance": more, "staff_survey": staff}, {"layout": "uren"}, shared=shared)
    with Pseudonyms.open(tmp_path) as pseudonyms:
        pseudonyms.register({"a": 2021, "b": 2022, "c": 2023})
    return tmp_path


def rows(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Student and number of every row, sorted."""
    return sorted((str(student), int(number)) for student, number in table.itertuples(index=False))


def test_a_linked_number_is_the_person_first_seen(data: Path) -> None:
    """In every table about students, also where the same texts stand for staff; the account is the first one."""
    with Pseudonyms.open(data) as pseudonyms:
        pseudonyms.link("a", "c")
    found = by_person.read(data)
    assert rows(found.tables["enrolment"]) == [("a", 2021), ("a", 2021), ("a", 2023), ("b", 2022)]
    assert rows(found.tables["attendance"]) == [("a", 1), ("a", 3), ("a", 40), ("b", 2), ("b", 6), ("d", 5)]
    assert rows(found.tables["staff_survey"]) == [("a", 1), ("x", 2)]
    assert (found.cohorts["a"], found.cohorts["c"], "d" in found.cohorts) == (2021, 2021, False)


def test_later_weeks_stay_on_disk(data: Path) -> None:
    """Attendance after the week that is asked for is not read; the other tables are whole."""
    found = by_person.read(data, until_week=3)
    assert rows(found.tables["attendance"]) == [("a", 1), ("b", 2), ("c", 3)]
    assert len(found.tables["enrolment"]) == len(STUDENTS)


def test_who_must_be_away_is_in_no_table(data: Path) -> None:
    """Erased or opted out, under every number of the person; what is asked to be away is, and nobody else."""
    with Pseudonyms.open(data) as pseudonyms:
        pseudonyms.link("a", "c")
        withheld.withhold(pseudonyms, {"c"}, withheld.OPTED_OUT)
        withheld.withhold(pseudonyms, {"b"}, withheld.ERASED)
    found = by_person.read(data)
    assert (found.without_rows, found.left_out) == ({"b"}, {"a", "b", "c"})
    assert rows(found.without(found.without_rows)["attendance"]) == [("a", 1), ("a", 3), ("a", 40), ("d", 5)]
    kept = found.without(found.left_out)
    assert (rows(kept["attendance"]), rows(kept["enrolment"])) == ([("d", 5)], [])
    assert rows(kept["staff_survey"]) == [("a", 1), ("x", 2)]


def test_attendance_names_each_student_once(data: Path) -> None:
    """Sixty rows a student hold the text once; two layouts that fill the table have one list of students."""
    with Pseudonyms.open(data) as pseudonyms:
        pseudonyms.link("a", "c")
    for table in (by_person.read(data).tables, Store.open(data).tables()):
        students = table["attendance"]["student"]
        assert isinstance(students.dtype, pd.CategoricalDtype)
        assert students.notna().all() and students.cat.categories.is_unique
