"""A way to start a ServerApp arrives; a courier that carries parcels leaves, and `CourierLost` when it is gone.

Coordinator and ServerApp meet on a Unix socket with a name that is never used twice, in a folder that only they may
enter, so that a ServerApp of an earlier start cannot take part.
"""

from __future__ import annotations

import queue
import secrets
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from coalition import parcels
from experiments import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coalition.parcels import Parcel

START_SECONDS = 180.0


class CourierLost(Exception):
    """The ServerApp is gone, or never came; what it had not delivered is sent again by the next one."""


class Courier:
    """A ServerApp that is there: `send` gives it parcels, `receive` takes what it says."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._said: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            with suppress(OSError, frames.FrameError):
                while True:
                    self._said.put(parcels.receive(self._connection))
        finally:
            self._said.put(None)

    def send(self, parcel: Parcel) -> None:
        """Give it a parcel. Raises `CourierLost`."""
        try:
            parcels.send(self._connection, parcel)
        except OSError as error:
            raise CourierLost from error

    def receive(self, seconds: float) -> Parcel | None:
        """The next thing it said; None when it says nothing for so long. Raises `CourierLost` after its last word."""
        try:
            said = self._said.get(timeout=seconds)
        except queue.Empty:
            return None
        if said is None:
            raise CourierLost
        return said

    def close(self) -> None:
        """Hang up, which ends the ServerApp."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def meet(folder: Path, start: Callable[[Path], None]) -> Courier:
    """Start a ServerApp that connects to a fresh socket in `folder`, and wait for it.

    `start(socket)` has a SuperLink start it, and raises what it raises. Raises `CourierLost` when nobody comes.
    """
    path = folder / f"{secrets.token_hex(8)}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        try:
            path.chmod(0o660)
            listener.listen(1)
            listener.settimeout(START_SECONDS)
            start(path)
            connection, _ = listener.accept()
        except TimeoutError as error:
            raise CourierLost from error
        finally:
            path.unlink()
    connection.settimeout(None)
    return Courier(connection)
