"""Frames arrive on a local socket; each gets the reply of `answer`. The node has no other door.

The socket lies in a folder only its owner may enter (mode 0700); the relay gets access through the group that the
operator gives that folder.
"""

from __future__ import annotations

import os
import socketserver
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from experiments import frames
from experiments.frames import MAX_REQUEST_BYTES
from node.errors import UnusableInput

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

IDLE_SECONDS = 60.0
LONGEST_SOCKET_PATH = 100  # Linux allows 108 bytes


class _Connection(socketserver.BaseRequestHandler):
    """One relay connection: frames in, frames out, until it closes or says something else."""

    request: socket.socket
    server: _Server

    def handle(self) -> None:
        self.request.settimeout(IDLE_SECONDS)
        # A peer that leaves, idles or speaks another protocol ends its own connection and nothing else.
        with suppress(OSError, frames.FrameError):
            while True:
                frames.send(self.request, self.server.answer(frames.receive(self.request, MAX_REQUEST_BYTES)))


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        super().__init__(str(path), _Connection)


def open_server(path: Path, answer: Callable[[bytes], bytes]) -> _Server:
    """Bind the socket (mode 0660 in a folder of mode 0700); a socket left behind by a killed node is replaced.

    Raises `UnusableInput` for too long a path, or one at which another file stands: it may be the ledger.
    """
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise UnusableInput(
            "socket_path_too_long",
            f"A socket path has at most {LONGEST_SOCKET_PATH} bytes.",
            f"{len(os.fsencode(path))} bytes",
            "Choose a shorter path with --socket.",
        )
    if path.exists() and not path.is_socket():
        rule, remedy = "A node answers on a socket of its own.", "Choose a path at which nothing stands."
        raise UnusableInput("socket_path_taken", rule, "another file", remedy)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()
    server = _Server(path, answer)
    path.chmod(0o660)
    return server


@contextmanager
def serving(path: Path, answer: Callable[[bytes], bytes]) -> Iterator[Path]:
    """Serve in a thread for as long as the block lasts; the socket is removed afterwards."""
    server = open_server(path, answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        with suppress(FileNotFoundError):
            path.unlink()
