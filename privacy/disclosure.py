"""Arrives: noisy tables and ratios that someone wants to publish. Leaves: what may be shown, and each rule's
outcome.

The rules come on top of the noise and look at noisy values only, so they cost no privacy (METHODS §8;
defaults after SACRO/ACRO, OpenSAFELY and DUO). What one rule can hide is redacted; what it cannot hide blocks
publication.

=============== ========================================================================= ====================
rule            what must hold                                                            otherwise
=============== ========================================================================= ====================
finite          every value is a finite number                                            fail
declared        every label is declared in the schema: no free text                       fail
consent         a figure of one school has that school's consent                          fail
own_beside_total own figures beside a joint total: nobody refuses, or at least t+2 do      fail
cohort          every cohort asked about holds the least number of students               fail
threshold       a count that is shown is at least 10                                      redacted
group           a row is not shown as all in one category                                 redacted
complementary   what is hidden in a line cannot be had by subtracting from its total      redacted
rounding        a count that is shown is a multiple of 5                                  (always applied, no outcome)
rate            a rate has a denominator of at least 12, and both parts can be shown      redacted
interval        a ratio carries its interval                                              fail
=============== ========================================================================= ====================
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from privacy.errors import DisclosureError

PASS: Final = "pass"
REDACTED: Final = "redacted"
FAIL: Final = "fail"
LEAST_THRESHOLD: Final = 10
LEAST_DENOMINATOR: Final = 12
LEAST_ROUNDING: Final = 5


@dataclass(frozen=True)
class Rules:
    """The thresholds in force. A policy may raise them; below the defaults they are refused
    (`DisclosureError`).
    """

    threshold: int = LEAST_THRESHOLD
    denominator: int = LEAST_DENOMINATOR
    rounding: int = LEAST_ROUNDING

    def __post_init__(self) -> None:
        chosen = (self.threshold, self.denominator, self.rounding)
        least = (LEAST_THRESHOLD, LEAST_DENOMINATOR, LEAST_ROUNDING)
        if any(value < bound for value, bound in zip(chosen, least, strict=True)):
            raise DisclosureError(
                f"Thresholds are at least {least}. Found: {chosen}. A policy may raise them, never lower them."
            )


@dataclass(frozen=True)
class Table:
    """Noisy counts [rows, columns]: a row is a group, a column a category; school: whose own figures, if
    one's.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]
    school: str | None = None

    def __post_init__(self) -> None:
        widths = {len(line) for line in self.counts}
        if not self.rows or not self.columns or len(self.counts) != len(self.rows) or widths != {len(self.columns)}:
            raise DisclosureError(
                f"A table has one count for every row and column. Found: another shape in {self.name!r}. "
                "Give counts as [rows, columns]."
            )


@dataclass(frozen=True)
class Ratio:
    """A noisy numerator and denominator, with the interval of their ratio (low, high), noise included."""

    name: str
    numerator: float
    denominator: float
    low: float | None
    high: float | None
    school: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What one rule says about one place."""

    rule: str
    status: str
    where: str


@dataclass(frozen=True)
class Redacted:
    """A table as it may be shown: rounded counts, row and column totals and rates within a row; None is
    hidden.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]
    row_totals: tuple[int | None, ...]
    column_totals: tuple[int | None, ...]
    total: int | None
    rates: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Report:
    """Every outcome, and what may be shown. `ratios` holds name -> value, None where it is hidden."""

    outcomes: tuple[Outcome, ...]
    tables: tuple[Redacted, ...]
    ratios: Mapping[str, float | None]

    @property
    def passed(self) -> bool:
        """Whether the redacted finding may be published."""
        return all(outcome.status != FAIL for outcome in self.outcomes)


def check(
    tables: Sequence[Table],
    ratios: Sequence[Ratio],
    rules: Rules,
    consents: Collection[str],
    roster: Collection[str],
    collusion_threshold: int,
    declared: Collection[str],
    cohorts: Mapping[str, float],
    smallest_cohort: int,
) -> Report:
    """Apply every rule.

    consents: schools that allow figures of their own; roster: schools in the joint totals; declared: labels
    that the schema declares; cohorts: noisy number of students of every cohort asked about. A table that is
    not finite is not shown at all. Nothing is raised for what is found: it stands in the report.
    """
    finite = [table for table in tables if _is_finite(table)]
    redacted = [redact(table, rules) for table in finite]
    outcomes = [
        *_each("finite", {table.name: _is_finite(table) for table in tables}),
        *_each("declared", {table.name: _is_declared(table, declared) for table in tables}),
        *_consent([*tables, *ratios], consents, roster, collusion_threshold),
        *_each("cohort", {name: count >= smallest_cohort for name, count in cohorts.items()}),
        *(outcome for found, _ in redacted for outcome in found),
        *_each("interval", {ratio.name: _has_interval(ratio) for ratio in ratios}),
        *(_outcome("rate", ratio.name, REDACTED if shown(ratio, rules) is None else PASS) for ratio in ratios),
    ]
    values = {ratio.name: shown(ratio, rules) for ratio in ratios}
    return Report(tuple(outcomes), tuple(table for _, table in redacted), values)


def redact(table: Table, rules: Rules) -> tuple[tuple[Outcome, ...], Redacted]:
    """Hide what `threshold`, `group` and `complementary` ask, round the rest, and give rates where they are
    allowed.

    Raises `DisclosureError` for a table with a value that is not finite.
    """
    if not _is_finite(table):
        raise DisclosureError(
            f"A table holds finite numbers. Found: one that is not, in {table.name!r}. Leave the table out."
        )
    grid = _with_totals(table.counts)
    hidden = {
        "threshold": _below(grid, rules.threshold),
        "group": _groups(grid, rules.rounding),
    }
    first = hidden["threshold"] | hidden["group"]
    hidden["complementary"] = _complements(grid, first, rules.threshold) - first
    shows = _redacted(table, grid, first | hidden["complementary"], rules)
    no_rate = any(rate is None for line in shows.rates for rate in line)
    found = {**{rule: bool(cells) for rule, cells in hidden.items()}, "rate": no_rate}
    outcomes = tuple(_outcome(rule, table.name, REDACTED if hit else PASS) for rule, hit in found.items())
    return outcomes, shows


def shown(ratio: Ratio, rules: Rules) -> float | None:
    """The ratio of the rounded parts, or None when denominator, numerator or the rest is too small to show."""
    parts = (ratio.numerator, ratio.denominator)
    if not all(math.isfinite(part) for part in parts):
        return None
    rest = ratio.denominator - ratio.numerator
    if ratio.denominator < rules.denominator or min(ratio.numerator, rest) < rules.threshold:
        return None
    return _rounded(ratio.numerator, rules) / _rounded(ratio.denominator, rules)


Grid = list[list[float]]
Cell = tuple[int, int]


def _is_finite(table: Table) -> bool:
    return all(math.isfinite(count) for line in table.counts for count in line)


def _is_declared(table: Table, declared: Collection[str]) -> bool:
    return all(label in declared for label in (*table.rows, *table.columns))


def _has_interval(ratio: Ratio) -> bool:
    bounds = (ratio.low, ratio.high)
    return all(bound is not None and math.isfinite(bound) for bound in bounds)


def _outcome(rule: str, where: str, status: str) -> Outcome:
    return Outcome(rule, status, where)


def _each(rule: str, holds: Mapping[str, bool]) -> Iterable[Outcome]:
    return (_outcome(rule, where, PASS if good else FAIL) for where, good in holds.items())


def _consent(
    figures: Sequence[Table | Ratio], consents: Collection[str], roster: Collection[str], t: int
) -> Iterable[Outcome]:
    """One refuser beside a joint total would follow by subtraction; so would t+1 to a coalition of t."""
    own = [figure for figure in figures if figure.school is not None]
    yield from _each("consent", {figure.name: figure.school in consents for figure in own})
    if own and len(own) < len(figures):
        refusing = len(set(roster) - {figure.school for figure in own})
        yield from _each("own_beside_total", {"all figures": refusing == 0 or refusing >= t + 2})


def _with_totals(counts: Sequence[Sequence[float]]) -> Grid:
    """The table with a column of row totals and a row of column totals: every line sums to its last."""
    lines = [[*line, math.fsum(line)] for line in counts]
    return [*lines, [math.fsum(column) for column in zip(*lines, strict=True)]]


def _below(grid: Grid, threshold: int) -> set[Cell]:
    return {(i, j) for i, line in enumerate(grid) for j, count in enumerate(line) if count < threshold}


def _groups(grid: Grid, rounding: int) -> set[Cell]:
    """All cells of a row in which everyone would be shown in one category: the rest rounds to nothing."""
    width = len(grid[0]) - 1
    flat = [i for i, line in enumerate(grid[:-1]) if width > 1 and line[-1] - max(line[:-1]) < rounding / 2]
    return {(i, j) for i in flat for j in range(width)}


def _complements(grid: Grid, hidden: set[Cell], threshold: int) -> set[Cell]:
    """Hide the smallest of what is shown, line by line, until no line gives away what it hides.

    A line gives away when it hides exactly one cell, or cells that together stay below the threshold.
    """
    hidden = set(hidden)
    lines = _lines(grid)
    while weak := next((line for line in lines if _gives_away(grid, line, hidden, threshold)), None):
        hidden.add(min((cell for cell in weak if cell not in hidden), key=lambda cell: grid[cell[0]][cell[1]]))
    return hidden


def _lines(grid: Grid) -> list[list[Cell]]:
    height, width = len(grid), len(grid[0])
    rows = [[(i, j) for j in range(width)] for i in range(height)]
    columns = [[(i, j) for i in range(height)] for j in range(width)]
    return rows + columns


def _gives_away(grid: Grid, line: list[Cell], hidden: set[Cell], threshold: int) -> bool:
    out = [cell for cell in line if cell in hidden]
    if not out or len(out) == len(line):
        return False
    return len(out) == 1 or (line[-1] not in hidden and sum(grid[i][j] for i, j in out) < threshold)


def _rounded(count: float, rules: Rules) -> int:
    return rules.rounding * math.floor(count / rules.rounding + 0.5)


def _redacted(table: Table, grid: Grid, hidden: set[Cell], rules: Rules) -> Redacted:
    lines = [
        [None if (i, j) in hidden else _rounded(count, rules) for j, count in enumerate(line)]
        for i, line in enumerate(grid)
    ]
    *inner, totals = lines
    return Redacted(
        name=table.name,
        rows=table.rows,
        columns=table.columns,
        counts=tuple(tuple(line[:-1]) for line in inner),
        row_totals=tuple(line[-1] for line in inner),
        column_totals=tuple(totals[:-1]),
        total=totals[-1],
        rates=tuple(tuple(_rate(count, line[-1], rules) for count in line[:-1]) for line in inner),
    )


def _rate(count: int | None, total: int | None, rules: Rules) -> float | None:
    if count is None or total is None or total < rules.denominator:
        return None
    return count / total
