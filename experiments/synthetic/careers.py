"""Students and how their first enrolment ended arrive; rows of enrolment, programme period, diploma leave.

Most students have one of each. A few switch programme within the enrolment, go on from niveau 1 to 2, or come
back a year after they dropped out: what every reader of exports trips over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.leaving import EXPORT_DATE, NOT_YET, Departures
from experiments.synthetic.programmes import CATALOGUE, college_of, team_of

SHORTEST_GAP_DAYS = 100  # sooner back counts as a transfer in most definitions, not as dropout and return
_NIVEAU = np.array([programme.niveau for programme in CATALOGUE])
_YEARS = np.array([programme.years for programme in CATALOGUE])
_TEAM = np.array([team_of(programme) for programme in CATALOGUE])
_COLLEGE = np.array([college_of(programme) for programme in CATALOGUE])
_FIRST_FACTS = ("cohort", "start_date", "age_at_start", "first_study", "applications", "applied_before_april")


def careers(
    rng: np.random.Generator, programme_share: NDArray[np.float64], students: Columns, departures: Departures
) -> dict[str, Columns]:
    """Return columns of enrolments, programme_periods and diplomas; `student` is a row of `students`."""
    first = _first_enrolments(students, departures)
    again = _returns(rng, programme_share, students, departures)
    following = _second_periods(rng, students, departures)
    enrolments = _stack(first, again)
    programme = enrolments["programme"].astype(int)
    return {
        "enrolments": enrolments | {"team": _TEAM[programme], "college": _COLLEGE[programme]},
        "programme_periods": _stack(_periods(first), following, _periods(again)),
        "diplomas": _diplomas(students, departures),
    }


def _stack(*parts: Columns) -> Columns:
    """Put columns of the same names under each other, ordered by student and then by enrolment and start."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((joined["start_date"], joined["enrolment_id"], joined["student"]))
    return {name: values[order] for name, values in joined.items()}


def _first_enrolments(students: Columns, departures: Departures) -> Columns:
    n = len(departures.dropout)
    return {name: students[name] for name in (*_FIRST_FACTS, "programme", "leertraject")} | {
        "student": np.arange(n),
        "enrolment_id": np.ones(n, dtype=np.int64),
        "planned_end_date": _planned_end(students["cohort"], students["programme"]),
        "end_date": departures.end_date,
        "reason": departures.reason,
    }


def _planned_end(cohort: NDArray[np.generic], programme: NDArray[np.generic]) -> NDArray[np.datetime64]:
    """31 July after the nominal number of years."""
    return _first_of_august(cohort.astype(np.int64) + _YEARS[programme.astype(int)]) - np.timedelta64(1, "D")


def _first_of_august(year: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return ((year - 1970).astype("datetime64[Y]") + np.timedelta64(7, "M")).astype("datetime64[D]")


def _returns(
    rng: np.random.Generator, programme_share: NDArray[np.float64], students: Columns, departures: Departures
) -> Columns:
    """Second enrolments: one in eight dropouts of the first cohort starts anew in August 2023."""
    start = np.datetime64("2023-08-01")
    left_in_time = departures.dropout & (departures.end_date < start - SHORTEST_GAP_DAYS)
    who = np.flatnonzero(left_in_time & (rng.random(len(left_in_time)) < 0.12))
    programme = rng.choice(len(CATALOGUE), size=len(who), p=programme_share)
    end = start + rng.integers(40, 340, size=len(who)).astype("timedelta64[D]")
    leaves_again = rng.random(len(who)) < 0.3
    days_old = start - students["birth_date"][who].astype("datetime64[D]")
    return {
        "student": who,
        "enrolment_id": np.full(len(who), 2),
        "cohort": np.full(len(who), 2023),
        "start_date": np.full(len(who), start),
        "planned_end_date": _planned_end(np.full(len(who), 2023), programme),
        "end_date": np.where(leaves_again, end, NOT_YET),
        "reason": np.where(leaves_again, rng.choice(["02", "04"], size=len(who)), ""),
        "age_at_start": np.floor(days_old.astype(np.int64) / 365.25).astype(np.int64),
        "first_study": np.zeros(len(who), dtype=bool),
        "applications": np.ones(len(who), dtype=np.int64),
        "applied_before_april": rng.random(len(who)) < 0.5,
        "programme": programme,
        "leertraject": students["leertraject"][who],
    }


def _periods(enrolments: Columns) -> Columns:
    return {name: enrolments[name] for name in ("student", "enrolment_id", "start_date", "programme", "leertraject")}


def _second_periods(rng: np.random.Generator, students: Columns, departures: Departures) -> Columns:
    """Later periods of the first enrolment: 4 % switch, and graduates of niveau 1 may go on at niveau 2."""
    start = students["start_date"].astype("datetime64[D]")
    day = start + rng.integers(75, 260, size=len(start)).astype("timedelta64[D]")
    still_there = np.isnat(departures.end_date) | (departures.end_date > day + 14)
    switches = still_there & ~departures.moves_up & (rng.random(len(start)) < 0.04)
    who = np.flatnonzero(switches | departures.moves_up)
    moved_up = departures.moves_up[who]
    current = students["programme"][who].astype(int)
    target = np.where(moved_up, _one_level_up(current), rng.permutation(students["programme"].astype(int))[who])
    august = _first_of_august(students["cohort"].astype(np.int64) + 1)
    keep = target != current
    return {
        "student": who[keep],
        "enrolment_id": np.ones(int(keep.sum()), dtype=np.int64),
        "start_date": np.where(moved_up, august[who], day[who])[keep],
        "programme": target[keep],
        "leertraject": students["leertraject"][who][keep],
    }


def _one_level_up(programme: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first programme of the same sector at niveau 2 (for a student who leaves niveau 1)."""
    first_at_two = {p.sector: i for i, p in reversed(list(enumerate(CATALOGUE))) if p.niveau == 2}
    return np.array([first_at_two[p.sector] for p in CATALOGUE])[programme]


def _diplomas(students: Columns, departures: Departures) -> Columns:
    who = np.flatnonzero(~np.isnat(departures.diploma_date) & (departures.diploma_date <= EXPORT_DATE))
    return {
        "student": who,
        "enrolment_id": np.ones(len(who), dtype=np.int64),
        "date": departures.diploma_date[who],
        "programme": students["programme"][who],
        "niveau": _NIVEAU[students["programme"][who].astype(int)],
    }
