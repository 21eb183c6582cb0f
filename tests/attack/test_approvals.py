"""An approval used for what it was not given for (METHODS §7, attack 22): refused by node and coordinator.

Each attack first succeeds with its defence switched off, so that the refusal is known to come from the defence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coalition import approvals
from coalition.errors import NotAllowed
from experiments import definition
from experiments.protocol import Prepare, Prepared, Refusal
from node import errors as node_errors
from node.desk import approving
from privacy import balances
from privacy.identity import SigningKey
from privacy.statements import Approval, Signed, Withdrawal, sign
from shared_schema import load_schema
from tests.kit import DEFAULT, Kit, coalition
from tests.unit.coalition.office import Office, office

TARGET = "school-0"


def _undefended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence off: any approval the ledger holds allows any run."""
    monkeypatch.setattr(balances, "usable_approval", lambda state, serial, experiment: state.approvals[serial])


def _prepared(kit: Kit, serial: int) -> Prepared | Refusal:
    """Ask the target to prepare a run that names this serial of its FG."""
    kit.serials = tuple((school, serial if school == TARGET else 1) for school in sorted(kit.members))
    reply = kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials))
    assert isinstance(reply, Prepared | Refusal)
    return reply


def _for_another_experiment(kit: Kit) -> int:
    asked = kit.experiment.definition.model_copy(update={"experiment": "another-question"})
    kit.experiment = definition.freeze(asked, load_schema())
    return 1


def _expired(kit: Kit) -> int:
    kit.approve(TARGET, 2, expires=1)
    return 2


def _withdrawn(kit: Kit) -> int:
    member = kit.members[TARGET]
    statement = Withdrawal(TARGET, kit.charter.hash, 1, 1)
    member.node.ledger.record_withdrawal(sign(statement, member.fg))
    return 1


def _under_another_charter(kit: Kit) -> int:
    kit.approve(TARGET, 2, charter_hash=bytes(32))
    return 2


ATTACKS = {
    "approval_for_other_experiment": _for_another_experiment,
    "approval_expired": _expired,
    "approval_withdrawn": _withdrawn,
    "approval_for_other_charter": _under_another_charter,
}


@pytest.mark.parametrize("code", ATTACKS)
@pytest.mark.parametrize("defended", [False, True])
def test_a_node_runs_nothing_its_fg_did_not_approve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, defended: bool
) -> None:
    """Approved for one hash and used for another; expired; withdrawn; of another charter: the node refuses by code."""
    if not defended:
        _undefended(monkeypatch)
    kit = coalition(tmp_path, schools=3)
    reply = _prepared(kit, ATTACKS[code](kit))
    assert reply == Refusal(code) if defended else isinstance(reply, Prepared)


def test_a_serial_that_no_fg_signed_is_refused(tmp_path: Path) -> None:
    """The coordinator may name any serial; without a signed approval behind it there is no run."""
    kit = coalition(tmp_path, schools=3)
    assert _prepared(kit, 7) == Refusal("unapproved")
    assert isinstance(_prepared(kit, 1), Prepared)


@pytest.mark.parametrize("defended", [False, True])
def test_a_foreign_signature_never_enters_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """An approval that another key signed is refused by the node, even if handed in at the school itself."""
    if not defended:
        monkeypatch.setattr(balances, "verify", lambda *_: None)
    kit = coalition(tmp_path, schools=3)
    ledger = kit.members[TARGET].node.ledger
    statement = Approval(TARGET, kit.charter.hash, kit.experiment.hash, 9, None, 2**40, False, 1)
    forged = sign(statement, SigningKey.generate())
    if defended:
        with pytest.raises(node_errors.Refusal):
            ledger.record_approval(forged)
    else:
        ledger.record_approval(forged)
    assert (9 in ledger.state().approvals) is not defended


@pytest.mark.parametrize(
    "change", [{"serial": 2}, {"expires": 2**41}, {"experiment_hash": bytes(32)}, {"own_figures": True}]
)
def test_an_edited_approval_has_no_signature(tmp_path: Path, change: dict[str, object]) -> None:
    """Any change to what an FG signed breaks the signature."""
    kit = coalition(tmp_path, schools=3)
    member = kit.members[TARGET]
    statement = Approval(TARGET, kit.charter.hash, kit.experiment.hash, 5, None, 2**40, False, 1)
    signed = sign(statement, member.fg)
    with pytest.raises(node_errors.Refusal):
        member.node.ledger.record_approval(Signed(replace(statement, **change), signed.signature))
    member.node.ledger.record_approval(signed)


# ---- the coordinator, who must not start a run in vain


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition with one submitted experiment."""
    found = office(tmp_path)
    found.accept_charter()
    found.submit()
    return found


def _signed(made: Office, key: SigningKey | None = None, **changes: object) -> bytes:
    experiment = made.experiment
    approval = approving.draft_approval(made.desk(TARGET), experiment)
    return sign(replace(approval, **changes), key or made.fg(TARGET)).to_bytes()


def _refusal(made: Office, data: bytes, now: int | None = None) -> str:
    with pytest.raises(NotAllowed) as found:
        approvals.accept(made.workspace, data, now)
    assert found.value.rule and found.value.remedy
    return found.value.code


def test_the_coordinator_refuses_each_for_its_own_reason(made: Office) -> None:
    """Other experiment, other charter, another school's key, no FG's key, expired, a cap below the plan."""
    assert _refusal(made, _signed(made, experiment_hash=bytes(32))) == "approval_for_other_experiment"
    assert _refusal(made, _signed(made, charter_hash=bytes(32))) == "approval_for_other_charter"
    assert _refusal(made, _signed(made, key=made.fg("school-1"))) == "foreign_signature"
    assert _refusal(made, _signed(made, key=SigningKey.generate())) == "foreign_signature"
    assert _refusal(made, _signed(made, school="school-1")) == "foreign_signature"
    assert _refusal(made, _signed(made), now=2**40) == "approval_expired"
    plan = made.workspace.plan(made.experiment).rho_reserved
    assert _refusal(made, _signed(made, cap_rho=plan * 999 / 1000)) == "budget_above_cap"
    assert approvals.approved_serials(made.workspace, made.experiment) == ()
    approvals.accept(made.workspace, _signed(made, cap_rho=plan))
    assert approvals.approved_serials(made.workspace, made.experiment) == ((TARGET, 1),)


def test_without_the_check_a_foreign_approval_would_count(made: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: with the check switched off, anybody's signature fills a school's place."""
    monkeypatch.setattr(approvals, "check_approval", lambda *_: None)
    approvals.accept(made.workspace, _signed(made, key=SigningKey.generate()))
    assert approvals.approved_serials(made.workspace, made.experiment) == ((TARGET, 1),)


def test_a_withdrawn_serial_never_revives(made: Office) -> None:
    """Withdrawn at the coordinator, the same approval cannot be handed in again; a new serial can."""
    data = _signed(made)
    approvals.accept(made.workspace, data)
    withdrawal = Withdrawal(TARGET, made.workspace.charter.hash, 1, 1)
    approvals.accept(made.workspace, sign(withdrawal, made.fg(TARGET)).to_bytes())
    assert approvals.approved_serials(made.workspace, made.experiment) == ()
    assert _refusal(made, data) == "approval_withdrawn"
    approvals.accept(made.workspace, _signed(made, serial=2))
    assert approvals.approved_serials(made.workspace, made.experiment) == ((TARGET, 2),)


def test_one_serial_stands_for_one_approval(made: Office) -> None:
    """The same serial on other terms is refused; the same bytes again change nothing."""
    data = _signed(made)
    approvals.accept(made.workspace, data)
    approvals.accept(made.workspace, data)
    assert _refusal(made, _signed(made, own_figures=True)) == "serial_used"


def test_nothing_changes_the_roster_of_a_started_run(made: Office) -> None:
    """Once a run has its name, later approvals and withdrawals leave it the name under which it resumes."""
    made.approve(made.experiment)
    serials = approvals.start(made.workspace, made.experiment)
    assert _refusal(made, _signed(made, serial=9)) == "run_started"
    withdrawal = Withdrawal(TARGET, made.workspace.charter.hash, serials[0][1], 1)
    approvals.accept(made.workspace, sign(withdrawal, made.fg(TARGET)).to_bytes())
    assert approvals.start(made.workspace, made.experiment) == serials
    assert approvals.approved_serials(made.workspace, made.experiment, now=2**40) == serials


def test_too_few_approvals_start_nothing(made: Office) -> None:
    """Two of three: the message names those who approved, and what to do."""
    made.approve(made.experiment, "school-0", "school-1")
    with pytest.raises(NotAllowed, match=r"at least 3 .*school-0, school-1") as found:
        approvals.start(made.workspace, made.experiment)
    assert found.value.code == "approval_missing"


def test_a_stopped_run_asks_for_new_approvals(made: Office) -> None:
    """Serials of a stopped run are used up: only approvals with new serials make a new run."""
    made.approve(made.experiment)
    first = approvals.start(made.workspace, made.experiment)
    made.workspace.store.set_status(made.experiment.hash, "stopped", "too_few_schools")
    made.approve(made.experiment, "school-0")
    assert approvals.approved_serials(made.workspace, made.experiment) == (("school-0", 2),)
    made.approve(made.experiment, "school-1", "school-2")
    second = approvals.start(made.workspace, made.experiment)
    assert not set(first) & set(second)


def test_only_what_an_fg_signs_is_taken(made: Office) -> None:
    """A file of another kind, or of none, is refused as such."""
    from coalition.errors import UsageFailed

    stored = made.workspace.store.get("submission", made.experiment.hash.hex())
    for data in (b"", b"yes", DEFAULT.read_bytes(), stored):
        with pytest.raises(UsageFailed) as found:
            approvals.accept(made.workspace, data)
        assert found.value.code == "not_an_approval"
