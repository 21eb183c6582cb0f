"""Attacks on the account: races, kill -9 at every write, restored backups (METHODS §7, 13 and 13b).

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
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from node.errors import NodeError, Refusal, RestoredBackup
from node.ledger_store import LedgerStore
from privacy.balances import Balance
from privacy.ledger import Account
from privacy.verify import verify_ledger
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, World, charge

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
