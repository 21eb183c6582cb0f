"""Arrives: the numbers of two deliveries of one layout. Leaves: what changed more than a year of study explains."""

from __future__ import annotations

import math
from collections.abc import Iterator

from experiments.reading.words import Words, share, whole
from node.quality.breaks import FILL_AS_STUDENTS_LEAVE
from node.quality.finding import Finding, Severity
from node.quality.numbers import Numbers, TableNumbers
from node.quality.shapes import coverage_differs, distance, shape_differs
from node.quality.thresholds import DECLARED, Thresholds

RULES = frozenset({"students_drift", "rows_drift", "gone", "coverage_drift", "shape_drift"})


def since_last(before: Numbers, now: Numbers, least: Thresholds = DECLARED) -> Iterator[Finding]:
    """Every change of students, tables, filled shares and distributions against the previous delivery."""
    yield from _students(before, now, least)
    fewer = now.students < before.students
    for table, then in before.tables.items():
        one = now.tables.get(table)
        if one is None or not one.rows:
            if then.rows:
                yield _gone(table, "", Words("De tabel is er niet meer.", "The table is no longer there."))
            continue
        if then.rows >= least.fewest:
            yield from _rows(table, then, one, least, expected=now.students / before.students if fewer else 1.0)
            for column in sorted({name for year in then.years.values() for name in year.filled}):
                yield from _column(table, column, then, one, least)


def _students(before: Numbers, now: Numbers, least: Thresholds) -> Iterator[Finding]:
    chance = least.chance * math.sqrt(before.students + now.students)  # of two counts, by Poisson
    if before.students < least.fewest or abs(now.students - before.students) <= chance:
        return
    if least.low <= now.students / before.students <= least.high:
        return
    text = _STUDENTS.filled(now=whole(now.students), before=whole(before.students))
    yield Finding("students_drift", Severity.WARN, "", "", text, _STUDENTS_MEANING, _EXPORT_REMEDY)


def _rows(table: str, then: TableNumbers, one: TableNumbers, least: Thresholds, expected: float) -> Iterator[Finding]:
    """expected: rows per row of then that the number of students explains; it is not said twice."""
    if least.half * expected <= one.rows / then.rows <= 1 / least.half:
        return
    text = _ROWS.filled(now=whole(one.rows), before=whole(then.rows))
    yield Finding("rows_drift", Severity.WARN, table, "", text, _ROWS_MEANING, _EXPORT_REMEDY)


def _column(table: str, column: str, then: TableNumbers, one: TableNumbers, least: Thresholds) -> Iterator[Finding]:
    was, now = then.filled(column) / then.rows, one.filled(column) / one.rows
    people = _people(then), _people(one)
    if was > 0 and now == 0:
        text = _EMPTIED.filled(before=share(round(was, 2)))
        yield _gone(table, column, text)
    elif coverage_differs(was, now, people, least) and not (_opens(table, column) and now < was):
        text = _COVERAGE.filled(now=share(round(now, 2)), before=share(round(was, 2)))
        yield Finding("coverage_drift", Severity.WARN, table, column, text, _MEANING, _COLUMN_REMEDY)
    else:
        yield from _shape(table, column, then.shape(column), one.shape(column), people, least)


def _opens(table: str, column: str) -> bool:
    return f"{table}.{column}" in FILL_AS_STUDENTS_LEAVE


def _people(numbers: TableNumbers) -> float:
    """Students of a table, those of two years counted in each; at least one."""
    return float(max(1, sum(year.students for year in numbers.years.values())))


def _shape(
    table: str, column: str, then: dict[str, int], now: dict[str, int], people: tuple[float, float], least: Thresholds
) -> Iterator[Finding]:
    cells = sum(then.values()), sum(now.values())
    if min(cells) < least.fewest:
        return
    few = min(people[0], cells[0]), min(people[1], cells[1])
    if shape_differs(then, now, few, least):
        text = _SHAPE.filled(moved=share(round(distance(then, now), 2)))
        yield Finding("shape_drift", Severity.WARN, table, column, text, _MEANING, _COLUMN_REMEDY)


def _gone(table: str, column: str, text: Words) -> Finding:
    return Finding("gone", Severity.WARN, table, column, text, _GONE_MEANING, _COLUMN_REMEDY)


_STUDENTS = Words(
    "{now} studenten in deze levering; in de vorige {before}.", "{now} students in this delivery; {before} in the last."
)
_STUDENTS_MEANING = Words(
    "Waarschijnlijk is de selectie van de export veranderd, of is een bestand niet volledig.",
    "The export's selection has probably changed, or a file is not complete.",
)
_EXPORT_REMEDY = Words(
    "Controleer selectie, cohorten en bestanden; lever opnieuw, of ga door als u de reden kent.",
    "Check selection, cohorts and files; deliver again, or go on if you know the reason.",
)
_ROWS = Words("{now} rijen; in de vorige levering {before}.", "{now} rows; {before} in the last delivery.")
_ROWS_MEANING = Words(
    "Een bestand is niet volledig of staat er dubbel in; sommen en gemiddelden schuiven mee.",
    "A file is not complete or stands there twice; sums and means move along.",
)
_EMPTIED = Words(
    "De kolom is leeg; in de vorige levering was zij voor {before} gevuld.",
    "The column is empty; in the last delivery it was {before} filled.",
)
_GONE_MEANING = Words(
    "Vragen die dit nodig hebben, kan de school niet meer beantwoorden.",
    "The school can no longer answer questions that need it.",
)
_COVERAGE = Words(
    "Nu voor {now} gevuld; in de vorige levering voor {before}.", "Now {now} filled; {before} in the last delivery."
)
_SHAPE = Words(
    "De waarden zijn anders verdeeld dan in de vorige levering: {moved} zou van plaats moeten wisselen.",
    "The values are spread differently than in the last delivery: {moved} of them would have to move.",
)
_MEANING = Words(
    "Een verschil met de vorige keer kan hier een verschil in vastleggen zijn, niet in studenten.",
    "A difference from last time may be one of recording here, not of students.",
)
_COLUMN_REMEDY = Words(
    "Zoek in de export of de kolom anders heet, andere codes of een andere eenheid heeft; pas mapping of export aan.",
    "Find out whether the export names the column differently or has other codes or units; adapt mapping or export.",
)
