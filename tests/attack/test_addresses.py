"""A relay or a SuperLink that lies about who is where (METHODS §7, attack 3, on the way to the nodes).

Flower says who is online and carries what is sent; both may lie. An address is a school's when that school's node
signed a greeting for it, and a node answers only requests that name it. Each test first shows that the attack is real.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

import node.answer
from coalition import addresses, rounds
from coalition.flower_transport import FlowerTransport
from coalition.rehearsal.flower import short_folder
from experiments import protocol
from experiments.protocol import Greeted, Prepared, Refusal
from privacy.identity import SigningKey
from privacy.statements import Greeting, sign
from tests.kit import Kit, coalition
from tests.unit.coalition.courier_peer import PATIENCE, Clock, Door, Line, Peer, behind, is_hello
from tests.unit.coalition.transport_contract import exchange, prepare

NEVER = 1e9
TWO = ("school-0", "school-1")


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Three schools; the peer reaches school-N at node N+1."""
    return coalition(tmp_path, schools=3)


@pytest.fixture
def peer(kit: Kit) -> Peer:
    """An honest way to the schools, which the tests then change."""
    return Peer({str(number): Line(door, school) for number, (school, door) in enumerate(kit.doors().items(), 1)})


@pytest.fixture
def way(kit: Kit, peer: Peer) -> Iterator[FlowerTransport]:
    """The coordinator's transport over that way."""
    with short_folder() as folder:
        made = FlowerTransport(kit.charter, kit.coordinator, peer.start, folder, lambda *_: None)
        yield made
        made.close()


def _ask(kit: Kit, way: FlowerTransport, *schools: str) -> dict[str, list[protocol.Reply]]:
    requests = {school: data for school, data in prepare(kit).items() if school in schools}
    said = exchange(way, requests, set(schools))
    return {school: [protocol.decode_reply(reply) for reply in replies] for school, replies in said.items()}


def _certified(replies: dict[str, list[protocol.Reply]]) -> dict[str, str]:
    """Whose certificate arrived as whose reply."""
    return {
        school: reply.certificate.statement.school
        for school, (reply,) in replies.items()
        if isinstance(reply, Prepared)
    }


def _kept(kit: Kit) -> list[int]:
    """What is in the ledgers: entries of each school."""
    return [len(list(member.node.ledger.entries())) for member in kit.members.values()]


def _swapping_requests(kit: Kit, peer: Peer, clock: Clock, seen: list[bytes]) -> None:
    """A SuperLink that carries hellos truly and exchanges the requests of two schools; it reads what passes.

    Once each school was asked twice, the first replies have been taken, and the time is up.
    """
    doors = kit.doors()

    def to(other: str) -> Door:
        def carry(data: bytes) -> bytes:
            reply = doors[other](data)
            seen.append(reply)
            nodes = [parcel.node for parcel in peer.requests()]
            if min(nodes.count("1"), nodes.count("2")) >= 2:
                clock.sleep(NEVER)
            return reply

        return carry

    for number, (school, other) in enumerate([TWO, TWO[::-1]], 1):
        peer.lines[str(number)] = Line(behind(doors[school], to(other)), school)


@pytest.mark.parametrize("defended", [False, True])
def test_requests_of_two_schools_exchanged(
    kit: Kit, peer: Peer, way: FlowerTransport, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Nodes refuse what names another school: the SuperLink sees that code and nothing else, no ledger changes.

    Without the node's check a certificate of the one school arrives as the reply of the other.
    """
    clock, seen = Clock.wound(monkeypatch), list[bytes]()
    if not defended:
        monkeypatch.setattr(node.answer, "_check_sender", lambda *_: None)
    _swapping_requests(kit, peer, clock, seen)
    before = _kept(kit)
    replies = _ask(kit, way, *TWO)
    if not defended:
        assert _certified(replies) == {"school-0": "school-1", "school-1": "school-0"}
        return
    assert replies == {school: [Refusal("other_school")] for school in TWO}
    assert {protocol.decode_reply(reply) for reply in seen} == {Refusal("other_school")}
    assert _kept(kit) == before and not any(member.node.sessions for member in kit.members.values())


def test_all_that_two_schools_say_exchanged(kit: Kit, peer: Peer, way: FlowerTransport) -> None:
    """Hellos too: then each address is that of the school that signed, and every request reaches its school."""
    peer.lines["1"], peer.lines["2"] = peer.lines["2"], peer.lines["1"]
    assert _certified(_ask(kit, way, *TWO)) == {"school-0": "school-0", "school-1": "school-1"}
    by_node = {parcel.node: protocol.decode_request(parcel.body)[0].school for parcel in peer.requests()}
    assert by_node == {"1": "school-1", "2": "school-0"}


def test_a_run_in_which_two_schools_are_exchanged(
    kit: Kit, peer: Peer, way: FlowerTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SuperLink exchanges two schools' lines in mid-run, and later back: each school pays for the run once."""
    Clock.wound(monkeypatch)
    peer.lines = {number: Line(_shuffled(peer, number), line.name) for number, line in peer.lines.items()}
    rounds.run(kit.assignment, kit.store, way)
    assert kit.store.status(kit.experiment.hash) == "opened"
    assert _spending(kit) == dict.fromkeys(kit.members, kit.plan.rho)
    assert len(peer.requests()) == len(kit.store.exchanges(kit.assignment.run)) + 4  # two refusals at either change


def _shuffled(peer: Peer, number: str) -> Door:
    """A line of the SuperLink; those to the first two schools change places in the sixth exchange and in the ninth."""
    doors = [peer.lines[one].door for one in ("1", "2", "3")]

    def relay(data: bytes) -> bytes | str | None:
        exchanged = 3 * 5 < len(peer.requests()) <= 3 * 8 + 2  # two requests were sent twice
        order = [doors[1], doors[0], doors[2]] if exchanged else doors
        return order[int(number) - 1](data)

    return relay


def _spending(kit: Kit) -> dict[str, Fraction]:
    balances = {school: member.node.ledger.balances().values() for school, member in kit.members.items()}
    return {school: max(balance.spent for balance in of_school) for school, of_school in balances.items()}


def _forger(kit: Kit, clock: Clock, key: SigningKey, requests: list[bytes]) -> Door:
    """A relay that says it is school-1, signed by its own key, and keeps what it is asked."""
    hellos: list[bytes] = []

    def relay(data: bytes) -> bytes:
        hello = protocol.decode_request(data)[0]
        if not isinstance(hello, protocol.Hello):
            requests.append(data)
            return b"forged"
        hellos.append(data)
        if len(hellos) == 2:  # the first greeting has been judged
            clock.sleep(NEVER)
        return Greeted(sign(Greeting(kit.charter.hash, "school-1", hello.address, hello.challenge), key)).encode()

    return relay


@pytest.mark.parametrize("defended", [False, True])
def test_a_forged_greeting(
    kit: Kit, peer: Peer, way: FlowerTransport, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """A SuperNode says it is school-1 under a key of its own: it is not believed, and gets no request of school-1.

    With the check of the signature switched off it is believed, and what it says counts as school-1's reply.
    """
    clock, requests = Clock.wound(monkeypatch), list[bytes]()
    if not defended:
        monkeypatch.setattr(addresses, "check", lambda signed, key: signed.statement)
    peer.lines = {"9": Line(_forger(kit, clock, SigningKey.generate(), requests), "school-1")}
    said = exchange(way, {"school-1": prepare(kit)["school-1"]}, {"school-1"})
    if defended:
        assert said == {"school-1": [Refusal("no_greeting").encode()]} and requests == []
    else:
        assert said == {"school-1": [b"forged"]} and requests == [prepare(kit)["school-1"]]


@pytest.mark.parametrize("defended", [False, True])
def test_a_greeting_said_again(
    kit: Kit, peer: Peer, way: FlowerTransport, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """A true greeting of school-1 for this very address, kept from an earlier run, is not believed: it is of another
    challenge.

    Without a fresh challenge, as if every coordinator asked with the same one, it is.
    """
    clock, kept, requests = Clock.wound(monkeypatch), list[bytes](), list[bytes]()
    if not defended:
        monkeypatch.setattr(addresses, "secrets", SimpleNamespace(token_hex=secrets.token_hex, token_bytes=bytes))
    door = kit.doors()["school-1"]
    peer.lines = {"2": Line(lambda data: kept.append(door(data)) or kept[-1], "school-1")}
    assert _certified(_ask(kit, way, "school-1")) == {"school-1": "school-1"}
    greeting = next(reply for reply in kept if isinstance(protocol.decode_reply(reply), Greeted))
    way.close()

    def thief(data: bytes) -> bytes:
        if not is_hello(data):
            requests.append(data)
            return b"stolen"
        if len(peer.given) > 3:
            clock.sleep(NEVER)
        return greeting

    peer.lines = {"2": Line(thief, "school-1")}
    with short_folder() as folder:
        later = FlowerTransport(kit.charter, kit.coordinator, peer.start, folder, lambda *_: None)
        said = exchange(later, {"school-1": prepare(kit)["school-1"]}, {"school-1"})
        later.close()
    assert (requests == []) == defended
    assert (said == {"school-1": [b"stolen"]}) != defended


def test_a_relay_that_disowns_its_school_moves_nobody_else(
    kit: Kit, peer: Peer, way: FlowerTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay may deny its own school for as long as it likes: the other schools keep their address and answer."""
    clock, others = Clock.wound(monkeypatch), threading.Event()
    assert len(_certified(_ask(kit, way, *kit.members))) == 3
    peer.given.clear()
    replies: dict[str, list[protocol.Reply]] = {}

    def deny(_: bytes) -> bytes:
        if [parcel.node for parcel in peer.requests()].count("1") == 3:
            assert others.wait(PATIENCE)
            clock.sleep(NEVER)
        return Refusal("other_school").encode()

    def arrived(school: str, reply: bytes) -> None:
        replies[school] = [protocol.decode_reply(reply)]
        if len(replies) == 2:
            others.set()

    peer.lines["1"] = Line(behind(kit.doors()["school-0"], deny), "school-0")
    way.exchange(prepare(kit), set(kit.members), PATIENCE, arrived)
    assert replies["school-0"] == [Refusal("other_school")]
    assert _certified(replies) == {"school-1": "school-1", "school-2": "school-2"}
    assert {parcel.node for parcel in peer.given if is_hello(parcel.body)} == {"1"}
