"""A real node process killed at every statement, write and send of a run; then restarted, and the run ended.

METHODS §7, attacks 13 and 13b, at the node's socket. Verbs of the ledger alone stand in `test_ledger.py`, a full disk
under one answer in `tests/unit/node/test_interrupted_answer.py`, two experiments at once in `test_race_node.py`.
Slots are shortened: what they hide stands in `test_reply_slots.py`.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import tempfile
from collections import Counter as Multiset
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from coalition.errors import RunStopped
from experiments import durations, frames, protocol
from node import answer as answering
from node.answer import Node
from node.counter import Counter
from node.errors import RestoredBackup
from node.ledger_file import Change, LedgerFile
from node.ledger_store import Question
from privacy import balances
from privacy.statements import Receipt, payload_hash, sign
from tests.attack.crash_ground import TARGET, Fault, Ground, NotStarted, Scene, charges, entries, no_fault, wrong
from tests.kit import coalition
from tests.unit.node.processes import limited

DAY = 86_400
EVERY = 11  # second deaths are tried at every eleventh event
ROOM = 4096  # a page of SQLite
MEMORY = Path("/dev/shm")  # no sync costs anything there, and a killed process does not lose what it wrote
KINDS = {
    *("sql BEGIN", "sql SELECT", "sql INSERT", "sql UPDATE", "sql COMMIT", "sqlite pwrite64", "sqlite unlink"),
    *("open", "write", "sync", "os.rename", "send", "send the other half"),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Three schools with eight students each, and no slot to wait for."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLOOR_SECONDS", "SECONDS_PER_VALUE", "SECONDS_PER_STUDENT"):
            patch.setattr(durations, name, 0.0)
        yield Scene.of(coalition(tmp_path_factory.mktemp("crash"), schools=3, rows=8))


@pytest.fixture
def copies(scene: Scene, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """One folder after another in which the coalition stands as it began; only the last one is kept."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else tmp_path))

    def copy() -> Path:
        shutil.rmtree(folder / "c", ignore_errors=True)
        return scene.copy(folder / "c")

    yield copy
    shutil.rmtree(folder)


def after_run(scene: Scene, folder: Path, *armed: int, fault: Fault = no_fault, steps: int = 1) -> Ground:
    """A whole run in which the school's first process dies at one event, the second at another, …; 0 names them all."""
    ground = Ground(scene, folder, armed, fault, steps=steps)
    ground.run()
    return ground


# ---- killed at every event


@pytest.mark.slow
def test_killed_at_every_event_of_a_run(scene: Scene, copies: Callable[[], Path]) -> None:
    """Prepare, a step, the same question twice more, close: at each event one death, a restart and the run's end.

    Whatever left is charged, once, and comes again as the same bytes; nothing is spent for another question, nothing
    stays held, and the counter is never behind.
    """
    cost = scene.plan.steps[0].rho
    died, spent = [], Multiset()
    for number in itertools.count(1):
        ground = after_run(scene, copies(), number)
        assert wrong(ground) == set(), (number, ground.told)
        if not ground.told:
            break
        died += ground.told
        spent[sum(entry.details["rho"] for entry in charges(ground.ledger))] += 1
    assert set(died) == KINDS and len(died) == spent.total() > 200
    assert spent.keys() == {cost, 2 * cost}, "a lost answer is asked anew, once"


def first_answer(events: list[str]) -> int:
    """The number of the event at which the first sum is half sent: the second frame, after the certificate."""
    return [number for number, event in enumerate(events, 1) if event == "send the other half"][1]


def test_killed_again_on_the_way_back(scene: Scene, copies: Callable[[], Path]) -> None:
    """Dead with half of its first sum sent, the school dies once more, at events spread over all that it then does.

    It is prepared again, asked in the next attempt, then the second step. A death that costs one more attempt than the
    retry allowance has stops the run, which is then closed.
    """
    half = first_answer(after_run(scene, copies(), 0).told)
    outcomes = set()
    for number in itertools.count(2, EVERY):
        ground, stopped = Ground(scene, copies(), (half, number)), ""
        try:
            ground.run()
        except RunStopped as error:
            stopped = error.code
        assert wrong(ground) == set(), (number, ground.told)
        if len(ground.told) < 2:
            break
        outcomes.add(stopped)
    assert outcomes == {"", "retries_spent"} and number > 200


def sends_before_it_charges(node: Node) -> None:
    """Planted: the reply is built without the ledger, and paid for when it has left."""
    owed: list[Callable[[], object]] = []

    def charge(node: Node, question: Question, masked: object) -> bytes:
        payload = payload_hash(question.context_hash, masked.tobytes())

        def reply(head: bytes) -> bytes:
            receipt = Receipt(question.context_hash, node.school, payload, head)
            return protocol.Answer(masked, sign(receipt, node.key)).encode()

        owed.append(lambda: node.ledger.charge(question, payload, reply))
        return reply(bytes(32))

    def send(connection: object, payload: bytes) -> None:
        real(connection, payload)
        while owed:
            owed.pop()()

    real, frames.send, answering._charge = frames.send, send, charge


def test_a_charge_after_the_send_is_found(scene: Scene, copies: Callable[[], Path]) -> None:
    """The control: killed with half of the reply sent, and on the way to the late charge's commit."""
    events = after_run(scene, copies(), 0, fault=sends_before_it_charges).told
    sent = first_answer(events)
    committed = next(number for number in range(sent, len(events)) if events[number - 1] == "sql COMMIT")
    for number in (*range(sent, committed, 9), committed):
        ground = after_run(scene, copies(), number, fault=sends_before_it_charges)
        assert "sent and not charged" in wrong(ground), (number, events[number - 1])


def test_a_counter_that_is_not_written_before_the_send_is_found(scene: Scene, copies: Callable[[], Path]) -> None:
    """The control of the third phase: bytes leave though the counter still says *pending*."""

    def two_phases(_: Node) -> None:
        Counter.committed = lambda *_: None

    half = first_answer(after_run(scene, copies(), 0, fault=two_phases).told)
    assert wrong(after_run(scene, copies(), half, fault=two_phases)) == {"the counter is behind what was sent"}


def forgets(indexed: bool) -> Fault:
    """Planted: a node that looks up no reply and lets a slot be charged again; `indexed`: the table still minds."""

    def fault(node: Node) -> None:
        Change.stored = lambda *_: None
        balances._check_charge = lambda *_: None
        if not indexed:
            connection = node.ledger._file._connection
            connection.execute("DROP TABLE replies")
            connection.execute("CREATE TABLE replies (run, step, attempt, context_hash, reply)")

    return fault


@pytest.mark.parametrize("indexed", [True, False])
def test_without_the_unique_slot_a_double_charge_is_found(
    scene: Scene, copies: Callable[[], Path], indexed: bool
) -> None:
    """The control: with lookup and rule gone, the unique slot alone stops the second charge; without it, found."""
    found = wrong(after_run(scene, copies(), fault=forgets(indexed)))
    doubled = {"one context charged twice", "one slot charged twice", "one question, two answers"}
    assert found & doubled == (set() if indexed else doubled), found
    assert indexed or "verifier: slot" in found


# ---- clock, disk, backup


class Unsaid(Exception):
    """The process died before it said anything, or said a code where a certificate was asked for."""


def asked_of(ground: Ground, body: protocol.Body, restart: bool = True) -> protocol.Reply:
    """What the school's process says; when it dies, the next one, or `Unsaid`."""
    request = ground.scene.kit.request(TARGET, body)
    reply = ground.ask(request) if restart else ground.ask_once(request)
    if reply is None:
        raise Unsaid
    return protocol.decode_reply(reply)


def prepare_body(scene: Scene) -> protocol.Prepare:
    return protocol.Prepare(scene.kit.experiment.encoded, scene.kit.serials)


def first_ask(ground: Ground, restart: bool = True) -> protocol.Ask:
    """The first step's question, of a school that is prepared now."""
    prepared = asked_of(ground, prepare_body(ground.scene), restart)
    if not isinstance(prepared, protocol.Prepared):
        raise Unsaid(prepared)
    certificates = {**ground.scene.certificates, TARGET: prepared.certificate}
    return protocol.Ask(1, 0, tuple(certificates[school] for school in sorted(certificates)), {})


def no_high_water(node: Node) -> None:
    """Planted: time is what the clock says, no earlier than the last entry."""
    LedgerFile._time = lambda self, state: max(self._clock(), state.time)


@pytest.mark.parametrize("defended", [True, False])
def test_a_clock_set_back_over_a_restart_revives_nothing(
    scene: Scene, copies: Callable[[], Path], defended: bool
) -> None:
    """A run prepared today; the process killed, a month later another, killed too; then one whose clock says today."""
    ground = Ground(scene, copies())
    ask = first_ask(ground)
    ground.end()
    ground.late = 40 * DAY
    ground.start()
    ground.end()
    ground.late, ground.fault = 0, no_fault if defended else no_high_water
    again = asked_of(ground, prepare_body(scene))
    if defended:
        assert again == protocol.Refusal("approval_used")
        assert isinstance(asked_of(ground, ask), protocol.Refusal) and charges(ground.ledger) == []
    else:
        assert isinstance(again, protocol.Prepared), "the deadline that had passed lies ahead again"
    ground.end()
    assert [entry.kind for entry in entries(ground.ledger)].count("close") == defended


def full_disk(request: int, pages: int, deadly: bool) -> Fault:
    """From the n-th request on no file grows beyond so many pages: the write fails, or kills."""

    def fault(_: Node) -> None:
        def dispatch(node: Node, asked: protocol.Request) -> bytes:
            if next(seen) == request:
                resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM * pages, ROOM * pages))
            return real(node, asked)

        limited(2**40, deadly)
        seen, real = itertools.count(), answering._dispatch
        answering._dispatch = dispatch

    return fault


@pytest.mark.parametrize("deadly", [False, True])
@pytest.mark.parametrize("request_number", [0, 1, 2], ids=["prepare", "ask", "close"])
def test_a_disk_that_is_full_at_every_size(
    scene: Scene, copies: Callable[[], Path], request_number: int, deadly: bool
) -> None:
    """With 0, 1, 2, … pages of room at prepare, ask or close, that one fails or dies; with room again all ends well."""
    for pages in range(100):
        ground = Ground(scene, copies(), fault=full_disk(request_number, pages, deadly))
        done = one_try(ground)
        ground.end()
        finish(ground)
        assert wrong(ground) == set(), pages
        if done == 3:
            break
        assert done == request_number
    assert done == 3 and pages > 1


def one_try(ground: Ground) -> int:
    """Prepare, ask and close, of one process that may die; how many of the three were done."""
    done = 0
    with suppress(Unsaid):
        ask = first_ask(ground, restart=False)
        for body, kind in [(ask, protocol.Answer), (protocol.Close(), protocol.Closed)]:
            done += 1
            if not isinstance(asked_of(ground, body, restart=False), kind):
                return done
        return 3
    return done


def finish(ground: Ground) -> None:
    """With room again: what was asked is asked once more, the school is prepared, asked in attempt 1, and closed."""
    for earlier in dict.fromkeys(heard.request for heard in ground.heard):
        ground.ask(earlier)
    with suppress(Unsaid):
        asked_of(ground, replace(first_ask(ground), attempt=1))
        for earlier in dict.fromkeys(heard.request for heard in ground.heard):
            ground.ask(earlier)
    assert isinstance(asked_of(ground, protocol.Close()), protocol.Closed)
    ground.end()


@pytest.mark.parametrize("defended", [True, False])
def test_a_ledger_put_back_from_a_backup_is_not_opened(
    scene: Scene, copies: Callable[[], Path], defended: bool
) -> None:
    """The ledger of before the answer: the process does not start until the FG names the head that ledger ends with.

    A newer head, which receipts show, is refused. With the counter in the backup set, the slot is answered anew.
    """
    ground = Ground(scene, copies())
    first_ask(ground)
    ground.end()
    backup = [(path, path.read_bytes()) for path in (ground.ledger, ground.counter.path)]
    answered = asked_of(ground, first_ask(ground))
    ground.end()
    assert isinstance(answered, protocol.Answer)
    for path, data in backup[: 1 if defended else 2]:
        path.write_bytes(data)
    if not defended:
        assert isinstance(asked_of(ground, first_ask(ground)), protocol.Answer)
        ground.end()
        assert wrong(ground) >= {"sent and not charged"}
        return
    with pytest.raises(NotStarted, match=RestoredBackup.__name__):
        ground.start()
    ledger = ground.ledger_as_left()
    with pytest.raises(RestoredBackup, match="newer copy"):
        ledger.accept_head(answered.receipt.statement.ledger_head)
    ledger.accept_head(ledger.head().head)
    assert asked_of(ground, prepare_body(scene)) == protocol.Refusal("approval_used")
    ground.end()
    balance = next(iter(ledger.balances().values()))
    assert balance.reserved == scene.plan.rho_reserved, "what the lost plan held stays held"


def test_a_ledger_put_back_under_a_running_process_answers_nothing(scene: Scene, copies: Callable[[], Path]) -> None:
    """The file is put back while the process lives: its next reply is a code, not a sum."""
    ground = Ground(scene, copies())
    ask = first_ask(ground)
    backup = ground.ledger.read_bytes()
    assert isinstance(asked_of(ground, ask), protocol.Answer)
    ground.ledger.write_bytes(backup)
    assert asked_of(ground, replace(ask, attempt=1)) == protocol.Refusal("ledger_blocked")
    ground.process, process = None, ground.process
    assert process is not None
    process.end()
