"""Nothing arrives; a DuckDB in memory leaves that fetches nothing, keeps to its memory, and cleans up after itself.

From `may_spill` on its tables hold codes of texts and of students, and values as they are about to be stored: no text
of a file and no number of a student. What it puts aside on disk when memory runs short therefore names nobody, and
goes with the folder that is removed when the workshop closes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

MEMORY = "768MiB"  # of DuckDB; Python, pandas and the dictionaries come on top
PREFIX = "workshop-"
SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "threads": "2",
    "memory_limit": MEMORY,
    "preserve_insertion_order": "false",  # a table has none, and both processors can write it
}


class Workshop:
    """One connection, the names given out in it, and the people met so far: pseudonym -> number.

    It closes by itself when nothing refers to it any more.
    """

    def __init__(self, place: Path | None = None) -> None:
        """place: a private folder to work in, such as the node's data folder; None: that of the operating system."""
        import duckdb

        if place is not None:
            _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        self.students: dict[str, int] = {}
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config=dict(SETTINGS))
        self.connection.execute("SET temp_directory = ''")
        self.connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        self._names = count(1)
        self._close = weakref.finalize(self, _close, self.connection, self.folder)

    def may_spill(self) -> None:
        """From now on no identifier is in memory: what does not fit may stand on disk, in this folder."""
        place = str(self.folder / "spill").replace("'", "''")
        self.connection.execute(f"SET temp_directory = '{place}'")

    def leave(self) -> None:
        """Let go of every table and dictionary; the folder stays."""
        self.connection.close()
        self.students.clear()

    def close(self) -> None:
        """Let go of every table and remove the folder."""
        self._close()

    def name(self, kind: str) -> str:
        """Return a fresh name; `kind` is a word of this package, never of a file."""
        return f"{kind}{next(self._names)}"

    def table(self, kind: str, query: str) -> str:
        """Keep the rows of a query under a fresh name."""
        name = self.name(kind)
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return name

    def small(self, frame: pd.DataFrame) -> str:
        """Keep a frame of numbers, or of values as they are stored, under a fresh name: a table is joined faster."""
        lent = self.lent(frame)
        name = self.table("small", f"SELECT * FROM {lent}")
        self.connection.unregister(lent)
        return name

    def lent(self, frame: pd.DataFrame) -> str:
        """Let a frame be read under a fresh name, without a copy: what is in no table is never put aside on disk."""
        name = self.name("lent")
        self.connection.register(name, frame)
        return name

    def drop(self, *names: str) -> None:
        """Free tables made by `table`."""
        for name in names:
            self.connection.execute(f"DROP TABLE {name}")

    def delete(self, table: str, column: str, numbers: Sequence[int]) -> None:
        """Remove the rows of a table that have one of these numbers in a column."""
        self.connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT unnest(?))", [list(numbers)])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(query).fetchall()

    def size(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.one(f"SELECT count(*) FROM {table}"))

    def one(self, query: str) -> Any:
        """Return the one value of a query."""
        return self.rows(query)[0][0]

    def frame(self, query: str) -> pd.DataFrame:
        """Return the rows of a query as a frame."""
        return self.connection.execute(query).df()

    def number(self, pseudonyms: Sequence[str]) -> list[int]:
        """Return a number for each pseudonym, the same one whatever source it comes from."""
        return [self.students.setdefault(pseudonym, len(self.students)) for pseudonym in pseudonyms]


@contextmanager
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB for one question: it fetches nothing and keeps to its memory, or gives up."""
    import duckdb

    connection = duckdb.connect(":memory:", config=dict(SETTINGS))
    try:
        connection.execute("SET temp_directory = ''")
        yield connection
    finally:
        connection.close()


def _close(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what a process that is no longer there left behind."""
    for folder in place.glob(f"{PREFIX}*-*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{process}").exists():
            shutil.rmtree(folder, ignore_errors=True)
