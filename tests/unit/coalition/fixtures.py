"""One run and one published bundle, made once a session and copied for every test that changes it."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from coalition.workspace import Workspace
from tests.unit.coalition.office import Office, office


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """A coalition whose one experiment ran, was drafted, countersigned, reviewed and published. Do not change it."""
    return _finished(tmp_path_factory.getbasetemp() / "office")


@cache
def _finished(folder: Path) -> Office:
    """Cached, since two folders of tests share it and a run takes seconds."""
    folder.mkdir()
    made = office(folder)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)
    made.run(experiment)
    made.countersign()
    made.draft(experiment)
    shutil.copytree(made.folder / "coordinator", made.folder / "drafted")
    made.review(experiment)
    made.publish(experiment)
    return made


@pytest.fixture
def drafted(finished: Office, tmp_path: Path) -> Office:
    """A copy of the coordinator's workspace at the moment the finding was drafted: nobody has reviewed it."""
    shutil.copytree(finished.folder / "drafted", tmp_path / "coordinator")
    workspace = Workspace.open(tmp_path / "coordinator")
    return Office(tmp_path, finished.schools, finished.people, workspace)


@pytest.fixture
def bundle(finished: Office, tmp_path: Path) -> Path:
    """A copy of the published bundle."""
    return Path(shutil.copytree(finished.folder / "published", tmp_path / "published"))
