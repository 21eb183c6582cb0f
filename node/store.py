"""Arrives: conforming tables. Leaves: the same tables, from disk, or all of the previous delivery: never half of one.

    FOLDER/deliveries/000007/      one delivery: a Parquet file per table and manifest.json
    FOLDER/current                 the name of the delivery that counts; replaced by rename
    FOLDER/store.lock              held while a delivery is written

A delivery is staged under another name, flushed to disk, renamed, and only then named in `current`. A kill at any
moment, or a full disk, leaves `current` where it was; what was staged is swept up by the next write.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.errors import StorageFailed, UnusableInput

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

DELIVERIES, CURRENT, LOCK, MANIFEST = "deliveries", "current", "store.lock", "manifest.json"
STAGED = "staged-"
OFFLINE: Mapping[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "threads": "2",
}
READ_ATTEMPTS = 3  # a write that lands between two files of a read makes the reader start again


@dataclass(frozen=True)
class Store:
    """The deliveries of one node. Opening reads nothing; any number of readers may stand beside one writer."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Return the store in a node's data folder, which is made if need be."""
        with _disk():
            (folder / DELIVERIES).mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder)

    def write(self, tables: Mapping[str, pd.DataFrame], report: Mapping[str, Any]) -> str:
        """Make these tables, with a report of numbers, the delivery that counts; return its name.

        The previous delivery is removed after the switch. Raises StorageFailed when the disk does not take it all; the
        previous delivery then still counts.
        """
        with _disk(), self._writing():
            self._sweep()
            staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=self.folder / DELIVERIES))
            try:
                _write_tables(staged, tables, report)
                name = self._next_name()
                staged.rename(self.folder / DELIVERIES / name)
            except BaseException:
                shutil.rmtree(staged, ignore_errors=True)
                raise
            _sync(self.folder / DELIVERIES)
            self._point_at(name)
            with suppress(OSError):  # the new delivery counts already; the next write sweeps what stays
                self._sweep()
        return name

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table of the delivery that counts, in the schema's dtypes.

        Raises UnusableInput when nothing was taken in yet, StorageFailed when a file cannot be read.
        """
        for attempt in range(READ_ATTEMPTS):
            name = self.current()
            try:
                return _read_tables(self.folder / DELIVERIES / name)
            except StorageFailed:
                if self.current() == name or attempt == READ_ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def report(self) -> dict[str, Any]:
        """Return the report that was written with the delivery that counts; errors as `tables`."""
        return dict(_manifest(self.folder / DELIVERIES / self.current())["report"])

    def current(self) -> str:
        """Return the name of the delivery that counts; raises UnusableInput when there is none."""
        try:
            return _name_in(self.folder / CURRENT)
        except FileNotFoundError:
            raise UnusableInput(
                "no_delivery",
                "Questions are answered from a delivery that was taken in.",
                "none",
                "Put exports in the folder and run `coalition-node ingest`.",
            ) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with (self.folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _next_name(self) -> str:
        numbers = [int(path.name) for path in (self.folder / DELIVERIES).iterdir() if path.name.isdigit()]
        return f"{max(numbers, default=0) + 1:06d}"

    def _point_at(self, name: str) -> None:
        fresh = self.folder / f"{CURRENT}.new"
        with fresh.open("w", encoding="ascii") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / CURRENT)
        _sync(self.folder)

    def _sweep(self) -> None:
        """Remove every delivery but the one that counts: what a kill left behind, and what was replaced."""
        pointer = self.folder / CURRENT
        counts = _name_in(pointer) if pointer.exists() else ""
        for path in (self.folder / DELIVERIES).iterdir():
            if path.name != counts:
                shutil.rmtree(path)


def _name_in(pointer: Path) -> str:
    """The name in a pointer; a damaged one names no delivery there is."""
    return pointer.read_text(encoding="ascii", errors="replace").strip()


def _write_tables(folder: Path, tables: Mapping[str, pd.DataFrame], report: Mapping[str, Any]) -> None:
    dtypes = {table: {name: str(kind) for name, kind in frame.dtypes.items()} for table, frame in tables.items()}
    with _offline() as connection:
        for table, frame in tables.items():
            connection.from_df(frame).write_parquet(str(folder / f"{table}.parquet"))
    (folder / MANIFEST).write_text(json.dumps({"manifest": 1, "tables": dtypes, "report": report}), encoding="utf-8")
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def _read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    import duckdb

    manifest = _manifest(folder)
    try:
        with _offline() as connection:
            return {
                table: connection.read_parquet(str(folder / f"{table}.parquet")).df().astype(dtypes)
                for table, dtypes in manifest["tables"].items()
            }
    except duckdb.Error as error:
        raise _unreadable(type(error).__name__) from error


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise _unreadable(type(error).__name__) from error


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
def _disk() -> Iterator[None]:
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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
