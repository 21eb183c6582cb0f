"""Arrives: one fact about budget, approval or refusal. Leaves: a signed entry of a chain, or that fact.

An entry's bytes are the canonical array [TAG, seq, previous, time, kind, details]; its hash is SHA-256 of
those bytes; the node signs the bytes, and `previous` is the hash of the entry before (32 zero bytes for the
first). What entries mean together, and which of them may follow which, stands in `privacy.balances`.

======== =====================================================================================================
genesis  school, node_key, fg_key
charter  charter (bytes), statement (a `CharterAcceptance` message), signature
cap      account, rho
approval statement (an `Approval` message), signature; `withdrawal`, `countersign` and `deputy` likewise
recovery charter, statement, signature (by the key that the charter names), vouchers: [message, signature] of other FGs
reserve  run, experiment_hash, serial, accounts, rho (the same on every account), deadline
charge   run, experiment_hash, step, attempt, context_hash, payload_hash, payload_bytes, roster, accounts,
         releases, rho (the sum over releases, charged to every account)
close    run
return   run, returned (account and rho: what was reserved and not spent)
refusal  code, request_hash, run, step, attempt (the last three may be absent)
incident code, head, note (words of this program)
======== =====================================================================================================

`deputy` and `recovery` came later: a ledger that holds neither reads as it always did.
Times are seconds since 1970 UTC; rho is an exact rational (zCDP); nothing here depends on a student's row. What
the chain proves, and what it cannot, stands in `ledger.md`; its labels [E1] to [E5] mark lines here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from privacy import canonical
from privacy.errors import LedgerError
from privacy.identity import SIGNATURE_BYTES, SigningKey, verify
from privacy.statements import is_count, is_digest, is_identifier, is_rho

TAG: Final = "datacoalitie/ledger-entry/1"
NO_PREVIOUS: Final = bytes(32)
MAX_BYTES: Final = 4_000_000


class BrokenRule(LedgerError):
    """An entry that may not stand in this ledger.

    code: what may go on the wire; rule, found, remedy: for a person inside the school.
    """

    def __init__(self, code: str, rule: str, found: str, remedy: str) -> None:
        super().__init__(f"{rule} Found: {found}. {remedy}")
        self.code = code
        self.rule = rule
        self.found = found
        self.remedy = remedy


def malformed(rule: str, found: str) -> BrokenRule:
    """The error for an entry that cannot be what this platform wrote."""
    remedy = "Stop the node, keep the file as it is, and compare it with the head that the FG or a peer holds."
    return BrokenRule("ledger_malformed", rule, found, remedy)


class Account(NamedTuple):
    """Whose budget: a population ("student", "applicant", "staff") and a cohort, a year or "unknown"."""

    population: str
    cohort: str


class Charged(NamedTuple):
    """One release as the ledger keeps it: sensitivity `delta`, `variance` of the whole sum, in lattice steps.

    rho = delta^2 / (2 variance) (Canonne, Kamath, Steinke 2020, arXiv:2004.00010v4, Theorem 14).
    """

    query: str
    dimension: int
    delta: int
    variance: Fraction

    @property
    def rho(self) -> Fraction:
        """The zCDP cost, an exact rational."""
        return Fraction(self.delta**2) / (2 * self.variance)  # [E1]

    def value(self) -> dict[str, canonical.Value]:
        """The release as it stands in an entry."""
        return {**self._asdict(), "rho": self.rho}


class Record(NamedTuple):
    """An entry's bytes and the node's signature over them."""

    data: bytes
    signature: bytes


def _is_account(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(is_identifier(part) for part in value)


def _is_accounts(value: object) -> bool:
    if not (isinstance(value, list) and value and all(_is_account(item) for item in value)):
        return False
    return len({tuple(item) for item in value}) == len(value)  # [E5]


def _is_returned(value: object) -> bool:
    if not (isinstance(value, list) and all(isinstance(item, list) and len(item) == 3 for item in value)):
        return False
    return _is_accounts([item[:2] for item in value]) and all(is_rho(item[2]) for item in value)


def _is_roster(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(is_identifier(item) for item in value)


def _is_release(value: object) -> bool:
    if not (isinstance(value, dict) and set(value) == {"query", "dimension", "delta", "variance", "rho"}):
        return False
    counts = is_count(value["dimension"]) and is_count(value["delta"])
    return is_identifier(value["query"]) and counts and is_rho(value["variance"]) and is_rho(value["rho"])


def _is_releases(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_release(item) for item in value)


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_signature(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == SIGNATURE_BYTES


def _is_vouchers(value: object) -> bool:
    if not (isinstance(value, list) and value and all(isinstance(item, list) and len(item) == 2 for item in value)):
        return False
    return all(_is_bytes(message) and _is_signature(signature) for message, signature in value)


def _is_note(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 200 and value.isprintable()


_SIGNED: Final = {"statement": _is_bytes, "signature": _is_signature}
_SHAPES: Final[Mapping[str, Mapping[str, Callable[[object], bool]]]] = MappingProxyType(
    {
        "genesis": {"school": is_identifier, "node_key": is_digest, "fg_key": is_digest},
        "charter": {"charter": _is_bytes, **_SIGNED},
        "recovery": {"charter": _is_bytes, **_SIGNED, "vouchers": _is_vouchers},
        "cap": {"account": _is_account, "rho": is_rho},
        "approval": _SIGNED,
        "withdrawal": _SIGNED,
        "countersign": _SIGNED,
        "deputy": _SIGNED,
        "reserve": {
            "run": is_digest,
            "experiment_hash": is_digest,
            "serial": is_count,
            "accounts": _is_accounts,
            "rho": is_rho,
            "deadline": is_count,
        },
        "charge": {
            "run": is_digest,
            "experiment_hash": is_digest,
            "step": is_count,
            "attempt": is_count,
            "context_hash": is_digest,
            "payload_hash": is_digest,
            "payload_bytes": is_count,
            "roster": _is_roster,
            "accounts": _is_accounts,
            "releases": _is_releases,
            "rho": is_rho,
        },
        "close": {"run": is_digest},
        "return": {"run": is_digest, "returned": _is_returned},
        "refusal": {
            "code": is_identifier,
            "request_hash": is_digest,
            "run": _or_none(is_digest),
            "step": _or_none(is_count),
            "attempt": _or_none(is_count),
        },
        "incident": {"code": is_identifier, "head": is_digest, "note": _is_note},
    }
)
KINDS: Final = tuple(_SHAPES)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Raises `BrokenRule` when a field or a detail has not the shape of its kind."""

    seq: int
    previous: bytes
    time: int
    kind: str
    details: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not (is_count(self.seq) and is_digest(self.previous) and is_count(self.time)):
            raise malformed("An entry has a number, the hash before it and a time.", "something else")
        if not isinstance(self.kind, str) or self.kind not in _SHAPES:
            raise malformed("An entry is of a known kind.", f"another kind at entry {self.seq}")
        shape = _SHAPES[self.kind]
        if set(self.details) != set(shape):
            raise malformed(f"A {self.kind} entry has exactly its own details.", f"others at entry {self.seq}")
        wrong = [name for name, holds in shape.items() if not holds(self.details[name])]
        if wrong:
            raise malformed(f"Details of a {self.kind} entry have their shape.", f"{', '.join(wrong)} have not")

    def to_bytes(self) -> bytes:
        """The bytes that are hashed and signed."""
        return canonical.tagged(TAG, self.seq, self.previous, self.time, self.kind, dict(self.details))  # [E2]

    @property
    def hash(self) -> bytes:
        """SHA-256 of `to_bytes()`: the head of a ledger that ends with this entry."""
        return hashlib.sha256(self.to_bytes()).digest()  # [E3]

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Read `to_bytes`. Raises `BrokenRule` or `CanonicalError`."""
        value = canonical.decode(data, max_bytes=MAX_BYTES)
        if not (canonical.is_tagged(value, TAG, 6) and isinstance(value[5], dict)):
            raise malformed("An entry is an array of six, headed by its tag.", "something else")
        seq, previous, time, kind, details = value[1:]
        return cls(seq, previous, time, kind, MappingProxyType(details))

    def accounts(self) -> tuple[Account, ...]:
        """The accounts that a reserve or charge names."""
        return tuple(Account(*item) for item in self.details["accounts"])

    def charged(self) -> tuple[Charged, ...]:
        """The releases of a charge, each with its own rho recomputed from delta and variance."""
        names = Charged._fields
        return tuple(Charged(*(item[name] for name in names)) for item in self.details["releases"])


def write(entry: Entry, key: SigningKey) -> Record:
    """The entry's bytes, signed by the node."""
    data = entry.to_bytes()
    return Record(data, key.sign(data))


def read(record: Record, node_key: bytes) -> Entry:
    """The entry, once `node_key` is shown to have signed it. Raises `PrivacyError` of the kind that fits."""
    verify(node_key, record.data, record.signature)  # [E4]
    return Entry.from_bytes(record.data)


def genesis(school: str, node_key: bytes, fg_key: bytes, time: int) -> Entry:
    """The first entry: whose ledger this is and whose signatures count in it."""
    details = {"school": school, "node_key": node_key, "fg_key": fg_key}
    return Entry(0, NO_PREVIOUS, time, "genesis", details)


def account_values(accounts: Sequence[tuple[str, str]]) -> list[canonical.Value]:
    """Accounts as they stand in an entry."""
    return [[population, cohort] for population, cohort in accounts]
