"""Request bytes arrive; a masked private sum, a certificate or a coded refusal leaves. This is the one way out.

Order of an answer (DESIGN §3), each step its own function below:
 1 read        size, canonical form, coordinator's signature, charter, school         -> `_received`
 2 derive      experiment, plan, roster and context, all from the node's own files     -> `_ask`
 3 replay      the same context gets the same bytes, free; what cannot be charged is refused -> `_ask`
 4 sum         clip, lattice, exact sum, noise: after this line no row is looked at     -> `_private_sum`
 5 mask        bound to the context: a forked question opens to noise                  -> `_private_sum`
 6 charge      ledger entry and reply bytes in one transaction, then the reply         -> `_charge`
 7 slot        whatever is said leaves at a time that follows from declared sizes      -> `slots.Slot`

One request at a time, slot included (docs/decisions/010): the time of another reply would tell how long rows took.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from experiments import definition, durations, planning, protocol, selection
from experiments.errors import ExperimentError
from experiments.students import Students
from node import policy
from node.errors import NodeError, Refusal
from node.ledger_store import Question
from node.slots import Slot
from privacy.errors import PrivacyError
from privacy.masking import EphemeralKey, Party, check_roster
from privacy.private_sum import masked_sums
from privacy.statements import Certificate, Greeting, Receipt, Signed, check, payload_hash, run_id, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.definition import Experiment
    from node.ledger_store import LedgerStore
    from privacy.charter import Charter
    from privacy.identity import SigningKey
    from shared_schema import Schema

WORD_BYTES = 8


@dataclass
class Session:
    """One prepared run. The key lives in memory only and dies with `close` or with the process."""

    experiment: Experiment
    plan: planning.Plan
    approved: tuple[str, ...]
    students: Students
    key: EphemeralKey
    certificate: Signed[Certificate]


@dataclass(frozen=True)
class Node:
    """Everything an answer needs, opened once.

    policy: the school's rules as they stand at that moment, so that a change counts at once; peers: the one key of
    each (school, epoch) met so far, in any run.
    """

    school: str
    charter: Charter
    schema: Schema
    policy: Callable[[], policy.Policy]
    ledger: LedgerStore
    key: SigningKey
    students: Callable[[Experiment], Students]
    incident: Callable[[str], None]
    sessions: dict[bytes, Session] = field(default_factory=dict)
    peers: dict[tuple[str, int], bytes] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


def answer(node: Node, data: bytes) -> bytes:
    """Answer one request. Whatever goes wrong leaves as a code; words and figures stay in the school's log."""
    try:
        request = _received(node, data)
    except Exception as error:
        return _refused(node, error)
    with node.lock:
        slot = Slot.begin(_seconds(node, request))
        try:
            reply = _dispatch(node, request)
        except Exception as error:
            reply = _refused(node, error)
        slot.wait()
    return reply


def _received(node: Node, data: bytes) -> protocol.Request | protocol.Hello:
    request, message, signature = protocol.decode_request(data)
    _check_sender(node, request, message, signature)
    return request


def _check_sender(node: Node, request: protocol.Request | protocol.Hello, message: bytes, signature: bytes) -> None:
    if request.charter_hash != node.charter.hash:
        raise Refusal(
            "other_charter",
            "Requests name the charter this FG accepted.",
            "another",
            "Accept the new charter first.",
        )
    if isinstance(request, protocol.Request) and request.school != node.school:
        raise Refusal("other_school", "A request is for this school.", "another id", "Check the relay's socket.")
    protocol.check_request_signature(node.charter.coordinator_key, message, signature)


def _refused(node: Node, error: Exception) -> bytes:
    """The code for the outside. Of an error that nobody foresaw only the type is noted: its words may quote a row."""
    match error:
        case NodeError() | ExperimentError():
            code, words = error.code, str(error)
        case PrivacyError():
            code, words = "not_acceptable", str(error)
        case _:
            code, words = "internal_error", type(error).__name__
    node.incident(f"{code}: {words}")
    return protocol.Refusal(code).encode()


def _seconds(node: Node, request: protocol.Request | protocol.Hello) -> float:
    """Length of this reply's slot, known before anything is looked at: an answer's or a refusal's alike."""
    if isinstance(request, protocol.Hello):
        return 0.0
    session = node.sessions.get(request.run)
    match request.body:
        case protocol.Prepare() if session is None:  # rows are to be formed
            return durations.prepare_seconds(node.charter, node.school)
        case protocol.Ask(step=index) if session is not None and 1 <= index <= len(session.plan.steps):
            return durations.step_seconds(session.plan.steps[index - 1], node.charter)
    return 0.0


def _dispatch(node: Node, request: protocol.Request | protocol.Hello) -> bytes:
    if isinstance(request, protocol.Hello):
        return _greet(node, request).encode()
    match request.body:
        case protocol.Prepare():
            return _prepare(node, request, request.body).encode()
        case protocol.Ask():
            return _ask(node, request, request.body)
        case protocol.Close():
            return _close(node, request.run).encode()


def _greet(node: Node, hello: protocol.Hello) -> protocol.Greeted:
    """Say which school this is, so that an address of the transport is bound by a signature, not by a setting."""
    return protocol.Greeted(sign(Greeting(node.charter.hash, node.school, hello.address, hello.challenge), node.key))


def _prepare(node: Node, request: protocol.Request, body: protocol.Prepare) -> protocol.Prepared:
    """Check approvals and rules, reserve the whole plan, make the run's key. Asked again: the same certificate."""
    experiment = definition.thaw(body.experiment)
    _check_run(node, request, body, experiment)
    for overdue in node.ledger.expired_runs():
        _close(node, overdue)
    session = node.sessions.get(request.run)
    if session is None:
        session = _open_session(node, request, body, experiment)
        node.sessions[request.run] = session
    return protocol.Prepared(session.certificate)


def _check_run(node: Node, request: protocol.Request, body: protocol.Prepare, experiment: Experiment) -> None:
    if experiment.hash != request.experiment_hash or request.run != run_id(experiment.hash, dict(body.serials)):
        raise Refusal(
            "run_not_derived",
            "A run follows from experiment and approvals.",
            "another",
            "Do not choose run names.",
        )
    if experiment.schema_hash != node.schema.hash:
        raise Refusal(
            "other_schema",
            "Experiment and node use one schema.",
            "another hash",
            "Install the coalition's schema.yaml.",
        )
    schools = tuple(school for school, _ in body.serials)
    rules = node.policy()
    policy.check_experiment(rules, node.charter, experiment, node.school)
    policy.check_roster(rules, node.charter, experiment, schools)
    for school in schools:
        node.charter.school(school)
    if node.school not in schools:
        raise Refusal(
            "not_in_roster", "The run names this school.", "other schools only", "Ask this school's FG first."
        )


def _open_session(node: Node, request: protocol.Request, body: protocol.Prepare, experiment: Experiment) -> Session:
    plan = planning.plan(experiment, node.charter, node.schema)
    serial = dict(body.serials)[node.school]
    rules = node.policy()
    if node.ledger.run(request.run) is None:
        policy.check_seen(rules, node.ledger.last_seen(), node.ledger.now())
    for population, cohort in plan.accounts:
        node.ledger.ensure_cap((population, str(cohort)), rules.lifetime_budget.rho)
    deadline = node.ledger.reserve(
        run=request.run,
        experiment_hash=experiment.hash,
        serial=serial,
        accounts=[(population, str(cohort)) for population, cohort in plan.accounts],
        rho=plan.rho_reserved,
        deadline=node.ledger.now() + rules.plan_days * policy.SECONDS_PER_DAY,
    )
    key = EphemeralKey.generate()
    certificate = Certificate(
        charter_hash=node.charter.hash,
        experiment_hash=experiment.hash,
        run=request.run,
        school=node.school,
        epoch=node.ledger.next_epoch(),
        node_nonce=os.urandom(32),
        key=key.public,
        deadline=deadline,
    )
    approved = tuple(school for school, _ in body.serials)
    students = _rows(node, experiment)
    return Session(experiment, plan, approved, students, key, sign(certificate, node.key))


def _rows(node: Node, experiment: Experiment) -> Students:
    """The run's rows, formed in the slot of *prepare*, so that no question's slot has to hold the reading of tables.

    Selection is a total function, so nothing should fail here. Should it, whatever the reason, there are no rows and a
    line stands in the local log: a refusal would tell the outside something about rows.
    """
    try:
        return node.students(experiment)
    except Exception as error:
        node.incident(f"selection stopped: {type(error).__name__}")
        names = tuple(feature.name for feature in selection.features_of(experiment, node.schema))
        return Students(np.zeros((0, len(names))), np.zeros(0), np.zeros(0, dtype=np.bool_), names)


def _ask(node: Node, request: protocol.Request, body: protocol.Ask) -> bytes:
    session = node.sessions.get(request.run)
    if session is None or session.experiment.hash != request.experiment_hash:
        raise Refusal(
            "prepare_first",
            "A run is prepared since the node started.",
            "no key",
            "Prepare this school again.",
        )
    step = _step(session, body)
    roster = _roster(node, session, request, body)
    _check_state(step, body.state)
    context = protocol.context_of(
        node.charter, request.experiment_hash, request.run, step, roster, body.attempt, body.state
    )
    question = _question(request, step, body.attempt, context, roster)
    stored = node.ledger.replay_or_allow(question)
    if stored is not None:
        return stored
    own = next(party for party in roster if party.school == node.school)
    if (own.epoch, own.key) != (session.certificate.statement.epoch, session.certificate.statement.key):
        raise Refusal(
            "key_outdated",
            "The roster names this node's present key.",
            "an older one",
            "Ask in the next attempt.",
        )
    check_roster(own, session.key, roster)
    masked = _private_sum(node, session, step, roster, own, context, body.state)
    return _charge(node, question, masked)


def _question(
    request: protocol.Request, step: planning.Step, attempt: int, context: bytes, roster: list[Party]
) -> Question:
    return Question(
        run=request.run,
        experiment_hash=request.experiment_hash,
        step=step.index,
        attempt=attempt,
        context_hash=context,
        payload_bytes=WORD_BYTES * step.dimension,
        roster=[party.school for party in roster],
        releases=[(planned.query.name, planned.release) for planned in step.queries],
    )


def _step(session: Session, body: protocol.Ask) -> planning.Step:
    if not 1 <= body.step <= len(session.plan.steps) or not 0 <= body.attempt < planning.ATTEMPTS_PER_STEP:
        raise Refusal("no_such_step", "Step and attempt stand in the plan.", "another number", "Follow the plan.")
    return session.plan.steps[body.step - 1]


def _check_state(step: planning.Step, state: protocol.State) -> None:
    """Range-check the public state before any row is read; a key that no query declares is refused."""
    for planned in step.queries:
        planned.query.check_state(planning.state_for(planned.query, state))
    if planning.asked_at(step, state).keys() != state.keys():
        raise Refusal("state_out_of_range", "A state holds what the step declares.", "more", "Send what the plan says.")


def _roster(node: Node, session: Session, request: protocol.Request, body: protocol.Ask) -> list[Party]:
    """Every certificate checked against the identities pinned in the charter; two keys for one epoch are refused."""
    certificates = [signed.statement for signed in body.roster]
    schools = [certificate.school for certificate in certificates]
    rules = node.policy()
    policy.check_experiment(rules, node.charter, session.experiment, node.school)
    policy.check_roster(rules, node.charter, session.experiment, schools)
    policy.check_attempt(node.charter, session.approved, schools, body.attempt)
    if node.school not in schools:
        raise Refusal(
            "not_in_roster",
            "The roster names this school.",
            "other schools only",
            "Leave this school out of the round.",
        )
    for signed in body.roster:
        certificate = signed.statement
        check(signed, node.charter.school(certificate.school).node_key)
        expected = (node.charter.hash, request.experiment_hash, request.run)
        if (certificate.charter_hash, certificate.experiment_hash, certificate.run) != expected:
            raise Refusal("certificate_of_other_run", "Certificates are of this run.", "another", "Prepare again.")
        known = node.peers.setdefault((certificate.school, certificate.epoch), certificate.key)
        if known != certificate.key:
            raise Refusal(
                "two_keys_one_epoch",
                "One school has one key in one epoch.",
                "two",
                "Stop and call the other FG.",
            )
    return [Party(certificate.school, certificate.epoch, certificate.key) for certificate in certificates]


def _private_sum(
    node: Node,
    session: Session,
    step: planning.Step,
    roster: list[Party],
    own: Party,
    context: bytes,
    state: protocol.State,
) -> np.ndarray:
    """Clip, lattice, sum, noise and mask. Nothing that rows do can be seen from outside, an error included."""
    honest = len(roster) - node.charter.collusion_threshold
    vectors = [_vectors(node, session, planned, state) for planned in step.queries]
    return masked_sums(vectors, step.releases, honest, own, session.key, roster, context)


def _vectors(
    node: Node, session: Session, planned: planning.PlannedQuery, state: protocol.State
) -> Iterator[np.ndarray]:
    """One vector for each student, in blocks.

    Queries are total functions, so nothing should fail here either; the vectors would end, as in `_rows`.
    """
    try:
        yield from planned.query.blocks(session.students, planning.state_for(planned.query, state))
    except Exception as error:
        node.incident(f"query {planned.query.name} stopped: {type(error).__name__}")


def _charge(node: Node, question: Question, masked: np.ndarray) -> bytes:
    """Debit the ledger and store the reply in one transaction; only then do the bytes exist for the outside."""
    payload = payload_hash(question.context_hash, masked.tobytes())

    def reply(head: bytes) -> bytes:
        receipt = Receipt(question.context_hash, node.school, payload, ledger_head=head)
        return protocol.Answer(masked, sign(receipt, node.key)).encode()

    return node.ledger.charge(question, payload, reply)


def _close(node: Node, run: bytes) -> protocol.Closed:
    """Terminal: the key is destroyed before the unspent budget is returned."""
    session = node.sessions.pop(run, None)
    if session is not None:
        session.key.destroy()
    node.ledger.close(run)
    return protocol.Closed(node.school)
