"""What `coalition.rounds` relies on, whichever way the requests go: every transport's tests inherit this suite.

A subclass gives the fixture `transport`: a function from doors (school -> what answers its requests) to a transport;
its module gives `kit`, a coalition of three schools that is prepared again and again and charges nothing. Behind the
doors are its real nodes; a door that raises ConnectionError stands for a node that breaks the connection.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

from coalition.transport import Transport
from experiments import protocol
from experiments.errors import ExperimentError
from privacy.errors import PrivacyError
from tests.kit import Kit
from tests.unit.coalition.courier_peer import PATIENCE

Door = Callable[[bytes], bytes]
Make = Callable[[Mapping[str, Door]], Transport]

SOON = 0.3  # seconds in which nothing is expected


def prepare(kit: Kit) -> dict[str, bytes]:
    """A real request to every school."""
    body = protocol.Prepare(kit.experiment.encoded, kit.serials)
    return {school: kit.request(school, body) for school in kit.members}


def exchange(
    transport: Transport, requests: Mapping[str, bytes], needed: set[str], timeout: float | None = None
) -> dict[str, list[bytes]]:
    """One exchange; each school's replies, in the order in which they arrived. timeout: PATIENCE unless given."""
    replies: dict[str, list[bytes]] = {}
    seconds = PATIENCE if timeout is None else timeout
    transport.exchange(requests, needed, seconds, lambda school, reply: replies.setdefault(school, []).append(reply))
    return replies


def is_coded(replies: list[bytes]) -> bool:
    """Whether all that came is one refusal with a code, which stands for silence."""
    try:
        return len(replies) == 1 and isinstance(protocol.decode_reply(replies[0]), protocol.Refusal)
    except (ExperimentError, PrivacyError):
        return False


@contextmanager
def blocked(reply: bytes) -> Iterator[Door]:
    """A door behind which nothing happens until the block ends."""
    over = threading.Event()

    def door(_: bytes) -> bytes:
        over.wait(PATIENCE)
        return reply

    try:
        yield door
    finally:
        over.set()


def hung_up(_: bytes) -> bytes:
    """A door of a node that breaks every connection."""
    raise ConnectionResetError


class TransportContract:
    """Eight promises of `Transport.exchange`."""

    @pytest.fixture
    def transport(self) -> Make:
        """How to make the transport over doors."""
        raise NotImplementedError

    def test_every_reply_arrives_once_and_unchanged(self, kit: Kit, transport: Make) -> None:
        """What a node says arrives as it said it, whatever its size: a transport reads nothing."""
        said: dict[str, list[bytes]] = {}
        sizes = {"school-1": os.urandom(3 * 2**20), "school-2": b""}

        def noting(school: str, door: Door) -> Door:
            def call(request: bytes) -> bytes:
                reply = sizes.get(school) if school in sizes else door(request)
                assert reply is not None
                said.setdefault(school, []).append(reply)
                return reply

            return call

        doors = {school: noting(school, door) for school, door in kit.doors().items()}
        replies = exchange(transport(doors), prepare(kit), set(doors))
        assert replies == said
        assert {school: len(all_) for school, all_ in replies.items()} == dict.fromkeys(doors, 1)
        assert isinstance(protocol.decode_reply(replies["school-0"][0]), protocol.Prepared)

    def test_each_school_gets_its_own_request(self, kit: Kit, transport: Make) -> None:
        """Requests are not mixed up, nor changed on the way: a node signs for its own request only."""
        got: dict[str, list[bytes]] = {}

        def noting(school: str) -> Door:
            return lambda request: (got.setdefault(school, []).append(request), b"noted")[1]

        requests = prepare(kit)
        exchange(transport({school: noting(school) for school in requests}), requests, set(requests))
        assert got == {school: [request] for school, request in requests.items()}

    def test_an_absent_school_is_absent_or_a_code(self, kit: Kit, transport: Make) -> None:
        """A school that nobody reaches and one that breaks off cost the others nothing; the exchange ends in time."""
        doors = {**kit.doors(), "school-1": hung_up}
        del doors["school-2"]
        way, requests = transport(doors), prepare(kit)
        replies = exchange(way, requests, {"school-0"})
        assert isinstance(protocol.decode_reply(replies["school-0"][0]), protocol.Prepared)
        began = time.monotonic()
        later = exchange(way, requests, {"school-1", "school-2"}, SOON)
        assert time.monotonic() - began < PATIENCE / 2
        for school in ("school-1", "school-2"):
            for said in (replies, later):
                assert school not in said or is_coded(said[school])

    def test_the_same_request_again_gives_the_same_bytes(self, kit: Kit, transport: Make) -> None:
        """Resuming is sending again: real nodes answer with the bytes they gave before."""
        way, requests = transport(kit.doors()), prepare(kit)
        first, again = (exchange(way, requests, set(requests)) for _ in range(2))
        assert first == again and set(first) == set(requests)

    def test_a_school_that_is_not_needed_is_not_waited_for(self, kit: Kit, transport: Make) -> None:
        """A busy school whose reply is not needed holds nothing up, and the needed replies are all there."""
        with blocked(b"") as door:
            began = time.monotonic()
            replies = exchange(transport({**kit.doors(), "school-2": door}), prepare(kit), {"school-0", "school-1"})
            assert time.monotonic() - began < PATIENCE / 2
            assert set(replies) == {"school-0", "school-1"}

    def test_a_late_reply_belongs_to_no_later_exchange(self, kit: Kit, transport: Make) -> None:
        """After the timeout the next exchange starts clean: the reply to the last one does not arrive in it."""
        answer = [b"late"]
        with blocked(b"") as wait:

            def door(request: bytes) -> bytes:
                said = answer[0]
                if said == b"late":
                    wait(request)
                return said

            way, requests = transport({"school-0": door}), {"school-0": prepare(kit)["school-0"]}
            assert exchange(way, requests, {"school-0"}, SOON) == {}
            answer[0] = b"in time"
        assert exchange(way, requests, {"school-0"}) == {"school-0": [b"in time"]}

    def test_an_empty_set_of_requests_returns_at_once(self, kit: Kit, transport: Make) -> None:
        """Nobody to ask: no waiting, no reply."""
        began = time.monotonic()
        assert exchange(transport(kit.doors()), {}, set()) == {}
        assert time.monotonic() - began < PATIENCE / 2

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_reply_that_could_not_be_taken_comes_again(self, kit: Kit, transport: Make) -> None:
        """Where `arrived` raises, that reply is lost and nothing else: the next exchange brings every reply.

        The coordinator's own `arrived` keeps what its store raises, and raises it after the exchange.
        """

        def full(school: str, reply: bytes) -> None:
            raise NoRoom

        way, requests = transport(kit.doors()), prepare(kit)
        with suppress(NoRoom):
            way.exchange(requests, set(requests), PATIENCE, full)
        replies = exchange(way, requests, set(requests))
        assert all(isinstance(protocol.decode_reply(replies[school][0]), protocol.Prepared) for school in requests)


class NoRoom(Exception):
    """What a store that is full raises in these tests."""
