"""Request bytes for each school arrive; the replies that came in time leave. Everything above is the same code.

Transport              exchange(requests, timeout) -> replies; a silent school is simply absent
├── InProcess          rehearsals, tests, studies of scale: calls each school's `answer` in a thread of its own
└── LocalSockets       nodes of this machine, each behind its own local socket
"""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from experiments import frames
from experiments.frames import MAX_REPLY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set
    from pathlib import Path

    Arrived = Callable[[str, bytes], None]

AGAIN_SECONDS = 0.3
SHORTEST_SECONDS = 0.01


class Transport(Protocol):
    """One exchange with many schools at once."""

    def exchange(self, requests: Mapping[str, bytes], needed: Set[str], timeout: float, arrived: Arrived) -> None:
        """Send each school its request; call `arrived(school, reply)`, from any thread, for each reply.

        Returns when every `needed` school replied, or after `timeout` seconds. A school that is silent, unreachable
        or says something that is no frame is absent. Sending the same request again is safe: a node answers it with
        the same bytes, at no cost.
        """


class InProcess:
    """Schools in this very process: `answer` callables, each called in a thread."""

    def __init__(self, schools: Mapping[str, Callable[[bytes], bytes]]) -> None:
        self._schools = schools

    def exchange(self, requests: Mapping[str, bytes], needed: Set[str], timeout: float, arrived: Arrived) -> None:
        """Call each school; one that raises ConnectionError counts as silent."""
        calls = {school: self._schools[school] for school in requests if school in self._schools}
        _together(calls, requests, needed, timeout, arrived)


class LocalSockets:
    """Schools of this machine, each a node process behind a Unix socket. One that is starting is waited for."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths

    def exchange(self, requests: Mapping[str, bytes], needed: Set[str], timeout: float, arrived: Arrived) -> None:
        """Open one connection a school, send one frame, read one frame; again, while there is time."""
        ends = time.monotonic() + timeout
        calls = {school: partial(_call, self._paths[school], ends) for school in requests if school in self._paths}
        _together(calls, requests, needed, timeout, arrived)


def _call(path: Path, ends: float, request: bytes) -> bytes:
    """Ask a node until it answers. Raises OSError when the time is up, FrameError for another service."""
    while True:
        left = ends - time.monotonic()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(max(left, SHORTEST_SECONDS))
                connection.connect(str(path))
                frames.send(connection, request)
                return frames.receive(connection, MAX_REPLY_BYTES)
        except (FileNotFoundError, ConnectionError, frames.HungUp):
            if left < AGAIN_SECONDS:
                raise
            time.sleep(AGAIN_SECONDS)


def _together(
    calls: Mapping[str, Callable[[bytes], bytes]],
    requests: Mapping[str, bytes],
    needed: Set[str],
    timeout: float,
    arrived: Arrived,
) -> None:
    def ask(school: str) -> None:
        try:
            reply = calls[school](requests[school])
        except (OSError, frames.FrameError):
            return  # silent: the caller sees that no reply arrived
        arrived(school, reply)

    threads = {school: threading.Thread(target=ask, args=(school,), daemon=True) for school in calls}
    for thread in threads.values():
        thread.start()
    ends = time.monotonic() + timeout
    for school in sorted(needed & threads.keys()):
        threads[school].join(max(0.0, ends - time.monotonic()))
