"""What DuckDB could put aside on disk, from the moment it may: no number and no name of a student."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.benchmarks import bulk
from node.bulk.workshop import Workshop
from node.ingest import ingest
from node.people.pseudonym_key import PseudonymKey
from shared_schema import load_schema

STUDENTS = 40
KEY = PseudonymKey(b"a key for tests, of thirty-two b")


def _words(shop: Workshop) -> set[str]:
    """Every word in every cell of every table, also within lists."""
    found: set[str] = set()
    for (table,) in shop.rows("SELECT table_name FROM duckdb_tables()"):
        for (column,) in shop.rows(f"SELECT column_name FROM duckdb_columns() WHERE table_name = '{table}'"):
            for (text,) in shop.rows(f'SELECT DISTINCT "{column}"::VARCHAR FROM {table}'):
                found |= set(re.findall(r"\w+", text or ""))
    return found


@pytest.mark.parametrize("plain", [True, False], ids=["whole numbers", "other numbers"])
def test_no_table_holds_a_number_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    """Looked at when the identifiers have been replaced, and again when all is made; codes of cells are there."""
    bulk.make_exports(tmp_path, STUDENTS)
    numbers = {str(1_000_000 + 7 * student) for student in range(STUDENTS)}
    if not plain:  # with a letter before it a number is no whole number
        for export in (tmp_path / "exports").iterdir():
            lines = export.read_text(encoding="utf-8-sig").splitlines(keepends=True)
            export.write_text("".join([lines[0], *(f"s{line}" for line in lines[1:])]), encoding="utf-8")
        numbers = {f"s{number}" for number in numbers}
    seen: list[set[str]] = []
    for moment in ("may_spill", "leave"):
        real = getattr(Workshop, moment)
        monkeypatch.setattr(Workshop, moment, lambda shop, real=real: (seen.append(_words(shop)), real(shop))[1])
    ingest(tmp_path / "exports", tmp_path / "mapping.yaml", tmp_path / "data", KEY, load_schema(), bulk_from=0)
    assert len(seen) == 2
    for words in seen:
        assert {str(student) for student in range(STUDENTS)} <= words  # codes of students: tables were looked at
        assert not words & (numbers | {"Zo\u00eb"})
