"""Programs of a rehearsal live as long as they are wanted and not a moment longer: real processes, killed for real."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coalition.errors import UsageFailed
from coalition.rehearsal import processes
from coalition.rehearsal.processes import Processes, Program, marked
from tests.unit.coalition.courier_peer import until

SLEEPS = "import time; print('ready', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
# Starts a process that hears no SIGTERM, in a session of its own, and waits.
BREEDS = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", {DEAF!r}], start_new_session=True)
time.sleep(600)
"""
# Says in a file when it is told to stop and when it has stopped, which takes it a while.
SAYS = """
import signal, sys, time

def told(*_):
    with open(sys.argv[1], "a") as file:
        file.write(f"{sys.argv[2]} told\\n")
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[1], "a") as file:
        file.write(f"{sys.argv[2]} ended\\n")
    sys.exit(0)

signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
while True:
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks only five times a second here."""
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.02)


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark of this test; whatever still carries it afterwards is ended, by its id."""
    made = secrets.token_hex(16)
    yield made
    for left in marked(made):
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def _program(folder: Path, name: str, code: str, *words: str, stage: int = 0, pause: float = 0.0) -> Program:
    command = [sys.executable, "-S", "-c", code, *words]
    return Program(name, command, {"PATH": os.environ["PATH"]}, folder / "logs" / f"{name}.log", pause, stage)


def _starts(folder: Path, name: str) -> int:
    """How often a program has said that it is ready."""
    log = folder / "logs" / f"{name}.log"
    return log.read_text().count("ready") if log.exists() else 0


def test_a_killed_program_is_started_again(tmp_path: Path, mark: str) -> None:
    """Killed with SIGKILL, it runs again under another id; its neighbour is left alone; the log goes on."""
    with Processes(mark) as all_:
        for name in ("relay", "node"):
            all_.start(_program(tmp_path, name, SLEEPS))
        until(lambda: _starts(tmp_path, "relay") == 1)
        before = all_.ids()
        os.kill(before["relay"], signal.SIGKILL)
        until(lambda: _starts(tmp_path, "relay") == 2)
        after = all_.ids()
        assert after["relay"] != before["relay"] and after["node"] == before["node"]
        assert sorted(marked(mark)) == sorted(after.values())
    assert marked(mark) == []


def test_a_program_is_started_again_after_its_pause(tmp_path: Path, mark: str) -> None:
    """Not at once: a relay that was killed is let in again only when its heartbeat has run out."""
    all_ = Processes(mark)
    all_.start(_program(tmp_path, "relay", "", pause=5.0))
    child = all_._children["relay"]
    child.process.wait()
    for now, starts in ((100.0, 1), (104.9, 1), (105.0, 2)):
        all_._revive(child, now)
        assert child.starts == starts
    all_.stop()


def test_a_program_that_is_gone_keeps_nobody_else_from_being_started(tmp_path: Path, mark: str) -> None:
    """Its file was removed, so that it cannot be started again: its neighbour still is, and it too once it is back."""
    copy = tmp_path / "python"
    copy.symlink_to(sys.executable)
    with Processes(mark) as all_:
        gone, other = (_program(tmp_path, name, SLEEPS) for name in ("a-gone", "b-other"))
        all_.start(Program(gone.name, [str(copy), *gone.command[1:]], gone.environment, gone.log, 0.0))
        all_.start(other)
        copy.unlink()
        before = all_.ids()
        for running in before.values():
            os.kill(running, signal.SIGKILL)
        until(lambda: all_.ids().get("b-other") not in (None, before["b-other"]) and "a-gone" not in all_.ids())
        copy.symlink_to(sys.executable)
        until(lambda: "a-gone" in all_.ids())


@pytest.mark.parametrize("code", [SLEEPS, DEAF], ids=["that obeys", "that does not"])
def test_stop_ends_a_program(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """One that obeys SIGTERM, and one that hears nothing; afterwards nothing carries the mark, nor comes back."""
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    all_ = Processes(mark)
    with all_:
        all_.start(_program(tmp_path, "program", code))
        until(lambda: _starts(tmp_path, "program") == 1)
    assert marked(mark) == [] and all_.ids() == {}
    all_.stop()
    assert _starts(tmp_path, "program") == 1


def test_stop_ends_what_a_program_left_behind(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grandchild in a session of its own that hears no SIGTERM: found by the mark, which it inherited, and ended.

    The control: it is found while it is wanted, it is no child of ours, and the end of its parent does not end it.
    """
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    with Processes(mark) as all_:
        all_.start(_program(tmp_path, "breeds", BREEDS, pause=600.0))
        until(lambda: _starts(tmp_path, "breeds") == 1)
        parent = all_.ids()["breeds"]
        (grandchild,) = set(marked(mark)) - {parent}
        os.kill(parent, signal.SIGKILL)
        until(lambda: all_.ids() == {})
        assert marked(mark) == [grandchild]
    assert marked(mark) == []


def test_everything_ends_whatever_ends_the_block(tmp_path: Path, mark: str) -> None:
    """Ctrl-C in the middle is passed on, after the programs have ended."""
    with pytest.raises(KeyboardInterrupt), Processes(mark) as all_:
        all_.start(_program(tmp_path, "program", SLEEPS))
        raise KeyboardInterrupt
    assert marked(mark) == []


def test_higher_stages_stop_first_also_after_a_restart(tmp_path: Path, mark: str) -> None:
    """A relay has ended before its node is told to stop, though the node was killed and started again meanwhile.

    To Linux the parent of a process is the thread that started it: were the watching to end first, so would the node.
    """
    said = tmp_path / "said"
    with Processes(mark) as all_:
        all_.start(_program(tmp_path, "node", SAYS, str(said), "node", "0"))
        all_.start(_program(tmp_path, "relay", SAYS, str(said), "relay", "0.3", stage=1))
        until(lambda: _starts(tmp_path, "node") == 1)
        os.kill(all_.ids()["node"], signal.SIGKILL)
        until(lambda: _starts(tmp_path, "node") == 2 and _starts(tmp_path, "relay") == 1)
    assert said.read_text().splitlines() == ["relay told", "relay ended", "node told", "node ended"]


def test_a_program_that_does_not_get_ready_is_named_with_the_end_of_its_log(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds the last words of the log and where to read the rest; one that is ready is waited for."""
    with Processes(mark) as all_:
        words = " ".join(f"word-{number}" for number in range(60))
        all_.start(_program(tmp_path, "superlink", f"print({words!r}, flush=True); " + SLEEPS))
        all_.wait_until(lambda: _starts(tmp_path, "superlink") == 1, "superlink")
        monkeypatch.setattr(processes, "READY_SECONDS", 0.1)
        with pytest.raises(UsageFailed) as failed:
            all_.wait_until(lambda: False, "superlink")
    assert failed.value.code == "not_started" and "superlink" in failed.value.rule
    assert failed.value.found == " ".join([*words.split()[-39:], "ready"])
    assert str(tmp_path / "logs" / "superlink.log") in failed.value.remedy


# Processes alone, by its file: the package around it takes seconds to import.
PARENT = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("processes", sys.argv[1])
processes = sys.modules["processes"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(processes)
processes.LOOK_SECONDS = 0.02
if sys.argv[4] == "undefended":
    processes._die_with_parent = lambda: None
with processes.Processes(sys.argv[2]) as all_:
    for name in ("started", "revived"):
        command = [sys.executable, "-S", "-c", sys.argv[5]]
        all_.start(processes.Program(name, command, {}, Path(sys.argv[3]) / "logs" / f"{name}.log", 0.0))
    print(all_.ids()["revived"], flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", ["defended", "undefended"])
def test_a_killed_parent_leaves_no_child(tmp_path: Path, mark: str, how: str) -> None:
    """Killed with SIGKILL it cannot stop anybody: what it started, and what it started again, ends by itself.

    The control, with that arrangement off: both are still there.
    """
    command = [sys.executable, "-c", PARENT, processes.__file__, mark, str(tmp_path), how, SLEEPS]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        first = int(parent.stdout.readline())
        os.kill(first, signal.SIGKILL)
        until(lambda: len(set(marked(mark)) - {first}) == 2)
        parent.kill()
    if how == "defended":
        until(lambda: marked(mark) == [])
    else:
        assert len(marked(mark)) == 2


def test_a_mark_is_found_on_nobody_else(tmp_path: Path, mark: str) -> None:
    """Neither on programs of another mark, nor on this process, nor on one that has ended and waits to be buried."""
    environment = {processes.MARK: mark}
    with subprocess.Popen([sys.executable, "-S", "-c", SLEEPS], env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        assert marked(mark) == [child.pid] and marked(mark[:-1]) == []
        child.kill()
        until(lambda: b") Z " in Path(f"/proc/{child.pid}/stat").read_bytes())
        assert marked(mark) == []
