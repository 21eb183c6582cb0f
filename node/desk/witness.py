"""Published evidence and other FGs' files arrive; what each node signed is kept, and what contradicts it leaves.

A school holds what others signed, so that hiding a fork takes the silence of everyone (docs/decisions/021). Only what
carries a valid signature under a charter that this school's FG accepted is kept, at most `MOST` statements of one node.

NODE/held/SCHOOL-KEY.cbor  ["datacoalitie/held/1", school, node key, [signed statement, …]]
an export                  ["datacoalitie/held-by/1", holder, [[school, node key, [signed statement, …]], …]]
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from experiments import protocol
from experiments.errors import ExperimentError
from experiments.frames import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from node.errors import Refusal, UnusableInput
from privacy import canonical
from privacy.balances import replay
from privacy.errors import CanonicalError, PrivacyError
from privacy.identity import write_private
from privacy.ledger import Entry, Record
from privacy.receipts import KINDS, Fork, Shown, absent, forks
from privacy.statements import HeadCountersignature, Signed, StatementError, signed_from_bytes
from privacy.succession import signed_by

if TYPE_CHECKING:
    from node.desk.approving import Desk
    from privacy.charter import Charter
    from privacy.ledger_state import State

FOLDER: Final = "held"
MOST: Final = 20_000
LARGEST_EXCHANGE: Final = MAX_REQUEST_BYTES + MAX_REPLY_BYTES + 4096
LARGEST_FILE: Final = 64 * 2**20
_HELD: Final = "datacoalitie/held/1"
_HELD_BY: Final = "datacoalitie/held-by/1"


class Signer(NamedTuple):
    """One node of one school: a school that begins a new ledger has a new node key."""

    school: str
    node_key: bytes


@dataclass
class Held:
    """What is held of every node: (its statements, as bytes, in the order in which they came)."""

    of: dict[Signer, dict[bytes, Shown]]

    def add(self, signer: Signer, shown: Shown) -> bool:
        """Keep one more; whether it was new. Raises `Refusal` when there is no room."""
        known, data = self.of.setdefault(signer, {}), shown.to_bytes()
        if data in known:
            return False
        if len(known) >= MOST:
            rule = f"At most {MOST} statements of one node are held."
            remedy = "Export what is held and keep it elsewhere; then remove that node's file from NODE/held."
            raise Refusal("held_full", rule, signer.school, remedy)
        known[data] = shown
        return True

    def forks(self) -> list[Fork]:
        """Every contradiction, by school."""
        return [fork for signer in sorted(self.of) for fork in forks(self.of[signer].values())]


# ---- on disk


def read(desk: Desk) -> Held:
    """What this school holds."""
    held = Held({})
    for path in sorted((desk.folder.root / FOLDER).glob("*.cbor")):
        match _decoded(path, LARGEST_FILE):
            case [str(tag), *group] if tag == _HELD:
                signer, statements = _group(group, path)
                held.of[signer] = {data: _shown(data, path) for data in statements}
            case _:
                raise _unreadable(path)
    return held


def write(desk: Desk, held: Held) -> None:
    """Keep it, each node's file whole or as it was."""
    for signer, statements in held.of.items():
        path = desk.folder.root / FOLDER / f"{signer.school}-{signer.node_key.hex()[:16]}.cbor"
        write_private(path, canonical.tagged(_HELD, *signer, list(statements)))


def export(desk: Desk, held: Held, path: Path) -> None:
    """Write all of it for another FG or an auditor; an existing file is refused."""
    if path.exists():
        raise UnusableInput("file_exists", "An export is a new file.", str(path), "Choose another name.")
    groups: list[Any] = [[*signer, list(statements)] for signer, statements in sorted(held.of.items())]
    write_private(path, canonical.tagged(_HELD_BY, desk.state.school, groups))


# ---- taking in


def take(desk: Desk, held: Held, source: Path) -> tuple[int, int]:
    """Add what a published bundle, its evidence folder, or another FG's export holds.

    Returns (how many were new, how many were left out because no accepted charter's key signed them).
    """
    charters = desk.ledger.charters()
    new = foreign = 0
    for signer, shown in _sources(charters, source):
        if signer is None:
            foreign += 1
        else:
            new += held.add(signer, shown)
    return new, foreign


def _sources(charters: Sequence[Charter], source: Path) -> Iterator[tuple[Signer | None, Shown]]:
    if source.is_file():
        return _from_export(charters, source)
    folder = source if (source / "charter.cbor").is_file() else source / "evidence"
    return _from_evidence(charters, folder)


def _from_export(charters: Sequence[Charter], path: Path) -> Iterator[tuple[Signer | None, Shown]]:
    match _decoded(path, LARGEST_FILE):
        case [str(tag), str(), list(groups)] if tag == _HELD_BY:
            for group in groups:
                signer, statements = _group(group, path)
                for data in statements:
                    shown = _shown(data, path)
                    yield _signer(charters, shown, signer.node_key), shown
        case _:
            raise _unreadable(path)


def _from_evidence(charters: Sequence[Charter], folder: Path) -> Iterator[tuple[Signer | None, Shown]]:
    """Receipts and certificates of every message, and the heads, of one finding's evidence."""
    if not (folder / "charter.cbor").is_file():
        rule, remedy = "Evidence is a published bundle, or another FG's export.", "Name the folder with finding.json."
        raise UnusableInput("not_evidence", rule, str(folder), remedy)
    for path in sorted((folder / "exchanges").glob("*.cbor")):
        for shown in _said(path):
            yield _signer(charters, shown), shown
    for path in sorted((folder / "heads").glob("*.cbor")):
        shown = _shown(path.read_bytes()[:LARGEST_EXCHANGE], path)
        yield _signer(charters, shown), shown


def _said(path: Path) -> Iterator[Shown]:
    """What stands signed in one exchange; what is no message of the protocol says nothing."""
    match _decoded(path, LARGEST_EXCHANGE):
        case [_, _, _, str(), bytes(request), reply]:
            yield from _certificates(request)
            if isinstance(reply, bytes):
                yield from _replied(reply)
        case _:
            raise _unreadable(path)


def _certificates(data: bytes) -> Sequence[Shown]:
    try:
        request, _, _ = protocol.decode_request(data)
    except (ExperimentError, PrivacyError):
        return ()
    asks = isinstance(request, protocol.Request) and isinstance(request.body, protocol.Ask)
    return request.body.roster if asks else ()  # type: ignore[union-attr]


def _replied(data: bytes) -> Sequence[Shown]:
    try:
        reply = protocol.decode_reply(data)
    except (ExperimentError, PrivacyError):
        return ()
    match reply:
        case protocol.Answer():
            return (reply.receipt,)
        case protocol.Prepared():
            return (reply.certificate,)
    return ()


def _signer(charters: Sequence[Charter], shown: Shown, node_key: bytes | None = None) -> Signer | None:
    """Whose this is by an accepted charter and the signature, the newest charter first; None when it is nobody's.

    A head is the FG's: `node_key` says of which node, or else the charter that lists that FG's key.
    """
    message = shown.statement.message()
    for charter in reversed(charters):
        member = next((one for one in charter.schools if one.id == shown.statement.school), None)
        if member is None or node_key not in (None, member.node_key):
            continue
        key = member.fg_key if isinstance(shown.statement, HeadCountersignature) else member.node_key
        if signed_by(key, message, shown.signature):
            return Signer(member.id, member.node_key)
    return None


# ---- against a ledger


def in_copy(path: Path) -> tuple[State, list[Entry]]:
    """A copy of some school's ledger, every entry checked; `UnusableInput` for anything else."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT bytes, signature FROM entries ORDER BY seq").fetchall()
        return replay(Record(*row) for row in rows), [Entry.from_bytes(data) for data, _ in rows]
    except (sqlite3.Error, PrivacyError, TypeError) as error:
        rule, remedy = "A copy of a ledger holds.", "Ask its FG again, and check it with privacy/verify.py."
        raise UnusableInput("not_a_ledger", rule, f"{path.name}: {error}", remedy) from error


def missing(held: Held, state: State, entries: Iterable[Entry]) -> list[Shown]:
    """What is held of that ledger's node and does not stand in it."""
    return absent(entries, held.of.get(Signer(state.school, state.node_key), {}).values())


# ---- reading


def _decoded(path: Path, limit: int) -> Any:
    try:
        if path.stat().st_size > limit:
            raise _unreadable(path)
        return canonical.decode(path.read_bytes(), max_bytes=limit)
    except CanonicalError as error:
        raise _unreadable(path) from error


def _group(group: Any, path: Path) -> tuple[Signer, list[bytes]]:
    match group:
        case [str(school), bytes(node_key), list(statements)] if all(isinstance(one, bytes) for one in statements):
            return Signer(school, node_key), statements
    raise _unreadable(path)


def _shown(data: bytes, path: Path) -> Shown:
    for kind in KINDS:
        try:
            shown: Signed[Any] = signed_from_bytes(data, kind)
        except StatementError:
            continue
        except PrivacyError as error:
            raise _unreadable(path) from error
        return shown
    raise _unreadable(path)


def _unreadable(path: Path) -> UnusableInput:
    rule, remedy = "What is held or taken in is a file as this platform wrote it.", "Ask for it again, whole."
    return UnusableInput("evidence_unreadable", rule, path.name, remedy)
