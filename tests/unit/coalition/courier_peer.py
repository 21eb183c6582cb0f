"""What the coordinator's transport meets in tests: a ServerApp, a SuperLink and SuperNodes, in threads of one process.

Sockets and parcels are the real ones, and so are the nodes behind the doors. `Peer` plays the ServerApp as well, so
that a test can let it say anything, lose anything, and die. Behind `CourierPeer` the real ServerApp and the real relay
run, and only Flower's network between the two is replaced.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from flwr.app import Context, Message, RecordDict

from coalition import addresses, flower_transport, parcels, server_app
from coalition.parcels import Parcel
from experiments import frames, protocol
from node.relay import client_app
from node.service import open_server

PATIENCE = 60.0  # seconds; longer than a busy machine takes, and never waited out by a transport that works

Door = Callable[[bytes], bytes | str | None]
"""A relay with its node: request in; a reply, a relay's code, or None when nothing ever comes back."""


@dataclass(frozen=True)
class Line:
    """A SuperNode: what it reaches, the name under which it is registered, the moment of its last activation."""

    door: Door
    name: str = ""
    since: str = "1"


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; after PATIENCE it never will."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "what was waited for never came"
        time.sleep(0.001)


def is_hello(data: bytes) -> bool:
    """Whether these request bytes ask who is there."""
    return isinstance(protocol.decode_request(data)[0], protocol.Hello)


def behind(greeter: Door, requests: Door) -> Door:
    """A SuperNode whose greetings are one node's and whose requests something else answers."""
    return lambda data: (greeter if is_hello(data) else requests)(data)


@dataclass
class Clock:
    """Time for the transport and its address book: it passes when a test says so, or when somebody sleeps.

    A transport that waits for what does not come would wait for ever: after PATIENCE real seconds that is a failure.
    """

    now: float = 1000.0
    gives_up: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    def monotonic(self) -> float:
        """Seconds."""
        assert time.monotonic() < self.gives_up, "the transport waits for something that does not come"
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @classmethod
    def wound(cls, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """A clock that transport and address book go by; failed requests and hellos are sent again at once."""
        made = cls()
        for module in (flower_transport, addresses):
            monkeypatch.setattr(module, "time", made)
            monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
        return made


class Peer:
    """A ServerApp over lines (node id -> `Line`), scripted by the test; `start` is what `FlowerTransport` calls."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self.lines = dict(lines)
        self.given: list[Parcel] = []
        self.starts = 0
        self._lock = threading.RLock()
        self._connection: socket.socket | None = None

    def start(self, path: Path) -> None:
        """Start a ServerApp that connects to this socket."""
        self.starts += 1
        threading.Thread(target=self._carry, args=(path,), daemon=True).start()

    def requests(self) -> list[Parcel]:
        """Everything sent so far that is no hello, in order."""
        return [parcel for parcel in self.given if not is_hello(parcel.body)]

    def ticket(self, data: bytes) -> str:
        """The ticket under which these bytes were last sent."""
        return next(parcel.ticket for parcel in reversed(self.given) if parcel.body == data)

    def put(self, node: str, line: Line) -> None:
        """A SuperNode comes online, or is another from now on; the coordinator hears of it."""
        self.lines[node] = line
        self.tell()

    def restart(self, node: str, since: str) -> None:
        """A SuperNode was killed, which the coordinator hears, and is back."""
        line = self.lines.pop(node)
        self.tell()
        self.put(node, replace(line, since=since))

    def kill(self) -> None:
        """The ServerApp dies; what it had said before that is still read."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):  # the coordinator hung up just before
                connection.shutdown(socket.SHUT_RDWR)

    def tell(self) -> None:
        """Say who is online."""
        nodes = {node: (line.name, line.since) for node, line in self.lines.items()}
        self.say(Parcel("nodes", nodes=nodes))

    def say(self, parcel: Parcel, connection: socket.socket | None = None) -> None:
        """Say one parcel; a ServerApp that is gone says nothing."""
        with self._lock, suppress(OSError):
            to = connection or self._connection
            if to is not None:
                parcels.send(to, parcel)

    def _carry(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
            self._connection = connection
            self.tell()
            with suppress(OSError, frames.FrameError):
                while True:
                    parcel = parcels.receive(connection)
                    self.given.append(parcel)
                    threading.Thread(target=self._forward, args=(parcel, connection), daemon=True).start()

    def _forward(self, parcel: Parcel, connection: socket.socket) -> None:
        line = self.lines.get(parcel.node)
        said = "relay_offline" if line is None else line.door(parcel.body)
        if isinstance(said, bytes):
            self.say(Parcel("reply", parcel.ticket, body=said), connection)
        elif said is not None:
            self.say(Parcel("failed", parcel.ticket, code=said), connection)


class NoNetwork:
    """Flower's `Grid` as SuperLink and SuperNodes of version 1.41 make it look, without either.

    A message to a node that is not registered gets an empty id; a reply is pulled once.
    """

    def __init__(self, relays: Mapping[int, tuple[str, Path]]) -> None:
        self._relays = relays
        self._replies: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._pushed = 0

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Give each message to its relay; return the messages' ids."""
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        relay = self._relays.get(message.metadata.dst_node_id)
        if relay is None:
            return ""
        self._pushed += 1
        message.metadata.__dict__["_message_id"] = f"message-{self._pushed}"
        threading.Thread(target=self._relay, args=(message, relay[1]), daemon=True).start()
        return str(message.metadata.message_id)

    def _relay(self, message: Message, path: Path) -> None:
        context = Context(1, message.metadata.dst_node_id, {"socket": str(path)}, RecordDict(), {})
        reply = client_app.app(message=message, context=context)
        with self._lock:
            self._replies[message.metadata.message_id] = reply

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Replies that have come to any of these."""
        with self._lock:
            return [self._replies.pop(message) for message in list(message_ids) if message in self._replies]

    def get_nodes(self) -> list[SimpleNamespace]:
        """Who is online."""
        return [
            SimpleNamespace(node_id=number, name=name, status="online", last_activated_at="1")
            for number, (name, _) in self._relays.items()
        ]


@contextmanager
def open_doors(folder: Path, doors: Mapping[str, Callable[[bytes], bytes]]) -> Iterator[dict[str, Path]]:
    """Each door behind a node's real socket in `folder`; as `node.service.serving`, but quick to close."""
    servers = {school: open_server(folder / f"{school}.sock", door) for school, door in doors.items()}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield {school: folder / f"{school}.sock" for school in doors}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


class CourierPeer:
    """The real ServerApp and the real relay in front of nodes' sockets (school -> path); `start` as of `Peer`."""

    def __init__(self, sockets: Mapping[str, Path]) -> None:
        self.grid = NoNetwork(dict(enumerate(sockets.items(), 1)))

    def start(self, path: Path) -> None:
        """Start the real courier on this socket."""
        threading.Thread(target=self._carry, args=(path,), daemon=True).start()

    def _carry(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError):
            connection.connect(str(path))
            server_app.Courier(self.grid, connection).carry()  # type: ignore[arg-type]
