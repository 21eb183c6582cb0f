"""Parquet, workbooks and queries are walked row by row, and give what the same cells give when they are read whole."""

from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pytest

from node.bulk import examining
from node.ingest import examine
from tests.unit.node.bulk.both_ways import KEY, NEVER, SCHEMA, Outcome, assert_same, in_order, outcome
from tests.unit.node.bulk.test_both_ways import HOURS, NAMES, PROGRAMMES, case, lines

Rows = Sequence[Sequence[str]]
ROW = ["1", "", "a", "les", "m", "A", "21-08-2023", "1", "32", "0", "0"]
ROWS: Rows = [ROW, [" 2", *ROW[1:]], ROW, ["3", "7", "b", "stage", "v", "B", "28-08-2023", "4", "128", "0,1", "NULL"]]


def workbook(rows: Rows, header: Sequence[str] = NAMES) -> bytes:
    """One sheet, with an empty row in between, as people leave them."""
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (header, *rows[:1], [None] * len(header), *rows[1:]):
        book.active.append(list(row))
    book.save(file)
    return file.getvalue()


def parquet(rows: Rows, header: Sequence[str] = NAMES) -> bytes:
    frame = pd.DataFrame(list(rows), columns=list(header), dtype="str")
    with tempfile.NamedTemporaryFile() as file, duckdb.connect() as connection:
        connection.from_df(frame).write_parquet(file.name)
        return Path(file.name).read_bytes()


KINDS: dict[str, Callable[..., bytes]] = {"xlsx": workbook, "parquet": parquet}
WARTS: dict[str, tuple[Rows, Sequence[str]]] = {
    "header only": ([], NAMES),
    "nobody": ([["", "", *ROW[2:]]], NAMES),
    "a column missing": ([row[:-1] for row in ROWS], NAMES[:-1]),
    "a name with space around it": (ROWS, [f" {NAMES[0]} ", *NAMES[1:]]),
}
IN_WORKBOOKS: dict[str, tuple[Rows, Sequence[str]]] = {
    "a doubled name": (ROWS, [*NAMES[:-1], "nr"]),
    "a column without a name or value": ([[*row, ""] for row in ROWS], [*NAMES, ""]),
    "a value without a name": ([[*row, "x"] for row in ROWS], [*NAMES, ""]),
    "more cells than names": ([[*row, "x"] for row in ROWS], NAMES),
}


def of_kind(folder: Path, kind: str, body: bytes) -> tuple[Path, Path]:
    files = {f"h.{kind}": body, "p.csv": PROGRAMMES.encode()}
    return case(folder, files, HOURS.replace("h*.csv", f"h.{kind}"))


@pytest.fixture
def nothing_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The large way may hold no source as a whole."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a source was read as a whole")

    monkeypatch.setattr(examining, "read_exports", refuse)


@pytest.mark.usefixtures("nothing_whole")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_other_kinds_both_ways(kind: str, tmp_path: Path) -> None:
    """The same tables and the same report, also of lines that repeat an earlier one."""
    _, large = assert_same(*of_kind(tmp_path, kind, KINDS[kind](ROWS)))
    assert len(large.tables["attendance"]) == 3
    assert [source["rows"] for source in large.report["sources"]] == [4, 4]
    plain = {"h.csv": lines([list(row) for row in ROWS]), "p.csv": PROGRAMMES.encode()}
    _, text = assert_same(*case(tmp_path, plain, HOURS))
    for name, frame in text.tables.items():
        pd.testing.assert_frame_equal(in_order(large.tables[name]), in_order(frame), check_exact=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wart", WARTS)
def test_warts_of_other_kinds(kind: str, wart: str, tmp_path: Path) -> None:
    assert_same(*of_kind(tmp_path, kind, KINDS[kind](*WARTS[wart])))


@pytest.mark.parametrize("wart", IN_WORKBOOKS)
def test_warts_of_workbooks(wart: str, tmp_path: Path) -> None:
    small, _ = assert_same(*of_kind(tmp_path, "xlsx", workbook(*IN_WORKBOOKS[wart])))
    assert bool(small.tables) == (wart == "a column without a name or value"), small.refusal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"PAR1 and no more", b"nr;ander nr\n1;2\n"])
def test_what_is_no_such_file_is_refused_in_the_same_words(kind: str, body: bytes, tmp_path: Path) -> None:
    small, _ = assert_same(*of_kind(tmp_path, kind, body))
    assert small.refusal


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_one_kind_are_put_under_each_other(kind: str, tmp_path: Path) -> None:
    """Two of them; and a third that has its columns in another order."""
    files = {f"h1.{kind}": KINDS[kind](ROWS), f"h2.{kind}": KINDS[kind]([ROW])}
    for more in ({}, {f"h3.{kind}": KINDS[kind](ROWS, NAMES[::-1])}):
        mapping = HOURS.replace("h*.csv", f"h*.{kind}")
        small, _ = assert_same(*case(tmp_path, files | more | {"p.csv": PROGRAMMES.encode()}, mapping))
        assert bool(small.tables) == (not more), small.refusal


# ---- queries


def of_query(folder: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """What a query on SQLite gives that has these cells."""
    with sqlite3.connect(folder / "sis.db") as made:
        names = ", ".join(f'"{name}" TEXT' for name in NAMES)
        made.execute(f"CREATE TABLE uren ({names})")
        made.executemany(f"INSERT INTO uren VALUES ({', '.join('?' * len(NAMES))})", rows)
    made.close()
    monkeypatch.setenv("SIS_URL", f"sqlite:///{folder / 'sis.db'}")
    (folder / "connections.yaml").write_text("connections: 1\ndatabases:\n  sis: {url_env: SIS_URL}\n")
    query = 'h: {sql: {connection: sis, query: "SELECT * FROM uren"}, missing: [NULL]}'
    mapping = HOURS.replace('h: {file: "h*.csv", missing: [NULL]}', query)
    exports, written = case(folder, {"p.csv": PROGRAMMES.encode()}, mapping)
    found = examine(exports, written, KEY, SCHEMA, connections=folder / "connections.yaml", bulk_from=NEVER)
    return outcome_of(found, folder)


def outcome_of(found: Any, folder: Path) -> Outcome:
    from node.delivery_files import read_tables, write_tables

    (folder / "stored").mkdir()
    write_tables(folder / "stored", found.tables, {})
    return Outcome(read_tables(folder / "stored"), found.quality.plain())


@pytest.mark.usefixtures("nothing_whole")
def test_a_query_gives_what_an_export_of_it_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows: how many come is known afterwards, so that no query is ever held as a whole."""
    queried = of_query(tmp_path, ROWS, monkeypatch)
    files = {"h.csv": lines([list(row) for row in ROWS]), "p.csv": PROGRAMMES.encode()}
    exported = outcome(*case(tmp_path, files, HOURS), in_bulk=False)
    for name, frame in exported.tables.items():
        pd.testing.assert_frame_equal(in_order(queried.tables[name]), in_order(frame), check_exact=True)
    sources = queried.report.pop("sources"), exported.report.pop("sources")
    assert {name: value for name, value in queried.report.items() if name != "mapping_hash"} == {
        name: value for name, value in exported.report.items() if name != "mapping_hash"
    }
    assert [(one["file"], one["rows"]) for one in sources[0]] == [("sql:sis", 4), ("p.csv", 4)]
    told = {"dates", "decimal", "rows", "columns"}
    assert {key: sources[0][0][key] for key in told} == {key: sources[1][0][key] for key in told}
