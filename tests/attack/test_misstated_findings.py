"""A finding that holds together and yet says less than happened: what an auditor must find (METHODS §7, attack 14).

The coordinator writes the evidence. It can leave a question out, count a roster too small for the roster that was
approved, or publish what a disclosure rule forbids; and one school can answer with bytes that its receipt does not
cover. Each attack first succeeds with its defence off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalition import audits, evidence, publication, reopening, rounds, running, verification
from coalition.errors import NotVerified
from coalition.evidence import Evidence
from coalition.finding import compose
from coalition.reopening import Papers, Reopened, read_papers, reopen
from experiments import protocol
from experiments.protocol import Answer, Ask
from node import policy
from privacy import disclosure
from tests.unit.coalition.office import Office, office

LOSER = "school-3"
STEP = 3  # the step at which one school's answer goes wrong
Change = Callable[[bytes], bytes | None]


class Mishap:
    """Every school answers; one school's first answer to one step is changed on its way, or lost."""

    def __init__(self, made: Office, change: Change) -> None:
        self._inner, self._change = made.transport(made.experiment), change

    def exchange(self, requests: Any, needed: Any, timeout: float, arrived: Any) -> None:
        def heard(school: str, reply: bytes) -> None:
            body = protocol.decode_request(requests[school])[0].body
            struck = school == LOSER and isinstance(body, Ask) and (body.step, body.attempt) == (STEP, 0)
            told = self._change(reply) if struck else reply
            if told is not None:
                arrived(school, told)

        self._inner.exchange(requests, needed, timeout, heard)


def _ran(folder: Path, change: Change) -> tuple[Office, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    made = office(folder, schools=4)
    made.accept_charter()
    made.approve(made.submit())
    transport = Mishap(made, change)
    return made, running.carry_out(made.workspace, made.experiment, transport, lambda *_: None)


def _evidence(made: Office) -> tuple[Evidence, Papers]:
    collected = evidence.from_store(made.workspace, made.experiment)
    return collected, read_papers(collected)


def _audit(made: Office, finding: dict[str, Any], reopened: Reopened, school: str) -> str:
    ledger = made.node_folder(school).ledger
    return verification.check_ledger(ledger, finding, reopened.papers, {}, reopened)


def _refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(NotVerified) as found:
        act()
    assert found.value.code == code


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Office, dict[str, Any]]:
    """A run in which one answer was paid for and never arrived, so that all others paid a step twice."""
    return _ran(tmp_path_factory.mktemp("lost"), lambda _: None)


def test_a_lost_answer_is_counted_as_paid(lost: tuple[Office, dict[str, Any]]) -> None:
    """The school was charged before its answer left: the finding says so, and every ledger agrees with it."""
    made, finding = lost
    reopened = reopen(*_evidence(made))
    for school in made.schools:
        spent = max(balance.spent for balance in made.desk(school).ledger.balances().values())
        assert reopened.spent(school) == spent
        assert _audit(made, finding, reopened, school)
    assert reopened.unheard(LOSER) == reopened.plan.steps[STEP - 1].rho and reopened.unheard("school-0") == 0
    verification.check_cost(finding, reopened)


@pytest.mark.parametrize("defended", [False, True])
def test_a_question_left_out_of_the_evidence_is_found_in_the_ledger(
    lost: tuple[Office, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Without the exchange that did not open, every sum still opens and the cost is a step too low."""
    if not defended:
        monkeypatch.setattr(verification, "_check_shown", lambda *_: None)
    made, whole = lost
    collected, papers = _evidence(made)
    kept = [said for said in collected.exchanges if (said.step, said.attempt) != (STEP, 0)]
    numbers = {old: new for new, old in enumerate(sorted({said.round for said in kept}))}
    told = replace(collected, exchanges=tuple(replace(said, round=numbers[said.round]) for said in kept))
    reopened = reopen(told, papers)
    finding = compose(reopened, False, None, audits.kept(made.workspace, made.experiment))
    verification.check_cost(finding, reopened)
    verification.check_figures(finding, reopened)
    assert reopened.spent("school-0") < reopen(collected, papers).spent("school-0")
    assert finding["privacy"]["accounts"][0]["epsilon_zcdp"] < whole["privacy"]["accounts"][0]["epsilon_zcdp"]
    if defended:
        _refused("charge_hidden", lambda: _audit(made, finding, reopened, "school-0"))
    else:
        assert _audit(made, finding, reopened, "school-0")


def test_a_made_up_refusal_hides_no_charge(lost: tuple[Office, dict[str, Any]]) -> None:
    """Nobody signs a refusal; the ledger of the school that is said to have refused tells that it paid."""
    made, finding = lost
    collected, papers = _evidence(made)
    silent = protocol.Refusal("prepare_first").encode()
    told = [
        replace(said, reply=silent) if (said.step, said.attempt, said.school) == (STEP, 0, LOSER) else said
        for said in collected.exchanges
    ]
    reopened = reopen(replace(collected, exchanges=tuple(told)), papers)
    assert reopened.unheard(LOSER) == 0
    _refused("charge_hidden", lambda: _audit(made, finding, reopened, LOSER))


def _another_word(reply: bytes) -> bytes:
    answer = protocol.decode_reply(reply)
    assert isinstance(answer, Answer)
    masked = answer.masked.copy()
    masked[0] += np.uint64(1)
    return Answer(masked, answer.receipt).encode()


def test_one_false_answer_does_not_stop_a_finding(tmp_path: Path) -> None:
    """A school that signs for other bytes than it sends is left out of the next attempt, and the finding is drafted.

    The run counted its answer as silence. Were the auditor to call it a forgery, one school could bury every finding.
    """
    made, finding = _ran(tmp_path / "false", _another_word)
    reopened = reopen(*_evidence(made))
    struck = next(one for one in reopened.asked if (one.step.index, one.attempt) == (STEP, 0))
    assert struck.false == (LOSER,) and not struck.opened
    verification.check_figures(finding, reopened)


def test_a_false_answer_in_an_opened_step_is_still_a_forgery(lost: tuple[Office, dict[str, Any]]) -> None:
    """Where the sum opened with an answer, changing that answer or its receipt is named as what it is."""
    made, _ = lost
    collected, papers = _evidence(made)
    told = [
        replace(said, reply=_another_word(said.reply or b"")) if (said.step, said.school) == (1, "school-0") else said
        for said in collected.exchanges
    ]
    _refused("receipt_wrong", lambda: reopen(replace(collected, exchanges=tuple(told)), papers))


def test_steps_in_another_order_are_refused(lost: tuple[Office, dict[str, Any]]) -> None:
    """An exchange told twice is an attempt that went back."""
    made, _ = lost
    collected, papers = _evidence(made)
    again = [replace(said, round=said.round + 1) for said in collected.exchanges if said.round >= 1]
    once = [said for said in collected.exchanges if said.round <= 1]
    _refused("order_of_steps", lambda: reopen(replace(collected, exchanges=(*once, *again)), papers))


@pytest.mark.parametrize("defended", [False, True])
def test_a_sum_over_too_few_schools_is_no_finding_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Colluders who answer a roster of their own give a sum that opens; the finding would name four schools.

    Honest nodes refuse such a roster, so here the nodes' own rules and the coordinator's are off.
    """
    monkeypatch.setattr(policy, "check_roster", lambda *_: None)
    monkeypatch.setattr(policy, "check_attempt", lambda *_: None)
    monkeypatch.setattr(rounds, "_check_roster", lambda *_: None)
    made = office(tmp_path, schools=4)
    made.accept_charter()
    made.approve(made.submit())
    inner = made.transport(made.experiment)

    class Two:
        """Only two of the four are ever asked."""

        def exchange(self, requests: Any, needed: Any, timeout: float, arrived: Any) -> None:
            present = {school: said for school, said in requests.items() if school in ("school-0", "school-1")}
            inner.exchange(present, set(present), timeout, arrived)

    if not defended:
        monkeypatch.setattr(reopening, "_check_roster", lambda *_: None)
        finding = running.carry_out(made.workspace, made.experiment, Two(), lambda *_: None)
        assert len(finding["population"]["schools"]) == 4
        return
    _refused("roster_too_small", lambda: running.carry_out(made.workspace, made.experiment, Two(), lambda *_: None))


def test_a_finding_that_fails_disclosure_does_not_verify(
    lost: tuple[Office, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published in spite of a rule, with its own failure honestly told, a bundle is refused by every auditor."""
    made, honest = lost
    reopened = reopen(*_evidence(made))
    verification.check_figures(honest, reopened)
    real = disclosure.check

    def stricter(**given: Any) -> disclosure.Report:
        return real(**{**given, "smallest_cohort": 10**6})

    monkeypatch.setattr(disclosure, "check", stricter)
    finding = compose(reopened, False, None, audits.kept(made.workspace, made.experiment))
    assert not finding["disclosure"]["passed"]
    _refused("disclosure_failed", lambda: verification.check_figures(finding, reopened))
    with pytest.raises(publication.DisclosureBlocked):
        publication.draft(made.workspace, made.experiment)
