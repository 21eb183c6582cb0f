"""The files of a delivery arrive; how many rows people have in them, or the same tables with people renamed, leaves.

Nothing of a table is held in memory but its different pseudonyms, and nothing is put aside on disk: a table of millions
of rows passes through. SQL names columns of the schema (`PERSONS`) only; files and pseudonyms are lent to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from node.bulk.workshop import opened
from shared_schema import PERSONS

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Fate: TypeAlias = Callable[[str], "str | None"]
"""Under which pseudonym a person's rows stand from now on; None: under none, they go."""


def rows_of(files: Mapping[str, Sequence[Path]], people: Collection[str]) -> dict[str, dict[str, int]]:
    """Count rows, table -> pseudonym -> rows, of those of `people` who have some; files: table -> its Parquet files."""
    import pandas as pd

    asked = pd.DataFrame({"person": pd.Series(sorted(people), dtype=object)})
    found: dict[str, dict[str, int]] = {}
    with opened() as connection:
        connection.register("asked", asked)
        for table, paths in files.items():
            rows = connection.read_parquet([str(path) for path in paths], union_by_name=True)
            for unit in _units(rows):
                rows.create_view("rows", replace=True)
                query = f"SELECT {unit}, count(*) FROM rows JOIN asked ON {unit} = person GROUP BY {unit}"
                found[table] = dict(connection.execute(query).fetchall())
    return found


def touched(files: Sequence[Path], fate: Fate) -> bool:
    """Whether anybody in these tables has another fate than to stay as they are."""
    with opened() as connection:
        return any(
            fate(person) != person
            for rows in (connection.read_parquet(str(file)) for file in files)
            for unit in _units(rows)
            for person in _people(rows, unit)
        )


def write_renamed(file: Path, target: Path, fate: Fate) -> int:
    """Write the rows of one table with everybody under their fate to a new file; return how many there are."""
    with opened() as connection:
        rows = connection.read_parquet(str(file))
        for number, unit in enumerate(_units(rows)):
            connection.register(f"fates{number}", _fates(_people(rows, unit), fate))
            rows.create_view(f"rows{number}")
            rows = connection.sql(
                f"SELECT rows{number}.* REPLACE (after::VARCHAR AS {unit}) FROM rows{number} LEFT JOIN fates{number}"
                f" ON {unit} = before WHERE {unit} IS NULL OR after IS NOT NULL"
            )
        rows.write_parquet(str(target))
        return int(connection.read_parquet(str(target)).count("*").fetchall()[0][0])


def _fates(people: Iterator[str], fate: Fate) -> pd.DataFrame:
    import pandas as pd

    rows = [(person, fate(person)) for person in people]
    return pd.DataFrame(rows, columns=["before", "after"], dtype=object)


def _units(rows: duckdb.DuckDBPyRelation) -> list[str]:
    return [name for name in PERSONS if name in rows.columns]


def _people(rows: duckdb.DuckDBPyRelation, unit: str) -> Iterator[str]:
    for (person,) in rows.select(unit).distinct().fetchall():
        if person is not None:
            yield person
