"""Arrives: a Parquet file. Leaves: its rows as text, numbered, each cell as a text export would write it.

DuckDB reads it, with access to no other file and within a bound on memory. Columns that hold lists, records or bytes
are refused: an export is one value per cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from node.sources.detection import bad_file
from node.sources.formats import cell_text

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
BATCH = 10_000
_VALUES = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|FLOAT|DOUBLE|VARCHAR|ENUM\(.*\)|UUID|DATE|TIME"
    r"|TIMESTAMP(_[A-Z]+)?"
)
_WITH_ZONE = re.compile(r"TIME(STAMP)? WITH TIME ZONE")  # read as the text of that moment in UTC


def parquet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (1, names), then (row number, cells); rows without a filled cell are left out.

    Raises UnusableInput for a file that is no whole Parquet file and for columns of lists, records or bytes.
    """
    for number, row in enumerate(_rows(path), start=1):
        if any(row):
            yield number, row


def _rows(path: Path) -> Iterator[list[str]]:
    """Names and cells; only the library's own work is done within `_readable`."""
    with _readable(path), _reader(path) as reader:
        columns = {str(name): str(kind) for name, kind, *_ in _read(reader, path, "*").description}
        _check(path, columns)
        yield list(columns)
        result = _read(reader, path, ", ".join(_as_read(name, kind) for name, kind in columns.items()))
        while batch := result.fetchmany(BATCH):
            for row in batch:
                yield [cell_text(value) for value in row]


def _reader(path: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that can open this one file and nothing else."""
    import duckdb

    reader = duckdb.connect(config={"memory_limit": MEMORY, "threads": 1})
    reader.execute("SET allowed_paths = [$1, $2]", [str(path), _escaped(path)])
    reader.execute("SET enable_external_access = false")
    reader.execute("SET lock_configuration = true")
    return reader


def _escaped(path: Path) -> str:
    """The path as a pattern that matches only itself."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _read(reader: duckdb.DuckDBPyConnection, path: Path, columns: str) -> duckdb.DuckDBPyConnection:
    return reader.execute(f"SELECT {columns} FROM read_parquet($1, binary_as_string = true)", [_escaped(path)])


def _as_read(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "FLOAT":  # 0.1 as it was written, not the nearest number of twice as many digits
        return f"CAST(CAST({quoted} AS VARCHAR) AS DOUBLE)"
    return f"CAST({quoted} AS VARCHAR)" if _WITH_ZONE.fullmatch(kind) else quoted


def _check(path: Path, columns: dict[str, str]) -> None:
    if nested := [kind for kind in columns.values() if not (_VALUES.fullmatch(kind) or _WITH_ZONE.fullmatch(kind))]:
        raise bad_file(
            "nested_column",
            path,
            "A Parquet export holds one value per cell: a number, a text, a day, a truth value.",
            f"{len(nested)} columns of lists, records or bytes",
            "Unfold or leave out these columns in the export.",
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever the library raises at a file is one error; its own may quote a cell, so it ends here."""
    try:
        yield
    except UnusableInput:
        raise
    except Exception:
        raise bad_file(
            "bad_parquet",
            path,
            "A Parquet export is a whole file that DuckDB can read.",
            "a file that cannot be read",
            "Make the export again, or export CSV.",
        ) from None
