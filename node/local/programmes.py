"""A school arrives; its programmes over the years leave: a table of all, and small multiples of the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Cell, Drawing, Grid, Mark, Part, Tone
from experiments.reading.words import Words, decimal, share
from node.local import figures, product
from node.local.overview import Overview, Ratio, overview
from node.local.product import Product, Table
from node.local.roster import roster
from shared_schema.delay import delay_years
from shared_schema.main_enrolment import main_on
from shared_schema.norms import SMALLEST_DENOMINATOR
from shared_schema.stays import october

if TYPE_CHECKING:
    from node.local.school import School

SHOWN = ("jaarresultaat", "diplomaresultaat", "startersresultaat", "vsv_eigen", "uitval_jaar_1", "switch", "vertraging")
SHORT = {
    "jaarresultaat": Words("JR", "JR"), "diplomaresultaat": Words("DR", "DR"), "startersresultaat": Words("SR", "SR"),
    "vsv_eigen": Words("vsv eigen", "vsv own"), "uitval_jaar_1": Words("uitval jaar 1", "dropout year 1"),
    "switch": Words("switch", "switch"), "vertraging": Words("vertraging", "delay"),
}  # fmt: skip
YEARS_LATE = Words("jaren na nominaal", "years past nominal")
LINES = ("jaarresultaat", "startersresultaat", "uitval_jaar_1")
MOST_PROGRAMMES = 12


def of_niveaus(ratios: Sequence[Ratio]) -> Ratio | None:
    """The ratio of niveau 2 to 4; of a group that has entree only, that one."""
    return next((one for one in ratios if one.segment == "regulier"), ratios[0] if ratios else None)


def said(one: Ratio | None) -> Words:
    """The value, or a dash."""
    return Words.same("–") if one is None or one.value is None else share(one.value)


def marked(one: Ratio | None, tone: Tone) -> Cell:
    """The value with a tone, where there is both."""
    return Mark(said(one), tone) if tone and one is not None and one.shown else said(one)


def yearly_of(school: School, by: str) -> dict[int, Overview]:
    """Each year that is over by itself."""
    return {year: overview(school, [year], by, SHOWN) for year in school.years}


def by_year(yearly: Mapping[int, Overview]) -> list[tuple[str | int | float | None, ...]]:
    """Rows of an export: the school year before the columns of `figures.HEADS`."""
    return [(f"{year}-{year + 1}", *row) for year, of in yearly.items() for row in figures.flat(of.ratios)]


def lines(
    yearly: Mapping[int, Overview],
    group: str,
    identifier: str,
    title: Words,
    caption: Words,
    names: Sequence[str],
    norm: float | None = None,
) -> Drawing:
    """At most three indicators of one group over the years, with one norm."""
    periods = [Words.same(f"{year}-{year + 1}") for year in yearly]
    series = [Series(SHORT[name], [_value(of.of(name, group)) for of in yearly.values()]) for name in names]
    return over_periods(identifier, title, caption, periods, series, norm)


def _value(ratios: Sequence[Ratio]) -> float | None:
    one = of_niveaus(ratios)
    return None if one is None else one.value


def programmes(school: School, years: Sequence[int], team: str | None) -> Product:
    """Every programme over the years: small multiples of the largest, and a table of all."""
    found = overview(school, years, "crebo", SHOWN)
    names = _names(school)
    chosen = _of_team(school, found.groups, team)
    known, yearly = [name for name in SHOWN if name not in found.missing], yearly_of(school, "crebo")
    largest = sorted(chosen, key=lambda crebo: (-_size(found, crebo), crebo))[:MOST_PROGRAMMES]
    late = years_late(school, years)
    rows = tuple(
        (_named(crebo, names), *(_judged(found, name, crebo) for name in known), _late(late.get(crebo)))
        for crebo in chosen
    )
    lead = Words(
        "Opleidingen over {years}, en de grootste twaalf jaar na jaar.",
        "Programmes over {years}, and the largest twelve year by year.",
    ).filled(years=product.span(years))
    head = (Words("opleiding", "programme"), *(SHORT[name] for name in known), YEARS_LATE)
    drawn = [name for name in LINES if name in known]
    small = tuple(_small(yearly, found, crebo, names, index, drawn) for index, crebo in enumerate(largest))
    parts = (Part(Words("Opleidingen", "Programmes"), (), Grid(head, rows, "wide")), *small)
    inside = [one for one in found.ratios if one.group in chosen]
    tables: dict[str, Table] = {
        "opleidingen": (figures.HEADS, figures.flat(inside)),
        "studieduur": (("crebo", "jaren_na_nominaal"), [(crebo, late[crebo]) for crebo in chosen if crebo in late]),
        "jaren": (("schooljaar", *figures.HEADS), [row for row in by_year(yearly) if row[2] in chosen]),
    }
    title = Words("Opleidingen over de jaren", "Programmes over the years")
    return Product("team-opleidingen", title, lead, parts, tables)


def years_late(school: School, years: Sequence[int]) -> dict[str, float]:
    """Mean years from nominal end to diploma per crebo, of twelve graduates or more; negative is early."""
    facts, n = school.facts, len(school.facts.index)
    rows = []
    for year in years:
        first, second = np.full(n, october(year)), np.full(n, october(year + 1))
        crebo = main_on(facts, first).text("programme_period", "crebo")
        rows.append(pd.DataFrame({"crebo": crebo, "late": delay_years(facts, first, second)}))
    grouped = pd.concat(rows).dropna().groupby("crebo")["late"]
    return {str(crebo): float(late.mean()) for crebo, late in grouped if crebo and len(late) >= SMALLEST_DENOMINATOR}


def _late(value: float | None) -> Words:
    return Words.same("–") if value is None else decimal(value)


def _size(found: Overview, crebo: str) -> int:
    """Students in the largest of a programme's figures."""
    return max((one.denominator for one in found.ratios if one.group == crebo), default=0)


def _judged(found: Overview, name: str, crebo: str) -> Cell:
    one = of_niveaus(found.of(name, crebo))
    return marked(one, one.tone if one else "")


def _small(
    yearly: Mapping[int, Overview],
    found: Overview,
    crebo: str,
    names: Mapping[str, str],
    index: int,
    drawn: Sequence[str],
) -> Part:
    title = _named(crebo, names)
    words = title if isinstance(title, Words) else Words.same(title)
    identifier = f"programme-{chr(97 + index)}"
    caption = Words(
        "Een lijn breekt waar minder dan twaalf studenten zijn. De norm is die van SR.",
        "A line breaks under twelve students. The norm is that of SR.",
    )
    one = of_niveaus(found.of("startersresultaat", crebo))
    return Part(words, (), None, lines(yearly, crebo, identifier, words, caption, drawn, one.norm if one else None))


def _named(crebo: str, names: Mapping[str, str]) -> str | Words:
    if not crebo:
        return figures.UNKNOWN
    return f"{crebo} {names[crebo]}" if crebo in names else crebo


def _names(school: School) -> Mapping[str, str]:
    """Names of programmes, where the public list of crebo codes was taken in."""
    frame = school.tables.get("programme")
    if frame is None or "title" not in frame:
        return {}
    named = frame.dropna(subset=["title"])
    return dict(zip(named["crebo"].astype(str), named["title"].astype(str), strict=True))


def _of_team(school: School, crebos: Sequence[str], team: str | None) -> list[str]:
    """The programmes that a team's students follow; all without a team."""
    if team is None:
        return list(crebos)
    found = roster(school)
    of_team = {str(crebo) for crebo in found.crebo[found.here & (found.team == team)]}
    chosen = [crebo for crebo in crebos if crebo in of_team]
    if not chosen:
        raise product.no_team(sorted({str(name) for name in found.team[found.here] if name}))
    return chosen
