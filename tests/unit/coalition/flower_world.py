"""A small coalition behind a peer arrives; what the tests of the transport over Flower ask of it, and see, leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coalition.flower_transport import FlowerTransport
from coalition.rehearsal.flower import short_folder
from experiments import protocol
from tests.kit import Kit
from tests.unit.coalition.courier_peer import PATIENCE, Door, Line, Peer, behind, is_hello
from tests.unit.coalition.transport_contract import exchange, prepare

FOREVER = 1e9


@dataclass
class World:
    """A coalition behind a peer: school-N is reached at node N+1."""

    kit: Kit
    peer: Peer
    doors: dict[str, Door]
    meeting: Path
    start: Callable[[Path], None]
    shown: list[tuple] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.way = FlowerTransport(
            self.kit.charter,
            self.kit.coordinator,
            lambda path: self.start(path),
            self.meeting,
            lambda *words: self.shown.append(words),
        )

    def ask(self, *schools: str, timeout: float = PATIENCE) -> dict:
        """One exchange with these schools, all needed."""
        requests = {school: data for school, data in prepare(self.kit).items() if school in schools}
        return exchange(self.way, requests, set(schools), timeout)

    def asked(self) -> list[str]:
        """Node ids to which a request was sent, in order."""
        return [parcel.node for parcel in self.peer.requests()]

    def greeted(self) -> list[str]:
        """Node ids to which a hello was sent, in order."""
        return [parcel.node for parcel in self.peer.given if is_hello(parcel.body)]

    def relay(self, school: str, requests: Door) -> Line:
        """A relay of that school whose greetings are its node's and whose requests something else answers."""
        return Line(behind(self.doors[school], requests), school)


@contextmanager
def open_world(kit: Kit) -> Iterator[World]:
    """Three schools online, each greeted by its own node."""
    with short_folder() as folder:
        doors: dict[str, Door] = dict(kit.doors())
        peer = Peer({str(number): Line(doors[school], school) for number, school in enumerate(doors, 1)})
        made = World(kit, peer, doors, folder, peer.start)
        yield made
        made.way.close()


def code_of(replies: list[bytes]) -> str:
    """The code of the one refusal that arrived."""
    (reply,) = replies
    refusal = protocol.decode_reply(reply)
    assert isinstance(refusal, protocol.Refusal), refusal
    return refusal.code


def is_certificate(replies: list[bytes]) -> bool:
    """Whether exactly one reply arrived, a node's certificate."""
    return len(replies) == 1 and isinstance(protocol.decode_reply(replies[0]), protocol.Prepared)
