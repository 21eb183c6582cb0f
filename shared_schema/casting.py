"""A frame of any dtypes arrives; the frame in declared dtypes leaves, and a count of what could not be read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shared_schema.columns import Column, Table, Type
from shared_schema.facts import dates, numbers
from shared_schema.report import Finding, count


def read_types(table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the frame in declared dtypes, and per column how many values could not be read as their type."""
    out, findings = {}, []
    for name in frame.columns:
        column = table.columns[name]
        values = _as_type(frame[name], column)
        findings += count("unreadable", name, int((frame[name].notna() & values.isna()).sum()))
        out[name] = values
    return pd.DataFrame(out, index=frame.index), findings


def _as_type(series: pd.Series, column: Column) -> pd.Series:
    if column.type is Type.DATE:
        return dates(series)
    if column.type is Type.BOOLEAN:
        return series.astype(object).map(_truth, na_action="ignore").astype("boolean")
    if column.type is Type.DECIMAL:
        return pd.to_numeric(series, errors="coerce").astype("float64")
    if column.type is Type.INTEGER:
        floats = pd.Series(numbers(series), index=series.index)
        whole = (floats == np.floor(floats)) & (floats.abs() < 2**53)
        return floats.where(whole).astype("Int64")
    return series.astype("string").str.strip().replace("", pd.NA)


def _truth(value: object) -> object:
    """Return True or False for a boolean, 0, 1 or the words true and false; anything else is unreadable."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), pd.NA)
    return bool(value) if value in (0, 1) else pd.NA
