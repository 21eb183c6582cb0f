"""Arrives: what a test saw. Leaves: one finding, in words for who has to act; never a cell, never a few people."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.reading.words import Words, whole
from node.quality.thresholds import DECLARED


class Severity(enum.StrEnum):
    """How grave a finding is: good to know, look at it first, not usable until it is mended."""

    NOTE = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing found. table and column may be "": then it is about a file or the whole delivery.

    found: what was seen; meaning: what it does to an answer; remedy: what to do about it.
    """

    rule: str
    severity: Severity
    table: str
    column: str
    found: Words
    meaning: Words
    remedy: Words

    @property
    def place(self) -> str:
        """`table.column`, or what there is of it."""
        return ".".join(part for part in (self.table, self.column) if part)

    def plain(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def of_plain(cls, kept: Mapping[str, Any]) -> Finding:
        """Return a finding that was stored with its delivery."""
        words = {name: Words(**kept[name]) for name in ("found", "meaning", "remedy")}
        return cls(kept["rule"], Severity(kept["severity"]), kept["table"], kept["column"], **words)


def school_year(year: int | str) -> str:
    """Return "2023-2024" for the school year that begins in 2023."""
    return f"{year}-{int(year) + 1}"


def rows_in_words(rows: int) -> Words:
    """A number of rows; a few are not counted out, since a sentence about three rows is about somebody."""
    few = Words(f"minder dan {DECLARED.few}", f"fewer than {DECLARED.few}")
    return few if rows < DECLARED.few else whole(rows)
