"""A node's folder arrives; its students leave: who is in the first year now, and of whom the outcome is known.

Everything here stays in the node. A student's cohort and outcome are functions of that student's own rows and of one
public day, the day until which the data are known.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from node.errors import UnusableInput
from node.ingest import first_cohorts
from node.people import by_person
from shared_schema import Schema, features, outcomes
from shared_schema.facts import Facts, days, of_students, texts
from shared_schema.stays import day_number, rows_on, still_enrolled, years_later

if TYPE_CHECKING:
    from node.folder import NodeFolder
    from shared_schema.features import Feature

DATES = {"enrolment": ("start_date", "end_date"), "diploma": ("date",), "result": ("date",)}
EPOCH = datetime.date(1970, 1, 1)
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class People:
    """A school's tables and what is known of each student on one day.

    cohort: school year of the first enrolment by student, Int64; here: whether the student is enrolled on `as_of`. Both
    have the sorted index of all students. outcome: the name of the definition; as_of: None where no table has a date;
    told: whether a person named that day.
    """

    tables: Tables
    schema: Schema
    outcome: str
    as_of: datetime.date | None
    cohort: pd.Series
    here: pd.Series
    told: bool = False

    def labels(self, week: int = 0) -> pd.Series:
        """The outcome, 1.0 or 0.0, of every student of whom it is known and who had not left by the end of `week`.

        Exports without an end of an enrolment flag who left; such a flag is often 0 for who is still in the first year.
        Once a person has named the day of the data, that 0 is not known yet.
        """
        known = outcomes.compute(self.tables, self.outcome, self.schema, cutoff_week=week, as_of=self.as_of)
        facts = Facts.of(self.tables, self.schema)
        if not self.told or self.as_of is None or facts.has("enrolment", "end_date"):
            return known
        over = years_later(facts.days("enrolment", "start_date"), 1)
        waiting = facts.index[over > day_number(self.as_of)]
        return known[~((known == 0.0) & known.index.isin(waiting))]

    def frame(self, wanted: Sequence[Feature], week: int) -> pd.DataFrame:
        """These features of every student at the end of teaching week `week`, in their own units."""
        return features.build(self.tables, wanted, week, self.schema)

    def running(self, cohort: int | None) -> pd.Index:
        """Students of a cohort (None: of any) who are here and whose outcome is not known yet."""
        known = self.labels().index
        chosen = self.here if cohort is None else self.here & (self.cohort == cohort).fillna(False)
        return self.here.index[chosen].difference(known)


def read_tables(folder: NodeFolder) -> dict[str, pd.DataFrame]:
    """The tables about students of the deliveries that count, each person as one student.

    Who opted out or was erased has no rows here: on no list, and no model learns from them. Raises as `Store.tables`.
    """
    found = by_person.read(folder.data)
    return of_students(found.without(found.left_out))


def people(tables: Tables, schema: Schema, outcome: str, as_of: datetime.date | None, today: datetime.date) -> People:
    """Gather what is known of each student; without `as_of` the data are known until the last date they hold.

    A date after `today` is a plan or a slip of the pen, and tells nothing. Raises `UnusableInput` for a day to come.
    """
    if as_of is not None and as_of > today:
        rule, remedy = "The data are known until a day that has been.", "Name an earlier day with --as-of."
        raise UnusableInput("day_to_come", rule, as_of.isoformat(), remedy)
    known_until = as_of or last_date(tables, today)
    facts = Facts.of(tables, schema)
    cohorts = first_cohorts(tables)
    cohort = pd.Series([cohorts.get(student) for student in facts.index], index=facts.index, dtype="Int64")
    return People(tables, schema, outcome, known_until, cohort, _here(facts, known_until), as_of is not None)


def _here(facts: Facts, as_of: datetime.date | None) -> pd.Series:
    """Enrolled on the day; where the school delivers no end of an enrolment, whoever has begun."""
    until = np.inf if as_of is None else day_number(as_of)
    if facts.has("enrolment", "end_date"):
        return pd.Series(still_enrolled(facts, until), index=facts.index)
    start = facts.days("enrolment", "start_date")
    return pd.Series(np.isnan(start) | (start <= until), index=facts.index)


def last_date(tables: Tables, today: datetime.date) -> datetime.date | None:
    """The last day, not after `today`, on which anything happened by the tables; None where none has a date."""
    latest = day_number(today)
    found = [
        values[values <= latest].max(initial=-np.inf)
        for name, columns in DATES.items()
        for column in columns
        if name in tables and column in tables[name]
        for values in [days(tables[name][column])]
    ]
    last = max(found, default=-np.inf)
    return EPOCH + datetime.timedelta(days=int(last)) if np.isfinite(last) else None


def team_of(people: People) -> dict[str, str]:
    """Each student's team on the day of the data; where the school delivers none, the crebo; empty where neither is."""
    facts = Facts.of(people.tables, people.schema)
    day = np.full(len(facts.index), np.nan if people.as_of is None else day_number(people.as_of))
    for table, column in (("enrolment", "team"), ("programme_period", "crebo")):
        values = facts.texts(table, column).copy()
        now, positions = rows_on(facts, table, day)
        if column in now:
            values[positions] = texts(now[column])
        if any(values):
            return dict(zip(facts.index, map(str, values), strict=True))
    return {}


def weeks_in(people: People, students: pd.Index) -> int:
    """The last teaching week of which anything is known about at least half of these students; 0 for none.

    Registered absence and results count; where only dates are known, nothing does.
    """
    facts = Facts.of(people.tables, people.schema)
    last = np.zeros(len(facts.index))
    for table in ("attendance", "result"):
        frame, positions = facts.rows(table)
        if "week" in frame:
            week = pd.to_numeric(frame["week"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
            known = np.isfinite(week)
            np.maximum.at(last, positions[known], week[known])
    own = pd.Series(last, index=facts.index).reindex(students).to_numpy()
    return int(np.sort(own)[len(own) // 2]) if len(own) else 0
