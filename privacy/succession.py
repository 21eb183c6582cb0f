"""Arrives: who signs in an FG's place, or with a new key. Leaves: whether that signature counts, or a `BrokenRule`.

Three ways, each recorded in the school's ledger (docs/decisions/022-keys-of-an-fg.md):

rotation   the next charter lists the FG's new key, and the FG accepts it with the old one (`balances`)
recovery   the old key is lost: the next charter lists the new one, and the FGs of more than t other schools, who
           compared it with the FG by another channel, accepted that very charter; so one of them is honest
deputy     the FG names a second key, for a limited time and under one charter. It approves, withdraws and countersigns;
           charters and deputies stay with the FG, so a deputy cannot stay on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from privacy import canonical
from privacy.charter import Charter
from privacy.errors import SignatureError
from privacy.identity import SIGNATURE_BYTES, verify
from privacy.ledger import BrokenRule, Entry
from privacy.statements import (
    MAX_BYTES,
    Approval,
    CharterAcceptance,
    Deputation,
    HeadCountersignature,
    Signed,
    Statement,
    StatementError,
    Withdrawal,
    check,
    parse,
    signed_from_bytes,
)

DEPUTY_MAY: Final = (Approval, Withdrawal, HeadCountersignature)
LONGEST_SECONDS: Final = 366 * 86_400
_BY_DEPUTY: Final = "datacoalitie/signed-by-deputy/1"
S = TypeVar("S", bound=Statement)
S_co = TypeVar("S_co", bound=Statement, covariant=True)


def signed_by(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key (32 raw bytes) made this signature."""
    try:
        verify(key, message, signature)
    except SignatureError:
        return False
    return True


# ---- deputies


def signer(entry: Entry, fg_key: bytes, named: Signed[Deputation] | None) -> tuple[bytes, str | None]:
    """(key, deputy) whose signature an entry must carry: the deputy's if it is theirs, else the FG's (deputy None).

    Raises `BrokenRule` with code deputation_expired when the deputy signed and the node recorded it too late.
    """
    message, signature = entry.details["statement"], entry.details["signature"]
    if named is None or not signed_by(named.statement.key, message, signature):
        return fg_key, None
    if entry.time > named.statement.expires:
        rule, remedy = "A deputy signs until the last day.", "Let the FG sign, or name the deputy again."
        raise BrokenRule("deputation_expired", rule, "a later time", remedy)
    return named.statement.key, named.statement.deputy


def check_deputation(charter: Charter | None, last: Deputation | None, named: Deputation) -> None:
    """Return when this deputation may follow `last`, the one before under the charter in force.

    Raises `BrokenRule`: deputation_for_other_charter, deputation_replayed, deputation_too_long, deputy_key_taken.
    """
    if charter is None or named.charter_hash != charter.hash:
        rule, remedy = "A deputy is named under the charter in force.", "Let the FG name the deputy again."
        raise BrokenRule("deputation_for_other_charter", rule, "another charter's hash", remedy)
    if last is not None and named.signed_at <= last.signed_at:  # or one that the FG ended could be put back
        rule = "A deputy is named, or dismissed, later than the one before."
        raise BrokenRule("deputation_replayed", rule, "an earlier moment", "Let the FG sign a new one.")
    if named.expires - named.signed_at > LONGEST_SECONDS:
        rule = "A deputy is named for at most 366 days."
        raise BrokenRule("deputation_too_long", rule, "a later end", "Choose an earlier last day.")
    if named.key in _keys(charter):
        rule = "A deputy signs with a key of their own."
        raise BrokenRule("deputy_key_taken", rule, "a key that the charter lists", "Make one with: coalition key.")


def _keys(charter: Charter) -> set[bytes]:
    keys = {charter.coordinator_key, *(person.key for person in charter.people)}
    return keys.union(*((school.node_key, school.fg_key) for school in charter.schools))


@dataclass(frozen=True)
class ByDeputy(Generic[S_co]):
    """What a deputy signed, with the FG's deputation beside it: for whoever does not hold the ledger."""

    signed: Signed[S_co]
    deputation: Signed[Deputation]

    def to_bytes(self) -> bytes:
        """Canonical bytes: ["datacoalitie/signed-by-deputy/1", message, signature, deputation, its signature]."""
        pairs = ((one.statement.message(), one.signature) for one in (self.signed, self.deputation))
        return canonical.tagged(_BY_DEPUTY, *(part for pair in pairs for part in pair))


def from_fg(data: bytes, kind: type[S]) -> tuple[Signed[S], Signed[Deputation] | None]:
    """Read what an FG signed, or what a deputy signed together with the FG's deputation; judge it with `check_fg`.

    Raises `StatementError` for another type or shape, `canonical`'s error for bytes that are not canonical.
    """
    value = canonical.decode(data, max_bytes=4 * MAX_BYTES)
    if not canonical.is_tagged(value, _BY_DEPUTY, 5):
        return signed_from_bytes(data, kind), None
    _, *parts = value
    signed, deputation = _signed(parts[0], parts[1], kind), _signed(parts[2], parts[3], Deputation)
    return signed, deputation


def _signed(message: object, signature: object, kind: type[S]) -> Signed[S]:
    shaped = isinstance(message, bytes) and isinstance(signature, bytes) and len(signature) == SIGNATURE_BYTES
    statement = parse(message) if shaped and isinstance(message, bytes) else None
    if not isinstance(statement, kind) or not isinstance(signature, bytes):
        raise StatementError(
            f"A deputy's file holds a {kind.__name__} and the FG's deputation. Found: something else. "
            "Send the file as this platform wrote it, whole and unedited."
        )
    return Signed(statement, signature)


def check_fg(charter: Charter, school: str, signed: Signed[Any], deputation: Signed[Deputation] | None) -> None:
    """Return when the FG of `school`, or a deputy whom that FG named under this charter, signed this.

    Without the ledger at hand a deputy's own word (`signed_at`) says when it was signed; the node, which records it,
    goes by its own time. Raises `SignatureError` or `BrokenRule`.
    """
    key = charter.school(school).fg_key
    if deputation is not None:
        named = check(deputation, key)
        check_deputation(charter, None, named)
        _check_term(signed.statement, named, school)
        key = named.key
    check(signed, key)


def _check_term(statement: Any, named: Deputation, school: str) -> None:
    if not isinstance(statement, DEPUTY_MAY) or named.school != school:
        rule = "A deputy approves, withdraws and countersigns, for the own school."
        raise BrokenRule("not_for_a_deputy", rule, type(statement).__name__, "Let the FG sign this.")
    if not named.signed_at <= statement.signed_at <= named.expires:
        rule = "A deputy signs from the day of being named until the last day."
        raise BrokenRule("deputation_expired", rule, "another moment", "Let the FG sign, or name the deputy again.")


# ---- recovery


def check_recovery(current: Charter | None, successor: Charter, school: str, fg_key: bytes, vouchers: Any) -> None:
    """Return when enough other FGs vouch for the new key that `successor` lists for the FG of `school`.

    vouchers: [message, signature] of `CharterAcceptance` by FGs whose keys `current` lists. fg_key: the key that was
    lost. Raises `BrokenRule`: recovery_without_charter, nothing_lost, other_voucher, too_few_vouchers.
    """
    if current is None:
        rule, remedy = "A lost key is replaced under a charter.", "Make a new node, and accept the charter there."
        raise BrokenRule("recovery_without_charter", rule, "none accepted", remedy)
    if successor.school(school).fg_key == fg_key:
        rule = "A recovery gives the FG a new key."
        raise BrokenRule("nothing_lost", rule, "the same key", "Accept the charter in the usual way.")
    found = {_voucher(current, successor, school, *pair) for pair in vouchers}
    if len(found) <= current.collusion_threshold:
        rule = f"FGs of at least {current.collusion_threshold + 1} other schools vouch for a new key."
        raise BrokenRule(
            "too_few_vouchers", rule, f"{len(found)}", "Ask more FGs for their acceptance of this charter."
        )


def _voucher(current: Charter, successor: Charter, school: str, message: bytes, signature: bytes) -> str:
    """The school whose FG vouches."""
    statement = parse(message)
    rule, remedy = "Another school's FG vouches by accepting this very charter.", "Ask that FG for its acceptance."
    if not isinstance(statement, CharterAcceptance) or statement.school == school:
        raise BrokenRule("other_voucher", rule, "something else, or this school's own", remedy)
    if (statement.charter_hash, statement.version) != (successor.hash, successor.version):
        raise BrokenRule("other_voucher", rule, f"another charter, by {statement.school}", remedy)
    verify(current.school(statement.school).fg_key, message, signature)
    return statement.school


def voucher_values(vouchers: Sequence[Signed[CharterAcceptance]]) -> list[canonical.Value]:
    """Vouchers as they stand in an entry, by school."""
    ordered = sorted(vouchers, key=lambda one: one.statement.school)
    return [[one.statement.message(), one.signature] for one in ordered]
