"""An extension (file, plain data or none) arrives; one frozen `Schema` with every table, column and code leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shared_schema.codes import CODE_LISTS
from shared_schema.columns import Bounds, CodeList, Column, Table
from shared_schema.errors import UnknownTable, remedy
from shared_schema.tables import TABLES

SCHEMA_VERSION = 1
"""Raised when a released table, column, code or bound changes its meaning."""

ONE_ROW_TABLES = ("person", "enrolment", "programme_period")
"""Tables of which a student's first row counts; of the others the declared aggregate. Only these hold outcomes."""


@dataclass(frozen=True)
class Schema:
    """Every table, column and code list that an experiment may use, extension included.

    `extension` is the extension as plain data (text, whole numbers, booleans, None, lists, mappings; decimals as
    text), so that it can stand in an experiment's definition and come back through `load_schema`.
    """

    tables: Mapping[str, Table]
    codes: Mapping[str, CodeList]
    extension: Mapping[str, Any]

    def table(self, name: str) -> Table:
        """Return the table called `name`, or raise `UnknownTable` with the nearest name."""
        if name not in self.tables:
            raise UnknownTable(f"the schema has no table '{name}'; {remedy(name, self.tables)}")
        return self.tables[name]

    def column(self, table: str, name: str) -> Column:
        """Return one column, or raise `UnknownTable` or `UnknownColumn` with the nearest name."""
        return self.table(table).column(name)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 (32 bytes) of everything that gives a value its meaning; prose and labels are left out."""
        text = json.dumps(_meaning(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()


def load_schema(extension: Path | Mapping[str, Any] | None = None) -> Schema:
    """Return the shared schema, with a coalition's extension if one is given.

    `extension` is the path of a `schema.yaml`, the plain data that `Schema.extension` holds, or None.
    Raises `DocumentError` (the document is not an extension) or `ExtensionError` (it contradicts the schema).
    """
    own = {table.name: table for table in TABLES}
    base = Schema(MappingProxyType(own), CODE_LISTS, MappingProxyType({}))
    if not extension:
        return base
    from shared_schema.extension import extend  # imported here: pydantic is needed for an extension only

    return extend(base, extension)


def _meaning(schema: Schema) -> dict[str, Any]:
    tables = {
        name: {
            "about": table.about.value,
            "key": list(table.key),
            "columns": {column.name: _column_meaning(column) for column in table.columns.values()},
        }
        for name, table in schema.tables.items()
    }
    return {"version": SCHEMA_VERSION, "tables": tables, "extension": plain(schema.extension)}


def _column_meaning(column: Column) -> dict[str, Any]:
    return {
        "type": column.type.value,
        "nullable": column.nullable,
        "codes": list(column.codes) if column.codes else [],
        "bounds": _bounds_meaning(column.bounds),
        "pattern": column.pattern,
        "sensitive": column.sensitive,
    }


def _bounds_meaning(bounds: Bounds | None) -> list[str]:
    return [str(bounds.low), str(bounds.high), bounds.per] if bounds else []


def plain(value: Any) -> Any:
    """Return a deep copy of plain data in which every mapping is a `dict` and every sequence a `list`."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
