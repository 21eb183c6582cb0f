"""What the coordinator knows arrives, and leaves again after a kill at any point: one SQLite file.

Documents (charter, experiments, submissions, approvals, reviews, findings) are kept as the signed bytes they came
in; requests are durable before their first send and replies as soon as they arrive, so a run resumes from here.
Every change of an experiment's status is an entry of a hash-chained log, signed by the coordinator.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coalition.errors import NotAllowed, UsageFailed
from privacy import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from privacy.identity import SigningKey

STATUSES = (
    "submitted",
    "approved",
    "prepared",
    "running",
    "opened",
    "checked",
    "reviewed",
    "published",
    "stopped",
)
LOG_TAG = "datacoalitie/coordinator-log/1"
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exchanges (
    run BLOB NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, school TEXT NOT NULL, round INTEGER NOT NULL,
    request BLOB NOT NULL, reply BLOB, PRIMARY KEY (run, round, school)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states (
    run BLOB NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY, previous BLOB NOT NULL, bytes BLOB NOT NULL, signature BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS statuses (experiment BLOB PRIMARY KEY, status TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Exchanged:
    """One request to one school and, once it came, its reply. `round` numbers a run's exchanges from 0."""

    step: int
    attempt: int
    school: str
    round: int
    request: bytes
    reply: bytes | None


class CoalitionStore:
    """The coordinator's own store. Each method is one transaction; safe for threads and for a kill between any two."""

    def __init__(self, path: Path, key: SigningKey) -> None:
        self._key = key
        self._lock = threading.RLock()
        with _storage():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _storage():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _storage():
            return self._connection.execute(query, values).fetchall()

    def put(self, kind: str, name: str, data: bytes) -> None:
        """Keep a document; the same name with other bytes is refused, the same bytes again change nothing."""
        with self._change() as change:
            known = change.execute("SELECT bytes FROM documents WHERE kind=? AND name=?", (kind, name)).fetchone()
            if known is not None and known[0] != data:
                raise NotAllowed(
                    "document_exists",
                    f"A {kind} never changes.",
                    f"other bytes for {name}",
                    "Use a new name.",
                )
            change.execute("INSERT OR IGNORE INTO documents VALUES (?, ?, ?)", (kind, name, data))

    def replace(self, kind: str, name: str, data: bytes) -> None:
        """Keep a document in place of an earlier one of that name."""
        with self._change() as change:
            change.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, name, data))

    def remove(self, kind: str, name: str) -> None:
        """Forget a document."""
        with self._change() as change:
            change.execute("DELETE FROM documents WHERE kind=? AND name=?", (kind, name))

    def get(self, kind: str, name: str) -> bytes:
        """The bytes of a document; `UsageFailed` when there is none."""
        found = self._rows("SELECT bytes FROM documents WHERE kind=? AND name=?", kind, name)
        if not found:
            raise UsageFailed(
                "no_such_document",
                f"The store holds this {kind}.",
                f"none named {name}",
                "Submit or import it first.",
            )
        return bytes(found[0][0])

    def names(self, kind: str, prefix: str = "") -> list[str]:
        """Names of the documents of one kind that start with `prefix`, sorted."""
        rows = self._rows("SELECT name FROM documents WHERE kind=? ORDER BY name", kind)
        return [name for (name,) in rows if name.startswith(prefix)]

    def set_status(self, experiment: bytes, status: str, note: str = "") -> None:
        """Change an experiment's status: one signed log entry and one row, together."""
        if status not in STATUSES:
            raise ValueError(status)
        with self._change() as change:
            self._append(change, [experiment, status, note])
            change.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?)", (experiment, status))

    def _append(self, change: sqlite3.Connection, fields: list[Any]) -> None:
        last = change.execute("SELECT seq, bytes FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = (0, bytes(32)) if last is None else (last[0] + 1, hashlib.sha256(last[1]).digest())
        entry = canonical.tagged(LOG_TAG, seq, previous, int(time.time()), *fields)
        change.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (seq, previous, entry, self._key.sign(entry)))

    def status(self, experiment: bytes) -> str | None:
        """The experiment's status, None when it was never submitted."""
        rows = self._rows("SELECT status FROM statuses WHERE experiment=?", experiment)
        return rows[0][0] if rows else None

    def statuses(self) -> dict[bytes, str]:
        """Every experiment with its status."""
        return dict(self._rows("SELECT experiment, status FROM statuses"))

    def log(self) -> list[tuple[bytes, bytes]]:
        """The signed log: (entry bytes, signature), oldest first."""
        return [(entry, signature) for entry, signature in self._rows("SELECT bytes, signature FROM log ORDER BY seq")]

    def record_requests(self, run: bytes, round_: int, step: int, attempt: int, requests: dict[str, bytes]) -> None:
        """Make an exchange's requests durable, before the first byte is sent."""
        with self._change() as change:
            change.executemany(
                "INSERT OR IGNORE INTO exchanges VALUES (?, ?, ?, ?, ?, ?, NULL)",
                [(run, step, attempt, school, round_, request) for school, request in requests.items()],
            )

    def record_reply(self, run: bytes, round_: int, school: str, reply: bytes) -> None:
        """Keep a reply as soon as it arrives; the first one stays."""
        with self._change() as change:
            change.execute(
                "UPDATE exchanges SET reply=? WHERE run=? AND round=? AND school=? AND reply IS NULL",
                (reply, run, round_, school),
            )

    def exchanges(self, run: bytes) -> list[Exchanged]:
        """Everything said in a run so far, in order."""
        rows = self._rows(
            "SELECT step, attempt, school, round, request, reply FROM exchanges WHERE run=? ORDER BY round, school",
            run,
        )
        return [Exchanged(*row) for row in rows]

    def record_state(self, run: bytes, step: int, attempt: int, state: bytes) -> None:
        """Keep the public state after a step."""
        with self._change() as change:
            change.execute("INSERT OR IGNORE INTO states VALUES (?, ?, ?, ?)", (run, step, attempt, state))

    def states(self, run: bytes) -> list[tuple[int, int, bytes]]:
        """(step, attempt, state) of every step that opened, in order."""
        return self._rows("SELECT step, attempt, state FROM states WHERE run=? ORDER BY step", run)


@contextmanager
def _storage() -> Iterator[None]:
    """What disk and database raise, as an error a person can act on. What was not written did not happen."""
    try:
        yield
    except sqlite3.Error as error:
        raise UsageFailed(
            "storage_failed",
            "Whatever is done or sent stands in the coordinator's store first.",
            str(error),
            "Make room, or repair the disk; then give the same command again, which goes on where it stopped.",
        ) from error
