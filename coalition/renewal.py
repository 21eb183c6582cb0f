"""charter.yaml as the coalition now agrees on it arrives; the charter's next version leaves, in the same workspace.

A charter is replaced between runs: a run's papers name the charter they were signed under. Experiments that wait are
taken off the list, to be submitted and approved anew; what was published stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalition import approvals, charters
from coalition.errors import NotAllowed, UsageFailed
from coalition.workspace import CHARTER
from privacy.charter import Change, Charter, accepts_successor, changes
from privacy.identity import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from coalition.workspace import Workspace
    from experiments.definition import Experiment

UNFINISHED = ("prepared", "running", "opened", "checked", "reviewed")
PUBLISHED = "published"


@dataclass(frozen=True)
class Renewal:
    """The next charter, what it changes, and the experiments that have to be submitted again."""

    charter: Charter
    changes: tuple[Change, ...]
    retired: tuple[Experiment, ...]


def propose(workspace: Workspace, document: Path, abandon: Sequence[str] = ()) -> Renewal:
    """Read the next charter; nothing is changed yet.

    abandon: names of experiments whose run or finding is given up. Raises `NotAllowed` while a run or its finding is
    not finished, `UsageFailed` for a charter that says what the present one says, and what reading raises.
    """
    current = workspace.charter
    successor = charters.read(document, workspace.key.public, current)
    accepts_successor(current, successor)
    found = tuple(changes(current, successor))
    if not found:
        rule, remedy = "The next charter says something else.", "Change charter.yaml or a school's card first."
        raise UsageFailed("charter_unchanged", rule, f"what version {current.version} says", remedy)
    given_up = {workspace.experiment(name).hash for name in abandon}
    statuses = workspace.store.statuses()
    waiting = [one for one in workspace.experiments() if statuses.get(one.hash) != PUBLISHED]
    unfinished = [one for one in waiting if statuses.get(one.hash) in UNFINISHED and one.hash not in given_up]
    if unfinished:
        names = ", ".join(f"{one.definition.experiment} ({statuses[one.hash]})" for one in unfinished)
        remedy = "Run and publish it first, or give it up with --abandon."
        raise NotAllowed("run_unfinished", "A charter is replaced between runs.", names, remedy)
    return Renewal(successor, found, tuple(waiting))


def renew(workspace: Workspace, renewal: Renewal) -> Path:
    """Put the next charter in force at the coordinator; return its file, for every FG.

    The earlier one stays as charter-VERSION.cbor. The new one is written last: after a kill before that, the same
    command does the rest.
    """
    current = workspace.charter
    write_private(workspace.root / f"charter-{current.version}.cbor", current.to_bytes())
    for experiment in renewal.retired:
        approvals.retire(workspace, experiment, f"charter version {renewal.charter.version}: submit again")
    write_private(workspace.root / CHARTER, renewal.charter.to_bytes())
    return workspace.root / CHARTER
