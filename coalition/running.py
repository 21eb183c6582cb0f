"""An approved experiment and a transport arrive; a run carried through to a drafted finding leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coalition import approvals, publication, rounds
from coalition.errors import NotAllowed, UsageFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from coalition.transport import Transport
    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from experiments.terminal import Progress

RUNNABLE = ("approved", "prepared", "running")


def carry_out(workspace: Workspace, experiment: Experiment, transport: Transport, progress: Progress) -> dict[str, Any]:
    """Run an experiment, or resume it, and draft its finding; return the finding.

    Resuming is the same call: a run that opened is not asked again. Raises `NotAllowed` without enough approvals or
    for a stopped run, `RunStopped` when schools are missing, and what drafting raises.
    """
    status = workspace.store.status(experiment.hash)
    if status in publication.DRAFTABLE:
        return publication.draft(workspace, experiment)
    if status not in (*RUNNABLE, "submitted"):
        rule, remedy = "A run starts after approval.", "After a stopped run, ask the FGs for new approvals."
        raise NotAllowed("not_runnable", rule, f"status {status}", remedy)
    serials = approvals.start(workspace, experiment)
    plan = workspace.plan(experiment)
    task = rounds.Assignment(workspace.charter, experiment, plan, serials, workspace.key)

    def report(what: str, done: int) -> None:
        progress("exchanges", done, max(done, plan.exchanges))

    rounds.run(task, workspace.store, transport, report)
    return publication.draft(workspace, experiment)


def socket_paths(pairs: Sequence[str], known: Sequence[str]) -> Mapping[str, Path]:
    """Read `school=path` pairs; `UsageFailed` for another form, or a school that the charter does not list."""
    from pathlib import Path

    paths = {}
    for pair in pairs:
        school, equals, path = pair.partition("=")
        if not equals or school not in known or not path:
            rule = "Each --socket is SCHOOL=PATH, with a school of the charter."
            raise UsageFailed("not_a_socket", rule, pair, f"Schools: {', '.join(known)}.")
        paths[school] = Path(path)
    return paths
