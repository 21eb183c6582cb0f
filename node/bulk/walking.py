"""Arrives: the parts of a source, or the source as a frame. Leaves: the source as numbers, made row by row in Python.

For whatever DuckDB is not asked to read: text in other encodings, with quotes in odd places or line ends of two kinds,
Parquet files, workbooks and queries. They are walked a piece at a time, so that memory holds the different texts and
never the rows. A frame is what was read as a whole: records and XML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from node.bulk.coded import Needed, Raw
from node.bulk.texts import padded
from node.bulk.workshop import Workshop
from node.identifying import SAMPLE
from node.intake import (
    SAMPLE_ROWS,
    Detected,
    Export,
    Sheet,
    describe,
    even_rows,
    frame_of,
    header_of,
    headers_differ,
    nameless,
    query_label,
    text_rows,
)
from node.sources.detection import SEPARATOR_NAMES, encoding_of, separator_of
from node.sources.parquet import parquet_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from node.mapping_document import Source, Sql
    from node.sources.sql_source import Databases
    from node.sources.workbook import Workbooks

PIECE = 50_000  # rows


class _Coder:
    """Texts become numbers, column by column, in the order in which they are met; of columns not needed a sample."""

    def __init__(self, names: Sequence[str], needed: Needed, shop: Workshop) -> None:
        self.shop, self.table, self.names = shop, shop.name("walked"), list(names)
        self.codes: dict[int, dict[str, int]] = {at: {} for at, name in enumerate(names) if name in needed.columns}
        self.samples: dict[int, dict[str, None]] = {at: {} for at in range(len(names)) if at not in self.codes}
        self.rows = 0
        self.lines: list[npt.NDArray[np.int64]] = []  # a hash of each row
        columns = ", ".join(f"r{at} INTEGER" for at in self.codes) or "one INTEGER"
        shop.connection.execute(f"CREATE TEMP TABLE {self.table} ({columns})")

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        import numpy as np
        import pandas as pd

        numbers = {} if self.codes else {"one": np.ones(len(rows), dtype=np.int32)}
        for at, cells in enumerate(zip(*rows, strict=True)):
            if (codes := self.codes.get(at)) is not None:
                numbers[f"r{at}"] = np.array([codes.setdefault(cell, len(codes)) for cell in cells], dtype=np.int32)
            elif len(self.samples[at]) < SAMPLE:
                self.samples[at] |= dict.fromkeys(cell for cell in cells if cell.strip())
        self.lines.append(np.array([hash(tuple(row)) for row in rows], dtype=np.int64))
        self.shop.connection.append(self.table, pd.DataFrame(numbers))
        self.rows += len(rows)

    def raw(self, source: str, detected: tuple[Detected, ...]) -> Raw:
        import numpy as np
        import pandas as pd

        texts = {self.names[at]: pd.Series(list(known), dtype="str") for at, known in self.codes.items()}
        known = self.codes | self.samples
        sample = {name: [text for text in known[at] if text.strip()][:SAMPLE] for at, name in enumerate(self.names)}
        columns = {self.names[at]: f"r{at}" for at in self.codes}
        repeated = self.rows - len(np.unique(np.concatenate(self.lines))) if self.lines else 0
        query = f"SELECT * FROM {self.table}"
        return Raw(source, query, columns, texts, padded(sample), detected, self.rows, repeated, self.table)


@dataclass(frozen=True)
class Part:
    """One file or query of a source while it is open: its numbered rows, the header first.

    label: what it is called; separator: of its cells, or the kind of file that it is; encoding: as `Sheet` has it.
    """

    label: Path
    rows: Iterator[tuple[int, list[str]]]
    separator: str
    encoding: str


@contextmanager
def text_part(path: Path, source: Source) -> Iterator[Part]:
    """A text file."""
    encoding = encoding_of(path, source.encoding)
    separator = separator_of(path, source, encoding)
    with text_rows(path, encoding, separator) as rows:
        yield Part(path, rows, separator, encoding)


def parquet_part(path: Path) -> AbstractContextManager[Part]:
    """A Parquet file."""
    return nullcontext(Part(path, parquet_rows(path), "Parquet", "utf-8"))


def workbook_part(path: Path, source: Source, books: Workbooks) -> AbstractContextManager[Part]:
    """One sheet of a workbook."""
    return nullcontext(Part(path, books.rows(path, source.sheet), "Excel", "workbook"))


def query_part(sql: Sql, databases: Databases) -> AbstractContextManager[Part]:
    """A query, under the name of its database."""
    return nullcontext(Part(Path(query_label(sql)), databases.rows(sql), "SQL", "utf-8"))


def walk(
    name: str, parts: Sequence[AbstractContextManager[Part]], source: Source, needed: Needed, shop: Workshop
) -> Raw:
    """Return a source with one kind of row. Raises UnusableInput as `node.intake.read_exports` does."""
    coder: _Coder | None = None
    detected: list[Detected] = []
    first_file, other = "", ""
    for opened in parts:
        with opened as part:
            names = list(source.columns) or header_of(part.label, part.rows)
            named = [column for column in names if column]
            coder = coder or _Coder(named, needed, shop)
            first_file = first_file or part.label.name
            other = other or (part.label.name if named != coder.names else "")
            before, first = coder.rows, list[list[str]]()
            for piece in _pieces(part.label, names, even_rows(part.label, names, part.rows, part.separator)):
                first += piece[: SAMPLE_ROWS - len(first)]
                if not other:
                    coder.add(piece)
        sheet = Sheet(named, first, SEPARATOR_NAMES.get(part.separator, part.separator), part.encoding)
        shown = describe(name, part.label.name, sheet, frame_of(sheet), source.missing)
        detected.append(replace(shown, rows=coder.rows - before))
    if coder is None or other:
        raise headers_differ(name, other, first_file)
    return coder.raw(name, tuple(detected))


def _pieces(path: Path, names: Sequence[str], rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """The cells of columns that have a name, some rows at a time; at the end refuse values in those that have none."""
    kept = [at for at, name in enumerate(names) if name]
    blank = [at for at, name in enumerate(names) if not name]
    held = False
    while piece := list(islice(rows, PIECE)):
        held = held or any(row[at].strip() for row in piece for at in blank)
        yield [[row[at] for at in kept] for row in piece] if blank else piece
    if held:
        raise nameless(path, len(blank))


def of_frame(export: Export, needed: Needed, shop: Workshop) -> Raw:
    """Return a source that was read as a whole: records, XML, or files whose names hold cells."""
    names = [str(name) for name in export.frame]
    coder = _Coder(names, needed, shop)
    rows = zip(*(export.frame[name].tolist() for name in names), strict=True)
    while piece := list(islice(rows, PIECE)):
        coder.add(piece)
    return coder.raw(export.source, export.detected)
