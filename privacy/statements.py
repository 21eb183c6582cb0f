"""Arrives: what a person or a node declares. Leaves: canonical bytes with a signature over them, and back.

Every statement is a frozen dataclass whose signed message is the canonical array [TAG, field, field, …]: the
tag names the type and its version, so a signature for one kind of statement never serves as another (DESIGN
§3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

from privacy import canonical
from privacy.errors import SignatureError
from privacy.identity import SIGNATURE_BYTES, SigningKey, verify

MAX_BYTES: Final = 4096
VERDICTS: Final = ("accept", "reject")
_ENVELOPE: Final = "datacoalitie/signed/1"
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SERIALS: Final = 2**63


class StatementError(SignatureError):
    """A statement has a field of the wrong type or size, or an unknown type."""


def is_identifier(value: object) -> bool:
    """Whether `value` is an id of a school, person or population: 1-64 letters, digits, '.', '-' or '_'."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def is_digest(value: object) -> bool:
    """Whether `value` is 32 bytes: a SHA-256 digest or a raw public key."""
    return isinstance(value, bytes) and len(value) == 32


def is_count(value: object) -> bool:
    """Whether `value` is a whole number from 0 to 2^63 - 1 (True and False are not numbers here)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SERIALS


def is_rho(value: object) -> bool:
    """Whether `value` is an exact, non-negative rational."""
    return isinstance(value, Fraction) and value >= 0


# A name means one thing wherever it stands, so each field's rule is declared once.
_RULES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "charter_hash",
                "experiment_hash",
                "finding_hash",
                "context_hash",
                "payload_hash",
                "ledger_head",
            ),
            (is_digest, "32 bytes"),
        ),
        **dict.fromkeys(("run", "head", "key"), (is_digest, "32 bytes")),
        **dict.fromkeys(("school", "submitter", "reviewer", "deputy"), (is_identifier, "an id")),
        **dict.fromkeys(
            ("serial", "expires", "signed_at", "epoch", "deadline", "version", "seq"),
            (is_count, "a whole number >= 0"),
        ),
        "cap_rho": (lambda value: value is None or is_rho(value), "an exact rational >= 0, or nothing"),
        "own_figures": (lambda value: isinstance(value, bool), "true or false"),
        "address": (is_identifier, "an id"),
        "challenge": (is_digest, "32 bytes"),
        "node_nonce": (lambda value: isinstance(value, bytes) and 16 <= len(value) <= 64, "16 to 64 bytes"),
        "verdict": (lambda value: isinstance(value, str) and value in VERDICTS, " or ".join(VERDICTS)),
    }
)


@dataclass(frozen=True)
class Statement:
    """What all statements share: their fields in declared order, checked by name, under their own tag."""

    TAG: ClassVar[str]

    def __post_init__(self) -> None:
        for name, value in zip(self.names(), self.fields(), strict=True):
            holds, expected = _RULES[name]
            if not holds(value):
                raise StatementError(
                    f"{type(self).__name__}.{name} must be {expected}. "
                    f"Found: a {type(value).__name__} that is not. Make it again with this platform."
                )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The fields' names, in the order in which they are signed."""
        return tuple(field.name for field in fields(cls))

    def fields(self) -> tuple[Any, ...]:
        """The fields' values, in the order in which they are signed."""
        return tuple(getattr(self, name) for name in self.names())

    def message(self) -> bytes:
        """The bytes that are signed: canonical CBOR of [TAG, *fields]."""
        return canonical.tagged(self.TAG, *self.fields())


@dataclass(frozen=True)
class Approval(Statement):
    """An FG allows one run of one experiment under one charter, until `expires` (seconds since 1970, UTC).

    cap_rho: the most zCDP this run may cost on any account, or None for the account's own cap; own_figures:
    whether figures of this school alone may be released as well; serial: never used before by this FG.
    """

    TAG = "datacoalitie/approval/1"
    school: str
    charter_hash: bytes
    experiment_hash: bytes
    serial: int
    cap_rho: Fraction | None
    expires: int
    own_figures: bool
    signed_at: int


@dataclass(frozen=True)
class Withdrawal(Statement):
    """An FG takes back the approval with this serial; the serial never revives."""

    TAG = "datacoalitie/withdrawal/1"
    school: str
    charter_hash: bytes
    serial: int
    signed_at: int


@dataclass(frozen=True)
class Certificate(Statement):
    """A node vouches for the X25519 key it made for one run, in its own epoch (a counter of its restarts)."""

    TAG = "datacoalitie/certificate/1"
    charter_hash: bytes
    experiment_hash: bytes
    run: bytes
    school: str
    epoch: int
    node_nonce: bytes
    key: bytes
    deadline: int


@dataclass(frozen=True)
class Receipt(Statement):
    """A node states what it sent (`payload_hash`) and the head of its ledger in which the cost stands."""

    TAG = "datacoalitie/receipt/1"
    context_hash: bytes
    school: str
    payload_hash: bytes
    ledger_head: bytes


@dataclass(frozen=True)
class Submission(Statement):
    """An analyst asks the coalition to run exactly this experiment."""

    TAG = "datacoalitie/submission/1"
    charter_hash: bytes
    experiment_hash: bytes
    submitter: str
    signed_at: int


@dataclass(frozen=True)
class Review(Statement):
    """A reviewer of `school` accepts or rejects exactly this finding."""

    TAG = "datacoalitie/review/1"
    finding_hash: bytes
    reviewer: str
    school: str
    verdict: str
    signed_at: int


@dataclass(frozen=True)
class CharterAcceptance(Statement):
    """An FG accepts a charter for the school, having compared its new keys by another channel."""

    TAG = "datacoalitie/charter-acceptance/1"
    charter_hash: bytes
    version: int
    school: str
    signed_at: int


@dataclass(frozen=True)
class HeadCountersignature(Statement):
    """An FG has seen this ledger up to entry `seq`, with hash `head`, and carries that outside the node."""

    TAG = "datacoalitie/head-countersignature/1"
    school: str
    seq: int
    head: bytes
    signed_at: int


@dataclass(frozen=True)
class Deputation(Statement):
    """An FG lets a deputy with this key act in their place under one charter, until `expires` (seconds since 1970).

    What a deputy may do stands in `privacy.succession`. The last one signed counts: one that has expired ends it.
    """

    TAG = "datacoalitie/deputation/1"
    school: str
    charter_hash: bytes
    deputy: str
    key: bytes
    expires: int
    signed_at: int


@dataclass(frozen=True)
class Greeting(Statement):
    """A node says which school it is to whoever reached it at `address` with this fresh challenge."""

    TAG = "datacoalitie/greeting/1"
    charter_hash: bytes
    school: str
    address: str
    challenge: bytes


_TYPES: Final[Mapping[str, type[Statement]]] = MappingProxyType(
    {
        kind.TAG: kind
        for kind in (
            Approval,
            Withdrawal,
            Certificate,
            Receipt,
            Submission,
            Review,
            CharterAcceptance,
            HeadCountersignature,
            Deputation,
            Greeting,
        )
    }
)

S = TypeVar("S", bound=Statement)
S_co = TypeVar("S_co", bound=Statement, covariant=True)


@dataclass(frozen=True)
class Signed(Generic[S_co]):
    """A statement with the 64-byte Ed25519 signature over its message; it proves nothing until `check`."""

    statement: S_co
    signature: bytes

    def to_bytes(self) -> bytes:
        """Canonical bytes: ["datacoalitie/signed/1", message, signature]."""
        return canonical.tagged(_ENVELOPE, self.statement.message(), self.signature)


def parse(message: bytes) -> Statement:
    """The statement whose `message()` is exactly these bytes. Raises `StatementError` or `CanonicalError`."""
    value = canonical.decode(message, max_bytes=MAX_BYTES)
    if not (isinstance(value, list) and value and isinstance(value[0], str) and value[0] in _TYPES):
        raise _foreign("an array headed by the tag of a known statement")
    kind = _TYPES[value[0]]
    if len(value) - 1 != len(kind.names()):
        raise _foreign(f"the {len(kind.names())} fields of {kind.__name__}")
    return kind(*value[1:])


def signed_from_bytes(data: bytes, kind: type[S]) -> Signed[S]:
    """Read `Signed.to_bytes`, which must hold a statement of type `kind`; judge the signature with `check`.

    Raises `StatementError` for another type or shape, `canonical`'s error for bytes that are not canonical.
    """
    value = canonical.decode(data, max_bytes=2 * MAX_BYTES)
    if not canonical.is_tagged(value, _ENVELOPE, 3):
        raise _foreign("a signed statement")
    _, message, signature = value
    if not (isinstance(message, bytes) and isinstance(signature, bytes) and len(signature) == SIGNATURE_BYTES):
        raise _foreign("a message and a signature of 64 bytes")
    statement = parse(message)
    if not isinstance(statement, kind):
        raise _foreign(f"a {kind.__name__}, not a {type(statement).__name__}")
    return Signed(statement, signature)


def sign(statement: S, key: SigningKey) -> Signed[S]:
    """Sign `statement.message()`."""
    return Signed(statement, key.sign(statement.message()))


def check(signed: Signed[S], public: bytes) -> S:
    """The statement, once `public` (32 raw bytes) is shown to have signed it. Raises `SignatureError`."""
    verify(public, signed.statement.message(), signed.signature)
    return signed.statement


def payload_hash(context_hash: bytes, payload: bytes) -> bytes:
    """What a receipt says was sent: SHA-256 of [tag, context hash, payload bytes] (DESIGN §4)."""
    return canonical.digest("datacoalitie/payload/1", context_hash, payload)


def run_id(experiment_hash: bytes, serials: Mapping[str, int]) -> bytes:
    """The run that these approvals (school -> serial) allow: H(experiment hash, serials), never chosen."""
    pairs: list[canonical.Value] = [[school, serial] for school, serial in sorted(serials.items())]
    return canonical.digest("datacoalitie/run/1", experiment_hash, pairs)


def _foreign(expected: str) -> StatementError:
    return StatementError(
        f"A statement's bytes must be {expected}. Found: something else. "
        "Send the file as this platform wrote it, whole and unedited."
    )
