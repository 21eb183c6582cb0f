"""Small TOML files arrive, each one defence switched off in one line; copies of the project with that line leave.

A file says which line of which module to find (exactly once) and what to put there, and which tests must then fail:

    defence = "what is switched off, in words"
    attacks = ["4", "22"]          # of METHODS section 7
    file = "node/policy.py"
    find = "if len(schools) < least:"
    replace = "if False:"
    fails = ["tests/attack/test_x.py::test_y[param]"]
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PACKAGES = ("coalition", "node", "experiments", "privacy", "shared_schema")
COPIED = (*PACKAGES, "tests")
FIELDS = {"defence", "attacks", "file", "find", "replace", "fails"}


class BadMutationError(Exception):
    """A mutation that says something else than the project does: it names the file and what is wrong."""


@dataclass(frozen=True)
class Mutation:
    """One line, and the tests that stand for it."""

    name: str
    defence: str
    attacks: tuple[str, ...]
    file: str
    find: str
    replace: str
    fails: tuple[str, ...]

    @property
    def module(self) -> str:
        """The name under which the changed file is imported."""
        return self.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def read(path: Path) -> Mutation:
    """Read one file. Raises `BadMutationError` for unknown or missing keys, or nothing to change or to fail."""
    found = tomllib.loads(path.read_text("utf-8"))
    if set(found) != FIELDS:
        raise BadMutationError(f"{path.name}: keys {sorted(set(found) ^ FIELDS)} are unknown or missing")
    mutation = Mutation(
        path.stem,
        **{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()},
    )
    if not (mutation.find and mutation.find != mutation.replace and mutation.fails and mutation.attacks):
        raise BadMutationError(f"{path.name}: a line, another line, an attack and a test that fails are named")
    if "\n" in mutation.find + mutation.replace:
        raise BadMutationError(f"{path.name}: one line is changed, and into one line")
    if mutation.file.split("/")[0] not in PACKAGES:
        raise BadMutationError(f"{path.name}: {mutation.file} is in none of the packages")
    return mutation


def read_all(folder: Path = HERE) -> tuple[Mutation, ...]:
    """Every mutation of the folder, by name."""
    return tuple(read(path) for path in sorted(folder.glob("*.toml")))


def copy_project(target: Path) -> Path:
    """A copy of packages, tests and settings, without anything compiled; returns its folder."""
    target.mkdir(parents=True)
    shutil.copy2(ROOT / "pyproject.toml", target)
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def stale(mutation: Mutation, project: Path = ROOT) -> str:
    """Why the mutation no longer fits the project: its line is not there exactly once, or a test is gone; or ""."""
    times = _read(project / mutation.file).count(mutation.find)
    if times != 1:
        return f"{mutation.name}: its line stands {times} times in {mutation.file}, not once"
    gone = [test for test in mutation.fails if not _is_written(test.partition("[")[0], project)]
    return f"{mutation.name}: no such test: {', '.join(gone)}" if gone else ""


def _is_written(test: str, project: Path) -> bool:
    file, _, function = test.partition("::")
    return f"def {function}(" in _read(project / file)


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def apply(mutation: Mutation, copy: Path) -> None:
    """Change the one line in the copy. Raises `BadMutationError` unless it stands there exactly once."""
    path = copy / mutation.file
    text = path.read_text("utf-8")
    times = text.count(mutation.find)
    if times != 1:
        raise BadMutationError(f"{mutation.name}: its line stands {times} times in {mutation.file}, not once")
    path.unlink()  # it may be a link to the file of another copy, which stays as it is
    path.write_text(text.replace(mutation.find, mutation.replace), encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
