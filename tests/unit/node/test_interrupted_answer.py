"""A full disk under a node that answers: what was not written was not charged, and the same request works later.

Kills between two writes of a charge stand in tests/attack/test_ledger.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from experiments import protocol
from node.answer import answer
from node.assembly import open_node
from node.errors import StorageFailed
from node.ledger_store import LedgerStore, Question
from privacy.verify import verify_ledger
from tests.kit import Kit, coalition
from tests.unit.coalition.office import office
from tests.unit.node.processes import Ended, in_process, limited

SCHOOL = "school-0"
ROOM = 4096  # a page of SQLite


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Kit, bytes]:
    """Three schools, all prepared, and the request of the first step for one of them."""
    kit = coalition(tmp_path, schools=3)
    certificates = kit.prepare()
    body = protocol.Ask(1, 0, tuple(certificates[school] for school in sorted(certificates)), {})
    return kit, kit.request(SCHOOL, body)


def reopened(kit: Kit) -> LedgerStore:
    """The ledger as a process that starts now finds it."""
    member = kit.members[SCHOOL]
    return LedgerStore.open(member.ledger, member.node.key, member.node.ledger._file._counter)


def answered(kit: Kit, request: bytes, limit: int, deadly: bool) -> Ended:
    """One answer in a process of its own, in which no file grows beyond `limit` bytes; it says the reply."""

    def act() -> int:
        node = replace(kit.members[SCHOOL].node, ledger=reopened(kit))
        limited(limit, deadly)
        os.write(1, answer(node, request))
        return 0

    return in_process(act)


def spent(kit: Kit) -> Fraction:
    """What the school's students have paid, once the chain, the counter and the balances hold."""
    ledger = reopened(kit)
    ledger.check()
    assert verify_ledger(kit.members[SCHOOL].ledger).ok
    return max(balance.spent for balance in ledger.balances().values())


def sweep(kit: Kit, request: bytes, deadly: bool, each: Callable[[Ended], None]) -> None:
    """Ask with no room, a page of room, two pages, …, until there is enough."""
    for pages in range(100):
        ended = answered(kit, request, ROOM * pages, deadly)
        each(ended)
        if ended.signal is None and isinstance(protocol.decode_reply(ended.said), protocol.Answer):
            return
    raise AssertionError("never enough")


def test_a_full_disk_charges_nothing_and_sends_nothing(asked: tuple[Kit, bytes]) -> None:
    """A coded refusal leaves and no sum; when there is room, the same request is answered and charged once."""
    kit, request = asked
    replies: list[protocol.Reply] = []

    def each(ended: Ended) -> None:
        replies.append(protocol.decode_reply(ended.said))
        sent = isinstance(replies[-1], protocol.Answer)
        assert spent(kit) == (kit.plan.steps[0].rho if sent else 0)

    sweep(kit, request, False, each)
    assert set(map(repr, replies[:-1])) == {repr(protocol.Refusal("storage_failed"))}
    assert len(replies) > 3
    assert isinstance(replies[-1], protocol.Answer)
    assert answered(kit, request, ROOM * 1000, False).said == replies[-1].encode()
    assert spent(kit) == kit.plan.steps[0].rho


def test_killed_in_the_middle_of_a_write_charges_what_it_sent(asked: tuple[Kit, bytes]) -> None:
    """The process dies in a write of journal, ledger or counter: nothing was sent, and nothing or one step was paid."""
    kit, request = asked
    cost, deaths = kit.plan.steps[0].rho, []

    def each(ended: Ended) -> None:
        if ended.signal is not None:
            assert (ended.signal, ended.said) == (signal.SIGXFSZ, b"")
            assert spent(kit) in (0, cost)
            deaths.append(ended)

    sweep(kit, request, True, each)
    assert len(deaths) > 3
    assert spent(kit) == cost


def test_a_refusal_leaves_though_the_log_of_incidents_is_full(tmp_path: Path) -> None:
    """What the school should read goes to the operator's screen; the coded refusal goes out as ever."""
    made = office(tmp_path)
    made.accept_charter()
    node = open_node(made.node_folder(SCHOOL))

    def act() -> int:
        limited(0, deadly=False)
        os.write(1, answer(node, b"nothing"))
        return 0

    said = in_process(act).said
    assert protocol.Refusal("not_canonical").encode() in said
    assert b"not_canonical: " in said


def test_a_node_that_sends_what_it_could_not_write_is_noticed(
    asked: tuple[Kit, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: a charge that goes on when the disk is full sends a sum that nobody paid for."""
    kit, request = asked
    real = LedgerStore.charge

    def careless(self: LedgerStore, question: Question, payload: bytes, build: Callable[[bytes], bytes]) -> bytes:
        try:
            return real(self, question, payload, build)
        except StorageFailed:
            return build(bytes(32))

    monkeypatch.setattr(LedgerStore, "charge", careless)

    def each(ended: Ended) -> None:
        sent = isinstance(protocol.decode_reply(ended.said), protocol.Answer)
        assert spent(kit) == (kit.plan.steps[0].rho if sent else 0), "a free answer"

    with pytest.raises(AssertionError, match="a free answer"):
        sweep(kit, request, False, each)
