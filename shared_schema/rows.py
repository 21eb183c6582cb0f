"""A schema, a table's name, a number and a seed arrive; that many valid rows of the table leave, and nobody in them.

Rows are drawn from the declaration alone: codes from the list, numbers between the bounds, texts of the declared
form. They serve tests and the reference page; the sector's synthetic students live in `experiments/synthetic`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pandas as pd

from shared_schema.columns import BRIN, Bounds, Column, Table, Type
from shared_schema.schema import Schema

MISSING_SHARE = 8
"""One in this many nullable cells is left empty."""

FIRST_DAY = pd.Timestamp("2015-08-01")
DAYS = 3650

_EXAMPLES: Mapping[str, str] = MappingProxyType({"[1-9][0-9]{3}": "1000", "[0-9]{5}": "00000", "[0-9]{9}": "000000000"})
"""For each pattern of digits in the schema the digits to which a drawn number is added."""

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def synthetic(table: str, n: int, schema: Schema, seed: int = 0, students: int | None = None) -> pd.DataFrame:
    """Return `n` rows of `table` that `validate` accepts, the same for the same seed.

    `students` (default n) is how many different students they belong to: student i of one seed is student i of
    every table. A table that allows one row per student needs `students >= n`. Raises `UnknownTable`.
    """
    declared = schema.table(table)
    of = students or n
    rows = [_row(declared, seed, row, row % of) for row in range(n)]
    frame = pd.DataFrame(rows, columns=list(declared.columns))
    return _distinct(declared, frame).astype({name: column.type.dtype for name, column in declared.columns.items()})


def pseudonym(seed: int, number: int, unit: str = "student") -> str:
    """Return the made-up pseudonym of student (applicant, member of staff) `number` of a seed."""
    return hashlib.sha256(f"{seed}/{unit}/{number}".encode()).hexdigest()


def _row(table: Table, seed: int, row: int, student: int) -> dict[str, object]:
    drawn = {column.name: _cell(column, _draw(table.name, seed, row, column.name)) for column in table.columns.values()}
    values = drawn if table.unit is None else {**drawn, table.unit: pseudonym(seed, student, table.unit)}
    for name, column in table.columns.items():
        if column.bounds is not None and column.bounds.per:
            values[name] = _scaled(values[name], values.get(column.bounds.per))
    return values


def _draw(table: str, seed: int, row: int, column: str) -> int:
    """Return 64 bits that depend on everything named and on nothing else."""
    digest = hashlib.sha256(f"{seed}/{table}/{row}/{column}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _cell(column: Column, bits: int) -> object:
    if column.nullable and bits % MISSING_SHARE == 0:
        return None
    return _OF_TYPE[column.type](column, bits // MISSING_SHARE)


def _code(column: Column, bits: int) -> object:
    codes = list(column.codes or ())
    return codes[bits % len(codes)]


def _integer(column: Column, bits: int) -> object:
    if column.codes is not None:
        return int(str(_code(column, bits)))
    low, high = _range(column.bounds)
    return int(low) + bits % (int(high) - int(low) + 1)


def _decimal(column: Column, bits: int) -> object:
    low, high = _range(column.bounds)
    return low + (high - low) * (bits % 1001) / 1000


def _range(bounds: Bounds | None) -> tuple[float, float]:
    return (float(bounds.low), float(bounds.high)) if bounds else (0.0, 100.0)


def _text(column: Column, bits: int) -> object:
    if column.pattern == BRIN:
        return f"{bits % 100:02d}{_LETTERS[bits // 100 % len(_LETTERS)]}{_LETTERS[bits // 3000 % len(_LETTERS)]}"
    digits = _EXAMPLES.get(column.pattern, "")
    if not digits:
        return f"{column.name}-{bits % 20}"
    return str(int(digits) + bits % (10 ** len(digits) - int(digits))).zfill(len(digits))


_OF_TYPE: Mapping[Type, Callable[[Column, int], object]] = MappingProxyType(
    {
        Type.PSEUDONYM: lambda column, bits: "",
        Type.CODE: _code,
        Type.TEXT: _text,
        Type.INTEGER: _integer,
        Type.DECIMAL: _decimal,
        Type.BOOLEAN: lambda column, bits: bits % 2 == 1,
        Type.DATE: lambda column, bits: FIRST_DAY + pd.Timedelta(days=bits % DAYS),
    }
)


def _scaled(value: object, times: object) -> object:
    return value * times if isinstance(value, float) and isinstance(times, int) else value


def _distinct(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Drop rows whose key has been drawn before, as in a source that holds each once."""
    return frame.drop_duplicates(list(table.key), ignore_index=True) if table.key else frame
