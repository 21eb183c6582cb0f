"""Arrives: how long the ledger is and its head. Leaves: the same, durably, outside the backup set; or a
refusal.

A restored backup brings back yesterday's ledger with yesterday's balances, and nothing inside the ledger can
tell. So a small file in another place (never in a backup, never in a snapshot) says how far the ledger had
come:

 1 pending    before the database commits: from (count, head) to (count, head)
 2            the database commits
 3 committed  after the commit, and before a byte leaves the node

A crash between two phases is mended at the next start; anything else refuses everything until the FG supplies
the head it expects. Why three phases: docs/decisions/002-counter-in-three-phases.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from node.errors import RestoredBackup
from privacy.identity import write_private

_LINE: Final = re.compile(
    r"datacoalitie-counter 1 (?:committed (\d{1,18}) ([0-9a-f]{64})"
    r"|pending (\d{1,18}) ([0-9a-f]{64}) (\d{1,18}) ([0-9a-f]{64}))\n"
)


class Position(NamedTuple):
    """How far a ledger has come: its number of entries and the hash of the last (zeros when empty)."""

    length: int
    head: bytes


EMPTY: Final = Position(0, bytes(32))


class Mark(NamedTuple):
    """What the file says: a ledger at `before`, on its way to `after`; equal when nothing is under way."""

    before: Position
    after: Position


@dataclass(frozen=True)
class Counter:
    """The counter file at `path`. Every write is durable (fsync, rename, fsync of the folder) when it
    returns.
    """

    path: Path

    def read(self) -> Mark | None:
        """What the file says, or None when there is no file. Raises `RestoredBackup` for another."""
        try:
            text = self.path.read_bytes().decode("ascii", errors="replace")
        except FileNotFoundError:
            return None
        match = _LINE.fullmatch(text)
        if match is None:
            raise self._blocked("a counter file that this program did not write")
        count, head, *pending = match.groups()
        if count is not None:
            return Mark(*[Position(int(count), bytes.fromhex(head))] * 2)
        first, first_head, then, then_head = pending
        before = Position(int(first), bytes.fromhex(first_head))
        return Mark(before, Position(int(then), bytes.fromhex(then_head)))

    def pending(self, before: Position, after: Position) -> None:
        """Phase 1: the database is about to go from `before` to `after`. Raises OSError."""
        words = f"pending {before.length} {before.head.hex()} {after.length} {after.head.hex()}"
        self._write(words)

    def committed(self, position: Position) -> None:
        """Phase 3: the database stands at `position`, and bytes may leave. Raises OSError."""
        self._write(f"committed {position.length} {position.head.hex()}")

    def settle(self, position: Position) -> None:
        """Return when a database at `position` is the one this counter followed, mending a crash between
        phases.

        Raises `RestoredBackup` otherwise, also when the file is missing, and OSError.
        """
        mark = self.read()
        if mark is None:
            raise self._blocked("no counter file")
        if position not in mark:
            raise self._blocked(f"a ledger of {position.length} entries, counter at {mark.after.length}")
        if mark != (position, position):
            self.committed(position)

    def _write(self, words: str) -> None:
        write_private(self.path, f"datacoalitie-counter 1 {words}\n".encode("ascii"))

    def _blocked(self, found: str) -> RestoredBackup:
        return RestoredBackup(
            "ledger_blocked",
            "The counter outside the backup set and the ledger agree on how far the ledger has come.",
            found,
            "Nothing is answered. Restore the newest ledger, or let the FG supply the head it holds: "
            "coalition-node ledger --accept-head HEAD.",
        )
