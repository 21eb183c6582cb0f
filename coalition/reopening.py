"""Evidence arrives; every signature is checked and every sum opened again, and what was asked and found leaves.

The coordinator does this before it drafts a finding, an auditor before believing one: the same code, fed from the
store or from a published folder. Nothing here trusts the coordinator; keys come from the charter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from coalition import approvals, submission
from coalition.errors import NotVerified
from coalition.rounds import answer_holds, party_of
from experiments import definition, planning, protocol
from experiments.errors import ExperimentError
from experiments.frames import MAX_REPLY_BYTES
from privacy import canonical
from privacy.charter import Charter
from privacy.errors import PrivacyError
from privacy.private_sum import open_sum
from privacy.statements import Approval, Certificate, HeadCountersignature, Signed, check, run_id, signed_from_bytes
from shared_schema import load_schema

if TYPE_CHECKING:
    from coalition.evidence import Evidence
    from coalition.store import Exchanged
    from experiments.definition import Experiment
    from shared_schema import Schema

STATE_BYTES = MAX_REPLY_BYTES
# Linear algebra may differ in the last bits from one machine to the next; a changed sum differs by far more.
TOLERANCE = 1e-6
AGAIN = "Ask the coalition for the bundle as it was published; if it is this one, do not rely on it."


@dataclass(frozen=True)
class Papers:
    """The signed documents, each checked against the charter's keys."""

    charter: Charter
    schema: Schema
    experiment: Experiment
    submitter: str
    approvals: tuple[Approval, ...]
    heads: tuple[HeadCountersignature, ...]

    @property
    def serials(self) -> tuple[tuple[str, int], ...]:
        """(school, serial) by school."""
        return tuple(sorted((approval.school, approval.serial) for approval in self.approvals))

    @property
    def run(self) -> bytes:
        """The run's name, which follows from experiment and approvals."""
        return run_id(self.experiment.hash, dict(self.serials))


@dataclass(frozen=True)
class Asked:
    """One attempt at one step: who was asked, whose answers hold, and whether the sum opened.

    false: schools whose answers do not hold; refused: those that said they would not answer.
    """

    step: planning.Step
    attempt: int
    roster: tuple[str, ...]
    context: bytes
    answers: Mapping[str, protocol.Answer]
    false: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def opened(self) -> bool:
        """Whether every school of the roster answered."""
        return set(self.answers) == set(self.roster)

    def paid(self, school: str) -> bool:
        """Whether this school may have been charged: asked, and not heard to refuse. A lost reply was paid for."""
        return school in self.roster and school not in self.refused


@dataclass(frozen=True)
class Reopened:
    """A whole run, opened again from its evidence."""

    papers: Papers
    plan: planning.Plan
    asked: tuple[Asked, ...]
    state: Mapping[str, np.ndarray]
    exchanges: int

    def spent(self, school: str) -> Fraction:
        """ρ that this school was charged in this run, at most: every attempt it may have answered, by declared cost."""
        return sum((one.step.rho for one in self.asked if one.paid(school)), Fraction(0))

    def unheard(self, school: str) -> Fraction:
        """The part of `spent` for which there is no answer: charged or not, only the school's own ledger tells."""
        return sum((one.step.rho for one in self.asked if one.paid(school) and school not in one.answers), Fraction(0))

    def events(self, school: str) -> list[tuple[int, Fraction]]:
        """(Δ, σ²) of every release that `spent` counts."""
        mine = (one for one in self.asked if one.paid(school))
        return [(release.lattice_steps, release.variance) for one in mine for release in one.step.releases]


def wrong(code: str, rule: str, found: str) -> NotVerified:
    """Evidence that does not hold."""
    return NotVerified(code, rule, found, AGAIN)


def read_papers(evidence: Evidence) -> Papers:
    """Check every document's signature and hash. Raises `NotVerified`, `NotAllowed` or a lower error."""
    charter = Charter.from_bytes(evidence.charter)
    schema = load_schema(_extension(evidence.extension))
    experiment = definition.thaw(evidence.experiment)
    if experiment.schema_hash != schema.hash:
        raise wrong("other_schema", "The experiment was frozen against this schema.", "another schema hash")
    statement = submission.checked(charter, experiment.hash, evidence.submission)
    given = tuple(approvals.checked(charter, experiment.hash, data) for data in evidence.approvals)
    if len({approval.school for approval in given}) != len(given):
        raise wrong("approval_twice", "Each school approves a run once.", "two approvals of one school")
    heads = tuple(_head(charter, data) for data in evidence.heads)
    return Papers(charter, schema, experiment, statement.submitter, given, heads)


def _extension(data: bytes) -> Mapping[str, Any] | None:
    """The coalition's own columns, None when it has none; `NotVerified` for bytes that hold no such thing."""
    try:
        extension = json.loads(data)
    except (ValueError, RecursionError):
        extension = 0
    if not isinstance(extension, dict):
        raise wrong("evidence_unreadable", "The schema's extension is a JSON object.", "something else")
    return extension or None


def _head(charter: Charter, data: bytes) -> HeadCountersignature:
    signed = signed_from_bytes(data, HeadCountersignature)
    approvals.check_fg(charter, signed.statement.school, signed)
    return signed.statement


def reopen(evidence: Evidence, papers: Papers) -> Reopened:
    """Open every sum again and follow the chain of states to its end.

    Raises `NotVerified`: a request the coordinator did not sign, a certificate or receipt that does not hold, a
    question that was not asked of everyone alike, or of too few, a state that does not follow, or missing steps.
    """
    plan = planning.plan(papers.experiment, papers.charter, papers.schema)
    recorded = {step: state for step, _, state in evidence.states}
    state: Mapping[str, np.ndarray] = planning.initial_state(plan)
    asked: list[Asked] = []
    rounds = [list(said) for _, said in groupby(evidence.exchanges, key=lambda said: said.round)]
    if [said[0].round for said in rounds] != list(range(len(rounds))):
        raise wrong(
            "exchange_missing", "Exchanges are numbered from 0, without a gap.", f"{len(rounds)} in another order"
        )
    for said in rounds:
        one = _asked(papers, plan, said, state, asked[-1:])
        if one is not None:
            asked.append(one)
            state = _follow(papers, one, state, recorded) if one.opened else state
    _check_complete(plan, asked)
    reopened = Reopened(papers, plan, tuple(asked), state, len(rounds))
    _check_allowance(reopened)
    return reopened


def _check_turn(before: Sequence[Asked], step: int, attempt: int) -> None:
    """Steps and attempts never go back, and a step opens before the next is asked.

    A false receipt is silence if the step opened all the same, as it was to the run: or one school could, by a single
    false answer, keep a finding that all others paid for from ever being published.
    """
    for last in before:
        if (step, attempt) <= (last.step.index, last.attempt):
            raise wrong("order_of_steps", "Steps and attempts never go back.", f"step {step} after {last.step.index}")
        if step > last.step.index and not last.opened:
            raise _unopened(last)


def _unopened(last: Asked) -> NotVerified:
    if last.false:
        place = f"step {last.step.index}, {', '.join(last.false)}"
        return wrong("receipt_wrong", "Each answer carries its school's receipt for these very bytes.", place)
    return wrong("run_incomplete", "Every step of the plan opened once, in order.", f"step {last.step.index} did not")


def _check_allowance(reopened: Reopened) -> None:
    """No school was asked for more than its FG approved: the plan and its retry allowance."""
    for school, _ in reopened.papers.serials:
        if reopened.spent(school) > reopened.plan.rho_reserved:
            raise wrong("over_reserve", "A run stays within what was reserved for it.", f"more at {school}")


def _check_complete(plan: planning.Plan, asked: Sequence[Asked]) -> None:
    if asked and not asked[-1].opened:
        raise _unopened(asked[-1])
    opened = [one.step.index for one in asked if one.opened]
    if opened != [step.index for step in plan.steps]:
        raise wrong("run_incomplete", "Every step of the plan opened once, in order.", f"steps {opened}")


def _asked(
    papers: Papers,
    plan: planning.Plan,
    said: Sequence[Exchanged],
    state: Mapping[str, np.ndarray],
    before: Sequence[Asked],
) -> Asked | None:
    """What one exchange asked of everyone; None for an exchange without a question (prepare, close).

    before: the last question until then, if there was one.
    """
    bodies = {one.school: _body(papers, one) for one in said}
    asks = {school: body for school, body in bodies.items() if isinstance(body, protocol.Ask)}
    if not asks:
        return None
    ask = next(iter(asks.values()))
    if len({canonical.encode(other.fields()) for other in asks.values()}) != 1:
        raise wrong("asked_unalike", "Everyone is asked the same question.", f"a difference in round {said[0].round}")
    step = _step(plan, ask)
    _check_turn(before, step.index, ask.attempt)
    _check_state(step, ask, state)
    parties = [party_of(_certificate(papers, signed)) for signed in ask.roster]
    if [party.school for party in parties] != sorted(asks):
        raise wrong("other_roster", "The schools asked are those of the roster.", f"others in round {said[0].round}")
    _check_roster(papers, sorted(asks), ask.attempt)
    context = protocol.context_of(
        papers.charter, papers.experiment.hash, papers.run, step, parties, ask.attempt, ask.state
    )
    answers = _answers(papers, said, asks, context, step)
    return Asked(step, ask.attempt, tuple(sorted(asks)), context, *answers)


def _check_roster(papers: Papers, roster: Sequence[str], attempt: int) -> None:
    """The rules that every node applies to a roster, so that a finding names no school that a sum could do without."""
    approved = [school for school, _ in papers.serials]
    least = planning.least_roster(papers.experiment, papers.charter, len(approved))
    whole = attempt > 0 or list(roster) == approved
    known = set(roster) <= set(approved) and 0 <= attempt < planning.ATTEMPTS_PER_STEP
    if not (whole and known and len(roster) >= least):
        rule = f"At least {least} of the approved schools answer together, all of them in attempt 0."
        raise wrong("roster_too_small", rule, f"{len(roster)} in attempt {attempt}: {', '.join(roster)}")


def _body(papers: Papers, said: Exchanged) -> protocol.Body:
    """One request, once the coordinator is shown to have signed it, for this school and run."""
    place = f"round {said.round}, {said.school}"
    try:
        request, message, signature = protocol.decode_request(said.request)
        protocol.check_request_signature(papers.charter.coordinator_key, message, signature)
    except (ExperimentError, PrivacyError) as error:
        raise wrong("request_unsigned", "The coordinator signed every request.", f"not so in {place}") from error
    if not isinstance(request, protocol.Request):
        raise wrong("request_of_other_run", "Every request is of this run, to this school.", f"not so in {place}")
    names = (request.charter_hash, request.experiment_hash, request.run, request.school)
    if names != (papers.charter.hash, papers.experiment.hash, papers.run, said.school):
        raise wrong("request_of_other_run", "Every request is of this run, to this school.", f"not so in {place}")
    if isinstance(request.body, protocol.Prepare):
        expected = protocol.Prepare(papers.experiment.encoded, papers.serials)
        if request.body.fields() != expected.fields():
            raise wrong("other_preparation", "Schools prepare the approved experiment.", f"another in {place}")
    return request.body


def _step(plan: planning.Plan, ask: protocol.Ask) -> planning.Step:
    if not 1 <= ask.step <= len(plan.steps):
        raise wrong("no_such_step", "Every question stands in the plan.", f"step {ask.step}")
    return plan.steps[ask.step - 1]


def _check_state(step: planning.Step, ask: protocol.Ask, state: Mapping[str, np.ndarray]) -> None:
    expected = planning.asked_at(step, state)
    if canonical.encode(dict(expected)) != canonical.encode(dict(ask.state)):
        raise wrong(
            "other_state",
            "A step is asked at the state that the steps before it opened.",
            f"another at step {ask.step}",
        )


def _certificate(papers: Papers, signed: Signed[Certificate]) -> Certificate:
    certificate = signed.statement
    try:
        check(signed, papers.charter.school(certificate.school).node_key)
    except PrivacyError as error:
        rule = "Each certificate is signed by the node that the charter names."
        raise wrong("certificate_unsigned", rule, f"not so for {certificate.school}") from error
    names = (certificate.charter_hash, certificate.experiment_hash, certificate.run)
    if names != (papers.charter.hash, papers.experiment.hash, papers.run):
        raise wrong("certificate_of_other_run", "Certificates are of this run.", f"another of {certificate.school}")
    return certificate


def _answers(
    papers: Papers,
    said: Sequence[Exchanged],
    asks: Mapping[str, protocol.Ask],
    context: bytes,
    step: planning.Step,
) -> tuple[dict[str, protocol.Answer], tuple[str, ...], tuple[str, ...]]:
    """The answers whose receipts hold, the schools whose do not, and those that refused; all else is silence."""
    replies = {one.school: _reply(one) for one in said if one.school in asks and one.reply is not None}
    given = {school: reply for school, reply in replies.items() if isinstance(reply, protocol.Answer)}
    held = {
        school: reply
        for school, reply in given.items()
        if answer_holds(papers.charter, school, reply, context, step.dimension)
    }
    refused = tuple(sorted(school for school, reply in replies.items() if isinstance(reply, protocol.Refusal)))
    return held, tuple(sorted(set(given) - set(held))), refused


def _reply(said: Exchanged) -> protocol.Reply | None:
    try:
        return protocol.decode_reply(said.reply or b"")
    except (ExperimentError, PrivacyError):
        return None  # what a school said was no reply: the run counted it as silence


def _follow(
    papers: Papers, one: Asked, state: Mapping[str, np.ndarray], recorded: Mapping[int, bytes]
) -> dict[str, np.ndarray]:
    """Open one sum; the recorded state must follow from it, and is where the next step goes on."""
    totals = open_sum([one.answers[school].masked for school in one.roster], one.step.releases)
    derived = planning.absorb(one.step, totals, len(one.roster), papers.charter, state)
    if one.step.index not in recorded:
        raise wrong("state_missing", "The state after every step is recorded.", f"none after {one.step.index}")
    after = canonical.decode(recorded[one.step.index], max_bytes=STATE_BYTES)
    if not isinstance(after, dict) or not _same(derived, after):
        raise wrong(
            "state_does_not_follow", "Each state follows from the opened sums.", f"another after {one.step.index}"
        )
    return after


def _same(derived: Mapping[str, np.ndarray], recorded: Mapping[str, np.ndarray]) -> bool:
    return set(derived) == set(recorded) and all(_close(derived[key], recorded[key]) for key in derived)


def _close(derived: np.ndarray, recorded: object) -> bool:
    if not isinstance(recorded, np.ndarray) or recorded.shape != derived.shape:
        return False
    scale = max(1.0, float(np.max(np.abs(derived), initial=0.0)))
    return bool(np.all(np.abs(derived - recorded) <= TOLERANCE * scale))
