"""Attacks on the account: races, kill -9 at every write, restored backups, rewriting (METHODS §7, 13, 13b and 14).

Each attack is first shown to succeed against a ledger without the defence.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from coalition import rehearsal
from node.errors import NodeError, Refusal, RestoredBackup
from node.folder import NodeFolder
from node.ledger_store import LedgerStore
from privacy import verify
from privacy.balances import Balance
from privacy.identity import SigningKey
from privacy.ledger import Account, Entry
from privacy.statements import HeadCountersignature, sign
from privacy.verify import verify_ledger
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, Forger, World, charge

STUDENTS = Account(*ACCOUNT)
THREADS = 8


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


def together(act: Callable[[int], Any]) -> list[Any]:
    """Run `act(0..7)` on eight threads that start at one moment; results and refusals in order."""
    start = threading.Barrier(THREADS)

    def one(index: int) -> Any:
        start.wait()
        try:
            return act(index)
        except NodeError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def many_approvals(world: World) -> LedgerStore:
    store = world.create()
    store.set_cap(ACCOUNT, Fraction(1))
    for serial in range(THREADS):
        store.record_approval(world.approval(serial))
    return store


def test_defence_off_two_experiments_spend_the_same_unit(tmp_path: Path) -> None:
    """A ledger that reads the balance, decides, and then writes lets two experiments both have the last unit."""
    path = tmp_path / "naive.sqlite"
    sqlite3.connect(path).executescript("CREATE TABLE spent (rho INTEGER)")
    both_have_read = threading.Barrier(2)

    def naive(_: int) -> None:
        with sqlite3.connect(path) as connection:
            left = 1 - connection.execute("SELECT count(*) FROM spent").fetchone()[0]
            both_have_read.wait()
            if left > 0:
                connection.execute("INSERT INTO spent VALUES (1)")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(naive, range(2)))
    assert sqlite3.connect(path).execute("SELECT count(*) FROM spent").fetchone()[0] == 2


def test_eight_experiments_at_once_never_hold_more_than_the_cap(world: World) -> None:
    """Eight plans of 3/10 against a cap of 1: exactly three are held, five are refused, and the chain verifies."""
    store = many_approvals(world)
    results = together(lambda i: world.reserve(store, i, Fraction(3, 10)))
    refused = [result for result in results if isinstance(result, Refusal)]
    assert len(refused) == 5 and {error.code for error in refused} == {"budget_exhausted"}
    assert store.balances()[STUDENTS] == Balance(Fraction(1), Fraction(0), Fraction(9, 10))
    assert verify_ledger(world.path).ok


def test_eight_threads_on_one_slot_pay_once_and_get_the_same_bytes(world: World) -> None:
    """One charge; everyone gets the bytes that were stored first, though each would have built others."""
    store = world.ready()
    results = together(lambda i: charge(store, world.run(), reply=lambda head: bytes([i]) + head))
    assert len(set(results)) == 1 and world.spent(store) == COST


def test_eight_threads_and_handles_never_spend_more_than_was_reserved(world: World) -> None:
    """A reserve for three charges, eight threads with a handle each: what is spent is what was answered."""
    store = world.ready(rho=3 * COST)
    results = together(lambda i: charge(world.open(), world.run(), step=i))
    answered = [result for result in results if isinstance(result, bytes)]
    assert 1 <= len(answered) <= 3 and world.spent(store) == len(answered) * COST
    assert {error.code for error in results if isinstance(error, Refusal)} <= {"over_reserve", "step_went_back"}
    assert verify_ledger(world.path).ok


def test_closing_races_with_charging(world: World) -> None:
    """Four charges and four closes at once: what was answered is spent, the rest came back, nothing is held."""
    store = world.ready()
    results = together(lambda i: charge(store, world.run(), step=i) if i % 2 else store.close(world.run()))
    answered = len([result for result in results if isinstance(result, bytes)])
    assert store.balances()[STUDENTS] == Balance(Fraction(1), answered * COST, Fraction(0))
    assert verify_ledger(world.path).ok


def child(act: Callable[[int], None]) -> tuple[bool, bytes]:
    """Run `act` in a process of its own, giving it a pipe to the outside: (was it killed, what came out)."""
    out, inside = os.pipe()
    number = os.fork()
    if number == 0:
        with suppress(BaseException):  # a child of the test runner must never return into it
            act(inside)
            os._exit(0)
        os._exit(1)
    os.close(inside)
    with os.fdopen(out, "rb") as pipe:
        sent = pipe.read()
    _, status = os.waitpid(number, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status), sent


def killed_at(event: int, store: LedgerStore) -> None:
    """From now on, kill this process with SIGKILL just before its n-th SQL statement, sync or rename."""
    left = [event]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: (count(), real(*given, **named))[1]

    store._file._connection.set_trace_callback(count)
    os.fsync, os.replace = counted(os.fsync), counted(os.replace)


def every_kill(world: World, verb: Callable[[LedgerStore], Any], after: Callable[[bool, bytes], None]) -> int:
    """Kill `verb` before its first write, its second, …, each time on a fresh copy; returns how many there were."""
    fresh = world.folder.with_name("fresh")
    shutil.copytree(world.folder, fresh)
    for event in range(1, 200):
        shutil.rmtree(world.folder)
        shutil.copytree(fresh, world.folder)

        def act(pipe: int, event: int = event) -> None:
            store = world.open()
            killed_at(event, store)
            result = verb(store)
            os.write(pipe, result if isinstance(result, bytes) else b"done")

        killed, sent = child(act)
        after(killed, sent)
        if not killed:
            return event - 1
    raise AssertionError("it never ended")


def test_defence_off_bytes_that_leave_before_the_commit_are_free(world: World) -> None:
    """A node that sends from inside the transaction and is killed before the commit has sent for nothing."""
    world.ready()

    def act(pipe: int) -> None:
        def sends_at_once(head: bytes) -> bytes:
            os.write(pipe, b"reply")
            os.kill(os.getpid(), signal.SIGKILL)
            return b"reply"

        charge(world.open(), world.run(), reply=sends_at_once)

    assert child(act) == (True, b"reply")
    assert world.spent(world.open()) == 0


def test_kill_at_every_write_of_a_charge(world: World) -> None:
    """Whatever left was charged; the ledger verifies; the retry gives one reply for one cost, never two."""
    world.ready()

    def after(killed: bool, sent: bytes) -> None:
        store = world.open()
        store.check()
        assert verify_ledger(world.path).ok
        spent = world.spent(store)
        assert spent in (0, COST) and (spent == COST or sent == b"")
        stored = store.replay(world.run(), 1, 0, b"c" * 32)
        assert (stored is not None) == (spent == COST) and sent in (b"", stored)
        again = charge(store, world.run())
        assert stored in (None, again) and world.spent(store) == COST

    assert every_kill(world, lambda store: charge(store, world.run()), after) >= 12


@pytest.mark.parametrize("verb", ["reserve", "close", "epoch", "refusal"])
def test_kill_at_every_write_of_the_other_verbs(world: World, verb: str) -> None:
    """Reserve, close and epoch: done or not done, never half; the ledger verifies and the verb can be repeated."""
    store = world.ready(rho=Fraction(1, 2))
    charge(store, world.run())
    store.record_approval(world.approval(2))
    other = world.run(2)
    verbs: dict[str, Callable[[LedgerStore], Any]] = {
        "reserve": lambda s: s.reserve(other, EXPERIMENT, 2, [ACCOUNT], Fraction(1, 2), world.clock() + DAY),
        "close": lambda s: s.close(world.run()),
        "epoch": lambda s: s.next_epoch(),
        "refusal": lambda s: s.record_refusal("not_ready", b"q" * 32),
    }

    def after(killed: bool, sent: bytes) -> None:
        again = world.open()
        again.check()
        verbs[verb](again)
        balance = again.balances()[STUDENTS]
        assert balance.spent == COST and balance.spent + balance.reserved <= balance.cap
        assert verify_ledger(world.path).ok

    assert every_kill(world, verbs[verb], after) >= 3


def test_kill_at_every_write_of_a_beginning(world: World) -> None:
    """A node killed while it makes its ledger either has one or can make one."""

    for event in range(1, 200):
        shutil.rmtree(world.folder, ignore_errors=True)

        def act(pipe: int, event: int = event) -> None:
            real = LedgerStore.create.__func__  # type: ignore[attr-defined]
            patched_connect(event)
            real(LedgerStore, world.path, world.node, world.counter, "s0", world.fg.public, world.clock)

        killed, _ = child(act)
        if not (world.path.is_file() and has_entries(world.path)):
            world.create()
        world.open().check()
        if not killed:
            assert event > 10
            return
    raise AssertionError("it never ended")


def patched_connect(event: int) -> None:
    """Count the statements of a store that does not exist yet: its connection is traced when it is made."""
    from node import ledger_file

    real = ledger_file._connect

    def connect(path: Path) -> sqlite3.Connection:
        connection = real(path)

        class Traced:
            _file = type("File", (), {"_connection": connection})

        killed_at(event, Traced)  # type: ignore[arg-type]
        return connection

    ledger_file._connect = connect


def has_entries(path: Path) -> bool:
    with sqlite3.connect(path) as connection:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0])


def spend_after_backup(world: World, folder: Path) -> None:
    """Yesterday's backup, then a run that spends everything, then the backup is put back."""
    world.ready(cap=2 * COST, rho=COST)
    shutil.copytree(folder, folder.with_name("backup"))
    charge(world.open(), world.run())
    assert world.spent(world.open()) == COST
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("backup"), folder)


def test_defence_off_a_restored_backup_spends_twice(world: World) -> None:
    """With the counter inside the backup set, yesterday's ledger is believed and the same unit is spent again."""
    spend_after_backup(world, world.folder)
    store = world.open()
    store.check()
    assert world.spent(store) == 0
    charge(store, world.run(), context=b"another context for the same slot"[:32])


def test_a_restored_backup_is_noticed(tmp_path: Path) -> None:
    """With the counter elsewhere everything is refused, and the FG's newer head is not found in the old ledger."""
    world = World(tmp_path / "data", tmp_path / "elsewhere")
    world.ready(cap=2 * COST, rho=COST)
    shutil.copy(world.path, tmp_path / "backup")
    charge(world.open(), world.run())
    newest = world.open().head().head
    shutil.copy(tmp_path / "backup", world.path)
    store = world.open()
    for act in (store.check, lambda: charge(store, world.run()), lambda: store.accept_head(newest)):
        with pytest.raises(RestoredBackup):
            act()
    store.accept_head(store.head().head)
    with pytest.raises(Refusal, match="closed"):
        charge(store, world.run())
    store.record_approval(world.approval(2))
    with pytest.raises(Refusal) as caught:
        world.reserve(store, 2, 2 * COST)
    assert caught.value.code == "budget_exhausted", "what the lost plan held stays held"


# ---- attack 14: a ledger edited, truncated, reordered, re-chained, forked


@dataclass(frozen=True)
class Rehearsed:
    """One school's ledger after a whole rehearsal, its keys, and what its FG carried home."""

    ledger: Path
    node: SigningKey
    fg: SigningKey
    charter: bytes
    countersigned: bytes
    experiment: bytes
    submission: bytes
    spent: Fraction

    def held(self, **changes: Any) -> dict[str, Any]:
        """What the FG gives the verifier beside the ledger."""
        papers = [("experiment.cbor", self.experiment), ("submission.cbor", self.submission)]
        return {"expected_head": self.countersigned, "charter": self.charter, "papers": papers, **changes}

    def copy(self, folder: Path, key: SigningKey) -> Forger:
        """A copy in the hands of someone who can sign with `key`."""
        return Forger.of(self.ledger, World(folder, node=key, fg=self.fg))


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    out = tmp_path_factory.mktemp("rehearsal") / "out"
    data = rehearsal.rehearse(rehearsal.Options(out, schools=3, students=300), lambda *_: None)
    school, evidence = data["schools"][0], out / "finding" / "evidence"
    folder = NodeFolder(out / "schools" / school["id"])
    return Rehearsed(
        folder.ledger,
        SigningKey.from_file(folder.node_key),
        SigningKey.from_file(folder.fg_key),
        folder.charter.read_bytes(),
        (evidence / "heads" / f"{school['id']}.cbor").read_bytes(),
        (evidence / "experiment.cbor").read_bytes(),
        (evidence / "submission.cbor").read_bytes(),
        Fraction(school["rho_spent"]),
    )


def naive(path: Path) -> Fraction:
    """The defence off: what every account spent by the recorded costs alone, nothing checked."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT bytes FROM entries").fetchall()
    entries = [Entry.from_bytes(data) for (data,) in rows]
    return sum((entry.details["rho"] for entry in entries if entry.kind == "charge"), Fraction(0))


def test_the_ledger_as_it_is_passes_with_all_that_the_fg_holds(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """The control: nothing is wrong with the original nor with a faithful copy, and both give the platform's cost."""
    copy = rehearsed.copy(tmp_path, rehearsed.node).save()
    for path in (rehearsed.ledger, copy):
        report = verify_ledger(path, **rehearsed.held())
        assert report.problems == [] and report.compared == ["head", "charter"]
        assert {own.spent for own in report.accounts.values()} == {rehearsed.spent} == {naive(path)}
        asked = next(iter(report.asked.values()))
        assert asked.document["purpose"] and asked.submitted is not None and asked.submitted[0] == "analist"


def _after_close(forger: Forger, at: int) -> None:
    """A charge for a new step, after the run was closed and its reserve returned."""
    entry = forger.entry(at)
    late = replace(entry, details={**entry.details, "step": 99}, time=forger.entry(-1).time)
    forger.replies.append(tuple(late.details[name] for name in ("run", "step", "attempt", "context_hash")))
    forger.insert(len(forger.rows), late)


def _foreign_countersignature(forger: Forger) -> None:
    statement = HeadCountersignature(forger.entry(0).details["school"], 3, forger.rows[3][2], 1)
    forger.signed("countersign", sign(statement, SigningKey.generate()))


def _small_cap(forger: Forger) -> None:
    """The cap on every account made smaller than the plan that was reserved under it."""
    for at in [at for at in range(len(forger.rows)) if forger.entry(at).kind == "cap"]:
        forger.change(at, rho=Fraction(1, 10**4))
    forger.chain(2, forger.world.node)


def _other_approval(forger: Forger) -> None:
    """The run and all its charges are for another experiment than the FG approved."""
    for at in range(len(forger.rows)):
        if forger.entry(at).kind in ("reserve", "charge"):
            forger.change(at, experiment_hash=b"x" * 32)
    forger.chain(2, forger.world.node)


def _new_time(forger: Forger, at: int) -> None:
    """Another history from one charge on, signed by the node itself: nothing in it breaks a rule."""
    for later in range(at, len(forger.rows)):
        entry = forger.entry(later)
        forger.rows[later] = (later, replace(entry, time=entry.time + 1).to_bytes(), b"", b"")
    forger.rows = forger.rows[: forger.last("countersign")]
    forger.chain(at, forger.world.node)


def _truncated(forger: Forger) -> None:
    forger.rows = forger.rows[:12]
    forger.replies = [slot for slot in forger.replies if slot[1] <= forger.entry(-1).details["step"]]


# Who has the pen, what is done, what the verifier must call it, at which entry (-1 the last, or the last of a kind).
CHARGE = 8
TAMPERED: dict[str, tuple[str, Callable[[Forger], Any], tuple[str, int | str | None]]] = {
    "an amount edited": ("outsider", lambda f: f.cheaper(CHARGE, True), ("signature", CHARGE)),
    "an amount edited, then signed with another key": (
        "outsider",
        lambda f: f.cheaper(CHARGE, True).chain(CHARGE, f.world.node),
        ("signature", CHARGE),
    ),
    "rho below delta^2/(2 sigma^2), by the node itself": (
        "node",
        lambda f: f.cheaper(CHARGE, False).chain(CHARGE, f.world.node),
        ("cost", CHARGE),
    ),
    "more noise claimed than there was, by the node itself": (
        "node",
        lambda f: f.cheaper(CHARGE, True).chain(CHARGE, f.world.node),
        ("forked", None),
    ),
    "the tail cut off": ("outsider", _truncated, ("truncated", None)),
    "two charges swapped": ("outsider", lambda f: f.swap(CHARGE), ("chain", CHARGE)),
    "an entry in the middle deleted": ("outsider", lambda f: f.rows.pop(CHARGE), ("chain", CHARGE + 1)),
    "a charge twice, by the node": ("node", lambda f: f.insert(CHARGE + 1, f.entry(CHARGE)), ("slot", CHARGE + 1)),
    "rewritten from an entry on, by the node itself": ("node", lambda f: _new_time(f, CHARGE), ("forked", None)),
    "a countersignature by another FG": ("node", _foreign_countersignature, ("fg_signature", -1)),
    "a cap exceeded, otherwise well signed": ("node", _small_cap, ("over_cap", "reserve")),
    "an approval of another hash": ("node", _other_approval, ("other_experiment", "reserve")),
    "a charge after the close": ("node", lambda f: _after_close(f, CHARGE), ("closed", -1)),
    "a reply without its charge": ("outsider", lambda f: f.replies.append((b"r", 1, 0, b"c")), ("replies", None)),
    "a charge without its reply": ("outsider", lambda f: f.replies.pop(), ("replies", None)),
    "a hash edited": ("outsider", lambda f: f.rows.append((*f.rows.pop()[:2], bytes(32), bytes(64))), ("hash", -1)),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_copy_is_named(rehearsed: Rehearsed, tmp_path: Path, name: str) -> None:
    """Each copy of one real ledger is well enough made to be read and added up; the verifier names what is wrong."""
    pen, tamper, (code, seq) = TAMPERED[name]
    forger = rehearsed.copy(tmp_path, rehearsed.node if pen == "node" else SigningKey.generate())
    tamper(forger)
    path = forger.save()
    assert naive(path) >= 0, "the defence off: nothing is noticed"
    if seq is not None:
        seq = forger.last(seq) if isinstance(seq, str) else seq % len(forger.rows)
    report = verify_ledger(path, **rehearsed.held())
    assert (code, seq) in [(problem.code, problem.seq) for problem in report.problems]
    assert f"({code})" in verify.as_text(report, Fraction(1, 10**6), "nl")


def test_defence_off_an_edited_amount_gives_budget_back(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """A reader that believes what is written sees less spent than was spent."""
    forger = rehearsed.copy(tmp_path, SigningKey.generate())
    forger.cheaper(CHARGE, True)
    assert naive(forger.save()) < rehearsed.spent


def test_another_purpose_or_another_charter_is_named(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """The ledger is untouched: what is shown to the FG beside it is not what was approved."""
    edited = rehearsed.experiment.replace(b"gesprek", b"boete !")
    assert edited != rehearsed.experiment
    report = verify_ledger(rehearsed.ledger, **rehearsed.held(papers=[("experiment.cbor", edited)]))
    assert report.problems == [("paper", None, "experiment.cbor")]
    other = World(tmp_path).charter.to_bytes()
    report = verify_ledger(rehearsed.ledger, **rehearsed.held(charter=other))
    assert [problem.code for problem in report.problems] == ["expected_charter"]


def test_a_whole_ledger_made_anew_is_named(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """Every key made anew, every rule kept: only what the FG holds tells that this is another ledger."""
    forger = Forger(World(tmp_path)).ready().charge()
    assert verify_ledger(forger.save()).ok, "the defence off"
    codes = {problem.code for problem in verify_ledger(forger.save(), **rehearsed.held()).problems}
    assert codes == {"other_school", "expected_charter", "paper"}
