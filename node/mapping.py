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

from node.column_rules import AgeAt, FromRule, OneHotRule, Part, at_week, parts_of
from node.computed import Rows, evaluate
from node.errors import UnusableInput
from node.identifiers import Protected, is_birth_date, is_known_identifier
from node.mapping_document import Identifier, Keep, MappingDocument, Source, TableRule, all_rules
from node.sources.cells import DTYPES, Kind, Note, filled
from shared_schema import About, Schema, SchemaError, Type

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
    if source.kinds and not set(identifier.column) & set(columns):
        return None
    return identifier


def apply(document: MappingDocument, exports: Mapping[str, Protected], schema: Schema) -> Delivery:
    """Fill every table of the mapping. Raises UnusableInput for a mapping that does not fit exports or schema."""
    fit_check(document, exports, schema)
    settings = {name: settings_of(document, name) for name in exports}
    tallies: dict[tuple[str, str], Counter[str]] = {}
    tables = {
        table: _table(table, rules, _Fill(exports, settings, schema, tallies))
        for table, rules in document.tables.items()
    }
    return Delivery(tables, counted(tallies), unread_columns(document, exports))


def counted(tallies: Mapping[tuple[str, str], Counter[str]]) -> tuple[Count, ...]:
    """Return what was counted, in a fixed order, zeros left out."""
    return tuple(
        Count(table, column, what, rows)
        for (table, column), tally in tallies.items()
        for what, rows in sorted(tally.items())
        if rows
    )


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
    unit = fill.schema.table(table).unit
    own = {name: fill.column(table, name, column, protected) for name, column in rule.columns.items()}
    if rule.unpivot is None and not rule.spans:
        yield _kept(table, rule.keep, protected, _frame(unit, protected, own), fill)
        return
    for week, weeks, columns in blocks_of(rule):
        values = {name: fill.column(table, name, column, protected) for name, column in columns.items()}
        there = pd.concat([column.notna() for column in values.values()], axis=1).any(axis=1)
        numbers = {"week": week} if weeks is None else {"week": week, "weeks": weeks}
        block = _frame(unit, protected, own | values).assign(**numbers)
        yield block[there].astype(dict.fromkeys(numbers, DTYPES["whole"])).reset_index(drop=True)


def blocks_of(rule: TableRule) -> Iterator[tuple[int, int | None, Mapping[str, Part]]]:
    """Yield last week, number of weeks (None: one) and columns of every block of a wide table."""
    if rule.unpivot is not None:
        for week in rule.unpivot.weeks:
            yield week, None, {name: at_week(column, week) for name, column in rule.unpivot.columns.items()}
    for span in rule.spans:
        yield span.week, span.weeks, span.columns


def _frame(unit: str | None, protected: Protected, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Columns beside the pseudonym of the person that each row is about, where the table has such a column."""
    return pd.DataFrame(dict(columns) if unit is None else {unit: protected.students, **columns})


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


def fit_check(document: MappingDocument, exports: Mapping[str, Protected], schema: Schema) -> None:
    """Raise UnusableInput for a mapping that does not fit the schema or the columns of the exports."""
    faults = [*_schema_faults(document, schema), *_source_faults(document, exports, schema)]
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
        unit = schema.tables[table].unit if table in schema.tables else None
        if unit in names:
            yield "student_is_given", f"table {table} maps `{unit}`, which follows from `identifier`"
        for name in sorted(names - {unit}):
            try:
                schema.column(table, name)
            except SchemaError as error:
                yield "unknown_column", str(error)


def _filled_columns(rule: TableRule) -> Iterator[str]:
    yield from rule.columns
    yield from rule.unpivot.columns if rule.unpivot else ()
    for span in rule.spans:
        yield from span.columns


def _source_faults(
    document: MappingDocument, exports: Mapping[str, Protected], schema: Schema
) -> Iterator[tuple[str, str]]:
    for table, rules in document.tables.items():
        about = schema.tables[table].about if table in schema.tables else About.STUDENT
        for rule in rules:
            for source in dict.fromkeys((rule.source, *(part.of for part in _look_ups(rule) if part.of))):
                if not about.person and exports[source].students is not None:
                    yield (
                        "rows_of_people",
                        f"table {table} is about {about.words.en} and reads {source}, rows of people",
                    )
            if about.person and exports[rule.source].students is None:
                yield "no_identifier", f"table {table} reads {rule.source}, whose rows are not about {about.words.en}"
            for part in _look_ups(rule):
                if not part.by and exports[str(part.of)].students is None:
                    yield (
                        "no_by",
                        f"table {table} looks up {part.from_} in {part.of} without `by`",
                    )
            for source, column in sorted(references(rule)):
                yield from _column_faults(document, table, exports[source], column)
            for column in sorted({name for part in all_rules(rule) for name in _birth_dates(part)}):
                yield "birth_date_mapped", f"table {table} reads {column} for another purpose than `age_at`"


def _birth_dates(rule: Part) -> Iterator[str]:
    """Columns with somebody's day of birth that a rule reads for anything but an age."""
    if isinstance(rule, FromRule) and is_birth_date(rule.from_):
        yield rule.from_
    for name in type(rule).model_fields:
        value = getattr(rule, name)
        if isinstance(rule, AgeAt) and name == "born":
            continue
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Part):
                yield from _birth_dates(part)


def _look_ups(rule: TableRule) -> Iterator[FromRule]:
    """Every look-up of a table rule, also one inside another rule."""
    for column in week_by_week(rule):
        yield from (part for part in parts_of(column) if isinstance(part, FromRule) and part.of is not None)


def references(rule: TableRule) -> set[tuple[str, str]]:
    """Return every (source, column) that a table rule reads."""
    found = {(rule.source, name) for name in rule.where}
    return found.union(*(cells_read(column, rule.source) for column in week_by_week(rule)))


def cells_read(rule: Part, source: str) -> set[tuple[str, str]]:
    """Return every (source, column) that a column rule reads when it is carried out on rows of `source`."""
    found: set[tuple[str, str]] = set()
    for part in parts_of(rule):
        if isinstance(part, OneHotRule):
            found |= {(source, name) for name in part.one_hot}
        if isinstance(part, FromRule):
            found.add((part.of or source, part.from_))
            found |= {(str(part.of), one.column) for one in part.by}
    return found


def week_by_week(rule: TableRule) -> Iterator[Part]:
    """Yield every column rule with `{week}` filled in."""
    yield from all_rules(rule.model_copy(update={"unpivot": None}))
    for _, _, columns in blocks_of(rule):
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


def unread_columns(document: MappingDocument, exports: Mapping[str, Protected]) -> dict[str, tuple[str, ...]]:
    """Return source -> its columns that no rule reads, dropped ones left out."""
    read = {pair for rules in document.tables.values() for rule in rules for pair in references(rule)}
    unread = {
        name: tuple(str(column) for column in protected.frame if (name, str(column)) not in read)
        for name, protected in exports.items()
    }
    return {name: columns for name, columns in unread.items() if columns}
