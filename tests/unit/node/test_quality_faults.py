"""Faults as they happen at schools, put into real exports: each is found, in its place, and not where it is not.

| fault                                                    | finding           | place                     |
| -------------------------------------------------------- | ----------------- | ------------------------- |
| a column is empty in one cohort                          | `coverage_break`  | the column                |
| codes of one cohort are shifted by one                   | `shape_break`     | the column                |
| a delivery with half of the students                     | `students_drift`  | the delivery              |
| a column no longer exported                              | `gone`            | the column                |
| another unit (minutes for hours)                         | `shape_drift`     | the column                |
| attendance of students who are nowhere else              | `unknown_student` | `attendance.student`      |
| diplomas under another sequence number                   | `unknown_enrolment` | `diploma.enrolment_id`  |
| lines repeated by a join in Qlik                         | `identical_lines` | the source                |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from experiments.synthetic.writers import DEALT
from node.conformance import Verdict
from node.ingest import ingest
from node.quality.finding import Finding, Severity
from node.quality.look import look
from node.quality.stored import stored_report
from node.store import Store
from tests.unit.node.quality_exports import (
    KEY,
    MAPPINGS,
    SCHEMA,
    STUDENTS,
    changed,
    copied,
    exported,
    findings,
    halves,
    looked,
    places,
)

STUDENTS_FILE = "eduarte_deelnemers.csv"
ABSENCE_FILE = "verzuim_per_week.csv"
UNKNOWN = ("991234567", "100000001")


@pytest.fixture(scope="module")
def eduarte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("eduarte"), "eduarte")


@pytest.fixture(scope="module")
def duo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("duo"), "duo_ro")


@pytest.fixture(scope="module")
def store(eduarte: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A node's store that holds the delivery without faults."""
    data = tmp_path_factory.mktemp("node") / "data"
    ingest(eduarte, MAPPINGS / "eduarte.yaml", data, KEY, SCHEMA)
    yield Store.open(data)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("layout", DEALT)
def test_no_false_alarm_on_any_layout(tmp_path: Path, layout: str, seed: int) -> None:
    """Exports without a fault: nothing is found, also not against a delivery about other students of the school."""
    folder = exported(tmp_path, layout, seed, 2 * STUDENTS)
    assert findings(folder, layout) == ()
    first, later = halves(folder, layout)
    last = look(first, SCHEMA, 0.05, {}, None).plain()
    seen = look(later, SCHEMA, 0.05, {}, last)
    assert seen.compared and seen.findings == ()


def test_a_column_that_is_empty_in_one_cohort(eduarte: Path, tmp_path: Path) -> None:
    """Found at that column alone, with the school year and both filled shares."""

    def emptied(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(leeftijd=rows["leeftijd"].where(rows["cohort"] != "2023-2024", ""))

    folder = copied(eduarte, tmp_path / "faulty")
    changed(folder, "eduarte", STUDENTS_FILE, emptied)
    found = findings(folder, "eduarte")
    assert places(found) == {("coverage_break", "enrolment.age_at_start")}
    assert "2023-2024" in found[0].found.nl and "0%" in found[0].found.nl and "100%" in found[0].found.nl


def test_a_code_list_that_is_shifted_in_one_cohort(eduarte: Path, tmp_path: Path) -> None:
    """Every code is still valid, so only the distribution tells."""
    levels = [f"Niveau {level}" for level in (1, 2, 3, 4)]
    shifted = dict(zip(levels, levels[1:] + levels[:1], strict=True))

    def shift(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(niveau=rows["niveau"].where(rows["cohort"] == "2022-2023", rows["niveau"].map(shifted)))

    folder = copied(eduarte, tmp_path / "faulty")
    changed(folder, "eduarte", STUDENTS_FILE, shift)
    assert places(findings(folder, "eduarte")) == {("shape_break", "programme_period.niveau")}


def test_a_delivery_with_half_of_the_students(eduarte: Path, store: Store, tmp_path: Path) -> None:
    """Said once, of the delivery, and not again of every table; without a last delivery it cannot be known."""
    folder = copied(eduarte, tmp_path / "faulty")
    for file in (STUDENTS_FILE, "eduarte_aanmeldingen.csv", "eduarte_diplomas.csv"):
        changed(folder, "eduarte", file, lambda rows: rows[rows["deelnemernummer"].astype(int) % 2 == 0])
    found = findings(folder, "eduarte", store)
    assert places(found) == {("students_drift", "")}
    assert "1.200" in found[0].found.nl and "1,200" in found[0].found.en
    assert findings(folder, "eduarte") == () and findings(eduarte, "eduarte", store) == ()


def test_a_column_that_is_no_longer_exported(eduarte: Path, store: Store, tmp_path: Path) -> None:
    """Valid by itself, and named against the last delivery."""
    folder = copied(eduarte, tmp_path / "faulty")
    changed(folder, "eduarte", STUDENTS_FILE, lambda rows: rows.assign(team=""))
    assert places(findings(folder, "eduarte", store)) == {("gone", "enrolment.team")}
    assert findings(folder, "eduarte") == ()


def test_minutes_where_hours_were(eduarte: Path, store: Store, tmp_path: Path) -> None:
    """Another unit moves a distribution within its bounds."""

    def minutes(rows: pd.DataFrame) -> pd.DataFrame:
        names = [name for name in rows if name.startswith("verzuim_ongeoorloofd")]
        hours = rows[names].apply(pd.to_numeric)
        return rows.assign(**(hours * 60).round(1).astype(str).where(hours.notna(), "").to_dict("series"))

    folder = copied(eduarte, tmp_path / "faulty")
    changed(folder, "eduarte", STUDENTS_FILE, minutes)
    assert ("shape_drift", "attendance.hours_absent_unauthorised") in places(findings(folder, "eduarte", store))


@pytest.mark.parametrize(("extra", "severity"), [(200, Severity.WARN), (2000, Severity.FAIL)])
def test_attendance_of_students_who_are_nowhere_else(duo: Path, tmp_path: Path, extra: int, severity: Severity) -> None:
    """Named with their number; more than the mapping tolerates is grave, and the tables themselves stay usable."""

    def strangers(rows: pd.DataFrame) -> pd.DataFrame:
        added = rows.head(extra).assign(
            bsn=[str(990000000 + place) for place in range(extra)], onderwijsnummer="", leerlingnummer="9"
        )
        return pd.concat([rows, added])

    folder = copied(duo, tmp_path / "faulty")
    changed(folder, "duo_ro", ABSENCE_FILE, strangers)
    quality = looked(folder, "duo_ro")
    assert quality.seen is not None
    (found,) = quality.seen.findings
    assert (found.rule, found.place, found.severity) == ("unknown_student", "attendance.student", severity)
    assert quality.verdict is Verdict.PASS and quality.overall is Verdict(severity)
    assert str(extra)[-3:] in found.found.nl and not any(number in repr(quality) for number in UNKNOWN)


def test_diplomas_of_students_long_gone_are_never_grave(eduarte: Path, tmp_path: Path) -> None:
    """The diplomaresultaat looks back five years; half of the diplomas may be of nobody who is enrolled here."""
    folder = copied(eduarte, tmp_path / "faulty")

    def gone(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(
            deelnemernummer=rows["deelnemernummer"].where(rows.index % 2 == 0, "9" + rows.index.astype(str))
        )

    changed(folder, "eduarte", "eduarte_diplomas.csv", gone)
    (found,) = findings(folder, "eduarte")
    assert (found.rule, found.table, found.severity) == ("unknown_student", "diploma", Severity.WARN)


def test_a_break_of_this_year_is_not_said_again_as_a_drift(eduarte: Path, store: Store, tmp_path: Path) -> None:
    """One cause, one note: a cohort without ages lowers the filled share of the whole delivery too."""
    folder = copied(eduarte, tmp_path / "faulty")
    changed(
        folder,
        "eduarte",
        STUDENTS_FILE,
        lambda rows: rows.assign(leeftijd=rows["leeftijd"].where(rows["cohort"] != "2023-2024", "")),
    )
    assert places(findings(folder, "eduarte", store)) == {("coverage_break", "enrolment.age_at_start")}


def test_rows_of_one_layout_are_held_against_another(tmp_path: Path) -> None:
    """Absence from one system and enrolments from another meet only in the store: strangers are found there."""
    enrolled = "mapping: 1\nlayout: a\ntitle: {nl: t, en: t}\nsources: {s: {file: a.csv}}\nidentifier: {column: nr}\n"
    enrolled += "tables:\n  enrolment: {source: s, columns: {enrolment_id: volg, cohort: jaar}}\n"
    absent = "mapping: 1\nlayout: b\ntitle: {nl: t, en: t}\nsources: {s: {file: b.csv}}\nidentifier: {column: nr}\n"
    absent += "tables:\n  attendance: {source: s, columns: {week: week, hours_absent: uren}}\n"
    (tmp_path / "a.yaml").write_text(enrolled)
    (tmp_path / "b.yaml").write_text(absent)
    rows = "".join(f"{number};1;{2022 + number % 2}\n" for number in range(1000, 1200))
    (tmp_path / "a.csv").write_text("nr;volg;jaar\n" + rows)
    (tmp_path / "b.csv").write_text("nr;week;uren\n" + "".join(f"{n};1;2\n" for n in range(1000, 1400)))
    for name in ("a", "b"):
        ingest(tmp_path / f"{name}.csv", tmp_path / f"{name}.yaml", tmp_path / "data", KEY, SCHEMA)
    store = Store.open(tmp_path / "data")
    assert all(not report["findings"] for report in store.reports().values())
    report = stored_report(store, SCHEMA)
    assert [(one["rule"], one["table"]) for one in report["findings"]] == [("unknown_student", "attendance")]
    assert report["verdict"] == "fail" and report["layout"] == "a + b"
    assert set(report["numbers"]["tables"]["attendance"]["years"]) == {"", "2022", "2023"}


def test_diplomas_under_another_sequence_number(eduarte: Path, tmp_path: Path) -> None:
    """A number that means something else in one file leaves its rows without an enrolment."""
    folder = copied(eduarte, tmp_path / "faulty")
    changed(folder, "eduarte", "eduarte_diplomas.csv", lambda rows: rows.assign(volgnummer="9"))
    assert ("unknown_enrolment", "diploma.enrolment_id") in places(findings(folder, "eduarte"))


def test_lines_that_a_join_in_qlik_repeats(duo: Path, tmp_path: Path) -> None:
    """Counted on the file as delivered: the tables hold each line once and look as they should."""
    folder = copied(duo, tmp_path / "faulty")
    changed(folder, "duo_ro", ABSENCE_FILE, lambda rows: pd.concat([rows, rows.iloc[::4]]))
    found = findings(folder, "duo_ro")
    assert [one.rule for one in found] == ["identical_lines"]
    assert "20%" in found[0].found.nl


def test_a_few_rows_are_not_counted_out(duo: Path, tmp_path: Path) -> None:
    """A sentence about three rows would be about somebody."""

    def strangers(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([rows, rows.head(3).assign(bsn=[f"99000000{place}" for place in range(3)])])

    folder = copied(duo, tmp_path / "faulty")
    changed(folder, "duo_ro", ABSENCE_FILE, strangers)
    (found,) = findings(folder, "duo_ro")
    assert found.found.nl.startswith("minder dan 10") and found.found.en.startswith("fewer than 10")


def test_every_finding_is_said_in_two_languages_with_what_to_do(duo: Path, tmp_path: Path) -> None:
    """Found, meaning and remedy are there, in Dutch and in English, with every place filled in."""
    folder = copied(duo, tmp_path / "faulty")

    def faults(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([rows, rows.iloc[::4], rows.head(5).assign(bsn=[f"99000000{place}" for place in range(5)])])

    changed(folder, "duo_ro", ABSENCE_FILE, faults)
    found: tuple[Finding, ...] = findings(folder, "duo_ro")
    assert len(found) == 2
    for one in found:
        for words in (one.found, one.meaning, one.remedy):
            assert words.nl and words.en and words.nl != words.en and not set(words.nl + words.en) & set("{}")
