"""Arrives: conforming tables, as frames or Parquet files. Leaves: numbers about each by school year, never a row.

Every number comes from SQL over one table at a time (with the first school year of each student beside it), so that
ten million rows need no more memory than a few thousand. The numbers are stored in the delivery's report: the next
delivery is held against them when the rows themselves are gone. So none of them is about a few people: bins with few
cells are put together, and a school year with few students counts as unknown.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.delivery_files import OFFLINE
from node.quality.thresholds import DECLARED
from shared_schema import PERSONS, Schema, Type

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from shared_schema import Column

NUMBERS_VERSION = 1
FIRST_SCHOOL_MONTH = 8
NO_YEAR, SMALL = "", "*"
COUNTED_IN: Mapping[str, str] = {  # the date that says in which school year a row belongs
    "programme_period": "start_date",
    "placement": "start_date",
    "diploma": "date",
    "result": "date",
    "application": "created",
}
IDENTITY = ("person", "enrolment")
LADDER = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 25, 30, 40, 60, 80, 100, 200, 500, 1000, 2000, 4000)
"""Upper ends of the bins of every bounded number: declared, the same for all columns and schools."""
UNBINNED = frozenset({"enrolment.cohort"})  # the school year itself
IN_MEMORY: Mapping[str, Any] = {
    **OFFLINE,
    "preserve_insertion_order": "false",
    "memory_limit": "768MiB",  # nothing is put aside, so this is enough or the answer fails; ten million rows take less
}


Rows = Mapping[str, "pd.DataFrame"] | Mapping[str, Path] | Mapping[str, Sequence[Path]]
"""Conforming tables: frames, or the Parquet file or files in which a table is stored."""


@dataclass(frozen=True)
class YearNumbers:
    """One table in one school year. filled: column -> cells that are not empty."""

    rows: int
    students: int
    filled: Mapping[str, int]


@dataclass(frozen=True)
class TableNumbers:
    """One table. years: "2023" (school year 2023-2024, "" unknown) -> numbers; bins: column -> year -> bin -> cells.

    Bins are the codes of a code column, true and false, or the `LADDER` of a bounded number; `SMALL` is the small ones.
    """

    years: Mapping[str, YearNumbers]
    bins: Mapping[str, Mapping[str, Mapping[str, int]]]

    @property
    def rows(self) -> int:
        """Rows of all years."""
        return sum(year.rows for year in self.years.values())

    def filled(self, column: str) -> int:
        """Cells of a column that are not empty, all years together."""
        return sum(year.filled.get(column, 0) for year in self.years.values())

    def shape(self, column: str) -> dict[str, int]:
        """Cells per bin, all years together."""
        total: dict[str, int] = {}
        for bins in self.bins.get(column, {}).values():
            for name, cells in bins.items():
                total[name] = total.get(name, 0) + cells
        return total


@dataclass(frozen=True)
class Numbers:
    """What is known of a delivery when its rows are gone. students: persons and enrolled, else in any table."""

    students: int
    tables: Mapping[str, TableNumbers]

    def plain(self) -> dict[str, Any]:
        """Return plain data for JSON, the version first."""
        return {"numbers": NUMBERS_VERSION, **asdict(self)}

    @classmethod
    def of_plain(cls, found: Any) -> Numbers | None:
        """Return the numbers of an earlier report; None for a report from before there were any, or of another form."""
        if not isinstance(found, Mapping) or found.get("numbers") != NUMBERS_VERSION:
            return None
        tables = {
            table: TableNumbers({year: YearNumbers(**one) for year, one in kept["years"].items()}, kept["bins"])
            for table, kept in found["tables"].items()
        }
        return cls(found["students"], tables)


@dataclass(frozen=True)
class Opened:
    """Tables that SQL can ask: columns that each has, and the connection in which it is a view of that name."""

    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, tuple[str, ...]]


@contextmanager
def opened(tables: Rows) -> Iterator[Opened]:
    """Open conforming tables, named as the schema names them: frames, or the Parquet files they are stored in."""
    import duckdb

    connection = duckdb.connect(":memory:", config=dict(IN_MEMORY))
    try:
        columns = {}
        for table, rows in tables.items():
            relation = _relation(connection, rows)
            relation.create_view(table)
            columns[table] = tuple(relation.columns)
        yield Opened(connection, columns)
    finally:
        connection.close()


def _relation(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame | Path | Sequence[Path]) -> Any:
    if isinstance(rows, Path):
        return connection.read_parquet(str(rows))
    if isinstance(rows, Sequence):
        return connection.read_parquet([str(path) for path in rows], union_by_name=True)
    return connection.from_df(rows)


def measured(tables: Opened, schema: Schema, few: int = DECLARED.few) -> Numbers:
    """Return the numbers of every table that the schema knows. few: below it a bin or a year is not kept by itself."""
    _remember_first_years(tables)
    known = [table for table in tables.columns if table in schema.tables]
    with_students = [table for table in known if "student" in tables.columns[table]]
    with_students = [table for table in with_students if table in IDENTITY] or with_students
    everyone = " UNION ".join(f'SELECT student FROM "{table}"' for table in with_students)
    students = _one(tables, f"SELECT count(*) FROM ({everyone})") if everyone else 0
    return Numbers(students, {table: _coarse(_of_table(tables, table, schema), few) for table in known})


def _of_table(tables: Opened, table: str, schema: Schema) -> TableNumbers:
    columns = [name for name in tables.columns[table] if name in schema.table(table).columns]
    rows = _with_year(table, tables.columns[table])
    unit = next((name for name in PERSONS if name in columns), None)
    counts = ", ".join(f'count("{name}")' for name in columns)
    people = f'count(DISTINCT "{unit}")' if unit else "0"
    found = tables.connection.execute(
        f"SELECT school_year, count(*), {people}, {counts} FROM ({rows}) GROUP BY school_year ORDER BY school_year"
    ).fetchall()
    years = {
        _year(year): YearNumbers(number, students, dict(zip(columns, filled, strict=True)))
        for year, number, students, *filled in found
    }
    declared = [schema.column(table, name) for name in columns if f"{table}.{name}" not in UNBINNED]
    return TableNumbers(years, _bins(tables, rows, [one for one in map(_Binned.of, declared) if one]))


def _coarse(found: TableNumbers, few: int) -> TableNumbers:
    """The same numbers with small bins put together, and years of few people among the unknown ones."""
    small = {year for year, one in found.years.items() if 0 < one.students < few}
    years = _together((NO_YEAR if year in small else year, one) for year, one in found.years.items())
    bins: dict[str, dict[str, dict[str, int]]] = {}
    for column, by_year in found.bins.items():
        kept: dict[str, dict[str, int]] = bins.setdefault(column, {})
        for year, cells in by_year.items():
            into = kept.setdefault(NO_YEAR if year in small else year, {})
            for name, count in cells.items():
                named = name if count >= few else SMALL
                into[named] = into.get(named, 0) + count
    return TableNumbers(years, bins)


def _together(years: Iterable[tuple[str, YearNumbers]]) -> dict[str, YearNumbers]:
    found: dict[str, YearNumbers] = {}
    for year, one in years:
        there = found.get(year, YearNumbers(0, 0, {}))
        filled = {name: there.filled.get(name, 0) + cells for name, cells in one.filled.items()}
        found[year] = YearNumbers(there.rows + one.rows, there.students + one.students, filled)
    return found


def _bins(tables: Opened, rows: str, binned: Sequence[_Binned]) -> dict[str, dict[str, dict[str, int]]]:
    """Cells per year and bin of every column at once: one grouping set a column."""
    if not binned:
        return {}
    chosen = ", ".join(f'{one.expression} AS "bin_{place}"' for place, one in enumerate(binned))
    keys = [f'"bin_{place}"' for place in range(len(binned))]
    sets = ", ".join(f"(school_year, {key})" for key in keys)
    which = " + ".join(f"(1 - grouping({key})) * {place}" for place, key in enumerate(keys))
    values = ", ".join(f"CAST({key} AS VARCHAR)" for key in keys)
    found = tables.connection.execute(
        f"SELECT {which}, school_year, coalesce({values}), count(*) "
        f"FROM (SELECT school_year, {chosen} FROM ({rows})) GROUP BY GROUPING SETS ({sets}) ORDER BY ALL"
    ).fetchall()
    bins: dict[str, dict[str, dict[str, int]]] = {one.name: {} for one in binned}
    for place, year, value, cells in found:
        if value is not None:
            name = _rung(int(value)) if binned[place].numeric else value
            into = bins[binned[place].name].setdefault(_year(year), {})
            into[name] = into.get(name, 0) + cells
    return bins


@dataclass(frozen=True)
class _Binned:
    """A column whose values are declared. expression: SQL of its bin, or of its value rounded up where `numeric`."""

    name: str
    expression: str
    numeric: bool = False

    @classmethod
    def of(cls, column: Column) -> _Binned | None:
        if column.codes is not None or column.type is Type.BOOLEAN:
            return cls(column.name, f'CAST("{column.name}" AS VARCHAR)')
        if column.bounds is None:
            return None
        # Rungs are whole numbers, so that rounding up moves no value to another one; no sum over rows climbs a ladder.
        whole = f'CAST(greatest(least(ceil("{column.name}"), {LADDER[-1] + 1}), {LADDER[0]}) AS SMALLINT)'
        return cls(column.name, whole, numeric=True)


def _rung(value: int) -> str:
    """The bin of a whole number: the first upper end of the ladder that it does not exceed."""
    place = bisect_left(LADDER, value)
    return str(LADDER[place]) if place < len(LADDER) else "more"


def _with_year(table: str, columns: tuple[str, ...]) -> str:
    """The rows of a table with their school year: of their own date, else the first of their student."""
    if table == "enrolment":
        return f'SELECT {_enrolment_year(columns)} AS school_year, * FROM "enrolment"'
    date = COUNTED_IN.get(table)
    if date in columns:
        return f'SELECT {_school_year(str(date))} AS school_year, * FROM "{table}"'
    if "student" in columns:
        return f'SELECT first_years.school_year, rows.* FROM "{table}" AS rows LEFT JOIN first_years USING (student)'
    return f'SELECT CAST(NULL AS BIGINT) AS school_year, * FROM "{table}"'


def _remember_first_years(tables: Opened) -> None:
    """Make the table of each student's first school year; empty where there are no enrolments."""
    columns = tables.columns.get("enrolment", ())
    source = (
        f'SELECT student, min({_enrolment_year(columns)}) AS school_year FROM "enrolment" GROUP BY student'
        if columns
        else "SELECT CAST(NULL AS VARCHAR) AS student, CAST(NULL AS BIGINT) AS school_year WHERE false"
    )
    tables.connection.execute(f"CREATE OR REPLACE TEMP TABLE first_years AS {source}")


def _enrolment_year(columns: tuple[str, ...]) -> str:
    parts = ['"cohort"'] if "cohort" in columns else []
    parts += [_school_year("start_date")] if "start_date" in columns else []
    return f"coalesce({', '.join([*parts, 'NULL'])})" if parts else "CAST(NULL AS BIGINT)"


def _school_year(date: str) -> str:
    return f'(year("{date}") - CAST(month("{date}") < {FIRST_SCHOOL_MONTH} AS BIGINT))'


def _year(year: int | None) -> str:
    return NO_YEAR if year is None else str(year)


def _one(tables: Opened, query: str) -> int:
    found = tables.connection.execute(query).fetchone()
    return int(found[0]) if found else 0
