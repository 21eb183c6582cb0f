"""A socket path arrives; what listens there and misbehaves leaves: what a relay may meet instead of a node."""

from __future__ import annotations

import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from experiments import frames

SECRET = b"Jansen-1234567"
PATIENCE = 120.0  # long enough for a busy machine; no test waits for it to pass
IMPATIENCE = 0.2  # for peers that never answer
Behaviour = Callable[[socket.socket], object]


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="relay-"))
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def peer(path: Path, behaviour: Behaviour) -> Iterator[list[None]]:
    """Something that listens at `path` and treats each connection so; yields one entry a connection."""
    met: list[None] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=_accept, args=(listening, behaviour, met), daemon=True)
        thread.start()
        try:
            yield met
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listening: socket.socket, behaviour: Behaviour, met: list[None]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # the test is over
        met.append(None)
        with connection, suppress(OSError, frames.FrameError):
            behaviour(connection)


def says(data: bytes) -> Behaviour:
    """A peer that takes a request, says exactly these bytes, and closes."""

    def behaviour(connection: socket.socket) -> None:
        frames.receive(connection, frames.MAX_REQUEST_BYTES)
        connection.sendall(data)

    return behaviour


def frame(payload: bytes, magic: bytes = frames.MAGIC) -> bytes:
    return magic + len(payload).to_bytes(4, "big") + payload


ODD = {
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "other_service"),
    "short and other": (b"220", "other_service"),
    "other version": (frame(SECRET, b"DCF2"), "other_service"),
    "nothing": (b"", "closed"),
    "half a magic": (b"DC", "closed_midway"),
    "half a header": (frames.MAGIC + b"\0\0", "closed_midway"),
    "half a frame": (frame(SECRET * 100)[:-1], "closed_midway"),
    "one byte too many": (frames.MAGIC + (frames.MAX_REPLY_BYTES + 1).to_bytes(4, "big") + SECRET, "reply_too_large"),
    "4 GiB announced": (frames.MAGIC + b"\xff" * 4 + SECRET, "reply_too_large"),
}


def never_answers(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


def drips(connection: socket.socket) -> None:
    """Send a reply of which each byte comes soon and the last one, after ten timeouts, too late."""
    frames.receive(connection, frames.MAX_REQUEST_BYTES)
    pause = threading.Event()
    for byte in frame(bytes(92)):
        connection.sendall(bytes([byte]))
        pause.wait(IMPATIENCE / 10)


def holds_on(connection: socket.socket) -> None:
    """Hold the connection until the other side leaves."""
    left = select.poll()
    left.register(connection, select.POLLHUP)
    left.poll(PATIENCE * 1000)
