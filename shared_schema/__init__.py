"""The shared schema: tables, columns, codes and bounds, declared once for every school."""

from shared_schema.columns import PERSONS, About, Bounds, CodeList, Column, Table, Text, Type
from shared_schema.errors import (
    DocumentError,
    ExtensionError,
    SchemaError,
    UnknownColumn,
    UnknownFeature,
    UnknownOutcome,
    UnknownTable,
)
from shared_schema.schema import Schema, load_schema

__all__ = [
    "PERSONS",
    "About",
    "Bounds",
    "CodeList",
    "Column",
    "DocumentError",
    "ExtensionError",
    "Schema",
    "SchemaError",
    "Table",
    "Text",
    "Type",
    "UnknownColumn",
    "UnknownFeature",
    "UnknownOutcome",
    "UnknownTable",
    "load_schema",
]
