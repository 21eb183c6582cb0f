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
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, field_validator, model_validator

from node.column_rules import ConstantRule, DateFormat, FromRule, Many, Number, Part, Rule, parts_of
from shared_schema import documents

Separator: TypeAlias = Literal[",", ";", "|", "\t"]
Encoding: TypeAlias = Literal["utf-8", "cp1252", "utf-16"]

FILE_PATTERN = re.compile(r"[\w][\w .*?()\[\]-]*\.(csv|tsv|txt|asc|xlsx|parquet|xml)", re.IGNORECASE)
NAME = r"^[a-z][a-z0-9_]{0,62}$"
RECORD_TYPE = re.compile(r"[A-Z][A-Z0-9]{1,9}")
ELEMENT_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,40}")
PATH = re.compile(r"[^\W\d][\w.-]*(/[^\W\d][\w.-]*){0,9}")  # names of elements below each other
FIELD = re.compile(rf"({PATH.pattern}/)?@?[^\W\d][\w.-]*")  # an element below the record's, or an attribute
NAME_PART = re.compile(r"\{(\w{1,40}):(\d{1,2})\}")
DATABASE_NAME = r"^[a-z][a-z0-9_]{0,31}$"
SELECT = re.compile(r"(select|with)\b", re.IGNORECASE)
OF_QUERIES = frozenset({"sql", "decimal", "dates", "missing", "identifier"})
MAX_WEEK = 52


class Identifier(Part):
    """The column that holds the school's own number of a student.

    column: one name, or several of which the first filled one counts (DUO: BSN, else onderwijsnummer);
    width: pad with zeros on the left to this many characters, for exports that lose leading zeros;
    missing: texts that stand for "no number", beside the empty cell (DUO writes 0 for a BSN that is not there).
    row: true where the file has no number at all: every row is a student, and of one delivery only.
    """

    column: Many[str] = Field(default=(), max_length=5)
    width: Annotated[int, Field(ge=1, le=40)] | None = None
    missing: Many[str] = ()
    row: Literal[True] | None = None

    @field_validator("column", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _column_or_row(self) -> Identifier:
        if bool(self.column) == (self.row is True):
            raise ValueError("an identifier is a column, or `row: true` where the file has no number of a student")
        if self.row and (self.width is not None or self.missing):
            raise ValueError("width and missing go with a column")
        return self


def _identifier(value: Any) -> Any:
    return {"column": value} if isinstance(value, str | list | tuple) else value


class Records(Part):
    """Lines of several kinds in one file, as DUO delivers them: no header, the kind in one field.

    types: kind -> names of the fields, the one with the kind left out. counts: the kind of the closing line, whose
    fields are named `Aantal` + kind and are checked against what was read. ignored: kind -> how many filled fields
    beyond those named may stand at the end of its lines; they are not read.
    """

    field: Annotated[int, Field(ge=0, le=50)] = 0
    counts: str | None = None
    ignored: dict[str, Annotated[int, Field(ge=1, le=50)]] = Field(default_factory=dict)
    types: dict[str, Many[str]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _types_beside_settings(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "types" in value:
            return value
        settings = {key: value[key] for key in ("field", "counts", "ignored") if key in value}
        return settings | {"types": {key: item for key, item in value.items() if key not in settings}}

    @model_validator(mode="after")
    def _known_kinds(self) -> Records:
        for kind in self.types:
            if not RECORD_TYPE.fullmatch(kind):
                raise ValueError(f"{kind!r} is not a kind of record; write capitals and digits, as in ISG")
        if self.counts is not None and self.counts not in self.types:
            raise ValueError(f"counts names {self.counts!r}, which is not among the kinds of record")
        if unknown := [kind for kind in self.ignored if kind not in self.types]:
            raise ValueError(f"ignored names {unknown[0]!r}, which is not among the kinds of record")
        return self


class Element(Part):
    """One kind of element of an XML file: each such element becomes a row.

    at: names of the elements from below the root to it, with / between; the kind's own name unless given. fields: what
    stands in it, one column each: an element's name, a path (`BPV/Volgnummer`) or an attribute (`@nummer`). above:
    fields of the elements around it, the nearest first.
    """

    at: str | None = None
    fields: Many[str] = Field(min_length=1, max_length=500)
    above: Many[str] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _paths(self) -> Element:
        if self.at is not None and not PATH.fullmatch(self.at):
            raise ValueError(f"{self.at!r} is no path; write names of elements with / between, the root left out")
        for name in (*self.fields, *self.above):
            if not FIELD.fullmatch(name):
                raise ValueError(f"{name!r} is no field; write Name, Name/Name, @name or Name/@name")
        if len({*self.fields, *self.above}) < len(self.fields) + len(self.above):
            raise ValueError("fields and above name each column once")
        return self


class Elements(Part):
    """Kinds of element in an XML file, read as they stream by. ignore: elements and attributes to leave out."""

    ignore: Many[str] = ()
    kinds: dict[str, Element] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _kinds_beside_settings(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "kinds" in value:
            return value
        settings = {key: value[key] for key in ("ignore",) if key in value}
        return settings | {"kinds": {key: item for key, item in value.items() if key not in settings}}

    @model_validator(mode="after")
    def _known_kinds(self) -> Elements:
        for kind in self.kinds:
            if not ELEMENT_KIND.fullmatch(kind):
                raise ValueError(f"{kind!r} is not a kind of element; write a capital, then letters and digits")
        if len(self.paths) < len(self.kinds):
            raise ValueError("two kinds of element stand at the same place")
        return self

    @property
    def paths(self) -> dict[tuple[str, ...], str]:
        """Where an element stands below the root -> its kind."""
        return {tuple((element.at or kind).split("/")): kind for kind, element in self.kinds.items()}


class Sql(Part):
    """A query on a database of connections.yaml: one SELECT, whose cells arrive as text.

    The database refuses whatever writes; that a query is one statement is checked here.
    """

    connection: str = Field(pattern=DATABASE_NAME)
    query: str = Field(min_length=8, max_length=20_000)

    @field_validator("query")
    @classmethod
    def _one_select(cls, value: str) -> str:
        text = value.strip().removesuffix(";").rstrip()
        if not SELECT.match(text) or ";" in text:
            raise ValueError("query is one statement that begins with SELECT or WITH, without ; inside it")
        return text


class Source(Part):
    """One kind of file in the exports folder, or one query. What is not pinned here is detected and shown.

    file: a name, in which * and ? may stand; several files that match are put under each other.
    sql: a query in place of a file, on a database that NODE/connections.yaml names.
    columns: the names of the columns, where the file has no header (`header: false`).
    records, xml: kinds of line or of element in one file, a table reads one kind (`source: name#KIND`).
    name: how the file's name is cut into further columns: `RO_{BRIN:4}_{Datum:8}.csv`.
    optional: no such file is no fault; what reads it is left out.
    identifier: this source's own, or false where rows are not about students (then only for `of:` look-ups).
    """

    file: str = ""
    sql: Sql | None = None
    separator: Separator | None = None
    encoding: Encoding | None = None
    decimal: Literal[",", "."] | None = None
    dates: DateFormat | None = None
    sheet: str | None = None
    header: bool = True
    columns: Many[str] = ()
    records: Records | None = None
    xml: Elements | None = None
    name: str | None = None
    optional: bool = False
    missing: Many[str] = ()
    identifier: Annotated[Identifier | Literal[False] | None, BeforeValidator(_identifier)] = None

    @field_validator("file")
    @classmethod
    def _a_name_not_a_path(cls, value: str) -> str:
        if not FILE_PATTERN.fullmatch(value):
            raise ValueError(
                "file is the name of an export in the folder, without a path, ending in .csv, .tsv, .txt, .asc, .xlsx, "
                ".parquet or .xml"
            )
        return value

    @model_validator(mode="after")
    def _a_file_or_a_query(self) -> Source:
        if (self.sql is None) == (not self.file):
            raise ValueError("a source has a file or a query (sql), and not both")
        if self.sql is not None and (odd := self.model_fields_set - OF_QUERIES):
            raise ValueError(f"a query takes no {' and no '.join(sorted(odd))}")
        return self

    @model_validator(mode="after")
    def _columns_or_header(self) -> Source:
        if self.records is not None and (self.columns or "header" in self.model_fields_set):
            raise ValueError("records name their own columns; remove header and columns")
        if self.records is None and self.header == bool(self.columns):
            raise ValueError("columns go with `header: false`, and only with it")
        return self

    @model_validator(mode="after")
    def _as_its_file_is(self) -> Source:
        pinned = {"separator", "encoding", "sheet", "header", "columns", "records"} & self.model_fields_set
        if (self.xml is not None) != self.file.lower().endswith(".xml"):
            raise ValueError("xml goes with a file that ends in .xml, and only with it")
        if pinned and self.file.lower().endswith((".xml", ".parquet")):
            raise ValueError(f"a file that says of itself how it is written takes no {' and no '.join(sorted(pinned))}")
        if self.name is not None:
            names = [name for name, _ in NAME_PART.findall(self.name)]
            if not names or len(set(names)) < len(names) or set("{}") & set(NAME_PART.sub("", self.name)):
                raise ValueError("name cuts the file's name into columns, each once, as in RO_{BRIN:4}_{Datum:8}.csv")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of record or element that a table reads one of; empty where the file is one table."""
        return tuple(self.records.types if self.records else self.xml.kinds if self.xml else ())


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
    """How one source fills one table; `columns:` with nothing under it keeps the students alone.

    where: source column -> the values whose rows are kept.
    """

    source: str
    where: dict[str, Many[str]] = Field(default_factory=dict)
    keep: Keep | None = None
    columns: dict[str, Rule] = Field(default_factory=dict)
    unpivot: Unpivot | None = None
    spans: Many[Span] = ()

    @field_validator("columns", mode="before")
    @classmethod
    def _none_yet(cls, value: Any) -> Any:
        return {} if value is None else value

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
        if "columns" not in self.model_fields_set and self.unpivot is None and not self.spans:
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
    def _rows_of_one_source(self) -> MappingDocument:
        """Row numbers of two files name different students, so nothing could be looked up between them."""
        named = [
            source.identifier or self.identifier for source in self.sources.values() if source.identifier is not False
        ]
        if len(named) > 1 and any(isinstance(one, Identifier) and one.row for one in named):
            raise ValueError("`row: true` goes with one source of students; name the others by `identifier: false`")
        return self

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
                    if self.sources[part.of.partition("#")[0]].optional:
                        raise ValueError(f"a look-up in table {table} reads {part.of}, which is optional")

    def _check_source(self, name: str, where: str) -> None:
        base, _, kind = name.partition("#")
        source = self.sources.get(base)
        if source is None:
            raise ValueError(f"{where} reads source {base!r}, which is not under sources ({', '.join(self.sources)})")
        if kind not in (source.kinds or ("",)):
            kinds = ", ".join(source.kinds) or "none"
            raise ValueError(f"{where} reads {name!r}; source {base!r} has these kinds of record: {kinds}")


def without_absent(document: MappingDocument, present: Collection[str]) -> tuple[MappingDocument, tuple[str, ...]]:
    """Return the mapping without the tables, or ways to fill one, of optional sources that are not there; and those.

    present: full names of the sources that were read (`name` or `name#KIND`).
    """
    there = {name.partition("#")[0] for name in present}
    absent = tuple(name for name in document.sources if name not in there)
    kept = {
        table: tuple(rule for rule in rules if rule.source.partition("#")[0] in there)
        for table, rules in document.tables.items()
    }
    return document.model_copy(update={"tables": {table: rules for table, rules in kept.items() if rules}}), absent


def read_mapping(source: Path | str) -> MappingDocument:
    """Read and check a mapping file (a Path) or its text (a str).

    Raises shared_schema's DocumentError with line, rule and remedy of every fault; nothing of it is carried out.
    """
    return documents.read(source, MappingDocument)
