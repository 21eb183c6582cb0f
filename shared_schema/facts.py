"""A school's tables arrive; arrays with one value per student leave, each a total function of that student's rows.

The one place where rows become numbers. Whatever stands in a row (NaN, infinity, 1e308, text in a number column)
gives a finite number or "missing" (NaN); nothing raises, for a refusal would tell who is in the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.schema import Schema

Numbers = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
Tables = Mapping[str, pd.DataFrame]

IDENTITY_TABLES = ("person", "enrolment")
"""A student exists for an experiment when one of these tables holds a row of the student."""

DATED = {"result": "date", "placement": "start_date", "diploma": "date", "survey": "date"}
"""The column that dates a row of a table with several rows per student, where it has no week."""


def of_students(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the tables about students: no other table has a say in who is asked about, or in what is known of them.

    Told by the column that only those tables have: applicants and staff stand under other names (`About`), rows about
    teams and public figures under none.
    """
    return {name: frame for name, frame in tables.items() if "student" in frame.columns}


def population(tables: Tables) -> pd.Index:
    """Return every student of the identity tables once, sorted."""
    return pd.Index(np.sort(everyone(tables)), dtype=object, name="student")


def everyone(tables: Tables) -> npt.NDArray[np.object_]:
    """Return every student of the identity tables once, in the order in which they are met."""
    found = [tables[name]["student"] for name in IDENTITY_TABLES if name in tables]
    if not found:
        return np.array([], dtype=object)
    students = pd.concat([series.astype(object) for series in found]).dropna().astype(str)
    return np.asarray(students.unique(), dtype=object)


def numbers(series: pd.Series) -> Numbers:
    """Return the values as float64; what is missing, not a number or not finite becomes NaN."""
    values = pd.to_numeric(series.astype(object), errors="coerce") if series.dtype == object else series
    if not pd.api.types.is_numeric_dtype(values.dtype):
        values = pd.to_numeric(values, errors="coerce")
    floats: Numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(floats), floats, np.nan)


def texts(series: pd.Series) -> npt.NDArray[np.object_]:
    """Return the values as text; a missing value becomes the empty string."""
    filled: npt.NDArray[np.object_] = series.astype(object).where(series.notna(), "").astype(str).to_numpy(object)
    return filled


def dates(series: pd.Series) -> pd.Series:
    """Return the values as datetime64[us]; what is missing or not an ISO 8601 date becomes missing.

    The format is never inferred: pandas infers it from the first row, and a row of another student must not matter.
    """
    if pd.api.types.is_datetime64_dtype(series.dtype):
        return series.astype("datetime64[us]")
    stamps = pd.to_datetime(series.astype("string"), errors="coerce", format="ISO8601", utc=True)
    return stamps.dt.tz_localize(None).astype("datetime64[us]")


def days(series: pd.Series) -> Numbers:
    """Return dates as days since 1970-01-01; what is missing or not a date becomes NaN."""
    stamps = dates(series).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("datetime64[D]").astype(np.float64))


@dataclass(frozen=True)
class Facts:
    """The tables of one school beside the sorted index of its students.

    Every array that a method returns has one entry per student of `index`, in its order. The fields with an
    underscore hold what has been computed once; they are never part of a value.
    """

    schema: Schema
    tables: Tables
    index: pd.Index
    _first: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _rows: dict[str, tuple[pd.DataFrame, Positions]] = field(default_factory=dict, repr=False)
    _ordered: dict[str, tuple[pd.DataFrame, Positions]] = field(default_factory=dict, repr=False)
    _made: dict[str, tuple[pd.DataFrame, Positions]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, tables: Tables, schema: Schema) -> Facts:
        """Gather the facts of every student that the identity tables name; tables about others are left out."""
        return cls(schema, of_students(tables), population(tables))

    def has(self, table: str, column: str) -> bool:
        """Say whether the school delivers this column at all: a property of its mapping, never of its rows."""
        return table in self.tables and column in self.tables[table].columns

    def rows(self, table: str) -> tuple[pd.DataFrame, Positions]:
        """Return the rows of known students, and for each the student's position in `index`."""
        if table not in self._rows:
            frame = self.tables.get(table, pd.DataFrame({"student": pd.Series([], dtype=object)}))
            positions = self._positions(frame["student"])
            known = positions >= 0
            self._rows[table] = frame.loc[known], positions[known].astype(np.int64)
        return self._rows[table]

    def _positions(self, students: pd.Series) -> Positions:
        """Return the position of each student in `index`, -1 for none; each text of a category is sought once."""
        if isinstance(students.dtype, pd.CategoricalDtype):
            of_category = self.index.get_indexer(students.cat.categories.astype(object))
            return np.asarray(np.append(of_category, -1)[students.cat.codes], dtype=np.int64)
        return np.asarray(self.index.get_indexer(pd.Index(students.astype(object))), dtype=np.int64)

    def ordered(self, table: str) -> tuple[pd.DataFrame, Positions]:
        """Return the rows by student and then in the table's declared order.

        Ties in the declared order are broken by the other columns, so the order of rows in the file never matters.
        """
        if table not in self._ordered:
            self._ordered[table] = self._in_order(table)
        return self._ordered[table]

    def _in_order(self, table: str) -> tuple[pd.DataFrame, Positions]:
        frame, positions = self.rows(table)
        names = [name for name in frame.columns if name != "student"]  # which the position stands for
        declared = [name for name in self.schema.table(table).order if name in names]
        others = sorted(set(names) - set(declared))
        keys = [_sortable(frame[name]) for name in reversed([*declared, *others])]
        order = np.lexsort([*keys, positions])
        return frame.iloc[order], positions[order]

    def made(self, name: str, make: Callable[[], tuple[pd.DataFrame, Positions]]) -> tuple[pd.DataFrame, Positions]:
        """Return what `make` gives, made once: rows that follow from these tables, with each row's position."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def until(self, table: str, week: int) -> tuple[pd.DataFrame, Positions]:
        """Return the ordered rows known by the end of teaching week `week`.

        A row's week is its own column `week`, or else follows from its date and the start of the student's first
        enrolment; a row of which neither is known does not count.
        """
        frame, positions = self.ordered(table)
        missing = np.full(len(frame), np.nan)
        own = numbers(frame["week"]) if "week" in frame else missing
        date = DATED.get(table, "")
        since = days(frame[date]) - self._starts()[positions] if date in frame else missing
        known = np.where(np.isnan(own), np.floor(since / 7.0) + 1.0, own) <= week
        return frame.loc[known], positions[known]

    def _starts(self) -> Numbers:
        return self.days("enrolment", "start_date")

    def first(self, table: str) -> pd.DataFrame:
        """Return each student's first row in the table's declared order, on `index`; absent rows are missing."""
        if table not in self._first:
            frame, positions = self.ordered(table)
            begins = np.flatnonzero(np.diff(positions, prepend=-1))
            first = frame.iloc[begins].drop(columns="student").set_axis(self.index[positions[begins]])
            self._first[table] = first if len(first) == len(self.index) else first.reindex(self.index)
        return self._first[table]

    def column(self, table: str, column: str) -> pd.Series:
        """Return the first row's value of a column; a column that is not delivered is missing for everyone."""
        if not self.has(table, column):
            return pd.Series(np.nan, index=self.index, dtype=np.float64)
        return self.first(table)[column]

    def numbers(self, table: str, column: str) -> Numbers:
        """Return the first row's value as a number, NaN where missing."""
        return numbers(self.column(table, column))

    def texts(self, table: str, column: str) -> npt.NDArray[np.object_]:
        """Return the first row's value as text, empty where missing."""
        if not self.has(table, column):
            return np.full(len(self.index), "", dtype=object)
        return texts(self.column(table, column))

    def days(self, table: str, column: str) -> Numbers:
        """Return the first row's date in days since 1970-01-01, NaN where missing."""
        if not self.has(table, column):
            return np.full(len(self.index), np.nan)
        return days(self.column(table, column))


def _sortable(series: pd.Series) -> npt.NDArray[np.int64]:
    """Return ranks that sort like the values, missing ones last.

    Ranks of one student's rows keep their order when another student's rows go, so what comes first stays first.
    """
    values = series.to_numpy()
    if series.dtype == object or pd.api.types.is_string_dtype(series.dtype):
        values = texts(series)
    codes, uniques = pd.factorize(pd.Series(values), sort=True)
    return np.where((codes < 0) | series.isna().to_numpy(), len(uniques), codes).astype(np.int64)


def fill(values: Numbers, neutral: float) -> Numbers:
    """Return the values with NaN replaced by the declared neutral value."""
    return np.where(np.isnan(values), neutral, values)
