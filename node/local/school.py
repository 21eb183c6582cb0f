"""A node's folder arrives; a school's stored tables leave, with the school years that are over in them.

The local products read these and nothing else. Rows are those of the deliveries that count, each student under the
first pseudonym of the person. Who objected (AVG art. 21) counts in the school's indicators and is in nothing that
judges a student: no list, no colour, no rule. Who was erased is nowhere.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from node.assembly import open_schema
from node.errors import UnusableInput
from node.folder import NodeFolder, read_card
from node.founding import existing
from node.local.people import last_date
from node.people import by_person
from node.store import Store
from shared_schema import Schema
from shared_schema.facts import Facts, days
from shared_schema.stays import day_number

if TYPE_CHECKING:
    import pandas as pd

POOLED = 3
"""School years that the Inspectie looks at together."""

SPAN = re.compile(r"(\d{4})(?:-(\d{4}))?")
MOST_YEARS = 12


@dataclass(frozen=True)
class School:
    """What a local product is made from.

    until: the day until which the rows know what happened; since: the first day in them; years: school years that are
    over, the latest last, by the year of their first 1 October; delivery: the names of the stored deliveries; objected:
    who may be counted and not judged.
    """

    folder: NodeFolder
    name: str
    tables: Mapping[str, pd.DataFrame]
    schema: Schema
    delivery: str
    since: datetime.date
    until: datetime.date
    today: datetime.date
    objected: frozenset[str] = frozenset()

    @cached_property
    def facts(self) -> Facts:
        """The tables as arrays, ordered once for everything that is made from them."""
        return Facts.of(self.tables, self.schema)

    @property
    def last(self) -> int:
        """The latest school year that is over: nobody has left yet in one that is not."""
        return self.until.year - 1 if self.until >= datetime.date(self.until.year, 10, 1) else self.until.year - 2

    @property
    def running(self) -> int:
        """The school year in which the rows end, by the year of its 1 August."""
        return self.until.year if self.until.month >= 8 else self.until.year - 1

    @property
    def years(self) -> tuple[int, ...]:
        """Every school year that is over and at whose first 1 October somebody was there, the last twelve."""
        first = self.since.year if self.since <= datetime.date(self.since.year, 10, 1) else self.since.year + 1
        return tuple(range(first, self.last + 1))[-MOST_YEARS:]

    @property
    def pooled(self) -> tuple[int, ...]:
        """The last three of them."""
        return self.years[-POOLED:]


def open_school(root: Path, as_of: str | None = None, today: datetime.date | None = None) -> School:
    """Open what was taken in last.

    as_of: YYYY-MM-DD, the day until which the delivery knows what happened; without it the latest day in the rows,
    never after today. Raises `UnusableInput` for no node, no delivery, no dated enrolment, or a day to come.
    """
    folder, now = existing(root), today or datetime.datetime.now(tz=datetime.UTC).date()
    found = by_person.read(folder.data)
    tables = found.without(found.without_rows)
    since = _first_date(tables)
    known = _day(as_of, now) if as_of else last_date(tables, now)
    if since is None or known is None:
        rule, remedy = "Indicators need enrolments with a first day.", "Map enrolment.start_date and ingest again."
        raise UnusableInput("no_dates", rule, "no dated enrolment in the delivery", remedy)
    school = str(read_card(folder)["name"])
    delivery = ", ".join(entry.name for entry in Store.open(folder.data).register().counting)
    return School(folder, school, tables, open_schema(folder), delivery, since, known, now, found.left_out)


def chosen_years(school: School, asked: str | None) -> tuple[int, ...]:
    """The school years asked for (`2023` or `2022-2024`), else the last three that are over.

    Raises `UnusableInput` for another form, for a year that is not over, and where none is over.
    """
    if asked is None:
        if school.pooled:
            return school.pooled
        raise _not_over(school, "no school year is over in this delivery")
    match = SPAN.fullmatch(asked)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not 0 <= last - first < MOST_YEARS:
        rule, remedy = "School years are YYYY or YYYY-YYYY.", f"At most {MOST_YEARS} years, such as 2022-2024."
        raise UnusableInput("bad_years", rule, f"'{asked[:20]}'", remedy)
    if last > school.last:
        raise _not_over(school, f"{last}-{last + 1}")
    return tuple(range(first, last + 1))


def _not_over(school: School, found: str) -> UnusableInput:
    rule = "A school year counts when its second 1 October has been: before, nobody seems to have left."
    remedy = f"The rows are known until {school.until}; say --as-of YYYY-MM-DD if they know more."
    return UnusableInput("year_not_over", rule, found, remedy)


def _day(text: str, today: datetime.date) -> datetime.date:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        rule, remedy = "--as-of is a day, YYYY-MM-DD.", "Write it like 2024-10-15."
        raise UnusableInput("bad_day", rule, f"'{text[:20]}'", remedy) from None
    if day > today:
        rule, remedy = "The data are known until a day that has been.", "Name an earlier day with --as-of."
        raise UnusableInput("day_to_come", rule, day.isoformat(), remedy)
    return day


def _first_date(tables: Mapping[str, pd.DataFrame]) -> datetime.date | None:
    import numpy as np

    frame = tables.get("enrolment")
    if frame is None or "start_date" not in frame:
        return None
    started = days(frame["start_date"])
    past = started[np.isfinite(started) & (started > day_number(datetime.date(1950, 1, 1)))]
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=int(past.min())) if len(past) else None
