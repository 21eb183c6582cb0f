"""Arrives: tables that SQL can ask. Leaves: how many rows point at a student, enrolment or programme that is not there.

One anti-join a table and rule, on the different keys of its rows; no row is read into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from node.quality.numbers import IDENTITY, Opened

REFERENCE = "programme"

Rule = Literal["unknown_student", "without_person", "without_enrolment", "unknown_enrolment", "unknown_crebo"]


@dataclass(frozen=True)
class Loose:
    """Rows of one table that point nowhere, and of how many rows that could."""

    rule: Rule
    table: str
    column: str
    rows: int
    of: int


def loose_rows(tables: Opened) -> tuple[Loose, ...]:
    """Return every kind of row that points nowhere; a rule whose other end was not delivered is not applied."""
    return tuple(found for found in _every(tables) if found.rows)


def _every(tables: Opened) -> Iterator[Loose]:
    there = [table for table in IDENTITY if table in tables.columns]
    if len(there) == 2:
        yield _count(tables, "without_enrolment", "person", "student", _absent("person", "student", "enrolment"))
        yield _count(tables, "without_person", "enrolment", "student", _absent("enrolment", "student", "person"))
    for table, columns in tables.columns.items():
        if table not in IDENTITY and "student" in columns and there:
            nowhere = " AND ".join(_absent(table, "student", other) for other in there)
            yield _count(tables, "unknown_student", table, "student", nowhere)
        if table != "enrolment" and {"student", "enrolment_id"} <= set(columns) and "enrolment" in there:
            yield _unknown_enrolment(tables, table)
        if table != REFERENCE and "student" in columns and "crebo" in columns and REFERENCE in tables.columns:
            yield _count(tables, "unknown_crebo", table, "crebo", _absent(table, "crebo", REFERENCE))


def _unknown_enrolment(tables: Opened, table: str) -> Loose:
    """Rows of a known student under an enrolment that this student does not have."""
    known = f'EXISTS (SELECT 1 FROM "enrolment" AS one WHERE one.student = "{table}".student)'
    pair = (
        f'NOT EXISTS (SELECT 1 FROM "enrolment" AS one WHERE one.student = "{table}".student '
        f'AND one.enrolment_id = "{table}".enrolment_id)'
    )
    return _count(tables, "unknown_enrolment", table, "enrolment_id", f"{known} AND {pair}")


def _absent(table: str, column: str, other: str) -> str:
    return f'NOT EXISTS (SELECT 1 FROM "{other}" AS one WHERE one."{column}" = "{table}"."{column}")'


def _count(tables: Opened, rule: Rule, table: str, column: str, nowhere: str) -> Loose:
    keys = ", ".join(f'"{name}"' for name in dict.fromkeys(("student", column)) if name in tables.columns[table])
    grouped = f'SELECT {keys}, count(*) AS n FROM "{table}" WHERE "{column}" IS NOT NULL GROUP BY ALL'
    found = tables.connection.execute(
        f'SELECT coalesce(sum(n) FILTER (WHERE {nowhere}), 0), coalesce(sum(n), 0) FROM ({grouped}) AS "{table}"'
    ).fetchone()
    rows, of = found or (0, 0)
    return Loose(rule, table, column, int(rows), int(of))
