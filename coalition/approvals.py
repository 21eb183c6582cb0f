"""Files that an FG signed arrive; approvals, withdrawals and countersigned heads leave, checked against the charter.

The node enforces all of this again from its own files; the coordinator checks so that a run does not start in vain.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coalition.errors import NotAllowed, UsageFailed
from coalition.submission import fewest_schools
from privacy import canonical, succession
from privacy.errors import PrivacyError
from privacy.statements import (
    Approval,
    Deputation,
    HeadCountersignature,
    Signed,
    Statement,
    StatementError,
    Withdrawal,
    run_id,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from coalition.workspace import Workspace
    from experiments.definition import Experiment
    from privacy.charter import Charter

Serials = tuple[tuple[str, int], ...]
Deputed = Signed[Deputation] | None
OPEN = ("submitted", "approved", "stopped")
MAX_ROSTER_BYTES = 1_000_000
SIGN_AGAIN = "Let the FG sign an approval of this very experiment, with the next serial."


def accept(workspace: Workspace, data: bytes, now: int | None = None) -> Statement:
    """Take what an FG signed: an approval, a withdrawal, or a countersigned ledger head. Twice is once.

    What a deputy signed comes with the FG's deputation (`privacy.succession`). A head that a deputy countersigned is
    kept apart: a finding names those of the FGs. Raises `NotAllowed` with a code of its own for every reason,
    `UsageFailed` for a file of another kind.
    """
    signed, deputation = _read(data)
    _check_term(deputation, _now(now))
    statement: Statement = signed.statement
    match statement:
        case Approval():
            _accept_approval(workspace, Signed(statement, signed.signature), deputation, data, _now(now))
        case Withdrawal():
            _accept_withdrawal(workspace, Signed(statement, signed.signature), deputation, data)
        case HeadCountersignature():
            check_fg(workspace.charter, statement.school, signed, deputation)
            kind = "head" if deputation is None else "deputy-head"
            workspace.store.put(kind, head_name(statement.school, statement.seq), data)
    return statement


def _now(now: int | None) -> int:
    return int(time.time()) if now is None else now


def _read(data: bytes) -> tuple[Signed[Any], Deputed]:
    for kind in (Approval, Withdrawal, HeadCountersignature):
        try:
            return succession.from_fg(data, kind)
        except StatementError:
            continue  # a signed statement of another kind: try the next
        except PrivacyError:
            break
    rule = "The file holds what an FG signed: an approval, a withdrawal or a countersigned head."
    raise UsageFailed("not_an_approval", rule, "something else", "Send the file that `coalition-node` wrote.")


def check_fg(charter: Charter, school: str, signed: Signed[Any], deputation: Deputed = None) -> None:
    """Return when the FG whom the charter names for this school, or a deputy whom that FG named, signed this.

    `NotAllowed` otherwise.
    """
    try:
        succession.check_fg(charter, school, signed, deputation)
    except PrivacyError as error:
        rule = "An approval is signed with the FG's key that the charter lists, or by a deputy whom that FG named."
        found = f"not so for {school}: {error}" if deputation is not None else f"not so for {school}"
        raise NotAllowed("foreign_signature", rule, found, "Compare the keys with that FG.") from error


def _check_term(deputation: Deputed, now: int) -> None:
    """Of a deputy whose term has ended nothing is taken, whatever date it bears; the node records nothing either."""
    if deputation is not None and now > deputation.statement.expires:
        rule = "A deputy signs until the last day."
        remedy = "Let the FG sign, or name the deputy again."
        raise NotAllowed("deputation_expired", rule, f"a later day for {deputation.statement.school}", remedy)


def checked(charter: Charter, experiment_hash: bytes, data: bytes) -> Approval:
    """The approval in these bytes, once it is shown to be for this experiment, by the right FG or deputy."""
    signed, deputation = succession.from_fg(data, Approval)
    check_approval(charter, experiment_hash, signed, deputation)
    return signed.statement


def check_approval(
    charter: Charter, experiment_hash: bytes, signed: Signed[Approval], deputation: Deputed = None
) -> None:
    """Return when this approval is for exactly this experiment and charter, signed by the school's FG.

    Raises `NotAllowed`: foreign_signature, approval_for_other_charter, approval_for_other_experiment.
    """
    approval = signed.statement
    check_fg(charter, approval.school, signed, deputation)
    if approval.charter_hash != charter.hash:
        rule = "An approval names the charter in force."
        raise NotAllowed("approval_for_other_charter", rule, "another charter's hash", SIGN_AGAIN)
    if approval.experiment_hash != experiment_hash:
        rule = "An approval allows exactly the experiment whose hash it names."
        raise NotAllowed("approval_for_other_experiment", rule, approval.experiment_hash.hex()[:12], SIGN_AGAIN)


def _accept_approval(
    workspace: Workspace, signed: Signed[Approval], deputation: Deputed, data: bytes, now: int
) -> None:
    approval = signed.statement
    experiment = _experiment(workspace, approval.experiment_hash)
    check_approval(workspace.charter, experiment.hash, signed, deputation)
    _check_usable(workspace, experiment, approval, now)
    if workspace.store.status(experiment.hash) == "stopped":
        _reopen(workspace, experiment)
    workspace.store.put("approval", document_name(approval.school, approval.serial), data)
    _note_status(workspace, experiment, now)


def _experiment(workspace: Workspace, experiment_hash: bytes) -> Experiment:
    for experiment in workspace.experiments():
        if experiment.hash == experiment_hash:
            return experiment
    rule = "An approval is for an experiment that was submitted here."
    raise NotAllowed("approval_for_other_experiment", rule, f"hash {experiment_hash.hex()[:12]}", SIGN_AGAIN)


def _check_usable(workspace: Workspace, experiment: Experiment, approval: Approval, now: int) -> None:
    if now > approval.expires:
        rule = "An approval holds until it expires."
        raise NotAllowed("approval_expired", rule, f"expired for {approval.school}", SIGN_AGAIN)
    name = document_name(approval.school, approval.serial)
    if name in workspace.store.names("withdrawal"):
        rule = "A withdrawn serial never revives."
        raise NotAllowed("approval_withdrawn", rule, f"serial {approval.serial}", SIGN_AGAIN)
    if name in workspace.store.names("approval") and _stored(workspace, name) != approval:
        rule = "Every approval has a serial that was never used before."
        raise NotAllowed("serial_used", rule, f"serial {approval.serial} again", SIGN_AGAIN)
    _check_cap(approval, workspace.plan(experiment).rho_reserved)
    _check_open(workspace, experiment)


def _check_cap(approval: Approval, plan: Fraction) -> None:
    if approval.cap_rho is not None and approval.cap_rho < plan:
        rule = f"The FG of {approval.school} allows this run at most rho {float(approval.cap_rho):.4g}."
        remedy = "A cap never alters a plan: submit a new experiment with less budget."
        raise NotAllowed("budget_above_cap", rule, f"a plan of {float(plan):.4g}", remedy)


def _check_open(workspace: Workspace, experiment: Experiment) -> None:
    status = workspace.store.status(experiment.hash)
    if status not in OPEN or (status != "stopped" and _pinned(workspace, experiment) is not None):
        rule = "Approvals are taken before a run starts, or after one stopped."
        raise NotAllowed("run_started", rule, f"status {status}", "Withdrawals count at the node itself.")


def _accept_withdrawal(workspace: Workspace, signed: Signed[Withdrawal], deputation: Deputed, data: bytes) -> None:
    """Keep it whatever the status: the node stops by itself, and the serial is never used again here either."""
    statement = signed.statement
    check_fg(workspace.charter, statement.school, signed, deputation)
    name = document_name(statement.school, statement.serial)
    if name not in workspace.store.names("withdrawal"):
        workspace.store.put("withdrawal", name, data)
    for experiment in workspace.experiments():
        if workspace.store.status(experiment.hash) == "approved":
            _note_status(workspace, experiment, _now(None))


def head_name(school: str, seq: int) -> str:
    """The name under which a countersigned head is kept: a school's heads sort by entry number."""
    return f"{school}/{seq:012d}"


def document_name(school: str, serial: int) -> str:
    """The name under which the store keeps an approval or a withdrawal; serials sort by number."""
    return f"{school}/{serial:020d}"


def _stored(workspace: Workspace, name: str) -> Approval:
    return succession.from_fg(workspace.store.get("approval", name), Approval)[0].statement


def live(workspace: Workspace, experiment: Experiment, now: int | None = None) -> dict[str, Approval]:
    """The approval of each school that a new run would use: the highest serial that is unused and unexpired."""
    moment, spent = _now(now), _spent(workspace, experiment)
    withdrawn = set(workspace.store.names("withdrawal"))
    found: dict[str, Approval] = {}
    for name in workspace.store.names("approval"):  # ascending serials: the last of a school stays
        approval = _stored(workspace, name)
        fits = approval.experiment_hash == experiment.hash and approval.charter_hash == workspace.charter.hash
        if fits and name not in withdrawn | spent and moment <= approval.expires:
            found[approval.school] = approval
    return found


def approved_serials(workspace: Workspace, experiment: Experiment, now: int | None = None) -> Serials:
    """(school, serial) of every school that takes part, sorted: of the started run, or of one started now."""
    pinned = _pinned(workspace, experiment)
    if pinned is not None:
        return pinned
    return tuple(sorted((school, given.serial) for school, given in live(workspace, experiment, now).items()))


def start(workspace: Workspace, experiment: Experiment, now: int | None = None) -> Serials:
    """Fix which approvals a run uses, so that it can resume under its own name whatever arrives later.

    Asked again for a started run, the same serials come back. Raises `NotAllowed` with too few approvals.
    """
    serials = approved_serials(workspace, experiment, now)
    least = fewest_schools(workspace, experiment)
    if len(serials) < least:
        given = ", ".join(school for school, _ in serials) or "none"
        rule = f"A run starts with the approval of at least {least} schools' FGs."
        remedy = "Send the experiment to the other FGs, and import what they sign: coalition approve DIR FILE."
        raise NotAllowed("approval_missing", rule, f"{len(serials)} ({given})", remedy)
    workspace.store.put("roster", experiment.hash.hex(), canonical.encode([list(pair) for pair in serials]))
    return serials


def _pinned(workspace: Workspace, experiment: Experiment) -> Serials | None:
    name = experiment.hash.hex()
    if name not in workspace.store.names("roster"):
        return None
    return _serials(workspace.store.get("roster", name))


def _serials(data: bytes) -> Serials:
    pairs: Any = canonical.decode(data, max_bytes=MAX_ROSTER_BYTES)
    return tuple((school, serial) for school, serial in pairs)


def _reopen(workspace: Workspace, experiment: Experiment) -> None:
    """After a stopped run: its serials are used up, and new approvals may come in."""
    _unpin(workspace, experiment)
    workspace.store.set_status(experiment.hash, "submitted", "new approvals after a stopped run")


def _unpin(workspace: Workspace, experiment: Experiment) -> None:
    """Put a run aside: its serials stay used, and the experiment may have another run."""
    pinned = _pinned(workspace, experiment)
    if pinned is not None:
        run = run_id(experiment.hash, dict(pinned)).hex()
        workspace.store.put("run", f"{experiment.hash.hex()}/{run}", canonical.encode([list(p) for p in pinned]))
        workspace.store.remove("roster", experiment.hash.hex())


def retire(workspace: Workspace, experiment: Experiment, note: str) -> None:
    """Take an experiment off the list, so that it can be submitted anew: its papers name a charter that ends."""
    _unpin(workspace, experiment)
    workspace.store.set_status(experiment.hash, "stopped", note)
    workspace.store.remove("experiment", experiment.hash.hex())


def _spent(workspace: Workspace, experiment: Experiment) -> set[str]:
    """Names of approvals that an earlier, stopped run used: one approval allows one run."""
    runs = workspace.store.names("run", f"{experiment.hash.hex()}/")
    return {document_name(*pair) for run in runs for pair in _serials(workspace.store.get("run", run))}


def _note_status(workspace: Workspace, experiment: Experiment, now: int) -> None:
    enough = len(live(workspace, experiment, now)) >= fewest_schools(workspace, experiment)
    wanted = "approved" if enough else "submitted"
    if workspace.store.status(experiment.hash) != wanted:
        workspace.store.set_status(experiment.hash, wanted)
