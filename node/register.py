"""Arrives: the text of a store's register. Leaves: which deliveries there were, and which of them count.

A school delivers layout by layout: its student system, a survey, applications. Of each layout one delivery counts; a
new one replaces it, a withdrawal ends it. What a delivery held in numbers stays here; its rows do not.
Nothing here touches a disk: `node/store.py` writes the text in one piece.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from node.errors import StorageFailed, UnusableInput

REGISTER_VERSION = 1
FIRST_GENERATION = 1
UNNAMED = "unnamed"  # of a delivery that was stored before deliveries had layouts, and says none
UNCOUNTED = -1  # rows of a table in such a delivery
_NAME = re.compile(r"\d{6,9}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|")
COUNTS, REPLACED, WITHDRAWN = "counts", "replaced", "withdrawn"


@dataclass(frozen=True)
class Entry:
    """One delivery: numbers and names only.

    version: of its layout, from 1; name: its folder; taken, until: UTC, "" where not known or not over; rows: table ->
    rows as they are now; verdict: of its quality report; by: the layout that took its place, where that is another.
    """

    layout: str
    version: int
    name: str
    taken: str
    rows: Mapping[str, int]
    verdict: str
    state: str = COUNTS
    until: str = ""
    by: str = ""


@dataclass(frozen=True)
class Register:
    """Every delivery of a store, oldest first. generation: of the pseudonym key its rows are stored under, from 1."""

    entries: tuple[Entry, ...] = ()
    generation: int = FIRST_GENERATION

    @property
    def counting(self) -> tuple[Entry, ...]:
        """The deliveries that count, at most one a layout, in the order in which they were taken in."""
        return tuple(entry for entry in self.entries if entry.state == COUNTS)

    def of_layout(self, layout: str) -> Entry | None:
        """The delivery of a layout that counts."""
        return next((entry for entry in self.counting if entry.layout == layout), None)

    def added(self, entry: Entry, replaces: Collection[str] = ()) -> Register:
        """With a new delivery, which takes the place of the one of its layout and of the other layouts named."""
        gone = {entry.layout, *replaces}
        ended = self._ended(gone, REPLACED, entry.taken, entry.layout)
        version = 1 + max((old.version for old in self.entries if old.layout == entry.layout), default=0)
        return replace(ended, entries=(*ended.entries, replace(entry, version=version)))

    def withdrawn(self, layout: str, when: str) -> Register:
        """Without the delivery of a layout; raises UnusableInput when none counts."""
        if self.of_layout(layout) is None:
            counting = ", ".join(entry.layout for entry in self.counting) or "none"
            raise UnusableInput(
                "no_such_delivery",
                "A delivery that counts can be withdrawn, by its layout.",
                f"deliveries that count: {counting}",
                "See `coalition-node deliveries` for the names.",
            )
        return self._ended({layout}, WITHDRAWN, when, "")

    def renamed(self, changed: Mapping[str, tuple[str, Mapping[str, int]]]) -> Register:
        """With deliveries whose rows were rewritten: name -> (new name, rows a table)."""
        entries = tuple(
            replace(entry, name=changed[entry.name][0], rows=changed[entry.name][1]) if entry.name in changed else entry
            for entry in self.entries
        )
        return replace(self, entries=entries)

    def _ended(self, layouts: Collection[str], state: str, when: str, by: str) -> Register:
        def ended(entry: Entry) -> Entry:
            if entry.state != COUNTS or entry.layout not in layouts:
                return entry
            return replace(entry, state=state, until=when, by="" if by == entry.layout else by)

        return replace(self, entries=tuple(map(ended, self.entries)))


def text_of(register: Register) -> str:
    """Return the register as one line of JSON."""
    entries = [asdict(entry) for entry in register.entries]
    return json.dumps({"register": REGISTER_VERSION, "generation": register.generation, "deliveries": entries}) + "\n"


def read(text: str) -> Register:
    """Return the register that `text_of` wrote; raises StorageFailed for anything else."""
    try:
        found = json.loads(text)
        if set(found) != {"register", "generation", "deliveries"} or found["register"] != REGISTER_VERSION:
            raise ValueError("another document")
        entries = tuple(_entry(item) for item in found["deliveries"])
        if type(found["generation"]) is not int or found["generation"] < FIRST_GENERATION:
            raise ValueError("no generation")
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(type(error).__name__) from None
    register = Register(entries, found["generation"])
    if len({entry.layout for entry in register.counting}) < len(register.counting):
        raise damaged("two deliveries of one layout that count")
    return register


def damaged(found: str) -> StorageFailed:
    """The error for a register that cannot be read."""
    return StorageFailed(
        "unreadable_register",
        "The register names the deliveries that count (`current` in the node's data folder).",
        found,
        "Put the file back from the node's backup; or remove it and take every layout in again.",
    )


def _entry(item: Any) -> Entry:
    entry = Entry(**item)
    texts = (entry.layout, entry.verdict, entry.by)
    rows = isinstance(entry.rows, dict) and all(
        name.isidentifier() and type(count) is int for name, count in entry.rows.items()
    )
    good = (
        all(isinstance(text, str) for text in texts)
        and _is(_NAME, entry.name)
        and _is(_TIME, entry.taken)
        and _is(_TIME, entry.until)
        and type(entry.version) is int
        and rows
        and entry.state in (COUNTS, REPLACED, WITHDRAWN)
    )
    if not good:
        raise ValueError("a delivery of another shape")
    return entry


def _is(pattern: re.Pattern[str], text: Any) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None
