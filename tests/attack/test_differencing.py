"""Differencing through published tables (METHODS §7, attack 20), with the classical pairs.

One student is isolated by subtracting two tables (0/1 vectors that differ in one place), by a complement (all minus the
others), by a cell that was hidden but follows from its totals, by a subgroup of one, or by subtracting the schools that
showed theirs. Against tables asked one after another there is the noise alone, and it is charged for each; within one
table the disclosure rules stop what can be subtracted. Each attack first succeeds with its defence off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from experiments.queries.tables import Axis, Table
from experiments.students import Students
from privacy import disclosure
from privacy.disclosure import Redacted, Rules, check, redact
from privacy.private_sum import Release, lattice_sum, noised_sum, open_lattice

FALSE_ALARM = 1e-6
GUESSES = 2000
RHO = Fraction(1, 200)
STEPS = 1000
RELEASE = Release(4, Fraction(1), STEPS, Fraction(STEPS**2) / (2 * RHO))
QUERY = Table("outcome by group", (Axis("group", (Fraction(0),)), Axis("outcome", (Fraction(1, 2),))))


# ---- two tables that differ by one student


def _students(count: int, outcome_of_first: float) -> Students:
    draw = np.random.default_rng(count)
    group = draw.choice([-1.0, 1.0], size=(count, 1))
    outcome = draw.choice([0.0, 1.0], size=count)
    group[0], outcome[0] = 1.0, outcome_of_first
    return Students(group, outcome, np.zeros(count, dtype=np.bool_), ("group",))


def _exact(students: Students) -> np.ndarray:
    return lattice_sum(QUERY.contributions(students, {}), RELEASE) / STEPS


def _released(students: Students) -> np.ndarray:
    answers = [noised_sum(QUERY.contributions(students, {}), RELEASE, honest=1)]
    return open_lattice(answers, [RELEASE])[0] / STEPS


def _guesses(ask: object) -> list[bool]:
    """Is the first student's outcome read off the difference of two tables, with and without that student?"""
    right = []
    for at in range(GUESSES):
        outcome = float(at % 2)
        everyone = _students(50, outcome)
        others = everyone.rows(np.arange(50) > 0)
        difference = ask(everyone) - ask(others)  # type: ignore[operator]
        right.append((difference[3] > difference[2]) == bool(outcome))
    return right


def test_defence_off_two_exact_tables_give_a_student_away() -> None:
    """The difference is the student's own 0/1 vector."""
    assert all(_guesses(_exact))


def test_two_noised_tables_give_no_more_than_was_paid_for() -> None:
    """Two releases of rho 1/200 each; another outcome moves the first by sqrt(2), so its divergence is at most 2 rho.

    Any guess is then right with a chance of at most (1 + sqrt(1 - e^-(2 rho)))/2 (Bretagnolle and Huber 1979, on total
    variation). More than that among 2,000 guesses, by a binomial test, has a chance of 1e-6.
    """
    right = sum(_guesses(_released))
    most = (1 + math.sqrt(1 - math.exp(-2 * float(RHO)))) / 2
    assert stats.binom.sf(right - 1, GUESSES, most) > FALSE_ALARM
    assert stats.binom.sf(sum(_guesses(_exact)) - 1, GUESSES, most) < FALSE_ALARM


# ---- a hidden cell within one table


def _shown(table: disclosure.Table) -> Redacted:
    return redact(table, Rules())[1]


def _interval(shown: Redacted, cell: tuple[int, int]) -> tuple[float, float]:
    """What a reader who knows the rules can say of one cell: rounding to 5, no negative counts, totals that add up."""
    lines = [[*line, total] for line, total in zip(shown.counts, shown.row_totals, strict=True)]
    grid = [*lines, [*shown.column_totals, shown.total]]
    height, width = len(grid), len(grid[0])
    index = np.arange(height * width).reshape(height, width)
    sums = []
    for line in [*index, *index.T]:
        row = np.zeros(height * width)
        row[line[:-1]], row[line[-1]] = 1.0, -1.0
        sums.append(row)
    bounds = [(0, None) if count is None else (max(0.0, count - 2.5), count + 2.5) for line in grid for count in line]
    target = np.zeros(height * width)
    target[index[cell]] = 1.0
    ends = [linprog(sign * target, A_eq=np.array(sums), b_eq=np.zeros(len(sums)), bounds=bounds) for sign in (1, -1)]
    low, high = (end.fun if end.status == 0 else -math.inf for end in ends)
    return low, -high


def _tables(count: int) -> list[disclosure.Table]:
    """Tables with small, middling and large cells in any place."""
    draw = np.random.default_rng(20)
    tables = []
    for at in range(count):
        height, width = draw.integers(1, 4), draw.integers(2, 4)
        cells = np.round(draw.choice([1, 3, 8, 12, 30, 100], size=(height, width)) * draw.uniform(0.5, 2.0))
        rows, columns = [f"r{i}" for i in range(height)], [f"c{j}" for j in range(width)]
        tables.append(_table(f"table {at}", rows, columns, cells.tolist()))
    return tables


def _table(name: str, rows: Sequence[str], columns: Sequence[str], cells: list[list[float]]) -> disclosure.Table:
    return disclosure.Table(name, tuple(rows), tuple(columns), tuple(tuple(line) for line in cells))


def _small_cells(tables: list[disclosure.Table]) -> list[tuple[float, float]]:
    """What can be said of every cell below the threshold, in all tables."""
    return [
        _interval(shown, (i, j))
        for table in tables
        for shown in [_shown(table)]
        for i, line in enumerate(table.counts)
        for j, count in enumerate(line)
        if count < disclosure.LEAST_THRESHOLD
    ]


@pytest.mark.parametrize("defended", [False, True])
def test_no_small_cell_follows_from_its_totals(monkeypatch: pytest.MonkeyPatch, defended: bool) -> None:
    """Hidden alone, a small cell is its line's total minus the others; with its complements it may always be large.

    By linear programming over all that is shown: no hidden cell below 10 is ever known to be below 10, nor known to
    within the width of the threshold.
    """
    if not defended:
        monkeypatch.setattr(disclosure, "_complements", lambda grid, hidden, threshold: set(hidden))
        monkeypatch.setattr(disclosure, "_below", _inner_cells(disclosure._below))
    found = _small_cells(_tables(60))
    betrayed = [end for end in found if end[1] < disclosure.LEAST_THRESHOLD or end[1] - end[0] < 10]
    assert len(found) > 100 and (not betrayed) == defended


def _inner_cells(real: object) -> object:
    """Hide small cells only, and show every total: how tables are usually made."""
    return lambda grid, threshold: {
        (i, j)
        for i, j in real(grid, threshold)
        if i < len(grid) - 1 and j < len(grid[0]) - 1  # type: ignore[operator]
    }


def test_a_group_of_which_all_did_the_same_is_not_told() -> None:
    """40 of a team, all of them in one category: a count of 40 says what each of them did, without any small cell."""
    shown = _shown(_table("team", ["team"], ["stayed", "left"], [[0.0, 40.0]]))
    assert shown.counts == ((None, None),)
    shown = _shown(_table("team", ["team"], ["stayed", "left"], [[15.0, 40.0]]))
    assert shown.counts == ((15, 40),)


def test_nested_groups_do_not_differ_by_one() -> None:
    """A team with and without one student: 24 and 25 are shown alike or a whole rounding apart, never one apart."""
    for larger in range(20, 60):
        first, second = (_shown(_table("t", ["r"], ["a", "b"], [[count, 50.0]])) for count in (larger, larger - 1.0))
        assert (first.counts[0][0] or 0) - (second.counts[0][0] or 0) in (0, 5)


# ---- one school out of a joint total


def _report(own: int, consents: int) -> disclosure.Report:
    """A joint table of five schools with the own tables of the first few; t = 1."""
    roster = [f"s{index}" for index in range(5)]
    tables = [_table("joint", ["r"], ["a", "b"], [[500.0, 300.0]])]
    tables += [
        disclosure.Table(f"own {school}", ("r",), ("a", "b"), ((100.0, 60.0),), school) for school in roster[:own]
    ]
    return check(tables, [], Rules(), roster[:consents], roster, 1, {"r", "a", "b"}, {"2023": 900.0}, 50)


@pytest.mark.parametrize(("own", "passes"), [(0, True), (1, True), (2, True), (3, False), (4, False), (5, True)])
def test_a_school_that_refuses_does_not_follow_by_subtraction(own: int, passes: bool) -> None:
    """Four shown beside a joint total of five leave the fifth; with one colluder, three shown leave two, of which one.

    At least t + 2 schools refuse, or none does.
    """
    report = _report(own, consents=5)
    assert report.passed == passes
    if own == 4:
        remaining = 500.0 - sum(line[0] for table in report.tables if table.name != "joint" for line in table.counts)
        assert remaining == 100.0, "what the reader would have subtracted"


def test_a_figure_of_one_school_needs_that_schools_consent() -> None:
    """Shown without it, nothing is published; the rule is named with its place."""
    report = _report(own=2, consents=1)
    failed = [(outcome.rule, outcome.where) for outcome in report.outcomes if outcome.status == disclosure.FAIL]
    assert failed == [("consent", "own s1")]
