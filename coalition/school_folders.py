"""A folder of anyone's exports arrives; the schools in it leave, each with an id of its own, or what is wrong."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalition.errors import NotAllowed, UsageFailed

if TYPE_CHECKING:
    from pathlib import Path

MAPPING, POLICY, EXPORTS = "mapping.yaml", "policy.yaml", "exports"
FEWEST = 3  # t = 1 colluding school, and two that are not
LONGEST_ID = 40
LAYOUT = f"Each school is a folder with its exports, {MAPPING} and {POLICY}."


@dataclass(frozen=True)
class SchoolFolder:
    """One school: its id in the charter, its name (that of the folder), and where its files are."""

    id: str
    name: str
    path: Path

    @property
    def exports(self) -> Path:
        """The folder with the exports: a folder of that name, or the school's own."""
        return self.path / EXPORTS if (self.path / EXPORTS).is_dir() else self.path


def find(folder: Path) -> list[SchoolFolder]:
    """Return the schools of a folder, by name of their folders; other folders are left alone.

    Raises `UsageFailed` for a school with a file too few or without an id of its own, and `NotAllowed` for fewer
    than three schools. Raises OSError when there is no such folder.
    """
    found = [_school(path) for path in sorted(folder.iterdir()) if path.is_dir() and _about_a_school(path)]
    _check_ids(found)
    if len(found) < FEWEST:
        rule, remedy = f"At least {FEWEST} schools answer together.", f"{LAYOUT} See docs/mapping.md."
        raise NotAllowed("too_few_schools", rule, f"{len(found)} in {folder}", remedy)
    return found


def _about_a_school(path: Path) -> bool:
    return any((path / name).exists() for name in (MAPPING, POLICY, EXPORTS))


def _school(path: Path) -> SchoolFolder:
    for name in (MAPPING, POLICY):
        if not (path / name).is_file():
            raise UsageFailed("school_incomplete", LAYOUT, f"no {name} in {path.name}", "Add it, or remove the folder.")
    return SchoolFolder(re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")[:LONGEST_ID], path.name, path)


def _check_ids(schools: list[SchoolFolder]) -> None:
    times = Counter(school.id for school in schools)
    twins = [school.name for school in schools if times[school.id] > 1 or not school.id]
    if twins:
        rule = f"The letters a-z and digits of a school's folder (the first {LONGEST_ID}) are its id, and differ."
        raise UsageFailed("school_ids", rule, ", ".join(twins), "Rename the folders.")
