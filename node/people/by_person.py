"""The store and the permanent table arrive; the tables that count leave, with each person as one student.

Whoever has two numbers stands under the first pseudonym everywhere, also where the second was linked after its rows
were stored: one person is one row of features, one vector, one line of a list. Who may have no rows has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node.people import withheld
from node.people.pseudonyms import Pseudonyms
from node.people.rotating import tables_in_step
from node.store import Store

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True)
class ByPerson:
    """What is stored, by person. tables: in the schema's types, the students of attendance as a category.

    cohorts: student -> cohort that pays, of everybody registered; without_rows: erased, or of a forgotten cohort;
    left_out: those and who opted out.
    """

    tables: Tables
    cohorts: Mapping[str, int | None]
    without_rows: frozenset[str]
    left_out: frozenset[str]

    def without(self, students: Collection[str]) -> dict[str, pd.DataFrame]:
        """The tables without the rows of some students."""
        return {name: _without(table, students) for name, table in self.tables.items()}


def read(data: Path, until_week: int | None = None) -> ByPerson:
    """Read what counts in a node's data folder; until_week and errors as `Store.tables`."""
    with Pseudonyms.open(data) as pseudonyms:
        tables = tables_in_step(Store.open(data), pseudonyms, until_week)
        everyone = {student for table in tables.values() if "student" in table for student in table["student"].unique()}
        return ByPerson(
            _named(tables, pseudonyms.first_of(everyone)),
            pseudonyms.cohorts_of(everyone),
            withheld.without_rows(pseudonyms),
            withheld.left_out(pseudonyms),
        )


def _named(tables: Tables, first: Mapping[str, str]) -> Tables:
    if all(student == known for student, known in first.items()):
        return tables
    return {
        name: table.assign(student=_renamed(table["student"], first)) if "student" in table else table
        for name, table in tables.items()
    }


def _renamed(students: pd.Series, first: Mapping[str, str]) -> pd.Series:
    import pandas as pd

    if not isinstance(students.dtype, pd.CategoricalDtype):
        return students.map(first).astype(students.dtype)
    codes, persons = pd.factorize(students.cat.categories.map(first))  # two numbers of one person become one category
    return pd.Series(pd.Categorical.from_codes(codes[students.cat.codes], persons), index=students.index)


def _without(table: pd.DataFrame, students: Collection[str]) -> pd.DataFrame:
    if "student" not in table:  # about staff, teams or the public
        return table
    gone = table["student"].isin(students)
    return table[~gone].reset_index(drop=True) if gone.any() else table
