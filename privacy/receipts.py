"""Arrives: what a school's node and FG signed for the outside. Leaves: where it contradicts itself, or its ledger.

A node signs a receipt for every answer, and a certificate with an epoch of its own for every run; an FG signs heads. No
single ledger leads to two statements of a pair below, so they prove to anyone who has the public keys that there are
two (docs/decisions/021-forks-and-receipts.md):

two_answers  one context, two receipts: a question is answered once, and repeated byte by byte
one_head     one head, two contexts: every charge has an entry of its own
two_keys     one epoch, two certificates: an epoch is never given twice
two_heads    one entry number, two heads that the FG signed

Branches that never meet like that are found by holding receipts against the ledger itself (`absent`): sound, and
complete for every receipt at hand. A head says nothing about what came before it, so nobody can do that without the
ledger's entries.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from privacy.ledger import Entry
from privacy.statements import Certificate, HeadCountersignature, Receipt, Signed

Shown = Signed[Receipt] | Signed[Certificate] | Signed[HeadCountersignature]
KINDS: Final = (Receipt, Certificate, HeadCountersignature)
RULES: Final[Mapping[str, str]] = {
    "two_answers": "a question is answered once",
    "one_head": "every charge has an entry of its own",
    "two_keys": "an epoch is never given twice",
    "two_heads": "an entry of a ledger has one hash",
}


class Charge(NamedTuple):
    """What a receipt and a charge entry say alike."""

    context_hash: bytes
    payload_hash: bytes
    head: bytes


@dataclass(frozen=True)
class Fork:
    """Two statements that no single ledger can have led to; `rule` is a key of `RULES`."""

    school: str
    rule: str
    first: Shown
    second: Shown

    @property
    def mark(self) -> bytes:
        """32 bytes that name the second: a head, or for a certificate its key."""
        return mark(self.second)


def mark(shown: Shown) -> bytes:
    """The head that a statement names; of a certificate its key."""
    statement = shown.statement
    if isinstance(statement, Receipt):
        return statement.ledger_head
    return statement.key if isinstance(statement, Certificate) else statement.head


def charge_of(receipt: Receipt) -> Charge:
    """The charge that a receipt speaks of."""
    return Charge(receipt.context_hash, receipt.payload_hash, receipt.ledger_head)


def charges(entries: Iterable[Entry]) -> set[Charge]:
    """Every charge of a ledger."""
    paid = (entry for entry in entries if entry.kind == "charge")
    return {Charge(one.details["context_hash"], one.details["payload_hash"], one.hash) for one in paid}


def absent(entries: Iterable[Entry], shown: Iterable[Shown]) -> list[Shown]:
    """What one node and its FG signed and this ledger, whole and checked, does not hold: it is not the only one."""
    known = list(entries)
    paid, heads = charges(known), [entry.hash for entry in known]
    return [one for one in shown if not _stands(one.statement, paid, heads)]


def _stands(statement: Any, paid: set[Charge], heads: list[bytes]) -> bool:
    if isinstance(statement, Receipt):
        return charge_of(statement) in paid
    if isinstance(statement, HeadCountersignature):
        return statement.seq < len(heads) and heads[statement.seq] == statement.head
    return True  # a ledger does not list epochs


def forks(shown: Iterable[Shown]) -> list[Fork]:
    """Contradictions among what the node and the FG of one school signed; one for each statement that does not fit."""
    known: dict[Hashable, tuple[Hashable, Shown]] = {}
    found = []
    for one in shown:
        for rule, what, how in _claims(one.statement):
            before, first = known.setdefault((rule, what), (how, one))
            if before != how:
                found.append(Fork(one.statement.school, rule, first, one))
                break
    return found


def _claims(statement: Any) -> list[tuple[str, Hashable, Hashable]]:
    """What a statement says, of what, in one way only: (rule, what, how)."""
    if isinstance(statement, Receipt):
        paid = charge_of(statement)
        return [("two_answers", paid.context_hash, paid), ("one_head", paid.head, paid)]
    if isinstance(statement, Certificate):
        return [("two_keys", statement.epoch, statement)]
    return [("two_heads", statement.seq, statement.head)]
