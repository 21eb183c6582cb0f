"""Options arrive; a published finding leaves: a whole coalition on one machine, from exports to finding.

With the very functions that production uses: intake at every school, charter, submission, approvals by every FG, the
run, disclosure check, two reviews, publication. What is added is what only a rehearsal may show: the same question
answered by each school alone and by all rows pooled. This package alone of `coalition` may import `node`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coalition import approvals, publication, review, running, verification
from coalition.errors import UsageFailed
from coalition.rehearsal import comparing
from coalition.rehearsal.founding import Founded, Options, found
from coalition.transport import InProcess
from experiments import keys
from node import answer, assembly
from node.desk import approving

if TYPE_CHECKING:
    from coalition.transport import Arrived, Transport
    from experiments.terminal import Progress

WAIT_SECONDS = 600.0  # every school is on this machine: whoever is late is only slow


def rehearse(options: Options, progress: Progress) -> dict[str, Any]:
    """Run a whole coalition; return what the command prints (issue's `data`), the finding's page included.

    Raises the errors of every part as they are: the rehearsal is production on one machine.
    """
    if options.engine not in ENGINES:
        raise UsageFailed("unknown_engine", f"The engine is one of {', '.join(ENGINES)}.", options.engine, "Name one.")
    made = found(options, progress)
    nodes = {member.id: assembly.open_node(member.folder) for member in made.members}
    rows = {school: node.students(made.experiment) for school, node in nodes.items()}
    comparing.check_rows(made.experiment, rows)
    with ENGINES[options.engine](options, made, nodes, progress) as transport:
        timed = Timed(transport)
        running.carry_out(made.workspace, made.experiment, timed, progress, WAIT_SECONDS)
    _countersign(made)
    comparison = comparing.compare(made.workspace, made.experiment, made.members, rows, progress)
    publication.draft(made.workspace, made.experiment, comparison, rehearsal=True)
    for person, key in made.reviewers.items():
        review.review(made.workspace, made.experiment, person, keys.open_key(key))
    page = publication.publish(made.workspace, made.experiment, options.out / "finding")
    ledgers = {member.id: member.folder.ledger for member in made.members}
    verified = verification.verify(page.parent, list(ledgers.values()))
    progress("publish / publiceren", 1, 1)
    noise = comparing.auc_noise_sd(made.workspace, made.experiment)
    return _data(page, ledgers, verified) | {"auc_noise_sd": noise, "exchange_seconds": timed.seconds}


class Timed:
    """A transport that notes how long each exchange took."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.seconds: list[float] = []

    def exchange(self, requests: Mapping[str, bytes], needed: Set[str], timeout: float, arrived: Arrived) -> None:
        """As the transport does."""
        began = time.monotonic()
        self._transport.exchange(requests, needed, timeout, arrived)
        self.seconds.append(round(time.monotonic() - began, 3))


@contextmanager
def _local(
    options: Options, made: Founded, nodes: Mapping[str, answer.Node], progress: Progress
) -> Iterator[Transport]:
    """Every school in this very process."""
    yield InProcess({school: _door(node) for school, node in nodes.items()})


def _door(node: answer.Node) -> Callable[[bytes], bytes]:
    return lambda data: answer.answer(node, data)


@contextmanager
def _flower(
    options: Options, made: Founded, nodes: Mapping[str, answer.Node], progress: Progress
) -> Iterator[Transport]:
    """Every school a node process and a relay process, the coordinator behind a SuperLink."""
    from coalition.rehearsal.flower import flower

    folders = {member.id: member.folder.root for member in made.members}
    with flower(made.workspace, folders, options.out / "processes", progress) as transport:
        yield transport


ENGINES = {"local": _local, "flower": _flower}


def _countersign(made: Founded) -> None:
    """Each FG signs the head of its ledger after the run; the finding carries the heads."""
    for member in made.members:
        desk = approving.Desk.open(member.folder)
        approvals.accept(made.workspace, approving.countersign(desk, keys.open_key(member.folder.fg_key)).to_bytes())


def _data(page: Path, ledgers: Mapping[str, Path], verified: verification.Verification) -> dict[str, Any]:
    """What the command prints: figures of the finding, and where everything is."""
    finding = json.loads((page.parent / publication.FINDING).read_bytes())
    comparison, privacy, auc = finding["comparison"], finding["privacy"], finding["evaluation"]["auc"]
    dearest = {school["id"]: _dearest(privacy["accounts"], school["id"]) for school in comparison["schools"]}
    return {
        "schools": [
            {
                "id": school["id"],
                "students": school["students"],
                "local_auc": school["local_auc"],
                "federated_auc": school["federated_auc"],
                "rho_spent": dearest[school["id"]]["rho_spent"],
                "epsilon_zcdp": dearest[school["id"]]["epsilon_zcdp"],
                "epsilon_pld": dearest[school["id"]]["epsilon_pld"],
            }
            for school in comparison["schools"]
        ],
        "pooled_auc": comparison["pooled_auc"],
        "federated_auc": comparison["federated_auc"],
        "published_auc": auc and auc["value"],
        "auc_interval": [auc["low"], auc["high"]] if auc else [None, None],
        "epsilon": privacy["epsilon"],
        "delta": privacy["delta"],
        "exchanges": privacy["exchanges"],
        "attempts": privacy["attempts"],
        "finding": str(page),
        "ledgers": [str(path) for path in ledgers.values()],
        "verified": verified.ok,
        "definition_hash": finding["evidence"]["definition_hash"],
    }


def _dearest(accounts: list[dict[str, Any]], school: str) -> dict[str, Any]:
    """The account of this school that paid most."""
    return max((a for a in accounts if a["school"] == school), key=lambda a: Fraction(a["rho_spent"]))
