"""A relay sees nothing of a school: what its process touches is watched, and the watching itself is tried first.

The control of every claim here is a process that does touch a node's folder: the node itself, and programs that open,
list, rename, link or start something there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coalition.bundle import stage
from experiments import protocol
from tests import relay_reading

ROOT = Path(__file__).parents[2]
RELAY_PROCESS = relay_reading.WATCH / "relay_process.py"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with room for sockets, records and a school: its name is short and holds no link."""
    with tempfile.TemporaryDirectory(prefix="watch-") as folder:
        resolved = Path(folder).resolve()
        for name in ("records", "school", "elsewhere", "sockets"):
            (resolved / name).mkdir()
        (resolved / "school" / "rows.csv").write_text("1;2\n")
        (resolved / "elsewhere" / "link").symlink_to(resolved / "school")
        yield resolved


def _environment(place: Path, **more: str) -> dict[str, str]:
    return relay_reading.watched_environment(place / "records", {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", **more})


def _run(place: Path, program: str, environment: dict[str, str] | None = None, dies: bool = False) -> None:
    """Run a program under the watch, in a folder beside the school's."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=place / "elsewhere", env=environment or _environment(place), capture_output=True, check=False
    )
    assert done.returncode == (-signal.SIGKILL if dies else 0), done.stderr.decode()


def _touched(place: Path) -> list[str]:
    """All paths under the school's folder that any watched process touched."""
    found = relay_reading.opened_under(place / "records", place / "school")
    return [path for paths in found.values() for path in paths]


# ---- the watch sees

SEEN = {
    "open": "open('../school/rows.csv')",
    "open through a link": "open('link/rows.csv')",
    "a missing file": "import contextlib\nwith contextlib.suppress(OSError): open('../school/rows.csv/missing')",
    "os.open": "import os; os.open('../school/rows.csv', os.O_RDONLY)",
    "a folder's descriptor": "import os; os.listdir(os.open('../school', os.O_RDONLY))",
    "listing": "import os; os.listdir('../school')",
    "listing from inside": "import os; os.chdir('../school'); os.listdir()",
    "walking": "import os; list(os.walk('..'))",
    "globbing": "from pathlib import Path; list(Path('../school').glob('*.csv'))",
    "renaming away": "import os; os.rename('../school/rows.csv', 'rows.csv')",
    "linking": "import os; os.link('../school/rows.csv', 'rows.csv')",
    "removing": "import os; os.remove('../school/rows.csv')",
    "copying": "import shutil; shutil.copy('../school/rows.csv', 'rows.csv')",
    "a database": "import sqlite3; sqlite3.connect('../school/rows.csv')",
    "a database by URI": "import pathlib, sqlite3\n"
    "sqlite3.connect(pathlib.Path('../school/rows.csv').resolve().as_uri() + '?mode=ro', uri=True)",
    "a socket": "import contextlib, socket\n"
    "with contextlib.suppress(OSError): socket.socket(socket.AF_UNIX).connect('../school/node.sock')",
    "a program": "import subprocess; subprocess.run(['cat', '../school/rows.csv'])",
    "a program in a shell": "import os, subprocess\n"
    "subprocess.run('cat \"' + os.path.realpath('../school/rows.csv') + '\" > copy', shell=True)",
    "a program started there": "import subprocess; subprocess.run(['cat', 'rows.csv'], cwd='../school')",
    "a shell": "import os; os.system('cat ../school/rows.csv')",
    "another Python": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', \"import os; os.listdir(os.path.dirname(os.getcwd()) + '/school')\"])",
    "a fork": "import os\nif os.fork() == 0:\n    open('../school/rows.csv')\n    os._exit(0)\nos.wait()",
    "a process that is killed": "import os; open('../school/rows.csv'); os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("way", SEEN)
def test_every_way_to_a_file_is_seen(place: Path, way: str) -> None:
    """Control: a process under the watch that reaches into the folder is reported, however it goes about it."""
    _run(place, SEEN[way], dies=way == "a process that is killed")
    assert _touched(place)


def test_a_process_that_stays_away_is_there_with_nothing(place: Path) -> None:
    """Beside the folder, above it, and one whose name only begins alike: watched, and nothing found."""
    (place / "school-2").mkdir()
    _run(place, "import os; os.listdir('..'); os.listdir('../school-2'); open('own', 'w').close()")
    found = relay_reading.opened_under(place / "records", place / "school")
    assert len(found) == 1 and list(found.values()) == [[]]
    assert list(relay_reading.opened_under(place / "records", place / "elsewhere").values()) != [[]]


def test_who_touched_is_told_by_the_command_line(place: Path) -> None:
    """Each process has a record of its own, headed by how it was started, also when a process starts another."""
    (place / "elsewhere" / "inner.py").write_text("open('../school/rows.csv')")
    _run(place, "import subprocess, sys; subprocess.run([sys.executable, 'inner.py', 'flwr-clientapp'])")
    found = relay_reading.opened_under(place / "records", place / "school")
    assert [bool(paths) for argv, paths in found.items() if argv.endswith("flwr-clientapp")] == [True]
    assert [bool(paths) for argv, paths in found.items() if not argv.endswith("flwr-clientapp")] == [False]


def test_without_the_variable_nothing_is_written(place: Path) -> None:
    """The folder alone on PYTHONPATH changes nothing."""
    environment = {key: value for key, value in _environment(place).items() if key != relay_reading.VARIABLE}
    _run(place, SEEN["open"], environment)
    assert list((place / "records").iterdir()) == []


def test_another_sitecustomize_still_runs(place: Path) -> None:
    """An interpreter that already had one keeps it: the next on the path runs after the watch has begun."""
    (place / "elsewhere" / "sitecustomize.py").write_text("open('ran', 'w').close()\nopen('../school/rows.csv')\n")
    _run(place, "pass", _environment(place, PYTHONPATH=str(place / "elsewhere")))
    assert (place / "elsewhere" / "ran").exists()
    assert _touched(place) == [str(place / "school" / "rows.csv")]


def test_an_event_that_could_not_be_recorded_fails_the_reading(place: Path) -> None:
    """A hole in the records is no proof of absence: a process in a folder that vanished cannot be read."""
    _run(
        place,
        "import os\nos.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\ntry: open('x')\nexcept OSError: pass",
    )
    with pytest.raises(AssertionError, match=r"could not be recorded: .*FileNotFoundError"):
        _touched(place)


# ---- the relay


@dataclass(frozen=True)
class School:
    """A node's process, watched: where its files lie, where it answers, and a request that it will answer."""

    folder: Path
    socket: Path
    request: str


@pytest.fixture
def school(place: Path) -> Iterator[School]:
    """A real node with its ledger, in a process of its own under the watch."""
    socket = place / "sockets" / "node.sock"
    command = [sys.executable, "-m", "tests.relay_watch.node_process", str(place / "school"), str(socket)]
    node = subprocess.Popen(
        command, cwd=ROOT, env=_environment(place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert node.stdout is not None
    yield School(place / "school", socket, node.stdout.readline().strip())
    node.communicate("")
    assert node.returncode == 0


def _relay(place: Path, bundle: Path, school: School) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(RELAY_PROCESS), str(bundle), str(school.socket)],
        cwd=place / "elsewhere",
        env=_environment(place),
        input=school.request,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return said


def _of(found: dict[str, list[str]], program: str) -> list[list[str]]:
    return [paths for argv, paths in found.items() if program in argv]


def test_the_relay_brings_an_answer_and_touches_nothing_of_the_school(place: Path, school: School) -> None:
    """The node answers a real request through a real ClientApp, loaded as Flower loads it from the bundle.

    The node's process reaches its own folder, so the watch works; the relay's process reaches its socket and nothing
    in that folder.
    """
    said = _relay(place, stage(place / "elsewhere"), school)
    assert isinstance(protocol.decode_reply(bytes.fromhex(said["reply"])), protocol.Prepared)
    touched = relay_reading.opened_under(place / "records", school.folder)
    (by_node,), (by_relay,) = _of(touched, "node_process"), _of(touched, "relay_process")
    assert str(school.folder / "school-0.sqlite") in by_node
    assert by_relay == []
    assert _of(relay_reading.connected(place / "records"), "relay_process") == [[str(school.socket)]]


def test_a_relay_that_looks_into_the_school_is_noticed(place: Path, school: School) -> None:
    """Positive control: the same bundle with one planted line that opens the ledger is reported, answer or not."""
    bundle = stage(place / "elsewhere")
    ledger = school.folder / "school-0.sqlite"
    with (bundle / "node" / "relay" / "bridge.py").open("a", encoding="utf-8") as file:
        file.write(f"\nopen({str(ledger)!r}, 'rb').read(1)\n")
    said = _relay(place, bundle, school)
    assert "reply" in said
    assert _of(relay_reading.opened_under(place / "records", school.folder), "relay_process") == [[str(ledger)]]
