"""An FG's desk for tests: a coalition with a submitted experiment, a ledger of its own, and both command lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coalition.cli
import node.cli
from coalition import renewal
from coalition.errors import NotAllowed, UsageFailed
from coalition.workspace import Workspace
from experiments import terminal
from node.desk import fg_keys
from node.errors import Refusal, UnusableInput
from privacy.charter import Charter
from privacy.identity import SigningKey
from tests.ledger_world import World
from tests.unit.coalition.office import Office, office

SCHOOL = "school-0"
Say = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition with an accepted charter and one submitted experiment."""
    found = office(tmp_path)
    found.accept_charter()
    found.submit()
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command of either program with --format json; exit code and data, with `code` beside it."""

    def said(program: str, *words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        app = coalition.cli.app if program == "coalition" else node.cli.app
        code = terminal.run(app, program, [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


def refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises((Refusal, UnusableInput, NotAllowed, UsageFailed)) as found:
        act()
    assert found.value.code == code and found.value.rule and found.value.remedy


def next_charter(made: Office, school: str, key: SigningKey) -> Charter:
    """The next charter, in which this school's FG has that key, in force at the coordinator; nobody accepted it yet."""
    fg_keys.announce(made.node_folder(school), made.desk(school).state, key.public)
    proposed = renewal.propose(made.workspace, made.folder / "charter.yaml")
    renewal.renew(made.workspace, proposed)
    made.workspace = Workspace.open(made.workspace.root)
    return made.workspace.charter
