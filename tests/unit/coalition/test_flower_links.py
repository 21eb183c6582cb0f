"""The transport over Flower meets ServerApps that die and SuperLinks that stay away; then a whole run over it.

The peer of `courier_peer` plays them, over the real socket; nodes are real. Where a test says how much time passes, it
moves the clock itself, so that nothing here depends on how busy the machine is.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from coalition import flower_transport, meeting, parcels, rounds
from coalition.errors import LinkFailed
from coalition.flower_transport import FlowerTransport
from coalition.meeting import Courier, CourierLost, meet
from coalition.parcels import Parcel
from coalition.rehearsal.flower import short_folder
from experiments import frames
from tests.kit import Kit, coalition
from tests.unit.coalition.courier_peer import PATIENCE, Clock, Door, Line, Peer, is_hello, until
from tests.unit.coalition.flower_world import World, is_certificate, open_world
from tests.unit.coalition.transport_contract import exchange, prepare


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """A coalition of three schools that is only ever prepared."""
    return coalition(tmp_path_factory.mktemp("kit"), schools=3)


@pytest.fixture
def world(kit: Kit) -> Iterator[World]:
    """Three schools online, each greeted by its own node."""
    with open_world(kit) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the test's hands, by which failed requests and hellos are sent again at once."""
    return Clock.wound(monkeypatch)


# ---- ServerApps and SuperLinks that die


def test_a_lost_server_app_is_replaced_and_only_open_requests_are_sent_again(world: World) -> None:
    """It dies with one reply delivered and one not: another is started, and nobody is asked twice who answered."""
    requests = {school: data for school, data in prepare(world.kit).items() if school != "school-2"}
    replies: dict[str, list[bytes]] = {}
    delivered = threading.Event()

    def dies_under(_: bytes) -> None:
        assert delivered.wait(PATIENCE)
        world.peer.lines["2"] = Line(world.doors["school-1"], "school-1")
        world.peer.kill()

    def arrived(school: str, reply: bytes) -> None:
        replies.setdefault(school, []).append(reply)
        delivered.set()

    world.peer.lines["2"] = world.relay("school-1", dies_under)
    world.way.exchange(requests, set(requests), PATIENCE, arrived)
    assert is_certificate(replies["school-0"]) and is_certificate(replies["school-1"])
    assert world.peer.starts == 2
    assert (world.asked().count("1"), world.asked().count("2")) == (1, 2)


def test_a_server_app_that_dies_under_a_greeting_is_replaced_and_asks_again(world: World, clock: Clock) -> None:
    """Hellos on their way die with it, so that every address not yet known is asked anew, at once."""

    def dies_under(_: bytes) -> None:
        world.peer.lines["1"] = Line(world.doors["school-0"], "school-0")
        world.peer.kill()

    world.peer.lines = {"1": Line(dies_under, "school-0")}
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.peer.starts == 2 and world.greeted() == ["1", "1"]


def test_the_last_words_of_a_server_app_count(world: World) -> None:
    """What it said before it died is read: nobody is asked again for a reply that is there."""

    def answer_and_die(data: bytes) -> None:
        reply = world.doors["school-0"](data)
        assert isinstance(reply, bytes)
        world.peer.say(Parcel("reply", world.peer.ticket(data), body=reply))
        world.peer.kill()

    world.peer.lines["1"] = world.relay("school-0", answer_and_die)
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.asked() == ["1"] and world.peer.starts == 1


def test_last_words_are_heard_before_the_loss() -> None:
    """The same where words and end have both arrived before anybody listens."""
    ours, theirs = socket.socketpair()
    with ours:
        courier = Courier(ours)
        parcels.send(theirs, Parcel("reply", "t", body=b"bytes"))
        theirs.close()
        until(lambda: courier._said.qsize() == 2)
        assert courier.receive(0.0) == Parcel("reply", "t", body=b"bytes")
        with pytest.raises(CourierLost):
            courier.receive(0.0)


def test_a_server_app_that_died_between_exchanges_is_replaced(world: World) -> None:
    """The next exchange starts another one; greetings that came stay what they are."""
    assert is_certificate(world.ask("school-0")["school-0"])
    greeted = len(world.greeted())
    world.peer.kill()
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.peer.starts == 2 and "1" not in world.greeted()[greeted:]


def _nested() -> bytes:
    return b'{"nodes":' + b"[" * 100_000


NO_PARCELS: dict[str, bytes] = {
    "another protocol": b"HTTP/1.1 200 OK\r\n\r\n",
    "half a frame": frames.MAGIC + b"\x00\x00\x01\x00{",
    "a frame of 4 GiB": frames.MAGIC + b"\xff\xff\xff\xff",
    **{
        f"a frame with {what}": frames.MAGIC + len(body).to_bytes(4, "big") + body
        for what, body in {
            "nothing": b"",
            "text": b"hello\n",
            "no Unicode": b"\xff\xfe\n",
            "a list": b"[1, 2]\n",
            "no nodes": b'{"kind": "nodes"}\n',
            "odd nodes": b'{"kind": "nodes", "nodes": {"1": 2}}\n',
            "an unknown field": b'{"kind": "nodes", "nodes": {}, "run": "rm"}\n',
            "a body in the header": b'{"kind": "reply", "nodes": {}, "body": ""}\n',
            "a code that is no text": b'{"kind": "failed", "nodes": {}, "code": 7}\n',
            "lists without end": _nested(),
        }.items()
    },
}


@pytest.mark.parametrize("what", NO_PARCELS)
def test_a_server_app_that_says_something_else_is_lost(world: World, clock: Clock, what: str) -> None:
    """Whatever comes that is no parcel ends that ServerApp and nothing else; the next one carries the exchange."""

    def start(path: Path) -> None:
        if world.peer.starts:
            world.peer.start(path)
            return
        world.peer.starts += 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as odd:
            odd.connect(str(path))
            odd.sendall(NO_PARCELS[what])

    world.start = start
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.peer.starts == 2


def test_a_superlink_that_stays_away_fails_the_link(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called again until LINK_SECONDS have passed; then its last words are the error, and no school is blamed."""
    monkeypatch.setattr(flower_transport, "RETRY_SECONDS", 3.0)
    calls: list[Path] = []

    def refuse(path: Path) -> None:
        calls.append(path)
        raise LinkFailed.because(f"refused, call {len(calls)}")

    world.start = refuse
    with pytest.raises(LinkFailed) as failed:
        world.ask("school-0")
    assert len(calls) == flower_transport.LINK_SECONDS / 3.0
    assert failed.value.found == f"refused, call {len(calls)}" and failed.value.exit_code == 7
    assert world.shown[0] == ("SuperLink", 0, 1, "ServerApp") and "refused, call 1" in world.shown[1][3]
    assert len(set(calls)) == len(calls)


def test_after_a_failed_link_the_same_transport_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the SuperLink is back, asking again works: nothing of the failure is kept."""
    world.start = _refuse
    with monkeypatch.context() as patch, pytest.raises(LinkFailed):
        patch.setattr(flower_transport, "LINK_SECONDS", 0.0)
        world.ask("school-0")
    world.start = world.peer.start
    assert is_certificate(world.ask("school-0")["school-0"])


def _refuse(_: Path) -> None:
    raise LinkFailed.because("nobody there")


def test_schools_time_stands_still_while_the_superlink_is_away(world: World, clock: Clock) -> None:
    """A SuperLink away for ten times the exchange's timeout, twice: the schools still have all of theirs.

    The control is the same time lost by a school itself, which ends the exchange.
    """
    world.start = _away_for(world, clock, 300.0)

    def dies_under(_: bytes) -> None:
        world.peer.lines["1"] = Line(world.doors["school-0"], "school-0")
        world.peer.kill()

    world.peer.lines["1"] = world.relay("school-0", dies_under)
    assert is_certificate(world.ask("school-0", timeout=30.0)["school-0"])
    assert clock.now >= 1600.0 and world.peer.starts == 2
    world.peer.lines["1"] = world.relay("school-0", lambda _: clock.sleep(31.0))
    assert world.ask("school-0", timeout=30.0) == {}


def _away_for(world: World, clock: Clock, seconds: float) -> Callable[[Path], None]:
    """A way to start ServerApps that fails, each time it is wanted anew, until so many seconds have passed."""
    since: list[float] = []

    def start(path: Path) -> None:
        clock.sleep(10.0)
        if not since:
            since.append(clock.now)
        if clock.now - since[0] < seconds:
            raise LinkFailed.because("restarting")
        since.clear()
        world.peer.start(path)

    return start


def test_server_apps_that_die_before_their_first_word_do_not_come(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connects and ends at once: that is no link, so it fails in the end instead of starting them for ever."""
    monkeypatch.setattr(flower_transport, "RETRY_SECONDS", 60.0)
    starts: list[Path] = []

    def start(path: Path) -> None:
        starts.append(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stillborn:
            stillborn.connect(str(path))

    world.start = start
    with pytest.raises(LinkFailed) as failed:
        world.ask("school-0")
    assert "no ServerApp came" in failed.value.found
    assert len(starts) == flower_transport.LINK_SECONDS / 60.0


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_app_that_does_not_come_is_started_again(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """Started by the SuperLink, but nobody connects, or connects and says nothing: another one is started."""
    monkeypatch.setattr(flower_transport if silent else meeting, "START_SECONDS", 0.05)
    starts: list[Path] = []

    def start(path: Path) -> None:
        starts.append(path)
        if len(starts) == 2:
            monkeypatch.setattr(flower_transport, "START_SECONDS", PATIENCE)
            world.peer.start(path)
        elif silent:
            mute.connect(str(path))
        else:
            monkeypatch.setattr(meeting, "START_SECONDS", PATIENCE)  # for the next meeting; this one has its limit

    world.start = start
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        assert is_certificate(world.ask("school-0")["school-0"])
    assert len(starts) == 2


def test_nobody_to_ask_starts_no_server_app(world: World) -> None:
    """An exchange without requests does not touch the SuperLink."""
    assert exchange(world.way, {}, set()) == {}
    assert world.peer.starts == 0


def test_closing_ends_the_server_app_and_may_be_done_twice(world: World) -> None:
    """Hanging up is what ends it; afterwards another exchange starts another one."""
    assert is_certificate(world.ask("school-0")["school-0"])
    world.way.close()
    world.way.close()
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.peer.starts == 2


# ---- the meeting


def test_a_meeting_is_held_once_on_a_name_never_used_again(world: World) -> None:
    """The socket is gone once somebody came, so a ServerApp of an earlier start finds nobody; its mode is 0660."""
    seen: dict[Path, int] = {}

    def start(path: Path) -> None:
        seen[path] = stat.S_IMODE(path.stat().st_mode)
        world.peer.start(path)

    for _ in range(2):
        courier = meet(world.meeting, start)
        courier.close()
    assert len(seen) == 2 and set(seen.values()) == {0o660}
    assert list(world.meeting.iterdir()) == []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as late, pytest.raises(FileNotFoundError):
        late.connect(str(next(iter(seen))))


def test_nothing_is_left_of_a_meeting_to_which_nobody_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when the time is up, nor when the SuperLink refuses."""
    monkeypatch.setattr(meeting, "START_SECONDS", 0.01)
    with pytest.raises(CourierLost):
        meet(world.meeting, lambda _: None)
    with pytest.raises(LinkFailed):
        meet(world.meeting, _refuse)
    assert list(world.meeting.iterdir()) == []


def test_parcels_arrive_as_they_were_sent() -> None:
    """Every field of each kind, bodies of any bytes and newlines included, over a real socket."""
    ours, theirs = socket.socketpair()
    sent = [
        Parcel("nodes", nodes={"1": ("Kanaalland\n", "2026"), "18446744073709551615": ("", "")}),
        Parcel("send", "t", "5", 900.0, body=b"\n{}\n" + os.urandom(1000)),
        Parcel("reply", "t", body=b""),
        Parcel("failed", "t", code="node_unreachable"),
    ]
    with ours, theirs:
        for parcel in sent:
            parcels.send(ours, parcel)
        assert [parcels.receive(theirs) for _ in sent] == sent


@pytest.mark.parametrize("what", NO_PARCELS)
def test_what_is_no_parcel_is_refused(what: str) -> None:
    """By the one error that a reader of frames expects, whatever it is."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(NO_PARCELS[what])
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(frames.FrameError):
            parcels.receive(theirs)


# ---- a whole run


def _spending(kit: Kit) -> dict[str, Fraction]:
    balances = {school: member.node.ledger.balances().values() for school, member in kit.members.items()}
    assert all(balance.reserved == 0 for of_school in balances.values() for balance in of_school)
    return {school: max(balance.spent for balance in of_school) for school, of_school in balances.items()}


def _trace(kit: Kit) -> list[tuple[int, int, int, str, bool]]:
    said = kit.store.exchanges(kit.assignment.run)
    return [(one.round, one.step, one.attempt, one.school, one.reply is not None) for one in said]


def test_a_run_over_flower_ends_as_one_in_process(tmp_path: Path) -> None:
    """The same exchanges, the same spending, a state for each step, though the ServerApp dies in five of them."""
    plain, carried = (coalition(tmp_path, schools=3) for tmp_path in (_made(tmp_path / "a"), _made(tmp_path / "b")))
    rounds.run(plain.assignment, plain.store, plain.transport())
    doors: dict[str, Door] = dict(carried.doors())
    peer = Peer({str(number): Line(doors[school], school) for number, school in enumerate(doors, 1)})
    peer.lines["1"] = Line(_deadly(peer, doors["school-0"]), "school-0")
    with short_folder() as folder:
        way = FlowerTransport(carried.charter, carried.coordinator, peer.start, folder, lambda *_, **__: None)
        rounds.run(carried.assignment, carried.store, way)
        way.close()
    assert carried.store.status(carried.experiment.hash) == "opened"
    assert _trace(carried) == _trace(plain)
    assert _spending(carried) == _spending(plain)
    assert peer.starts == 6
    states = [kit.store.states(kit.assignment.run) for kit in (plain, carried)]
    assert [one[:2] for one in states[0]] == [one[:2] for one in states[1]] and len(states[1]) == len(plain.plan.steps)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _deadly(peer: Peer, door: Door) -> Door:
    """A line under which the ServerApp dies at the second, fourth, … of the first ten requests: answered, unsaid."""
    requests: list[bytes] = []

    def relay(data: bytes) -> bytes | str | None:
        reply = door(data)
        if not is_hello(data):
            requests.append(data)
            if len(requests) % 2 == 0 and len(requests) <= 10:
                peer.kill()
        return reply

    return relay
