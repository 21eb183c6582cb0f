"""A school's tables and school years arrive; JR, DR, SR, vsv_eigen, switch, dropout and delay leave, per group.

Most indicators are a ratio of two counts of students between two peildata: 1 October of the school year and 1 October
a year later. A student counts once, under the main enrolment on the first of the two. Dropout in year 1 counts who
began in the school year, under the enrolment of that day. Definitions: DOMAIN §2, after the Onderzoekskader mbo of the
Inspectie; norms: `shared_schema.norms`; choices: docs/decisions/040.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema import delay
from shared_schema.columns import Text
from shared_schema.errors import SchemaError, remedy
from shared_schema.facts import Facts, Numbers, Tables
from shared_schema.main_enrolment import NOT_A_PROGRAMME, MainEnrolment, main_on
from shared_schema.norms import NORMS, SMALLEST_DENOMINATOR, Norm, judgement
from shared_schema.outcomes import early_leavers, of_definition
from shared_schema.periods import column, spans
from shared_schema.schema import Schema
from shared_schema.stays import (
    GRADUATED,
    Mask,
    day_number,
    died_by,
    enrolled_on,
    first_stays,
    has_diploma,
    next_october,
    october,
    years_later,
)

__all__ = ["NORMS", "SMALLEST_DENOMINATOR", "Norm", "indicator", "of_facts", "segment", "undelivered"]

LOOK_BACK_YEARS = 5
"""The diplomaresultaat counts a diploma of the year itself or of the five years before."""

REGULAR, ENTREE, OVO, ODT = "regulier", "entree", "OVO", "ODT"
"""Segments that are never added up: niveau 2 to 4, niveau 1, other education, parts of a programme."""

GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "team": ("enrolment", "team"),
        "college": ("enrolment", "college"),
        "crebo": ("programme_period", "crebo"),
        "niveau": ("programme_period", "niveau"),
        "leertraject": ("programme_period", "leertraject"),
        "sector": ("programme_period", "sector"),
        "location": ("programme_period", "location"),
    }
)
"""What an indicator may be split by, beside `school` (one group)."""


@dataclass(frozen=True)
class Counted:
    """Who counts, and for how much of the numerator: two masks, one entry per student.

    `day` is the day on which each student's group is read; None is the first peildatum. `known_by` is the day on which
    it is known whether the student is in the numerator; None is the second peildatum.
    """

    numerator: Mask
    denominator: Mask
    day: Numbers | None = None
    known_by: Numbers | None = None


Rule = Callable[[Facts, int], Counted]


@dataclass(frozen=True)
class Indicator:
    """One indicator: its name, what it says, the columns without which it says nothing, and how it counts."""

    name: str
    title: Text
    needs: tuple[str, ...]
    count: Rule


def jaarresultaat(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """JR = (b + d) / (b + c + d): of who graduated or left in the year, the share that graduated.

    b graduated and stayed, c left without a diploma, d left with a diploma; a diploma counts if it is dated from
    1 October of the year up to the next. See `indicator` for arguments and result.
    """
    return indicator("jaarresultaat", tables, schema, years, by)


def diplomaresultaat(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """DR = leavers with a diploma of niveau 2 or higher / all leavers; diplomas of this and the five years before."""
    return indicator("diplomaresultaat", tables, schema, years, by)


def startersresultaat(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """SR = (A + B) / C: of C new entrants, those who left with a diploma (A) or are still enrolled a year later (B)."""
    return indicator("startersresultaat", tables, schema, years, by)


def vsv_eigen(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """New early leavers / students under 23 on 1 October, as far as this school can see; never the official figure."""
    return indicator("vsv_eigen", tables, schema, years, by)


def switch(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """Students with another crebo a year later / students enrolled at both peildata with a known crebo."""
    return indicator("switch", tables, schema, years, by)


def uitval_jaar_1(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """Left within twelve months without a diploma / who first started in the school year (1 August to 31 July)."""
    return indicator("uitval_jaar_1", tables, schema, years, by)


def vertraging(tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """Delayed students / who graduated in the year or is enrolled past the nominal end (`shared_schema.delay`)."""
    return indicator("vertraging", tables, schema, years, by)


def indicator(
    name: str, tables: Tables, schema: Schema, years: Sequence[int], by: str = "school", per_niveau: bool = False
) -> pd.DataFrame:
    """Return one indicator per segment and group, pooled over school years (three-year pooling: give three years).

    `years` are the years of the first peildatum: 2023 is 1 October 2023 to 1 October 2024. `by` is `school` or one
    of `GROUPS`; `per_niveau` splits each group by niveau, so that a norm applies. Columns: `segment` (regulier, entree,
    OVO, ODT), `group` (text; empty is unknown), `niveau` (missing where it is unknown or there are several),
    `numerator`, `denominator` (students), `value` (share; missing below 12 students), `norm`, `high` and `judgement`
    (`hoog`, `voldoende`, `onvoldoende`, empty). Norms apply where the group has one niveau. Sorted by segment, group
    and niveau. Raises `SchemaError` for an unknown indicator or group. These are a school's own exact figures: they
    leave a school only through a private sum.
    """
    return of_facts(name, Facts.of(tables, schema), years, by, per_niveau)


def of_facts(
    name: str,
    facts: Facts,
    years: Sequence[int],
    by: str = "school",
    per_niveau: bool = False,
    known_until: datetime.date | None = None,
) -> pd.DataFrame:
    """As `indicator`, for who asks several of the same tables: what `facts` has ordered once stays ordered.

    `known_until`: the day until which the tables know what happened; a student of whom it cannot be known yet, such as
    one who began in February, does not count in that year. Without it the tables are taken to be complete.
    """
    if name not in RULES:
        raise SchemaError(f"no indicator '{name}'; {remedy(name, RULES)}")
    if by != "school" and by not in GROUPS:
        raise SchemaError(f"no group '{by}'; {remedy(by, [*GROUPS, 'school'])}")
    until = np.inf if known_until is None else day_number(known_until)
    counted = pd.concat([_counted(facts, RULES[name].count, year, by, until) for year in years], ignore_index=True)
    keys = ["segment", "group", *(["niveau"] if per_niveau else [])]
    table = counted.groupby(keys, sort=True, dropna=False, as_index=False).agg(
        **({} if per_niveau else {"niveau": ("niveau", _only)}),
        numerator=("numerator", "sum"),
        denominator=("denominator", "sum"),
    )
    return _judged(name, table)


def undelivered(name: str, tables: Tables) -> tuple[str, ...]:
    """Return the columns without which an indicator says nothing and that no table holds: a property of the mapping."""
    return tuple(
        need
        for need in RULES[name].needs
        if not any(
            table in tables and wanted in tables[table].columns
            for table, _, wanted in (choice.partition(".") for choice in need.split(" | "))
        )
    )


def _only(niveau: pd.Series) -> float:
    """The one niveau of a group; missing where one is unknown or there are several."""
    first = niveau.iloc[0]
    return float(first) if niveau.notna().all() and (niveau == first).all() else np.nan


def _counted(facts: Facts, rule: Rule, year: int, by: str, until: float) -> pd.DataFrame:
    """Return the students that count in one year: segment, group, niveau, and whether in the numerator."""
    counted = rule(facts, year)
    known = np.full(len(facts.index), True) if counted.known_by is None else counted.known_by <= until
    day = np.full(len(facts.index), october(year)) if counted.day is None else counted.day
    main = main_on(facts, day)
    rows = pd.DataFrame(
        {
            "segment": segment(main),
            "group": main.text(*GROUPS[by]) if by in GROUPS else "school",
            "niveau": main.number("programme_period", "niveau"),
            "numerator": (counted.numerator & counted.denominator).astype(np.int64),
            "denominator": counted.denominator.astype(np.int64),
        }
    )
    return rows.loc[counted.denominator & known]


def segment(main: MainEnrolment) -> npt.NDArray[np.object_]:
    """Return the segment of each student under the chosen enrolment: regulier, entree, OVO or ODT."""
    track = main.text("programme_period", "leertraject")
    level = np.where(main.number("programme_period", "niveau") == 1.0, ENTREE, REGULAR).astype(object)
    return np.where(np.isin(track.astype(str), NOT_A_PROGRAMME), track, level).astype(object)


def _judged(name: str, table: pd.DataFrame) -> pd.DataFrame:
    enough = table["denominator"] >= SMALLEST_DENOMINATOR
    table["value"] = (table["numerator"] / table["denominator"]).where(enough)
    norms = [
        NORMS.get((name, int(niveau))) if niveau == niveau and segment in (REGULAR, ENTREE) else None
        for niveau, segment in zip(table["niveau"], table["segment"], strict=True)
    ]
    table["norm"] = [norm.norm if norm else np.nan for norm in norms]
    table["high"] = [norm.high if norm and norm.high else np.nan for norm in norms]
    counts = zip(table["numerator"], table["denominator"], norms, strict=True)
    table["judgement"] = [judgement(name, int(part), int(whole), norm) for part, whole, norm in counts]
    return table


def _ends(facts: Facts, year: int) -> tuple[Numbers, Numbers, Mask, Mask]:
    """Return both peildata, and who is enrolled on the first and on the second; who died before it is on neither."""
    n = len(facts.index)
    first, second = np.full(n, october(year)), np.full(n, october(year + 1))
    alive = ~died_by(facts, second)
    return first, second, enrolled_on(facts, first) & alive, enrolled_on(facts, second) & alive


def _graduated(facts: Facts, since: Numbers, until: Numbers, niveau: int = 1) -> Mask:
    """A diploma dated in between; for a school that delivers no diplomas, an enrolment that ended as graduated."""
    if "diploma" in facts.tables:
        return has_diploma(facts, since, until, niveau, undated=False)
    frame, positions = facts.ordered("enrolment")
    _, end = spans(frame)
    inside = (end >= since[positions]) & (end <= until[positions]) & (column(frame, "reden_uitschrijving") == GRADUATED)
    level = main_on(facts, _last_day(facts, inside)).number("programme_period", "niveau")
    out = np.zeros(len(facts.index), dtype=bool)
    out[positions[inside]] = True
    return out & (np.where(np.isnan(level), 1.0, level) >= niveau)


def _last_day(facts: Facts, chosen: Mask) -> Numbers:
    frame, positions = facts.ordered("enrolment")
    last = np.full(len(facts.index), -np.inf)
    np.maximum.at(last, positions[chosen], spans(frame)[1][chosen])
    return np.where(np.isfinite(last), last, np.nan)


def _jaarresultaat(facts: Facts, year: int) -> Counted:
    first, second, there, stayed = _ends(facts, year)
    graduated = _graduated(facts, first, second - 1.0)
    return Counted(numerator=graduated, denominator=there & (graduated | ~stayed))


def _diplomaresultaat(facts: Facts, year: int) -> Counted:
    _, second, there, stayed = _ends(facts, year)
    since = np.full(len(second), october(year - LOOK_BACK_YEARS))
    return Counted(numerator=_graduated(facts, since, second - 1.0, niveau=2), denominator=there & ~stayed)


def _startersresultaat(facts: Facts, year: int) -> Counted:
    first, second, there, stayed = _ends(facts, year)
    new = there & ~_enrolled_before(facts, year)
    return Counted(numerator=stayed | _graduated(facts, first, second - 1.0), denominator=new)


def _enrolled_before(facts: Facts, year: int) -> Mask:
    """Enrolled at this school on any earlier 1 October: an enrolment that began by and lasted to one of them."""
    frame, positions = facts.ordered("enrolment")
    start, end = spans(frame)
    first_october = np.where(np.isnan(start), np.inf, next_october(start))
    out = np.zeros(len(facts.index), dtype=bool)
    out[positions[(first_october <= october(year - 1)) & (end >= first_october)]] = True
    return out


def _vsv_eigen(facts: Facts, year: int) -> Counted:
    counted, left = early_leavers(facts, np.full(len(facts.index), october(year)))
    return Counted(numerator=left, denominator=counted)


def _switch(facts: Facts, year: int) -> Counted:
    first, second, there, stayed = _ends(facts, year)
    before = main_on(facts, first).text("programme_period", "crebo")
    after = main_on(facts, second).text("programme_period", "crebo")
    both = there & stayed & (before != "") & (after != "")
    return Counted(numerator=before != after, denominator=both)


def _uitval_jaar_1(facts: Facts, year: int) -> Counted:
    """Who began before 1 October and left before it counts as well: the peildatum would not see them."""
    start = first_stays(facts).start
    began = (start >= day_number(datetime.date(year, 8, 1))) & (start < day_number(datetime.date(year + 1, 8, 1)))
    outcome = of_definition(facts, "dropout_year_1", np.inf)
    counts = began & ~np.isnan(outcome)
    return Counted(numerator=outcome == 1.0, denominator=counts, day=start, known_by=years_later(start, 1))


def _vertraging(facts: Facts, year: int) -> Counted:
    n = len(facts.index)
    counts, late = delay.delayed(facts, np.full(n, october(year)), np.full(n, october(year + 1)))
    return Counted(numerator=late, denominator=counts)


_STAYS = ("enrolment.start_date", "enrolment.end_date")
_DIPLOMA = "diploma.date | enrolment.reden_uitschrijving"

_INDICATORS = (
    Indicator("jaarresultaat", Text("Jaarresultaat (JR)", "Year result (JR)"), (*_STAYS, _DIPLOMA), _jaarresultaat),
    Indicator(
        "diplomaresultaat", Text("Diplomaresultaat (DR)", "Diploma result (DR)"), (*_STAYS, _DIPLOMA), _diplomaresultaat
    ),
    Indicator(
        "startersresultaat",
        Text("Startersresultaat (SR)", "Starters' result (SR)"),
        (*_STAYS, _DIPLOMA),
        _startersresultaat,
    ),
    Indicator(
        "vsv_eigen",
        Text("Voortijdig schoolverlaten, eigen telling", "Early leaving, own count"),
        (*_STAYS, "enrolment.age_at_start"),
        _vsv_eigen,
    ),
    Indicator(
        "switch",
        Text("Andere opleiding een jaar later", "Another programme a year later"),
        (*_STAYS, "programme_period.crebo"),
        _switch,
    ),
    Indicator(
        "uitval_jaar_1",
        Text("Uitval in het eerste jaar", "Dropout in the first year"),
        ("enrolment.start_date", "enrolment.end_date | enrolment.dropout_flag"),
        _uitval_jaar_1,
    ),
    Indicator(
        "vertraging",
        Text("Studievertraging", "Study delay"),
        (*_STAYS, "diploma.date", "programme_period.niveau | programme_period.sbu"),
        _vertraging,
    ),
)

RULES: Mapping[str, Indicator] = MappingProxyType({one.name: one for one in _INDICATORS})
"""Every indicator by name."""
