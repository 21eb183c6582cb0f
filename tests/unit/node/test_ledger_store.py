"""The node's ledger on disk: every verb, its refusals, what survives a reopening, and when everything is refused."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from node.counter import EMPTY, Counter, Mark, Position
from node.errors import DamagedLedger, LedgerBlocked, NodeError, Refusal, RestoredBackup, StorageFailed, UnusableInput
from node.ledger_store import LedgerStore, system_clock
from privacy.balances import Balance
from privacy.identity import SigningKey
from privacy.ledger import Account
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, OTHER_ACCOUNT, START, World, charge

STUDENTS = Account(*ACCOUNT)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def refuses(code: str, act: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def test_a_run_from_reserve_to_close(world: World) -> None:
    """Two charges of 1/200 out of 1/4: 1/100 is spent, 24/100 comes back, and a reopened ledger says the same."""
    store = world.ready()
    assert store.balances() == {STUDENTS: Balance(Fraction(1), Fraction(0), Fraction(1, 4))}
    first, second = charge(store, world.run()), charge(store, world.run(), step=2, context=b"d" * 32)
    assert first != second
    assert store.close(world.run()) == {STUDENTS: Fraction(24, 100)}
    assert store.close(world.run()) == {}
    assert store.balances() == {STUDENTS: Balance(Fraction(1), 2 * COST, Fraction(0))}
    again = world.open()
    again.check()
    assert again.state() == store.state() and again.head() == store.head()
    kinds = [entry.kind for entry in again.entries()]
    assert kinds == ["genesis", "charter", "cap", "approval", "reserve", "charge", "charge", "close", "return"]


def test_the_reply_signs_the_head_that_holds_its_own_cost(world: World) -> None:
    """`build_reply` is given the hash of the very charge entry, and its bytes are what is stored and returned."""
    store = world.ready()
    assert charge(store, world.run()) == b"reply" + store.head().head
    assert store.entries()[-1].kind == "charge" and store.entries()[-1].hash == store.head().head


def test_a_reply_that_cannot_be_built_costs_nothing(world: World) -> None:
    """When building the reply fails, neither entry nor reply stays, and the same slot can be charged afterwards."""
    store = world.ready()
    before = store.head()

    def fails(head: bytes) -> bytes:
        raise ArithmeticError("planted")

    with pytest.raises(ArithmeticError):
        charge(store, world.run(), reply=fails)
    assert store.head() == before and world.spent(store) == 0
    charge(store, world.run())


def test_reserving_twice_holds_once(world: World) -> None:
    """A node that restarts prepares the same run again: the first deadline stays and nothing more is held."""
    store = world.ready()
    world.clock.time += 60
    assert store.reserve(world.run(), EXPERIMENT, 1, [ACCOUNT], Fraction(1, 4), START + 2 * DAY) == START + DAY
    assert store.balances()[STUDENTS].reserved == Fraction(1, 4)
    refuses(
        "approval_used",
        lambda: store.reserve(world.run(), EXPERIMENT, 1, [OTHER_ACCOUNT], Fraction(1, 4), START + DAY),
    )
    store.close(world.run())
    refuses("approval_used", lambda: world.reserve(store))


def test_fewer_accounts_than_reserved_may_be_charged(world: World) -> None:
    """A query that declares one cohort charges that one; a cohort outside the plan is refused."""
    store = world.create()
    for account in (ACCOUNT, OTHER_ACCOUNT):
        store.set_cap(account, Fraction(1))
    store.record_approval(world.approval())
    store.reserve(world.run(), EXPERIMENT, 1, [ACCOUNT, OTHER_ACCOUNT], Fraction(1, 4), START + DAY)
    charge(store, world.run(), accounts=[ACCOUNT])
    assert store.balances()[STUDENTS].spent == COST
    assert store.balances()[Account(*OTHER_ACCOUNT)].spent == 0
    charge(store, world.run(), step=2)
    assert store.balances()[Account(*OTHER_ACCOUNT)].spent == COST
    refuses("over_reserve", lambda: charge(store, world.run(), step=3, accounts=[("student", "1999")]))


def test_a_cap_is_written_only_when_it_changes(world: World) -> None:
    """Starting the node ten times with one policy writes one entry."""
    store = world.create()
    for _ in range(10):
        store.ensure_cap(ACCOUNT, Fraction(1))
    store.ensure_cap(ACCOUNT, Fraction(2))
    assert [entry.details["rho"] for entry in store.entries() if entry.kind == "cap"] == [1, 2]


def test_time_never_goes_back(world: World) -> None:
    """A clock set back revives no deadline: also after a reopening, time stands at what was seen last."""
    store = world.ready()
    assert store.now() == START
    world.clock.time = START + DAY + 1
    assert store.now() == START + DAY + 1
    assert store.expired_runs() == (world.run(),)
    world.clock.time = START
    store = world.open()
    assert store.now() == START + DAY + 1
    refuses("deadline_passed", lambda: charge(store, world.run()))
    assert abs(system_clock() - __import__("time").time()) < 5


def test_epochs_are_never_given_twice(world: World) -> None:
    """Over reopenings and two handles at once."""
    store = world.create()
    epochs = [store.next_epoch(), store.next_epoch(), world.open().next_epoch(), store.next_epoch()]
    assert epochs == [1, 2, 3, 4]


def test_deleted_replies_leave_tombstones(world: World) -> None:
    """After deletion the slot is still used: no bytes, no new noise, for the same context or another."""
    store = world.ready()
    reply = charge(store, world.run())
    refuses("run_open", lambda: store.delete_replies(world.run()))
    store.close(world.run())
    assert store.replay(world.run(), 1, 0, b"c" * 32) == reply
    assert store.delete_replies(world.run()) == 1
    assert store.delete_replies(world.run()) == 0
    assert reply not in world.path.read_bytes(), "secure_delete overwrites the bytes"
    refuses("reply_deleted", lambda: store.replay(world.run(), 1, 0, b"c" * 32))
    refuses("slot_used", lambda: store.replay(world.run(), 1, 0, b"d" * 32))


def test_every_refusal_is_recorded_once(world: World) -> None:
    """Asking the same forbidden thing ten times leaves one line; another request leaves another; hashes only."""
    store = world.ready()
    for _ in range(10):
        refuses("run_unknown", lambda: charge(store, b"x" * 32))
    refuses("run_unknown", lambda: charge(store, b"y" * 32))
    store.record_refusal("not_ready", b"q" * 32)
    lines = [entry.details for entry in store.entries() if entry.kind == "refusal"]
    assert [line["code"] for line in lines] == ["run_unknown", "run_unknown", "not_ready"]
    assert lines[0]["run"] == b"x" * 32 and lines[2]["run"] is None


def test_statements_of_others_are_refused_and_recorded(world: World) -> None:
    """A foreign signature never becomes an approval; the attempt stands in the ledger."""
    store = world.create()
    refuses("not_acceptable", lambda: store.record_approval(world.approval(key=SigningKey.generate())))
    refuses("other_school", lambda: store.record_approval(world.approval(school="s1")))
    assert store.state().approvals == {}
    assert [entry.kind for entry in store.entries()].count("refusal") == 2


def test_withdrawal_and_countersignature_are_kept(world: World) -> None:
    """A withdrawn approval charges no more; a countersigned head is remembered."""
    store = world.ready()
    assert store.run(world.run()) == store.state().runs[world.run()] and store.run(b"x" * 32) is None
    store.record_countersignature(world.countersignature(store.head().length - 1, store.head().head))
    store.record_withdrawal(world.withdrawal())
    refuses("approval_withdrawn", lambda: charge(store, world.run()))
    seen = world.open().state().countersigned
    assert seen is not None and seen.seq == 4


def test_a_charter_goes_forward_only(world: World) -> None:
    """The same version again is refused."""
    store = world.create()
    refuses("not_acceptable", lambda: store.record_charter(world.charter, world.acceptance(world.charter)))
    following = replace(world.charter, version=2, previous_hash=world.charter.hash)
    store.record_charter(following, world.acceptance(following))
    assert store.state().charter == following


def test_opening_needs_a_ledger_of_this_key(world: World) -> None:
    """No file, another node's key, a second beginning: each has its own error."""
    with pytest.raises(UnusableInput, match="init"):
        world.open()
    world.create()
    with pytest.raises(DamagedLedger, match="another key"):
        LedgerStore.open(world.path, SigningKey.generate(), world.counter, world.clock)
    with pytest.raises(UnusableInput, match="begun once"):
        world.create()
    assert world.path.stat().st_mode & 0o777 == 0o600


def test_deleting_a_ledger_gives_no_new_budget(world: World) -> None:
    """The counter outside remembers: a new ledger beside an old counter is refused."""
    world.ready()
    world.path.unlink()
    with pytest.raises(RestoredBackup):
        world.create()


def test_a_begin_that_crashed_can_begin_again(world: World) -> None:
    """A counter that stands at nothing, or on its way from nothing, is no obstacle."""
    world.counter.pending(EMPTY, Position(1, b"h" * 32))
    world.create().check()


ASKS: dict[str, Callable[[LedgerStore], Any]] = {
    "check": lambda store: store.check(),
    "now": lambda store: store.now(),
    "epoch": lambda store: store.next_epoch(),
    "replay": lambda store: store.replay(b"r" * 32, 1, 0, b"c" * 32),
    "cap": lambda store: store.ensure_cap(ACCOUNT, Fraction(1)),
    "charge": lambda store: charge(store, b"r" * 32),
    "close": lambda store: store.close(b"r" * 32),
    "refusal": lambda store: store.record_refusal("x", b"q" * 32),
}


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("fault", ["missing", "behind", "ahead", "other head", "garbage"])
def test_a_counter_that_does_not_match_refuses_everything(world: World, name: str, fault: str) -> None:
    """A missing counter, a ledger behind or ahead of it, another head, or an unreadable file; looking is allowed."""
    store = world.ready()
    here = store.head()
    ASKS["check"](store)
    faults: dict[str, Callable[[], Any]] = {
        "missing": lambda: world.counter.path.unlink(),
        "behind": lambda: world.counter.committed(Position(here.length + 3, b"x" * 32)),
        "ahead": lambda: world.counter.committed(Position(here.length - 1, store.state().heads[-2])),
        "other head": lambda: world.counter.committed(Position(here.length, b"x" * 32)),
        "garbage": lambda: world.counter.path.write_text("committed soon\n"),
    }
    faults[fault]()
    store = world.open()
    with pytest.raises(RestoredBackup, match="FG") as caught:
        ASKS[name](store)
    assert caught.value.code == "ledger_blocked" and isinstance(caught.value, LedgerBlocked)
    assert store.head() == here and len(store.entries()) == here.length


@pytest.mark.parametrize("stands", ["before", "after"])
def test_a_crash_between_the_phases_is_mended(world: World, stands: str) -> None:
    """Pending with the database at either end: the next change goes on as if nothing had happened."""
    store = world.ready()
    here, unreached = store.head(), Position(99, b"x" * 32)
    mark = (here, unreached) if stands == "before" else (unreached, here)
    world.counter.pending(*mark)
    world.open().check()
    assert world.counter.read() == Mark(here, here)


def test_the_fg_gets_a_blocked_ledger_going(world: World) -> None:
    """Only with the head the ledger ends with; open plans are closed and keep what they held; it is recorded."""
    store = world.ready()
    charge(store, world.run())
    store.accept_head(store.head().head)
    assert [entry.kind for entry in store.entries()].count("incident") == 0, "nothing was wrong"
    world.counter.path.unlink()
    store = world.open()
    with pytest.raises(RestoredBackup, match="newer copy"):
        store.accept_head(b"x" * 32)
    store.accept_head(store.head().head)
    store.check()
    assert [entry.kind for entry in store.entries()[-2:]] == ["incident", "close"]
    assert store.entries()[-2].details["note"] == "no counter, a ledger of 6 entries"
    assert store.balances()[STUDENTS] == Balance(Fraction(1), COST, Fraction(1, 4) - COST)
    refuses("run_closed", lambda: charge(store, world.run(), step=2))


def test_a_blocked_ledger_says_what_the_counter_said(world: World) -> None:
    """The incident names both lengths, so that the FG can see how much is missing."""
    store = world.ready()
    world.counter.committed(Position(42, b"x" * 32))
    store.accept_head(store.head().head)
    assert store.entries()[-2].details["note"] == "a counter at 42, a ledger of 5 entries"


@pytest.mark.parametrize("fault", ["entry", "hash", "signature", "cut", "no table", "no database"])
def test_a_ledger_that_was_changed_on_disk_is_not_opened(world: World, fault: str) -> None:
    """Whatever someone edits in the file, opening it says that it is damaged; nothing is answered from it."""
    store = world.ready()
    charge(store, world.run())
    if fault == "no database":
        world.path.write_bytes(b"not a database" * 100)
    else:
        edit(world.path, fault)
    with pytest.raises(NodeError) as caught:
        world.open().check()
    assert caught.value.code in {"ledger_blocked", "storage_failed"}


def edit(path: Path, fault: str) -> None:
    """Change the file as someone with the database's own tools could."""
    statements = {
        "entry": "UPDATE entries SET bytes = zeroblob(20) WHERE seq = 3",
        "hash": "UPDATE entries SET hash = zeroblob(32) WHERE seq = 5",
        "signature": "UPDATE entries SET signature = zeroblob(64) WHERE seq = 2",
        "cut": "DELETE FROM entries WHERE seq = 5",
        "no table": "DROP TABLE entries",
    }
    with sqlite3.connect(path) as connection:
        for trigger in ("entries_not_updated", "entries_not_deleted"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statements[fault])
    connection.close()


def test_entries_cannot_be_changed_through_sql(world: World) -> None:
    """The table is append-only: an UPDATE or DELETE by mistake is refused by the database itself."""
    world.ready()
    with sqlite3.connect(world.path) as connection:
        for statement in ("UPDATE entries SET seq = 9 WHERE seq = 1", "DELETE FROM entries WHERE seq = 4"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("fault", "found"), [("hash", "what its hash says"), ("cut", "not what it was")])
def test_an_open_handle_notices_what_changed_underneath(world: World, fault: str, found: str) -> None:
    """A handle that is open while the last entry is edited or cut off refuses to go on."""
    store = world.ready()
    charge(store, world.run())
    edit(world.path, fault)
    with pytest.raises(DamagedLedger, match=found):
        store.check()


def test_a_full_disk_sends_nothing_and_charges_nothing(world: World) -> None:
    """When the database cannot grow, the charge is undone; with room again, the same request goes through."""
    store = world.ready()
    connection = store._file._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFailed, match="full"):
        charge(store, world.run(), reply=lambda head: os.urandom(100_000))
    assert world.spent(store) == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    charge(store, world.run(), reply=lambda head: os.urandom(100_000))
    assert world.spent(store) == COST


@pytest.mark.parametrize("phase", ["pending", "committed"])
def test_a_counter_that_cannot_be_written_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """Full disk under the counter: no bytes leave; afterwards the same request gets its bytes, charged once."""
    store = world.ready()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Counter, phase, full)
        with pytest.raises(StorageFailed, match="No space"):
            charge(store, world.run())
    reply = charge(store, world.run())
    assert world.spent(store) == COST
    assert store.replay(world.run(), 1, 0, b"c" * 32) == reply


def test_errors_speak_to_a_person_and_carry_a_code() -> None:
    """Rule, what was found, remedy; and the exit codes of the tree."""
    error = Refusal("a_code", "A rule.", "something", "Do this.")
    assert str(error) == "A rule. Found: something. Do this." and error.code == "a_code"
    kinds = [NodeError, UnusableInput, Refusal, StorageFailed, LedgerBlocked, RestoredBackup, DamagedLedger]
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5, 5, 5]
