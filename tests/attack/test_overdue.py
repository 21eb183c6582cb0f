"""What runs out, and is not to be waited for: deadlines, an FG who stopped looking, keys of an epoch gone by.

METHODS §7, attacks 13 and 13b: a coordinator that never closes its runs, a node that nobody watches, a node that came
back from a backup with the epochs of yesterday.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from experiments.protocol import Answer, Prepare, Prepared, Refusal
from node import assembly, policy
from node.answer import Node
from node.counter import Counter
from node.ledger_store import LedgerStore
from privacy.masking import EphemeralKey
from privacy.statements import HeadCountersignature, run_id, sign
from tests.attack.test_coordinator import _ask
from tests.kit import Kit, coalition
from tests.unit.coalition.office import office

TARGET = "school-0"
DAY = 86_400


def _later(kit: Kit, days: int) -> Node:
    """The target's node, so many days on; what it holds in memory stays."""
    member = kit.members[TARGET]
    now = member.node.ledger.now()
    counter = Counter(kit.folder / f"{TARGET}.counter")
    ledger = LedgerStore.open(member.ledger, member.node.key, counter, clock=lambda: now + days * DAY)
    member.node = replace(member.node, ledger=ledger)
    return member.node


def _next_run(kit: Kit) -> Prepared | Refusal:
    """The target's FG approves once more, and another run is prepared."""
    kit.approve(TARGET, 2)
    kit.serials = tuple((school, 2 if school == TARGET else 1) for school in sorted(kit.members))
    reply = kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials))
    assert isinstance(reply, Prepared | Refusal)
    return reply


@pytest.mark.parametrize("defended", [False, True])
def test_a_run_that_is_never_closed_gives_its_budget_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """A coordinator that vanishes holds a school's budget until the deadline and no longer; then the key goes too."""
    if not defended:
        monkeypatch.setattr(LedgerStore, "expired_runs", lambda _: ())
    kit = coalition(tmp_path, schools=3, lifetime_budget=policy.LifetimeBudget(epsilon=Decimal(1)))
    ask = _ask(kit, kit.prepare())
    node = _later(kit, days=31)
    key = node.sessions[kit.assignment.run].key
    assert kit.say(TARGET, ask) == Refusal("deadline_passed")
    assert isinstance(_next_run(kit), Prepared) == defended
    first = run_id(kit.experiment.hash, dict.fromkeys(kit.members, 1))
    assert (node.ledger.state().runs[first].open, first in node.sessions) == (not defended, not defended)
    assert (key._secret is None) == defended


def test_a_node_that_starts_closes_what_is_overdue(tmp_path: Path) -> None:
    """After a deadline that passed while the node was off, starting it returns what the run held."""
    made = office(tmp_path)
    made.accept_charter()
    experiment = made.submit()
    made.approve(experiment)
    folder = made.node_folder(TARGET)
    ledger = made.desk(TARGET).ledger
    ledger.set_cap(("students", "2022"), made.workspace.plan(experiment).rho_reserved)
    run = run_id(experiment.hash, dict.fromkeys(made.schools, 1))
    rho, deadline = made.workspace.plan(experiment).rho, ledger.now() + 1
    ledger.reserve(run, experiment.hash, 1, [("students", "2022")], rho, deadline)
    at = LedgerStore.open(
        folder.ledger, assembly.open_node(folder).key, Counter(folder.counter), clock=lambda: deadline + 1
    )
    at.now()  # time is a high-water mark: the node that starts next knows that the deadline has passed
    assembly.open_node(folder)
    state = made.desk(TARGET).state
    assert not state.runs[run].open and all(balance.reserved == 0 for balance in state.balances.values())


def test_a_certificate_names_the_deadline_that_the_ledger_keeps(tmp_path: Path) -> None:
    """Prepared again after a restart, a run keeps its first deadline; the signed one is that one, not a later one."""
    kit = coalition(tmp_path, schools=3)
    first = kit.prepare()[TARGET].statement
    node = _later(kit, days=3)
    node.sessions.clear()
    again = kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials))
    assert isinstance(again, Prepared)
    certificate = again.certificate.statement
    assert certificate.epoch == first.epoch + 1
    assert certificate.deadline == first.deadline == node.ledger.state().runs[kit.assignment.run].deadline


@pytest.mark.parametrize("defended", [False, True])
def test_no_new_run_when_the_fg_stopped_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """The FG's heads are what a rewritten ledger is held against: too long without one, and no run begins."""
    if not defended:
        monkeypatch.setattr(policy, "check_seen", lambda *_: None)
    kit = coalition(tmp_path, schools=3, countersigned_days=10)
    _later(kit, days=12)
    reply = kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials))
    assert (reply == Refusal("head_too_old")) if defended else isinstance(reply, Prepared)


def test_a_countersigned_head_lets_runs_begin_again(tmp_path: Path) -> None:
    """One signature under the present head, and the next run is prepared; a run that had begun was never stopped."""
    kit = coalition(tmp_path, schools=3, countersigned_days=10)
    ask = _ask(kit, kit.prepare())
    node = _later(kit, days=12)
    assert isinstance(kit.say(TARGET, ask), Answer)
    assert _next_run(kit) == Refusal("head_too_old")
    state = node.ledger.state()
    seen = HeadCountersignature(TARGET, state.count - 1, state.head, node.ledger.now())
    node.ledger.record_countersignature(sign(seen, kit.members[TARGET].fg))
    assert isinstance(kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials)), Prepared)


@pytest.mark.parametrize("defended", [False, True])
def test_a_peers_epoch_of_another_run_is_not_accepted_again(tmp_path: Path, defended: bool) -> None:
    """A peer restored from a backup counts its epochs again: its new key under an old epoch shows, in any run."""
    kit = coalition(tmp_path, schools=3)
    assert isinstance(kit.say(TARGET, _ask(kit, kit.prepare())), Answer)
    for school in kit.members:
        kit.approve(school, 2)
    kit.serials = tuple((school, 2) for school in sorted(kit.members))
    certificates = kit.prepare()
    restored = replace(certificates["school-1"].statement, epoch=1, key=EphemeralKey.generate().public)
    certificates["school-1"] = sign(restored, kit.members["school-1"].node.key)
    if not defended:
        kit.members[TARGET].node.peers.clear()  # as when every run remembered its own peers only
    reply = kit.say(TARGET, _ask(kit, certificates))
    assert (reply == Refusal("two_keys_one_epoch")) if defended else isinstance(reply, Answer)
