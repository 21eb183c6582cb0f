"""A school's tables and the name of a definition arrive; one 0/1 per student of the population leaves.

Dropout has no single definition, so the experiment names one and this module computes it. Every student's outcome
depends on that student's own rows and on public dates only; a student outside the population has no outcome.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from shared_schema.columns import Text
from shared_schema.errors import UnknownOutcome, remedy
from shared_schema.facts import Facts, Numbers, Tables
from shared_schema.main_enrolment import MainEnrolment, main_on
from shared_schema.schema import Schema
from shared_schema.stays import (
    ADMINISTRATIVE,
    GRADUATED,
    TRANSFER_GAP_DAYS,
    Mask,
    Stays,
    day_number,
    died,
    died_by,
    enrolled_on,
    first_stays,
    has_diploma,
    next_october,
    still_enrolled,
    years_later,
)

EARLY_LEAVER_AGE = 23
"""From this age a student is not counted as an early leaver (vsv'er)."""

START_QUALIFICATION = ("HAVO", "VWOplus")
"""Prior education that is a startkwalificatie by itself; so is a diploma of niveau 2 or higher."""


@dataclass(frozen=True)
class Definition:
    """One definition of dropout.

    `compute` returns 1.0, 0.0 or NaN (outside the population) per student from dated enrolments, as known on a
    day. `flags` are the values of `enrolment.dropout_flag_definition` that are accepted as this definition.
    """

    name: str
    title: Text
    prose: Text
    flags: frozenset[str]
    compute: Callable[[Facts, float], Numbers]


def compute(
    tables: Tables,
    name: str,
    schema: Schema,
    *,
    cutoff_week: int = 0,
    as_of: datetime.date | None = None,
) -> pd.Series:
    """Return the outcome `name` per student: 1.0 or 0.0, float64, index `student`; absent is outside the population.

    `name` is a definition (`DEFINITIONS`) or an extension's outcome column (`enrolment.withdrawn`). Students who
    left by the end of week `cutoff_week` are outside: at that moment there is nothing left to predict. `as_of` is
    the public day until which the export is known; a student whose first year is not over then is outside, leaver
    or not. Without it the export is taken to be complete. Raises `UnknownOutcome` for an unknown name.

    A school that delivers `enrolment.end_date` gets the definition computed from dates. One that does not (a
    property of its mapping, not of a row) delivers a flag: it counts where its own definition is accepted.
    """
    facts = Facts.of(tables, schema)
    known_until = np.inf if as_of is None else day_number(as_of)
    values = of_definition(facts, name, known_until) if name in DEFINITIONS else _of_column(facts, name)
    values = np.where(_left_by(facts, cutoff_week), np.nan, values)
    inside = ~np.isnan(values)
    return pd.Series(values[inside], index=facts.index[inside], name=name, dtype=np.float64)


def names(schema: Schema) -> tuple[str, ...]:
    """Return every outcome that an experiment may name: the definitions, then the extension's outcome columns."""
    columns = [
        f"{table.name}.{column.name}"
        for table in schema.tables.values()
        for column in table.columns.values()
        if column.outcome
    ]
    return (*DEFINITIONS, *columns)


def of_definition(facts: Facts, name: str, known_until: float) -> Numbers:
    """Return a definition's outcome per student of `facts.index`: 1.0, 0.0, or NaN outside the population.

    As `compute`, which says what counts; `known_until` is a day number, infinity for a complete export.
    """
    definition = DEFINITIONS[name]
    if facts.has("enrolment", "end_date"):
        return definition.compute(facts, known_until)
    accepted = np.isin(facts.texts("enrolment", "dropout_flag_definition").astype(str), sorted(definition.flags))
    return np.where(accepted, _zero_or_one(facts.numbers("enrolment", "dropout_flag")), np.nan)


def _of_column(facts: Facts, name: str) -> Numbers:
    offered = names(facts.schema)
    if name not in offered:
        raise UnknownOutcome(f"no outcome '{name}'; {remedy(name, offered)}")
    table, column = name.split(".")
    return _zero_or_one(facts.numbers(table, column))


def _zero_or_one(values: Numbers) -> Numbers:
    return np.where(np.isnan(values), np.nan, (values > 0.5).astype(np.float64))


def _left_by(facts: Facts, week: int) -> Mask:
    stay = first_stays(facts)
    return np.asarray((stay.end < stay.start + 7.0 * week) & (week > 0), dtype=np.bool_)


def _graduated(facts: Facts, stay: Stays) -> Mask:
    """Graduated in the first stay: a diploma dated in it or in the summer after, or graduation as the reason."""
    told: Mask = stay.reason == GRADUATED
    return has_diploma(facts, stay.start, stay.end + TRANSFER_GAP_DAYS) | told


def _year_over(stay: Stays, known_until: float) -> Mask:
    """The first twelve months are known to the end; who left earlier does not come in before the others do."""
    return np.asarray(years_later(stay.start, 1) <= known_until, dtype=np.bool_)


def _dropout_year_1(facts: Facts, known_until: float) -> Numbers:
    stay = first_stays(facts, known_until)
    dropped = (stay.end < years_later(stay.start, 1)) & ~_graduated(facts, stay)
    uncounted = died(facts) | (stay.reason == ADMINISTRATIVE)
    inside = ~np.isnan(stay.start) & _year_over(stay, known_until) & ~(dropped & uncounted)
    return np.where(inside, dropped.astype(np.float64), np.nan)


def _uitval_eduarte(facts: Facts, known_until: float) -> Numbers:
    start, end = facts.days("enrolment", "start_date"), facts.days("enrolment", "end_date")
    cohort = facts.numbers("enrolment", "cohort")
    cohort_end = _first_of_august(np.where(np.isnan(cohort), _school_year(start), cohort) + 1.0)
    left = end < cohort_end
    inside = (cohort_end <= known_until) & ~died(facts)
    return np.where(inside, left.astype(np.float64), np.nan)


def _uitval_osiris_j1(facts: Facts, known_until: float) -> Numbers:
    stay = first_stays(facts, known_until)
    left = np.isfinite(stay.end) & ~still_enrolled(facts, known_until)
    dropped = left & ~_graduated(facts, stay) & (stay.end < years_later(stay.start, 1))
    inside = ~np.isnan(stay.start) & _year_over(stay, known_until) & ~died(facts)
    return np.where(inside, dropped.astype(np.float64), np.nan)


def _uitval_duo(facts: Facts, known_until: float) -> Numbers:
    stay = first_stays(facts, known_until)
    dropped = np.isfinite(stay.end) & (stay.reason != "") & ~_graduated(facts, stay)
    inside = ~np.isnan(stay.start) & ~died(facts)
    return np.where(inside, dropped.astype(np.float64), np.nan)


def _vsv_eigen(facts: Facts, known_until: float) -> Numbers:
    first = next_october(facts.days("enrolment", "start_date"))
    counted, left = early_leavers(facts, first)
    inside = counted & (years_later(first, 1) <= known_until)
    return np.where(inside, left.astype(np.float64), np.nan)


def early_leavers(facts: Facts, reference: Numbers) -> tuple[Mask, Mask]:
    """Return who is in the vsv population on each student's own 1 October, and who is an early leaver a year later.

    Population: funded, enrolled at this school and under 23 on `reference`; a student whose age is unknown, or who
    died before the year was over, is outside. Early leaver: in the population, without a startkwalificatie, and not
    enrolled *at this school* a year later. A school cannot see other schools, so this is the school's own count and
    never the official one.
    """
    later = years_later(reference, 1)
    main = main_on(facts, reference)
    unfunded = main.number("programme_period", "funded") == 0.0
    counted = enrolled_on(facts, reference) & (_age_on(facts, main, reference) < EARLY_LEAVER_AGE) & ~unfunded
    counted &= ~died_by(facts, later)
    prior = np.isin(facts.texts("person", "vooropleiding").astype(str), START_QUALIFICATION)
    qualified = prior | has_diploma(facts, np.full(len(later), -np.inf), later, niveau=2)
    return counted, counted & ~qualified & ~enrolled_on(facts, later)


def _age_on(facts: Facts, main: MainEnrolment, day: Numbers) -> Numbers:
    """Whole years on a day, from the enrolment then in force, else the first; up to a year low: no birthday is kept."""
    known = main.number("enrolment", "age_at_start")
    age = known + np.floor((day - main.enrolled_since()) / 365.25)
    first = facts.numbers("enrolment", "age_at_start")
    since_first = first + np.floor((day - facts.days("enrolment", "start_date")) / 365.25)
    return np.where(np.isnan(age), since_first, age)


def _school_year(start: Numbers) -> Numbers:
    """Return the school year (from 1 August) in which each day falls, NaN where the day is missing."""
    known = np.isfinite(start)
    months = np.where(known, start, 0.0).astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
    return np.where(known, 1970 + np.floor((months.astype(np.int64) - 7) / 12), np.nan)


def _first_of_august(year: Numbers) -> Numbers:
    known = (year > 1900.0) & (year < 2200.0)
    months = ((np.where(known, year, 1970.0).astype(np.int64) - 1970) * 12 + 7).astype("datetime64[M]")
    return np.where(known, months.astype("datetime64[D]").astype(np.int64).astype(np.float64), np.nan)


_DEFINITIONS = (
    Definition(
        "dropout_year_1",
        Text("Uitval in het eerste jaar", "Dropout in the first year"),
        Text(
            "Heeft de school binnen twaalf maanden na de eerste start verlaten, zonder diploma en zonder binnen"
            f" {TRANSFER_GAP_DAYS} dagen op de school terug te komen (overstap). Overlijden en administratieve"
            " uitschrijving tellen niet mee.",
            "Left the school within twelve months of the first start, without a diploma and without coming back"
            f" to the school within {TRANSFER_GAP_DAYS} days (a transfer). Death and administrative leaving"
            " are outside the population.",
        ),
        frozenset({"uitnodigingsregel", "eduarte", "osiris_j1"}),
        _dropout_year_1,
    ),
    Definition(
        "uitval_eduarte",
        Text("Uitval volgens EduArte", "Dropout after EduArte"),
        Text(
            "De eerste inschrijving eindigt vóór het einde van het schooljaar van het cohort (31 juli), met of"
            " zonder diploma.",
            "The first enrolment ends before the end of the cohort's school year (31 July), with a diploma or without.",
        ),
        frozenset({"eduarte"}),
        _uitval_eduarte,
    ),
    Definition(
        "uitval_osiris_j1",
        Text("Uitval in jaar 1 volgens Osiris", "Dropout in year 1 after Osiris"),
        Text(
            "Niet meer ingeschreven, geen diploma, en korter dan twaalf maanden op school geweest.",
            "Not enrolled any more, no diploma, and less than twelve months at the school.",
        ),
        frozenset({"osiris_j1"}),
        _uitval_osiris_j1,
    ),
    Definition(
        "uitval_duo",
        Text("Uitval volgens DUO", "Dropout after DUO"),
        Text(
            "Heeft een reden van uitschrijving en geen diploma, wanneer dan ook.",
            "Has a reason for leaving and no diploma, whenever that was.",
        ),
        frozenset({"duo"}),
        _uitval_duo,
    ),
    Definition(
        "vsv_eigen",
        Text("Voortijdig schoolverlater, eigen telling", "Early leaver, own count"),
        Text(
            "Jonger dan 23, zonder startkwalificatie, bekostigd ingeschreven op de eerste 1 oktober na de start"
            " en een jaar later niet meer op deze school. Niet het officiële vsv-cijfer: een school ziet niet of"
            " de student elders is ingeschreven.",
            "Under 23, without startkwalificatie, funded and enrolled on the first 1 October after the start and"
            " no longer at this school a year later. Not the official vsv figure: a school cannot see whether"
            " the student is enrolled elsewhere.",
        ),
        frozenset({"vsv_eigen"}),
        _vsv_eigen,
    ),
)

DEFINITIONS: Mapping[str, Definition] = MappingProxyType({given.name: given for given in _DEFINITIONS})
"""Every definition of dropout by name; `dropout_year_1` is the coalition's default."""
