"""Exports and a mapping arrive; what the two ways of taking them in make of them leaves, to be compared."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from node.bulk.table import BulkTable
from node.delivery_files import read_tables, write_tables
from node.errors import UnusableInput
from node.ingest import examine
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from shared_schema import Schema, load_schema

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
NEVER = 1 << 60


@dataclass(frozen=True)
class Outcome:
    """What one way made of it: stored tables and the report, or the words of a refusal."""

    tables: dict[str, pd.DataFrame]
    report: dict[str, Any]
    refusal: str = ""


def outcome(
    exports: Path, mapping: Path, in_bulk: bool, schema: Schema = SCHEMA, pseudonyms: Pseudonyms | None = None
) -> Outcome:
    """Take the exports in one way, by way of the disk."""
    try:
        found = examine(exports, mapping, KEY, schema, pseudonyms, bulk_from=0 if in_bulk else NEVER)
    except UnusableInput as error:
        return Outcome({}, {}, f"{error.code}: {error}")
    assert all(isinstance(table, BulkTable) == in_bulk for table in found.tables.values())
    with tempfile.TemporaryDirectory(dir=exports.parent) as folder:
        report = found.quality.plain()
        write_tables(Path(folder), found.tables, json.loads(json.dumps(report)))
        return Outcome(read_tables(Path(folder)), report)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in an order that is theirs alone: a table has none."""
    return frame.sort_values(list(frame.columns), ignore_index=True)


def assert_same(
    exports: Path, mapping: Path, schema: Schema = SCHEMA, pseudonyms: Pseudonyms | None = None
) -> tuple[Outcome, Outcome]:
    """Assert that both ways give the same tables and the same report, or refuse in the same words."""
    small, large = (outcome(exports, mapping, in_bulk, schema, pseudonyms) for in_bulk in (False, True))
    assert large.refusal == small.refusal
    assert large.report == small.report
    assert list(large.tables) == list(small.tables)
    for name, frame in small.tables.items():
        pd.testing.assert_frame_equal(in_order(large.tables[name]), in_order(frame), check_exact=True)
    return small, large
