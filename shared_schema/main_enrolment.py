"""Enrolments in force on a day arrive; the one enrolment and period under which each student counts leave.

A student counts once, whatever the number of enrolments: under a programme before other education (OVO) and parts of a
programme (ODT), then under the highest niveau, the lowest crebo, the most recent start. CEDA's open tools take the last
three from the Inspectie's explanation of its indicators (docs/decisions/040).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.facts import Facts, Numbers, Positions, numbers
from shared_schema.periods import FROM, UNTIL, column, periods, spans

NOT_A_PROGRAMME = ("OVO", "ODT")
"""Learning tracks that a student counts under only when there is no other."""

_ORDER = ("student", "enrolled", "aside", "niveau", "crebo", "start", "enrolment", "period")


@dataclass(frozen=True)
class MainEnrolment:
    """Per student of `Facts.index` the row of `enrolment` and of `programme_period` (in declared order); -1 is none."""

    facts: Facts
    enrolment: Positions
    period: Positions

    def text(self, table: str, name: str) -> npt.NDArray[np.object_]:
        """Return a column of the chosen row of `enrolment` or `programme_period`, empty where there is none."""
        frame, chosen = self._rows(table)
        return np.where(chosen >= 0, np.append(column(frame, name), "")[chosen], "").astype(object)

    def number(self, table: str, name: str) -> Numbers:
        """Return a column of the chosen row as a number, NaN where there is none."""
        frame, chosen = self._rows(table)
        known = numbers(frame[name]) if name in frame else np.full(len(frame), np.nan)
        return np.append(known, np.nan)[chosen]

    def enrolled_since(self) -> Numbers:
        """Return the first day of the chosen enrolment, NaN where there is none."""
        return np.append(spans(self.facts.ordered("enrolment")[0])[0], np.nan)[self.enrolment]

    def since(self) -> Numbers:
        """Return the first day of the chosen period, else of the chosen enrolment, NaN where there is none."""
        frame, chosen = self._rows("programme_period")
        began = np.append(frame[FROM].to_numpy(np.float64), np.nan)[chosen]
        return np.where(np.isfinite(began), began, self.enrolled_since())

    def _rows(self, table: str) -> tuple[pd.DataFrame, Positions]:
        if table == "programme_period":
            return periods(self.facts)[0], self.period
        return self.facts.ordered("enrolment")[0], self.enrolment


def main_on(facts: Facts, day: Numbers) -> MainEnrolment:
    """Return what each student counts under on the student's own `day` (NaN: nothing)."""
    both = _enrolments_on(facts, day).merge(_periods_on(facts, day), on=["student", "key"], how="outer")
    for name, fallback in (("enrolment", -1), ("period", -1), ("aside", 1), ("niveau", 0.0), ("crebo", "")):
        both[name] = both[name].fillna(fallback)
    # A period whose enrolment is not in force says least; where nothing else differs the latest row counts.
    both["enrolled"] = both["enrolment"] < 0
    both["start"] = both[["began", "start"]].max(axis=1)
    ascending = [name not in ("niveau", "start", "enrolment", "period") for name in _ORDER]
    first = both.sort_values(list(_ORDER), ascending=ascending, kind="stable").drop_duplicates("student")
    chosen = first.set_index("student").reindex(np.arange(len(facts.index)))
    rows = [chosen[name].fillna(-1).to_numpy(np.int64) for name in ("enrolment", "period")]
    return MainEnrolment(facts, *rows)


def _enrolments_on(facts: Facts, day: Numbers) -> pd.DataFrame:
    frame, positions = facts.ordered("enrolment")
    start, end = spans(frame)
    now = (start <= day[positions]) & (day[positions] <= end)
    rows = {"student": positions, "key": column(frame, "enrolment_id"), "start": start, "enrolment": range(len(frame))}
    return pd.DataFrame(rows).loc[now]


def _periods_on(facts: Facts, day: Numbers) -> pd.DataFrame:
    frame, positions = periods(facts)
    now = (frame[FROM] <= day[positions]) & (day[positions] <= frame[UNTIL])
    rows = {
        "student": positions,
        "key": column(frame, "enrolment_id"),
        "began": frame[FROM].to_numpy(np.float64),
        "period": range(len(frame)),
        "aside": np.isin(column(frame, "leertraject").astype(str), NOT_A_PROGRAMME).astype(np.int64),
        "niveau": numbers(frame["niveau"]) if "niveau" in frame else np.full(len(frame), np.nan),
        "crebo": column(frame, "crebo"),
    }
    return pd.DataFrame(rows).loc[now.to_numpy()]
