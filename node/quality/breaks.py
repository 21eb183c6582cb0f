"""Arrives: the numbers of a delivery by school year. Leaves: the columns and cohorts that jump between years."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.reading.words import Words, share
from node.quality.finding import Finding, Severity, school_year
from node.quality.numbers import NO_YEAR, Numbers, TableNumbers
from node.quality.shapes import coverage_differs, distance, shape_differs
from node.quality.thresholds import DECLARED, Thresholds

FILL_AS_STUDENTS_LEAVE = frozenset(
    {
        "enrolment.end_date",
        "enrolment.reden_uitschrijving",
        "programme_period.end_date",
        "placement.end_date",
        "application.end_date",
    }
)
"""Columns that are empty for who is still there: in later years they may be emptier, never fuller."""
GROWS_ON_ITS_OWN = frozenset({"enrolment.dropout_flag", "enrolment.reden_uitschrijving", "diploma.niveau"})
"""Columns whose values change as a cohort gets older; their distribution is not held against another year's.

Of an export that begins with some cohort, the first diplomas are those of the shortest programmes.
"""


@dataclass(frozen=True)
class Stretch:
    """Where a series breaks: in one year only, or from a year on. place: index of that year; before: of the last."""

    kind: Literal["only", "from"]
    place: int
    before: int


def between_years(numbers: Numbers, least: Thresholds = DECLARED) -> Iterator[Finding]:
    """Every column whose filled part or distribution jumps between school years, and every cohort out of size."""
    for table, one in numbers.tables.items():
        years = sorted(year for year, found in one.years.items() if year != NO_YEAR and found.students >= least.fewest)
        if table == "enrolment":
            yield from _cohorts(one, least)
        for column in sorted(one.years[years[0]].filled) if len(years) > 1 else ():
            yield from _column(table, column, one, years, least)


def stretches(count: int, differ: Callable[[int, int], bool]) -> Iterator[Stretch]:
    """Return where a series of `count` years breaks; `differ` says whether two years, by index, are far apart.

    A year that differs from both neighbours while those agree stands alone; else the series is another from there on.
    """
    place = 1
    while place < count:
        if not differ(place - 1, place):
            place += 1
        elif place + 1 < count and differ(place, place + 1) and not differ(place - 1, place + 1):
            yield Stretch("only", place, place - 1)
            place += 2
        else:
            yield Stretch("from", place, place - 1)
            place += 1


def _column(table: str, column: str, one: TableNumbers, years: Sequence[str], least: Thresholds) -> Iterator[Finding]:
    people = [one.years[year].students for year in years]
    filled = [one.years[year].filled[column] / one.years[year].rows for year in years]
    opens = f"{table}.{column}" in FILL_AS_STUDENTS_LEAVE

    def differ(first: int, second: int) -> bool:
        return coverage_differs(filled[first], filled[second], (people[first], people[second]), least)

    broken = [found for found in stretches(len(years), differ) if not (opens and _emptier(found, filled))]
    for found in broken:
        yield _coverage(table, column, found, years, filled)
    if not broken and f"{table}.{column}" not in GROWS_ON_ITS_OWN:
        yield from _shape(table, column, one, years, least)


def _emptier(found: Stretch, filled: Sequence[float]) -> bool:
    return found.kind == "from" and filled[found.place] < filled[found.before]


def _shape(table: str, column: str, one: TableNumbers, years: Sequence[str], least: Thresholds) -> Iterator[Finding]:
    bins = one.bins.get(column, {})
    known = [year for year in years if sum(bins.get(year, {}).values()) >= least.fewest]

    def differ(first: int, second: int) -> bool:
        cells = [bins[known[place]] for place in (first, second)]
        people = [
            float(min(one.years[known[place]].students, sum(bins[known[place]].values()))) for place in (first, second)
        ]
        return shape_differs(cells[0], cells[1], (people[0], people[1]), least)

    for found in stretches(len(known), differ):
        moved = share(round(distance(bins[known[found.before]], bins[known[found.place]]), 2))
        text = _SHAPES[found.kind].filled(year=school_year(known[found.place]), moved=moved)
        yield Finding("shape_break", Severity.WARN, table, column, text, _MEANING, _SHAPE_REMEDY)


def _coverage(table: str, column: str, found: Stretch, years: Sequence[str], filled: Sequence[float]) -> Finding:
    now, before = (share(round(filled[place], 2)) for place in (found.place, found.before))
    text = _COVERAGE[found.kind].filled(year=school_year(years[found.place]), now=now, before=before)
    return Finding("coverage_break", Severity.WARN, table, column, text, _MEANING, _COVERAGE_REMEDY)


def _cohorts(one: TableNumbers, least: Thresholds) -> Iterator[Finding]:
    """A school year between the first and the last without rows, or with less than half of the usual students."""
    years = sorted(int(year) for year, found in one.years.items() if year != NO_YEAR and found.students >= least.fewest)
    if len(years) < 2:
        return
    sizes = {
        year: one.years[str(year)].students if str(year) in one.years else 0 for year in range(years[0], years[-1])
    }
    usual = statistics.median([one.years[str(year)].students for year in years])
    for year in itertools.islice(sizes, 1, None):
        if sizes[year] < least.half * usual:
            rest = share(round(sizes[year] / usual, 2))
            text = _COHORT.filled(year=school_year(year), rest=rest)
            yield Finding("cohort_break", Severity.WARN, "enrolment", "", text, _COHORT_MEANING, _COHORT_REMEDY)


_COVERAGE = {
    "only": Words(
        "Alleen in {year} is de kolom voor {now} gevuld; het jaar ervoor voor {before}.",
        "In {year} only, the column is {now} filled; the year before {before}.",
    ),
    "from": Words(
        "Vanaf {year} is de kolom voor {now} gevuld; het jaar ervoor voor {before}.",
        "From {year} on, the column is {now} filled; the year before {before}.",
    ),
}
_SHAPES = {
    "only": Words(
        "Alleen in {year} zijn de waarden anders verdeeld: {moved} zou van plaats moeten wisselen.",
        "In {year} only, the values are spread differently: {moved} of them would have to move.",
    ),
    "from": Words(
        "Vanaf {year} zijn de waarden anders verdeeld dan het jaar ervoor: {moved} zou van plaats moeten wisselen.",
        "From {year} on, the values are spread differently: {moved} of them would have to move.",
    ),
}
_MEANING = Words(
    "Een verschil tussen schooljaren kan hier een verschil in vastleggen zijn, niet in studenten.",
    "A difference between school years may be one of recording here, not of students.",
)
_COVERAGE_REMEDY = Words(
    "Zoek in de bron of de kolom in dat jaar anders heet of anders wordt bijgehouden, en vul de export aan. Lukt dat "
    "niet, houd dat jaar dan buiten vragen die de kolom gebruiken.",
    "Find out whether the source names or keeps the column differently in that year, and complete the export. If that "
    "cannot be done, keep that year out of questions that use the column.",
)
_SHAPE_REMEDY = Words(
    "Vergelijk de codes en eenheden van dat jaar met die van het jaar ervoor; pas `recode` of de eenheid in de mapping "
    "aan als de bron is veranderd.",
    "Compare the codes and units of that year with those of the year before; adapt `recode` or the unit in the mapping "
    "if the source has changed.",
)
_COHORT = Words(
    "Schooljaar {year} telt {rest} van het gewone aantal studenten.",
    "School year {year} has {rest} of the usual number of students.",
)
_COHORT_MEANING = Words(
    "Waarschijnlijk ontbreekt een deel van dit cohort; een uitkomst per cohort klopt dan niet.",
    "Part of this cohort is probably missing; an outcome per cohort is then wrong.",
)
_COHORT_REMEDY = Words(
    "Controleer de selectie waarmee de export is gemaakt, en maak hem opnieuw.",
    "Check the selection with which the export was made, and make it again.",
)
