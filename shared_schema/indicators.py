"""A school's tables and a school year arrive; JR, DR, SR, vsv_eigen and switch leave, per group, with their norms.

Every indicator is a ratio of two counts of students between two peildata: 1 October of the school year and 1 October
a year later. A student counts in the group in which the student was on the first of the two. Definitions and
norms: Inspectie van het Onderwijs, Onderzoekskader mbo, as kept in DOMAIN §2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from shared_schema.errors import SchemaError, remedy
from shared_schema.facts import Facts, Numbers, Tables
from shared_schema.outcomes import early_leavers
from shared_schema.schema import Schema
from shared_schema.stays import Mask, died, enrolled_on, has_diploma, next_october, october, spans, value_on

SMALLEST_DENOMINATOR = 12
"""Below this number of students a ratio has no value and no judgement (Inspectie)."""

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
class Norm:
    """The norm of an indicator at one niveau, and from where it is high; for vsv the most there may be."""

    norm: float
    high: float | None = None


NORMS: Mapping[tuple[str, int], Norm] = MappingProxyType(
    {
        ("jaarresultaat", 2): Norm(0.67, 0.82),
        ("jaarresultaat", 3): Norm(0.68, 0.85),
        ("jaarresultaat", 4): Norm(0.68, 0.85),
        ("diplomaresultaat", 2): Norm(0.61, 0.79),
        ("diplomaresultaat", 3): Norm(0.70, 0.89),
        ("diplomaresultaat", 4): Norm(0.70, 0.89),
        ("startersresultaat", 2): Norm(0.79),
        ("startersresultaat", 3): Norm(0.82),
        ("startersresultaat", 4): Norm(0.82),
        ("vsv_eigen", 1): Norm(0.220),
        ("vsv_eigen", 2): Norm(0.092),
        ("vsv_eigen", 3): Norm(0.036),
        ("vsv_eigen", 4): Norm(0.030),
    }
)
"""Norms by indicator and niveau; vsv: 2024-2025. There is no norm for JR, DR and SR at niveau 1."""


@dataclass(frozen=True)
class Counted:
    """Who counts, and for how much of the numerator: two masks, one entry per student."""

    numerator: Mask
    denominator: Mask


Rule = Callable[[Facts, int], Counted]


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


def indicator(name: str, tables: Tables, schema: Schema, years: Sequence[int], by: str = "school") -> pd.DataFrame:
    """Return one indicator per segment and group, pooled over school years (three-year pooling: give three years).

    `years` are the years of the first peildatum: 2023 is 1 October 2023 to 1 October 2024. `by` is `school` or one
    of `GROUPS`. Columns: `segment` (regulier, entree, OVO, ODT), `group` (text; empty is unknown), `numerator`,
    `denominator` (students), `value` (share; missing below 12 students), `norm`, `high` and `judgement` (`hoog`,
    `voldoende`, `onvoldoende`, empty). Norms apply where the group has one niveau. Sorted by segment and group.
    Raises `SchemaError` for an unknown indicator or group. These are a school's own exact figures: they leave a
    school only through a private sum.
    """
    if name not in RULES:
        raise SchemaError(f"no indicator '{name}'; {remedy(name, RULES)}")
    if by != "school" and by not in GROUPS:
        raise SchemaError(f"no group '{by}'; {remedy(by, [*GROUPS, 'school'])}")
    facts = Facts.of(tables, schema)
    counted = pd.concat([_counted(facts, RULES[name], year, by) for year in years], ignore_index=True)
    table = counted.groupby(["segment", "group"], sort=True).agg(
        numerator=("numerator", "sum"),
        denominator=("denominator", "sum"),
        lowest=("niveau", "min"),
        highest=("niveau", "max"),
    )
    return _judged(name, table.reset_index())


def _counted(facts: Facts, rule: Rule, year: int, by: str) -> pd.DataFrame:
    """Return the students that count in one year: segment, group, niveau, and whether in the numerator."""
    day = np.full(len(facts.index), october(year))
    counted = rule(facts, year)
    rows = pd.DataFrame(
        {
            "segment": _segment(facts, day),
            "group": value_on(facts, *GROUPS[by], day) if by in GROUPS else "school",
            "niveau": pd.to_numeric(pd.Series(value_on(facts, "programme_period", "niveau", day)), errors="coerce"),
            "numerator": (counted.numerator & counted.denominator).astype(np.int64),
            "denominator": counted.denominator.astype(np.int64),
        }
    )
    return rows.loc[counted.denominator]


def _segment(facts: Facts, day: Numbers) -> npt.NDArray[np.object_]:
    track = value_on(facts, "programme_period", "leertraject", day)
    level = value_on(facts, "programme_period", "niveau", day)
    segment = np.where(level == "1", ENTREE, REGULAR).astype(object)
    return np.where(np.isin(track.astype(str), (OVO, ODT)), track, segment)


def _judged(name: str, table: pd.DataFrame) -> pd.DataFrame:
    enough = table["denominator"] >= SMALLEST_DENOMINATOR
    table["value"] = (table["numerator"] / table["denominator"]).where(enough)
    norms = [
        NORMS.get((name, int(low))) if low == high and segment in (REGULAR, ENTREE) else None
        for low, high, segment in zip(table["lowest"], table["highest"], table["segment"], strict=True)
    ]
    table["norm"] = [norm.norm if norm else np.nan for norm in norms]
    table["high"] = [norm.high if norm and norm.high else np.nan for norm in norms]
    table["judgement"] = [_judgement(name, value, norm) for value, norm in zip(table["value"], norms, strict=True)]
    return table.drop(columns=["lowest", "highest"])


def _judgement(name: str, value: float, norm: Norm | None) -> str:
    if norm is None or np.isnan(value):
        return ""
    if name == "vsv_eigen":
        return "voldoende" if value <= norm.norm else "onvoldoende"
    if norm.high is not None and value >= norm.high:
        return "hoog"
    return "voldoende" if value >= norm.norm else "onvoldoende"


def _ends(facts: Facts, year: int) -> tuple[Numbers, Numbers, Mask, Mask]:
    """Return both peildata, and who is enrolled on the first and on the second; who died is on neither."""
    n = len(facts.index)
    first, second = np.full(n, october(year)), np.full(n, october(year + 1))
    alive = ~died(facts)
    return first, second, enrolled_on(facts, first) & alive, enrolled_on(facts, second) & alive


def _jaarresultaat(facts: Facts, year: int) -> Counted:
    first, second, there, stayed = _ends(facts, year)
    graduated = has_diploma(facts, first, second - 1.0)
    return Counted(numerator=graduated, denominator=there & (graduated | ~stayed))


def _diplomaresultaat(facts: Facts, year: int) -> Counted:
    _, second, there, stayed = _ends(facts, year)
    since = np.full(len(second), october(year - LOOK_BACK_YEARS))
    return Counted(numerator=has_diploma(facts, since, second - 1.0, niveau=2), denominator=there & ~stayed)


def _startersresultaat(facts: Facts, year: int) -> Counted:
    first, second, there, stayed = _ends(facts, year)
    new = there & ~_enrolled_before(facts, year)
    return Counted(numerator=stayed | has_diploma(facts, first, second - 1.0), denominator=new)


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
    before = value_on(facts, "programme_period", "crebo", first)
    after = value_on(facts, "programme_period", "crebo", second)
    both = there & stayed & (before != "") & (after != "")
    return Counted(numerator=before != after, denominator=both)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "jaarresultaat": _jaarresultaat,
        "diplomaresultaat": _diplomaresultaat,
        "startersresultaat": _startersresultaat,
        "vsv_eigen": _vsv_eigen,
        "switch": _switch,
    }
)
"""How each indicator counts between 1 October of a year and the next."""
