"""Commands arrive; running processes leave, kept alive while they are wanted and gone afterwards, by their ids.

What a service manager does on a server, for the length of one rehearsal. Every process carries a mark in its
environment, which its own children inherit: whatever is left after everyone was told to stop is found by that mark.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coalition.errors import UsageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

MARK = "DATACOALITIE_PROCESSES"
LOOK_SECONDS = 0.2
STOP_SECONDS = 6.0
READY_SECONDS = 180.0
_SET_PARENT_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run. pause: seconds before it is started again after it ended; stage: lower stages stop later."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    pause: float = 0.5
    stage: int = 0


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    starts: int = 1
    again_at: float | None = None


@dataclass
class Processes:
    """Programs that run until `stop`; one that ends before that is started again. Use it in a `with` block."""

    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    _children: dict[str, _Child] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Processes:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a program."""
        with self._lock:
            self._children[program.name] = _Child(program, self._open(program))

    def ids(self) -> dict[str, int]:
        """Process id of each program that runs now."""
        with self._lock:
            return {name: child.process.pid for name, child in self._children.items() if child.process.poll() is None}

    def wait_until(self, ready: Callable[[], bool], name: str) -> None:
        """Wait until a program is ready; `UsageFailed` with the end of its log when it does not get there."""
        ends = time.monotonic() + READY_SECONDS
        while not ready():
            if time.monotonic() > ends:
                log = self._children[name].program.log
                words = log.read_text(encoding="utf-8", errors="replace").split()[-40:]
                rule = f"The program {name} starts within {READY_SECONDS:.0f} seconds."
                raise UsageFailed("not_started", rule, " ".join(words) or "nothing in its log", f"Read {log}.")
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Tell every program to stop, highest stage first; end those that do not, and what they left behind."""
        self._stopping.set()
        with self._lock:
            for stage in sorted({child.program.stage for child in self._children.values()}, reverse=True):
                _end([child.process for child in self._children.values() if child.program.stage == stage])
            self._children.clear()
        began = time.monotonic()
        while (left := marked(self.mark)) and time.monotonic() < began + 2 * STOP_SECONDS:
            for process in left if time.monotonic() > began + STOP_SECONDS else ():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
        self._stopped.set()

    def _open(self, program: Program) -> subprocess.Popen[bytes]:
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            return subprocess.Popen(
                program.command,
                env={**program.environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we tell them in order
                preexec_fn=_die_with_parent,
            )

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            with self._lock:
                for child in self._children.values():
                    if not self._stopping.is_set() and child.process.poll() is not None:
                        self._revive(child, time.monotonic())
        self._stopped.wait()  # to the kernel this thread is the parent of what it revived (`_die_with_parent`)

    def _revive(self, child: _Child, now: float) -> None:
        if child.again_at is None:
            child.again_at = now + child.program.pause
        elif now >= child.again_at:
            try:
                child.process, child.again_at, child.starts = self._open(child.program), None, child.starts + 1
            except OSError:  # no memory, no such program: the others are watched all the same
                child.again_at = now + child.program.pause


def _die_with_parent() -> None:
    """Should we be killed without a word, nobody else would end our children (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            process.terminate()
    ends = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def marked(mark: str) -> list[int]:
    """Ids of the living processes that carry this mark (Linux; elsewhere none can be found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is not ours to look at
            variables = (entry / "environ").read_bytes().split(b"\0")
            if f"{MARK}={mark}".encode() in variables and b") Z " not in (entry / "stat").read_bytes():
                found.append(int(entry.name))
    return found
