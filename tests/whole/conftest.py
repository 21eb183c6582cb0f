"""Fixtures that several walks through the whole platform share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.whole.lists import Say, made, said


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; return exit code and data, with `code` beside it."""
    return lambda *words: said(capsys, *words)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Osiris exports of 1,500 invented students, in the tenth week of 2025-2026."""
    return made(tmp_path_factory.mktemp("school"), "osiris")


@pytest.fixture
def root(school: Path, tmp_path: Path) -> Path:
    """A copy of the school, for a test to do with as it likes."""
    shutil.copytree(school.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("local"))
    return tmp_path / "copy" / "node"
