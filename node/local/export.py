"""Rows of a local product arrive; an Excel workbook or a CSV file leaves, for its owner only, whole or not at all.

What a person opens in Excel or PowerBI must stay text when it is text: a team named `=cmd|…` is a name, not a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from node.errors import StorageFailed, UnusableInput
from privacy.identity import write_private

Value = str | int | float | bool | None
Rows = Sequence[Sequence[Value]]
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # wide signs are formulas too
TITLE_LENGTH, WIDEST, MARGIN = 31, 60, 2
_NOT_IN_A_TITLE = re.compile(r"[\[\]:*?/\\']")


def write_xlsx(path: Path, sheets: Mapping[str, tuple[Sequence[str], Rows]]) -> None:
    """Write a workbook: sheet title -> heads and rows. Numbers stay numbers, every text is text, never a formula.

    Raises `UnusableInput` for a place that is no file, `StorageFailed` when the disk does not take it.
    """
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for title, (head, rows) in sheets.items():
        _sheet(book, title, head, rows)
    out = io.BytesIO()
    book.save(out)
    _put(path, out.getvalue())


def _sheet(book: object, title: str, head: Sequence[str], rows: Rows) -> None:
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(_NOT_IN_A_TITLE.sub(" ", title)[:TITLE_LENGTH])  # type: ignore[attr-defined]
    for number, name in enumerate(head):
        lengths = [len(str(row[number])) for row in rows if row[number] is not None]
        width = min(WIDEST, max([len(name), *lengths]) + MARGIN)
        sheet.column_dimensions[get_column_letter(number + 1)].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(head))}{1 + len(rows)}"
    for row in (head, *rows):
        sheet.append([_cell(sheet, value) for value in row])


def _cell(sheet: object, value: Value) -> object:
    """A text becomes a cell of type text: openpyxl alone would make a formula of `=1+1`."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment

    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, value=plain(value))
    cell.data_type = "s"
    if len(value) > WIDEST:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def write_csv(path: Path, head: Sequence[str], rows: Rows) -> None:
    """Write a CSV file as Dutch Excel and PowerBI read it: `;`, decimal comma, UTF-8 with BOM.

    A text that a spreadsheet would take for a formula gets an apostrophe before it. Errors as `write_xlsx`.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    for row in (head, *rows):
        writer.writerow([_text(value) for value in row])
    _put(path, out.getvalue().encode("utf-8-sig"))


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nee"
    if isinstance(value, float):
        return repr(value).replace(".", ",")
    if isinstance(value, int):
        return str(value)
    shown = plain(value)
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def plain(text: str) -> str:
    """The text with a mark for every letter that steers rather than shows; a workbook cannot even hold some."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _put(path: Path, content: bytes) -> None:
    if path.is_dir() or not path.parent.is_dir():
        rule, remedy = "An export is written to a file in a folder that exists.", "Name such a file."
        raise UnusableInput("no_such_place", rule, f"no place for {path.name}", remedy)
    try:
        write_private(path, content)
    except OSError as error:
        rule, remedy = "An export is written whole or not at all.", "Free disk space, or choose another folder."
        raise StorageFailed("export_not_written", rule, type(error).__name__, remedy) from error
