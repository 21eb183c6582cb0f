"""A workspace and the schools' node folders arrive; a transport over real processes leaves, which end with the block.

On this machine, as on machines of their own: per school a node (`coalition-node serve`, which sees the data) and a
relay (`flower-supernode`, which sees the network); a SuperLink with TLS that lets registered relays in.
Everything listens on loopback only.
"""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coalition.flower_transport import FlowerTransport
from coalition.rehearsal.processes import Processes, Program
from coalition.superlink import SuperLink, environment, programs
from privacy import tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from coalition.workspace import Workspace
    from experiments.terminal import Progress

LOOPBACK = "127.0.0.1"
STARTING = "processes / processen"
# A relay whose SuperNode was killed is let in again once its heartbeat has run out at the SuperLink.
RELAY_PAUSE_SECONDS = 5.0
# Flower looks for work once a second by default; schools on one machine need not wait for that.
POLL = {"FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2"}
STAGE_NODE, STAGE_LINK, STAGE_RELAY = 0, 1, 2


@dataclass(frozen=True)
class Place:
    """Where things lie: logs and Flower's files, to be read afterwards; sockets, in a folder with a short path."""

    files: Path
    sockets: Path
    port: int

    @property
    def meeting(self) -> Path:
        """Where coordinator and ServerApp meet."""
        return self.sockets / "meeting"

    def socket_of(self, school: str) -> Path:
        """Where a school's relay meets its node."""
        return self.sockets / school[:24] / "node.sock"

    def log_of(self, name: str) -> Path:
        """The log of one process."""
        return self.files / "logs" / f"{name}.log"

    def home_of(self, name: str) -> Path:
        """Flower's own folder for one process."""
        return self.files / "flower" / name

    @property
    def address(self) -> str:
        """Where the SuperLink listens."""
        return f"{LOOPBACK}:{self.port}"


@contextmanager
def flower(
    workspace: Workspace, folders: Mapping[str, Path], files: Path, progress: Progress
) -> Iterator[FlowerTransport]:
    """Start every process, yield a transport over them, and end them all, whatever ends the block.

    folders: school -> its node's folder; files: where logs and Flower's files go.
    """
    with short_folder() as sockets, _terminable(), Processes() as processes:
        place = Place(files.resolve(), sockets, free_port())
        link = start(processes, place, folders, progress)
        transport = FlowerTransport(workspace.charter, workspace.key, link.start_server_app, place.meeting, progress)
        try:
            yield transport
        finally:
            transport.close()


def start(processes: Processes, place: Place, folders: Mapping[str, Path], progress: Progress) -> SuperLink:
    """Start nodes, SuperLink and relays, and register the relays' keys. Raises `UsageFailed` for one that does not."""
    steps = 2 * len(folders) + 1
    for school, root in folders.items():
        processes.start(node_program(place, school, root))
    progress(STARTING, 0, steps, "SuperLink")
    link = _start_link(processes, place)
    for done, school in enumerate(folders, 1):
        progress(STARTING, done, steps, f"relay {school}")
        key = place.home_of(school) / "relay.key"
        tls.make_relay_key(key)
        link.register(key.with_name("relay.key.pub"), school)
        processes.start(_relay(place, school, key))
    for done, school in enumerate(folders, 1 + len(folders)):
        progress(STARTING, done, steps, f"node {school}")
        processes.wait_until(place.socket_of(school).is_socket, f"node-{school}")
    progress(STARTING, steps, steps)
    return link


def _start_link(processes: Processes, place: Place) -> SuperLink:
    authority = tls.make_authority(place.files / "tls", "Rehearsal / oefening")
    issued = tls.issue_server(place.files / "tls", [LOOPBACK, "localhost"])
    place.meeting.mkdir(mode=0o700)
    home = place.home_of("superlink")
    link = SuperLink.at(place.address, authority.certificate, home)
    command = [
        str(programs() / "flower-superlink"),
        *("--ssl-ca-certfile", str(issued.authority)),
        *("--ssl-certfile", str(issued.certificate)),
        *("--ssl-keyfile", str(issued.key)),
        *("--host", LOOPBACK, "--port", str(place.port)),
        *("--database", str(home / "superlink.sqlite")),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]
    processes.start(
        Program("superlink", command, environment(home) | POLL, place.log_of("superlink"), stage=STAGE_LINK)
    )
    processes.wait_until(lambda: _answers(place.port), "superlink")
    return link


def node_program(place: Place, school: str, root: Path) -> Program:
    """A school's node: `root` is its folder."""
    path = place.socket_of(school)
    command = [str(programs() / "coalition-node"), "serve", str(root.resolve()), "--socket", str(path)]
    name = f"node-{school}"
    return Program(name, command, environment(place.home_of(name)), place.log_of(name), stage=STAGE_NODE)


def _relay(place: Place, school: str, key: Path) -> Program:
    home = place.home_of(school)
    command = [
        str(programs() / "flower-supernode"),
        *("--superlink", place.address, "--root-certificates", str(place.files / "tls" / "ca.pem")),
        *("--auth-supernode-private-key", str(key)),
        *("--host", LOOPBACK, "--port", str(free_port())),
        *("--node-config", f'socket="{place.socket_of(school)}"'),
    ]
    name = f"relay-{school}"
    return Program(name, command, environment(home) | POLL, place.log_of(name), RELAY_PAUSE_SECONDS, STAGE_RELAY)


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1.0)
        return caller.connect_ex((LOOPBACK, port)) == 0


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder of our own for sockets, whose paths may have no more than about a hundred bytes."""
    folder = Path(tempfile.mkdtemp(prefix="datacoalitie-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does: after everything that was started has ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
