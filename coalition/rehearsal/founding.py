"""Schools' node folders arrive; a coalition with charter, submitted experiment and every FG's approval leaves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from coalition import approvals, submission
from coalition.errors import UsageFailed
from coalition.rehearsal import members as membership
from coalition.workspace import Workspace
from experiments import definition, keys
from node.desk import approving
from privacy.identity import write_private

if TYPE_CHECKING:
    from coalition.rehearsal.members import Member
    from experiments.definition import Experiment
    from experiments.terminal import Progress

MARKER = ".datacoalitie-rehearsal"
CATALOGUE = Path(definition.__file__).parent / "catalogue"
DEFAULT_EXPERIMENT = CATALOGUE / "uitval-jaar-1.yaml"
PLANNING_MARGIN = 5, 4  # the coalition plans for a quarter more students than the public figures say
ANALYST, REVIEWERS = "analist", ("toetser-1", "toetser-2")


@dataclass(frozen=True)
class Options:
    """What `coalition rehearse` was asked."""

    out: Path
    schools: int = 5
    students: int = 4000
    epsilon: Decimal | None = None
    experiment: Path | None = None
    schools_dir: Path | None = None
    engine: str = "local"
    seed: int = 7


@dataclass(frozen=True)
class Founded:
    """A coalition that is ready to run its experiment; reviewers: person -> key file."""

    workspace: Workspace
    experiment: Experiment
    members: list[Member]
    reviewers: Mapping[str, Path]


def found(options: Options, progress: Progress) -> Founded:
    """Make the whole coalition in `options.out`, with the very functions that production uses."""
    _clear(options.out)
    if options.schools_dir is not None:
        members = membership.from_folder(options.out, options.schools_dir, progress)
    else:
        members = membership.synthetic(options.out, options.schools, options.students, options.seed, progress)
    workspace, people = _establish(options, members)
    experiment = _submit(options, workspace, people[ANALYST])
    _approve(workspace, experiment, members, progress)
    return Founded(workspace, experiment, members, {name: people[name] for name in REVIEWERS})


def _clear(out: Path) -> None:
    """Begin with an empty folder; only what an earlier rehearsal made is ever removed."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).is_file():
            raise UsageFailed(
                "folder_in_use", "A rehearsal writes to a folder of its own.", str(out), "Choose another --out."
            )
        shutil.rmtree(out)
        out.with_name(out.name).mkdir(parents=True)
    out.mkdir(parents=True, exist_ok=True)
    write_private(out / MARKER, b"Everything here was made by `coalition rehearse` and may be removed.\n")


def _establish(options: Options, members: list[Member]) -> tuple[Workspace, dict[str, Path]]:
    """Charter from the schools' cards, with an analyst and two reviewers of three schools; every FG accepts it."""
    people = {name: options.out / "people" / f"{name}.pem" for name in (ANALYST, *REVIEWERS)}
    public = {name: keys.make_key(path).public.hex() for name, path in people.items()}
    total = sum(sum(member.card["enrolments"].values()) for member in members)
    charter = {
        "charter": 1,
        "name": "Oefencoalitie",
        "collusion_threshold": 1,
        "smallest_roster": 3,
        "planning_students": -(-total * PLANNING_MARGIN[0] // PLANNING_MARGIN[1]),
        "schools": [str(member.folder.card.resolve()) for member in members],
        "people": [
            {"id": name, "school": members[at].id, "role": "reviewer" if at else "analyst", "key": public[name]}
            for at, name in enumerate(people)
        ],
    }
    document = options.out / "charter.yaml"
    write_private(document, yaml.safe_dump(charter, allow_unicode=True).encode())
    extension = members[0].folder.schema
    workspace = Workspace.create(options.out / "coalition", document, extension if extension.is_file() else None)
    for member in members:
        desk = approving.Desk.open(member.folder)
        approving.accept_charter(desk, workspace.charter, keys.open_key(member.folder.fg_key))
    return workspace, people


def _submit(options: Options, workspace: Workspace, analyst: Path) -> Experiment:
    asked = definition.read(options.experiment or DEFAULT_EXPERIMENT)
    if options.epsilon is not None:
        budget = asked.budget.model_copy(update={"epsilon": options.epsilon})
        asked = asked.model_copy(update={"budget": budget})
    experiment = definition.freeze(asked, workspace.schema)
    submission.submit(workspace, experiment, "analist", keys.open_key(analyst))
    return experiment


def _approve(workspace: Workspace, experiment: Experiment, members: list[Member], progress: Progress) -> None:
    for done, member in enumerate(members, 1):
        desk = approving.Desk.open(member.folder)
        signed = approving.approve(desk, experiment, keys.open_key(member.folder.fg_key))
        approvals.accept(workspace, signed.to_bytes())
        progress("approvals / goedkeuringen", done, len(members))
