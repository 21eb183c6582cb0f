"""Nothing arrives; what the assistant proposes leaves, as frozen parts: lines, open points, tables, a whole proposal.

A part holds names of columns, words of the schema's vocabulary, shares and counts; never a cell. What a rule says is
plain data, as a mapping file has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_schema.columns import Text

SURE = 0.8
"""From this confidence on a line is written; below it is an open point, or the column stays unmapped."""

Origin = tuple[str, str]
"""(source, heading) of a column of an export."""


@dataclass(frozen=True)
class Option:
    """One answer to an open point: what it means, and the key with its rule, as plain data, that says so."""

    label: Text
    key: str
    rule: Any


@dataclass(frozen=True)
class OpenPoint:
    """What a person has to decide. table "" is the document itself; reads: the columns it is about.

    required: without an answer the mapping cannot be used; candidates: table.column that an answer may fill.
    """

    question: Text
    options: tuple[Option, ...]
    reads: tuple[Origin, ...] = ()
    candidates: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Line:
    """One column of a table: its rule, how sure the assistant is, and why."""

    column: str
    rule: Any
    confidence: float
    reasons: tuple[Text, ...]
    reads: tuple[Origin, ...]


@dataclass(frozen=True)
class Block:
    """Weeks side by side. kind: `unpivot` or `spans`; rule: what stands under it; fills: column <- heading, each."""

    kind: str
    rule: Any
    confidence: float
    reasons: tuple[Text, ...]
    fills: tuple[tuple[str, Origin], ...]


@dataclass(frozen=True)
class Entry:
    """How one source fills one table."""

    table: str
    source: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keep: Mapping[str, Any] | None = None
    lines: tuple[Line, ...] = ()
    block: Block | None = None
    points: tuple[OpenPoint, ...] = ()
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Unmapped:
    """A column that no table reads, and why."""

    source: str
    heading: str
    why: Text


@dataclass(frozen=True)
class Recognised:
    """A shipped layout that the files follow.

    there: share of the columns it reads that are there; known: share of their columns that it knows; lacking: sources
    and columns that are not there.
    """

    layout: str
    there: float
    known: float
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A whole proposal. sources: as a mapping has them; identifier: plain data or None (then an open point asks).

    read: source -> (rows looked at, whether the file has more).
    """

    layout: str
    title: Text
    sources: Mapping[str, Mapping[str, Any]]
    identifier: Any
    drop: tuple[str, ...]
    entries: tuple[Entry, ...]
    points: tuple[OpenPoint, ...]
    unmapped: tuple[Unmapped, ...]
    read: Mapping[str, tuple[int, bool]]
    notes: tuple[Text, ...] = ()
    recognised: Recognised | None = None

    def all_points(self) -> tuple[OpenPoint, ...]:
        """Every open point in the order in which the file asks them."""
        return (*self.points, *(point for entry in self.entries for point in entry.points))


def pair(nl: str, en: str) -> Text:
    """A sentence in Dutch and in English."""
    return Text(nl, en)
