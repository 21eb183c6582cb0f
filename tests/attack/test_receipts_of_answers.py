"""What the coordinator counts as a school's answer (METHODS §7, attacks 3 and 14): bytes with that school's receipt.

Without receipts a relay could pass one school's answer for another's, or change it on its way, and the finding would
name schools that never said it. Each wrong answer is the honest one with one thing changed; the honest one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coalition.rounds import answer_holds
from experiments.protocol import Answer
from privacy.identity import SigningKey
from privacy.statements import payload_hash, sign
from tests.attack.test_coordinator import _ask
from tests.kit import Kit, coalition

SCHOOL = "school-0"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return coalition(tmp_path_factory.mktemp("coalition"), schools=3)


@pytest.fixture(scope="module")
def honest(kit: Kit) -> Answer:
    reply = kit.say(SCHOOL, _ask(kit, kit.prepare()))
    assert isinstance(reply, Answer)
    return reply


def _signed_anew(kit: Kit, answer: Answer, key: SigningKey | None = None, **changes: Any) -> Answer:
    statement = replace(answer.receipt.statement, **changes)
    return replace(answer, receipt=sign(statement, key or kit.members[SCHOOL].node.key))


def _other_bytes(kit: Kit, answer: Answer) -> Answer:
    masked = answer.masked.copy()
    masked[0] += np.uint64(1)
    return replace(answer, masked=masked)


def _shorter(kit: Kit, answer: Answer) -> Answer:
    """One word fewer, rightly signed for."""
    masked = answer.masked[:-1].copy()
    payload = payload_hash(answer.receipt.statement.context_hash, masked.tobytes())
    return replace(_signed_anew(kit, answer, payload_hash=payload), masked=masked)


WRONG: dict[str, Callable[[Kit, Answer], Answer]] = {
    "another school's signature": lambda kit, answer: _signed_anew(kit, answer, kit.members["school-1"].node.key),
    "nobody's signature": lambda kit, answer: _signed_anew(kit, answer, SigningKey.generate()),
    "another school's name": lambda kit, answer: _signed_anew(kit, answer, school="school-1"),
    "another question": lambda kit, answer: _signed_anew(kit, answer, context_hash=bytes(32)),
    "other bytes": _other_bytes,
    "another length": _shorter,
}


def _counts(kit: Kit, honest: Answer, answer: Answer) -> bool:
    context = honest.receipt.statement.context_hash
    return answer_holds(kit.charter, SCHOOL, answer, context, kit.plan.steps[0].dimension)


@pytest.mark.parametrize("what", WRONG)
def test_an_answer_counts_with_its_own_receipt_only(kit: Kit, honest: Answer, what: str) -> None:
    """Signed by another, of another question, or over other bytes: it is silence, and its school loses its place."""
    assert _counts(kit, honest, honest)
    assert not _counts(kit, honest, WRONG[what](kit, honest))
