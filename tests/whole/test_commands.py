"""Both command lines, from an empty folder to a verified finding, as people would type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import coalition.cli
import node.cli
from experiments import terminal
from experiments.synthetic.sector import generate
from experiments.synthetic.writers.layouts import write_exports

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "experiments" / "catalogue" / "uitval-jaar-1.yaml"
SCHOOLS = 3
STUDENTS = 400
HEAVY = ("pandas", "sklearn", "matplotlib", "pandera", "duckdb", "pydantic", "scipy", "numpy", "dp_accounting")
Say = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; return its exit code and the one object on stdout."""
    programs = {"coalition": coalition.cli.app, "coalition-node": node.cli.app}

    def said(program: str, *words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(programs[program], program, [str(word) for word in words] + ["--format", "json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, out
        document = json.loads(out)
        assert set(document) == {"schema_version", "status", "exit_code", "error_code", "data"}
        assert (document["exit_code"], document["status"]) == (code, "ok" if code == 0 else "error")
        return code, document

    return said


def _found_schools(say: Say, folder: Path) -> list[str]:
    """Each school makes a node and takes in what its own system exports."""
    made = generate(SCHOOLS, STUDENTS, 7)
    for school in made:
        policy = folder / f"{school.id}.policy.yaml"
        sizes = ", ".join(f"{cohort}: {max(50, size)}" for cohort, size in school.cohort_sizes.items())
        policy.write_text("policy: 1\nready: true\npublic_size: {" + sizes + "}\n")
        root = folder / school.id
        words = ("--school", school.id, "--name", school.name, "--policy", policy, "--mapping", "osiris")
        assert say("coalition-node", "init", root, *words)[0] == 0
        write_exports(school, "osiris", root / "exports")
        code, document = say("coalition-node", "ingest", root)
        assert code == 0, document
        assert document["data"]["registered"]
    return [school.id for school in made]


def _charter(say: Say, folder: Path, schools: list[str]) -> Path:
    lines = ["charter: 1", "name: Proefcoalitie", "collusion_threshold: 1", "smallest_roster: 3"]
    lines += ["planning_students: 4000", "schools:", *(f"  - {school}/card.json" for school in schools), "people:"]
    for person, school, role in (("ada", 0, "analyst"), ("rik", 1, "reviewer"), ("sam", 2, "reviewer")):
        public = say("coalition", "key", folder / f"{person}.pem")[1]["data"]["public"]
        lines.append(f"  - {{id: {person}, school: {schools[school]}, role: {role}, key: '{public}'}}")
    path = folder / "charter.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


@contextmanager
def _served(root: Path, socket: Path) -> Iterator[None]:
    """A node as a process of its own, ready once it says so, stopped by SIGTERM."""
    program = "import sys, node.cli; sys.exit(node.cli.main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(root), "--socket", str(socket), "--format", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "answers on" in process.stderr.readline()
        yield
    finally:
        process.terminate()
        out, err = process.communicate(timeout=300)
    assert (process.returncode, json.loads(out)["status"]) == (0, "ok"), err


def test_from_an_empty_folder_to_a_verified_finding(say: Say, tmp_path: Path) -> None:
    """Every command of both programs works on what the one before it left, and the finding verifies in the end."""
    schools = _found_schools(say, tmp_path)
    workspace = tmp_path / "coordinator"
    assert say("coalition", "init", workspace, "--charter", _charter(say, tmp_path, schools))[0] == 0
    for school in schools:
        assert (
            say("coalition-node", "approve", tmp_path / school, "--charter", workspace / "charter.cbor", "--yes")[0]
            == 0
        )
    as_ada = ("--as", "ada", "--key", tmp_path / "ada.pem")
    code, submitted = say("coalition", "submit", workspace, CATALOGUE, *as_ada, "--yes")
    assert code == 0, submitted
    name, request = submitted["data"]["experiment"], submitted["data"]["for_schools"]
    assert say("coalition", "status", workspace)[1]["data"]["experiments"][0]["status"] == "submitted"
    for school in schools:
        code, approved = say("coalition-node", "approve", tmp_path / school, "--experiment", request, "--yes")
        assert code == 0, approved
        assert approved["data"]["asked"]["left"][0]["fits"]
        assert say("coalition", "approve", workspace, approved["data"]["signed"])[0] == 0
    assert say("coalition", "status", workspace)[1]["data"]["experiments"][0]["status"] == "approved"
    with ExitStack() as nodes:
        sockets: list[str] = []
        for index, school in enumerate(schools):
            nodes.enter_context(_served(tmp_path / school, tmp_path / f"{index}.sock"))
            sockets += ["--socket", f"{school}={tmp_path / f'{index}.sock'}"]
        code, found = say("coalition", "run", workspace, name, *sockets)
        assert code == 0, found
        assert found["data"]["exchanges"] <= 12
        assert (
            say("coalition", "run", workspace, name, *sockets)[1]["data"]["finding_hash"]
            == found["data"]["finding_hash"]
        )
    assert (
        say("coalition", "publish", workspace, name, "--out", tmp_path / "early")[1]["error_code"] == "review_missing"
    )
    for person in ("rik", "sam"):
        assert say("coalition", "review", workspace, name, "--as", person, "--key", tmp_path / f"{person}.pem")[0] == 0
    code, published = say("coalition", "publish", workspace, name, "--out", tmp_path / "published")
    assert code == 0, published
    _check_what_is_left(say, tmp_path, schools)


def _check_what_is_left(say: Say, folder: Path, schools: list[str]) -> None:
    """The bundle and every ledger verify; the node's other commands answer; a changed byte is found."""
    ledgers: list[object] = []
    for school in schools:
        copy = folder / f"{school}.copy.sqlite"
        code, shown = say("coalition-node", "ledger", folder / school, "--copy", copy)
        assert code == 0 and shown["data"]["blocked"] is None
        ledgers += ["--ledger", copy, "--expected-head", f"{school}={shown['data']['head']}"]
    code, verified = say("coalition", "verify", folder / "published", *ledgers)
    assert code == 0, verified
    assert verified["data"]["verified"] and len(verified["data"]["checks"]) == 9 + len(schools)
    for command in ("check", "features", "policy"):
        assert say("coalition-node", command, folder / schools[0])[0] == 0
    page = folder / "published" / "index.html"
    page.write_text(page.read_text("utf-8").replace("ε", "e", 1), "utf-8")
    code, verified = say("coalition", "verify", folder / "published")
    assert (code, verified["error_code"]) == (6, "not_verified")


@pytest.mark.parametrize("program", ["coalition.cli", "node.cli"])
@pytest.mark.parametrize("words", [["--help"], ["approve", "--help"]])
def test_help_loads_nothing_heavy(program: str, words: list[str]) -> None:
    """`--help` answers at once because it imports no data, model or plotting library."""
    check = (
        f"import sys, {program} as cli\n"
        f"sys.argv = ['x', *{words!r}]\n"
        "code = cli.main()\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    ("program", "words", "exit_code", "code"),
    [
        ("coalition", ["unknown"], 2, "usage"),
        ("coalition", ["status"], 2, "usage"),
        ("coalition", ["status", "nowhere"], 2, "no_workspace"),
        ("coalition", ["verify", "nowhere"], 6, "not_verified"),
        ("coalition", ["verify", "nowhere", "--expected-head", "12"], 2, "not_a_head"),
        ("coalition", ["init", "somewhere", "--charter", "absent.yaml"], 2, "document"),
        ("coalition", ["rehearse", "--epsilon", "much"], 2, "not_an_epsilon"),
        ("coalition-node", ["ledger", "nowhere"], 2, "no_node"),
        ("coalition-node", ["ingest", "nowhere"], 2, "no_node"),
        ("coalition-node", ["policy", "nowhere"], 2, "no_node"),
        ("coalition-node", ["approve", "nowhere"], 2, "one_at_a_time"),
        ("coalition-node", ["init", "node", "--school", "a", "--name", "A"], 2, "no_sizes"),
        ("coalition-node", ["init", "node", "--school", "a", "--name", "A", "--size", "x=1"], 2, "bad_size"),
        ("coalition-node", ["sign", "nothing", "--key", "none"], 2, "file"),
    ],
)
def test_errors_are_one_object_too(
    say: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    words: list[str],
    exit_code: int,
    code: str,
) -> None:
    """Whatever is wrong, stdout is one JSON object with a code, and nothing was made."""
    monkeypatch.chdir(tmp_path)
    found, document = say(program, *words)
    assert (found, document["error_code"]) == (exit_code, code), document
    assert document["data"]["rule"]
    assert not list(tmp_path.iterdir())


def test_a_defect_shows_no_traceback_unless_asked(
    say: Say, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An unexpected exception ends with 70 and a short message; DATACOALITIE_DEBUG=1 adds the traceback on stderr."""
    from coalition import presenting

    def broken(*_: object) -> None:
        raise RuntimeError("planted: student 12345")

    monkeypatch.setattr(presenting, "verification", broken)
    monkeypatch.delenv("DATACOALITIE_DEBUG", raising=False)
    code, document = say("coalition", "verify", tmp_path)
    assert (code, document["error_code"], document["data"]["found"]) == (70, "internal", "RuntimeError")
    assert "planted" not in capsys.readouterr().err + json.dumps(document)
    monkeypatch.setenv("DATACOALITIE_DEBUG", "1")
    assert terminal.run(coalition.cli.app, "coalition", ["verify", str(tmp_path)]) == 70
    assert "planted" in capsys.readouterr().err


def test_text_never_obeys_what_files_say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A name that looks like terminal markup is printed as it is."""
    folder = tmp_path / "[bold red]map"
    folder.mkdir()
    assert terminal.run(coalition.cli.app, "coalition", ["status", str(folder)]) == 2
    assert "[bold red]map" in capsys.readouterr().err.replace("\n", "")


def test_console_scripts_exist() -> None:
    """The distribution installs both programs under the names the manual uses."""
    scripts = Path(sys.executable).parent
    for program in ("coalition", "coalition-node"):
        done = subprocess.run([scripts / program, "--help"], capture_output=True, check=False, env=dict(os.environ))
        assert done.returncode == 0
