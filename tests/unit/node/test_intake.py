"""What a file looks like is detected and shown; what fits nothing is refused, with a remedy and without a cell."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import openpyxl
import pytest

from node.errors import UnusableInput
from node.intake import Export, read_exports
from node.mapping_document import Records, Source

MARKER = "GEHEIM-4711"


def read(folder: Path, text: str | bytes, name: str = "s.csv", **settings: object) -> Export:
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(raw)
    return read_exports(folder, {"s": Source.model_validate({"file": name, **settings})})["s"]


def refused(folder: Path, text: str | bytes, name: str = "s.csv", **settings: object) -> UnusableInput:
    with pytest.raises(UnusableInput) as caught:
        read(folder, text, name, **settings)
    error = caught.value
    assert error.rule and error.found and error.remedy
    assert MARKER not in str(error)
    return error


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe"), (",", "comma")])
def test_the_separator_is_detected_and_shown(tmp_path: Path, mark: str, name: str) -> None:
    """Each of the four separators gives the same table, also where another one stands inside quotes."""
    lines = [["nr", "naam", "uren"], ["01", '"a;b,c|d"', "3"], ["02", "x", "4"]]
    export = read(tmp_path, "\n".join(mark.join(line) for line in lines))
    assert export.detected[0].separator == name
    assert list(export.frame.columns) == ["nr", "naam", "uren"]
    assert export.frame["naam"].tolist() == ["a;b,c|d", "x"]


def test_a_text_with_commas_is_not_taken_for_the_separator(tmp_path: Path) -> None:
    """Decimal commas outnumber semicolons, yet the mark that cuts lines evenly wins."""
    export = read(tmp_path, "nr;a;b\n1;1,5;2,5,3\n2;1;7\n")
    assert (export.detected[0].separator, export.frame.shape) == ("semicolon", (2, 3))


@pytest.mark.parametrize(
    ("codec", "shown"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp1252", "cp1252"), ("utf-16", "utf-16")]
)
def test_the_encoding_is_detected_and_a_bom_never_enters_a_name(tmp_path: Path, codec: str, shown: str) -> None:
    """Accents survive, and the first column is called what it is called."""
    export = read(tmp_path, "nr;plaats\n1;Súdwest-Fryslân\n".encode(codec))
    assert list(export.frame.columns) == ["nr", "plaats"]
    assert export.frame["plaats"][0] == "Súdwest-Fryslân"
    assert export.detected[0].encoding == shown


def test_everything_stays_text(tmp_path: Path) -> None:
    """No type is guessed: leading zeros, NA, 1e5 and empty cells come out as they stand."""
    export = read(tmp_path, "nr;a;b;c\n007;NA;1e5;\n")
    assert export.frame.iloc[0].tolist() == ["007", "NA", "1e5", ""]


def test_decimal_mark_and_date_formats_are_shown(tmp_path: Path) -> None:
    """Per file the decimal mark, per column the date format, from the cells; text columns are not dates."""
    export = read(
        tmp_path, "nr;u;d;e;f;g\n1;1,5;31-12-2023;20231231;2023-12-31;x\n2;2;1-1-2024;20240101;2024-01-01 00:00;1\n"
    )
    detected = export.detected[0]
    assert detected.decimal == "comma"
    assert dict(detected.dates) == {"d": "dd-mm-yyyy", "e": "yyyymmdd", "f": "yyyy-mm-dd"}
    assert (detected.rows, detected.columns) == (2, 6)


def test_mixed_formats_are_shown_as_mixed(tmp_path: Path) -> None:
    """What a mapping would refuse is visible in the report already."""
    detected = read(tmp_path, "nr;d;u\n1;31-12-2023;1,5\n2;2023-12-31;1.5\n").detected[0]
    assert (detected.dates["d"], detected.decimal) == ("mixed", "mixed")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"),
        ("nr;naam\n", "header_only"),
        ("\n\n;;\n", "header_only"),
        (f"nr;naam;naam\n1;{MARKER};x\n", "duplicate_column"),
        (f"nr;naam\n1;{MARKER};x\n2;y\n", "ragged_lines"),
        (f"nr;naam;z\n1;{MARKER}\n2;y;q\n", "ragged_lines"),
        (f"nr;;z\n1;{MARKER};3\n", "unnamed_column"),
        (f'nr;naam\n1;"{MARKER}\n2;y\n', "bad_quotes"),
        (f"nr;naam\n1;{MARKER}\x00\n".encode(), "not_text"),
        (f"nr;naam\n1;{MARKER}".encode() + b"\x81\n", "wrong_encoding"),
    ],
)
def test_each_unusable_file_has_its_own_message(tmp_path: Path, text: str | bytes, code: str) -> None:
    """Empty, header only, doubled names, uneven lines, quotes, binary, bad bytes: each its own code, no cell."""
    assert refused(tmp_path, text).code == code


def test_a_wrong_pinned_separator_names_the_right_one(tmp_path: Path) -> None:
    """The remedy is at hand: the mark that the file does have."""
    error = refused(tmp_path, f"nr;naam\n1;{MARKER}\n", separator=",")
    assert error.code == "wrong_separator"
    assert "semicolon" in error.found


def test_a_wrong_pinned_encoding_is_refused(tmp_path: Path) -> None:
    """cp1252 bytes are not read as UTF-8 with question marks."""
    assert refused(tmp_path, "nr;naam\n1;é\n".encode("cp1252"), encoding="utf-8").code == "wrong_encoding"


def test_ragged_lines_name_the_line_and_trailing_separators_do_not_count(tmp_path: Path) -> None:
    """Line 3 is the culprit; empty cells at the end of every line are a habit of exports and harmless."""
    assert "line 3" in refused(tmp_path, "a;b\n1;2\n1;2;3\n").found
    assert read(tmp_path, "a;b;\n1;2;;;\n3;4;\n").frame.shape == (2, 2)


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    """The pattern that finds nothing is repeated, the files that are there are counted."""
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(UnusableInput, match=r"osiris_\*.csv.*1 files") as caught:
        read_exports(tmp_path, {"s": Source(file="osiris_*.csv")})
    assert caught.value.code == "missing_file"
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path / "nowhere", {"s": Source(file="a.csv")})
    assert caught.value.code == "no_folder"


def test_files_of_one_source_are_put_together_if_they_have_the_same_columns(tmp_path: Path) -> None:
    """Monthly exports add up; one with another header is refused."""
    (tmp_path / "v_1.csv").write_text("nr;a\n1;2\n")
    (tmp_path / "v_2.csv").write_text("nr,a\n2,3\n")
    export = read_exports(tmp_path, {"s": Source(file="v_*.csv")})["s"]
    assert export.frame["nr"].tolist() == ["1", "2"]
    assert [one.separator for one in export.detected] == ["semicolon", "comma"]
    (tmp_path / "v_3.csv").write_text("nr,b\n2,3\n")
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path, {"s": Source(file="v_*.csv")})
    assert caught.value.code == "headers_differ"


def test_a_file_without_header_takes_its_names_from_the_mapping(tmp_path: Path) -> None:
    """No row is lost to a header that is not there."""
    export = read(tmp_path, "1;2\n3;4\n", header=False, columns=("nr", "a"))
    assert export.frame["nr"].tolist() == ["1", "3"]


# Excel ------------------------------------------------------------------------------------------------------------


def workbook(folder: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    path = folder / "s.xlsx"
    book.save(path)
    return path


def test_a_sheet_becomes_text_as_a_person_reads_it(tmp_path: Path) -> None:
    """Whole numbers without .0, dates as yyyy-mm-dd, truth values as 1 and 0, empty rows left out."""
    day = dt.datetime(2023, 8, 21)
    workbook(
        tmp_path,
        {"Blad1": [["nr", "u", "d", "b", "t"], [12.0, 1.5, day, True, "0012 "], [None] * 5, [13, 2, day, False, None]]},
    )
    export = read_exports(tmp_path, {"s": Source(file="s.xlsx")})["s"]
    assert export.frame.iloc[0].tolist() == ["12", "1.5", "2023-08-21", "1", "0012"]
    assert export.frame.iloc[1].tolist() == ["13", "2", "2023-08-21", "0", ""]
    assert export.detected[0].dates == {"d": "yyyy-mm-dd"}


def test_of_several_sheets_the_mapping_names_one(tmp_path: Path) -> None:
    """Without a name, or with a wrong one, the names that are there are shown."""
    workbook(tmp_path, {"Een": [["nr"], ["1"]], "Twee": [["nr"], ["2"]]})
    assert read_exports(tmp_path, {"s": Source(file="s.xlsx", sheet="Twee")})["s"].frame["nr"].tolist() == ["2"]
    for sheet in (None, "Drie"):
        with pytest.raises(UnusableInput, match="Een, Twee") as caught:
            read_exports(tmp_path, {"s": Source(file="s.xlsx", sheet=sheet)})
        assert caught.value.code == "unknown_sheet"


def test_a_workbook_row_may_leave_out_its_last_empty_cells(tmp_path: Path) -> None:
    """Exporters that stream write no cells beyond the last filled one: those cells are empty, not missing."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Een")
    for row in (["nr", "naam", "datum"], [1, "x"], [2, "y", "z"]):
        sheet.append(row)
    book.save(tmp_path / "s.xlsx")
    frame = read_exports(tmp_path, {"s": Source(file="s.xlsx")})["s"].frame
    assert frame["datum"].tolist() == ["", "z"]


def test_what_is_no_workbook_or_unpacks_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CSV with an Excel name, another zip, and a workbook beyond the limit: none is opened."""
    (tmp_path / "s.xlsx").write_text("nr;a\n1;2\n")
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path, {"s": Source(file="s.xlsx")})
    assert caught.value.code == "bad_workbook"
    with zipfile.ZipFile(tmp_path / "s.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<not")
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path, {"s": Source(file="s.xlsx")})
    assert caught.value.code == "bad_workbook"
    workbook(tmp_path, {"Een": [["nr"], ["1"]]})
    monkeypatch.setattr("node.sources.workbook.MAX_UNPACKED", 100)
    with pytest.raises(UnusableInput) as caught:
        read_exports(tmp_path, {"s": Source(file="s.xlsx")})
    assert caught.value.code == "bad_workbook"


# Records ----------------------------------------------------------------------------------------------------------

RO = {
    "counts": "SLR",
    "VLP": ["BRIN"],
    "PER": ["bsn", "g"],
    "ISG": ["bsn", "nr", "d"],
    "SLR": ["AantalPER", "AantalISG", "AantalKZD"],
}
GOOD = "VLP|25XX\nPER|1|M|||\nPER|2\nISG|1|1|20230801\nSLR|2|1|0\n"


def records(folder: Path, text: str) -> dict[str, Export]:
    (folder / "ro.txt").write_text(text)
    return read_exports(folder, {"ro": Source(file="ro.txt", records=Records.model_validate(RO))})


def test_records_become_a_table_per_kind(tmp_path: Path) -> None:
    """Empty fields at the end may be there or left out; a kind without records is an empty table."""
    exports = records(tmp_path, GOOD)
    assert set(exports) == {"ro#VLP", "ro#PER", "ro#ISG", "ro#SLR"}
    assert exports["ro#PER"].frame.to_numpy().tolist() == [["1", "M"], ["2", ""]]
    assert exports["ro#ISG"].detected[0].dates == {"d": "yyyymmdd"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("SLR|2|1|0", "SLR|2|2|0", "record_counts"),
        ("SLR|2|1|0", "SLR|2|1|3", "record_counts"),
        ("SLR|2|1|0", "SLR|2|x|0", "record_counts"),
        ("SLR|2|1|0\n", "", "record_counts"),
        ("PER|2\n", f"{MARKER}|2\n", "unknown_record"),
        ("PER|2\n", f"PER|2|M|{MARKER}\n", "ragged_lines"),
        (GOOD, "SLR|0|0|0\n", "header_only"),
    ],
)
def test_records_that_do_not_add_up_are_refused_whole(tmp_path: Path, old: str, new: str, code: str) -> None:
    """Wrong, missing or unreadable counts, an undeclared kind, a field too many: no half delivery."""
    with pytest.raises(UnusableInput) as caught:
        records(tmp_path, GOOD.replace(old, new))
    assert caught.value.code == code
    assert MARKER not in str(caught.value)
