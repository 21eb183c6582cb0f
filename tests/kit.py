"""A small real coalition for tests: real keys, ledgers, charter and approvals, a few made-up rows at each school."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from coalition import rounds
from coalition.store import CoalitionStore
from coalition.transport import InProcess
from experiments import definition, planning, protocol
from experiments.definition import Experiment
from experiments.selection import features_of
from experiments.students import Students
from node.answer import Node, answer
from node.counter import Counter
from node.ledger_store import LedgerStore
from node.policy import LifetimeBudget, Policy
from privacy.charter import Charter, School
from privacy.identity import SigningKey
from privacy.statements import Approval, CharterAcceptance, sign
from shared_schema import load_schema

DEFAULT = Path(definition.__file__).parent / "catalogue" / "uitval-jaar-1.yaml"
COHORTS = (2022, 2023)
SIZE = 60
FOREVER = 2**40


@dataclass
class Member:
    """One school of the test coalition."""

    node: Node
    fg: SigningKey
    ledger: Path
    incidents: list[str]


@dataclass
class Kit:
    """The coalition: everything a test needs to play any part in it."""

    folder: Path
    charter: Charter
    coordinator: SigningKey
    experiment: Experiment
    members: dict[str, Member]
    serials: tuple[tuple[str, int], ...]
    store: CoalitionStore

    @property
    def plan(self) -> planning.Plan:
        """The plan of the experiment."""
        return planning.plan(self.experiment, self.charter, load_schema())

    @property
    def assignment(self) -> rounds.Assignment:
        """What `rounds.run` needs."""
        return rounds.Assignment(self.charter, self.experiment, self.plan, self.serials, self.coordinator, 30.0)

    def doors(self) -> dict:
        """Each school's `answer`, as a transport calls it."""
        return {school: (lambda data, m=member: answer(m.node, data)) for school, member in self.members.items()}

    def transport(self) -> InProcess:
        """The in-process transport over all schools."""
        return InProcess(self.doors())

    def request(self, school: str, body: protocol.Body, key: SigningKey | None = None) -> bytes:
        """A request of this run, signed by the coordinator (or by another key)."""
        run = self.assignment.run
        return protocol.Request(self.charter.hash, self.experiment.hash, run, school, body).encode(
            key or self.coordinator
        )

    def say(self, school: str, body: protocol.Body) -> protocol.Reply:
        """Ask one school and read its reply."""
        return protocol.decode_reply(answer(self.members[school].node, self.request(school, body)))

    def prepare(self) -> dict:
        """Prepare every school; return the signed certificates."""
        body = protocol.Prepare(self.experiment.encoded, self.serials)
        replies = {school: self.say(school, body) for school in self.members}
        assert all(isinstance(reply, protocol.Prepared) for reply in replies.values()), replies
        return {school: reply.certificate for school, reply in replies.items()}

    def approve(self, school: str, serial: int, **changes: object) -> None:
        """The FG of one school signs; the approval enters at its node."""
        statement = Approval(
            school=school,
            charter_hash=self.charter.hash,
            experiment_hash=self.experiment.hash,
            serial=serial,
            cap_rho=None,
            expires=FOREVER,
            own_figures=False,
            signed_at=1,
        )
        member = self.members[school]
        member.node.ledger.record_approval(sign(replace(statement, **changes), member.fg))


def policy_of(**changes: object) -> Policy:
    """A school's policy, ready, with everything else at its default."""
    base = Policy(policy=1, public_size=dict.fromkeys(COHORTS, SIZE), ready=True, lifetime_budget=LifetimeBudget())
    return base.model_copy(update=changes)


def made_up(experiment: Experiment, rows: int, seed: int) -> Students:
    """Rows of one school: bounded features, an outcome that depends on the first two."""
    names = tuple(feature.name for feature in features_of(experiment, load_schema()))
    draw = np.random.default_rng(seed)
    features = np.clip(draw.normal(0, 0.5, (rows, len(names))), -1, 1)
    outcome = (features[:, 0] + features[:, 1] + draw.normal(0, 0.5, rows) > 0.4).astype(float)
    return Students(features, outcome, np.arange(rows) % 4 == 0, names)


def coalition(folder: Path, schools: int = 5, rows: int = SIZE, threshold: int = 1, **policy: object) -> Kit:
    """Make a coalition of `schools` schools in `folder`, with the default experiment approved by everyone."""
    schema = load_schema()
    experiment = definition.freeze(definition.read(DEFAULT), schema)
    coordinator = SigningKey.generate()
    ids = sorted(f"school-{index}" for index in range(schools))
    keys = {school: (SigningKey.generate(), SigningKey.generate()) for school in ids}
    charter = Charter(
        name="Testcoalitie",
        version=1,
        previous_hash=None,
        coordinator_key=coordinator.public,
        schools=tuple(
            School(school, school.title(), node.public, fg.public, dict.fromkeys(COHORTS, SIZE))
            for school, (node, fg) in keys.items()
        ),
        people=(),
        collusion_threshold=threshold,
        smallest_roster=threshold + 2,
        planning_students=schools * 2 * SIZE,
    )
    members, rules = {}, policy_of(**policy)
    for index, (school, (node_key, fg)) in enumerate(keys.items()):
        path = folder / f"{school}.sqlite"
        ledger = LedgerStore.create(path, node_key, Counter(folder / f"{school}.counter"), school, fg.public)
        ledger.record_charter(charter, sign(CharterAcceptance(charter.hash, 1, school, 1), fg))
        rows_of_school = made_up(experiment, rows, seed=index)
        incidents: list[str] = []
        node = Node(
            school=school,
            charter=charter,
            schema=schema,
            policy=lambda: rules,
            ledger=ledger,
            key=node_key,
            students=lambda _, rows=rows_of_school: rows,
            incident=incidents.append,
        )
        members[school] = Member(node, fg, path, incidents)
    serials = tuple((school, 1) for school in ids)
    store = CoalitionStore(folder / "store.sqlite", coordinator)
    kit = Kit(folder, charter, coordinator, experiment, members, serials, store)
    for school in ids:
        kit.approve(school, 1)
    return kit
