"""A list that is about to be made arrives; one line in the record of all lists leaves, before the list does.

NODE/local/lists.jsonl, a JSON object a line, only ever added to: when, by whom, with which model, about how many. Who
stands on a list is not in it. (AVG art. 5(2) and 22; AI Act art. 12 and 26(6): use of such a model is logged.)
"""

from __future__ import annotations

import datetime
import fcntl
import getpass
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node.errors import StorageFailed, UnusableInput

FILE = "lists.jsonl"
LONGEST_NAME = 80


def asker(given: str | None) -> str:
    """Who asks: the name given, else the account this program runs under. Raises `UnusableInput` for no name."""
    name = (given if given is not None else _account()).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        rule, remedy = (
            "Each list says who asked for it.",
            f"Give a name of at most {LONGEST_NAME} letters: --asked-by NAME.",
        )
        raise UnusableInput("no_asker", rule, "no such name", remedy)
    return name


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return f"uid {os.getuid()}"


def record(folder: Path, line: Mapping[str, Any], now: datetime.datetime) -> None:
    """Add one line, durably, under a lock. Raises `StorageFailed` when the disk does not take it."""
    stamp = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    encoded = json.dumps({"made": stamp, **line}, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            _append(handle, encoded)
        finally:
            os.close(handle)
    except OSError as error:
        rule, remedy = (
            "Each list is recorded before it is shown.",
            "Free disk space or correct the folder's permissions.",
        )
        raise StorageFailed("list_not_recorded", rule, type(error).__name__, remedy) from error


def _append(handle: int, line: bytes) -> None:
    """Write all or nothing: half a line, of a disk that filled up, is taken away again.

    What a kill left of an earlier line is ended first, so that it spoils no other.
    """
    before = os.fstat(handle).st_size
    if before and os.pread(handle, 1, before - 1) != b"\n":
        line = b"\n" + line
    try:
        written = os.write(handle, line)
        if written != len(line):
            raise OSError("the disk took part of a line")
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, before)
        raise
