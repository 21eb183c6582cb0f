"""An approved experiment arrives; opened sums and a chain of public states leave. The coordinator's whole run.

    prepare   every approved school checks, reserves and makes a key                      -> `_prepare`
    step k    ask the roster, verify receipts, open, absorb into the state               -> `_step`
              a school that is silent: next attempt without it, charged again              -> `_next_roster`
    close     unspent budget goes back                                                     -> `_close`

Resuming is replaying: a run is a function of the replies it got, every request is in the store before it is sent
and every reply as soon as it arrives. Started again after a kill, the run walks through what is stored and goes on
where it stopped; the last exchange is sent once more, which nodes answer with the same bytes at no cost.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coalition import missing
from coalition.errors import CoalitionError, RunStopped
from experiments import planning, protocol
from experiments.errors import ExperimentError
from privacy import canonical
from privacy.errors import PrivacyError
from privacy.masking import EphemeralKey, Party
from privacy.private_sum import open_sum
from privacy.statements import Certificate, Signed, check, payload_hash, run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from coalition.store import CoalitionStore
    from coalition.transport import Transport
    from experiments.definition import Experiment
    from privacy.charter import Charter
    from privacy.identity import SigningKey

PREPARE_STEP = 0
CLOSE_STEP = -1
EXCHANGE_SECONDS = 120.0
# Codes with which a node that restarted asks for a new key; it is alive and can join the next attempt.
RESTARTED = ("prepare_first", "key_outdated")


@dataclass(frozen=True)
class Assignment:
    """What a run needs to know, fixed before it starts."""

    charter: Charter
    experiment: Experiment
    plan: planning.Plan
    serials: tuple[tuple[str, int], ...]
    key: SigningKey
    timeout: float = EXCHANGE_SECONDS

    @property
    def run(self) -> bytes:
        """The run's name, which follows from experiment and approvals."""
        return run_id(self.experiment.hash, dict(self.serials))

    @property
    def approved(self) -> tuple[str, ...]:
        """The approved roster, by id."""
        return tuple(school for school, _ in self.serials)


@dataclass
class Run:
    """A run in progress."""

    task: Assignment
    store: CoalitionStore
    transport: Transport
    report: Callable[[str, int, Collection[str]], None]
    round: int = 0
    retries_left: int = 0
    certificates: dict[str, Signed[Certificate]] = field(default_factory=dict)
    epochs: dict[tuple[str, int], bytes] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def present(self) -> list[str]:
        """Schools with a valid certificate of this run, by id."""
        return sorted(self.certificates)


def run(
    task: Assignment,
    store: CoalitionStore,
    transport: Transport,
    report: Callable[[str, int, Collection[str]], None] = lambda *_: None,
) -> protocol.State:
    """Carry a run through to its end, from wherever it was; return the final public state.

    `report(what, done, waiting)` is called whenever a school has replied, with those that are still waited for.
    Raises `RunStopped` when too few schools are left, or when the retry allowance is spent; the run is then closed, so
    that what was not spent goes back to the schools. Raises `LinkFailed` when the coordinator's own way to the schools
    is down: the run stays open, and goes on when it is called again.
    """
    going = Run(task, store, transport, report, retries_left=task.plan.retries)
    store.set_status(task.experiment.hash, "running")
    try:
        _prepare(going, task.approved)
        state: protocol.State = planning.initial_state(task.plan)
        for step in task.plan.steps:
            state = _step(going, step, state)
    except RunStopped as stopped:
        _close(going)
        store.set_status(task.experiment.hash, "stopped", stopped.code)
        raise
    _close(going)
    store.set_status(task.experiment.hash, "opened")
    return state


def _exchange(
    going: Run, step: int, attempt: int, bodies: Mapping[str, protocol.Body], needed: Sequence[str]
) -> dict[str, protocol.Reply]:
    """One exchange: durable requests, then replies; on replay only what the last exchange still misses is sent."""
    run_name, number = going.task.run, going.round
    known = going.store.exchanges(run_name)
    stored = {said.school: said for said in known if said.round == number}
    if not stored:
        requests = {school: _request(going, school, body) for school, body in bodies.items()}
        going.store.record_requests(run_name, number, step, attempt, requests)
        _send(going, _name(step, attempt), requests, needed)
    elif not any(said.round > number for said in known):
        unanswered = {school: said.request for school, said in stored.items() if said.reply is None}
        _send(going, _name(step, attempt), unanswered, needed)
    going.round += 1
    going.report(_name(step, attempt), going.round, ())
    return {
        said.school: _read(said.reply)
        for said in going.store.exchanges(run_name)
        if said.round == number and said.reply is not None
    }


def _send(going: Run, name: str, requests: Mapping[str, bytes], needed: Sequence[str]) -> None:
    """Replies count until the exchange ends; a later one would make a replay differ from the run it replays.

    A reply that the store did not take is no silence of its school: the run ends here, and goes on from here later.
    """
    lock, open_, number = threading.Lock(), [True], going.round
    failed: list[CoalitionError] = []
    waiting = set(needed) & requests.keys()

    def arrived(school: str, reply: bytes) -> None:
        with lock:
            if open_[0]:
                try:
                    going.store.record_reply(going.task.run, number, school, reply)
                except CoalitionError as error:  # raised below: this is the transport's own thread
                    failed.append(error)
                waiting.discard(school)
                tell()

    def tell() -> None:
        if waiting:
            going.report(name, number, sorted(waiting))

    tell()
    going.transport.exchange(requests, set(waiting), going.task.timeout, arrived)
    with lock:
        open_[0] = False
    if failed:
        raise failed[0]


def _request(going: Run, school: str, body: protocol.Body) -> bytes:
    task = going.task
    return protocol.Request(task.charter.hash, task.experiment.hash, task.run, school, body).encode(task.key)


def _read(data: bytes) -> protocol.Reply:
    try:
        return protocol.decode_reply(data)
    except (ExperimentError, PrivacyError):
        return protocol.Refusal("not_a_reply")


def _name(step: int, attempt: int) -> str:
    return {PREPARE_STEP: "prepare", CLOSE_STEP: "close"}.get(step, f"step {step}, attempt {attempt}")


def _prepare(going: Run, schools: Sequence[str]) -> None:
    body = protocol.Prepare(going.task.experiment.encoded, going.task.serials)
    replies = _exchange(going, PREPARE_STEP, 0, dict.fromkeys(schools, body), schools)
    _admit(going, schools, replies)


def _admit(going: Run, schools: Sequence[str], replies: Mapping[str, protocol.Reply]) -> None:
    """Keep the certificates that hold; note why the others are missing."""
    for school in schools:
        reply = replies.get(school)
        if isinstance(reply, protocol.Prepared) and _certificate_holds(going, school, reply.certificate):
            going.certificates[school] = reply.certificate
            going.refusals.pop(school, None)
        else:
            going.refusals[school] = reply.code if isinstance(reply, protocol.Refusal) else "silent"


def _certificate_holds(going: Run, school: str, signed: Signed[Certificate]) -> bool:
    task, certificate = going.task, signed.statement
    try:
        check(signed, task.charter.school(school).node_key)
        EphemeralKey.generate().agree(certificate.key)
    except PrivacyError:
        return False
    expected = (task.charter.hash, task.experiment.hash, task.run, school)
    names = (certificate.charter_hash, certificate.experiment_hash, certificate.run, certificate.school)
    return names == expected and _is_own_key(going, certificate)


def _is_own_key(going: Run, certificate: Certificate) -> bool:
    """Whether nobody else shows this key, nor this school another in the same epoch: every node would refuse all."""
    others = {held.statement.key for school, held in going.certificates.items() if school != certificate.school}
    known = going.epochs.setdefault((certificate.school, certificate.epoch), certificate.key)
    return certificate.key not in others and certificate.key == known


def _step(going: Run, step: planning.Step, state: protocol.State) -> protocol.State:
    """Ask until one attempt opens. Attempt 0 is for the whole approved roster; without it, start at attempt 1."""
    first = 0 if tuple(going.present) == going.task.approved else 1
    for attempt in range(first, planning.ATTEMPTS_PER_STEP):
        roster = going.present
        _check_roster(going, roster)
        answers = _ask(going, step, attempt, roster, state)
        if len(answers) == len(roster):
            return _open(going, step, attempt, roster, answers, state)
        going.retries_left -= 1
        if going.retries_left < 0:
            raise _stopped(going, "retries_spent", "A run stays within its retry allowance.", "none is left")
    raise _stopped(going, "attempts_spent", "A step is asked at most twice.", "both attempts failed")


def _check_roster(going: Run, roster: Sequence[str]) -> None:
    task = going.task
    if len(roster) < planning.least_roster(task.experiment, task.charter, len(task.approved)):
        raise _stopped(
            going,
            "too_few_schools",
            "Enough approved schools take part.",
            f"{len(roster)} of {len(task.approved)}",
        )


def _stopped(going: Run, code: str, rule: str, found: str) -> RunStopped:
    found = f"{found}; missing: {missing.listed(going.refusals)}"
    return RunStopped(code, rule, found, "Solve what is missing, then ask for new approvals.")


def _ask(
    going: Run, step: planning.Step, attempt: int, roster: Sequence[str], state: protocol.State
) -> dict[str, protocol.Answer]:
    """Ask the roster and, in the same exchange, invite back the approved schools that are missing."""
    certificates = tuple(going.certificates[school] for school in roster)
    asked_at = planning.asked_at(step, state)
    ask = protocol.Ask(step.index, attempt, certificates, asked_at)
    absent = [school for school in going.task.approved if school not in roster]
    invite = protocol.Prepare(going.task.experiment.encoded, going.task.serials)
    bodies: dict[str, protocol.Body] = {**dict.fromkeys(roster, ask), **dict.fromkeys(absent, invite)}
    replies = _exchange(going, step.index, attempt, bodies, roster)
    answers = _valid_answers(going, step, attempt, roster, asked_at, replies)
    _drop_missing(going, roster, replies, answers)
    _admit(going, absent, replies)
    return answers


def _valid_answers(
    going: Run,
    step: planning.Step,
    attempt: int,
    roster: Sequence[str],
    state: protocol.State,
    replies: Mapping[str, protocol.Reply],
) -> dict[str, protocol.Answer]:
    parties = [party_of(going.certificates[school].statement) for school in roster]
    task = going.task
    context = protocol.context_of(task.charter, task.experiment.hash, task.run, step, parties, attempt, state)
    return {
        school: reply
        for school in roster
        if isinstance(reply := replies.get(school), protocol.Answer)
        and answer_holds(task.charter, school, reply, context, step.dimension)
    }


def party_of(certificate: Certificate) -> Party:
    """A school of the roster, as masks and contexts name it."""
    return Party(certificate.school, certificate.epoch, certificate.key)


def answer_holds(charter: Charter, school: str, reply: protocol.Answer, context: bytes, dimension: int) -> bool:
    """Whether an answer has the right length and a receipt of that school for this context and these bytes."""
    receipt = reply.receipt.statement
    try:
        check(reply.receipt, charter.school(school).node_key)
    except PrivacyError:
        return False
    expected = (school, context, payload_hash(context, reply.masked.tobytes()))
    return reply.masked.size == dimension and (receipt.school, receipt.context_hash, receipt.payload_hash) == expected


def _drop_missing(
    going: Run,
    roster: Sequence[str],
    replies: Mapping[str, protocol.Reply],
    answers: Mapping[str, protocol.Answer],
) -> None:
    """Schools that did not answer lose their place; one that restarted is prepared again at once."""
    restarted = []
    for school in roster:
        if school in answers:
            continue
        reply = replies.get(school)
        going.refusals[school] = reply.code if isinstance(reply, protocol.Refusal) else "silent"
        del going.certificates[school]
        if going.refusals[school] in RESTARTED:
            restarted.append(school)
    if restarted:
        _prepare(going, restarted)


def _open(
    going: Run,
    step: planning.Step,
    attempt: int,
    roster: Sequence[str],
    answers: Mapping[str, protocol.Answer],
    state: protocol.State,
) -> protocol.State:
    """Sum the masked vectors, which cancels the masks, and let each query absorb its total."""
    masked = [answers[school].masked for school in roster]
    after = planning.absorb(step, open_sum(masked, step.releases), len(roster), going.task.charter, state)
    going.store.record_state(going.task.run, step.index, attempt, canonical.encode(dict(after)))
    return after


def _close(going: Run) -> None:
    """Tell every approved school, present or not; one that stays silent closes by its own deadline."""
    schools = going.task.approved
    _exchange(going, CLOSE_STEP, 0, {school: protocol.Close() for school in schools}, going.present)
