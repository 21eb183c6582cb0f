"""The transport over Flower meets relays that lie, die, come back, or say odd things.

The peer of `courier_peer` plays them, over the real socket; nodes are real. Where a test says how much time passes, it
moves the clock itself, so that nothing here depends on how busy the machine is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from coalition import flower_transport, missing
from coalition.flower_transport import FINAL
from coalition.parcels import Parcel
from experiments import protocol
from experiments.protocol import Greeted, Refusal
from node.relay import bridge
from privacy.identity import SigningKey
from privacy.statements import Greeting, sign
from tests.kit import Kit, coalition
from tests.unit.coalition.courier_peer import PATIENCE, Clock, Line, until
from tests.unit.coalition.flower_world import FOREVER, World, code_of, is_certificate, open_world
from tests.unit.coalition.transport_contract import prepare


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


# ---- who is behind an address


def _greeting(kit: Kit, hello: protocol.Hello, signer: SigningKey | None = None, **changes: object) -> bytes:
    """The greeting of school-1's node for a hello, changed, and signed by another key if one is given."""
    true = Greeting(hello.charter_hash, "school-1", hello.address, hello.challenge)
    return Greeted(sign(replace(true, **changes), signer or kit.members["school-1"].node.key)).encode()


FORGED: dict[str, Callable[[Kit, protocol.Hello], bytes]] = {
    "another key": lambda kit, hello: _greeting(kit, hello, SigningKey.generate()),
    "another school's key": lambda kit, hello: _greeting(kit, hello, kit.members["school-0"].node.key),
    "the FG's key": lambda kit, hello: _greeting(kit, hello, kit.members["school-1"].fg),
    "another address": lambda kit, hello: _greeting(kit, hello, address="1"),
    "an old challenge": lambda kit, hello: _greeting(kit, hello, challenge=bytes(32)),
    "another charter": lambda kit, hello: _greeting(kit, hello, charter_hash=bytes(32)),
    "a school of no charter": lambda kit, hello: _greeting(kit, hello, school="school-9"),
    "another statement": lambda kit, hello: protocol.Closed("school-1").encode(),
    "garbage": lambda kit, hello: os.urandom(300),
    "nothing": lambda kit, hello: b"",
}


@pytest.mark.parametrize("how", [*FORGED, "honest"])
def test_only_a_greeting_of_the_node_itself_binds_an_address(world: World, clock: Clock, how: str) -> None:
    """Whatever else a relay answers, no request is sent to it, and the school is missing for want of a greeting.

    The control answers honestly by the same means, and is asked. When the relay is greeted for the second time, the
    first answer has been looked at; then the time is up.
    """
    hellos: list[bytes] = []

    def relay(data: bytes) -> bytes:
        hello, _, _ = protocol.decode_request(data)
        if not isinstance(hello, protocol.Hello):
            return b"believed"
        hellos.append(data)
        if len(hellos) == 2:
            clock.sleep(FOREVER)
        return FORGED.get(how, _greeting)(world.kit, hello)

    world.peer.lines = {"2": Line(relay, "school-1")}
    replies = world.ask("school-1")
    if how == "honest":
        assert replies == {"school-1": [b"believed"]}
    else:
        assert code_of(replies["school-1"]) == "no_greeting"
        assert world.asked() == []


def test_a_node_says_why_it_does_not_greet(world: World, clock: Clock) -> None:
    """A node under another charter refuses the hello; its code is what the school is missing for."""
    hellos: list[bytes] = []

    def relay(data: bytes) -> bytes:
        hellos.append(data)
        if len(hellos) == 2:
            clock.sleep(FOREVER)
        return Refusal("other_charter").encode()

    world.peer.lines = {"1": Line(relay, "school-0")}
    assert code_of(world.ask("school-0")["school-0"]) == "other_charter"


def test_of_two_addresses_of_one_school_the_later_one_counts(world: World) -> None:
    """A school moved its relay: what was sent to the old one goes to the new one, even if both came up together."""

    def moves(_: bytes) -> None:
        world.peer.put("7", Line(world.doors["school-0"], "school-0"))

    world.peer.lines = {"1": world.relay("school-0", moves)}
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.asked() == ["1", "7"]
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.asked() == ["1", "7", "7"]


def test_a_relay_under_another_schools_name_is_the_school_that_signs(world: World) -> None:
    """The name under which a SuperNode is registered is a hint for people: the signature decides."""
    world.peer.lines = {"1": Line(world.doors["school-1"], "school-0")}
    replies = world.ask("school-1")
    assert is_certificate(replies["school-1"])
    assert world.asked() == ["1"]


def test_nobody_is_asked_under_a_name_alone(world: World, clock: Clock) -> None:
    """The school whose name the SuperNode bears has no address: it is silent, and nothing is sent for it."""
    world.peer.lines = {"1": Line(world.doors["school-1"], "school-0")}
    assert is_certificate(world.ask("school-1")["school-1"])
    world.peer.put("8", Line(lambda _: clock.sleep(FOREVER), "school-2"))
    assert world.ask("school-0") == {}
    assert world.asked() == ["1"]


def test_an_address_that_turns_out_to_be_another_school_is_asked_again(world: World, clock: Clock) -> None:
    """Two relays' sockets were exchanged: the nodes refuse what is not theirs, greet anew, and then answer."""
    world.ask("school-0", "school-1", "school-2")
    lines = world.peer.lines
    lines["1"], lines["2"] = lines["2"], lines["1"]
    replies = world.ask("school-0", "school-1")
    assert is_certificate(replies["school-0"]) and is_certificate(replies["school-1"])
    assert sorted(world.asked()[3:]) == ["1", "1", "2", "2"]
    assert sorted(world.greeted()) == ["1", "1", "2", "2", "3"]


def test_only_the_address_that_refused_is_asked_again(world: World, clock: Clock) -> None:
    """Two schools changed places, and one greeted at its new address before it refused at its old one.

    The late refusal is about the old address: the school keeps the new one, and the old address is asked who is there,
    since nobody else would find the other school.
    """
    world.ask("school-0", "school-1", "school-2")
    moved = threading.Event()

    def late_refusal(data: bytes) -> bytes | str | None:
        reply = world.doors["school-0"](data)
        if world.asked().count("2") == 2:  # one before, and one that is not for this school
            assert moved.wait(PATIENCE)
        return reply

    def at_its_new_address(data: bytes) -> bytes | str | None:
        if protocol.decode_request(data)[0].school == "school-1":
            moved.set()
            until(lambda: world.greeted().count("2") == 2)  # answers once the old address was asked again
        return world.doors["school-1"](data)

    world.peer.lines["1"] = world.relay("school-1", at_its_new_address)
    world.peer.lines["2"] = world.relay("school-0", late_refusal)
    replies = world.ask("school-0", "school-1")
    assert is_certificate(replies["school-0"]) and is_certificate(replies["school-1"])
    assert sorted(world.asked()[3:]) == ["1", "1", "2", "2"]
    assert is_certificate(world.ask("school-1")["school-1"])
    assert sorted(world.greeted()) == ["1", "1", "2", "2", "3"]


def test_a_school_that_keeps_refusing_as_another_is_missing_for_that(world: World, clock: Clock) -> None:
    """A relay that always says `other_school` is asked again until the time is up; that code is what remains."""

    def other(_: bytes) -> bytes:
        if len(world.asked()) == 3:
            clock.sleep(FOREVER)
        return Refusal("other_school").encode()

    world.peer.lines["1"] = world.relay("school-0", other)
    assert code_of(world.ask("school-0")["school-0"]) == "other_school"
    assert world.asked() == ["1", "1", "1"] and world.greeted().count("1") == 3
    assert missing.words("other_school") != missing.ELSEWHERE


# ---- relays and nodes that die


def test_a_relay_that_came_back_gets_the_request_again(world: World) -> None:
    """Same node id, new activation: what it was asked died with it. It is not greeted again: its key is the same.

    Nothing is sent to it while it is away.
    """

    def dies(_: bytes) -> None:
        world.peer.lines["1"] = Line(world.doors["school-0"], "school-0")
        world.peer.restart("1", "2")

    world.peer.lines["1"] = world.relay("school-0", dies)
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.asked() == ["1", "1"]
    assert world.greeted().count("1") == 1


def test_a_relay_that_dies_under_its_greeting_is_greeted_again(world: World, clock: Clock) -> None:
    """As soon as it is back: the hello died with it."""

    def dies(_: bytes) -> None:
        world.peer.lines["1"] = Line(world.doors["school-0"], "school-0")
        world.peer.restart("1", "2")

    world.peer.lines["1"] = Line(dies, "school-0")
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.greeted().count("1") == 2


def test_a_relay_that_comes_late_is_waited_for(world: World) -> None:
    """A SuperNode that comes online in the middle of an exchange is greeted, and then asked."""
    late = world.peer.lines.pop("1")

    def here(_: bytes) -> bytes:
        world.peer.put("1", late)
        return b"here"

    world.peer.lines["2"] = world.relay("school-1", here)
    replies = world.ask("school-0", "school-1")
    assert is_certificate(replies["school-0"]) and replies["school-1"] == [b"here"]
    assert world.asked() == ["2", "1"]


@pytest.mark.parametrize("code", ["node_unreachable", "relay_offline", "relay_failed"])
def test_a_code_that_may_pass_is_tried_again(world: World, clock: Clock, code: str) -> None:
    """A node that is being started answers in the end; its relay's codes until then are not delivered."""
    codes = [code] * 3

    def starting(data: bytes) -> bytes | str | None:
        return codes.pop() if codes else world.doors["school-0"](data)

    world.peer.lines["1"] = world.relay("school-0", starting)
    assert is_certificate(world.ask("school-0")["school-0"])
    assert world.asked() == ["1"] * 4


def test_between_two_tries_lies_a_pause(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed request is not sent again before RETRY_SECONDS have passed, whatever else goes on meanwhile."""
    monkeypatch.setattr(flower_transport, "RETRY_SECONDS", 3.0)
    failed, before = threading.Event(), []

    def down(data: bytes) -> bytes | str | None:
        if failed.is_set():
            return world.doors["school-0"](data)
        world.peer.say(Parcel("failed", world.peer.ticket(data), code="node_unreachable"))
        failed.set()
        return None

    def busy(data: bytes) -> bytes | str | None:
        """Lost with its SuperNode; asked again, the failure of the other school has been heard."""
        assert failed.wait(PATIENCE)
        if world.asked().count("2") == 1:
            world.peer.restart("2", "2")
            return None
        before.extend(world.asked())
        clock.sleep(3.0)
        return world.doors["school-1"](data)

    world.peer.lines["1"], world.peer.lines["2"] = world.relay("school-0", down), world.relay("school-1", busy)
    assert is_certificate(world.ask("school-0", "school-1")["school-0"])
    assert sorted(before) == ["1", "2", "2"] and world.asked().count("1") == 2


@pytest.mark.parametrize("code", sorted(bridge.RULES.keys() - set(FINAL)))
def test_a_code_that_does_not_pass_is_delivered_when_the_time_is_up(world: World, clock: Clock, code: str) -> None:
    """The school is missing for the last code of its relay, not for silence; others' replies are not affected."""

    def down(_: bytes) -> str:
        if world.asked().count("1") == 2:
            clock.sleep(FOREVER)
        return code

    world.peer.lines["1"] = world.relay("school-0", down)
    replies = world.ask("school-0")
    assert code_of(replies["school-0"]) == code
    assert world.asked() == ["1", "1"]


@pytest.mark.parametrize("code", FINAL)
def test_a_code_that_no_other_try_can_change_is_delivered_at_once(world: World, clock: Clock, code: str) -> None:
    """Too large stays too large: nobody waits, and nothing is sent again."""
    world.peer.lines["1"] = world.relay("school-0", lambda _: code)
    replies = world.ask("school-0", "school-1", timeout=FOREVER)
    assert code_of(replies["school-0"]) == code and is_certificate(replies["school-1"])
    assert world.asked().count("1") == 1


@pytest.mark.parametrize("code", ["e\u0301", "\ud800", "", "Jansen 1234567", "\x1b[2J", "a" * 41])
def test_what_is_no_code_is_not_passed_on(world: World, clock: Clock, code: str) -> None:
    """A relay may say anything; text that canonical bytes refuse, or that a terminal obeys, ends no run.

    The first of these has no canonical form: encoding it as a refusal would raise.
    """

    def odd(_: bytes) -> str:
        if world.asked().count("1") == 2:
            clock.sleep(FOREVER)
        return code

    world.peer.lines["1"] = world.relay("school-0", odd)
    assert code_of(world.ask("school-0")["school-0"]) == "relay_failed"


def test_a_request_without_any_sign_is_sent_again_and_either_reply_counts(world: World, clock: Clock) -> None:
    """After RESEND_SECONDS a request goes out once more; the reply to the first sending is as good, and counts once.

    A node whose replies take longer than that would otherwise never be heard: each reply would come too late.
    """
    held: list[Parcel] = []
    said = threading.Event()

    def slow(data: bytes) -> bytes | None:
        reply = world.doors["school-0"](data)
        assert isinstance(reply, bytes)
        held.append(Parcel("reply", world.peer.ticket(data), body=reply))
        if len(held) == 1:
            clock.sleep(flower_transport.RESEND_SECONDS + 1)
            return None
        for parcel in held:
            world.peer.say(parcel)
        said.set()
        return None

    def later(data: bytes) -> bytes | str | None:
        assert said.wait(PATIENCE)
        return world.doors["school-1"](data)

    world.peer.lines["1"], world.peer.lines["2"] = world.relay("school-0", slow), world.relay("school-1", later)
    replies = world.ask("school-0", "school-1", timeout=FOREVER)
    assert replies["school-0"] == [held[0].body] and is_certificate(replies["school-1"])
    assert world.asked().count("1") == 2


def test_a_welcome_reply_may_come_within_the_linger(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last needed reply the others have a moment left, and it is used; the suite shows that it ends."""
    monkeypatch.setattr(flower_transport, "LINGER_SECONDS", PATIENCE)
    first = threading.Event()

    def after_the_first(data: bytes) -> bytes | str | None:
        assert first.wait(PATIENCE)
        return world.doors["school-1"](data)

    world.peer.lines["2"] = world.relay("school-1", after_the_first)
    requests = prepare(world.kit)
    del requests["school-2"]
    replies: dict[str, bytes] = {}

    def arrived(school: str, reply: bytes) -> None:
        replies[school] = reply
        first.set()

    world.way.exchange(requests, {"school-0"}, 2 * PATIENCE, arrived)
    assert set(replies) == {"school-0", "school-1"}


def test_a_late_reply_of_an_earlier_exchange_is_dropped(world: World) -> None:
    """Its ticket is of no request that is open; neither the old `arrived` nor the new one hears of it."""
    tickets: list[str] = []

    def silent(data: bytes) -> None:
        tickets.append(world.peer.ticket(data))

    world.peer.lines["1"] = world.relay("school-0", silent)
    first = world.ask("school-0", timeout=0.3)
    world.peer.lines["1"] = Line(world.doors["school-0"], "school-0")
    assert is_certificate(world.ask("school-0")["school-0"])  # from now on its address is known, whatever was before
    world.peer.lines["1"] = world.relay("school-0", lambda _: _late_first(world, tickets))
    assert world.ask("school-0") == {"school-0": [b"this exchange's"]}
    assert first == {}


def _late_first(world: World, tickets: list[str]) -> bytes:
    """What is late, or was never asked, comes just before the reply."""
    for ticket in [*tickets, world.peer.requests()[0].ticket, "no ticket", ""]:
        world.peer.say(Parcel("reply", ticket, body=b"late"))
        world.peer.say(Parcel("failed", ticket, code="reply_too_large"))
    return b"this exchange's"
