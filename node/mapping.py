"""Arrives: protected exports and a mapping. Leaves: tables with the names and types of the shared schema, and counts.

Nothing here decides about a value: what a rule cannot read becomes missing and is counted; whether that is grave is
said by `node/conformance.py`. A mapping that names a column that is not there, or that was dropped as a direct
identifier, is refused before any row is read.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from node.cells import DTYPES, Kind, Note, filled
from node.column_rules import FromRule, OneHotRule, Part, at_week, parts_of
from node.computed import Rows, evaluate
from node.errors import UnusableInput
from node.identifiers import Protected, is_known_identifier
from node.mapping_document import Identifier, Keep, MappingDocument, Source, TableRule, all_rules
from shared_schema import Schema, SchemaError, Type

KINDS: Mapping[Type, Kind] = {
    Type.PSEUDONYM: "text",
    Type.CODE: "text",
    Type.TEXT: "text",
    Type.INTEGER: "whole",
    Type.DECIMAL: "number",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
}
SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Count:
    """How often something happened while one column was filled: numbers only.

    what: unreadable, unlisted (not in a recode list), otherwise (idem, with a declared otherwise), none_set,
    several_set (of one-hot flags), ambiguous (a look-up with several answers); for a whole table (column ""): left_out
    (by `where`), merged (identical rows), not_kept (by `keep`).
    """

    table: str
    column: str
    what: str
    rows: int


@dataclass(frozen=True)
class Delivery:
    """Tables as the mapping makes them. unread: source -> its columns that no rule reads, dropped ones left out."""

    tables: Mapping[str, pd.DataFrame]
    counts: tuple[Count, ...]
    unread: Mapping[str, tuple[str, ...]]


def settings_of(document: MappingDocument, name: str) -> Source:
    """Return how the source behind a full name (`file` or `file#KIND`) is read."""
    return document.sources[name.partition("#")[0]]


def identifier_of(document: MappingDocument, name: str, columns: Iterable[str]) -> Identifier | None:
    """Return the identifier of a source; None where its rows are not about students.

    Kinds of record that lack the identifier's fields (a heading, a closing line) are not about students.
    Raises UnusableInput when a source of students has no identifier declared.
    """
    source = settings_of(document, name)
    if source.identifier is False:
        return None
    identifier = source.identifier or document.identifier
    if identifier is None:
        raise UnusableInput(
            "no_identifier",
            f"Source {name} names its students by a column.",
            "no `identifier` in the mapping",
            "Add `identifier`, or `identifier: false` for a table that is not about students.",
        )
    if source.records is not None and not set(identifier.column) & set(columns):
        return None
    return identifier


def apply(document: MappingDocument, exports: Mapping[str, Protected], schema: Schema) -> Delivery:
    """Fill every table of the mapping. Raises UnusableInput for a mapping that does not fit exports or schema."""
    _check(document, exports, schema)
    settings = {name: settings_of(document, name) for name in exports}
    tallies: dict[tuple[str, str], Counter[str]] = {}
    tables = {
        table: _table(table, rules, _Fill(exports, settings, schema, tallies))
        for table, rules in document.tables.items()
    }
    counts = tuple(
        Count(table, column, what, rows)
        for (table, column), tally in tallies.items()
        for what, rows in sorted(tally.items())
        if rows
    )
    return Delivery(tables, counts, _unread(document, exports))


# Filling one table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fill:
    """What every table is filled from, and where counts are kept."""

    exports: Mapping[str, Protected]
    settings: Mapping[str, Source]
    schema: Schema
    tallies: dict[tuple[str, str], Counter[str]]

    def tally(self, table: str, column: str = "") -> Counter[str]:
        return self.tallies.setdefault((table, column), Counter())

    def column(self, table: str, name: str, rule: Part, protected: Protected) -> pd.Series:
        kind = KINDS[self.schema.column(table, name).type]
        rows = Rows(protected, self.exports, self.settings, Note(self.tally(table, name), f"{table}.{name}"))
        return evaluate(rule, rows, kind)


def _table(table: str, rules: Iterable[TableRule], fill: _Fill) -> pd.DataFrame:
    frames = [part for rule in rules for part in _parts(table, rule, fill)]
    whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    distinct = whole.drop_duplicates(ignore_index=True)
    fill.tally(table)["merged"] += len(whole) - len(distinct)
    return distinct


def _parts(table: str, rule: TableRule, fill: _Fill) -> Iterator[pd.DataFrame]:
    """The frames that one table rule gives: one, or one per week or span."""
    protected = _where(table, rule, fill)
    own = {name: fill.column(table, name, column, protected) for name, column in rule.columns.items()}
    if rule.unpivot is None and not rule.spans:
        yield _kept(table, rule.keep, protected, _frame(protected, own), fill)
        return
    for week, weeks, columns in _blocks(rule):
        values = {name: fill.column(table, name, column, protected) for name, column in columns.items()}
        there = pd.concat([column.notna() for column in values.values()], axis=1).any(axis=1)
        numbers = {"week": week} if weeks is None else {"week": week, "weeks": weeks}
        block = _frame(protected, own | values).assign(**numbers)
        yield block[there].astype(dict.fromkeys(numbers, DTYPES["whole"])).reset_index(drop=True)


def _blocks(rule: TableRule) -> Iterator[tuple[int, int | None, Mapping[str, Part]]]:
    """Last week, number of weeks and columns of every block of a wide table."""
    if rule.unpivot is not None:
        for week in rule.unpivot.weeks:
            yield week, None, {name: at_week(column, week) for name, column in rule.unpivot.columns.items()}
    for span in rule.spans:
        yield span.week, span.weeks, span.columns


def _frame(protected: Protected, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    return pd.DataFrame({"student": protected.students, **columns})


def _where(table: str, rule: TableRule, fill: _Fill) -> Protected:
    """The rows of the source that `where` keeps."""
    protected = fill.exports[rule.source]
    keep = pd.Series(True, index=protected.frame.index)
    for name, values in rule.where.items():
        keep &= filled(protected.frame[name]).isin(list(values))
    fill.tally(table)["left_out"] += int((~keep).sum())
    students = protected.students
    return replace(
        protected,
        frame=protected.frame[keep].reset_index(drop=True),
        students=None if students is None else students[keep].reset_index(drop=True),
    )


def _kept(table: str, keep: Keep | None, protected: Protected, frame: pd.DataFrame, fill: _Fill) -> pd.DataFrame:
    """One row per key by `keep`; rows that tie all stay, and conformance sets them aside."""
    if keep is None:
        return frame
    key = [name for name in fill.schema.table(table).key if name in frame.columns]
    rows = Rows(protected, fill.exports, fill.settings, Note(fill.tally(table), f"{table}.keep"))
    order = evaluate(keep.by, rows, "date")
    ends = order.groupby([frame[name] for name in key], dropna=False).transform("max" if keep.latest else "min")
    stays = (order == ends) | ends.isna()
    fill.tally(table)["not_kept"] += int((~stays).sum())
    return frame[stays].reset_index(drop=True)


# Checks before any row is read ------------------------------------------------------------------------------------


def _check(document: MappingDocument, exports: Mapping[str, Protected], schema: Schema) -> None:
    faults = [*_schema_faults(document, schema), *_source_faults(document, exports)]
    faults = list(dict.fromkeys(faults))
    if not faults:
        return
    codes = {code for code, _ in faults}
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    raise UnusableInput(
        codes.pop() if len(codes) == 1 else "mapping_does_not_fit",
        "A mapping fits the shared schema and the exports it is used on.",
        "; ".join(text for _, text in faults[:SHOWN_FAULTS]) + more,
        "Correct the mapping, or make the export again with the columns it needs.",
    )


def _schema_faults(document: MappingDocument, schema: Schema) -> Iterator[tuple[str, str]]:
    for table, rules in document.tables.items():
        names = {name for rule in rules for name in _filled_columns(rule)}
        if "student" in names:
            yield "student_is_given", f"table {table} maps `student`, which follows from `identifier`"
        for name in sorted(names - {"student"}):
            try:
                schema.column(table, name)
            except SchemaError as error:
                yield "unknown_column", str(error)


def _filled_columns(rule: TableRule) -> Iterator[str]:
    yield from rule.columns
    yield from rule.unpivot.columns if rule.unpivot else ()
    for span in rule.spans:
        yield from span.columns


def _source_faults(document: MappingDocument, exports: Mapping[str, Protected]) -> Iterator[tuple[str, str]]:
    for table, rules in document.tables.items():
        for rule in rules:
            if exports[rule.source].students is None:
                yield "no_identifier", f"table {table} reads {rule.source}, whose rows are not about students"
            for source, column in sorted(_references(rule)):
                yield from _column_faults(document, table, exports[source], column)


def _references(rule: TableRule) -> set[tuple[str, str]]:
    """Every (source, column) that a table rule reads."""
    parts = [part for column in _week_by_week(rule) for part in parts_of(column)]
    found = {(rule.source, name) for name in rule.where}
    for part in parts:
        if isinstance(part, OneHotRule):
            found |= {(rule.source, name) for name in part.one_hot}
        if isinstance(part, FromRule):
            found.add((part.of or rule.source, part.from_))
            found |= {(source, name) for name in part.by for source in (rule.source, str(part.of))}
    return found


def _week_by_week(rule: TableRule) -> Iterator[Part]:
    """Every column rule with `{week}` filled in."""
    yield from all_rules(rule.model_copy(update={"unpivot": None}))
    for _, _, columns in _blocks(rule):
        yield from columns.values()


def _column_faults(
    document: MappingDocument, table: str, protected: Protected, column: str
) -> Iterator[tuple[str, str]]:
    gone = {*protected.protection.dropped, *protected.protection.replaced, *document.drop}
    if column in gone or is_known_identifier(column):
        yield "identifier_mapped", f"table {table} reads {column}, a direct identifier that is never stored"
    elif column not in protected.frame:
        near = difflib.get_close_matches(column, map(str, protected.frame.columns), n=1, cutoff=0.8)
        hint = f" (did you mean {near[0]}?)" if near else ""
        width = protected.frame.shape[1]
        yield "missing_column", f"{protected.source} has no column {column} among its {width}{hint}"


def _unread(document: MappingDocument, exports: Mapping[str, Protected]) -> dict[str, tuple[str, ...]]:
    read = {pair for rules in document.tables.values() for rule in rules for pair in _references(rule)}
    unread = {
        name: tuple(str(column) for column in protected.frame if (name, str(column)) not in read)
        for name, protected in exports.items()
    }
    return {name: columns for name, columns in unread.items() if columns}
