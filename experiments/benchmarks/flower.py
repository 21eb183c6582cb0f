"""Nothing arrives; what Flower takes on one machine leaves: seconds an exchange, and CPU and memory of idle processes.

A whole rehearsal over Flower, with 3 and with 5 schools. For the idle figures its coordinator is stopped for a while
in the middle of the run (SIGSTOP, later SIGCONT): everything else is there and nobody asks anything. Linux only.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmarks import report

COMMAND = "python -m experiments.benchmarks flower"
SCHOOLS = (3, 5)
STUDENTS = 1500
ANSWERED = 4  # messages that a relay has answered before the coordinator is stopped
SETTLE_SECONDS, IDLE_SECONDS = 6.0, 30.0
LONGEST_RUN = 240.0
TICKS = os.sysconf("SC_CLK_TCK")
KINDS: Mapping[str, str] = {
    "flower-superlink": "SuperLink",
    "flwr-serverapp": "ServerApp",
    "flower-supernode": "SuperNode",
    "flower-superexec": "SuperExec",
    "coalition-node": "node",
}


@dataclass(frozen=True)
class Idle:
    """What the processes of one kind take together while nothing is asked."""

    kind: str
    processes: int
    cpu_percent: float
    mebibytes: float


def main() -> bool:
    """Print the benchmark; return whether each rehearsal stayed below its four minutes."""
    met = [_measured(schools) for schools in SCHOOLS]
    return all(met)


def _measured(schools: int) -> bool:
    report.heading(f"Flower: a SuperLink and {schools} SuperNodes on this machine", COMMAND)
    data, seconds, idle = _rehearsed(schools)
    exchanges = sorted(data["exchange_seconds"])[:-1]  # but the one that was stopped
    middle, longest = statistics.median(exchanges), max(exchanges)
    report.say(
        f"   {len(exchanges)} exchanges: median {middle:.1f} s, slowest {longest:.1f} s (the first greets schools)"
    )
    for one in [*idle, Idle("together", 1, sum(i.cpu_percent for i in idle), sum(i.mebibytes for i in idle))]:
        percent, memory = one.cpu_percent / one.processes, one.mebibytes / one.processes
        report.say(f"   idle: {one.processes} x {one.kind:<18} {percent:6.2f} % of a core {memory:6.0f} MiB (PSS)")
    figure = report.Figure("whole rehearsal, without the pause", f"{seconds:.0f} s", "< 240 s", seconds < LONGEST_RUN)
    return report.show([figure])


def _rehearsed(schools: int) -> tuple[dict[str, Any], float, list[Idle]]:
    """Rehearse with a pause; what the command printed, its seconds without the pause, and the idle figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        words = ["rehearse", "--engine", "flower", "--schools", schools, "--students", STUDENTS, "--out", out]
        command = [str(Path(sys.executable).parent / "coalition"), *map(str, words), "--format", "json"]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        _until(lambda: _answered(out) >= ANSWERED or process.poll() is not None)
        paused = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        try:
            idle = _idle(process.pid)
        finally:
            process.send_signal(signal.SIGCONT)
        pause = time.monotonic() - paused
        said = process.communicate()[0]
        data: dict[str, Any] = json.loads(said)["data"]
        return data, time.monotonic() - began - pause, idle


def _until(reached: Callable[[], bool]) -> None:
    while not reached():
        time.sleep(0.1)


def _answered(out: Path) -> int:
    logs = list((out / "processes" / "logs").glob("relay-*.log"))
    return min((log.read_text(errors="replace").count("Sent successfully") for log in logs), default=0)


def _idle(coordinator: int) -> list[Idle]:
    """CPU over a while, and memory at its end, of everything that the coordinator started, by kind."""
    time.sleep(SETTLE_SECONDS)
    before = {process: _ticks(process) for process in _offspring(coordinator)}
    time.sleep(IDLE_SECONDS)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for process, ticks in before.items():
        with suppress(OSError):  # it ended meanwhile
            percent = 100 * (_ticks(process) - ticks) / TICKS / IDLE_SECONDS
            found[_kind(process)].append((percent, _mebibytes(process)))
    sums = ((kind, len(each), *(sum(column) for column in zip(*each, strict=True))) for kind, each in found.items())
    return [Idle(*one) for one in sorted(sums)]


def _offspring(parent: int) -> set[int]:
    """Every living process below this one."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, level = set(), {parent}
    while level:
        level = {child for child, above in parents.items() if above in level}
        found |= level
    return found


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _mebibytes(process: int) -> float:
    """Proportional set size: memory shared with others counts in part, so that sums are right."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _kind(process: int) -> str:
    command = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    return next((kind for word, kind in KINDS.items() if word in command), "other")
