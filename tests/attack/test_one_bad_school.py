"""One school that misbehaves costs the others an attempt at most; it cannot end a run for everyone.

A certificate that no node can use would be refused by every honest school, and the coordinator would have lost all of
them but the culprit. Each attack first succeeds with its defence off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from coalition import rounds
from coalition.errors import RunStopped
from coalition.transport import InProcess
from experiments import protocol
from experiments.protocol import Prepared
from node.answer import answer
from privacy.masking import EphemeralKey
from privacy.statements import Certificate, sign
from tests.kit import Kit, coalition

CULPRIT, VICTIM = "school-4", "school-0"
Forge = Callable[[Kit, Certificate], Certificate]


def _low_order(kit: Kit, own: Certificate) -> Certificate:
    return replace(own, key=bytes(32))


def _someone_elses(kit: Kit, own: Certificate) -> Certificate:
    victim = kit.members[VICTIM].node.sessions.get(kit.assignment.run)
    return replace(own, key=victim.certificate.statement.key) if victim else own


FORGERIES: dict[str, Forge] = {"a key of low order": _low_order, "another school's key": _someone_elses}


def _with_culprit(kit: Kit, forge: Forge) -> InProcess:
    """Everyone's real node, but for one school's certificates, which it signs itself."""

    def door(data: bytes) -> bytes:
        reply = protocol.decode_reply(answer(kit.members[CULPRIT].node, data))
        if not isinstance(reply, Prepared):
            return reply.encode()
        forged = forge(kit, reply.certificate.statement)
        return Prepared(sign(forged, kit.members[CULPRIT].node.key)).encode()

    return InProcess(kit.doors() | {CULPRIT: door})


@pytest.mark.parametrize("what", FORGERIES)
@pytest.mark.parametrize("defended", [False, True])
def test_a_certificate_nobody_can_use_costs_its_own_school_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, defended: bool
) -> None:
    """The coordinator judges keys as every node will: the culprit is left out and the run goes to its end."""
    kit = coalition(tmp_path)
    kit.prepare()  # so that the victim's key is known to the culprit beforehand
    transport = _with_culprit(kit, FORGERIES[what])
    if not defended:
        trusting = SimpleNamespace(generate=lambda: SimpleNamespace(agree=lambda _: b""))
        monkeypatch.setattr(rounds, "_is_own_key", lambda *_: True)
        monkeypatch.setattr(rounds, "EphemeralKey", trusting)
        with pytest.raises(RunStopped):
            rounds.run(kit.assignment, kit.store, transport)
        assert kit.members[VICTIM].incidents[-1].startswith("not_acceptable")
        return
    rounds.run(kit.assignment, kit.store, transport)
    charges = [entry for entry in kit.members[VICTIM].node.ledger.entries() if entry.kind == "charge"]
    assert len(charges) == len(kit.plan.steps) and all(len(entry.details["roster"]) == 4 for entry in charges)


def test_two_keys_for_one_epoch_cost_the_school_its_place(tmp_path: Path) -> None:
    """A school that comes back with a new key under its old epoch is not invited in again; the others finish."""
    kit = coalition(tmp_path)
    calls: list[bytes] = []

    def door(data: bytes) -> bytes:
        node = kit.members[CULPRIT].node
        calls.append(data)
        if len(calls) == 3:
            return protocol.Refusal("prepare_first").encode()
        reply = protocol.decode_reply(answer(node, data))
        if len(calls) < 3 or not isinstance(reply, Prepared):
            return reply.encode()
        again = replace(reply.certificate.statement, key=EphemeralKey.generate().public)
        return Prepared(sign(again, node.key)).encode()

    rounds.run(kit.assignment, kit.store, InProcess(kit.doors() | {CULPRIT: door}))
    rosters = [e.details["roster"] for e in kit.members[VICTIM].node.ledger.entries() if e.kind == "charge"]
    assert [len(roster) for roster in rosters] == [5, 5, *[4] * (len(kit.plan.steps) - 1)]
