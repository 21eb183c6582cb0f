"""Arrives: the text of a mapping file. Leaves: a frozen, checked document; everything in it is data, never code.

A mapping says how one school's exports become the tables of the shared schema:

    mapping: 1
    layout: osiris
    title: {nl: ..., en: ...}
    notes: {nl: ..., en: ...}       optional: what was decided about this layout, and why
    sources:      named files of the exports folder, and how to read them          -> Source
    identifier:   the direct identifier, replaced by a keyed HMAC named `student`  -> Identifier
    drop:         further columns that no table may read
    tolerance:    the share of rows or cells that may be lost before a delivery is refused; 0.05 unless given
    tables:       table of the schema -> one TableRule, or a list whose rows are put under each other

A column is a rule of `node/column_rules.py`. docs/mapping.md shows every key with an example that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from node.column_rules import ConstantRule, DateFormat, FromRule, Many, Number, Part, Rule, parts_of
from shared_schema import documents

Separator: TypeAlias = Literal[",", ";", "|", "\t"]
Encoding: TypeAlias = Literal["utf-8", "cp1252", "utf-16"]

FILE_PATTERN = re.compile(r"[\w][\w .*?()\[\]-]*\.(csv|tsv|txt|asc|xlsx)", re.IGNORECASE)
NAME = r"^[a-z][a-z0-9_]{0,62}$"
RECORD_TYPE = re.compile(r"[A-Z][A-Z0-9]{1,9}")
MAX_WEEK = 52


class Identifier(Part):
    """The column that holds the school's own number of a student.

    column: one name, or several of which the first filled one counts (DUO: BSN, else onderwijsnummer);
    width: pad with zeros on the left to this many characters, for exports that lose leading zeros.
    """

    column: Many[str] = Field(min_length=1, max_length=5)
    width: Annotated[int, Field(ge=1, le=40)] | None = None

    @field_validator("column", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def _identifier(value: Any) -> Any:
    return {"column": value} if isinstance(value, str | list | tuple) else value


class Records(Part):
    """Lines of several kinds in one file, as DUO delivers them: no header, the kind in one field.

    types: kind -> names of the fields, the one with the kind left out. counts: the kind of the closing line, whose
    fields are named `Aantal` + kind and are checked against what was read.
    """

    field: Annotated[int, Field(ge=0, le=50)] = 0
    counts: str | None = None
    types: dict[str, Many[str]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _types_beside_settings(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "types" in value:
            return value
        settings = {key: value[key] for key in ("field", "counts") if key in value}
        return settings | {"types": {key: item for key, item in value.items() if key not in settings}}

    @model_validator(mode="after")
    def _known_kinds(self) -> Records:
        for kind in self.types:
            if not RECORD_TYPE.fullmatch(kind):
                raise ValueError(f"{kind!r} is not a kind of record; write capitals and digits, as in ISG")
        if self.counts is not None and self.counts not in self.types:
            raise ValueError(f"counts names {self.counts!r}, which is not among the kinds of record")
        return self


class Source(Part):
    """One kind of file in the exports folder. What is not pinned here is detected and shown.

    file: a name, in which * and ? may stand; several files that match are put under each other.
    columns: the names of the columns, where the file has no header (`header: false`).
    identifier: this source's own, or false where rows are not about students (then only for `of:` look-ups).
    """

    file: str
    separator: Separator | None = None
    encoding: Encoding | None = None
    decimal: Literal[",", "."] | None = None
    dates: DateFormat | None = None
    sheet: str | None = None
    header: bool = True
    columns: Many[str] = ()
    records: Records | None = None
    missing: Many[str] = ()
    identifier: Annotated[Identifier | Literal[False] | None, BeforeValidator(_identifier)] = None

    @field_validator("file")
    @classmethod
    def _a_name_not_a_path(cls, value: str) -> str:
        if not FILE_PATTERN.fullmatch(value):
            raise ValueError(
                "file is the name of an export in the folder, ending in .csv, .tsv, .txt, .asc or .xlsx, without a path"
            )
        return value

    @model_validator(mode="after")
    def _columns_or_header(self) -> Source:
        if self.records is not None and (self.columns or "header" in self.model_fields_set):
            raise ValueError("records name their own columns; remove header and columns")
        if self.records is None and self.header == bool(self.columns):
            raise ValueError("columns go with `header: false`, and only with it")
        return self


class Unpivot(Part):
    """Wide to long: for each of `weeks` one row, with `{week}` in a column's name filled in."""

    weeks: Many[int]
    columns: dict[str, Rule] = Field(min_length=1)

    @field_validator("weeks", mode="before")
    @classmethod
    def _weeks(cls, value: Any) -> Any:
        return _listed_weeks(str(value)) if isinstance(value, str | int) else value

    @field_validator("weeks")
    @classmethod
    def _in_a_year(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value) or not all(1 <= week <= MAX_WEEK for week in value):
            raise ValueError(f"weeks are different numbers from 1 to {MAX_WEEK}, as in 1-10 or 3, 6, 10")
        return value


def _listed_weeks(text: str) -> tuple[int, ...]:
    """`1-10` or `3, 6, 10` as numbers; anything else leaves none, which is refused."""
    if not re.fullmatch(r"\d{1,2}(-\d{1,2})?(\s*,\s*\d{1,2}(-\d{1,2})?)*", text, re.ASCII):
        return ()
    weeks: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        weeks.extend(range(int(first), int(last or first) + 1))
    return tuple(weeks)


class Span(Part):
    """One row per student that covers `weeks` weeks, of which `week` is the last."""

    week: Annotated[int, Field(ge=1, le=MAX_WEEK)]
    weeks: Annotated[int, Field(ge=1, le=MAX_WEEK)] | None = None
    columns: dict[str, Rule] = Field(min_length=1)


class Keep(Part):
    """Which row stays where a source has several for one key of the table: the latest or the earliest by a column."""

    latest: Rule | None = None
    earliest: Rule | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Keep:
        if (self.latest is None) == (self.earliest is None):
            raise ValueError("keep names one column, under latest or under earliest")
        return self

    @property
    def by(self) -> Part:
        """The rule whose date decides."""
        return self.latest or self.earliest or ConstantRule(constant=None)


class TableRule(Part):
    """How one source fills one table. where: source column -> the values whose rows are kept."""

    source: str
    where: dict[str, Many[str]] = Field(default_factory=dict)
    keep: Keep | None = None
    columns: dict[str, Rule] = Field(default_factory=dict)
    unpivot: Unpivot | None = None
    spans: Many[Span] = ()

    @field_validator("where", mode="before")
    @classmethod
    def _lists_of_text(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        listed = {key: item if isinstance(item, list | tuple) else [item] for key, item in value.items()}
        return {key: tuple(str(item) for item in items) for key, items in listed.items()}

    @model_validator(mode="after")
    def _something_to_fill(self) -> TableRule:
        if self.unpivot is not None and self.spans:
            raise ValueError("a table is filled by unpivot or by spans, not by both; write two entries in a list")
        if not self.columns and self.unpivot is None and not self.spans:
            raise ValueError("a table needs columns, unpivot or spans")
        return self


def _tables(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: item if isinstance(item, list | tuple) else (item,) for key, item in value.items()}


def all_rules(rule: TableRule) -> Iterator[Part]:
    """Yield every column rule of a table rule, those of weeks and spans included, `{week}` not filled in."""
    yield from rule.columns.values()
    yield from rule.unpivot.columns.values() if rule.unpivot else ()
    for span in rule.spans:
        yield from span.columns.values()
    if rule.keep is not None:
        yield rule.keep.by


class Words(Part):
    """Words of a title or note, Dutch and English."""

    nl: str = Field(min_length=1, max_length=2000)
    en: str = Field(min_length=1, max_length=2000)


class MappingDocument(Part):
    """A whole mapping. Every reference between its parts has been checked; the schema has not been consulted yet."""

    mapping: Literal[1]
    layout: str = Field(pattern=NAME)
    title: Words
    notes: Words | None = None
    sources: dict[str, Source] = Field(min_length=1)
    identifier: Annotated[Identifier | None, BeforeValidator(_identifier)] = None
    drop: Many[str] = ()
    tolerance: Annotated[Number, Field(ge=0, le=Decimal("0.5"))] = Decimal("0.05")
    tables: Annotated[dict[str, Many[TableRule]], BeforeValidator(_tables)] = Field(min_length=1)

    @model_validator(mode="after")
    def _sources_exist(self) -> MappingDocument:
        for table, rules in self.tables.items():
            for rule in rules:
                self._check_source(rule.source, f"table {table}")
                self._check_look_ups(table, rule)
        return self

    def _check_look_ups(self, table: str, rule: TableRule) -> None:
        for column in all_rules(rule):
            for part in parts_of(column):
                if isinstance(part, FromRule) and part.of is not None:
                    self._check_source(part.of, f"a look-up in table {table}")

    def _check_source(self, name: str, where: str) -> None:
        base, _, kind = name.partition("#")
        source = self.sources.get(base)
        if source is None:
            raise ValueError(f"{where} reads source {base!r}, which is not under sources ({', '.join(self.sources)})")
        if bool(kind) != (source.records is not None) or (source.records and kind not in source.records.types):
            kinds = ", ".join(source.records.types) if source.records else "none"
            raise ValueError(f"{where} reads {name!r}; source {base!r} has these kinds of record: {kinds}")


def read_mapping(source: Path | str) -> MappingDocument:
    """Read and check a mapping file (a Path) or its text (a str).

    Raises shared_schema's DocumentError with line, rule and remedy of every fault; nothing of it is carried out.
    """
    return documents.read(source, MappingDocument)
