"""Arrives: pseudonyms of students and the year each began. Leaves: the cohort whose budget pays for a student.

The cohort is fixed, permanently, the first time a student is seen: a later correction, another delivery, a new number,
an erasure or a new key never buys a fresh budget. In the same file, so that one transaction changes both, stands who is
left out (`node/people/withheld.py`).
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.errors import StorageFailed, UnusableInput
from node.people.pseudonym_key import PseudonymKey

FILE = "pseudonyms.sqlite"
BATCH = 500  # SQL parameters a statement

_TABLES = """
CREATE TABLE IF NOT EXISTS student (
    pseudonym TEXT PRIMARY KEY,
    seen INTEGER NOT NULL,      -- order in which students were first seen, from 1
    cohort INTEGER              -- school year of first enrolment; NULL is the account "unknown"
) STRICT;
CREATE TABLE IF NOT EXISTS link (new TEXT PRIMARY KEY, first TEXT NOT NULL REFERENCES student (pseudonym)) STRICT;
CREATE TABLE IF NOT EXISTS key_check (only INTEGER PRIMARY KEY CHECK (only = 1), value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS generation (only INTEGER PRIMARY KEY CHECK (only = 1), layers INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS withheld (
    pseudonym TEXT NOT NULL,    -- of a person, seen before or not
    why TEXT NOT NULL CHECK (why IN ('optout', 'erased')),
    PRIMARY KEY (pseudonym, why)
) STRICT;
CREATE TABLE IF NOT EXISTS forgotten (cohort INTEGER PRIMARY KEY) STRICT;  -- 0: the account "unknown"
CREATE TABLE IF NOT EXISTS pending (only INTEGER PRIMARY KEY CHECK (only = 1)) STRICT;  -- rows are still to be removed
CREATE TABLE IF NOT EXISTS event (   -- what was done to students' data: numbers, nobody
    at TEXT NOT NULL, what TEXT NOT NULL, people INTEGER NOT NULL, cohort TEXT NOT NULL
) STRICT;
"""
_PERMANENT = (
    """CREATE TRIGGER IF NOT EXISTS cohort_is_permanent BEFORE UPDATE ON student
    BEGIN SELECT RAISE(ABORT, 'a student stays in the first cohort'); END;
""",
    """CREATE TRIGGER IF NOT EXISTS student_is_permanent BEFORE DELETE ON student
    BEGIN SELECT RAISE(ABORT, 'a student is never forgotten'); END;
""",
)
_RENEWAL = (
    "DROP TRIGGER cohort_is_permanent",  # a student stays in the cohort under the new pseudonym
    "UPDATE student SET pseudonym = renewed(pseudonym)",
    "UPDATE link SET new = renewed(new), first = renewed(first)",
    "UPDATE withheld SET pseudonym = renewed(pseudonym)",
    _PERMANENT[0],
)


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
            (folder / FILE).touch(mode=0o600)
            connection = sqlite3.connect(folder / FILE, isolation_level=None)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten, not just marked free
            connection.executescript("".join((_TABLES, *_PERMANENT)))
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
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO key_check VALUES (1, ?)", (key.check_value(),))
            (stored,) = self._connection.execute("SELECT value FROM key_check").fetchone() or (None,)
            if not (isinstance(stored, str) and stored.isascii()):
                raise sqlite3.DatabaseError("no key check")
        if not hmac.compare_digest(stored, key.check_value()):
            raise UnusableInput(
                "other_pseudonym_key",
                "The pseudonym key of a node never changes; under another every student would be new.",
                "another key than the one this node began with",
                "Put the first key back.",
            )

    def generation(self) -> int:
        """Return how many layers the key has under which this table's pseudonyms stand; 1 before any rotation."""
        return int((self.read("SELECT layers FROM generation") or [(1,)])[0][0])

    @contextmanager
    def renewing(self, key: PseudonymKey) -> Iterator[sqlite3.Connection]:
        """Put every pseudonym through the newest layer of `key`, if what is done within `with` succeeds.

        Cohorts, links, order and who is left out stay as they are: nobody is new. Raises StorageFailed.
        """
        with self.transaction() as connection:
            connection.create_function("renewed", 1, key.renewed, deterministic=True)
            for statement in _RENEWAL:
                connection.execute(statement)
            connection.execute("UPDATE key_check SET value = ?", (key.check_value(),))
            connection.execute("INSERT OR REPLACE INTO generation VALUES (1, ?)", (key.generation,))
            yield connection

    def register(self, cohorts: Mapping[str, int | None]) -> Registered:
        """Add the students not seen before with the cohort given (None: unknown), all or none, durably.

        Students seen before keep their cohort, whatever is given here. A linked number is known.
        """
        first = self.first_of(cohorts)
        with self.transaction():
            before = self._known(first.values())
            new = {student: cohorts[student] for student in cohorts if first[student] not in before}
            (seen,) = self._connection.execute("SELECT coalesce(max(seen), 0) FROM student").fetchone()
            rows = [(student, seen + order, cohort) for order, (student, cohort) in enumerate(sorted(new.items()), 1)]
            self._connection.executemany("INSERT INTO student VALUES (?, ?, ?)", rows)
        return Registered(len(new), len(cohorts) - len(new), sum(cohort is None for cohort in new.values()))

    def cohorts(self) -> dict[str, int | None]:
        """Return the cohort of every pseudonym ever seen or linked; None is the account `unknown`."""
        cohorts = dict(self.read("SELECT pseudonym, cohort FROM student"))
        return cohorts | {new: cohorts[first] for new, first in self.read("SELECT new, first FROM link")}

    def cohorts_of(self, students: Iterable[str]) -> dict[str, int | None]:
        """Return the cohort that pays for each student that is registered; None is the account `unknown`."""
        first = self.first_of(students)
        cohorts = self._known(first.values())
        return {student: cohorts[root] for student, root in first.items() if root in cohorts}

    def first_of(self, students: Iterable[str]) -> dict[str, str]:
        """Return for each pseudonym the first one of the same person: itself, unless the operator linked it."""
        asked = dict.fromkeys(students)
        linked = dict(self.read("SELECT new, first FROM link"))  # an operator makes a few, by hand
        return {student: linked.get(student, student) for student in asked}

    def link(self, old: str, new: str) -> None:
        """Say that `new` is the person seen before as `old`: that person stays in the first account, for good.

        Raises UnusableInput when `old` was never seen, was seen later than `new`, or `new` is linked already.
        """
        first = self.first_of([old])[old]
        with self.transaction():
            seen = dict(self.select("SELECT pseudonym, seen FROM student WHERE pseudonym IN", [first, new]))
            linked = self.select("SELECT new, first FROM link WHERE new IN", [new])
            if fault := _link_fault(seen.get(first), seen.get(new), bool(linked), first == new):
                raise UnusableInput("bad_link", "A new number is linked once, to a student seen earlier.", *fault)
            self._connection.execute("INSERT INTO link VALUES (?, ?)", (new, first))
            self._connection.execute("UPDATE link SET first = ? WHERE first = ?", (first, new))
            self._connection.execute("UPDATE OR REPLACE withheld SET pseudonym = ? WHERE pseudonym = ?", (first, new))

    def _known(self, students: Iterable[str]) -> dict[str, int | None]:
        return dict(self.select("SELECT pseudonym, cohort FROM student WHERE pseudonym IN", list(students)))

    def select(self, statement: str, values: list[str]) -> list[tuple[Any, ...]]:
        """Return the rows of `statement (?, ?, …)`: the statement is a constant, the values are parameters."""
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(values), BATCH):
            batch = values[start : start + BATCH]
            rows += self.read(f"{statement} ({', '.join('?' * len(batch))})", batch)
        return rows

    def read(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a constant statement with these parameters."""
        with _stored():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything that is done on the connection within `with`, or nothing of it."""
        with _stored():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def _stored() -> Iterator[None]:
    """A failure of the database becomes an error a person can act on."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # of a damaged file even the errors do not decode
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
