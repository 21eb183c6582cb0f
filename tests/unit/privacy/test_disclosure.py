"""Disclosure rules on noisy tables: what is hidden, what is shown, and what blocks publication."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.disclosure import FAIL, PASS, REDACTED, Ratio, Redacted, Report, Rules, Table, check, redact, shown
from privacy.errors import DisclosureError

RULES = Rules()


def table(*counts: tuple[float, ...], name: str = "table", school: str | None = None) -> Table:
    rows = tuple(f"r{i}" for i in range(len(counts)))
    return Table(name, rows, tuple(f"c{j}" for j in range(len(counts[0]))), counts, school)


def status(given_table: Table, rule: str) -> str:
    outcomes, _ = redact(given_table, RULES)
    return next(outcome.status for outcome in outcomes if outcome.rule == rule)


def whole(**changes: Any) -> Report:
    """A finding of one joint table that passes everything, with changes."""
    fields: dict[str, Any] = {
        "tables": [table((40.0, 60.0), (30.0, 70.0))],
        "ratios": [Ratio("rate", 40.0, 100.0, 0.3, 0.5)],
        "rules": RULES,
        "consents": set(),
        "roster": {"s0", "s1", "s2", "s3"},
        "collusion_threshold": 1,
        "declared": {"r0", "r1", "c0", "c1"},
        "cohorts": {"2023": 200.0},
        "smallest_cohort": 50,
    }
    return check(**{**fields, **changes})


def test_a_table_of_large_cells_is_rounded_and_shown() -> None:
    """
    counts        shown (to 5)     rates of the rounded counts
    41.2  58.9    40  60 | 100     .40  .60
    33.0  72.4    35  70 | 105     .33  .67
    """
    outcomes, shows = redact(table((41.2, 58.9), (33.0, 72.4)), RULES)
    assert {outcome.status for outcome in outcomes} == {PASS}
    assert shows.counts == ((40, 60), (35, 70)) and shows.row_totals == (100, 105)
    assert shows.column_totals == (75, 130) and shows.total == 205
    assert shows.rates == ((0.4, 0.6), (35 / 105, 70 / 105))


def test_a_small_cell_hides_itself_and_its_complements() -> None:
    """
    9.9 hides itself; its row and column would give it by subtraction, so one more of each is hidden:
    40   60   50         40   60   50
    9.9  70   80   ->    -    -    80
    30   90   95         -    -    95
    """
    outcomes, shows = redact(table((40, 60, 50), (9.9, 70, 80), (30, 90, 95)), RULES)
    assert shows.counts == ((40, 60, 50), (None, None, 80), (None, None, 95))
    assert [o.rule for o in outcomes if o.status == REDACTED] == ["threshold", "complementary", "rate"]


def test_the_threshold_is_ten_noisy_counts_included() -> None:
    """9.99 is hidden, 10 is shown; zero, and what noise made negative, are hidden like any small number."""
    assert status(table((9.99, 50.0, 60.0)), "threshold") == REDACTED
    assert status(table((10.0, 50.0, 60.0)), "threshold") == PASS
    for count in (0.0, -3.0):
        _, shows = redact(table((count, 50.0, 60.0)), RULES)
        assert shows.counts[0][0] is None


def test_everyone_in_one_category_is_hidden() -> None:
    """A row of 100 and 1 says of everyone in the group what they did: the row is hidden, its total stays."""
    outcomes, shows = redact(table((100.0, 1.0, 1.0), (40.0, 50.0, 60.0), (40.0, 50.0, 60.0)), RULES)
    assert shows.counts[0] == (None, None, None) and shows.row_totals[0] == 100
    assert "group" in [o.rule for o in outcomes if o.status == REDACTED]
    assert status(table((50.0, 11.0)), "group") == PASS


def test_a_table_with_one_column_has_no_groups() -> None:
    """A plain list of counts is not group disclosure, and a hidden count takes its equal row total with it."""
    assert status(table((50.0,), (60.0,)), "group") == PASS
    _, shows = redact(table((5.0,), (60.0,), (70.0,)), RULES)
    assert shows.counts[0] == (None,) and shows.row_totals[0] is None


def test_hidden_cells_that_are_small_together_hide_more() -> None:
    """Two hidden cells of 3 under a shown total would be known to be 6 together: a third is hidden with them."""
    _, shows = redact(table((3.0, 3.0, 40.0, 50.0), (40.0, 50.0, 60.0, 70.0), (40.0, 50.0, 60.0, 70.0)), RULES)
    assert shows.counts[0] == (None, None, None, 50)


def test_rates_need_twelve_and_both_parts() -> None:
    """
    numerator denominator  shown
    40        100          40/100
    9         100          hidden: numerator below 10
    95        100          hidden: the rest below 10
    10        11           hidden: denominator below 12
    nan       100          hidden
    """
    cases = [(40.0, 100.0, 0.4), (9.0, 100.0, None), (95.0, 100.0, None), (10.0, 11.0, None), (math.nan, 100.0, None)]
    for numerator, denominator, expected in cases:
        assert shown(Ratio("r", numerator, denominator, 0.1, 0.9), RULES) == expected
    _, shows = redact(table((10.0, 1.0), (50.0, 60.0)), RULES)
    assert shows.rates[0] == (None, None)


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.floats(-20, 500), min_size=width, max_size=width).map(tuple), min_size=1, max_size=5
        )
    )
)
def test_no_line_ever_gives_away_what_it_hides(counts: list[tuple[float, ...]]) -> None:
    """Any table: nothing below 10 is shown, shown counts are multiples of 5, and no row or column hides just one."""
    _, shows = redact(table(*counts), RULES)
    for line in lines_of(shows):
        assert sum(count is None for count in line) != 1 or len(line) == 1
        assert all(count is None or (count >= 10 and count % 5 == 0) for count in line)


def lines_of(shows: Redacted) -> list[list[int | None]]:
    grid = [[*line, total] for line, total in zip(shows.counts, shows.row_totals, strict=True)]
    grid.append([*shows.column_totals, shows.total])
    return grid + [list(column) for column in zip(*grid, strict=True)]


def test_a_clean_finding_passes() -> None:
    """Every rule is reported, not only those that fail."""
    report = whole()
    assert report.passed and report.ratios == {"rate": 0.4}
    assert {outcome.rule for outcome in report.outcomes} >= {"finite", "declared", "cohort", "threshold", "interval"}


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("finite", {"tables": [table((math.nan, 60.0), (30.0, 70.0))]}),
        ("finite", {"tables": [table((math.inf, 60.0), (30.0, 70.0))]}),
        ("declared", {"declared": {"r0", "r1", "c0"}}),
        ("consent", {"tables": [table((40.0, 60.0), (30.0, 70.0), school="s0")], "ratios": []}),
        ("consent", {"ratios": [Ratio("own", 40.0, 100.0, 0.3, 0.5, "s0")]}),
        ("cohort", {"cohorts": {"2023": 49.0}}),
        ("interval", {"ratios": [Ratio("r", 40.0, 100.0, None, 0.5)]}),
        ("interval", {"ratios": [Ratio("r", 40.0, 100.0, 0.3, math.nan)]}),
    ],
)
def test_what_cannot_be_redacted_blocks_publication(rule: str, changes: dict[str, Any]) -> None:
    """Not a number, free text, no consent, a small cohort, no interval: one is enough."""
    report = whole(**changes)
    assert not report.passed
    assert rule in {outcome.rule for outcome in report.outcomes if outcome.status == FAIL}


def test_a_table_that_is_not_finite_is_not_shown() -> None:
    """It is left out of what may be shown, and cannot be redacted by hand either."""
    bad = table((math.nan, 60.0), (30.0, 70.0))
    assert whole(tables=[bad]).tables == ()
    with pytest.raises(DisclosureError, match="finite"):
        redact(bad, RULES)


@pytest.mark.parametrize(
    ("own", "roster", "passes"),
    [
        (["s0"], ["s0", "s1", "s2", "s3"], True),
        (["s0", "s1"], ["s0", "s1", "s2", "s3"], False),
        (["s0", "s1", "s2"], ["s0", "s1", "s2", "s3"], False),
        (["s0", "s1", "s2", "s3"], ["s0", "s1", "s2", "s3"], True),
    ],
)
def test_own_figures_beside_a_joint_total(own: list[str], roster: list[str], passes: bool) -> None:
    """With t = 1: nobody refuses, or at least three do; one refuser would follow by subtraction."""
    figures = [table((40.0, 60.0), (30.0, 70.0), name=school, school=school) for school in own]
    joint = table((40.0, 60.0), (30.0, 70.0))
    report = whole(tables=[joint, *figures], ratios=[], roster=set(roster), consents=set(own))
    assert report.passed is passes
    assert whole(tables=figures, ratios=[], roster=set(roster), consents=set(own)).passed


def test_thresholds_may_be_raised_never_lowered() -> None:
    """A policy of 20 hides 15; a policy of 9 is refused."""
    raised = Rules(threshold=20, denominator=30, rounding=10)
    _, shows = redact(table((15.0, 60.0, 70.0)), raised)
    assert shows.counts[0][0] is None
    for lowered in ({"threshold": 9}, {"denominator": 11}, {"rounding": 1}):
        with pytest.raises(DisclosureError, match="never lower"):
            Rules(**lowered)


@pytest.mark.parametrize("counts", [(), ((1.0,), (1.0, 2.0)), ((),)])
def test_a_table_of_another_shape_is_refused(counts: Any) -> None:
    """No rows, ragged rows, no columns."""
    rows = tuple(f"r{i}" for i in range(len(counts)))
    columns = tuple(f"c{j}" for j in range(len(counts[0]) if counts else 0))
    with pytest.raises(DisclosureError, match="every row and column"):
        Table("t", rows, columns, counts)
