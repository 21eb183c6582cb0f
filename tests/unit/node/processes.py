"""Processes of their own for tests: with a disk that is full at a given size, or killed before a given write.

The limit is the kernel's own: no file of the process grows beyond it. With the signal for it ignored the write fails,
as on a full disk; with the signal left as it is the process dies in the middle of that very write, also where C code
writes (SQLite, Parquet).
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

FILE_EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


@dataclass(frozen=True)
class Ended:
    """How a process ended: the signal that killed it or its exit code, and what it had said."""

    signal: int | None
    code: int
    said: bytes


def in_process(act: Callable[[], int]) -> Ended:
    """Run `act` in a process of its own, its output going to a pipe."""
    out, inside = os.pipe()
    number = os.fork()
    if number == 0:
        code = 99
        with suppress(BaseException):  # a child of the test runner must never return into it
            os.dup2(inside, 1)
            os.dup2(inside, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", closefd=False)
            code = act()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    os.close(inside)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(number, 0)[1]
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return Ended(killed, 0 if killed else os.waitstatus_to_exitcode(status), said)


def limited(limit: int, deadly: bool) -> None:
    """From now on no file of this process grows beyond `limit` bytes: the write fails, or kills."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if deadly else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def killed_before(event: int) -> None:
    """From now on, kill this process just before its n-th change of a file: open, rename, removal, sync, SQL."""
    left = [event]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        opened_to_write = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened_to_write or name in FILE_EVENTS:
            count()

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = real_connect(*given, **named)
        connection.set_trace_callback(count)
        return connection

    real_connect, real_sync = sqlite3.connect, os.fsync
    sqlite3.connect = connect  # type: ignore[assignment]
    os.fsync = lambda descriptor: (count(), real_sync(descriptor))[1]
    sys.addaudithook(hook)
