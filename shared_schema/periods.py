"""Enrolment, programme period and diploma rows arrive; the same rows with the days on which each holds leave.

Sources give a period no end, or leave it open when the student has left, and DUO gives a diploma no level. What a row
leaves out follows from the same student's other rows, and from nobody else's. Days are numbers since 1970-01-01.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.facts import Facts, Numbers, Positions, days, numbers, texts

FROM, UNTIL, DATED_ON, LEVEL = "(from)", "(until)", "(dated on)", "(level)"
"""Columns that are added here; no column of a source can be called so."""

Rows = tuple[pd.DataFrame, Positions]


def spans(frame: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """Return first and last day of each row: NaN for an unknown start, infinity for an open end."""
    start, end = _days(frame, "start_date"), _days(frame, "end_date")
    return start, np.where(np.isnan(end), np.inf, np.fmax(end, start))


def periods(facts: Facts) -> Rows:
    """Return programme periods in declared order with the days FROM and UNTIL which each is in force.

    A period ends on its own last day, on the day before the next period of the same enrolment, or with its enrolment,
    whichever comes first. Without a first day it begins with its enrolment. One whose enrolment is not delivered
    stands by itself.
    """
    return facts.made("periods", lambda: _periods(facts))


def diplomas(facts: Facts) -> Rows:
    """Return diplomas in declared order with DATED_ON (NaN: unknown), the enrolment's last day UNTIL, and LEVEL.

    LEVEL is the diploma's own niveau; else that of the student's period of the same crebo, else of the same enrolment;
    the highest where they differ, and 1 where none is known.
    """
    return facts.made("diplomas", lambda: _diplomas(facts))


def _days(frame: pd.DataFrame, column: str) -> Numbers:
    return days(frame[column]) if column in frame else np.full(len(frame), np.nan)


def column(frame: pd.DataFrame, name: str) -> npt.NDArray[np.object_]:
    """Return a column as text; a column that is not delivered is empty for every row."""
    return texts(frame[name]) if name in frame else np.full(len(frame), "", dtype=object)


def _periods(facts: Facts) -> Rows:
    frame, positions = facts.ordered("programme_period")
    start, end = spans(frame)
    within = _enrolments(facts).reindex(_keys(positions, column(frame, "enrolment_id")))
    first = np.where(np.isnan(start), within[FROM].fillna(-np.inf).to_numpy(np.float64), start)
    last = np.fmin(end, within[UNTIL].fillna(np.inf).to_numpy(np.float64))
    last = np.fmin(last, _next_start(positions, column(frame, "enrolment_id"), first) - 1.0)
    return frame.assign(**{FROM: first, UNTIL: last}), positions


def _enrolments(facts: Facts) -> pd.DataFrame:
    """First and last day per student and enrolment; rows that share both widen the span."""
    frame, positions = facts.ordered("enrolment")
    start, end = spans(frame)
    known = pd.DataFrame({FROM: start, UNTIL: end}, index=_keys(positions, column(frame, "enrolment_id")))
    return known.groupby(level=[0, 1]).agg({FROM: "min", UNTIL: "max"})


def _keys(positions: Positions, enrolment: npt.NDArray[np.object_]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([positions, enrolment])


def _next_start(positions: Positions, enrolment: npt.NDArray[np.object_], start: Numbers) -> Numbers:
    """Return of each period the first later start within the same enrolment; infinity for the last."""
    starts = pd.DataFrame({"student": positions, "enrolment": enrolment, "start": start})
    once = starts.drop_duplicates().sort_values(["student", "enrolment", "start"], kind="stable")
    following = once.groupby(["student", "enrolment"])["start"].shift(-1)
    found = starts.merge(once.assign(next=following), on=["student", "enrolment", "start"], how="left")
    return np.where(found["next"].isna(), np.inf, found["next"].to_numpy(np.float64))


def _diplomas(facts: Facts) -> Rows:
    frame, positions = facts.ordered("diploma")
    period, of = periods(facts)
    niveau = numbers(period["niveau"]) if "niveau" in period else np.full(len(period), np.nan)
    own = numbers(frame["niveau"]) if "niveau" in frame else np.full(len(frame), np.nan)
    for name in ("crebo", "enrolment_id"):
        other = _highest(of, column(period, name), niveau).reindex(_keys(positions, column(frame, name)))
        own = np.where(np.isnan(own), other.to_numpy(np.float64), own)
    ended = _enrolments(facts)[UNTIL].reindex(_keys(positions, column(frame, "enrolment_id")))
    added = {
        DATED_ON: _days(frame, "date"),
        UNTIL: ended.fillna(np.inf).to_numpy(np.float64),
        LEVEL: np.where(np.isnan(own), 1.0, own),
    }
    return frame.assign(**added), positions


def _highest(positions: Positions, name: npt.NDArray[np.object_], niveau: Numbers) -> pd.Series:
    """The highest niveau per student and name; an unknown name tells nothing."""
    known = (name != "") & ~np.isnan(niveau)
    return pd.Series(niveau[known], index=_keys(positions[known], name[known])).groupby(level=[0, 1]).max()
