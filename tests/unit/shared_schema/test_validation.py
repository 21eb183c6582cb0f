"""What a report says of a table that is not right, and what `conform` makes of it."""

from __future__ import annotations

import pandas as pd
import pytest

from shared_schema import UnknownTable, load_schema
from shared_schema.report import RULES
from shared_schema.rows import pseudonym, synthetic
from shared_schema.validation import Level, Report, clip_to_bounds, conform, validate

SCHEMA = load_schema()


def person(**changes: object) -> pd.DataFrame:
    """Return ten valid students, with columns replaced."""
    frame = synthetic("person", 10, SCHEMA).astype(object)
    for name, values in changes.items():
        frame[name] = values
    return frame


def first(value: object) -> list[object]:
    """Return a column of ten cells of which the first holds `value`."""
    return [value] + [None] * 9


def told(report: Report) -> dict[tuple[str, str], int]:
    """Return what a report tells: (rule, column) to rows."""
    return {(one.rule, one.column): one.rows for one in report.findings}


@pytest.mark.parametrize("name", list(SCHEMA.tables))
def test_synthetic_rows_pass(name: str) -> None:
    """Rows drawn from a declaration satisfy it, and conforming changes nothing."""
    frame = synthetic(name, 60, SCHEMA, seed=4)
    assert validate(name, frame, SCHEMA).findings == ()
    conformed, report = conform(name, frame, SCHEMA)
    assert conformed.equals(frame) and report.passed and report.rows_set_aside == 0


CASES = [
    (person().drop(columns="student"), ("missing_column", "student"), 0),
    (person().drop(columns="apcg"), ("absent_column", "apcg"), 0),
    (person(gesacht="M"), ("unknown_column", "gesacht"), 0),
    (pd.concat([person(), person()[["apcg"]]], axis=1), ("duplicate_column", "apcg"), 0),
    (person().iloc[:0], ("missing_table", ""), 0),
    (person(apcg=first("misschien")), ("unreadable", "apcg"), 1),
    (person(geslacht=first("X")), ("unknown_code", "geslacht"), 1),
    (person(postcode4=first("0999")), ("pattern", "postcode4"), 1),
    (person(postcode4=first("1234 AB")), ("pattern", "postcode4"), 1),
    (person(student=first(None)), ("empty", "student"), 10),
    (person(student=pseudonym(0, 1)), ("duplicate", ""), 10),
]


@pytest.mark.parametrize(("frame", "expected", "rows"), CASES, ids=[case[1][0] for case in CASES])
def test_each_fault_has_its_own_rule(frame: pd.DataFrame, expected: tuple[str, str], rows: int) -> None:
    """A planted fault is told by its own rule, with its column and the number of rows, and with a remedy."""
    report = validate("person", frame, SCHEMA)
    assert told(report)[expected] == rows
    finding = next(one for one in report.findings if (one.rule, one.column) == expected)
    assert finding.level is RULES[finding.rule][0]
    assert finding.message.nl and finding.message.en and finding.remedy.nl and finding.remedy.en


def test_an_unknown_column_is_told_with_the_nearest_name() -> None:
    """The remedy of a misspelt column is the column that was probably meant."""
    (finding,) = validate("person", person(gesacht="M"), SCHEMA).of_rule("unknown_column")
    assert finding.remedy.en == "did you mean 'geslacht'?"


def test_a_report_never_shows_a_value() -> None:
    """Nothing of a cell, not even of a wrong one, is in a report or in its text."""
    planted = "GEHEIM-4711"
    frame = person(
        geslacht=planted, vooropleiding=planted, postcode4=planted, apcg=planted, student=[planted] * 10, extra=planted
    )
    report = validate("person", frame, SCHEMA)
    assert not report.passed
    assert planted not in repr(report) + "".join(str(one) for one in report.findings)
    assert planted not in repr(conform("person", frame, SCHEMA)[1])


def test_values_outside_bounds_are_clipped_and_counted() -> None:
    """A value outside the public bounds counts as the bound; how many is always said, infinity included."""
    ages = [11, 12, 80, 81, 10**9, None, 17, 17, 17, 17]
    frame = synthetic("enrolment", 10, SCHEMA).assign(age_at_start=pd.array(ages, dtype="Int64"))
    assert told(validate("enrolment", frame, SCHEMA)) == {("out_of_bounds", "age_at_start"): 3}
    clipped, findings = clip_to_bounds("enrolment", frame, SCHEMA)
    assert clipped["age_at_start"].tolist()[:5] == [12, 12, 80, 80, 80] and clipped["age_at_start"].isna()[5]
    assert [(one.column, one.rows) for one in findings] == [("age_at_start", 3)]
    assert conform("enrolment", frame, SCHEMA)[0]["age_at_start"].tolist()[3] == 80


def test_infinity_is_clipped() -> None:
    """An infinite number of hours is outside the bounds like any other number."""
    hours = [float("inf"), float("-inf"), 1e308]
    frame = synthetic("attendance", 3, SCHEMA).assign(hours_absent=hours, weeks=pd.array([2, 1, 1], dtype="Int64"))
    clipped, findings = clip_to_bounds("attendance", frame, SCHEMA)
    assert clipped["hours_absent"].tolist() == [80.0, 0.0, 40.0]
    assert {one.column: one.rows for one in findings}["hours_absent"] == 3


def test_bounds_per_week_grow_with_the_weeks_of_a_row() -> None:
    """A row of ten weeks may hold 400 hours of absence, a row of one week 40."""
    weeks = pd.array([10, 1, None], dtype="Int64")
    frame = synthetic("attendance", 3, SCHEMA)[["student", "week"]].assign(
        weeks=weeks, hours_absent=[400.0, 40.0, 41.0]
    )
    assert validate("attendance", frame, SCHEMA).of_rule("out_of_bounds")[0].rows == 1


def test_conform_blanks_what_it_cannot_read_and_keeps_the_row() -> None:
    """An unknown code or unreadable cell becomes missing; the student stays."""
    frame = person(geslacht=first("X"), apcg=first("misschien"), postcode4=first("12"))
    conformed, report = conform("person", frame, SCHEMA)
    assert len(conformed) == 10 and not report.passed
    assert conformed.loc[0, ["geslacht", "apcg", "postcode4"]].isna().all()


def test_conform_sets_aside_every_row_of_a_shared_key() -> None:
    """Two rows for one student where one is allowed: neither is used, so the order of the file decides nothing."""
    frame = pd.concat([person(), person().iloc[[0]].assign(geslacht="M")], ignore_index=True)
    conformed, report = conform("person", frame, SCHEMA)
    assert len(conformed) == 9 and report.rows_set_aside == 2
    assert pseudonym(0, 0) not in set(conformed["student"])


def test_the_fate_of_a_row_depends_on_its_own_student_alone() -> None:
    """Deleting any student leaves what `conform` makes of every other student's rows unchanged."""
    frame = pd.concat([person(geslacht=["X", "M"] * 5), person().iloc[[2]]], ignore_index=True)
    whole, _ = conform("person", frame, SCHEMA)
    for student in set(frame["student"]):
        part, _ = conform("person", frame[frame["student"] != student], SCHEMA)
        expected = whole[whole["student"] != student].reset_index(drop=True)
        assert part.equals(expected)


def test_several_results_of_one_week_are_allowed() -> None:
    """Table result has no key: two tests in one week are two rows."""
    frame = synthetic("result", 1, SCHEMA)
    assert validate("result", pd.concat([frame, frame], ignore_index=True), SCHEMA).findings == ()


def test_types_are_read_without_guessing() -> None:
    """Dates are ISO 8601, booleans true/false or 1/0, whole numbers whole; a Dutch date is the mapping's to convert."""
    frame = pd.DataFrame(
        {
            "student": [pseudonym(0, n) for n in range(3)],
            "enrolment_id": ["1", "1", "1"],
            "start_date": ["2023-08-28", "28-08-2023", "20230828"],
            "first_study": ["true", 1, "ja"],
            "age_at_start": ["17", 17.0, "17.5"],
        }
    )
    conformed, report = conform("enrolment", frame, SCHEMA)
    assert conformed["start_date"].notna().tolist() == [True, False, True]
    assert conformed["first_study"].notna().tolist() == [True, True, False]
    assert conformed["age_at_start"].notna().tolist() == [True, True, False]
    unread = {one.column: one.rows for one in report.of_rule("unreadable")}
    assert unread == {"start_date": 1, "first_study": 1, "age_at_start": 1}
    assert "reden_uitschrijving" not in conformed


def test_levels() -> None:
    """A report is as grave as its gravest finding."""
    assert validate("person", person(), SCHEMA).level is None
    assert validate("person", person().drop(columns="apcg"), SCHEMA).level is Level.INFO
    assert validate("person", person(geslacht="X"), SCHEMA).level is Level.FAIL


def test_an_unknown_table_is_refused() -> None:
    """A table that the schema does not have is refused with the nearest name."""
    with pytest.raises(UnknownTable, match="did you mean 'person'"):
        validate("persons", person(), SCHEMA)
