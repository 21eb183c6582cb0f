"""A number of invented schools, or a folder of anyone's exports, arrives; a node folder for each school leaves.

The schools' own part of a rehearsal: intake at every one of them, as in production.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from coalition import school_folders
from coalition.errors import UsageFailed
from node import answer, assembly, ingest, policy
from node.errors import UnusableInput
from node.folder import NodeFolder
from node.people.pseudonym_key import PseudonymKey
from privacy.identity import write_private
from shared_schema import DocumentError

if TYPE_CHECKING:
    from experiments.terminal import Progress

MAPPINGS = Path(answer.__file__).parent / "mappings"
ROUNDING = 50


@dataclass(frozen=True)
class Member:
    """One school of the rehearsal: its name and its node's folder."""

    id: str
    name: str
    folder: NodeFolder

    @property
    def card(self) -> dict[str, Any]:
        """What the coalition may know of this school."""
        card: dict[str, Any] = json.loads(self.folder.card.read_text(encoding="utf-8"))
        return card


def synthetic(out: Path, schools: int, students: int, seed: int, progress: Progress) -> list[Member]:
    """Invented schools, each with the exports of its own system, taken in as any school's would be."""
    from experiments.synthetic.sector import generate
    from experiments.synthetic.writers.layouts import layout_of, write_exports

    members = []
    made = generate(schools, students, seed)
    for index, school in enumerate(made):
        layout = layout_of(index)
        sizes = {cohort: _rounded(size) for cohort, size in school.cohort_sizes.items()}
        secret = hashlib.sha256(f"rehearsal/{seed}/{school.id}".encode()).digest()
        member = _member(out, school.id, school.name, sizes, secret)
        write_exports(school, layout, member.folder.exports)
        shutil.copyfile(MAPPINGS / f"{layout}.yaml", member.folder.mapping)
        rules = {"policy": 1, "ready": True, "public_size": sizes}
        write_private(member.folder.policy, yaml.safe_dump(rules).encode())
        _ingest(member, member.folder.exports)
        members.append(member)
        progress("schools / scholen", index + 1, schools)
    return members


def _rounded(size: int) -> int:
    return ROUNDING * max(1, round(size / ROUNDING))


def from_folder(out: Path, exports: Path, progress: Progress) -> list[Member]:
    """Anyone's files: a folder per school with exports, mapping.yaml and policy.yaml; perhaps one schema.yaml."""
    found = school_folders.find(exports)
    common = exports / "schema.yaml"
    members = []
    for index, school in enumerate(found):
        member = _member(out, school.id, school.name, dict(_policy(school).public_size))
        shutil.copyfile(school.path / school_folders.MAPPING, member.folder.mapping)
        shutil.copyfile(school.path / school_folders.POLICY, member.folder.policy)
        if common.is_file():
            shutil.copyfile(common, member.folder.schema)
        _ingest(member, school.exports)
        members.append(member)
        progress("schools / scholen", index + 1, len(found))
    return members


def _policy(school: school_folders.SchoolFolder) -> policy.Policy:
    try:
        return policy.read_policy(school.path / school_folders.POLICY)
    except DocumentError as error:  # which of all the policies it is
        raise DocumentError(f"{school.name}/{error.source}", error.problems) from None


def _member(out: Path, school: str, name: str, sizes: Mapping[int, int], secret: bytes | None = None) -> Member:
    return Member(school, name, assembly.create_node(out / "schools" / school, school, name, dict(sizes), None, secret))


def _ingest(member: Member, exports: Path) -> None:
    folder = member.folder
    key = PseudonymKey.load(folder.pseudonym_key)
    try:
        ingest.ingest(exports, folder.mapping, folder.data, key, assembly.open_schema(folder))
    except UnusableInput as error:  # which of all the schools it is
        raise UsageFailed(error.code, error.rule, f"{member.name}: {error.found}", error.remedy) from error
