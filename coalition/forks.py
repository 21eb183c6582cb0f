"""A run opened from its evidence and a school's ledger arrive; whether all that school signed stands there leaves.

`coalition verify --ledger` compares costs; this compares receipts, every one, so that a ledger that was forked in
mid-run and brought to the same costs is found as well (docs/decisions/021-forks-and-receipts.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from coalition.reopening import wrong
from privacy.ledger import Entry
from privacy.receipts import Shown, absent, forks

if TYPE_CHECKING:
    from pathlib import Path

    from coalition.reopening import Reopened


def check_receipts(path: Path, school: str, reopened: Reopened) -> int:
    """How many receipts of this run the ledger at `path` holds: all that the school gave.

    The ledger itself is checked elsewhere (`privacy.verify`). Raises `NotVerified`: two_ledgers, receipt_not_in_ledger.
    """
    given: list[Shown] = [one.answers[school].receipt for one in reopened.asked if school in one.answers]
    if contradiction := forks(given):
        rule = "Receipts of one school come from one ledger."
        raise wrong("two_ledgers", rule, f"{len(contradiction)} of {school} that contradict each other")
    if lost := absent(_entries(path), given):
        rule = "Every receipt of a school stands in its ledger."
        raise wrong("receipt_not_in_ledger", rule, f"{len(lost)} of {len(given)} receipts of {school} do not")
    return len(given)


def _entries(path: Path) -> Iterable[Entry]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return [Entry.from_bytes(data) for (data,) in connection.execute("SELECT bytes FROM entries ORDER BY seq")]
