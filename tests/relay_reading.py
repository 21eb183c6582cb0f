"""Records of `tests/relay_watch` arrive; what each Python process touched under a folder leaves."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

WATCH = Path(__file__).parent / "relay_watch"
VARIABLE = "DATACOALITIE_WATCH"


@dataclass(frozen=True)
class Watched:
    """One process: its command line, and each event with its path, in order."""

    argv: tuple[str, ...]
    touched: tuple[tuple[str, str], ...]


def watched_environment(records: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment with which a Python process, and every one that it starts, writes what it touches to `records`.

    Whoever starts a process with a shorter environment has to pass on both variables.
    """
    records.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(WATCH), *filter(None, [environment.get("PYTHONPATH")])])
    return {**environment, VARIABLE: str(records), "PYTHONPATH": path}


def processes(records: Path) -> list[Watched]:
    """Every process in a folder of records. Fails when an event could not be recorded: then nothing is proved."""
    return [_process(file) for file in sorted(records.glob("*.txt"))]


def _process(file: Path) -> Watched:
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    touched = tuple((event, path) for event, path in map(json.loads, rest))
    lost = [what for event, what in touched if event == "lost"]
    assert not lost, f"{file.name}: events that could not be recorded: {lost}"
    return Watched(tuple(json.loads(first)), touched)


def opened_under(folder_of_records: Path, data_folder: Path) -> dict[str, list[str]]:
    """Command line -> paths under `data_folder` that the process touched, for every process that was seen.

    A process that touched none is there with an empty list, so that a test can tell "touched nothing" from "was not
    watched". Connecting to a socket under the folder counts as touching.
    """
    places = {str(data_folder.absolute()), str(data_folder.resolve())}
    found: dict[str, list[str]] = {}
    for process in processes(folder_of_records):
        paths = (path for _, path in process.touched if any(_lies_under(path, place) for place in places))
        found.setdefault(" ".join(process.argv), []).extend(paths)
    return {argv: sorted(set(paths)) for argv, paths in found.items()}


def connected(folder_of_records: Path) -> dict[str, list[str]]:
    """Command line -> local sockets that the process connected to, for every process that was seen."""
    found: dict[str, list[str]] = {}
    for process in processes(folder_of_records):
        sockets = (path for event, path in process.touched if event == "socket.connect")
        found.setdefault(" ".join(process.argv), []).extend(sockets)
    return {argv: sorted(set(paths)) for argv, paths in found.items()}


def _lies_under(path: str, place: str) -> bool:
    return path == place or path.startswith(place + os.sep)
