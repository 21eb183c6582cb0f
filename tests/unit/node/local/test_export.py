"""Files for Excel and PowerBI: text stays text, numbers stay numbers, for their owner only, whole or not at all."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import openpyxl
import pytest

from node.errors import StorageFailed, UnusableInput
from node.local import export

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "＝1+1", '=HYPERLINK("http://x.example","x")']
STEERS = ["regel\neen", "tab\there", "\x1b[31mrood", "\u202eomgekeerd", "\x00nul"]


def test_no_cell_of_a_workbook_is_a_formula(tmp_path: Path) -> None:
    """Read back by openpyxl: every text is a text cell with the very text in it."""
    path = tmp_path / "lijst.xlsx"
    export.write_xlsx(path, {"lijst": (("team",), [[text] for text in FORMULAS])})
    sheet = openpyxl.load_workbook(path)["lijst"]
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == FORMULAS
    assert {cell.data_type for cell in cells} == {"s"}


def test_no_cell_of_a_csv_begins_like_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "lijst.csv"
    export.write_csv(path, ("=team", "n"), [[text, 1] for text in FORMULAS])
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter=";"))
    assert [row[0] for row in rows] == ["'=team", *(f"'{text}" for text in FORMULAS)]


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    """Minus two is a number and no formula; Dutch Excel reads a decimal comma."""
    rows = [[-2, 0.25, None, True, "x;y"]]
    export.write_csv(tmp_path / "a.csv", ("a", "b", "c", "d", "e"), rows)
    assert (tmp_path / "a.csv").read_bytes() == b'\xef\xbb\xbfa;b;c;d;e\r\n-2;0,25;;ja;"x;y"\r\n'
    export.write_xlsx(tmp_path / "a.xlsx", {"a": (("a", "b", "c", "d", "e"), rows)})
    values = next(openpyxl.load_workbook(tmp_path / "a.xlsx")["a"].iter_rows(min_row=2, values_only=True))
    assert values == (-2, 0.25, None, True, "x;y")


def test_letters_that_steer_are_shown_as_a_mark(tmp_path: Path) -> None:
    """A line break in a team's name makes no second row; an escape does not colour a terminal later."""
    export.write_csv(tmp_path / "a.csv", ("a",), [[text] for text in STEERS])
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + len(STEERS)
    assert all(line.isprintable() for line in lines)
    export.write_xlsx(tmp_path / "a.xlsx", {"a": (("a",), [[text] for text in STEERS])})
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["a"]
    assert all(row[0].value.isprintable() for row in sheet.iter_rows())


def test_a_file_is_for_its_owner_only_and_replaces_the_old_one(tmp_path: Path) -> None:
    for name, write in (("a.csv", lambda p: export.write_csv(p, ("a",), [])), ("a.xlsx", _workbook)):
        path = tmp_path / name
        path.write_text("old")
        path.chmod(0o644)
        write(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes() != b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.xlsx"]


def _workbook(path: Path) -> None:
    export.write_xlsx(path, {"a/b:[c]*?" * 9: (("a",), [])})


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "a.csv"):
        with pytest.raises(UnusableInput) as refused:
            export.write_csv(path, ("a",), [])
        assert refused.value.code == "no_such_place"


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.csv"
    path.write_text("old")
    monkeypatch.setattr(export, "write_private", full)
    with pytest.raises(StorageFailed) as failed:
        export.write_csv(path, ("a",), [["new"]])
    assert failed.value.code == "export_not_written"
    assert path.read_text() == "old"
