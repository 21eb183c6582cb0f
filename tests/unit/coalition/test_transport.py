"""Every transport keeps the contract: in process, by local sockets, and through Flower."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from flwr.supercore.task_identity import TaskIdentity

from coalition import flower_transport, parcels, server_app
from coalition.flower_transport import FlowerTransport
from coalition.parcels import Parcel
from coalition.rehearsal.flower import short_folder
from coalition.transport import InProcess, LocalSockets
from tests.kit import Kit, coalition
from tests.unit.coalition import transport_contract
from tests.unit.coalition.courier_peer import CourierPeer, Line, NoNetwork, Peer, behind, open_doors
from tests.unit.coalition.transport_contract import Door, Make, TransportContract


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A coalition of three schools that is only ever prepared."""
    return coalition(tmp_path_factory.mktemp("kit"), schools=3)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with short_folder() as folder:
        yield folder


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


class TestInProcess(TransportContract):
    @pytest.fixture
    def transport(self) -> Make:
        """Doors of this process."""
        return InProcess


class TestLocalSockets(TransportContract):
    @pytest.fixture
    def transport(self, kit: Kit, short: Path) -> Iterator[Make]:
        """Each door behind a node's real socket; nobody listens at the socket of a school without a door."""
        with ExitStack() as open_:

            def make(doors: Mapping[str, Door]) -> LocalSockets:
                nobody = dict.fromkeys(kit.members, short / "nobody.sock")
                return LocalSockets(nobody | open_.enter_context(open_doors(short, doors)))

            yield make


class TestFlowerTransport(TransportContract):
    @pytest.fixture
    def transport(self, kit: Kit, short: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
        """Each door behind a relay of the peer; greetings are the real nodes'."""
        monkeypatch.setattr(flower_transport, "LINGER_SECONDS", 0.05)
        with ExitStack() as open_:

            def make(doors: Mapping[str, Door]) -> FlowerTransport:
                lines = {
                    str(number): Line(behind(kit.doors()[school], _coded(door)), school)
                    for number, (school, door) in enumerate(doors.items())
                }
                way = FlowerTransport(kit.charter, kit.coordinator, Peer(lines).start, short, quiet)
                open_.callback(way.close)
                return way

            yield make


def _coded(door: Door) -> Door:
    """A relay says a code where its node breaks off."""

    def call(request: bytes) -> bytes | str:
        try:
            return door(request)
        except ConnectionError:
            return "node_hung_up"

    return call  # type: ignore[return-value]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower's parts in this process: they know which task they are, and nobody waits long."""
    monkeypatch.setattr(flower_transport, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr(server_app, "POLL_SECONDS", 0.01)
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.mark.usefixtures("quick")
class TestFlowerTransportThroughCourierAndRelay(TransportContract):
    @pytest.fixture
    def transport(self, kit: Kit, short: Path) -> Iterator[Make]:
        """Each door behind a node's real socket, a real relay and the real ServerApp; only the network is missing."""
        with ExitStack() as open_:

            def make(doors: Mapping[str, Door]) -> FlowerTransport:
                real = {school: behind(kit.doors()[school], door) for school, door in doors.items()}
                nobody = dict.fromkeys(kit.members, short / "nobody.sock")
                sockets = nobody | open_.enter_context(open_doors(short, real))  # type: ignore[arg-type]
                way = FlowerTransport(kit.charter, kit.coordinator, CourierPeer(sockets).start, short, quiet)
                open_.callback(way.close)
                return way

            yield make


@pytest.mark.usefixtures("quick")
def test_the_courier_says_who_is_online_and_which_message_was_not_taken() -> None:
    """A SuperLink takes no message for a SuperNode that is not registered: the courier says so, and does not wait.

    The SuperLink of Flower 1.41 then gives an empty id, where the documentation of its `Grid` speaks of None.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        courier = server_app.Courier(NoNetwork({7: ("school-0", Path("nobody.sock"))}), theirs)  # type: ignore[arg-type]
        carrying = threading.Thread(target=courier.carry)
        carrying.start()
        ours.settimeout(5.0)
        assert parcels.receive(ours) == Parcel("nodes", nodes={"7": ("school-0", "1")})
        parcels.send(ours, Parcel("send", "ticket", "8", 900.0, body=b"anything"))
        try:
            assert parcels.receive(ours) == Parcel("failed", "ticket", code="relay_offline")
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            carrying.join()


# ---- the suite sees


@dataclass
class Call:
    """One exchange of a transport with a planted fault, which may remember something between exchanges."""

    doors: InProcess
    requests: Mapping[str, bytes]
    needed: Set[str]
    timeout: float
    arrived: Callable[[str, bytes], None]
    memory: list[tuple[str, bytes]]

    def go(
        self, arrived: Callable[[str, bytes], None] | None = None, **changes: Mapping[str, bytes] | Set[str]
    ) -> None:
        """The exchange as it should be, but for the changes."""
        given = {"requests": self.requests, "needed": self.needed} | changes
        self.doors.exchange(**given, timeout=self.timeout, arrived=arrived or self.arrived)  # type: ignore[arg-type]


def _cut(call: Call) -> None:
    """Large replies lose their end."""
    call.go(lambda school, reply: call.arrived(school, reply[: 2**20]))


def _doubled(call: Call) -> None:
    """A reply arrives twice."""
    call.go(lambda *said: (call.arrived(*said), call.arrived(*said))[0])


def _turned(call: Call) -> None:
    """Schools get each other's requests."""
    datas = list(call.requests.values())
    call.go(requests=dict(zip(call.requests, [*datas[1:], datas[0]], strict=True)))


def _invented(call: Call) -> None:
    """A school that said nothing has an empty reply."""
    call.go()
    for school in call.requests.keys() - {"school-0"}:
        call.arrived(school, b"")


def _numbered(call: Call) -> None:
    """Each exchange changes the replies in its own way."""
    call.memory.append(("", b""))
    call.go(lambda school, reply: call.arrived(school, reply + bytes(len(call.memory))))


def _patient(call: Call) -> None:
    """Everybody is waited for, and an empty exchange sits its time out."""
    call.go(needed=call.requests.keys())
    if not call.requests:
        time.sleep(call.timeout)


def _late(call: Call) -> None:
    """What nobody waited for any more arrives in the next exchange."""
    for said in call.memory:
        call.arrived(*said)
    call.go()
    call.memory.append(("school-0", b"late"))


def _once(call: Call) -> None:
    """After the first exchange nobody is asked any more."""
    if not call.memory:
        call.memory.append(("", b""))
        call.go()


FAULTS: dict[Callable[[Call], None], list[Callable[..., None]]] = {
    _cut: [TransportContract.test_every_reply_arrives_once_and_unchanged],
    _doubled: [TransportContract.test_every_reply_arrives_once_and_unchanged],
    _turned: [TransportContract.test_each_school_gets_its_own_request],
    _invented: [TransportContract.test_an_absent_school_is_absent_or_a_code],
    _numbered: [TransportContract.test_the_same_request_again_gives_the_same_bytes],
    _patient: [
        TransportContract.test_a_school_that_is_not_needed_is_not_waited_for,
        TransportContract.test_an_empty_set_of_requests_returns_at_once,
    ],
    _late: [TransportContract.test_a_late_reply_belongs_to_no_later_exchange],
    _once: [TransportContract.test_a_reply_that_could_not_be_taken_comes_again],
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("fault", "promise"), [(fault, one) for fault, all_ in FAULTS.items() for one in all_])
def test_the_suite_sees_a_planted_fault(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Call], None], promise: Callable[..., None]
) -> None:
    """Each promise is seen to be broken by a transport that breaks it; with the fault out, it is kept (above)."""
    monkeypatch.setattr(transport_contract, "PATIENCE", 0.6)

    class Faulty(InProcess):
        def __init__(self, schools: Mapping[str, Door]) -> None:
            super().__init__(schools)
            self.memory: list[tuple[str, bytes]] = []

        def exchange(self, requests, needed, timeout, arrived) -> None:  # type: ignore[no-untyped-def]
            fault(Call(InProcess(self._schools), requests, needed, timeout, arrived, self.memory))

    with pytest.raises((AssertionError, KeyError)):
        promise(TransportContract(), kit, Faulty)


def test_every_promise_is_tried() -> None:
    """No promise of the suite goes without a planted fault."""
    promises = {name for name in vars(TransportContract) if name.startswith("test_")}
    assert promises == {one.__name__ for all_ in FAULTS.values() for one in all_}
