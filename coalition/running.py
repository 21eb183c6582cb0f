"""An approved experiment and a transport arrive; a run carried through to a drafted finding leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coalition import approvals, audits, publication, rounds
from coalition.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Collection

    from coalition.transport import Transport
    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from experiments.terminal import Progress

RUNNABLE = ("approved", "prepared", "running")


def carry_out(
    workspace: Workspace,
    experiment: Experiment,
    transport: Transport,
    progress: Progress,
    timeout: float = rounds.EXCHANGE_SECONDS,
) -> dict[str, Any]:
    """Run an experiment, or resume it, and draft its finding; return the finding.

    Resuming is the same call: a run that opened is not asked again. timeout: seconds that a school has for its part of
    an exchange. Raises `NotAllowed` without enough approvals or for a stopped run, `DisclosureBlocked` for a mechanism
    that its audit calls broken, `RunStopped` when schools are missing, `LinkFailed` when none can be reached, and what
    drafting raises.
    """
    status = workspace.store.status(experiment.hash)
    if status in publication.DRAFTABLE:
        return publication.draft(workspace, experiment)
    if status not in (*RUNNABLE, "submitted"):
        rule, remedy = "A run starts after approval.", "After a stopped run, ask the FGs for new approvals."
        raise NotAllowed("not_runnable", rule, f"status {status}", remedy)
    serials = approvals.start(workspace, experiment)
    audits.audit(workspace, experiment, len(serials), progress)
    plan = workspace.plan(experiment)
    task = rounds.Assignment(workspace.charter, experiment, plan, serials, workspace.key, timeout)

    def report(what: str, done: int, waiting: Collection[str]) -> None:
        words = f"{what}: {', '.join(waiting)}" if waiting else ""
        progress("exchanges / uitwisselingen", done, max(done, plan.exchanges), words)

    rounds.run(task, workspace.store, transport, report)
    return publication.draft(workspace, experiment)
