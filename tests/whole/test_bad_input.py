"""Whatever is wrong with what people give, they read rule, value found and remedy, and nobody's data is shown or lost.

Every export here is full of markers (`tests.unit.node.marked_school`); every refusal is typed as a person would, in
words and as JSON. Documents, approvals and budgets stand in tests/unit/coalition/test_bad_paperwork.py, a full disk and
kill -9 in tests/unit/node/test_interrupted.py, a school that is silent or comes back in tests/whole/test_rounds.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from experiments import terminal
from node import intake
from node.errors import UnusableInput
from node.store import Store
from tests.unit.node import marked_school
from tests.unit.node.marked_school import (
    BSN,
    COLUMNS,
    DAY,
    DECLARED,
    FIGURE,
    MARKERS,
    NAME,
    NUMBER,
    ODD,
    School,
    csv_text,
    refused,
    rows,
    type_in,
)

Plant = Callable[[School], None]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def school(tmp_path: Path, capfd: Capture) -> School:
    """A node with one good delivery, of rows full of markers."""
    return marked_school.found(tmp_path / "node", capfd)


# ---- what is planted


def cells(column: str, value: str, times: int = 1, separator: str = ";") -> Plant:
    """An export in which the first rows hold another value in one column."""

    def plant(school: School) -> None:
        lines = [{**row, column: value} if index < times else row for index, row in enumerate(rows())]
        school.put(csv_text(lines, separator))

    return plant


def header(old: str, new: str) -> Plant:
    """An export in which one column has another name."""
    return lambda school: school.put(csv_text(rows(), header=[new if name == old else name for name in COLUMNS]))


def mapped(old: str, new: str) -> Plant:
    """A mapping with one change."""
    return lambda school: school.map(old, new)


def content(text: str | bytes | None) -> Plant:
    """An export with this content; None: no export."""
    return lambda school: school.put(text)


def settings(words: str) -> Plant:
    """How the export is read, pinned in the mapping."""
    return mapped('"dossiers*.csv"', f'"dossiers*.csv", {words}')


def twice(times: int) -> Plant:
    """An export with a second row, about another prior education, for the first students."""
    return lambda school: school.put(csv_text([*rows(), *({**row, "vooropleiding": "VMBO_TL"} for row in rows(times))]))


def workbook(school: School) -> None:
    """An export that became an Excel workbook, under its old name."""
    book = openpyxl.Workbook()
    book.active.append([NAME, BSN])
    book.save(school.folder.exports / "dossiers.csv")


# ---- exports and mappings that are refused

REFUSED: list[tuple[str, Plant, str, str]] = [
    ("missing column", header("geslacht", "gslacht"), "missing_column", "no column geslacht among"),
    ("no student number", header("nummer", "nr"), "no_identifier", "12 columns"),
    ("duplicate column", header("team", "leeftijd"), "duplicate_column", "1 names"),
    ("unknown column", mapped("vooropleiding: v", "vooropleidng: v"), "unknown_column", "'vooropleiding'"),
    ("identifier as data", mapped("team: team", "team: bsn"), "identifier_mapped", "bsn"),
    ("pinned separator absent", settings('separator: "|"'), "wrong_separator", "semicolon would give 12"),
    ("pinned separator is the decimal mark", settings('separator: ","'), "wrong_separator", "semicolon would give 12"),
    ("no separator known", content(csv_text(rows(), "^")), "wrong_separator", "none of these"),
    ("no separator, no comma", content(csv_text(rows(), "^").replace(",", "")), "wrong_separator", "none of these"),
    ("mixed dates", cells("start", "2022-08-22"), "mixed_dates", "1 different cells as yyyy-mm-dd"),
    ("dates not as pinned", settings("dates: yyyymmdd"), "wrong_dates", "dd-mm-yyyy"),
    ("mixed decimals", cells("uren", "3.5"), "mixed_decimals", "1 different cells with '.'"),
    ("decimals not as pinned", settings('decimal: "."'), "wrong_decimal", "different cells with ','"),
    ("empty file", content(b""), "empty_file", "an empty file"),
    ("blank lines only", content(b"\xef\xbb\xbf\r\n\r\n  \n"), "header_only", "no rows"),
    ("header only", content(csv_text([])), "header_only", "no rows"),
    ("no file", content(None), "missing_file", "0 files"),
    ("a line too long", content(csv_text(rows()) + f"{NUMBER};{NAME}\n"), "ragged_lines", "the first at line 42"),
    ("an open quote", cells("team", f'"{NAME}'), "bad_quotes", "a quote that does not"),
    ("a workbook named .csv", workbook, "not_text", "binary data"),
    ("unknown key in the mapping", mapped("identifier:", "identifer:"), "bad_mapping", "mapping.yaml:6:1"),
    ("unknown version", mapped("mapping: 1", "mapping: 9"), "bad_mapping", "mapping.yaml:1:10"),
    ("two rows for many students", twice(4), "quality_failed", "person (more rows where one is allowed, 8 rows)"),
    ("codes outside recode", cells("geslacht", ODD, 4), "quality_failed", "geslacht: value is not in recode, 4 rows"),
    ("codes outside the list", cells("vooropleiding", ODD, 4), "quality_failed", "code is not in the code list, 4"),
    ("days that do not exist", cells("start", DAY, 4), "quality_failed", "start_date: value does not fit the type, 4"),
    ("thousands", cells("uren", f"1.{FIGURE}", 4), "quality_failed", "hours_absent: value does not fit the type, 4"),
]


@pytest.mark.parametrize(("plant", "code", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_an_export_that_cannot_be_taken_in(school: School, capfd: Capture, plant: Plant, code: str, told: str) -> None:
    """Each fault has its own message; the delivery before it still counts; no cell of the file is anywhere."""
    before = school.kept()
    plant(school)
    found, data = refused(capfd, "coalition-node", "ingest", school.folder.root)
    assert (found, told in data["found"]) == (code, True), data["found"]
    assert (school.kept(), school.traces()) == (before, [])


def test_looking_at_a_bad_export_shows_as_little(school: School, capfd: Capture) -> None:
    """`check` on exports refuses what `ingest` refuses, reports what it reports, and stores nothing."""
    before = school.kept()
    words = ("check", school.folder.root, "--exports", school.folder.exports)
    cells("start", "2022-08-22")(school)
    assert refused(capfd, "coalition-node", *words)[0] == "mixed_dates"
    cells("geslacht", ODD, 4)(school)
    for as_json in (True, False):
        code, out, shown = type_in(capfd, "coalition-node", *words, as_json=as_json)
        assert code == 0 and not any(marker in shown for marker in MARKERS)
        assert not as_json or json.loads(out)["data"]["quality"]["verdict"] == "fail"
    assert (school.kept(), school.traces()) == (before, [])


def test_an_export_in_place_of_a_mapping_is_not_read_out(school: School, capfd: Capture) -> None:
    """Messages about documents quote them, since they hold no student's values; an export is not such a document."""
    wrong = school.folder.exports / "dossiers.csv"
    code, data = refused(capfd, "coalition-node", "ingest", school.folder.root, "--mapping", wrong)
    assert (code, data["found"]) == ("bad_mapping", "dossiers.csv: a text without keys, perhaps an export")


# ---- exports that are taken in, with what was repaired counted

REPAIRED: list[tuple[str, Plant, tuple[str, str, str, int], float | None]] = [
    ("figure beyond its bound", cells("uren", FIGURE, 2), ("attendance", "hours_absent", "out_of_bounds", 2), 400.0),
    ("age beyond its bound", cells("leeftijd", "999", 2), ("enrolment", "age_at_start", "out_of_bounds", 2), 80),
    ("code outside the list", cells("vooropleiding", ODD), ("person", "vooropleiding", "unknown_code", 1), None),
    ("code outside recode", cells("geslacht", ODD), ("person", "geslacht", "unlisted", 1), None),
    ("a day that does not exist", cells("start", DAY), ("enrolment", "start_date", "unreadable", 1), None),
]


@pytest.mark.parametrize(
    ("plant", "note", "becomes"), [case[1:] for case in REPAIRED], ids=[case[0] for case in REPAIRED]
)
def test_a_repair_is_made_and_counted(
    school: School, capfd: Capture, plant: Plant, note: tuple[str, str, str, int], becomes: float | None
) -> None:
    """What lies beyond its bound counts as the bound, what no list knows as missing: never in silence, never a row."""
    table, column, rule, count = note
    plant(school)
    notes = _notes(_taken_in(school, capfd), table)
    assert (rule, column, count) in [(one["rule"], one["column"], one["rows"]) for one in notes]
    kept = Store.open(school.folder.data).tables()[table][column]
    assert len(kept) == 40
    assert int((kept.isna() if becomes is None else kept == becomes).sum()) == count
    assert becomes is None or kept.max() == becomes


def test_two_rows_for_one_student_are_set_aside_and_counted(school: School, capfd: Capture) -> None:
    """Nobody can say which of the two is right, so neither counts; the student's other tables stay."""
    twice(1)(school)
    notes = _notes(_taken_in(school, capfd), "person")
    assert [(one["rule"], one["rows"]) for one in notes if one["rule"] == "duplicate"] == [("duplicate", 2)]
    tables = Store.open(school.folder.data).tables()
    assert (len(tables["person"]), tables["enrolment"]["student"].nunique()) == (39, 40)


@pytest.mark.parametrize(
    ("plant", "shown"),
    [
        (content(csv_text(rows())), "comma"),
        (settings('decimal: ",", separator: ";"'), "comma"),
        (content(csv_text(rows()).replace(",5", ".5")), "point"),
        (content(csv_text(rows()).replace(",5", ".5").replace(";", ",")), "point"),
    ],
    ids=["detected", "declared", "point", "comma as separator"],
)
def test_a_decimal_comma_is_read_right(school: School, capfd: Capture, plant: Plant, shown: str) -> None:
    """Half hours stay half hours, however the decimal mark is written, and the report says which mark it was."""
    plant(school)
    (source,) = _taken_in(school, capfd)["sources"]
    hours = Store.open(school.folder.data).tables()["attendance"]["hours_absent"]
    assert (source["decimal"], sorted(hours)) == (shown, sorted(index % 13 + 0.5 for index in range(40)))


def test_a_column_that_no_rule_reads_is_named_and_left_out(school: School, capfd: Capture) -> None:
    """An unknown column is no error: the report says that it was not read, and nothing of it is stored."""
    quality = _taken_in(school, capfd)
    assert quality["unread"] == {"dossiers": ["kenmerk"]}
    assert {"bsn": "name", "e_mail": "name", "naam": "declared"}.items() <= quality["protections"][0]["dropped"].items()


def _taken_in(school: School, capfd: Capture) -> dict[str, Any]:
    """Take the exports in, in words and as JSON, and look for markers; return the quality report."""
    words = type_in(capfd, "coalition-node", "ingest", school.folder.root, as_json=False)[2]
    code, out, shown = type_in(capfd, "coalition-node", "ingest", school.folder.root)
    assert code == 0, out
    assert [marker for marker in MARKERS if marker in words + shown] == []
    assert school.traces() == []
    quality: dict[str, Any] = json.loads(out)["data"]["quality"]
    return quality


def _notes(quality: dict[str, Any], table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(one["notes"] for one in quality["tables"] if one["table"] == table)
    return found


# ---- the checks of this file can fail


def test_markers_are_there_to_be_found(school: School) -> None:
    """Controls: the export holds every marker that is not planted later, and what the mapping does read is stored."""
    raw = (school.folder.exports / "dossiers.csv").read_text()
    assert all(marker in raw for marker in (NAME, BSN, ODD, NUMBER))
    assert set(school.tables()["enrolment"]["team"]) == {DECLARED}
    school.folder.incidents.write_text(f"refused: {NAME}\n")
    assert school.traces() == [f"incidents.log: {NAME}"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("A rule.", f"the cell {ODD}", "A remedy."), ODD),
        (("A rule.", "", "A remedy."), "found"),
        (("A rule.", "something", ""), "remedy"),
    ],
    ids=["a cell in the message", "no value found", "no remedy"],
)
def test_a_message_that_breaks_the_house_rule_is_noticed(
    school: School, capfd: Capture, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str, str], fault: str
) -> None:
    """Planted fault: an error that shows a cell, or says half, does not pass."""

    def broken(*_: object) -> None:
        raise UnusableInput("planted", *words)

    monkeypatch.setattr(intake, "_read_file", broken)
    with pytest.raises(AssertionError, match=fault):
        refused(capfd, "coalition-node", "ingest", school.folder.root)


def test_a_traceback_is_noticed(school: School, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: the switch that shows tracebacks."""
    content(b"")(school)
    monkeypatch.setenv(terminal.DEBUG, "1")
    with pytest.raises(AssertionError, match="traceback"):
        refused(capfd, "coalition-node", "ingest", school.folder.root)
