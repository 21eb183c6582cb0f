"""Arrives: the files of a source and the columns a mapping reads. Leaves: the source as numbers, read by DuckDB.

Each file is read twice: once to list the different texts of every column that is needed, once (by who asks for the
rows) to put numbers in their place. The first pass touches every column, so that a byte that is no UTF-8 is met.
`None` leaves where DuckDB might read a file otherwise than Python's csv module does, or stumbles: then
`node/bulk/walking.py` reads it, or says what is wrong with it.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from node.bulk.bytes_of_csv import look_at
from node.bulk.coded import Needed, Raw, narrowest
from node.bulk.texts import Cells, dictionaries
from node.bulk.workshop import Workshop
from node.errors import UnusableInput
from node.intake import SAMPLE_ROWS, Detected, Sheet, describe, frame_of, header_of, text_rows, without_blank_names
from node.sources.detection import SEPARATOR_NAMES, separator_of

if TYPE_CHECKING:
    import pandas as pd

    from node.mapping_document import Source

HEAD_ROWS = 20_000  # looked at in Python, for what is shown and for recognising identifiers
ENCODING = "utf-8-sig"
LONGEST_LINE = 131_072  # as Python's csv module takes them, in one cell
MARKS = {";": "';'", ",": "','", "|": "'|'", "\t": "'\t'", "": "','"}


@dataclass(frozen=True)
class _File:
    """One file that can be read in one way only: its names of columns, its first filled rows, its reading in SQL."""

    path: Path
    names: list[str]
    head: list[list[str]]
    separator: str
    query: str
    lines: int


def read_csv(
    name: str, paths: Sequence[Path], source: Source, needed: Needed, shop: Workshop, open_files: ExitStack
) -> Raw | None:
    """Return the source, or None where the files have to be walked. `open_files` is closed when the rows were taken.

    Raises UnusableInput as `node.intake.read_exports` does for an encoding or separator that does not fit.
    """
    import duckdb

    found = [_file(path, source, open_files) for path in paths]
    files = [file for file in found if file is not None]
    if len(files) < len(found) or any(file.names != files[0].names for file in files):
        return None
    try:
        return _raw(name, files, source.missing, needed, shop)
    except duckdb.InvalidInputException:  # ragged lines, stray quotes: the walk finds out
        return None


def _file(path: Path, source: Source, open_files: ExitStack) -> _File | None:
    """A file that can be read in one way only; None for another, and for one that is wrong: the walk says of what."""
    try:
        separator = separator_of(path, source, ENCODING)
        seen = look_at(path, separator)
        if not seen.plain or source.encoding not in (None, "utf-8"):
            return None
        with text_rows(path, ENCODING, separator) as rows:
            first = next(rows, (0, []))
            names = list(source.columns) or header_of(path, iter([first]))
            body = rows if not source.columns else itertools.chain([first], rows)
            head = [row for _, row in itertools.islice(body, HEAD_ROWS)]
    except (UnusableInput, UnicodeDecodeError):
        return None
    begun = not _marked(path) if source.columns else first[0] == 1  # a header of several lines, or blank ones above it
    if not begun or not head or any(len(row) != len(names) for row in head):
        return None
    file = open_files.enter_context(path.open("rb"))
    query = _reading(file.fileno(), separator, len(names), seen.quotes, header=not source.columns)
    return _File(path, names, head, separator, query, seen.lines - (not source.columns))


def _marked(path: Path) -> bool:
    """Whether a byte order mark begins the file, which would belong to its first cell where there is no header."""
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _reading(descriptor: int, separator: str, width: int, quotes: bool, header: bool) -> str:
    """SQL of one open file: no name or text of it stands in the statement, and no pattern is looked for in its name."""
    columns = ", ".join(f"'r{number}': 'VARCHAR'" for number in range(width))
    quote = "'\"'" if quotes else "''"
    return (
        f"SELECT * FROM read_csv('/proc/self/fd/{descriptor}', auto_detect = false, header = {str(header).lower()}, "
        f"delim = {MARKS[separator]}, quote = {quote}, escape = {quote}, comment = '', compression = 'none', "
        f"columns = {{{columns}}}, strict_mode = true, max_line_size = {LONGEST_LINE})"
    )


def _raw(name: str, files: Sequence[_File], missing: Sequence[str], needed: Needed, shop: Workshop) -> Raw | None:
    head = list(itertools.islice((row for file in files for row in file.head), HEAD_ROWS))
    cells = Cells([file.query for file in files], files[0].names, head)
    found = dictionaries(cells, needed, shop)
    if found is None or found.lines != tuple(file.lines for file in files) or 0 in found.rows:
        return None
    columns = {column: f"r{cells.names.index(column)}" for column in found.texts}
    coded = [_coded(cell, found.numbered[column], found.texts[column]) for column, cell in columns.items()]
    blank = "" if found.lines == found.rows else f" WHERE {cells.filled}"
    whole = ", ".join(f"r{at}" for at, column in enumerate(cells.names) if column)
    return Raw(
        source=name,
        query=f"SELECT {', '.join(coded) or '1 AS one'} FROM ({cells.query}){blank}",
        columns=columns,
        texts=found.texts,
        sample=found.sample,
        detected=tuple(_described(name, file, rows, missing) for file, rows in zip(files, found.rows, strict=True)),
        rows=sum(found.rows),
        lines=f"SELECT hash({whole}) AS line FROM ({cells.query}){blank}",
    )


def _coded(cell: str, number: str, texts: pd.Series) -> str:
    """SQL of the number of a cell's text, also of an empty one."""
    number = f"coalesce({number}, {texts.index[-1]})" if texts.iloc[-1] == "" else number
    return f"{number}::{narrowest(texts.index.max() + 1)} AS {cell}"


def _described(name: str, file: _File, rows: int, missing: Sequence[str]) -> Detected:
    sheet = Sheet(file.names, file.head[:SAMPLE_ROWS], SEPARATOR_NAMES[file.separator], ENCODING)
    named = without_blank_names(file.path, sheet)
    described = describe(name, file.path.name, named, frame_of(named), missing)
    return replace(described, rows=rows)
