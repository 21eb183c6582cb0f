"""A node that comes back (METHODS §7, attack 13b): from yesterday's backup, or in the middle of a run.

What must never happen: one mask over two vectors, or one slot answered twice with two noises. Two answers under one
mask differ by their noises alone, a number of sigma's size; under two masks the difference is uniform words.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.protocol import Answer, Ask, Prepare, Prepared, Refusal
from node.counter import Counter
from node.errors import RestoredBackup
from node.ledger_store import LedgerStore
from tests.attack.test_coordinator import HONEST, NOISE, _ask
from tests.kit import Kit, coalition

TARGET = "school-0"


def _reopen(kit: Kit, keep_key: bool) -> None:
    """The target's process ends and starts again; `keep_key`: its memory too, as a live snapshot would have it."""
    member = kit.members[TARGET]
    ledger = LedgerStore.open(member.ledger, member.node.key, Counter(kit.folder / f"{TARGET}.counter"))
    kept = {} if keep_key else {"sessions": {}, "peers": {}}
    member.node = replace(member.node, ledger=ledger, **kept)


def _backup(kit: Kit, counter_too: bool) -> None:
    """Put yesterday's files back: the ledger, and the counter where it was in the backup set."""
    shutil.copy(kit.folder / "yesterday.sqlite", kit.members[TARGET].ledger)
    if counter_too:
        shutil.copy(kit.folder / "yesterday.counter", kit.folder / f"{TARGET}.counter")


def _answers(kit: Kit, ask: Ask, counter_too: bool) -> list[np.ndarray | Refusal]:
    """The target's answers to one question: before, and after a backup of just before it was put back."""
    member = kit.members[TARGET]
    shutil.copy(member.ledger, kit.folder / "yesterday.sqlite")
    shutil.copy(kit.folder / f"{TARGET}.counter", kit.folder / "yesterday.counter")
    first = kit.say(TARGET, ask)
    _backup(kit, counter_too)
    _reopen(kit, keep_key=True)
    return [reply.masked if isinstance(reply, Answer) else reply for reply in (first, kit.say(TARGET, ask))]


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.median(np.abs((first - second).view(np.int64).astype(np.float64))))


@pytest.mark.parametrize("defended", [False, True])
def test_a_restored_node_does_not_answer_one_question_twice(tmp_path: Path, defended: bool) -> None:
    """Defence off: the counter lay in the backup set and the key in a live snapshot. One mask, two noises, one price.

    Ten such answers would average the noise to a third. With the counter elsewhere nothing is answered at all.
    """
    kit = coalition(tmp_path, schools=3)
    first, second = _answers(kit, _ask(kit, kit.prepare()), counter_too=not defended)
    if defended:
        assert isinstance(second, Refusal) and second.code == "ledger_blocked"
        with pytest.raises(RestoredBackup):
            kit.members[TARGET].node.ledger.check()
        return
    assert isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    assert (first != second).any() and _difference(first, second) < HONEST
    charges = [entry for entry in kit.members[TARGET].node.ledger.entries() if entry.kind == "charge"]
    assert len(charges) == 1


def test_after_the_expected_head_the_old_run_stays_closed(tmp_path: Path) -> None:
    """The FG supplies the head that the restored ledger ends with; the run of before is not answered any more."""
    kit = coalition(tmp_path, schools=3)
    ask = _ask(kit, kit.prepare())
    _answers(kit, ask, counter_too=False)
    ledger = kit.members[TARGET].node.ledger
    with pytest.raises(RestoredBackup):
        ledger.accept_head(bytes(32))
    ledger.accept_head(ledger.head().head)
    assert kit.say(TARGET, ask) == Refusal("run_closed")
    _reopen(kit, keep_key=False)
    assert kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials)) == Refusal("approval_used")


def test_a_node_that_restarts_has_a_fresh_key_and_repeats_what_it_said(tmp_path: Path) -> None:
    """In mid-run: the old question gets the stored bytes, the next attempt another mask; epochs count on."""
    kit = coalition(tmp_path, schools=3)
    certificates = kit.prepare()
    ask = _ask(kit, certificates)
    said = kit.say(TARGET, ask)
    _reopen(kit, keep_key=False)
    assert kit.say(TARGET, ask) == Refusal("prepare_first")
    again = kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials))
    assert isinstance(said, Answer) and isinstance(again, Prepared)
    before, after = certificates[TARGET].statement, again.certificate.statement
    assert after.key != before.key and after.epoch == before.epoch + 1
    repeated = kit.say(TARGET, ask)
    assert isinstance(repeated, Answer) and repeated.encode() == said.encode()
    other = kit.say(TARGET, _ask(kit, certificates | {TARGET: again.certificate}, attempt=1))
    assert isinstance(other, Answer) and _difference(said.masked, other.masked) > NOISE


def test_a_key_of_before_the_restart_makes_no_new_answer(tmp_path: Path) -> None:
    """A roster that shows the node under its old key is refused for a question it had not answered."""
    kit = coalition(tmp_path, schools=3)
    certificates = kit.prepare()
    _reopen(kit, keep_key=False)
    assert isinstance(kit.say(TARGET, Prepare(kit.experiment.encoded, kit.serials)), Prepared)
    assert kit.say(TARGET, _ask(kit, certificates)) == Refusal("key_outdated")
