"""Team estimates and what became of earlier students arrive; a forecast of JR, DR and next year's headcount leaves.

MBO Utrecht's rendemententool: three estimates a year, each held against what happened. Every student is in a class:
what the team estimated by that round, the niveau, whether the nominal duration ends before the next 1 October, and
whether the student is still here or has graduated on the day of the forecast. What became of a class in earlier years,
seen on the same day of the year, says what may become of it now. Intervals: 95 % of 4,000 draws, from the posterior of
each class' shares (Dirichlet, 1/2 each) and from chance. Class and outcome are functions of one student's own rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from node.local.roster import school_year
from shared_schema.delay import nominal_end
from shared_schema.facts import Facts, numbers, texts
from shared_schema.indicators import REGULAR, RULES, segment
from shared_schema.main_enrolment import main_on
from shared_schema.norms import SMALLEST_DENOMINATOR
from shared_schema.stays import enrolled_on, first_stays, has_diploma, october

if TYPE_CHECKING:
    from node.local.school import School

ROUNDS = 3
LAST_WEEK_OF = (13, 26, 52)
"""Teaching weeks in which a round ends: three estimates a year."""

OVERALL = "totaal"
NONE, ANY = "geen", ""
NOT_DUE, DUE, OVERDUE = 0, 1, 2
"""The nominal duration ends after the next 1 October, within the school year, or had ended before it."""

DRAWS, SEED, PRIOR = 4000, 20, 0.5
LOW, HIGH = 0.025, 0.975
FEWEST = 12
"""A class with fewer earlier students borrows from the same class without the estimate, then without the niveau."""

JR_PART, JR_WHOLE, DR_PART, DR_WHOLE, STAYS = 1, 2, 4, 8, 16
"""Bits of an outcome: in which counts of the year a student is."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Class:
    """What is known of a student on that day; estimate: NONE without one, ANY of classes put together."""

    estimate: str
    niveau: int
    due: int
    here: bool
    graduated: bool

    @property
    def coarser(self) -> tuple[Class, Class, Class]:
        """This class, the same without the estimate, and without the niveau as well."""
        without = Class(ANY, self.niveau, self.due, self.here, self.graduated)
        return self, without, Class(ANY, 0, self.due, self.here, self.graduated)


@dataclass(frozen=True)
class Year:
    """One school year: per student of `facts.index` a class, None where not there on the first 1 October.

    outcome: bits per student, of a year that is over; entrants: students on the second 1 October who were not there on
    the first, None where the year is not over.
    """

    year: int
    classes: tuple[Class | None, ...]
    outcome: Ints | None
    entrants: int | None
    team: npt.NDArray[np.object_]


@dataclass(frozen=True)
class Interval:
    """A forecast: the middle and 95 %."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """JR, DR and headcount of a year. students: there on 1 October; strangers: whose class is new to the delivery."""

    year: int
    group: str
    students: int
    strangers: int
    jaarresultaat: Interval | None
    diplomaresultaat: Interval | None
    stays: Interval
    headcount: Interval | None


@dataclass(frozen=True)
class Actual:
    """What became of that year; None for a share of fewer than twelve."""

    jaarresultaat: float | None
    diplomaresultaat: float | None
    stays: int
    headcount: int


def years(school: School, round_: int) -> list[Year]:
    """Return every year that is over and the running one, seen on the same day of the year with the same round."""
    facts = school.facts
    running = school.running if october(school.running) <= _until(school) else school.running - 1
    into = _until(school) - october(running)
    start = first_stays(facts).start
    given = estimates(facts, start, round_)
    made = []
    for year in (*[one for one in school.years if one < running], running):
        over = year <= school.last
        made.append(_year(facts, year, into, given.get(year, {}), over))
    return made


def _until(school: School) -> float:
    from shared_schema.stays import day_number

    return day_number(school.until)


def _year(facts: Facts, year: int, into: float, given: Mapping[int, str], over: bool) -> Year:
    n = len(facts.index)
    first, second = np.full(n, october(year)), np.full(n, october(year + 1))
    day = np.minimum(first + into, second - 1.0)
    main = main_on(facts, first)
    there, here = enrolled_on(facts, first), enrolled_on(facts, day)
    end, graduated = nominal_end(facts, main), has_diploma(facts, first, day, undated=False)
    due = np.where(end < first, OVERDUE, np.where(end < second, DUE, NOT_DUE))
    niveau = np.nan_to_num(main.number("programme_period", "niveau")).astype(np.int64)
    classes = tuple(
        Class(given.get(row, NONE), int(niveau[row]), int(due[row]), bool(here[row]), bool(graduated[row]))
        if there[row]
        else None
        for row in range(n)
    )
    stays = enrolled_on(facts, second)
    outcome = _outcomes(facts, year, stays, segment(main) == REGULAR) if over else None
    entrants = int((stays & ~there).sum()) if over else None
    return Year(year, classes, outcome, entrants, main.text("enrolment", "team"))


def _outcomes(facts: Facts, year: int, stays: npt.NDArray[np.bool_], regular: npt.NDArray[np.bool_]) -> Ints:
    """Bits of each student; JR and DR are about niveau 2 to 4, the headcount about everybody."""
    jr, dr = RULES["jaarresultaat"].count(facts, year), RULES["diplomaresultaat"].count(facts, year)
    bits = STAYS * stays.astype(np.int64)
    for counted, part, whole in ((jr, JR_PART, JR_WHOLE), (dr, DR_PART, DR_WHOLE)):
        inside = counted.denominator & regular
        bits += whole * inside + part * (counted.numerator & inside)
    return bits


def estimates(facts: Facts, start: npt.NDArray[np.float64], round_: int) -> dict[int, dict[int, str]]:
    """The latest overall estimate by the end of a round: school year -> row of the student -> judgement.

    An estimate without a school year is of the student's first; without a week its period is the round.
    """
    rows = _estimates(facts, start)
    found: dict[int, dict[int, str]] = {}
    for row in rows.loc[rows["round"] <= round_].itertuples():  # in declared order: the latest stays
        found.setdefault(int(row.year), {})[int(row.who)] = str(row.judgement)
    return found


def _estimates(facts: Facts, start: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Overall estimates in declared order: who (row of the student), year, round (1 to 3) and judgement."""
    frame, who = facts.ordered("estimate")
    if "judgement" not in frame or "subject" not in frame:
        return pd.DataFrame({"who": [], "year": [], "round": [], "judgement": []})
    missing = np.full(len(frame), np.nan)
    week = numbers(frame["week"]) if "week" in frame else missing
    period = numbers(frame["period"]) if "period" in frame else missing
    of_week = 1.0 + sum((week > last).astype(np.float64) for last in LAST_WEEK_OF[:-1])
    own = numbers(frame["school_year"]) if "school_year" in frame else missing
    rows = pd.DataFrame(
        {
            "who": who,
            "year": np.where(np.isnan(own), school_year(start)[who], own),
            "round": np.minimum(np.where(np.isnan(week), period, of_week), ROUNDS),
            "judgement": texts(frame["judgement"]),
        }
    )
    return rows[(texts(frame["subject"]) == OVERALL) & (rows["judgement"] != "")].dropna()


def latest_round(facts: Facts, start: npt.NDArray[np.float64], year: int) -> int:
    """The last round of which any estimate of a year is known; 0 without estimates."""
    rows = _estimates(facts, start)
    return int(rows.loc[rows["year"] == year, "round"].max()) if (rows["year"] == year).any() else 0


def forecast(past: Sequence[Year], now: Year, teams: Sequence[str] = ()) -> list[Forecast]:
    """Forecast a year from earlier ones: the school (`group` empty), then each team. Nothing without earlier years."""
    known = [year for year in past if year.outcome is not None and year.year < now.year]
    if not known:
        return []
    history = _history(known)
    codes = np.unique(np.concatenate([list(counts) for counts in history.values()]).astype(np.int64))
    shares = _shares(history, codes)
    rows = pd.Series(list(now.classes))
    entrants = [year.entrants for year in known if year.entrants is not None]
    made = [_of_group("", now, rows.notna().to_numpy(dtype=bool), history, codes, shares, entrants)]
    for team in teams:
        of_team = (now.team == team) & rows.notna().to_numpy(dtype=bool)
        if of_team.sum() >= SMALLEST_DENOMINATOR:
            made.append(_of_group(team, now, of_team, history, codes, shares, []))
    return made


def _history(known: Sequence[Year]) -> dict[Class, dict[int, int]]:
    """How often each outcome followed a class, and that class without its estimate and without its niveau."""
    counts: dict[Class, dict[int, int]] = {}
    for year in known:
        assert year.outcome is not None
        for one, code in zip(year.classes, year.outcome.tolist(), strict=True):
            for seen in () if one is None else set(one.coarser):
                of = counts.setdefault(seen, {})
                of[code] = of.get(code, 0) + 1
    return counts


def _shares(history: Mapping[Class, Mapping[int, int]], codes: Ints) -> dict[Class, npt.NDArray[np.float64]]:
    """Draws of each class' shares [draws, codes]; the same history gives the same draws."""
    made = {}
    for one in sorted(history, key=repr):
        rng = np.random.default_rng([SEED, *repr(one).encode()])
        alpha = np.array([history[one].get(int(code), 0) for code in codes]) + PRIOR * _possible(one, codes)
        made[one] = rng.dirichlet(np.maximum(alpha, 1e-9), DRAWS)
    return made


def _possible(one: Class, codes: Ints) -> npt.NDArray[np.float64]:
    """Outcomes that what is known does not rule out: who has graduated is in JR's numerator."""
    return np.where(one.graduated & ((codes & JR_PART) == 0), 0.0, 1.0)


def _class_of(one: Class, history: Mapping[Class, Mapping[int, int]]) -> Class | None:
    """The class whose history counts for a student: the finest that is large enough; None if there is none."""
    sizes = ((candidate, sum(history.get(candidate, {}).values())) for candidate in one.coarser)
    return next((candidate for candidate, size in sizes if size >= FEWEST), None)


def _of_group(
    group: str,
    now: Year,
    chosen: npt.NDArray[np.bool_],
    history: Mapping[Class, Mapping[int, int]],
    codes: Ints,
    shares: Mapping[Class, npt.NDArray[np.float64]],
    entrants: Sequence[int],
) -> Forecast:
    """Draw what may become of a group's students; a stranger is drawn as any student of the school."""
    rng = np.random.default_rng([SEED, now.year, *group.encode()])
    members = [one for one, inside in zip(now.classes, chosen, strict=True) if inside and one is not None]
    found = [_class_of(one, history) for one in members]
    strangers = sum(one is None or one.niveau == 0 != mine.niveau for one, mine in zip(found, members, strict=True))
    pooled = _pooled(history, codes)
    counts = np.zeros((DRAWS, len(codes)))
    for one in sorted({*found}, key=repr):
        n = found.count(one)
        p = np.tile(pooled, (DRAWS, 1)) if one is None else shares[one]
        counts += rng.multinomial(n, p)
    stays = counts @ ((codes & STAYS) > 0)
    new = _entrants(rng, entrants)
    return Forecast(
        now.year,
        group,
        len(members),
        strangers,
        _ratio(counts, codes, JR_PART, JR_WHOLE),
        _ratio(counts, codes, DR_PART, DR_WHOLE),
        _interval(stays),
        None if new is None else _interval(stays + new),
    )


def _pooled(history: Mapping[Class, Mapping[int, int]], codes: Ints) -> npt.NDArray[np.float64]:
    """Shares of every outcome among all earlier students, whatever their class."""
    whole = [one for one in history if one.estimate == ANY and one.niveau == 0]
    counts = np.array([sum(history[one].get(int(code), 0) for one in whole) for code in codes], dtype=np.float64)
    return np.asarray(counts / max(1.0, counts.sum()))


def _entrants(rng: np.random.Generator, seen: Sequence[int]) -> npt.NDArray[np.float64] | None:
    """Draws of new students: as many as in earlier years, spread as those were, and at least as chance does."""
    if not seen:
        return None
    mean = float(np.mean(seen))
    spread = max(mean**0.5, float(np.std(seen, ddof=1)) if len(seen) > 1 else 0.0)
    return np.maximum(0.0, rng.normal(mean, spread, DRAWS))


def _ratio(counts: npt.NDArray[np.float64], codes: Ints, part: int, whole: int) -> Interval | None:
    below = counts @ ((codes & whole) > 0)
    if np.median(below) < SMALLEST_DENOMINATOR:
        return None
    return _interval(counts @ ((codes & part) > 0) / np.maximum(below, 1.0))


def _interval(draws: npt.NDArray[np.float64]) -> Interval:
    return Interval(*(float(np.quantile(draws, at)) for at in (0.5, LOW, HIGH)))


def actual(year: Year, group: str = "") -> Actual | None:
    """What became of a year that is over, of the school or of a team."""
    if year.outcome is None or year.entrants is None:
        return None
    inside = np.array([one is not None for one in year.classes]) & ((year.team == group) | (group == ""))
    bits = year.outcome[inside]
    stays = int(((bits & STAYS) > 0).sum())
    return Actual(_share(bits, JR_PART, JR_WHOLE), _share(bits, DR_PART, DR_WHOLE), stays, stays + year.entrants)


def _share(bits: Ints, part: int, whole: int) -> float | None:
    below = int(((bits & whole) > 0).sum())
    return int(((bits & part) > 0).sum()) / below if below >= SMALLEST_DENOMINATOR else None
