"""Python starts with this folder on PYTHONPATH; a file leaves with every path that the process then touches.

Only with DATACOALITIE_WATCH=FOLDER in the environment. FOLDER/<pid>.txt holds JSON lines: first the command line, then
[event, path] for each open, listing, rename, removal, database, local socket and started program. Each line is
written at once, so that nothing is lost when the process is killed. Read by `tests/relay_reading.py`.

What it cannot see: a path that only C code opens (a database attached in SQL, DuckDB), and looking at a file without
opening it (stat). Programs that are not Python are seen where they are started, with the paths in their command line.
"""

# ruff: noqa: PTH100, PTH115, PTH118, PTH120 - runs inside every open(): nothing but plain calls on plain text

import _thread
import importlib.util
import json
import os
import re
import sys
from importlib.machinery import PathFinder
from urllib.parse import unquote

FIRST_ARGUMENT = {
    *("open", "os.listdir", "os.scandir", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chdir", "os.chmod"),
    *("os.chown", "os.utime", "os.setxattr", "os.getxattr", "os.listxattr", "sqlite3.connect", "ctypes.dlopen"),
}
OF_THE_CURRENT_FOLDER = {"os.listdir", "os.scandir"}  # where they are given nothing
FIRST_TWO_ARGUMENTS = {"os.rename", "os.link", "os.symlink"}
SECOND_ARGUMENT = {"socket.connect", "socket.bind", "socket.sendto"}
STARTED = {"subprocess.Popen", "os.exec", "os.posix_spawn"}
EVENTS = FIRST_ARGUMENT | FIRST_TWO_ARGUMENTS | SECOND_ARGUMENT | STARTED | {"os.system"}


class Record:
    """The file of this process; a fork of it writes to the same one, under the same command line."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._busy = _thread._local()
        self._file = -1

    def begin(self) -> None:
        """Open the file of this process, a new one where an earlier process had the same number, and say who it is."""
        self._busy.now = True
        for again in range(1000):
            name = f"{os.getpid()}-{again}.txt" if again else f"{os.getpid()}.txt"
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                self._file = os.open(os.path.join(self._folder, name), flags, 0o600)
                break
            except FileExistsError:
                continue
        self._write(list(sys.orig_argv))
        self._busy.now = False

    def hook(self, event: str, arguments: tuple) -> None:
        """Note one audit event, except its own doing. A record that cannot be written raises into the program."""
        if event not in EVENTS or getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            for path in _paths(event, arguments):
                self._write([event, path])
        except BaseException as error:
            self._write(["lost", f"{event}: {type(error).__name__}"])
        finally:
            self._busy.now = False

    def _write(self, line: list) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")


def _paths(event: str, arguments: tuple) -> list:
    """Every path of an event, absolute, as it was named and, where that differs, where its links lead."""
    if event in FIRST_ARGUMENT:
        named = [os.curdir if arguments[0] is None and event in OF_THE_CURRENT_FOLDER else arguments[0]]
    elif event in FIRST_TWO_ARGUMENTS:
        named = list(arguments[:2])
    elif event in SECOND_ARGUMENT:
        named = [arguments[-1] if isinstance(arguments[-1], str | bytes) else None]
    else:
        named = [piece for part in arguments[:3] for piece in _pieces(part)]
    return [path for one in named if one not in (None, "", b"") for path in _absolute(one)]


def _pieces(part: object) -> list:
    """Paths in what starts a program: its own, its folder, and whatever stands like a path in its command line."""
    if isinstance(part, list | tuple):
        return [piece for word in part for piece in _pieces(word)]
    text = os.fsdecode(part) if isinstance(part, str | bytes | os.PathLike) else ""
    return [text, *(word for word in re.split(r"[\s'\"]+", text) if "/" in word)] if "/" in text else []


def _absolute(named: object) -> list:
    if isinstance(named, int):
        return [os.readlink(f"/proc/self/fd/{named}")]
    text = os.fsdecode(named)
    if text.startswith("file:"):
        text = unquote(text.removeprefix("file:").partition("?")[0])
    if text.startswith(("\0", ":memory:")):
        return []
    path = os.path.abspath(text)
    return list(dict.fromkeys([path, os.path.realpath(path)]))


def _run_the_next(name: str) -> None:
    """Run the module of this name that Python would have run without this folder, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [place for place in sys.path if os.path.abspath(place) != here]
    spec = PathFinder.find_spec(name, others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get("DATACOALITIE_WATCH"):
    record = Record(os.environ["DATACOALITIE_WATCH"])
    record.begin()
    sys.addaudithook(record.hook)
_run_the_next("sitecustomize")
