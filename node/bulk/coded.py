"""Arrives: nothing. Leaves: what a source looks like in the workshop: a number for each cell, one text per number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from node.identifiers import Protected, Protection
    from node.intake import Detected


@dataclass(frozen=True)
class Needed:
    """Columns of a source of which every text is wanted; of the others a sample is enough. identifiers: those of them
    that name people."""

    columns: Collection[str]
    identifiers: Collection[str] = ()


@dataclass(frozen=True)
class Raw:
    """A source as it was read, identifiers included; it lives no longer than `node/bulk/protecting.py` takes.

    query: SQL of its rows, an integer under each name of `columns` (column -> SQL name); texts: column -> the text
    behind each integer, which is its label; sample: column -> its first different texts in the order of the file,
    padded with empty ones; table: to be dropped when the rows have been taken over, "" for none; lines: SQL of a hash
    of each whole row, or, where it is known, how many rows repeat an earlier one.
    """

    source: str
    query: str
    columns: Mapping[str, str]
    texts: Mapping[str, pd.Series]
    sample: pd.DataFrame
    detected: tuple[Detected, ...]
    rows: int
    lines: str | int
    table: str = ""


@dataclass(frozen=True)
class Coded:
    """A source without direct identifiers, as one table of numbers.

    table: its SQL name, which has `student` (a number of the workshop) where rows are about people, and an integer
    under each name of `columns`; texts: the text behind each integer; outline: the same source as a frame without rows;
    rows: in the table; read: in the files; lines: as in `Raw`.
    """

    source: str
    table: str
    columns: Mapping[str, str]
    texts: Mapping[str, pd.Series]
    outline: Protected
    rows: int
    read: int
    lines: str | int

    @property
    def protection(self) -> Protection:
        """What was done to the identifiers."""
        return self.outline.protection

    @property
    def about_people(self) -> bool:
        """Whether each row has a student."""
        return self.outline.students is not None


def narrowest(size: int) -> str:
    """Return the SQL type that holds the numbers below `size`."""
    return "UTINYINT" if size <= 1 << 8 else "USMALLINT" if size <= 1 << 16 else "INTEGER"
