"""Bytes arrive on a local stream socket; whole frames leave. Standard library only, so that a relay can import it.

A frame is the magic `DCF1`, a length of four bytes (big-endian) and that many bytes. A peer that says anything
else is some other service.
"""

from __future__ import annotations

import socket

MAGIC = b"DCF1"
HEADER_BYTES = 8
MAX_REQUEST_BYTES = 4 * 2**20
MAX_REPLY_BYTES = 64 * 2**20


class FrameError(Exception):
    """The peer does not speak this protocol, said too much, or stopped in the middle."""


class HungUp(FrameError):
    """The peer stopped in the middle of a frame, or before one."""


def send(connection: socket.socket, payload: bytes) -> None:
    """Send one frame. Raises OSError when the peer is gone."""
    connection.sendall(MAGIC + len(payload).to_bytes(4, "big") + payload)


def receive(connection: socket.socket, limit: int) -> bytes:
    """Receive one frame of at most `limit` bytes; the length is checked before anything is allocated."""
    header = _exactly(connection, HEADER_BYTES)
    if header[:4] != MAGIC:
        raise FrameError("the service on this socket is not a school's node")
    length = int.from_bytes(header[4:], "big")
    if length > limit:
        raise FrameError(f"a frame of {length} bytes, more than the {limit} that are accepted")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = connection.recv(min(length - len(chunks), 1 << 20))
        if not chunk:
            raise HungUp("the service on this socket stopped in the middle of a frame")
        chunks += chunk
    return bytes(chunks)
