"""Arrives: what went wrong in a node. Leaves: one error with a code for the wire and words for the school.

Only `code` may ever leave the school; `rule`, `found` and `remedy` are shown inside it and never hold a value
from a student's row.

    NodeError              exit 1
    ├── UnusableInput      exit 2  an export, mapping, policy or command that cannot be used as it is
    ├── Refusal            exit 3  a request the node will not answer; recorded, its code on the wire
    ├── StorageFailed      exit 4  the disk or the database did not take a write; nothing left
    └── LedgerBlocked      exit 5  the ledger on disk cannot be trusted; everything is refused
        ├── RestoredBackup         the counter outside the backup set does not match the ledger
        └── DamagedLedger          the chain, a signature or a balance does not hold
"""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """A rule of the node that was not met.

    code: what goes on the wire, lower case words joined by underscores; rule: what should hold; found: what
    was found instead, inside the school only; remedy: what a person can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, rule: str, found: str, remedy: str) -> None:
        super().__init__(code, rule, found, remedy)
        self.code = code
        self.rule = rule
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.rule} Found: {self.found}. {self.remedy}"


class UnusableInput(NodeError):
    """A file or a command that cannot be used as it is; the remedy says what to change."""

    exit_code = 2


class Refusal(NodeError):
    """A request that this node will not answer."""

    exit_code = 3


class StorageFailed(NodeError):
    """A write did not reach the disk. Nothing left the node, and the same request may be sent again."""

    exit_code = 4


class LedgerBlocked(NodeError):
    """The ledger cannot be trusted as it stands, so nothing is answered."""

    exit_code = 5


class RestoredBackup(LedgerBlocked):
    """The counter outside the backup set does not match the ledger."""


class DamagedLedger(LedgerBlocked):
    """The chain, a signature or a balance of the ledger on disk does not hold."""
