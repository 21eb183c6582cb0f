"""A mapping arrives; which column of which source it reads leaves, and for what. Nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.column_rules import FromRule, OneHotRule, Part, at_week, parts_of
from node.mapping_document import NAME_PART, Identifier, MappingDocument, TableRule

IDENTIFIER, WHERE, KEEP, BY = "(identifier)", "(where)", "(keep)", "(by)"


@dataclass(frozen=True)
class Read:
    """One column that a mapping reads. target: table.column, or `table.(where)`, `(identifier)` and the like."""

    source: str
    heading: str
    target: str


def reads_of(document: MappingDocument) -> Iterator[Read]:
    """Yield every column that a mapping reads, once for each use; `{week}` filled in."""
    yield from _identifiers(document)
    for table, rules in document.tables.items():
        for rule in rules:
            for column, part in columns_of(rule):
                yield from rule_reads(rule.source, part, f"{table}.{column}", table)
            for heading in rule.where:
                yield Read(rule.source, heading, f"{table}.{WHERE}")
            if rule.keep is not None:
                yield from rule_reads(rule.source, rule.keep.by, f"{table}.{KEEP}", table)


def columns_of(rule: TableRule) -> Iterator[tuple[str, Part]]:
    """Yield column and rule of a table, one for every week of a wide one."""
    yield from rule.columns.items()
    if rule.unpivot:
        for week in rule.unpivot.weeks:
            yield from ((name, at_week(part, week)) for name, part in rule.unpivot.columns.items())
    for span in rule.spans:
        yield from span.columns.items()


def named_columns(document: MappingDocument, source: str) -> frozenset[str]:
    """Columns that a source cuts from the name of its file."""
    name = document.sources[source.partition("#")[0]].name
    return frozenset(part for part, _ in NAME_PART.findall(name)) if name else frozenset()


def rule_reads(source: str, rule: Part, target: str, table: str) -> Iterator[Read]:
    """Yield every column that one rule reads, those that find a row of another source included."""
    keys = [key for part in parts_of(rule) if isinstance(part, FromRule) for key in part.by]
    inside_keys = {id(part) for key in keys for part in parts_of(key.own)}
    for part in parts_of(rule):
        use = f"{table}.{BY}" if id(part) in inside_keys else target
        if isinstance(part, OneHotRule):
            yield from (Read(source, name, use) for name in part.one_hot)
        if isinstance(part, FromRule):
            yield Read(part.of or source, part.from_, use)
            yield from (Read(str(part.of), key.column, f"{table}.{BY}") for key in part.by)


def _identifiers(document: MappingDocument) -> Iterator[Read]:
    for name, source in document.sources.items():
        own = source.identifier if source.identifier is not None else document.identifier
        if isinstance(own, Identifier):
            kinds = [kind for kind in source.kinds if set(own.column) & _fields(document, name, kind)]
            places = [f"{name}#{kind}" for kind in kinds] if source.kinds else [name]
            yield from (Read(place, heading, IDENTIFIER) for place in places for heading in own.column)


def _fields(document: MappingDocument, name: str, kind: str) -> set[str]:
    source = document.sources[name]
    if source.records is not None:
        return set(source.records.types[kind])
    assert source.xml is not None
    return {*source.xml.kinds[kind].fields, *source.xml.kinds[kind].above}
