"""A rehearsal over Flower, as its user runs it: the same question, processes of their own, nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from coalition import rehearsal
from coalition.superlink import programs
from tests.relay_reading import opened_under, watched_environment

SCHOOLS, STUDENTS, SEED = 3, 1500, 7  # as few as a charter may have: each school is five processes
PATIENCE = 1800.0  # never waited out by a rehearsal that works, however busy the machine
FLOWER = ("flower-supernode", "flower-superexec", "flwr-clientapp")


@dataclass
class Rehearsing:
    """`coalition rehearse --engine flower` in a process of its own, known by a mark that its children inherit."""

    out: Path
    process: subprocess.Popen[str]
    mark: str

    def left(self) -> list[str]:
        """Commands of the living processes that carry the mark."""
        return [words for number, words in _living() if self._is_mine(number)]

    def _is_mine(self, number: str) -> bool:
        with suppress(OSError):
            return f"REHEARSAL_OF_THIS_TEST={self.mark}".encode() in Path(f"/proc/{number}/environ").read_bytes()
        return False

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something is so, as long as the rehearsal lives."""
        ends = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < ends and self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)

    def finished(self) -> tuple[int, dict[str, Any], str]:
        """Its exit code, the one object on stdout, and what it said on stderr."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, json.loads(out), err


def _living() -> list[tuple[str, str]]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b") Z " not in (entry / "stat").read_bytes():
                found.append((entry.name, (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
    return found


def _start(out: Path, environment: dict[str, str], *words: object) -> Rehearsing:
    mark = secrets.token_hex(8)
    command = [str(programs() / "coalition"), "rehearse", "--engine", "flower", "--out", str(out), "--format", "json"]
    process = subprocess.Popen(
        [*command, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"REHEARSAL_OF_THIS_TEST": mark},
    )
    return Rehearsing(out, process, mark)


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One whole rehearsal over Flower, watched; and what it left."""
    folder = tmp_path_factory.mktemp("flower")
    watched = watched_environment(folder / "records", dict(os.environ))
    going = _start(folder / "out", watched, "--schools", SCHOOLS, "--students", STUDENTS, "--seed", SEED)
    code, said, err = going.finished()
    assert code == 0, (said, err)
    return {"data": said["data"], "left": going.left(), "out": going.out, "records": folder / "records", "err": err}


@pytest.mark.slow
def test_flower_answers_the_same_question(flown: dict[str, Any], tmp_path: Path) -> None:
    """The definition hash is that of the local engine, and the AUC lies within 4 standard deviations of its noise.

    As between two local runs (tests/whole/test_rehearsal.py): false alarm below 1e-4.
    """
    options = rehearsal.Options(tmp_path / "out", schools=SCHOOLS, students=STUDENTS, seed=SEED)
    local, over_flower = rehearsal.rehearse(options, lambda *_: None), flown["data"]
    assert over_flower.keys() == local.keys()
    assert over_flower["definition_hash"] == local["definition_hash"]
    assert (over_flower["exchanges"], over_flower["attempts"]) == (local["exchanges"], local["attempts"])
    assert [s["rho_spent"] for s in over_flower["schools"]] == [s["rho_spent"] for s in local["schools"]]
    assert over_flower["pooled_auc"] == local["pooled_auc"]
    noise = max(over_flower["auc_noise_sd"], local["auc_noise_sd"])
    assert abs(over_flower["federated_auc"] - local["federated_auc"]) < 4 * noise
    assert over_flower["verified"] is True


@pytest.mark.slow
def test_nothing_is_left_running(flown: dict[str, Any]) -> None:
    """Not one of the processes that were started lives on, and the sockets' folder is gone; this very test is seen."""
    assert flown["left"] == []
    assert any("pytest" in words for _, words in _living())


@pytest.mark.slow
def test_no_relay_touches_a_file_of_a_school(flown: dict[str, Any]) -> None:
    """Every file that every process touched was written down: of the schools' folders, relays touched none.

    The control: the nodes' own processes did, dozens of times.
    """
    opened = opened_under(flown["records"], flown["out"] / "schools")
    relays = {words: paths for words, paths in opened.items() if any(name in words for name in FLOWER)}
    assert {name for name in FLOWER for words in relays if name in words} == set(FLOWER)
    assert [words for words, paths in relays.items() if paths] == []
    nodes = [paths for words, paths in opened.items() if "coalition-node serve" in words]
    assert len(nodes) == SCHOOLS and all(len(paths) > 10 for paths in nodes)


def _asked(out: Path) -> bool:
    """Whether relays have carried something: their log tells of a message received."""
    logs = (out / "processes" / "logs").glob("relay-*.log")
    return any("Receiving" in log.read_text(errors="replace") for log in logs)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    """Ctrl-C, or a service manager's SIGTERM, in the middle of a run: exit 130, in words, and every process is gone."""
    going = _start(tmp_path / "out", dict(os.environ), "--schools", 3, "--students", 300)
    going.until(lambda: _asked(going.out))
    assert len(going.left()) > 10
    going.process.send_signal(number)
    code, said, err = going.finished()
    assert (code, said["error_code"]) == (130, "interrupted") and "Traceback" not in err
    assert going.left() == []


@pytest.mark.slow
def test_a_failure_in_the_middle_leaves_nothing_running(tmp_path: Path) -> None:
    """Two schools take back their readiness during the run: it stops, names them and the remedy, and cleans up."""
    going = _start(tmp_path / "out", dict(os.environ), "--schools", 3, "--students", 300)
    going.until(lambda: _asked(going.out))
    policies = sorted((going.out / "schools").glob("*/policy.yaml"))[:2]
    for path in policies:
        rules = yaml.safe_load(path.read_text()) | {"ready": False}
        path.with_suffix(".new").write_text(yaml.safe_dump(rules))
        path.with_suffix(".new").rename(path)
    code, said, err = going.finished()
    assert (code, said["error_code"]) == (4, "too_few_schools") and "Traceback" not in err
    assert all(f"{path.parent.name} (not_ready)" in said["data"]["found"] for path in policies)
    assert going.left() == []
