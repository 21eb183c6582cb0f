"""Arrives: entries and replies to keep, within one change. Leaves: all of them, durably, or none.

The SQLite side of the ledger: tables, locks, and the one way to change them (`LedgerFile.change`). The
rollback journal with synchronous=EXTRA makes a commit durable when it returns, and leaves one file that an
FG's verifier can open read-only. Table `entries` is append-only by trigger; table `replies` holds a tombstone
(a row without a reply) where bytes were deleted, so that a slot stays used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from node.counter import EMPTY, Counter, Position
from node.errors import DamagedLedger, StorageFailed, UnusableInput
from privacy.balances import State, advance, begin, replay
from privacy.errors import PrivacyError
from privacy.ledger import BrokenRule, Entry, Record, write

if TYPE_CHECKING:
    from privacy.identity import SigningKey

SECONDS_TO_WAIT: Final = 30.0
FORMAT: Final = 1
Slot = tuple[bytes, int, int]
_APPEND_ONLY: Final = "BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END"
_TABLES: Final = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL)",
    f"CREATE TRIGGER entries_not_updated BEFORE UPDATE ON entries {_APPEND_ONLY}",
    f"CREATE TRIGGER entries_not_deleted BEFORE DELETE ON entries {_APPEND_ONLY}",
    "CREATE TABLE replies (run BLOB, step INTEGER, attempt INTEGER, context_hash BLOB NOT NULL, reply BLOB,"
    " PRIMARY KEY (run, step, attempt))",
    "CREATE TABLE refusals (code TEXT, request_hash BLOB, PRIMARY KEY (code, request_hash))",
    "CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "INSERT INTO numbers VALUES ('epoch', 0), ('time', 0)",
    f"PRAGMA user_version = {FORMAT}",
)


def position(state: State) -> Position:
    """Where a ledger in this state stands, as the counter keeps it."""
    return Position(state.count, state.head)


@dataclass
class Change:
    """One transaction under way: `state` and `time` as they are within it."""

    connection: sqlite3.Connection
    key: SigningKey
    state: State
    time: int

    def allowed(self, kind: str, details: dict[str, Any]) -> tuple[State, Record]:
        """The entry that would be added now, and the state after it. Raises `BrokenRule` if it may not stand."""
        record = write(Entry(self.state.count, self.state.head, self.time, kind, details), self.key)
        return advance(self.state, record), record

    def append(self, kind: str, details: dict[str, Any]) -> None:
        """Add one signed entry. Raises `BrokenRule`, before anything is written, if it may not stand."""
        seq = self.state.count
        self.state, record = self.allowed(kind, details)
        _insert(self.connection, seq, self.state.head, record)

    def stored(self, slot: Slot, context_hash: bytes) -> bytes | None:
        """The reply in this slot for this context; None in an unused slot; `BrokenRule` in any other case."""
        query = "SELECT context_hash, reply FROM replies WHERE (run, step, attempt) = (?, ?, ?)"
        row: tuple[bytes, bytes | None] | None = self.connection.execute(query, slot).fetchone()
        if row is None:
            return None
        if row[0] != context_hash:
            rule = "A slot (run, step, attempt) is answered for one context only."
            raise BrokenRule("slot_used", rule, "another context", "Send the first request, or raise the attempt.")
        if row[1] is None:
            rule = "A reply can be had again until it is deleted."
            raise BrokenRule("reply_deleted", rule, "a tombstone", "Raise the attempt, or start a new run.")
        return row[1]

    def keep(self, slot: Slot, context_hash: bytes, reply: bytes) -> bytes:
        """Store the reply in its slot and return it."""
        self.connection.execute("INSERT INTO replies VALUES (?, ?, ?, ?, ?)", (*slot, context_hash, reply))
        return reply

    def bury(self, run: bytes) -> int:
        """Delete the run's replies, leaving tombstones. Returns how many there were."""
        query = "UPDATE replies SET reply = NULL WHERE run = ? AND reply IS NOT NULL"
        return self.connection.execute(query, (run,)).rowcount

    def first_time(self, code: str, request_hash: bytes) -> bool:
        """Whether this refusal was never noted before; it is from now on."""
        query = "INSERT OR IGNORE INTO refusals VALUES (?, ?)"
        return self.connection.execute(query, (code, request_hash)).rowcount == 1

    def next_epoch(self) -> int:
        """The next epoch: 1, 2, …"""
        query = "UPDATE numbers SET value = value + 1 WHERE name = 'epoch' RETURNING value"
        return _number(self.connection.execute(query).fetchone())


class LedgerFile:
    """One ledger on disk with its counter. Not more than one change at a time, over all threads and
    processes.
    """

    def __init__(self, path: Path, key: SigningKey, counter: Counter, clock: Callable[[], int]) -> None:
        self._path = path
        self._key = key
        self._counter = counter
        self._clock = clock
        self._mutex = threading.RLock()
        self._depth = 0
        self._state: State | None = None
        self._connection = _connect(path)

    def create(self, first: Entry) -> None:
        """Make the tables and the first entry. Raises `UnusableInput` when a ledger is there already."""
        with self.locked():
            if self._connection.execute("PRAGMA user_version").fetchone()[0] != 0:
                found, remedy = "one that exists", "Open it, or choose another folder."
                raise UnusableInput("ledger_exists", "A ledger is begun once.", found, remedy)
            if self._counter.read() is not None:
                self._counter.settle(EMPTY)
            record = write(first, self._key)
            state = begin(record)
            with self._transaction():
                for statement in _TABLES:
                    self._connection.execute(statement)
                _insert(self._connection, 0, state.head, record)
                self._counter.pending(EMPTY, position(state))
            self._counter.committed(position(state))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process out. Raises `StorageFailed` or `DamagedLedger`."""
        with self._mutex, storage():
            if self._depth:
                yield
                return
            with Path(f"{self._path}.lock").open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1

    def state(self) -> State:
        """What the chain on disk says, every entry checked once. Raises `DamagedLedger`."""
        with self.locked():
            self._state = _replayed(self._state, self._connection)
            return self._state

    def records(self) -> list[Record]:
        """All entries with their signatures, as they stand."""
        with self.locked():
            return _records(self._connection, 0)

    def disagreement(self) -> str | None:
        """What the counter says if it does not match the ledger; None if it does, or a crash explains it."""
        here = position(self.state())
        mark = self._counter.read()
        if mark is not None and here in mark:
            return None
        told = "no counter" if mark is None else f"a counter at {mark.after.length}"
        return f"{told}, a ledger of {here.length} entries"

    @contextmanager
    def change(self, trusted: bool = True) -> Iterator[Change]:
        """One transaction: what happens to the `Change` is durable when the block ends, or undone if it
        raises.

        trusted: refuse (`RestoredBackup`) unless the counter agrees; only `accept_head` goes on without.
        """
        with self.locked():
            before = self.state()
            if trusted:
                self._counter.settle(position(before))
            with self._transaction():
                change = Change(self._connection, self._key, before, self._time(before))
                yield change
                if change.state is not before:
                    self._counter.pending(position(before), position(change.state))
            self._state = change.state
            if change.state is not before:
                self._counter.committed(position(change.state))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _time(self, state: State) -> int:
        """The clock, but never before what was seen last: a clock set back revives no deadline."""
        seen = _number(self._connection.execute("SELECT value FROM numbers WHERE name = 'time'").fetchone())
        now = max(self._clock(), seen, state.time)
        self._connection.execute("UPDATE numbers SET value = ? WHERE name = 'time' AND value < ?", (now, now))
        return now


@contextmanager
def storage() -> Iterator[None]:
    """Turn what disk and database raise into the node's own errors."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageFailed(
            "storage_failed",
            "What is sent is written to disk first.",
            str(error),
            "Make room or repair the disk; nothing was sent, and the same request may be sent again.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise damaged("the file is not a ledger any more") from error


def damaged(found: str) -> DamagedLedger:
    """The error for a ledger on disk whose chain, signatures or balances do not hold."""
    return DamagedLedger(
        "ledger_blocked",
        "Every entry is signed, follows the one before, and keeps the balances.",
        found,
        "Stop the node, keep the file as it is, and run privacy/verify.py with the head that the FG holds.",
    )


def _number(row: tuple[object, ...] | None) -> int:
    """The whole number of a row of `numbers`; `DamagedLedger` when there is none."""
    if row is None or not isinstance(row[0], int):
        raise damaged("the table of numbers lacks one")
    return row[0]


def _connect(path: Path) -> sqlite3.Connection:
    """A connection to the ledger, made with mode 0600 when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
    # EXTRA also syncs the folder after the journal is gone: without, a power cut can undo a commit.
    for setting in ("journal_mode = DELETE", "synchronous = EXTRA", "secure_delete = ON"):
        connection.execute(f"PRAGMA {setting}").fetchall()
    return connection


def _insert(connection: sqlite3.Connection, seq: int, head: bytes, record: Record) -> None:
    row = (seq, record.data, head, record.signature)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", row)


def _records(connection: sqlite3.Connection, start: int) -> list[Record]:
    """Entries from number `start` on; the hash beside each must be that of its bytes."""
    query = "SELECT seq, bytes, hash, signature FROM entries WHERE seq >= ? ORDER BY seq"
    records = []
    for seq, data, digest, signature in connection.execute(query, (start,)):
        if digest != hashlib.sha256(data).digest():
            raise damaged(f"entry {seq} is not what its hash says")
        records.append(Record(data, signature))
    return records


def _replayed(known: State | None, connection: sqlite3.Connection) -> State:
    """`known`, brought up to date with what another process may have added; the whole chain when None."""
    try:
        if known is None:
            return replay(_records(connection, 0))
        last, *rest = _records(connection, known.count - 1) or [Record(b"", b"")]
        if hashlib.sha256(last.data).digest() != known.head:
            raise damaged(f"entry {known.count - 1} is not what it was")
        return reduce(advance, rest, known)
    except (PrivacyError, TypeError) as error:  # TypeError: a column holds something else than bytes
        raise damaged(str(error)) from error
