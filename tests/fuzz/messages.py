"""A small coalition arrives; a subject leaves for everything that travels between coordinator, relay and node."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from coalition import parcels
from experiments import definition, frames, protocol
from experiments.errors import ExperimentError
from node import slots
from node.answer import answer
from node.relay import bridge
from privacy import canonical, statements
from privacy.balances import replay
from privacy.charter import Charter
from privacy.errors import PrivacyError
from privacy.identity import SigningKey
from privacy.ledger import Entry, Record
from privacy.receipts import KINDS
from shared_schema import SchemaError
from tests.fuzz.harness import Broken, Subject
from tests.fuzz.mutations import JSON_TOKENS, ODD_BINARY, ODD_NUMBERS, ODD_TEXTS, ODD_TREES, bent_bytes, bent_tree
from tests.kit import Kit, coalition
from tests.ledger_world import World, charge

ODD = (*ODD_BINARY, *ODD_NUMBERS, *ODD_TEXTS, *ODD_TREES)
MOST = 2**26
Bend = Callable[[random.Random, Any, Sequence[Any]], Any]
WIRE = (ExperimentError, PrivacyError)


def bent_canonical(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend a message as a tree, in canonical form still where that can be; else as bytes."""
    if chance.random() < 0.3:
        return bent_bytes(chance, data, others)
    return _rewritten(chance, data, ODD)


def _rewritten(chance: random.Random, data: bytes, odd: Sequence[Any], depth: int = 0) -> bytes:
    """Bend the tree, or a message that lies within it as bytes."""
    tree = canonical.decode(data, MOST)
    if isinstance(tree, list) and depth < 3 and chance.random() < 0.5:
        inner = [at for at, item in enumerate(tree) if isinstance(item, bytes) and _is_message(item)]
        if inner:
            at = chance.choice(inner)
            return canonical.encode([*tree[:at], _rewritten(chance, tree[at], odd, depth + 1), *tree[at + 1 :]])
    return _encoded(bent_tree(chance, tree, odd), data)


def _encoded(tree: Any, instead: bytes) -> bytes:
    try:
        return canonical.encode(tree)
    except PrivacyError:  # what cannot be written cannot be sent
        return instead[:-1]


def _is_message(data: bytes) -> bool:
    with suppress(PrivacyError):
        return isinstance(canonical.decode(data, MOST), list)
    return False


def subjects(folder: Path) -> list[Subject]:
    """Every subject of this module; `folder` is for the coalition's files."""
    slots.Slot.wait = lambda slot: None  # type: ignore[method-assign]  # thousands of refusals, each with a slot
    kit = coalition(folder, schools=3)
    every = [
        *_requests(kit),
        *_statements(),
        *_ledger(folder / "world"),
        _charter(kit),
        _experiment(kit),
        *_streams(folder),
    ]
    return [replace(subject, times=20) for subject in every]


# ---- requests and replies


def _requests(kit: Kit) -> list[Subject]:
    certificates = kit.prepare()
    roster = tuple(certificates[school] for school in sorted(certificates))
    prepare, ask = protocol.Prepare(kit.experiment.encoded, kit.serials), protocol.Ask(1, 0, roster, {})
    hello = protocol.Hello(kit.charter.hash, "node-7", b"h" * 32).encode(kit.coordinator)
    valid = [kit.request("school-0", prepare), kit.request("school-0", ask), hello]
    close = kit.request("school-2", protocol.Close())
    answers = [answer(kit.members["school-0"].node, data) for data in valid]
    answers += [protocol.Closed("school-2").encode(), protocol.Refusal("too_few_schools").encode()]

    def bend(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bend what is signed and sign it again: most mutations would end at the signature."""
        if chance.random() < 0.3:
            return bent_canonical(chance, data, others)
        message, _ = canonical.decode(data, MOST)  # type: ignore[misc]
        bent = _rewritten(chance, message, ODD)
        return canonical.encode([bent, kit.coordinator.sign(bent)])

    return [
        Subject("requests", valid, bend, lambda data: _answered(kit, "school-0", data), ()),
        Subject("closing", [close], bend, lambda data: _answered(kit, "school-2", data), ()),
        Subject("request-bytes", [*valid, close], bent_canonical, protocol.decode_request, WIRE),
        Subject("replies", answers, bent_canonical, protocol.decode_reply, WIRE),
    ]


def _answered(kit: Kit, school: str, data: bytes) -> None:
    """Ask a real node: whatever is asked, it answers, and no refusal is one that nobody foresaw."""
    member = kit.members[school]
    reply = protocol.decode_reply(answer(member.node, data))
    if isinstance(reply, protocol.Refusal) and reply.code == "internal_error":
        raise Broken(member.incidents[-1])


# ---- signed statements, charter, ledger, experiment

_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("school", "submitter", "reviewer", "deputy", "address"), "school-0"),
    **dict.fromkeys(("serial", "expires", "signed_at", "epoch", "deadline", "version", "seq"), 7),
    "cap_rho": Fraction(1, 3),
    "own_figures": True,
    "verdict": "accept",
}


def _statements() -> list[Subject]:
    key = SigningKey.generate()
    kinds = list(statements._TYPES.values())
    made = [kind(*(_FIELDS.get(name, b"x" * 32) for name in kind.names())) for kind in kinds]
    signed = [statements.sign(statement, key).to_bytes() for statement in made]

    def read(data: bytes) -> None:
        for kind in kinds:
            with suppress(statements.StatementError):
                _same(statements.signed_from_bytes(data, kind).to_bytes(), data)
        statements.signed_from_bytes(data, kinds[data[-1] % len(kinds)] if data else KINDS[0])

    def bare(data: bytes) -> None:
        _same(statements.parse(data).message(), data)

    return [
        Subject("signed-statements", signed, bent_canonical, read, (PrivacyError,), plain=False),
        Subject("statements", [one.message() for one in made], bent_canonical, bare, (PrivacyError,)),
    ]


def _same(written: bytes, read: bytes) -> None:
    if written != read:
        raise Broken("what was read is written otherwise: two texts of one meaning")


def _charter(kit: Kit) -> Subject:
    valid = [kit.charter.to_bytes(), *(one.charter.to_bytes() for one in [World(kit.folder)])]
    return Subject(
        "charters",
        valid,
        bent_canonical,
        lambda data: _same(Charter.from_bytes(data).to_bytes(), data),
        (PrivacyError,),
    )


def _experiment(kit: Kit) -> Subject:
    def read(data: bytes) -> None:
        _same(definition.thaw(data).encoded, data)

    return Subject("experiments", [kit.experiment.encoded], bent_canonical, read, (*WIRE, SchemaError))


def _ledger(folder: Path) -> list[Subject]:
    """Entries one by one, and whole chains whose bent entry the node itself signed."""
    world = World(folder)
    store = world.ready()
    run = world.run()
    charge(store, run)
    store.close(run)
    store.record_withdrawal(world.withdrawal())
    records = [Record(entry.to_bytes(), world.node.sign(entry.to_bytes())) for entry in store.entries()]

    def bend(chance: random.Random, data: bytes, others: Sequence[bytes]) -> tuple[int, bytes]:
        at = chance.randrange(len(records))
        return at, bent_canonical(chance, records[at].data, others)

    def chain(given: tuple[int, bytes]) -> None:
        at, data = given
        replay([*records[:at], Record(data, world.node.sign(data)), *records[at + 1 :]])

    def entry(data: bytes) -> None:
        _same(Entry.from_bytes(data).to_bytes(), data)

    data = [record.data for record in records]
    return [
        Subject("ledger-entries", data, bent_canonical, entry, (PrivacyError,)),
        Subject("ledger-chains", data, bend, chain, (PrivacyError,), plain=False),
    ]


# ---- streams: frames, parcels, and what a relay is told


def _streams(folder: Path) -> list[Subject]:
    framed = [_framed(payload) for payload in (b"", b"request", bytes(5000))]
    parcel = parcels.Parcel("reply", "t1", "42", 1.5, "", {"42": ("school-0", "2026-01-01")}, b"body")
    header = {"kind": "nodes", "ticket": "t", "node": "1", "seconds": 2.0, "code": "", "nodes": {"1": ["a", "b"]}}
    tree = json.dumps(header).encode()
    return [
        Subject("frames", framed, bent_bytes, lambda data: _received(data, _frame), (frames.FrameError,)),
        Subject(
            "parcels",
            [_framed(tree + b"\nbody"), _sent(parcel)],
            _bent_parcel,
            lambda data: _received(data, _parcel),
            (frames.FrameError,),
        ),
        Subject("relay", framed, bent_bytes, lambda data: _relayed(folder / "n.sock", data), (bridge.RelayFailure,)),
        Subject(
            "relay-settings", [{"socket": "/n.sock", "timeout": 9}], _bent_odd, bridge.settings, (bridge.RelayFailure,)
        ),
    ]


def _bent_odd(chance: random.Random, tree: Any, others: Sequence[Any]) -> Any:
    bent = bent_tree(chance, tree, (*ODD_NUMBERS, *ODD_TEXTS, *ODD_TREES, float("nan"), float("inf"), b"x"))
    return bent if isinstance(bent, dict) else {"socket": bent}


def _bent_parcel(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend the frame, or the header within it, as text or as a tree."""
    if chance.random() < 0.3:
        return bent_bytes(chance, data, others)
    header, _, body = data[frames.HEADER_BYTES :].partition(b"\n")
    if chance.random() < 0.4:
        return _framed(
            bent_bytes(chance, header, [header], [token.encode("utf-8") for token in JSON_TOKENS]) + b"\n" + body
        )
    odd = (*ODD_NUMBERS[:6], *ODD_TEXTS, *ODD_TREES, 1e308, float("nan"))
    return _framed(json.dumps(bent_tree(chance, json.loads(header), odd)).encode() + b"\n" + body)


def _framed(payload: bytes) -> bytes:
    return frames.MAGIC + len(payload).to_bytes(4, "big") + payload


def _sent(parcel: parcels.Parcel) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parcels.send(ours, parcel)
        return theirs.recv(1 << 16)


def _received(data: bytes, read: Callable[[socket.socket], None]) -> None:
    ours, theirs = socket.socketpair()
    with theirs, _Writing(ours, data):
        theirs.settimeout(10)
        read(theirs)


class _Writing(threading.Thread):
    """Write from a thread, so that a reader which stops early keeps nobody waiting; then hang up."""

    def __init__(self, to: socket.socket, data: bytes) -> None:
        super().__init__(daemon=True)
        self._to, self._data = to, data

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._to.shutdown(socket.SHUT_RDWR)
        self.join()

    def run(self) -> None:
        with self._to, suppress(OSError):
            self._to.sendall(self._data)


def _frame(connection: socket.socket) -> None:
    frames.receive(connection, frames.MAX_REQUEST_BYTES)


def _parcel(connection: socket.socket) -> None:
    parcel = parcels.receive(connection)
    if not isinstance(parcel.seconds, int | float) or parcel.seconds != parcel.seconds:
        raise Broken(f"a parcel whose seconds are a {type(parcel.seconds).__name__}")


def _relayed(path: Path, data: bytes) -> None:
    """A node that answers so, behind a real socket."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                frames.receive(connection, frames.MAX_REQUEST_BYTES)
                connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            bridge.forward(b"request", str(path), 10.0)
        finally:
            thread.join()
