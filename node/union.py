"""Arrives: deliveries of several layouts. Leaves: their tables under each other, and their reports as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from node.register import UNNAMED

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("", "pass", "warn", "fail")


def united(deliveries: Sequence[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of several deliveries; a table that several of them fill has the rows of all."""
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {}
    for delivery in deliveries:
        for table, frame in delivery.items():
            parts.setdefault(table, []).append(frame)
    return {
        table: frames[0] if len(frames) == 1 else pd.concat(_in_step(frames), ignore_index=True).astype(_dtypes(frames))
        for table, frames in parts.items()
    }


def _in_step(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Frames whose categories, if they have any, are the same ones: a category per frame does not stack."""
    from pandas.api.types import union_categoricals

    named = [name for name, kind in frames[0].dtypes.items() if kind == "category"]
    every = {name: union_categoricals([frame[name] for frame in frames]).categories for name in named}
    return [frame.assign(**{name: frame[name].cat.set_categories(every[name]) for name in named}) for frame in frames]


def _dtypes(frames: Sequence[pd.DataFrame]) -> dict[str, Any]:
    return {name: kind for frame in frames for name, kind in frame.dtypes.items() if kind != "category"}


def merged_report(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One report of several layouts: lists put after each other, the worst verdict."""
    merged: dict[str, Any] = {"layout": " + ".join(str(report.get("layout", UNNAMED)) for report in reports)}
    for report in reports:
        for key, value in report.items():
            if key == "numbers":  # of one delivery each: `node/quality/stored.py` measures them together
                continue
            there = merged.get(key)
            if isinstance(value, list):
                merged[key] = [*(there or []), *value]
            elif isinstance(value, dict):
                merged[key] = {**(there or {}), **value}
            elif key == "verdict":
                merged[key] = max(value, there or "", key=("", "pass", "warn", "fail").index)
            else:
                merged.setdefault(key, value)
    return merged


def doubles_of(new: pd.DataFrame, there: pd.DataFrame, key: Sequence[str]) -> int:
    """How many rows of `new` have the key of a row that is there."""
    columns = [name for name in key if name in new and name in there]
    if not columns:
        return len(new) if len(there) else 0
    return int(new[columns].merge(there[columns].drop_duplicates(), on=columns).shape[0])
