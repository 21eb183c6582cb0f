"""Arrives: a folder of exports and how a mapping names them. Leaves: tables of text, and what was detected.

Nothing is guessed in silence: separator, encoding, decimal mark and date formats are detected and shown, and a file
that fits none of them is refused with the rule, what was found (never a cell) and the remedy. Every cell stays
text, so that `0123` stays `0123`.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from node.identifying import masked
from node.mapping_document import Source, Sql
from node.sources.detection import (
    SEPARATOR_NAMES,
    bad_file,
    encoding_of,
    no_separator,
    separator_of,
    shown_dates,
    shown_mark,
)
from node.sources.file_names import cells_of_name, doubled_names, with_cells_of_name
from node.sources.parquet import parquet_rows
from node.sources.records import read_records
from node.sources.sql_source import Databases
from node.sources.workbook import Workbooks
from node.sources.xml_elements import read_elements

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
class Sheet:
    """Rows of one file on their way to a frame: column names, then rows of text of exactly that length."""

    names: list[str]
    rows: list[list[str]] = field(default_factory=list)
    separator: str = ""
    encoding: str = ""


def read_exports(
    folder: Path,
    sources: Mapping[str, Source],
    only: str | None = None,
    most: int | None = None,
    connections: Path | None = None,
) -> dict[str, Export]:
    """Read every source of a mapping from one folder; records become one export per kind, `source#KIND`.

    An optional source of which there is no file is left out.

    only: the name of the one file to look at, where a person names a file instead of a folder; most: read no more
    than so many rows of a file, for a look at what it is (the counts of a closing record are not checked then);
    connections: where the databases of queries are.

    Raises UnusableInput: a file is missing, empty, has a header only, another separator or encoding than pinned,
    duplicate column names, lines of unequal length, records that do not add up.
    """
    exports: dict[str, Export] = {}
    with Workbooks() as books, Databases(connections) as databases:
        for name, source in sources.items():
            if source.sql is not None:
                exports[name] = _joined(name, [_queried(source, source.sql, databases, most)], source.missing)
                continue
            if name not in sources_there(folder, {name: source}, only):
                continue
            parts = [_read_file(path, source, books, most) for path in matching_files(folder, source, only)]
            for kind in parts[0]:
                full_name = f"{name}#{kind}" if kind else name
                exports[full_name] = _joined(full_name, [part[kind] for part in parts], source.missing)
    return exports


def sources_there(folder: Path, sources: Mapping[str, Source], only: str | None = None) -> dict[str, Source]:
    """Return the sources without the optional ones of which there is no file."""
    if not folder.is_dir():
        return dict(sources)
    kept = {name: one for name, one in sources.items() if one.sql or not one.optional or named_files(folder, one, only)}
    return kept


def matching_files(folder: Path, source: Source, only: str | None = None) -> list[Path]:
    """Return the files of the folder that the pattern of a source names, sorted; at least one."""
    if not folder.is_dir():
        raise UnusableInput(
            "no_folder", "Exports are read from a folder.", f"{folder} is not a folder", "Name the folder with exports."
        )
    if found := named_files(folder, source, only):
        return found
    raise UnusableInput(
        "missing_file",
        f"The mapping reads a file named {source.file}.",
        f"{len(_names(folder, only))} files in {folder.name}, none with such a name",
        "Put the export in the folder, or correct `file` in the mapping.",
    )


def _names(folder: Path, only: str | None) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name[0] not in ".~")
    return [name for name in names if only in (None, name)]


def named_files(folder: Path, source: Source, only: str | None = None) -> list[Path]:
    """Return the files of the folder that the pattern of a source names, sorted; perhaps none."""
    wanted = source.file.casefold()
    return [folder / name for name in _names(folder, only) if fnmatch.fnmatchcase(name.casefold(), wanted)]


def _read_file(path: Path, source: Source, books: Workbooks, most: int | None) -> dict[str, tuple[Sheet, str]]:
    """Kind of record ("" where there is one kind) -> its rows and the name of the file they came from."""
    if path.stat().st_size == 0:
        raise bad_file("empty_file", path, "An export holds rows.", "an empty file", "Make the export again.")
    sheets = _sheets(path, source, books, most)
    if source.name is not None:
        cells = cells_of_name(path, source.name)
        for sheet in sheets.values():
            sheet.names = with_cells_of_name(path, sheet.names, sheet.rows, cells)
    return {kind: (sheet, path.name) for kind, sheet in sheets.items()}


def _queried(source: Source, sql: Sql, databases: Databases, most: int | None) -> tuple[Sheet, str]:
    """The rows of a query, and the database they came from in place of a file."""
    label = query_label(sql)
    return _with_header(Path(label), source, _first(databases.rows(sql), most), "SQL", "utf-8"), label


def query_label(sql: Sql) -> str:
    """Return what stands for a query where a file has its name."""
    return f"sql:{sql.connection}"


def _sheets(path: Path, source: Source, books: Workbooks, most: int | None) -> dict[str, Sheet]:
    match path.suffix.lower():
        case ".xlsx":
            return {"": _with_header(path, source, _first(books.rows(path, source.sheet), most), "Excel")}
        case ".parquet":
            return {"": _with_header(path, source, _first(parquet_rows(path), most), "Parquet", "utf-8")}
        case ".xml" if source.xml is not None:
            kinds, encoding = read_elements(path, source.xml)
            return {name: Sheet(kind.names, kind.rows[:most], "XML", encoding) for name, kind in kinds.items()}
        case _:
            return _text_sheets(path, source, most)


def _text_sheets(path: Path, source: Source, most: int | None) -> dict[str, Sheet]:
    encoding = encoding_of(path, source.encoding)
    separator = separator_of(path, source, encoding)
    with text_rows(path, encoding, separator) as rows:
        if source.records is not None:
            records = source.records if most is None else source.records.model_copy(update={"counts": None})
            kinds = read_records(path.name, records, _first(rows, most))
            sheets = {name: Sheet(kind.names, kind.rows) for name, kind in kinds.items()}
        else:
            sheets = {"": _with_header(path, source, _first(rows, most), separator)}
    for sheet in sheets.values():
        sheet.separator, sheet.encoding = SEPARATOR_NAMES[separator], encoding
    return sheets


# Rows -------------------------------------------------------------------------------------------------------------


def _first(rows: Iterator[tuple[int, list[str]]], most: int | None) -> Iterator[tuple[int, list[str]]]:
    """The heading and the first `most` rows; all of them without a limit."""
    return rows if most is None else itertools.islice(rows, most + 1)


@contextmanager
def text_rows(path: Path, encoding: str, separator: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
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


def _with_header(
    path: Path, source: Source, rows: Iterator[tuple[int, list[str]]], separator: str, encoding: str = "workbook"
) -> Sheet:
    names = list(source.columns) or header_of(path, rows)
    sheet = Sheet(names, separator=separator, encoding=encoding)
    memo: dict[str, str] = {}  # one object per distinct text: exports repeat themselves
    for row in even_rows(path, names, rows, separator):
        sheet.rows.append([memo.setdefault(cell, cell) for cell in row])
    return without_blank_names(path, sheet)


def even_rows(
    path: Path, names: Sequence[str], rows: Iterator[tuple[int, list[str]]], separator: str
) -> Iterator[list[str]]:
    """Yield the rows under a header, each as long; at the end raise UnusableInput if one was not, or none came."""
    uneven: list[int] = []
    found = False
    for line, row in rows:
        found = True
        if len(row) == len(names) or _cut_to(row, len(names)):
            yield row
        else:
            uneven.append(line)
    if uneven:
        raise _ragged(path, len(names), uneven) if separator else no_separator(path.name)
    if not found:
        raise bad_file(
            "header_only", path, "An export holds rows under its header.", "no rows", "Make the export again."
        )


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


def header_of(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """Return the names in the first row, without surrounding space; raises UnusableInput for doubled ones."""
    _, header = next(rows, (0, []))
    names = [name.strip() for name in header]
    doubles = sum(count - 1 for name, count in Counter(names).items() if name and count > 1)
    if doubles:
        remedy = "Rename or remove the doubled columns in the export; if the file has no header, say `header: false`."
        raise doubled_names(path, doubles, remedy)
    return names


def nameless(path: Path, columns: int) -> UnusableInput:
    """Return the error about columns without a name that hold values."""
    return bad_file(
        "unnamed_column",
        path,
        "Every column has a name.",
        f"{columns} columns without one that hold values",
        "Name them in the export or remove them.",
    )


def without_blank_names(path: Path, sheet: Sheet) -> Sheet:
    """Drop columns without a name that are empty throughout; refuse those that are not."""
    kept = [index for index, name in enumerate(sheet.names) if name]
    if len(kept) == len(sheet.names):
        return sheet
    blank = [index for index, name in enumerate(sheet.names) if not name]
    if any(row[index].strip() for row in sheet.rows for index in blank):
        raise nameless(path, len(blank))
    rows = [[row[index] for index in kept] for row in sheet.rows]
    return Sheet([sheet.names[index] for index in kept], rows, sheet.separator, sheet.encoding)


# Frames -----------------------------------------------------------------------------------------------------------


def _joined(source: str, parts: Sequence[tuple[Sheet, str]], missing: Sequence[str]) -> Export:
    """Put files of one source under each other, and describe each."""
    import pandas as pd

    first, first_file = parts[0]
    for sheet, file in parts[1:]:
        if sheet.names != first.names:
            raise headers_differ(source, file, first_file)
    frames = [frame_of(sheet) for sheet, _ in parts]
    pairs = zip(parts, frames, strict=True)
    detected = tuple(describe(source, file, sheet, frame, missing) for (sheet, file), frame in pairs)
    return Export(source, frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True), detected)


def headers_differ(source: str, file: str, first_file: str) -> UnusableInput:
    """Return the error about two files of one source that cannot be put under each other."""
    return UnusableInput(
        "headers_differ",
        f"Files of one source ({source}) have the same columns in the same order.",
        f"{file} differs from {first_file}",
        "Export them alike, or make two sources of them.",
    )


def frame_of(sheet: Sheet) -> pd.DataFrame:
    """Return the rows as columns of text."""
    import pandas as pd

    cells = zip(*sheet.rows, strict=True) if sheet.rows else ([] for _ in sheet.names)
    return pd.DataFrame({name: pd.Series(column, dtype="str") for name, column in zip(sheet.names, cells, strict=True)})


def describe(source: str, file: str, sheet: Sheet, frame: pd.DataFrame, missing: Sequence[str] = ()) -> Detected:
    """Return what is shown of a file whose rows are `frame`. missing: texts that stand for "not known"."""
    from node.sources.formats import distinct_texts

    held = {str(name): distinct_texts(frame[name], SAMPLE_ROWS) for name in frame}
    texts = {name: [text for text in values if text not in missing] for name, values in held.items()}
    return Detected(
        source=source,
        file=masked(file),
        separator=sheet.separator,
        encoding=sheet.encoding.removesuffix("-sig"),
        decimal=shown_mark(texts.values()),
        dates={name: form for name, values in texts.items() if (form := shown_dates(values))},
        rows=len(frame),
        columns=len(sheet.names),
    )
