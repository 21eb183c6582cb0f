"""A school's ledger and what its FG wants arrive; keys that may sign, deputies and a card with a new key leave.

How a key is replaced, lost or lent: docs/fg.md; why so: docs/decisions/022-keys-of-an-fg.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from node.errors import Refusal, UnusableInput
from node.folder import read_card, write_card
from privacy.statements import CharterAcceptance, Deputation, Signed
from privacy.succession import DEPUTY_MAY, LONGEST_SECONDS, ByDeputy, signed_by

if TYPE_CHECKING:
    from node.folder import NodeFolder
    from privacy.charter import Charter
    from privacy.ledger_state import State
    from privacy.statements import Statement

Vouchers = Sequence[Signed[CharterAcceptance]]
FG = "FG"


def _card(folder: NodeFolder) -> dict[str, Any]:
    return read_card(folder)


# ---- which keys


def announced(folder: NodeFolder, state: State) -> set[bytes]:
    """The keys that a charter may list for this FG: the one in force, and the one that card.json announces."""
    return {state.fg_key, bytes.fromhex(_card(folder)["fg_key"])}


def allowed(state: State, statement: Statement, recovered: Charter | None = None) -> list[bytes]:
    """The keys that may sign this: the FG's, the deputy's for what a deputy may do, the new one after a loss."""
    if recovered is not None:
        return [recovered.school(state.school).fg_key]
    if state.deputy is not None and isinstance(statement, DEPUTY_MAY):
        return [state.fg_key, state.deputy.statement.key]
    return [state.fg_key]


def signer(state: State, signed: Signed[Any]) -> str:
    """Who signed what was just recorded: "FG", or the deputy's id."""
    named = state.deputy
    if named is None or not isinstance(signed.statement, DEPUTY_MAY):
        return FG
    is_deputy = signed_by(named.statement.key, signed.statement.message(), signed.signature)
    return named.statement.deputy if is_deputy else FG


def for_outside(state: State, signed: Signed[Any]) -> bytes:
    """What the coordinator gets: the signed statement, with the FG's deputation beside it when a deputy signed."""
    if state.deputy is None or signer(state, signed) == FG:
        return signed.to_bytes()
    return ByDeputy(signed, state.deputy).to_bytes()


# ---- a new key


def announce(folder: NodeFolder, state: State, public: bytes) -> None:
    """Write the card again with the FG's new public key; the old key stays in force until a charter lists the new."""
    if public in (state.fg_key, state.node_key):
        rule, remedy = "A new key of the FG is another one.", "Make one with: coalition key FILE."
        raise UnusableInput("key_in_use", rule, "a key that this ledger knows", remedy)
    card = _card(folder)
    sizes = {int(cohort): size for cohort, size in card["enrolments"].items()}
    write_card(folder, card["id"], card["name"], bytes.fromhex(card["node_key"]), public, sizes)


# ---- a deputy


def draft_deputy(state: State, now: int, deputy: str, key: bytes, expires: int) -> Deputation:
    """Name a deputy until `expires` (seconds since 1970 UTC); `Refusal` for a term in the past or above 366 days."""
    moment = _moment(state, now)
    if not moment < expires <= moment + LONGEST_SECONDS:
        rule = "A deputy is named until a day that lies ahead, at most 366 days."
        raise Refusal("deputy_term", rule, "another day", "Choose another last day with --until.")
    return Deputation(state.school, _charter_hash(state), deputy, key, expires, moment)


def draft_dismissal(state: State, now: int) -> Deputation:
    """End the present deputy's term; `Refusal` when there is no deputy whose term runs."""
    last = None if state.deputy is None else state.deputy.statement
    if last is None or last.expires < now:
        rule, remedy = "A deputy whose term runs can be dismissed.", "Nothing needs to be done."
        raise Refusal("no_deputy", rule, "none", remedy)
    moment = _moment(state, now)
    return Deputation(state.school, _charter_hash(state), last.deputy, last.key, max(0, last.signed_at - 1), moment)


def _moment(state: State, now: int) -> int:
    """Now, and always later than the deputation before: of two, the later one counts."""
    return now if state.deputy is None else max(now, state.deputy.statement.signed_at + 1)


def _charter_hash(state: State) -> bytes:
    if state.charter is None:
        rule, remedy = (
            "An FG accepts a charter before anything else.",
            "Run: coalition-node approve NODE --charter FILE.",
        )
        raise UnusableInput("no_charter", rule, "none", remedy)
    return state.charter.hash
