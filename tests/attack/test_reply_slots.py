"""Time as a channel (METHODS §7, attack 21): whatever is said leaves when its slot ends, and no row is read for free.

A slot's length follows from the charter and the question. What could go round it: a refusal that comes after rows
were read (it costs nothing, so it could be timed for ever), the reply to another request that had to wait for the
rows, and the reading of tables. Each attack first succeeds with its defence off.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

import node.answer
from experiments import durations
from experiments.protocol import Answer, Ask, Close, Prepare, Refusal
from node import slots
from node.answer import answer
from node.errors import NodeError
from node.ledger_store import LedgerStore
from privacy import masking, private_sum
from privacy.masking import Party
from privacy.statements import Withdrawal, sign
from tests.attack.test_coordinator import _after_moments, _ask
from tests.kit import Kit, coalition

TARGET = "school-0"


def test_a_slot_follows_from_declared_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait fills the slot that charter and dimension give; work that overran fills the next one."""
    waits: list[float] = []
    monkeypatch.setattr(slots.time, "sleep", waits.append)
    clock = iter([0.0, 0.03, 0.0, 0.25])
    monkeypatch.setattr(slots.time, "monotonic", lambda: next(clock))
    for _ in range(2):
        slots.Slot.begin(0.1).wait()
    assert waits == pytest.approx([0.07, 0.05])
    kit = coalition(tmp_path, schools=3)
    by_dimension = sorted(kit.plan.steps, key=lambda step: step.dimension)
    lengths = [durations.step_seconds(step, kit.charter) for step in by_dimension]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


# ---- a question that cannot be paid


def _goes_back(kit: Kit, certificates: dict) -> Ask:
    """Step 2 was answered; step 1 is asked in its next attempt."""
    for school in kit.members:
        kit.say(school, _ask(kit, certificates))
    state = _after_moments(kit.plan.steps[2].queries[0].query.dimension)
    assert isinstance(kit.say(TARGET, _ask(kit, certificates, step=2, **state)), Answer)
    return _ask(kit, certificates, 1)


def _withdrawn(kit: Kit, certificates: dict) -> Ask:
    """The FG withdrew after the run was prepared."""
    member = kit.members[TARGET]
    member.node.ledger.record_withdrawal(sign(Withdrawal(TARGET, kit.charter.hash, 1, 1), member.fg))
    return _ask(kit, certificates)


def _low_order_key(kit: Kit, certificates: dict) -> Ask:
    """One school, a colluder, certifies a key with which nobody can make a mask."""
    forged = replace(certificates["school-1"].statement, key=bytes(32))
    kit.members[TARGET].node.peers.clear()
    return _ask(kit, certificates | {"school-1": sign(forged, kit.members["school-1"].node.key)})


UNPAID = {"step_went_back": _goes_back, "approval_withdrawn": _withdrawn, "not_acceptable": _low_order_key}


@pytest.mark.parametrize("code", UNPAID)
@pytest.mark.parametrize("defended", [False, True])
def test_no_row_is_looked_at_for_a_question_that_is_not_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, defended: bool
) -> None:
    """Refused by the ledger, or for its roster, a question touches no row: asked a thousand times it tells nothing."""
    if not defended:
        monkeypatch.setattr(LedgerStore, "replay_or_allow", lambda *_: None)
        monkeypatch.setattr(node.answer, "check_roster", lambda *_: None)
    kit = coalition(tmp_path, schools=3)
    ask = UNPAID[code](kit, kit.prepare())
    sums: list[str] = []
    real = private_sum.noised_sum
    monkeypatch.setattr(private_sum, "noised_sum", lambda *given: sums.append("rows") or real(*given))
    assert kit.say(TARGET, ask) == Refusal(code)
    assert bool(sums) != defended


def test_a_refusal_waits_for_its_slot_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused or answered, a reply leaves at the end of a slot of one length; a certificate made before needs none."""
    kit = coalition(tmp_path, schools=3)
    waited: list[float] = []
    monkeypatch.setattr(slots.Slot, "wait", lambda slot: waited.append(slot.seconds))
    assert isinstance(kit.say(TARGET, Prepare(b"no experiment", kit.serials)), Refusal)
    certificates = kit.prepare()
    assert waited == [durations.prepare_seconds(kit.charter, TARGET)] * (1 + len(kit.members))
    kit.prepare()
    assert waited[-len(kit.members) :] == [0.0] * len(kit.members)
    assert isinstance(kit.say(TARGET, _ask(kit, certificates)), Answer)
    assert isinstance(kit.say(TARGET, _ask(kit, certificates, 1, schools=sorted(kit.members)[:2])), Refusal)
    assert waited[-2:] == [durations.step_seconds(kit.plan.steps[0], kit.charter)] * 2


# ---- another request at the same time


@pytest.mark.parametrize("defended", [False, True])
def test_no_other_request_is_answered_before_a_slot_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """A second request sent beside a question waits for the question's slot, not for its rows.

    With one lock for the rows alone, the second reply would tell to the millisecond when they were done.
    """
    kit = coalition(tmp_path, schools=3)
    ask, close = kit.request(TARGET, _ask(kit, kit.prepare())), kit.request(TARGET, Close())
    target = kit.members[TARGET].node
    if not defended:
        target = replace(target, lock=nullcontext())
    asked, ended, order = threading.Event(), threading.Event(), []

    def wait(slot: slots.Slot) -> None:
        if slot.seconds:  # the question's: rows are summed and charged, and the slot has not ended
            asked.set()
            ended.wait(10)
            order.append("slot ended")

    monkeypatch.setattr(slots.Slot, "wait", wait)
    first = threading.Thread(target=answer, args=(target, ask))
    second = threading.Thread(target=lambda: order.append("closed") if answer(target, close) else None)
    first.start()
    assert asked.wait(10)
    second.start()
    second.join(0.2 if defended else 10)  # a door that is open lets it through; a closed one is still closed
    assert order == ([] if defended else ["closed"])
    ended.set()
    first.join()
    second.join()
    assert sorted(order) == ["closed", "slot ended"] and (order[0] == "slot ended") == defended


def test_rows_are_formed_in_the_slot_of_prepare(tmp_path: Path) -> None:
    """Reading tables takes far longer than a small step's slot: it happens once, before any step is asked."""
    kit = coalition(tmp_path, schools=3)
    reads: list[str] = []
    member = kit.members[TARGET]
    rows = member.node.students
    member.node = replace(member.node, students=lambda asked: reads.append("read") or rows(asked))
    certificates = kit.prepare()
    assert reads == ["read"]
    assert isinstance(kit.say(TARGET, _ask(kit, certificates)), Answer)
    assert reads == ["read"]
    enrolments = sum(kit.charter.school(TARGET).enrolments.values())
    assert durations.prepare_seconds(kit.charter, TARGET) == pytest.approx(0.1 + 3e-4 * enrolments)


# ---- an error that nobody foresaw


@pytest.mark.parametrize("where", ["protocol", "ledger"])
def test_an_unforeseen_error_is_a_code_and_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """No exception closes the connection or quotes a row: the reply is a code, the log holds the error's type."""
    kit = coalition(tmp_path, schools=3)
    request = kit.request(TARGET, Prepare(kit.experiment.encoded, kit.serials))

    def breaks(*_: object, **__: object) -> None:
        raise KeyError("Jansen-1234567")

    target, name = {"protocol": (node.answer.protocol, "decode_request"), "ledger": (LedgerStore, "reserve")}[where]
    monkeypatch.setattr(target, name, breaks)
    reply = answer(kit.members[TARGET].node, request)
    assert reply == Refusal("internal_error").encode()
    assert kit.members[TARGET].incidents == ["internal_error: KeyError"]


def test_a_roster_is_judged_as_the_mask_would_be() -> None:
    """`check_roster` refuses what `pairwise_mask` refuses, and accepts what it accepts."""
    keys = [masking.EphemeralKey.generate() for _ in range(3)]
    good = [Party(f"s{i}", 1, key.public) for i, key in enumerate(keys)]
    bad = {
        "low order": [good[0], good[1], Party("s2", 1, bytes(32))],
        "one key twice": [good[0], good[1], Party("s2", 1, good[1].key)],
        "unsorted": good[::-1],
        "without us": good[1:],
    }
    masking.check_roster(good[0], keys[0], good)
    masking.pairwise_mask(good[0], keys[0], good, b"context", 3)
    for roster in bad.values():
        for judge in (
            lambda r=roster: masking.check_roster(good[0], keys[0], r),
            lambda r=roster: masking.pairwise_mask(good[0], keys[0], r, b"context", 3),
        ):
            with pytest.raises(masking.MaskError):
                judge()


def test_every_error_of_the_node_keeps_its_code(tmp_path: Path) -> None:
    """The control: foreseen errors are told apart by code, as before."""
    kit = coalition(tmp_path, schools=3)
    error = NodeError("some_code", "A rule.", "something", "Do this.")
    assert node.answer._refused(kit.members[TARGET].node, error) == Refusal("some_code").encode()
