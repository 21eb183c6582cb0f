"""Columns of declared dtypes arrive; which rows break which rule leaves, as masks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.columns import Column, Table
from shared_schema.facts import Numbers, fill, numbers

Mask = npt.NDArray[np.bool_]


def bounded(table: Table, frame: pd.DataFrame) -> list[Column]:
    """Return the columns of the frame that have public bounds."""
    return [column for column in table.columns.values() if column.bounds is not None and column.name in frame.columns]


def limits(column: Column, frame: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """Return the lower and upper bound of each row; bounds per week are multiplied by the weeks of the row."""
    if column.bounds is None:
        return np.full(len(frame), -np.inf), np.full(len(frame), np.inf)
    times = np.ones(len(frame))
    if column.bounds.per and column.bounds.per in frame:
        times = np.clip(fill(numbers(frame[column.bounds.per]), 1.0), 1.0, 52.0)
    return float(column.bounds.low) * times, float(column.bounds.high) * times


def outside(column: Column, frame: pd.DataFrame) -> Mask:
    """Say of each row whether the value lies outside the bounds; a missing value does not."""
    low, high = limits(column, frame)
    values = frame[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray((values < low) | (values > high))


def unknown_codes(column: Column, frame: pd.DataFrame) -> Mask:
    """Say of each row whether it holds a code that the column's list does not have."""
    if column.codes is None:
        return np.zeros(len(frame), dtype=bool)
    held = frame[column.name]
    known = held.astype("string").isin(list(column.codes))
    return np.asarray(held.notna() & ~known, dtype=np.bool_)


def misshapen(column: Column, frame: pd.DataFrame) -> Mask:
    """Say of each row whether its text does not match the column's pattern as a whole."""
    if not column.pattern:
        return np.zeros(len(frame), dtype=bool)
    held = frame[column.name]
    matches = held.str.fullmatch(re.compile(column.pattern)).fillna(True)
    return np.asarray(held.notna() & ~matches.astype(bool), dtype=np.bool_)


def empty(column: Column, frame: pd.DataFrame) -> Mask:
    """Say of each row whether a required value is missing."""
    missing: Mask = frame[column.name].isna().to_numpy(dtype=bool)
    return missing & (not column.nullable)


def _key(table: Table, frame: pd.DataFrame) -> list[str]:
    return [name for name in table.key if name in frame.columns]


def duplicates(table: Table, frame: pd.DataFrame) -> Mask:
    """Say of each row whether another row has the same key; all of them are marked, whatever their order."""
    key = _key(table, frame)
    if not key or key[0] != table.key[0]:  # the first column of a key says whose rows these are
        return np.zeros(len(frame), dtype=bool)
    named = frame[key[0]].notna().to_numpy(dtype=bool)
    return np.asarray(named & frame.duplicated(key, keep=False).to_numpy(dtype=bool), dtype=np.bool_)


CELL_CHECKS: Mapping[str, Callable[[Column, pd.DataFrame], Mask]] = MappingProxyType(
    {
        "empty": empty,
        "unknown_code": unknown_codes,
        "pattern": misshapen,
        "out_of_bounds": outside,
    }
)
"""Which rows break which rule in one column of declared dtype."""
