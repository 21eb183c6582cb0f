"""The permanent table arrives; whose rows are left out, and of what, leaves. Pseudonyms only; no number is kept.

    opted out   (AVG art. 21)  rows stay stored; in no run and on no local list from the next one on
    erased      (AVG art. 17)  no rows; a later delivery does not bring them back
    forgotten   (retention)    a whole cohort without rows; a later delivery does not bring them back

Each stays in the account where the student was, and can be lifted. All of it stands in the file of the permanent table,
so that a change and its line in the log are one transaction, and another key carries it along.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from node.people.pseudonyms import Pseudonyms
from node.store import Store

OPTED_OUT, ERASED = "optout", "erased"
UNKNOWN = 0  # in the table of forgotten cohorts: the account "unknown"


@dataclass(frozen=True)
class Event:
    """What was done to students' data: at (UTC), what, to how many people, and of a cohort which one ("" otherwise)."""

    at: str
    what: str
    people: int
    cohort: str


def withhold(table: Pseudonyms, people: Collection[str], why: str) -> int:
    """Leave these out from now on; return how many were not left out for that reason before."""
    rows = [(person, why) for person in sorted(set(table.first_of(people).values()))]
    with table.transaction() as connection:
        before = connection.total_changes
        connection.executemany("INSERT OR IGNORE INTO withheld VALUES (?, ?)", rows)
        added = connection.total_changes - before
        record(connection, why, added)
        if why == ERASED:
            connection.execute("INSERT OR IGNORE INTO pending VALUES (1)")
    return added


def lift(table: Pseudonyms, people: Collection[str], why: str) -> int:
    """Leave these out no longer; return how many were left out for that reason."""
    rows = [(person, why) for person in sorted(set(table.first_of(people).values()))]
    with table.transaction() as connection:
        before = connection.total_changes
        connection.executemany("DELETE FROM withheld WHERE pseudonym = ? AND why = ?", rows)
        removed = connection.total_changes - before
        record(connection, f"{why} lifted", removed)
    return removed


def withheld(table: Pseudonyms, why: str) -> frozenset[str]:
    """Return every pseudonym of everybody left out for a reason: the first one, and those linked to it."""
    statement = """SELECT pseudonym FROM withheld WHERE why = ?
        UNION SELECT new FROM link JOIN withheld ON first = pseudonym WHERE why = ?"""
    return frozenset(str(person) for (person,) in table.read(statement, [why, why]))


def forget(table: Pseudonyms, cohort: int | None) -> bool:
    """Leave a cohort out from now on (None: the account `unknown`); return whether it was not left out before."""
    with table.transaction() as connection:
        done = connection.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (cohort or UNKNOWN,)).rowcount
        record(connection, "forgotten", len(of_cohorts(table, {cohort})), cohort)
        connection.execute("INSERT OR IGNORE INTO pending VALUES (1)")
    return bool(done)


def remember(table: Pseudonyms, cohort: int | None) -> bool:
    """Leave a cohort out no longer; return whether it was left out."""
    with table.transaction() as connection:
        done = connection.execute("DELETE FROM forgotten WHERE cohort = ?", (cohort or UNKNOWN,)).rowcount
        record(connection, "forgotten lifted", 0, cohort)
    return bool(done)


def forgotten(table: Pseudonyms) -> frozenset[int | None]:
    """Return the cohorts that are left out; None stands for the account `unknown`."""
    return frozenset(cohort or None for (cohort,) in table.read("SELECT cohort FROM forgotten"))


def of_cohorts(table: Pseudonyms, cohorts: Collection[int | None]) -> frozenset[str]:
    """Return every pseudonym, linked ones included, whose account is one of these."""
    return frozenset(student for student, cohort in table.cohorts().items() if cohort in cohorts)


def without_rows(table: Pseudonyms) -> frozenset[str]:
    """Return the people of whom nothing is stored: erased, or of a forgotten cohort."""
    return withheld(table, ERASED) | of_cohorts(table, forgotten(table))


def settle(store: Store, table: Pseudonyms) -> int:
    """Remove from every delivery the rows that may not be stored, if some may be there; return deliveries changed.

    What may be there is on record from the moment it was decided: a kill before this is made good by the next intake.
    """
    if not table.read("SELECT only FROM pending"):
        return 0
    gone = without_rows(table)
    changed = store.rewrite(lambda person: None if person in gone else person)
    with table.transaction() as connection:
        connection.execute("DELETE FROM pending")
    return changed


def left_out(table: Pseudonyms) -> frozenset[str]:
    """Return the students who are in no run and on no local list: opted out, erased, or of a forgotten cohort."""
    return withheld(table, OPTED_OUT) | without_rows(table)


def left_out_of(data: Path) -> frozenset[str]:
    """Return `left_out` of a node's data folder, for whatever makes lists of students at the school."""
    with Pseudonyms.open(data) as table:
        return left_out(table)


def events(table: Pseudonyms) -> tuple[Event, ...]:
    """Return the log, oldest first."""
    return tuple(Event(*row) for row in table.read("SELECT at, what, people, cohort FROM event ORDER BY rowid"))


def record(connection: sqlite3.Connection, what: str, people: int, cohort: int | str | None = "") -> None:
    """Add a line to the log of what was done, within the transaction that does it: a number, nobody."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    words = "unknown" if cohort is None else str(cohort)
    connection.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (at, what, people, words))
