"""What the coordinator tells Flower's command line: the configuration, the bundle, and what comes of a failure.

The bundle is built by Flower's own builder, and the real `flwr` is called where nobody listens. Where it has to answer
in a certain way, a small program in its place does.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk
from flwr.common.config import parse_config_args

from coalition import bundle, superlink
from coalition.errors import LinkFailed, UsageFailed
from coalition.rehearsal.flower import LOOPBACK, free_port
from coalition.superlink import SuperLink
from privacy import tls

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's builder, not ours

MADE_BY_FLOWER = {"pyproject.toml", ".info/CONTENT"}
ODD_NAMES = ["plain", "with space", "école", "it's", 'quo"te', "back\\slash", "a=b#c", "new\nline", "[x]"]
PLANTED = ["rows.py", "notes.md", "coalition/rows.py", "node/relay/spy.py", "deep/node/relay/bridge.py", "rows.csv"]


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _built(app: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_fab_from_disk(app)))


# ---- the bundle


def test_the_staged_folder_holds_exactly_what_is_declared(tmp_path: Path) -> None:
    """Each file as it stands in this installation, and the declaration; staged twice, it is the same."""
    for _ in range(2):
        app = bundle.stage(tmp_path)
        assert _files(app) == {*bundle.FILES, "pyproject.toml"}
        assert all((app / name).read_bytes() == (bundle.HOUSE / name).read_bytes() for name in bundle.FILES)


def test_flower_builds_exactly_these_files(tmp_path: Path) -> None:
    """What the SuperLink and every relay get: nine files, unchanged, and what Flower adds about them."""
    fab = _built(bundle.stage(tmp_path))
    assert set(fab.namelist()) == {*bundle.FILES, *MADE_BY_FLOWER} and len(fab.namelist()) == len(bundle.FILES) + 2
    assert all(fab.read(name) == (bundle.HOUSE / name).read_bytes() for name in bundle.FILES)
    declared = tomllib.loads(fab.read("pyproject.toml").decode())["tool"]["flwr"]["app"]
    assert declared["components"] == {"serverapp": "coalition.server_app:app", "clientapp": "node.relay.client_app:app"}


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_that_lies_in_the_staged_folder_does_not_travel(tmp_path: Path, declared: bool) -> None:
    """Whatever an earlier version or a stranger left there stays there.

    The control is the same folder without the list of files: then Flower takes every Python file it finds.
    """
    app = bundle.stage(tmp_path)
    for name in PLANTED:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("secret = 1\n", encoding="utf-8")
    if not declared:
        lines = (app / "pyproject.toml").read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("fab-include")]
        (app / "pyproject.toml").write_text("".join(kept), encoding="utf-8")
    travelling = set(_built(app).namelist()) - MADE_BY_FLOWER - set(bundle.FILES)
    assert travelling == (set() if declared else {name for name in PLANTED if name.endswith((".py", ".md"))})


def test_the_server_app_runs_from_the_bundle_alone(tmp_path: Path) -> None:
    """Unpacked elsewhere, it imports nothing of this house that is not in the bundle."""
    _built(bundle.stage(tmp_path / "staged")).extractall(tmp_path / "fab")
    look = """
import json, sys
sys.path.insert(0, sys.argv[1])
import coalition.server_app
house = ("coalition", "node", "experiments", "privacy", "shared_schema")
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if name.split(".")[0] in house}))
"""
    command = [sys.executable, "-c", look, str(tmp_path / "fab")]
    loaded = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)
    assert {Path(file).relative_to(tmp_path / "fab").as_posix() for file in loaded.values()} <= set(bundle.FILES)
    assert {"coalition.server_app", "coalition.parcels", "experiments.frames"} <= loaded.keys()


# ---- the configuration


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_configuration_says_where_and_under_which_authority(tmp_path: Path, name: str) -> None:
    """Flower reads TOML: the authority's path arrives as it is, whatever a folder may be called."""
    folder = tmp_path / name
    folder.mkdir()
    link = SuperLink.at("superlink.example.nl:9092", folder / "ca.pem", folder / "home")
    read = tomllib.loads((link.home / "config.toml").read_text(encoding="utf-8"))
    assert read == {
        "superlink": {
            "default": superlink.NAME,
            superlink.NAME: {
                "address": "superlink.example.nl:9092",
                "root-certificates": str((folder / "ca.pem").resolve()),
            },
        }
    }
    assert _files(link.home) == {"config.toml", *(f"datacoalitie/{name}" for name in (*bundle.FILES, "pyproject.toml"))}


@pytest.mark.parametrize("address", ["", "host", ":9092", "host:", "host:port", "host:-1", 'ho"st:9092', "host:9092/x"])
def test_an_address_of_another_form_is_refused(tmp_path: Path, address: str) -> None:
    """Before anything is written; the message shows what was given and how it should look."""
    with pytest.raises(UsageFailed) as refused:
        SuperLink.at(address, tmp_path / "ca.pem", tmp_path / "home")
    assert refused.value.code == "not_an_address" and refused.value.exit_code == 2
    assert refused.value.found == address and "superlink.example.nl:9092" in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


# ---- Flower's command line


def test_where_nobody_listens_the_link_fails_with_words(tmp_path: Path) -> None:
    """The real `flwr run`, at a port of this machine where nobody listens, with an authority under an odd path."""
    authority = tls.make_authority(tmp_path / 'école "it\'s"', "Test").certificate
    link = SuperLink.at(f"{LOOPBACK}:{free_port()}", authority, tmp_path / "home")
    with pytest.raises(LinkFailed) as failed:
        link.start_server_app(tmp_path / "meeting.sock")
    assert failed.value.exit_code == 7 and failed.value.code == "superlink_unreachable"
    assert failed.value.rule == "A coordinator reaches its SuperLink, which starts a ServerApp."
    assert "Connection to the SuperLink is unavailable" in failed.value.found
    assert len(failed.value.found) <= superlink.LONGEST_REASON and "\n" not in failed.value.found
    assert "Start the SuperLink" in failed.value.remedy and failed.value.found in str(failed.value)


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SuperLink:
    """A SuperLink behind a program called `flwr` that notes what it was told and answers as `answer` says."""
    program = tmp_path / "bin" / "flwr"
    program.parent.mkdir()
    monkeypatch.setattr(superlink, "programs", lambda: program.parent)
    return SuperLink.at("superlink.example.nl:9092", tmp_path / "ca.pem", tmp_path / "home")


def _answer(code: str) -> None:
    """Let `flwr` be this Python program."""
    program = superlink.programs() / "flwr"
    program.write_text(f"#!{sys.executable} -S\nimport json, os, sys, time\n{code}\n", encoding="utf-8")
    program.chmod(0o700)


def _noting(tmp_path: Path) -> str:
    kept = {name: f"os.environ.get({name!r})" for name in (*superlink.QUIET, "FLWR_HOME", "PATH")}
    noted = ", ".join(f"{name!r}: {value}" for name, value in kept.items())
    file = str(tmp_path / "told.json")
    return f"json.dump([sys.argv[1:], {{{noted}}}], open({file!r}, 'w')); print('{{\"success\": true}}')"


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if '"' not in name and "\\" not in name])
def test_a_server_app_is_told_its_socket(tmp_path: Path, link: SuperLink, name: str) -> None:
    """As Flower reads a run's configuration, the path arrives as it is; Flower is quiet and at home in our folder."""
    _answer(_noting(tmp_path))
    path = tmp_path / name / "0123456789abcdef.sock"
    link.start_server_app(path)
    told, environment = json.loads((tmp_path / "told.json").read_text())
    assert told[:4] == ["run", str(link.home / "datacoalitie"), "coalition", "--run-config"]
    assert parse_config_args([told[4]]) == {"socket": str(path)}
    assert told[5:] == ["--format", "json"]
    assert environment["FLWR_HOME"] == str(link.home) and environment["FLWR_TELEMETRY_ENABLED"] == "0"
    assert environment["PATH"].startswith(str(superlink.programs()))


def test_a_relay_is_registered_under_its_schools_name(tmp_path: Path, link: SuperLink) -> None:
    """The public key's file and the school's id, and nothing else of the school."""
    _answer(_noting(tmp_path))
    link.register(tmp_path / "relay.key.pub", "kanaalland-college")
    told, _ = json.loads((tmp_path / "told.json").read_text())
    register = ["supernode", "register", str(tmp_path / "relay.key.pub"), "coalition", "--name", "kanaalland-college"]
    assert told == [*register, "--format", "json"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("sys.exit('first line\\nlast line')", "first line last line"),
        ('print(\'{"success": false, "error-message": "no"}\')', '{"success": false, "error-message": "no"}'),
        ("print('{\"success\": true}'); sys.exit(1)", '{"success": true}'),
        ("pass", "no word of explanation"),
        ("sys.exit('x' * 1000 + ' the end')", "the end"),
        ("time.sleep(600)", "flwr run: TimeoutExpired"),
    ],
    ids=["error", "no success", "success and an error", "nothing", "too many words", "hangs"],
)
def test_whatever_flower_says_instead_is_a_failed_link(
    tmp_path: Path, link: SuperLink, monkeypatch: pytest.MonkeyPatch, code: str, found: str
) -> None:
    """A code, an answer without success, silence, or no answer at all: the end of what it said, on one line."""
    monkeypatch.setattr(superlink, "COMMAND_SECONDS", 0.5 if "sleep" in code else 60.0)
    _answer(code)
    with pytest.raises(LinkFailed) as failed:
        link.start_server_app(tmp_path / "meeting.sock")
    assert failed.value.found.endswith(found) and len(failed.value.found) <= superlink.LONGEST_REASON
    assert failed.value.rule and failed.value.remedy


def test_without_flower_the_link_fails(tmp_path: Path, link: SuperLink) -> None:
    """Flower's program is not installed: an error with words, not a traceback."""
    with pytest.raises(LinkFailed) as failed:
        link.start_server_app(tmp_path / "meeting.sock")
    assert failed.value.found == "flwr run: FileNotFoundError"
