"""Arrives: tables and a report, or a folder. Leaves: a folder with a Parquet file per table, or the tables from it.

    FOLDER/person.parquet ...    the tables
    FOLDER/manifest.json         their columns' types, and the quality report

Everything is flushed before a writer returns. An error never holds a library's words, which may quote a cell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node import stored_people
from node.bulk.table import BulkTable, Table
from node.errors import StorageFailed
from node.stored_people import Fate

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

MANIFEST = "manifest.json"
OFFLINE: Mapping[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "threads": "2",
    "temp_directory": "",  # rows are never written beside the store, not even for a moment
}


def write_tables(folder: Path, tables: Mapping[str, Table], report: Mapping[str, Any]) -> dict[str, int]:
    """Write tables and report into an empty folder, and flush each file and the folder; return table -> rows."""
    dtypes = {table: {name: str(kind) for name, kind in frame.dtypes.items()} for table, frame in tables.items()}
    with _offline() as connection:
        for table, frame in tables.items():
            rows = frame if isinstance(frame, BulkTable) else connection.from_df(frame)
            rows.write_parquet(str(folder / f"{table}.parquet"))
    _complete(folder, dtypes, report)
    return {table: len(frame) for table, frame in tables.items()}


def rewrite_tables(source: Path, folder: Path, fate: Fate) -> dict[str, int]:
    """Write tables and report of one folder into an empty one, everybody under their fate; as `write_tables`."""
    known = manifest(source)
    rows = {
        table: stored_people.write_renamed(source / f"{table}.parquet", folder / f"{table}.parquet", fate)
        for table in known["tables"]
    }
    _complete(folder, known["tables"], known["report"])
    return rows


def _complete(folder: Path, dtypes: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    (folder / MANIFEST).write_text(json.dumps({"manifest": 1, "tables": dtypes, "report": report}), encoding="utf-8")
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def write_flushed(path: Path, text: str) -> None:
    """Write a text of ASCII, readable by its owner only, and flush it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_tables(folder: Path, until_week: int | None = None) -> dict[str, pd.DataFrame]:
    """Return table -> rows, in the types they were written with; raises StorageFailed for a damaged folder.

    The students of attendance are a category, each text once: it is the one table with many rows a student. until_week:
    leave out attendance of later weeks, which mean nothing to features at that week (`shared_schema/absence.py`).
    """
    kinds = manifest(folder)["tables"]
    with _whole(), _offline() as connection:
        return {
            table: _attendance(connection, str(folder / f"{table}.parquet"), dtypes, until_week)
            if table == "attendance" and "student" in dtypes
            else _frame(connection.read_parquet(str(folder / f"{table}.parquet")), dtypes)
            for table, dtypes in kinds.items()
        }


def read_keys(folder: Path, table: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return the different combinations of some columns of one table, those that are there; errors as `read_tables`."""
    dtypes = manifest(folder)["tables"]
    with _whole(), _offline() as connection:
        kinds = {name: dtypes[table][name] for name in columns if name in dtypes[table]}
        rows = connection.read_parquet(str(folder / f"{table}.parquet"))
        return _frame(rows.select(*kinds).distinct() if kinds else rows.select("1 AS one").limit(1), kinds)


def touched(folder: Path, fate: Fate) -> bool:
    """Whether anybody in the tables of a folder has another fate than to stay; errors as `read_tables`."""
    files = [folder / f"{table}.parquet" for table in manifest(folder)["tables"]]
    with _whole():
        return stored_people.touched(files, fate)


def _frame(rows: duckdb.DuckDBPyRelation, dtypes: Mapping[str, str]) -> pd.DataFrame:
    return rows.df().astype(dict(dtypes))


def _attendance(
    connection: duckdb.DuckDBPyConnection, file: str, dtypes: Mapping[str, str], until_week: int | None
) -> pd.DataFrame:
    import pandas as pd

    rows = connection.read_parquet(file)
    if until_week is not None:
        rows = rows.filter(f"week <= {int(until_week)} OR week IS NULL")
    students = rows.select("student").distinct().order("student").df()["student"]
    numbered = connection.from_df(pd.DataFrame({"student": students, "number": range(len(students))}))
    others = [name for name in dtypes if name != "student"]
    found = rows.join(numbered, "student").select("number", *others).df()
    category = pd.Categorical.from_codes(found.pop("number").to_numpy("int32"), pd.Index(students, dtype=object))
    return found.astype({name: dtypes[name] for name in others}).assign(student=category)[list(dtypes)]


def manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest: `tables` (table -> column -> type) and `report`; raises StorageFailed for a damaged one."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(type(error).__name__) from error
    if not _is_manifest(found):
        raise _unreadable("a manifest of another shape")
    return dict(found)


def _is_manifest(found: Any) -> bool:
    """Tables are named as the schema names them, so that none is read from elsewhere; types are words."""
    if not isinstance(found, dict) or not isinstance(found.get("report"), dict):
        return False
    tables = found.get("tables")
    return isinstance(tables, dict) and all(
        name.isidentifier() and isinstance(kinds, dict) and all(isinstance(kind, str) for kind in kinds.values())
        for name, kinds in tables.items()
    )


@contextmanager
def _whole() -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.Error, KeyError, TypeError, ValueError) as error:  # their words may quote a cell
        raise _unreadable(type(error).__name__) from None


def _unreadable(found: str) -> StorageFailed:
    return StorageFailed(
        "unreadable_delivery", "A stored delivery is read whole.", found, "Run `coalition-node ingest` again."
    )


@contextmanager
def _offline() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory that fetches and loads nothing. Tables come and go as frames and paths: there is no SQL."""
    import duckdb

    connection = duckdb.connect(":memory:", config=dict(OFFLINE))
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def disk() -> Iterator[None]:
    """A failure of the disk becomes an error a person can act on."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise StorageFailed(
            "disk",
            "A delivery is stored whole or not at all.",
            f"{type(error).__name__}; the previous delivery still counts",
            "Free disk space or correct the folder's permissions, and ingest again.",
        ) from error


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
