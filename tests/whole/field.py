"""A whole coalition of real processes for tests: nodes, relays, a SuperLink, and a coordinator that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from coalition import approvals
from coalition.rehearsal import flower
from coalition.rehearsal.founding import Founded, Options, found
from coalition.rehearsal.processes import Processes, marked
from coalition.store import Exchanged
from coalition.superlink import programs
from coalition.workspace import Workspace
from node.ledger_store import LedgerStore
from privacy.statements import run_id
from privacy.verify import verify_ledger

PATIENCE = 900.0  # a killed relay is let in again after a minute, and starts slowly on a busy machine
COORDINATOR = "coordinator"
SERVER_APP = "flwr-serverapp"


def nothing(*_: object) -> None:
    """Progress that nobody looks at."""


@dataclass
class Field:
    """The coalition, and a coordinator process that runs its experiment with `coalition run`."""

    made: Founded
    out: Path
    processes: Processes
    way: list[str]
    coordinators: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        """The coordinator's folder, opened by the test as well."""
        return self.made.workspace

    @property
    def schools(self) -> list[str]:
        """Ids of the schools."""
        return [member.id for member in self.made.members]

    def coordinate(self) -> None:
        """Start a coordinator, which goes on where the last one stopped."""
        command = [str(programs() / "coalition"), "run", str(self.workspace.root), self.made.experiment.hash.hex()]
        words = [*command, *self.way, "--format", "json"]
        log = (self.out / "coordinator.log").open("a")
        with log:
            self.coordinators.append(
                subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment())
            )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DATACOALITIE_PROCESSES": self.processes.mark}

    def kill(self, kind: str) -> None:
        """Kill -9: the coordinator, the ServerApp, or a program by its name."""
        if kind == COORDINATOR:
            self.coordinators[-1].kill()
            self.coordinators[-1].wait()
        elif kind == SERVER_APP:
            for process in self.named(SERVER_APP):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        else:
            os.kill(self.processes.ids()[kind], signal.SIGKILL)

    def pause(self, program: str) -> None:
        """Let a program be there and never answer."""
        os.kill(self.processes.ids()[program], signal.SIGSTOP)

    def resume(self, program: str) -> None:
        """Let it go on."""
        os.kill(self.processes.ids()[program], signal.SIGCONT)

    def named(self, word: str) -> list[int]:
        """Processes of this field whose command holds the word."""
        return [process for process in marked(self.processes.mark) if word in _command(process)]

    def said(self) -> list[Exchanged]:
        """What the coordinator's store holds of the run so far."""
        serials = dict(approvals.approved_serials(self.workspace, self.made.experiment))
        return self.workspace.store.exchanges(run_id(self.made.experiment.hash, serials))

    def until_asked(self, round_: int) -> None:
        """Wait until the requests of an exchange are on their way, or the run is over."""
        self.until(lambda: self.over() or any(one.round >= round_ for one in self.said()))

    def over(self) -> bool:
        """Whether the present coordinator has ended."""
        return self.coordinators[-1].poll() is not None

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so; fail with the logs' ends when it never is."""
        ends = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < ends, self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        """The end of every log."""
        paths = [self.out / "coordinator.log", *sorted((self.out / "processes" / "logs").glob("*.log"))]
        return "\n".join(f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}" for path in paths if path.exists())

    def finished(self) -> dict[str, Any]:
        """Wait for the coordinator's end; the one JSON object that it printed."""
        self.until(self.over)
        said = self.coordinators[-1].stdout
        assert said is not None
        return json.loads(said.read())

    def spent(self) -> dict[str, Fraction]:
        """What each ledger says was spent; nothing is reserved any more, and the verifier accepts each."""
        return {member.id: _spent(member.folder) for member in self.made.members}


def _spent(folder: Any) -> Fraction:
    from node.assembly import open_ledger

    store: LedgerStore = open_ledger(folder)
    report = verify_ledger(folder.ledger)
    assert report.ok, report
    balances = store.balances()
    assert all(balance.reserved == 0 for balance in balances.values())
    return max((balance.spent for balance in balances.values()), default=Fraction(0))


def _command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def made(out: Path, schools: int = 3, students: int = 600, **changes: Any) -> Founded:
    """A coalition with everything approved, and nothing running yet."""
    return found(Options(out, schools=schools, students=students, **changes), nothing)


@contextmanager
def over_flower(out: Path, wait: int = 400, **changes: Any) -> Iterator[Field]:
    """Everything runs, but the coordinator."""
    founded = made(out, **changes)
    with flower.short_folder() as sockets, Processes() as processes:
        place = flower.Place((out / "processes").resolve(), sockets, flower.free_port())
        folders = {member.id: member.folder.root for member in founded.members}
        flower.start(processes, place, folders, nothing)
        way = ["--superlink", place.address, "--ca", str(place.files / "tls" / "ca.pem")]
        ground = Field(founded, out, processes, [*way, "--meeting", str(place.meeting), "--wait", str(wait)])
        try:
            yield ground
        finally:
            for coordinator in ground.coordinators:
                coordinator.kill()
                coordinator.wait()


@contextmanager
def over_sockets(out: Path, wait: int = 60, **changes: Any) -> Iterator[Field]:
    """The same with a node process for each school and no relays: what nodes do, without Flower's seconds."""
    founded = made(out, **changes)
    with flower.short_folder() as sockets, Processes() as processes:
        place = flower.Place((out / "processes").resolve(), sockets, 0)
        way = ["--wait", str(wait)]
        for member in founded.members:
            processes.start(flower.node_program(place, member.id, member.folder.root))
            way += ["--socket", f"{member.id}={place.socket_of(member.id)}"]
        for member in founded.members:
            processes.wait_until(place.socket_of(member.id).is_socket, f"node-{member.id}")
        ground = Field(founded, out, processes, way)
        try:
            yield ground
        finally:
            for coordinator in ground.coordinators:
                coordinator.kill()
                coordinator.wait()
