"""A coalition's whole paperwork for tests: real folders, cards, charter and signatures, made-up rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from coalition import approvals, publication, review, running, submission
from coalition.transport import InProcess
from coalition.workspace import Workspace
from experiments.definition import Experiment
from node import founding
from node.answer import Node, answer
from node.assembly import open_node
from node.desk import approving
from node.desk.approving import Desk
from node.folder import NodeFolder
from privacy.charter import Charter
from privacy.identity import SigningKey
from tests.kit import DEFAULT, made_up

SIZE = 400
PEOPLE = (
    ("ada", "school-0", "analyst"),
    ("rik", "school-1", "reviewer"),
    ("sam", "school-2", "reviewer"),
    ("tom", "school-2", "reviewer"),
)


@dataclass
class Office:
    """Everybody's desk in one place; each method is one person's act."""

    folder: Path
    schools: tuple[str, ...]
    people: dict[str, SigningKey]
    workspace: Workspace

    def node_folder(self, school: str) -> NodeFolder:
        """Where a school's node lies."""
        return NodeFolder(self.folder / school)

    def desk(self, school: str) -> Desk:
        """The desk of a school's FG."""
        return Desk.open(self.node_folder(school))

    def fg(self, school: str) -> SigningKey:
        """The FG's key."""
        return SigningKey.from_file(self.node_folder(school).fg_key)

    def accept_charter(self) -> None:
        """Every FG accepts the charter."""
        charter = Charter.from_bytes((self.workspace.root / "charter.cbor").read_bytes())
        for school in self.schools:
            approving.accept_charter(self.desk(school), charter, self.fg(school))

    def submit(self, path: Path = DEFAULT, person: str = "ada") -> Experiment:
        """The analyst submits."""
        experiment = submission.freeze(self.workspace, path)
        submission.submit(self.workspace, experiment, person, self.people[person])
        return experiment

    def approve(self, experiment: Experiment, *schools: str) -> None:
        """FGs approve, and the coordinator takes what they signed."""
        for school in schools or self.schools:
            signed = approving.approve(self.desk(school), experiment, self.fg(school))
            approvals.accept(self.workspace, signed.to_bytes())

    def node(self, school: str, experiment: Experiment, rows: int = SIZE) -> Node:
        """A school's node, with made-up rows in place of its store."""
        students = made_up(experiment, rows, seed=self.schools.index(school))
        return replace(open_node(self.node_folder(school)), students=lambda _: students)

    def transport(self, experiment: Experiment) -> InProcess:
        """Every school's node in this process."""
        nodes = {school: self.node(school, experiment) for school in self.schools}
        return InProcess({school: partial(answer, node) for school, node in nodes.items()})

    def run(self, experiment: Experiment) -> dict[str, Any]:
        """Run to a drafted finding."""
        return running.carry_out(self.workspace, experiment, self.transport(experiment), lambda *_: None)

    def countersign(self) -> None:
        """Every FG countersigns the ledger's head and sends it."""
        for school in self.schools:
            signed = approving.countersign(self.desk(school), self.fg(school))
            approvals.accept(self.workspace, signed.to_bytes())

    def draft(self, experiment: Experiment) -> dict[str, Any]:
        """Draft the finding again, now that heads were countersigned."""
        return publication.draft(self.workspace, experiment)

    @property
    def experiment(self) -> Experiment:
        """The one experiment that was submitted."""
        return next(self.workspace.experiments())

    def review(self, experiment: Experiment, *people: str) -> None:
        """Reviewers accept."""
        for person in people or ("rik", "sam"):
            review.review(self.workspace, experiment, person, self.people[person])

    def publish(self, experiment: Experiment) -> Path:
        """Write the bundle; return its folder."""
        return publication.publish(self.workspace, experiment, self.folder / "published").parent


def office(folder: Path, schools: int = 3) -> Office:
    """A coalition that has just agreed on its charter."""
    ids = tuple(f"school-{index}" for index in range(schools))
    for school in ids:
        found = founding.found(
            folder / school, school, school.title(), None, [f"2022={SIZE // 2}", f"2023={SIZE // 2}"], None, None, None
        )
        found.policy.write_text(found.policy.read_text().replace("ready: false", "ready: true"))
    people = {person: SigningKey.generate() for person, _, _ in PEOPLE}
    document = folder / "charter.yaml"
    document.write_text(charter_yaml(ids, people))
    return Office(folder, ids, people, Workspace.create(folder / "coordinator", document))


def charter_yaml(schools: tuple[str, ...], people: dict[str, SigningKey]) -> str:
    """The coalition's charter as it is written down."""
    lines = ["charter: 1", "name: Testcoalitie", "collusion_threshold: 1", "smallest_roster: 3"]
    lines += [f"planning_students: {SIZE * len(schools)}", "schools:"]
    lines += [f"  - {school}/card.json" for school in schools]
    lines += ["people:"]
    for person, school, role in PEOPLE:
        lines.append(f"  - {{id: {person}, school: {school}, role: {role}, key: '{people[person].public.hex()}'}}")
    return "\n".join(lines) + "\n"
