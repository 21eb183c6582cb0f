"""Arrives: a column of text cells. Leaves: dates, numbers, truth values or text, as the schema wants them.

A column that mixes date formats or decimal marks is refused; a single cell that cannot be read becomes missing and
is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from node.column_rules import DateFormat
from node.errors import UnusableInput
from node.identifying import points_at_somebody
from node.mapping_document import Source
from node.sources.formats import (
    date_formats,
    decimal_marks,
    distinct_texts,
    per_distinct,
    read_boolean,
    read_date,
    read_number,
    read_whole,
)

Kind: TypeAlias = Literal["text", "whole", "number", "date", "boolean"]

DTYPES: Mapping[Kind, str] = {
    "text": "string",
    "whole": "Int64",
    "number": "float64",
    "date": "datetime64[us]",
    "boolean": "boolean",
}


@dataclass(frozen=True)
class Note:
    """Where counts go (what -> rows) and how the column is called in errors (`table.column`).

    weights: how many rows of the source each cell stands for, where equal rows are evaluated once (`node/bulk`).
    """

    tally: Counter[str]
    place: str
    weights: pd.Series | None = None

    def count(self, what: str, rows: pd.Series) -> None:
        """Count the rows that are marked."""
        self.tally[what] += int(rows.sum() if self.weights is None else self.weights[rows].sum())


def read_as(texts: pd.Series, kind: Kind, source: Source, note: Note, form: DateFormat | None = None) -> pd.Series:
    """Read filled texts as a kind; a text that is none becomes missing and is counted as `unreadable`.

    A text that points at somebody becomes missing too (`person`): the last look before anything is stored.
    """
    if kind == "text":
        found = texts.isin([text for text in distinct_texts(texts) if points_at_somebody(text)])
        note.count("person", found)
        return texts.mask(found).astype("string")
    values = per_distinct(texts, _reader(texts, kind, source, note, form), DTYPES[kind])
    note.count("unreadable", texts.notna() & values.isna())
    return values


def _reader(texts: pd.Series, kind: Kind, source: Source, note: Note, form: DateFormat | None) -> Callable[[str], Any]:
    if kind == "date":
        chosen = _date_format(texts, form or source.dates, note.place)
        return lambda text: read_date(text, chosen)
    if kind == "number":
        mark = _decimal_mark(texts, source.decimal, note.place)
        return lambda text: read_number(text, mark)
    return read_whole if kind == "whole" else read_boolean


def _date_format(texts: pd.Series, pinned: DateFormat | None, place: str) -> DateFormat:
    found = date_formats(distinct_texts(texts))
    if any(form != pinned for form in found) if pinned else len(found) > 1:
        shown = ", ".join(f"{count} different cells as {form}" for form, count in found.most_common())
        raise UnusableInput(
            "mixed_dates" if len(found) > 1 else "wrong_dates",
            f"The dates of one column ({place}) are written in one way" + (f": {pinned}." if pinned else "."),
            shown,
            "Export them alike, or correct `date` or `dates` in the mapping.",
        )
    return pinned if pinned is not None else next(iter(found), "yyyy-mm-dd")


def _decimal_mark(texts: pd.Series, pinned: str | None, place: str) -> str:
    found = decimal_marks(distinct_texts(texts))
    if set(found) - {pinned} if pinned else len(found) > 1:
        raise UnusableInput(
            "mixed_decimals" if len(found) > 1 else "wrong_decimal",
            f"The numbers of one column ({place}) have one decimal mark" + (f": {pinned!r}." if pinned else "."),
            ", ".join(f"{count} different cells with {mark!r}" for mark, count in found.most_common()),
            "Export them alike and without marks for thousands, or correct `decimal` in the mapping.",
        )
    return pinned or next(iter(found), ".")


def filled(texts: pd.Series, missing: tuple[str, ...] = ()) -> pd.Series:
    """Return the texts without surrounding space; empty ones and those that stand for missing are missing."""
    stripped = texts.str.strip()
    return stripped.mask(stripped.isin(["", *missing]))
