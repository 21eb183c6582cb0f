"""Arrives: nothing. Leaves: what a ledger says, as plain frozen data; `privacy.balances` derives it entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from privacy.charter import Charter
from privacy.ledger import Account
from privacy.statements import Approval, Deputation, HeadCountersignature, Signed

OWN_FORK: Final = "own_forked"  # the incident that stops new runs until the FG has countersigned it
_ZERO: Final = Fraction(0)


@dataclass(frozen=True)
class Balance:
    """One account, in zCDP rho: its cap (0 while none was set), what was spent, what open plans hold."""

    cap: Fraction = _ZERO
    spent: Fraction = _ZERO
    reserved: Fraction = _ZERO

    @property
    def left(self) -> Fraction:
        """What a new plan may still reserve; 0 when a cap was lowered below what is already held."""
        return max(_ZERO, self.cap - self.spent - self.reserved)


@dataclass(frozen=True)
class Run:
    """One run: what its accounts still hold, until when it may be charged, and the last slot it answered."""

    experiment_hash: bytes
    serial: int
    accounts: tuple[Account, ...]
    held: Mapping[Account, Fraction]
    deadline: int
    open: bool = True
    returned: bool = False
    last_slot: tuple[int, int] = (-1, -1)


@dataclass(frozen=True)
class State:
    """Everything a ledger says so far. `heads[seq]` is the hash of entry `seq`.

    deputy: whom the FG named last under this charter, expired or not; acts: entry number -> deputy, of what a deputy
    signed; seen_at: when the FG last saw the ledger (seconds since 1970 UTC), its beginning included; fork: the last
    entry that reports that this ledger was forked.
    """

    school: str
    node_key: bytes
    fg_key: bytes
    time: int
    heads: tuple[bytes, ...]
    charter: Charter | None = None
    balances: Mapping[Account, Balance] = field(default_factory=dict)
    approvals: Mapping[int, Approval] = field(default_factory=dict)
    withdrawn: frozenset[int] = frozenset()
    runs: Mapping[bytes, Run] = field(default_factory=dict)
    countersigned: HeadCountersignature | None = None
    deputy: Signed[Deputation] | None = None
    acts: Mapping[int, str] = field(default_factory=dict)
    seen_at: int = 0
    fork: int | None = None

    @property
    def head(self) -> bytes:
        """The hash of the last entry."""
        return self.heads[-1]

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self.heads)

    def balance(self, account: Account) -> Balance:
        """The account's balance; all zero if the ledger never named it."""
        return self.balances.get(account, Balance())
