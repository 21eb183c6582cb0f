"""The distribution as it would be installed elsewhere: the wheel holds exactly the files of the five packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("coalition", "node", "shared_schema", "experiments", "privacy")
KINDS = {".py", ".yaml", ".md", ".j2", ".css"}  # each of these must be in the wheel at least once
BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def tracked(*places: str) -> set[str]:
    """Files under these places that git knows and that are there."""
    done = subprocess.run(["git", "ls-files", "-z", *places], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}


def build(source: Path, into: Path) -> Path:
    """Build the wheel with the build tool that pyproject.toml pins: the installed one, else as pip installs it."""
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), str(source)]
    words += ["--no-build-isolation"] if _build_tool_is_here() else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return next(into.glob("datacoalitie-*.whl"))


def _build_tool_is_here() -> bool:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    try:
        return required == [f"setuptools=={version('setuptools')}"]
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows, with tests beside the packages: a build leaves folders behind, and here it may."""
    folder = tmp_path_factory.mktemp("source")
    for name in (*BESIDE, *tracked(*PACKAGES, "tests/unit")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, opened."""
    return zipfile.ZipFile(build(source, tmp_path_factory.mktemp("wheel")))


def difference(wheel: zipfile.ZipFile, expected: set[str]) -> dict[str, list[str]]:
    """Files that the wheel lacks, and files that it should not have, its own metadata aside."""
    there = {name for name in wheel.namelist() if ".dist-info/" not in name}
    return {"missing": sorted(expected - there), "unexpected": sorted(there - expected)}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: zipfile.ZipFile) -> None:
    """Code, YAML, templates, styles and proofs, all of them; no test, no document, nothing of a school."""
    assert difference(wheel, tracked(*PACKAGES)) == {"missing": [], "unexpected": []}
    assert {Path(name).suffix for name in wheel.namelist()} >= KINDS


def test_a_file_that_is_left_out_or_slips_in_is_noticed(wheel: zipfile.ZipFile) -> None:
    """Planted faults: a template that only git has, and a file that only the wheel has."""
    expected = (tracked(*PACKAGES) | {"node/planted.j2"}) - {"privacy/masking.md"}
    assert difference(wheel, expected) == {"missing": ["node/planted.j2"], "unexpected": ["privacy/masking.md"]}


def test_the_wheel_installs_both_programs_under_its_licence(wheel: zipfile.ZipFile) -> None:
    """Console scripts, licence text and Python version are in the metadata."""
    own = [name for name in wheel.namelist() if ".dist-info/" in name]
    inside = {name.partition(".dist-info/")[2]: wheel.read(name).decode() for name in own}
    assert "coalition = coalition.cli:main" in inside["entry_points.txt"]
    assert "coalition-node = node.cli:main" in inside["entry_points.txt"]
    assert (
        "License-Expression: EUPL-1.2" in inside["METADATA"] and "Requires-Python: <3.12,>=3.11" in inside["METADATA"]
    )
    assert inside["licenses/LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")
