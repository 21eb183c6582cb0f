"""Arrives: a folder of exports and how a mapping names them. Leaves: tables of text, and what was detected.

Nothing is guessed in silence: separator, encoding, decimal mark and date formats are detected and shown, and a file
that fits none of them is refused with the rule, what was found (never a cell) and the remedy. Every cell stays
text, so that `0123` stays `0123`.
"""

from __future__ import annotations

import csv
import fnmatch
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from node.detection import SEPARATOR_NAMES, bad_file, encoding_of, no_separator, separator_of, shown_dates, shown_mark
from node.errors import UnusableInput
from node.mapping_document import Source
from node.records import read_records
from node.workbook import Workbooks

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 2_000  # formats are shown from these; the mapping checks every cell it reads


@dataclass(frozen=True)
class Detected:
    """What one file looked like: shown to the operator, numbers and formats only.

    dates: column -> date format, or `mixed`; rows: filled rows read; columns: how many columns the file has.
    """

    source: str
    file: str
    separator: str
    encoding: str
    decimal: str
    dates: Mapping[str, str]
    rows: int
    columns: int


@dataclass(frozen=True)
class Export:
    """One source as text: a frame of text columns (an empty cell is the empty text) and what was detected."""

    source: str
    frame: pd.DataFrame
    detected: tuple[Detected, ...]


@dataclass
class _Sheet:
    """Rows of one file on their way to a frame: column names, then rows of text of exactly that length."""

    names: list[str]
    rows: list[list[str]] = field(default_factory=list)
    separator: str = ""
    encoding: str = ""


def read_exports(folder: Path, sources: Mapping[str, Source], only: str | None = None) -> dict[str, Export]:
    """Read every source of a mapping from one folder; records become one export per kind, `source#KIND`.

    only: the name of the one file to look at, where a person names a file instead of a folder.

    Raises UnusableInput: a file is missing, empty, has a header only, another separator or encoding than pinned,
    duplicate column names, lines of unequal length, records that do not add up.
    """
    exports: dict[str, Export] = {}
    with Workbooks() as books:
        for name, source in sources.items():
            parts = [_read_file(path, source, books) for path in matching_files(folder, source, only)]
            for kind in parts[0]:
                full_name = f"{name}#{kind}" if kind else name
                exports[full_name] = _joined(full_name, [part[kind] for part in parts])
    return exports


def matching_files(folder: Path, source: Source, only: str | None = None) -> list[Path]:
    """Return the files of the folder that the pattern of a source names, sorted; at least one."""
    if not folder.is_dir():
        raise UnusableInput(
            "no_folder", "Exports are read from a folder.", f"{folder} is not a folder", "Name the folder with exports."
        )
    wanted = source.file.casefold()
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name[0] not in ".~")
    names = [name for name in names if only in (None, name)]
    found = [folder / name for name in names if fnmatch.fnmatchcase(name.casefold(), wanted)]
    if not found:
        raise UnusableInput(
            "missing_file",
            f"The mapping reads a file named {source.file}.",
            f"{len(names)} files in {folder.name}, none with such a name",
            "Put the export in the folder, or correct `file` in the mapping.",
        )
    return found


def _read_file(path: Path, source: Source, books: Workbooks) -> dict[str, tuple[_Sheet, str]]:
    """Kind of record ("" where there is one kind) -> its rows and the name of the file they came from."""
    if path.stat().st_size == 0:
        raise bad_file("empty_file", path, "An export holds rows.", "an empty file", "Make the export again.")
    if path.suffix.lower() == ".xlsx":
        sheet = _with_header(path, source, books.rows(path, source.sheet), "Excel")
        return {"": (sheet, path.name)}
    encoding = encoding_of(path, source.encoding)
    separator = separator_of(path, source, encoding)
    with _rows(path, encoding, separator) as rows:
        if source.records is not None:
            kinds = read_records(path.name, source.records, rows)
            sheets = {name: _Sheet(kind.names, kind.rows) for name, kind in kinds.items()}
        else:
            sheets = {"": _with_header(path, source, rows, separator)}
    for sheet in sheets.values():
        sheet.separator, sheet.encoding = SEPARATOR_NAMES[separator], encoding
    return {kind: (sheet, path.name) for kind, sheet in sheets.items()}


# Rows -------------------------------------------------------------------------------------------------------------


@contextmanager
def _rows(path: Path, encoding: str, separator: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Numbered filled rows of a text file, streamed."""
    with path.open(encoding=encoding, newline="") as file:
        try:
            yield _numbered(file, separator)
        except csv.Error as error:
            raise bad_file(
                "bad_quotes",
                path,
                "Quotes open and close around a whole cell.",
                "a quote that does not, or a cell of over 131,072 characters",
                "Export again with the system's own CSV writer.",
            ) from error


def _numbered(file: io.TextIOBase | Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=separator or ",", strict=True)
    for row in reader:
        if any(row):
            yield reader.line_num, row


def _with_header(path: Path, source: Source, rows: Iterator[tuple[int, list[str]]], separator: str) -> _Sheet:
    names = list(source.columns) or _header(path, rows)
    sheet = _Sheet(names, separator=separator, encoding="workbook")
    uneven: list[int] = []
    memo: dict[str, str] = {}  # one object per distinct text: exports repeat themselves
    for line, row in rows:
        if len(row) != len(names) and not _cut_to(row, len(names)):
            uneven.append(line)
            continue
        sheet.rows.append([memo.setdefault(cell, cell) for cell in row])
    if uneven:
        raise _ragged(path, len(names), uneven) if separator else no_separator(path.name)
    if not sheet.rows:
        raise bad_file(
            "header_only", path, "An export holds rows under its header.", "no rows", "Make the export again."
        )
    return _without_blank_names(path, sheet)


def _cut_to(row: list[str], width: int) -> bool:
    """Drop empty cells beyond `width`, which some systems write at the end of every line; False if others remain."""
    if len(row) < width or any(row[width:]):
        return False
    del row[width:]
    return True


def _ragged(path: Path, width: int, lines: Sequence[int]) -> UnusableInput:
    return bad_file(
        "ragged_lines",
        path,
        f"Every line has as many cells as there are columns ({width}).",
        f"{len(lines)} lines that have not, the first at line {lines[0]}",
        "Look there for a separator or line break inside a text; export with quotes around texts.",
    )


def _header(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    doubles = sum(count - 1 for name, count in Counter(names).items() if name and count > 1)
    if doubles:
        raise bad_file(
            "duplicate_column",
            path,
            "Every column has a name of its own.",
            f"{doubles} names that occur before",
            "Rename or remove the doubled columns in the export; if the file has no header, say `header: false`.",
        )
    return names


def _without_blank_names(path: Path, sheet: _Sheet) -> _Sheet:
    """Drop columns without a name that are empty throughout; refuse those that are not."""
    kept = [index for index, name in enumerate(sheet.names) if name]
    if len(kept) == len(sheet.names):
        return sheet
    blank = [index for index, name in enumerate(sheet.names) if not name]
    if any(row[index].strip() for row in sheet.rows for index in blank):
        raise bad_file(
            "unnamed_column",
            path,
            "Every column has a name.",
            f"{len(blank)} columns without one that hold values",
            "Name them in the export or remove them.",
        )
    rows = [[row[index] for index in kept] for row in sheet.rows]
    return _Sheet([sheet.names[index] for index in kept], rows, sheet.separator, sheet.encoding)


# Frames -----------------------------------------------------------------------------------------------------------


def _joined(source: str, parts: Sequence[tuple[_Sheet, str]]) -> Export:
    """Put files of one source under each other, and describe each."""
    import pandas as pd

    first, first_file = parts[0]
    for sheet, file in parts[1:]:
        if sheet.names != first.names:
            raise UnusableInput(
                "headers_differ",
                f"Files of one source ({source}) have the same columns in the same order.",
                f"{file} differs from {first_file}",
                "Export them alike, or make two sources of them.",
            )
    frames = [_frame(sheet) for sheet, _ in parts]
    detected = tuple(_detected(source, file, sheet, frame) for (sheet, file), frame in zip(parts, frames, strict=True))
    return Export(source, frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True), detected)


def _frame(sheet: _Sheet) -> pd.DataFrame:
    import pandas as pd

    cells = zip(*sheet.rows, strict=True) if sheet.rows else ([] for _ in sheet.names)
    return pd.DataFrame({name: pd.Series(column, dtype="str") for name, column in zip(sheet.names, cells, strict=True)})


def _detected(source: str, file: str, sheet: _Sheet, frame: pd.DataFrame) -> Detected:
    from node.formats import distinct_texts

    texts = {str(name): distinct_texts(frame[name], SAMPLE_ROWS) for name in frame}
    return Detected(
        source=source,
        file=file,
        separator=sheet.separator,
        encoding=sheet.encoding.removesuffix("-sig"),
        decimal=shown_mark(texts.values()),
        dates={name: form for name, values in texts.items() if (form := shown_dates(values))},
        rows=len(frame),
        columns=len(sheet.names),
    )
