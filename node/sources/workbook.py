"""Arrives: an Excel workbook. Leaves: its filled rows as text, numbered as Excel numbers them.

Only stored values are read: a formula is never calculated, a macro never run. A date becomes yyyy-mm-dd, a whole
number loses the `.0` that Excel keeps it with.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from node.sources.detection import bad_file
from node.sources.formats import cell_text

if TYPE_CHECKING:
    from openpyxl import Workbook

MAX_UNPACKED = 1 << 30
"""Bytes that a workbook may unpack to: a zip of a megabyte can hold a thousand times as much."""


class Workbooks:
    """Workbooks of one intake, each opened once, however many of its sheets are read; closed at the end of `with`."""

    def __init__(self) -> None:
        self._open: dict[Path, Workbook] = {}

    def __enter__(self) -> Workbooks:
        return self

    def __exit__(self, *exception: object) -> None:
        for book in self._open.values():
            book.close()

    def rows(self, path: Path, sheet: str | None) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number, cells as text) of one sheet, empty rows left out; without a name, of the only sheet.

        Raises UnusableInput when the file is no workbook, unpacks too large, or the sheet is not clear.
        """
        book = self._open.get(path) or self._opened(path)
        name = _sheet_name(path, book.sheetnames, sheet)
        width = 0
        for number, cells in enumerate(_cells(path, book, name), start=1):
            if any(cells):
                width = width or len(cells)
                # A workbook leaves out empty cells at the end of a row; in the first row stand the names.
                yield number, cells + [""] * (width - len(cells))

    def sheets(self, path: Path) -> list[str]:
        """Return the names of the sheets of a workbook. Raises UnusableInput when the file is no workbook."""
        return list((self._open.get(path) or self._opened(path)).sheetnames)

    def _opened(self, path: Path) -> Workbook:
        import openpyxl

        _refuse_bomb(path)
        with _readable(path):
            self._open[path] = openpyxl.load_workbook(path, read_only=True, data_only=True)
        return self._open[path]


def _refuse_bomb(path: Path) -> None:
    with _readable(path), zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        known = "xl/workbook.xml" in archive.namelist()
    if not known or size > MAX_UNPACKED:
        raise _no_workbook(path, f"{size >> 20} MiB" if known else "no workbook")


def _cells(path: Path, book: Workbook, sheet: str) -> Iterator[list[str]]:
    """Every row of one sheet, as text; only the library's own work is done within `_readable`."""
    with _readable(path):
        for row in book[sheet].iter_rows(values_only=True):
            yield [cell_text(value) for value in row]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever the libraries raise at an archive or a sheet is one error; theirs may quote a cell, so it ends here."""
    try:
        yield
    except Exception:
        raise _no_workbook(path, "a workbook that cannot be read") from None


def _no_workbook(path: Path, found: str) -> UnusableInput:
    return bad_file(
        "bad_workbook",
        path,
        f"An Excel export is a workbook that unpacks to at most {MAX_UNPACKED >> 20} MiB.",
        found,
        "Save it again from Excel as .xlsx, or export CSV.",
    )


def _sheet_name(path: Path, names: list[str], wanted: str | None) -> str:
    if wanted in names or (wanted is None and len(names) == 1):
        return wanted or names[0]
    raise bad_file(
        "unknown_sheet",
        path,
        f"The mapping reads sheet {wanted!r}." if wanted else "A workbook of several sheets needs `sheet`.",
        f"{len(names)} sheets: {', '.join(names)}",
        "Write the name of one of them under `sheet` in the mapping.",
    )
