"""Arrives: a student's number at this school. Leaves: a pseudonym, and the cohort whose budget pays for that student.

The pseudonym is HMAC-SHA256 under a key that never leaves the school. The cohort is fixed, permanently, the first
time a student is seen: a later correction, another delivery or a new number never buys a fresh budget.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.errors import StorageFailed, UnusableInput
from privacy import canonical

KEY_BYTES = 32
FILE = "pseudonyms.sqlite"
STUDENT_TAG = "datacoalitie/pseudonym/1"
CHECK_TAG = "datacoalitie/pseudonym-key-check/1"
BATCH = 500  # SQL parameters a statement

_TABLES = """
CREATE TABLE IF NOT EXISTS student (
    pseudonym TEXT PRIMARY KEY,
    seen INTEGER NOT NULL,      -- order in which students were first seen, from 1
    cohort INTEGER              -- school year of first enrolment; NULL is the account "unknown"
) STRICT;
CREATE TABLE IF NOT EXISTS link (new TEXT PRIMARY KEY, first TEXT NOT NULL REFERENCES student (pseudonym)) STRICT;
CREATE TABLE IF NOT EXISTS key_check (only INTEGER PRIMARY KEY CHECK (only = 1), value TEXT NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS cohort_is_permanent BEFORE UPDATE ON student
    BEGIN SELECT RAISE(ABORT, 'a student stays in the first cohort'); END;
CREATE TRIGGER IF NOT EXISTS student_is_permanent BEFORE DELETE ON student
    BEGIN SELECT RAISE(ABORT, 'a student is never forgotten'); END;
"""


@dataclass(frozen=True)
class PseudonymKey:
    """The school's own key. It never leaves the node, and its text form shows nothing."""

    secret: bytes = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> PseudonymKey:
        """Write a fresh key, readable by its owner only; raises UnusableInput where a file stands already."""
        secret = secrets.token_bytes(KEY_BYTES)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise _bad_key(
                "a file stands at its place already", "Keep that key: a new one makes every student new."
            ) from error
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls(secret)

    @classmethod
    def load(cls, path: Path) -> PseudonymKey:
        """Read the key. Raises UnusableInput when it is absent, malformed or readable by others: no key, no intake."""
        try:
            text = path.read_text(encoding="ascii").strip()
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise _bad_key("no readable key file", "Run `coalition-node init`, or put the key file back.") from error
        if mode & 0o077:
            raise _bad_key("a key file that others can read", "Run `chmod 600` on it.")
        if len(text) != 2 * KEY_BYTES or any(digit not in "0123456789abcdef" for digit in text):
            raise _bad_key("a file that is not a key", "Put the right key file back; never edit it.")
        return cls(bytes.fromhex(text))

    def pseudonym(self, identifier: str) -> str:
        """Return the pseudonym (64 hex digits) of a student's number; the text counts, so `012` is not `12`."""
        message = canonical.tagged(STUDENT_TAG, unicodedata.normalize("NFC", identifier.strip()))
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()

    def check_value(self) -> str:
        """Return a value that tells this key from another and gives neither away."""
        return hmac.new(self.secret, canonical.tagged(CHECK_TAG), hashlib.sha256).hexdigest()


def _bad_key(found: str, remedy: str) -> UnusableInput:
    rule = "Without the school's pseudonym key nothing is taken in."
    return UnusableInput("no_pseudonym_key", rule, found, remedy)


@dataclass(frozen=True)
class Registered:
    """How many students of a delivery were new, were known, and are new in the account `unknown`."""

    new: int
    known: int
    unknown: int


class Pseudonyms:
    """The permanent table pseudonym -> cohort, in one SQLite file. Rows are only ever added."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> Pseudonyms:
        """Open or make the table in a node's data folder. Raises StorageFailed for a damaged file or a full disk."""
        with _stored():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(folder / FILE, isolation_level=None)
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_TABLES)
        return cls(connection)

    def close(self) -> None:
        """Close the file; the table is of no use afterwards."""
        self._connection.close()

    def __enter__(self) -> Pseudonyms:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def bind(self, key: PseudonymKey) -> None:
        """Fix the key of this table at first use. Raises UnusableInput for another one: all students would be new."""
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO key_check VALUES (1, ?)", (key.check_value(),))
            (stored,) = self._connection.execute("SELECT value FROM key_check").fetchone()
        if not hmac.compare_digest(stored, key.check_value()):
            raise UnusableInput(
                "other_pseudonym_key",
                "The pseudonym key of a node never changes; under another every student would be new.",
                "another key than the one this node began with",
                "Put the first key back.",
            )

    def register(self, cohorts: Mapping[str, int | None]) -> Registered:
        """Add the students not seen before with the cohort given (None: unknown), all or none, durably.

        Students seen before keep their cohort, whatever is given here. A linked number is known.
        """
        first = self.first_of(cohorts)
        with self._transaction():
            before = self._known(first.values())
            new = {student: cohorts[student] for student in cohorts if first[student] not in before}
            (seen,) = self._connection.execute("SELECT coalesce(max(seen), 0) FROM student").fetchone()
            rows = [(student, seen + order, cohort) for order, (student, cohort) in enumerate(sorted(new.items()), 1)]
            self._connection.executemany("INSERT INTO student VALUES (?, ?, ?)", rows)
        return Registered(len(new), len(cohorts) - len(new), sum(cohort is None for cohort in new.values()))

    def cohorts(self) -> dict[str, int | None]:
        """Return the cohort of every pseudonym ever seen or linked; None is the account `unknown`."""
        cohorts = dict(self._read("SELECT pseudonym, cohort FROM student", []))
        return cohorts | {new: cohorts[first] for new, first in self._read("SELECT new, first FROM link", [])}

    def cohorts_of(self, students: Iterable[str]) -> dict[str, int | None]:
        """Return the cohort that pays for each student that is registered; None is the account `unknown`."""
        first = self.first_of(students)
        cohorts = self._known(first.values())
        return {student: cohorts[root] for student, root in first.items() if root in cohorts}

    def first_of(self, students: Iterable[str]) -> dict[str, str]:
        """Return for each pseudonym the first one of the same person: itself, unless the operator linked it."""
        asked = list(dict.fromkeys(students))
        linked = dict(self._select("SELECT new, first FROM link WHERE new IN", asked))
        return {student: linked.get(student, student) for student in asked}

    def link(self, old: str, new: str) -> None:
        """Say that `new` is the person seen before as `old`: that person stays in the first account, for good.

        Raises UnusableInput when `old` was never seen, was seen later than `new`, or `new` is linked already.
        """
        first = self.first_of([old])[old]
        with self._transaction():
            seen = dict(self._select("SELECT pseudonym, seen FROM student WHERE pseudonym IN", [first, new]))
            linked = self._select("SELECT new, first FROM link WHERE new IN", [new])
            if fault := _link_fault(seen.get(first), seen.get(new), bool(linked), first == new):
                raise UnusableInput("bad_link", "A new number is linked once, to a student seen earlier.", *fault)
            self._connection.execute("INSERT INTO link VALUES (?, ?)", (new, first))
            self._connection.execute("UPDATE link SET first = ? WHERE first = ?", (first, new))

    def _known(self, students: Iterable[str]) -> dict[str, int | None]:
        return dict(self._select("SELECT pseudonym, cohort FROM student WHERE pseudonym IN", list(students)))

    def _select(self, statement: str, values: list[str]) -> list[tuple[Any, ...]]:
        """Rows of `statement (?, ?, …)`: the statement is a constant of this module, the values are parameters."""
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(values), BATCH):
            batch = values[start : start + BATCH]
            rows += self._read(f"{statement} ({', '.join('?' * len(batch))})", batch)
        return rows

    def _read(self, statement: str, values: list[str]) -> list[tuple[Any, ...]]:
        with _stored():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _stored():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _stored() -> Iterator[None]:
    """A failure of the database becomes an error a person can act on."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageFailed(
            "pseudonym_table",
            "The permanent table of pseudonyms takes every write.",
            type(error).__name__,
            "Free disk space and try again; if the file is damaged, restore it from the node's backup.",
        ) from error


def _link_fault(old: int | None, new: int | None, linked: bool, same: bool) -> tuple[str, str] | None:
    """What is wrong with linking (found, remedy); arguments are the orders in which both were first seen."""
    if old is None:
        return "an old number that was never seen", "Check the old number."
    if same or linked:
        return "a new number that is linked already", "Nothing has to be done."
    if new is not None and new < old:
        return "a new number that was seen before the old one", "Swap them: the first account stays."
    return None
