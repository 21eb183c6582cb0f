"""The bridge passes bytes on, or says a code: over real local sockets, with a node's real door and with bad peers."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from experiments import frames
from node.relay import bridge
from node.relay.bridge import RelayFailure, forward
from node.service import serving
from tests.unit.node.processes import in_process
from tests.unit.node.relay_peers import (
    IMPATIENCE,
    ODD,
    PATIENCE,
    SECRET,
    Behaviour,
    drips,
    frame,
    holds_on,
    never_answers,
    peer,
    says,
    short_folder,
)

PAGE = Path(__file__).parents[3] / "docs" / "relay.md"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with short_folder() as folder:
        yield folder


def _failure(path: Path | str, request: bytes = SECRET, seconds: float = PATIENCE) -> RelayFailure:
    with pytest.raises(RelayFailure) as caught:
        forward(request, str(path), seconds)
    return caught.value


def _found(situation: str) -> tuple[str, str]:
    seen = bridge.SITUATIONS[situation]
    return seen.code, seen.found


def _seen(failure: RelayFailure) -> tuple[str, str]:
    return failure.code, failure.found


# ---- what passes


@pytest.mark.parametrize("size", [0, 1, frames.MAX_REQUEST_BYTES])
def test_a_request_up_to_the_limit_reaches_a_real_node_door(short: Path, size: int) -> None:
    """`node.service` gets exactly these bytes, and its reply comes back unchanged."""
    request = os.urandom(size)
    received: list[bytes] = []

    def reply(data: bytes) -> bytes:
        received.append(data)
        return b"reply" + data[:100]

    with serving(short / "n.sock", reply) as path:
        assert forward(request, str(path)) == b"reply" + request[:100]
    assert received == [request]


def test_a_reply_of_exactly_the_limit_passes(short: Path) -> None:
    """64 MiB arrive unchanged through a real node's door; one byte more is not read (see below)."""
    largest = os.urandom(1024) * (frames.MAX_REPLY_BYTES // 1024)
    with serving(short / "n.sock", lambda _: largest) as path:
        assert forward(b"", str(path)) == largest


def test_a_full_queue_is_waited_for(short: Path) -> None:
    """A node busy with other connections is not reported as unreachable: the relay waits its turn.

    The listener accepts nobody until its queue is so full that a connection which does not wait is turned away.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(short / "n.sock"))
        listening.listen(0)
        listening.settimeout(PATIENCE)
        waiting = _fill_the_queue(short / "n.sock")
        began = time.monotonic()
        assert _seen(_failure(short / "n.sock", seconds=IMPATIENCE)) == _found("silent")
        assert time.monotonic() - began > IMPATIENCE / 2  # it did wait; the kernel counts in ticks
        replies: list[bytes] = []
        asking = threading.Thread(target=lambda: replies.append(forward(b"ask", str(short / "n.sock"), PATIENCE)))
        asking.start()
        while not replies:  # serve everybody in turn, those that only fill the queue included
            connection, _ = listening.accept()
            with connection, suppress(OSError, frames.FrameError):
                frames.receive(connection, frames.MAX_REQUEST_BYTES)
                frames.send(connection, b"at last")
                asking.join()
        assert replies == [b"at last"]
        assert waiting


def _fill_the_queue(path: Path) -> list[None]:
    """Connect and leave until a connection that does not wait is refused."""
    waiting: list[None] = []
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            try:
                connection.connect(str(path))
            except BlockingIOError:
                return waiting
            waiting.append(None)


# ---- what does not


def test_a_node_that_was_not_started(short: Path) -> None:
    """Nothing at the path, and nothing where its folder should be."""
    assert _seen(_failure(short / "n.sock")) == _found("absent")
    (short / "file").touch()
    assert _seen(_failure(short / "file" / "n.sock")) == _found("absent")


def test_a_node_that_was_killed(short: Path) -> None:
    """The socket of a killed node still lies there, and nobody answers on it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(short / "n.sock"))
    assert _seen(_failure(short / "n.sock")) == _found("refused")


def test_something_that_is_no_socket_or_another_kind(short: Path) -> None:
    """A file and a folder are no socket; a datagram socket is one of another kind."""
    (short / "file").write_bytes(SECRET)
    assert _seen(_failure(short / "file")) == _found("other_file")
    assert _seen(_failure(short)) == _found("other_file")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(short / "n.sock"))
        assert _seen(_failure(short / "n.sock")) == _found("other_socket")


def test_an_error_that_no_line_describes_is_named(short: Path) -> None:
    """A path that leads in circles: the operating system's own name of the error, not its text."""
    (short / "a").symlink_to(short / "b")
    (short / "b").symlink_to(short / "a")
    failure = _failure(short / "a")
    assert failure.code == "node_unreachable" and "ELOOP" in failure.found


@pytest.mark.parametrize(("mode", "expected"), [(0o000, "forbidden"), (0o755, "reply")])
def test_a_relay_outside_the_group(short: Path, mode: int, expected: str) -> None:
    """Without rights on the socket's folder the words name the group; with them the same process gets its reply."""
    with serving(short / "n.sock", lambda _: b"reply") as path:
        path.chmod(0o666)
        short.chmod(mode)
        ended = in_process(lambda: _as_somebody_else(str(path)))
    assert ended.said.decode() == (" / ".join(_found("forbidden")) if expected == "forbidden" else "reply")


def _as_somebody_else(path: str) -> int:
    if os.geteuid() == 0:  # whom no mode keeps out
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        said = forward(b"", path).decode()
    except RelayFailure as failure:
        said = " / ".join(_seen(failure))
    os.write(1, said.encode())
    return 0


@pytest.mark.parametrize("what", ODD)
def test_a_peer_that_says_something_else(short: Path, what: str) -> None:
    """Another service, a hang-up at every place, and a reply that is too large: each has its own line."""
    said, situation = ODD[what]
    with peer(short / "n.sock", says(said)):
        assert _seen(_failure(short / "n.sock")) == _found(situation)


def test_a_reply_above_the_limit_is_not_read(short: Path) -> None:
    """One byte above: the relay does not wait for it, though the peer would go on."""

    def announces(connection: socket.socket) -> None:
        connection.sendall(frames.MAGIC + (frames.MAX_REPLY_BYTES + 1).to_bytes(4, "big"))
        holds_on(connection)

    with peer(short / "n.sock", announces):
        assert _seen(_failure(short / "n.sock")) == _found("reply_too_large")


def test_a_peer_that_closes_with_the_request_unread(short: Path) -> None:
    """The connection breaks while a large request is still on its way."""
    with peer(short / "n.sock", lambda connection: connection.recv(1)):
        failure = _failure(short / "n.sock", bytes(frames.MAX_REQUEST_BYTES))
    assert _seen(failure) == _found("closed")


def test_a_request_above_the_limit_is_not_sent(short: Path) -> None:
    """One byte above: the peer is not even connected to; one byte less passes (see above)."""
    with peer(short / "n.sock", says(frame(b"reply"))) as met:
        failure = _failure(short / "n.sock", bytes(frames.MAX_REQUEST_BYTES + 1))
        assert _seen(failure) == _found("request_too_large") and met == []
        assert forward(b"", str(short / "n.sock")) == b"reply" and met == [None]


@pytest.mark.parametrize("behaviour", [never_answers, drips, holds_on])
def test_the_timeout_is_of_the_whole_exchange(short: Path, behaviour: Behaviour) -> None:
    """A peer that says nothing, drips, or does not read holds the relay no longer than the timeout."""
    with peer(short / "n.sock", behaviour):
        failure = _failure(short / "n.sock", bytes(frames.MAX_REQUEST_BYTES), IMPATIENCE)
    assert _seen(failure) == _found("silent")


# ---- settings


@pytest.mark.parametrize(
    ("config", "situation"),
    [
        ({}, "no_socket"),
        ({"socket": ""}, "no_socket"),
        ({"socket": 7}, "no_socket"),
        ({"socket": "node.sock"}, "odd_path"),
        ({"socket": "/" + "n" * 107}, "odd_path"),
        ({"socket": "/é" + "n" * 105}, "odd_path"),
        ({"socket": "/n\0"}, "odd_path"),
        *(({"socket": "/n", "timeout": odd}, "odd_timeout") for odd in (0, -1, True, "60", float("nan"), 86_401)),
    ],
)
def test_settings_that_cannot_be_used(config: dict[str, object], situation: str) -> None:
    """A missing or impossible socket, and a timeout that is none, are named before anything is tried."""
    with pytest.raises(RelayFailure) as caught:
        bridge.settings(config)
    assert _seen(caught.value) == _found(situation)


def test_settings_that_can_be_used() -> None:
    """The longest path, and a timeout or the default; other settings of the SuperNode are left alone."""
    longest = "/" + "n" * 106
    assert bridge.settings({"socket": longest, "other": 1}) == bridge.Settings(longest, 600.0)
    assert bridge.settings({"socket": "/n", "timeout": 86_400}) == bridge.Settings("/n", 86_400.0)


def test_every_situation_has_its_rule_and_both_languages() -> None:
    """No code without a rule, no rule without a situation, and Dutch beside every English line."""
    assert {situation.code for situation in bridge.SITUATIONS.values()} == set(bridge.RULES)
    lines = [*bridge.RULES.values(), *(text for s in bridge.SITUATIONS.values() for text in (s.found, s.remedy))]
    assert [line for line in lines if line.count(" / ") != 1 or "\n" in line] == []
    assert all(re.fullmatch("[a-z_]{1,40}", code) for code in bridge.RULES)


# ---- the page for the operator


def _row(*cells: str) -> str:
    """A row of the page: Dutch first, English beneath, each in its cell."""
    spelled = [cells[0]]
    for english, dutch in (cell.replace("{}", "…").split(" / ") for cell in cells[1:]):
        spelled.append(f"{dutch}<br>*{english}*")
    return "| " + " | ".join(spelled) + " |"


def _undocumented(page: str) -> set[str]:
    """Rows that the page lacks, and rows about codes that the relay does not say."""
    rules = {_row(f"`{code}`", rule) for code, rule in bridge.RULES.items()}
    lines = {_row(f"`{seen.code}`", seen.found, seen.remedy) for seen in bridge.SITUATIONS.values()}
    section = page.partition("## Regels in het log")[2].splitlines()
    return (rules | lines) ^ {line for line in section if line.startswith("| `")}


def test_the_page_explains_every_line_of_the_log() -> None:
    """Each code with its rule, and each line with what to do, word for word; planted faults are noticed."""
    page = PAGE.read_text(encoding="utf-8")
    assert _undocumented(page) == set()
    assert _undocumented(page.replace("`node_hung_up`", "`node_gone`"))
    assert _undocumented(page + "| `relay_tired` | none |\n")
    assert _undocumented(page.replace("een ander soort socket", "een socket"))
