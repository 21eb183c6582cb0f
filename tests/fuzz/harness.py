"""Subjects and seeds arrive; findings leave: inputs at which a reader raised what it may not, or ran wild."""

from __future__ import annotations

import random
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

CPU_SECONDS = 20.0  # of one input: hundreds of times what the slowest takes
MIB = 2**20
MORE_MEMORY = 512 * MIB  # by which one input may raise the peak of the process
ROOM = 8 * 1024 * MIB  # of address space for the whole process, shared objects and reserved pools included
PRODUCT = ("coalition", "node", "experiments", "privacy", "shared_schema")


class RanWild(BaseException):
    """One input took more processor time than any may."""


class Broken(AssertionError):
    """A reader left behind what it should not have, or answered what it should not have; raised by a subject."""


@dataclass(frozen=True)
class Subject:
    """One thing that is read from others.

    valid: inputs that `feed` takes as they are; bend: (chance, a valid input, all of them) -> another input;
    feed: reads one input; allowed: what it may raise; secrets: cells that no error may hold; plain: whether valid
    inputs are fed as they are first; times: how many inputs this subject gets where one that is slow to feed gets one.
    """

    name: str
    valid: Sequence[Any]
    bend: Callable[[random.Random, Any, Sequence[Any]], Any]
    feed: Callable[[Any], object]
    allowed: tuple[type[Exception], ...]
    secrets: Sequence[str] = ()
    plain: bool = True
    times: int = 1


@dataclass(frozen=True)
class Finding:
    """One broken promise; `seed` and `number` make the input again."""

    subject: str
    seed: int
    number: int
    kind: str
    words: str
    where: str

    def __str__(self) -> str:
        again = f"python -m tests.fuzz --again {self.subject} {self.seed} {self.number}"
        return f"{self.subject}: {self.kind} at {self.where} ({self.words}); again: {again}"


@contextmanager
def limits() -> Iterator[None]:
    """Bounds on this process for as long as the block lasts: address space, and processor time of one input."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise RanWild

    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGVTALRM, handler)


def input_of(subject: Subject, seed: int, number: int) -> Any:
    """Return the input with these numbers; the first ones are the valid inputs themselves."""
    if subject.plain and number < len(subject.valid):
        return subject.valid[number]
    chance = random.Random(f"{subject.name}/{seed}/{number}")
    return subject.bend(chance, chance.choice(list(subject.valid)), subject.valid)


def run(subject: Subject, seed: int, examples: int) -> list[Finding]:
    """Feed `examples` x `subject.times` inputs beside the valid ones; one finding for each kind of fault and place."""
    found: dict[tuple[str, str], Finding] = {}
    first = len(subject.valid) if subject.plain else 0
    for number in range(first + subject.times * examples):
        verdict = judge(subject, input_of(subject, seed, number), valid=number < first)
        if verdict is not None:
            kind, _, where = verdict
            found.setdefault((kind, where), Finding(subject.name, seed, number, *verdict))
    return list(found.values())


def judge(subject: Subject, given: Any, valid: bool = False) -> tuple[str, str, str] | None:
    """Return (what went wrong, its words, where) for one input, None when the reader kept its promises."""
    _forget_peak()
    peak = _peak()
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        subject.feed(given)
    except subject.allowed as error:
        if valid:
            return "a valid input was refused", str(error), _place(error)
        if said := [secret for secret in subject.secrets if secret in _words(error)]:
            return "an error that quotes a cell", said[0], _place(error)
    except RanWild as error:
        return "too much processor time", f"more than {CPU_SECONDS:.0f} s", _place(error)
    except Exception as error:
        return type(error).__name__, ascii(str(error)[:80]), _place(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if _peak() - peak > MORE_MEMORY:
        return "too much memory", f"{(_peak() - peak) // MIB} MiB more", subject.name
    return None


def _forget_peak() -> None:
    """Begin a new peak: the one of `getrusage` is inherited over an exec, and would hide what one input takes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """The most memory this process had at once since its peak was forgotten, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _words(error: Exception) -> str:
    """What a person, a log or the wire may get of an error: its text, and every text that it carries."""
    return "\n".join([str(error), *map(str, error.args), *(str(value) for value in vars(error).values())])


def _place(error: BaseException) -> str:
    """The last line of the product on the way to the error, else the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if any(f"/{package}/" in frame.filename for package in PRODUCT)]
    ours = [frame for frame in ours if "/tests/" not in frame.filename and "site-packages" not in frame.filename]
    last = (ours or list(frames))[-1]
    return f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.name}"
