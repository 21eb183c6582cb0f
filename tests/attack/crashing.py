"""What a process is to do arrives; a process that dies with SIGKILL at its n-th event, and all it said, leave.

Events are: an SQL statement, a file opened to write, written, synced, renamed or removed, a system call with which
SQLite changes a file, and the reply on the socket, before it and in the middle of it. The process is forked from a
parent that runs no thread.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import frames
from node.ledger_store import LedgerStore

SECONDS = 300.0  # never waited out by a process that lives
PR_SET_PDEATHSIG = 1  # linux/prctl.h
CHANGES = ("os.rename", "os.remove", "os.truncate")

Event = Callable[[str], None]


# ---- in the process that dies


class Watch:
    """Calls `event(name)` before whatever this process does to a file, a database or the socket, from now on."""

    def __init__(self, event: Event, ledger: LedgerStore) -> None:
        self._event = event
        self._kept: list[Any] = []
        ledger._file._connection.set_trace_callback(lambda sql: event(f"sql {sql.split(None, 1)[0]}"))
        os.fsync = self._counted("sync", os.fsync)
        os.fdopen = self._counted("write", os.fdopen)
        frames.send = self._sending(frames.send)
        sys.addaudithook(self._audited)
        self._watch_sqlite()

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: (self._event(name), real(*given, **named))[1]

    def _sending(self, real: Callable[[Any, bytes], None]) -> Callable[[socket.socket, bytes], None]:
        return lambda connection, payload: real(InHalves(connection, self._event), payload)

    def _audited(self, name: str, given: tuple[Any, ...]) -> None:
        to_write = name == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if to_write or name in CHANGES:
            self._event(name)

    def _watch_sqlite(self) -> None:
        """SQLite's own test interface (sqlite3_vfs.xSetSystemCall) puts another function in a system call's place."""
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        vfs = library.sqlite3_vfs_find(None)
        for name, kind in SYSTEM_CALLS.items():
            real = vfs.contents.get(vfs, name)
            if real is not None:
                watched = kind(self._counted(f"sqlite {name.decode()}", kind(real)))
                self._kept.append(watched)
                vfs.contents.set(vfs, name, ctypes.cast(watched, ctypes.c_void_p))


@dataclass(frozen=True)
class InHalves:
    """A connection on which a process can die between the two halves of what it sends."""

    connection: socket.socket
    event: Event

    def sendall(self, data: bytes) -> None:
        self.event("send")
        self.connection.sendall(data[: len(data) // 2])
        self.event("send the other half")
        self.connection.sendall(data[len(data) // 2 :])


class Vfs(ctypes.Structure):
    """`sqlite3_vfs` of sqlite3.h, version 3."""


Vfs._fields_ = [
    ("version", ctypes.c_int),
    ("file_size", ctypes.c_int),
    ("longest", ctypes.c_int),
    ("next", ctypes.c_void_p),
    ("name", ctypes.c_char_p),
    ("data", ctypes.c_void_p),
    ("methods", ctypes.c_void_p * 13),  # xOpen … xCurrentTimeInt64
    ("set", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Vfs), ctypes.c_char_p, ctypes.c_void_p)),
    ("get", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Vfs), ctypes.c_char_p)),
]
_SIZE, _OFFSET = ctypes.c_ssize_t, ctypes.c_int64
SYSTEM_CALLS = {
    b"write": ctypes.CFUNCTYPE(_SIZE, ctypes.c_int, ctypes.c_void_p, _SIZE),
    b"pwrite": ctypes.CFUNCTYPE(_SIZE, ctypes.c_int, ctypes.c_void_p, _SIZE, _OFFSET),
    b"pwrite64": ctypes.CFUNCTYPE(_SIZE, ctypes.c_int, ctypes.c_void_p, _SIZE, _OFFSET),
    b"ftruncate": ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, _OFFSET),
    b"unlink": ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p),
}


def dying(at: int | None, told: int) -> Event:
    """Kill this process at its event number `at` (from 1), naming that one in the pipe; 0: name all, die at none."""
    seen = [0]

    def event(name: str) -> None:
        seen[0] += 1
        if at in (0, seen[0]):
            os.write(told, f"{name}\n".encode())
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return event


# ---- the school's process, seen from outside


@dataclass
class Process:
    """A process that was forked: its number, and the pipe into which it says what happened."""

    number: int
    told: int

    def end(self) -> list[str]:
        """Kill it unless it is dead, and reap it; returns the events it named."""
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGKILL)
        status = os.waitpid(self.number, 0)[1]
        assert os.WIFSIGNALED(status), (os.waitstatus_to_exitcode(status), self.said())
        return self.said()

    def finished(self) -> str:
        """Wait until it is done; returns what it said."""
        with os.fdopen(self.told, "rb") as pipe:
            said = pipe.read().decode()
        os.waitpid(self.number, 0)
        return said

    def said(self) -> list[str]:
        """What it wrote into its pipe, once that is closed."""
        with os.fdopen(self.told, "rb") as pipe:
            return pipe.read().decode().splitlines()


def forked(act: Callable[[int], None]) -> Process:
    """Run `act(pipe)` in a process of its own, which never returns into the test runner."""
    out, inside = os.pipe()
    number = os.fork()
    if number == 0:
        try:
            os.close(out)
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever fails, no process stays behind
            act(inside)
        except BaseException as error:
            os.write(inside, f"{type(error).__name__}\n".encode())
        finally:
            os._exit(99)
    os.close(inside)
    return Process(number, out)


@dataclass(frozen=True)
class Heard:
    """One request to the school under test, and all the bytes that came back, cut off or not."""

    request: bytes
    data: bytes

    @property
    def reply(self) -> bytes | None:
        """The whole reply, or None when the process died first."""
        size = frames.HEADER_BYTES + int.from_bytes(self.data[4:8], "big")
        whole = len(self.data) >= frames.HEADER_BYTES and len(self.data) == size
        return self.data[frames.HEADER_BYTES :] if whole else None


def hear(path: Path, request: bytes) -> Heard:
    """Send one frame, and take every byte that comes back until the frame is whole or the process is gone."""
    data = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(ConnectionError):
        connection.settimeout(SECONDS)
        connection.connect(str(path))
        frames.send(connection, request)
        while Heard(request, bytes(data)).reply is None and (more := connection.recv(1 << 16)):
            data += more
    return Heard(request, bytes(data))
