"""Options of a command arrive: sockets of this machine, or a SuperLink; a transport leaves, for as long as needed."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from coalition.errors import UsageFailed
from coalition.transport import LocalSockets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coalition.transport import Transport
    from coalition.workspace import Workspace
    from experiments.terminal import Progress

PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
LONGEST_FOLDER = 80  # bytes: with the socket's own name it stays within what Linux allows


@contextmanager
def reaching(
    workspace: Workspace,
    sockets: Sequence[str],
    superlink: str | None,
    authority: Path | None,
    meeting: Path | None,
    progress: Progress,
) -> Iterator[Transport]:
    """The way to the schools. Raises `UsageFailed` unless it is exactly one: `sockets`, or `superlink` + `authority`.

    sockets: SCHOOL=PATH each; superlink: HOST:PORT, whose certificate `authority` vouches for; meeting: the folder in
    which coordinator and ServerApp meet (default: a fresh one, for a SuperLink on this machine and of this user).
    """
    if bool(sockets) == bool(superlink) or bool(superlink) != (authority is not None):
        rule = "A run reaches the schools by --socket, or by --superlink with --ca."
        raise UsageFailed("which_way", rule, "neither, both or half", "Give one of the two, whole (docs/flower.md).")
    if superlink is None or authority is None:
        yield LocalSockets(socket_paths(sockets, [school.id for school in workspace.charter.schools]))
        return
    with _meeting(meeting) as folder, _flower(workspace, superlink, authority, folder, progress) as transport:
        yield transport


@contextmanager
def _flower(
    workspace: Workspace, superlink: str, authority: Path, meeting: Path, progress: Progress
) -> Iterator[Transport]:
    from coalition.flower_transport import FlowerTransport
    from coalition.superlink import SuperLink

    link = SuperLink.at(superlink, authority, workspace.root / "flower")
    transport = FlowerTransport(workspace.charter, workspace.key, link.start_server_app, meeting, progress)
    try:
        yield transport
    finally:
        transport.close()


def register_relay(workspace: Workspace, school: str, public_key: Path, superlink: str, authority: Path) -> None:
    """Let a school's relay in. Raises `CharterError` for another school, `LinkFailed` for no SuperLink."""
    from coalition.superlink import SuperLink

    workspace.charter.school(school)
    if not public_key.is_file():
        rule = "RELAY.pub is the file that `coalition-node relay-key` made."
        raise UsageFailed("no_relay_key", rule, str(public_key), "Ask the school's operator for it.")
    SuperLink.at(superlink, authority, workspace.root / "flower").register(public_key, school)


@contextmanager
def _meeting(folder: Path | None) -> Iterator[Path]:
    """The folder in which coordinator and ServerApp meet; a fresh one is removed afterwards."""
    if folder is not None:
        yield _checked(folder)
        return
    fresh = Path(tempfile.mkdtemp(prefix="datacoalitie-"))
    try:
        yield _checked(fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _checked(folder: Path) -> Path:
    """The folder, once a socket in it has a path that Linux and Flower's configuration can hold."""
    path = str(folder.resolve())
    short = len(path.encode()) <= LONGEST_FOLDER
    if not (folder.is_dir() and short and PLAIN.fullmatch(path)):
        rule = f"--meeting is a folder whose path has at most {LONGEST_FOLDER} bytes: letters, digits and / . _ - only."
        found = path if folder.is_dir() else f"no folder at {path}"
        raise UsageFailed("not_a_meeting", rule, found, "Make one that coordinator and SuperLink can both enter.")
    return folder.resolve()


def socket_paths(pairs: Sequence[str], known: Sequence[str]) -> dict[str, Path]:
    """Read `school=path` pairs; `UsageFailed` for another form, or a school that the charter does not list."""
    paths = {}
    for pair in pairs:
        school, equals, path = pair.partition("=")
        if not equals or school not in known or not path:
            rule = "Each --socket is SCHOOL=PATH, with a school of the charter."
            raise UsageFailed("not_a_socket", rule, pair, f"Schools: {', '.join(known)}.")
        paths[school] = Path(path)
    return paths
