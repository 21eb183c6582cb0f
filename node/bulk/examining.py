"""Arrives: large exports and a mapping. Leaves: tables that are not in memory, and the report that small ones get.

The path is that of `node/ingest.py`, with DuckDB carrying the rows: `csv_reading` or `walking`, `protecting`, `filling`
(with `looking_up`), `repairing`, `assembling`, `table`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path
from typing import TYPE_CHECKING

from node import mapping
from node.bulk.assembling import Rows, put_together, settle
from node.bulk.coded import Coded, Needed, Raw
from node.bulk.csv_reading import read_csv
from node.bulk.filling import Filling
from node.bulk.protecting import People, protect
from node.bulk.table import BulkTable
from node.bulk.walking import Part, of_frame, parquet_part, query_part, text_part, walk, workbook_part
from node.bulk.workshop import Workshop
from node.bulk.writing import written
from node.conformance import Measured, Quality, TableQuality, quality_of
from node.intake import Detected, matching_files, read_exports, sources_there
from node.mapping import counted, identifier_of, references, settings_of
from node.sources.sql_source import Databases
from node.sources.workbook import Workbooks
from shared_schema import About
from shared_schema.report import Finding, count
from shared_schema.validation import report_of, structure_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from experiments.terminal import Progress
    from node.mapping_document import MappingDocument, Source
    from shared_schema import Schema
    from shared_schema.columns import Table

    Weights = Mapping[str, npt.NDArray[np.int64]]

STAGE = "innemen / taking in"
TEXT_FILES = (".csv", ".tsv", ".txt", ".asc")
ROWS = (*TEXT_FILES, ".parquet", ".xlsx")  # files that are walked row by row


@dataclass(frozen=True)
class Places:
    """Where everything is. exports: the folder; only: the one file of it to look at; connections: where databases are;
    work: a private folder to work in."""

    exports: Path
    only: str | None = None
    connections: Path | None = None
    work: Path | None = None

    def there(self, document: MappingDocument) -> dict[str, Source]:
        """Return the sources without the optional ones of which there is no file."""
        return sources_there(self.exports, document.sources, self.only)


@dataclass(frozen=True)
class Found:
    """A delivery before it is stored. quality: without the mapping's hash and what is seen between tables; identical:
    source -> lines that repeat an earlier one letter by letter, and all lines."""

    tables: Mapping[str, BulkTable]
    quality: Quality
    identical: Mapping[str, tuple[int, int]]

    @property
    def files(self) -> dict[str, Path]:
        """Table -> the Parquet file with its rows."""
        return {name: table.file for name, table in self.tables.items()}


def is_large(folder: Path, document: MappingDocument, only: str | None, bulk_from: int) -> bool:
    """Say whether the files of a mapping have so many bytes that their rows are better not held in memory.

    Always with a query: how much it gives is known afterwards. Never where rows are told apart by their place in the
    file: such a pseudonym is made from the file as a whole.
    """
    identifiers = [document.identifier, *(source.identifier for source in document.sources.values())]
    if any(identifier and identifier.row for identifier in identifiers):
        return False
    there = sources_there(folder, document.sources, only).values()
    if any(source.sql for source in there):
        return True
    files = [path for source in there for path in matching_files(folder, source, only)]
    return sum(path.stat().st_size for path in files if path.suffix.lower() in ROWS) >= bulk_from


def examine(
    places: Places,
    document: MappingDocument,
    schema: Schema,
    people: Callable[[str], People],
    progress: Progress | None = None,
) -> Found:
    """Walk the path up to the quality report. people: source -> how its numbers become pseudonyms.

    Raises UnusableInput for whatever `node.ingest.examine` raises it for, and where a column is made of more different
    cells than memory holds.
    """
    detected: list[Detected] = []
    sources: dict[str, Coded] = {}
    shop, there = Workshop(places.work), places.there(document)
    tell = _teller(progress, len(there) + len(document.tables))
    with ExitStack() as files, Workbooks() as books, Databases(places.connections) as databases:
        reader = _Reader(document, places, shop, files, books, databases)
        for name, source in there.items():
            tell(name)
            for raw in reader.read(name, source):
                detected += raw.detected
                identifier = identifier_of(document, raw.source, raw.sample.columns)
                sources[raw.source] = protect(raw, identifier, document.drop, people(raw.source), shop)
        shop.may_spill()
        outlines = {name: source.outline for name, source in sources.items()}
        mapping.fit_check(document, outlines, schema)
        filling = Filling(sources, {name: settings_of(document, name) for name in sources}, schema, shop)
        made = {table: _table(table, document, filling, tell) for table in document.tables}
        identical = _identical(document, sources, {table: one.merged for table, one in made.items()}, shop)
    shop.leave()
    quality = Quality(
        layout=document.layout,
        mapping_hash="",
        tolerance=float(document.tolerance),
        sources=tuple(detected),
        protections=tuple(source.protection for source in sources.values()),
        unread=mapping.unread_columns(document, outlines),
        tables=tuple(one.quality for one in made.values()),
    )
    return Found({table: one.table for table, one in made.items()}, quality, identical)


def _teller(progress: Progress | None, steps: int) -> Callable[[str], None]:
    """Say before each source and table which one is at work, and how many are done."""
    done = count_up()

    def tell(at_work: str) -> None:
        if progress is not None:
            progress(STAGE, next(done), steps, at_work)

    return tell


def _identical(
    document: MappingDocument, sources: Mapping[str, Coded], merged: Mapping[str, int], shop: Workshop
) -> dict[str, tuple[int, int]]:
    """Source -> lines that repeat an earlier one, and all lines.

    Equal lines make equal rows. So a source that fills a table as it is, of which no rows were merged, has none; of
    another one the lines are read once more.
    """
    plain = {
        rule.source
        for table, rules in document.tables.items()
        for rule in rules
        if not merged[table] and not rule.where and rule.keep is None and rule.unpivot is None and not rule.spans
    }
    found: dict[str, tuple[int, int]] = {}
    for name, source in sources.items():
        repeated = source.lines
        if isinstance(repeated, str):
            unique = name in plain and source.read - source.rows <= 1
            counted_lines = f"SELECT count(*) - count(DISTINCT line) FROM ({repeated})"
            repeated = 0 if unique else int(shop.one(counted_lines))
        if repeated:
            found[name] = (repeated, source.read)
    return found


@dataclass(frozen=True)
class _Reader:
    """What reads the sources of one delivery; files, workbooks and databases stay open until their rows were taken."""

    document: MappingDocument
    places: Places
    shop: Workshop
    files: ExitStack
    books: Workbooks
    databases: Databases

    def read(self, name: str, source: Source) -> list[Raw]:
        """One source, or one for each kind of record in it."""
        needed, shop = _needed(name, self.document), self.shop
        if source.sql is not None:
            return [walk(name, [query_part(source.sql, self.databases)], source, needed, shop)]
        paths = matching_files(self.places.exports, source, self.places.only)
        whole = source.records or source.name or source.xml or any(not path.stat().st_size for path in paths)
        kind = Path(source.file).suffix.lower()
        if whole or kind not in ROWS:
            exports = read_exports(self.places.exports, {name: source}, self.places.only)
            return [of_frame(export, _needed(full, self.document), shop) for full, export in exports.items()]
        read = read_csv(name, paths, source, needed, shop, self.files) if kind in TEXT_FILES else None
        return [read or walk(name, [self._part(path, source) for path in paths], source, needed, shop)]

    def _part(self, path: Path, source: Source) -> AbstractContextManager[Part]:
        match path.suffix.lower():
            case ".parquet":
                return parquet_part(path)
            case ".xlsx":
                return workbook_part(path, source, self.books)
            case _:
                return text_part(path, source)


def _needed(name: str, document: MappingDocument) -> Needed:
    """The columns of a source that a rule reads, or that name its students."""
    read = {pair for rules in document.tables.values() for rule in rules for pair in references(rule)}
    own = settings_of(document, name).identifier
    identifier = None if own is False else own or document.identifier
    identifiers = set(identifier.column) if identifier else set()
    return Needed({column for source, column in read if source == name} | identifiers, identifiers)


@dataclass(frozen=True)
class _Made:
    """One table: its file, its part of the report, and how many rows were merged."""

    table: BulkTable
    quality: TableQuality
    merged: int


def _table(table: str, document: MappingDocument, filling: Filling, tell: Callable[[str], None]) -> _Made:
    tell(table)
    declared, shop = filling.schema.table(table), filling.shop
    blocks = [block for rule in document.tables[table] for block in filling.blocks(table, rule)]
    rows, not_kept = put_together(blocks, declared, filling.schema, shop)
    fate = settle(rows, declared, shop)
    filling.tally(table)["not_kept"], filling.tally(table)["merged"] = not_kept, fate.merged
    before = _weights(rows, fate.delivered, shop)
    kept = fate.delivered if fate.all_kept else shop.table("kept", fate.kept)
    after = before if fate.all_kept else _weights(rows, kept, shop)
    measured = _measured(rows, declared, (shop.size(fate.delivered), before), (shop.size(kept), after), kept, shop)
    names = [
        *([declared.unit] if declared.unit else []),
        *rows.values,
        *(name for one in blocks for name in one.strange),
    ]
    findings = structure_of(declared, list(dict.fromkeys(names)), measured.delivered)
    findings += _findings(rows, before) + count("duplicate", "", fate.duplicate)
    report = report_of(declared, measured.delivered, findings, measured.delivered - measured.kept)
    counts = [one for one in counted(filling.tallies) if one.table == table]
    made = written(rows, kept, declared, measured.kept, shop)
    shop.drop(*{rows.name, fate.delivered, kept})
    return _Made(made, quality_of(measured, report, counts, float(document.tolerance)), fate.merged)


def _weights(rows: Rows, table: str, shop: Workshop) -> dict[str, npt.NDArray[np.int64]]:
    """Column -> how many rows of a table have each of its values."""
    import numpy as np

    found = {}
    for column, name in rows.names.items():
        weights = np.zeros(len(rows.values[column].given), dtype=np.int64)
        counts = shop.connection.execute(f"SELECT {name} AS number, count(*) AS rows FROM {table} GROUP BY ALL")
        grouped = counts.fetchnumpy()
        weights[grouped["number"]] = grouped["rows"]
        found[column] = weights
    return found


def _measured(
    rows: Rows, table: Table, before: tuple[int, Weights], after: tuple[int, Weights], kept: str, shop: Workshop
) -> Measured:
    """before, after: rows and weights as delivered and as kept; kept: SQL table of the rows that are kept."""
    values = rows.values
    filled = {name: int(weights[values[name].given.notna()].sum()) for name, weights in before[1].items()}
    present = {name: int(weights[values[name].kept.notna()].sum()) for name, weights in after[1].items()}
    if table.unit is not None:
        filled, present = {table.unit: before[0]} | filled, {table.unit: after[0]} | present
    people = shop.one(f"SELECT count(DISTINCT student) FROM {kept}") if table.about is About.STUDENT else 0
    return Measured(before[0], filled, after[0], present, int(people))


def _findings(rows: Rows, weights: Weights) -> list[Finding]:
    return [
        finding
        for column, values in rows.values.items()
        for rule, broken in values.broken.items()
        for finding in count(rule, column, int(weights[column][broken].sum()))
    ]
