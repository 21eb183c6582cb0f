"""Figures that a school shows itself: what is too small, what would give a small one away, and what a colour means."""

from __future__ import annotations

import pytest

from node.errors import UnusableInput
from node.local.overview import Ratio, hidden, overview
from node.local.programmes import years_late
from node.local.school import chosen_years
from shared_schema.norms import NORMS, judgement
from tests.unit.node.local.small_school import copies, of
from tests.unit.node.local.small_school import school as school_of


def ratio(group: str, denominator: int, numerator: int = 0, niveau: int = 2, name: str = "jaarresultaat") -> Ratio:
    """A ratio of regular education with its norm."""
    norm = NORMS[name, niveau]
    judged = judgement(name, numerator, denominator, norm)
    return Ratio(name, group, "regulier", niveau, numerator, denominator, norm.norm, norm.high, judged)


def _shown(*ratios: Ratio) -> list[str]:
    return [one.group for one in hidden(ratios) if one.shown]


def test_a_group_under_twelve_is_not_shown_and_takes_the_smallest_other_with_it() -> None:
    """The school's total is known: with one group hidden its number would follow by subtraction."""
    assert _shown(ratio("a", 11), ratio("b", 40), ratio("c", 12), ratio("d", 90)) == ["b", "d"]


def test_two_small_groups_hide_each_other() -> None:
    """Only their sum follows from the total; no third one has to go."""
    assert _shown(ratio("a", 11), ratio("b", 3), ratio("c", 12)) == ["c"]


def test_totals_of_a_niveau_give_away_as_well() -> None:
    """Two groups are small in all, one of each niveau: within each niveau the smallest other goes."""
    given = (ratio("a", 5), ratio("b", 30), ratio("c", 6, niveau=3), ratio("d", 20, niveau=3), ratio("e", 50, niveau=3))
    assert _shown(*given) == ["e"]


def test_what_is_not_shown_has_no_value_interval_or_colour() -> None:
    """Not in the page, and not in what the page is made from."""
    one = hidden([ratio("a", 11, 9)])[0]
    assert (one.value, one.interval, one.tone) == (None, None, "")


@pytest.mark.parametrize(
    ("numerator", "denominator", "tone"),
    [(67, 100, "good"), (60, 100, "warn"), (50, 100, "bad"), (9, 15, "warn"), (1, 15, "bad")],
)
def test_below_the_norm_is_bad_unless_chance_could_do_it(numerator: int, denominator: int, tone: str) -> None:
    """Norm 67 %. 60 of 100: Wilson's interval is 50-69 % and holds it; 50 of 100: 40-60 % does not."""
    assert ratio("a", denominator, numerator).tone == tone


def test_of_vsv_less_is_better() -> None:
    """Norm 9.2 % at niveau 2: 5 of 100 is within it, 30 of 100 is not."""
    assert ratio("a", 100, 5, name="vsv_eigen").tone == "good"
    assert ratio("a", 100, 30, name="vsv_eigen").tone == "bad"


def _leaver_and_stayer() -> None:
    """One who left in 2023-2024, of a team without and of a team with a name.

    enrolment
    student | enrolment_id | start_date | end_date   | team | reden_uitschrijving
    left    | 1            | 2022-08-29 | 2024-03-01 | zorg | 02
    unnamed | 1            | 2022-08-29 | 2024-03-01 |      | 02
    """


def test_years_that_are_not_over_are_refused_and_the_last_three_are_the_default() -> None:
    """Rows known until 30 September 2024 know two peildata: only 2022-2023 is over."""
    early = school_of(_leaver_and_stayer, "2024-09-30")
    later = school_of(_leaver_and_stayer, "2024-10-01")
    assert (early.years, later.years) == ((2022,), (2022, 2023))
    assert chosen_years(later, None) == (2022, 2023)
    assert chosen_years(later, "2020-2023") == (2020, 2021, 2022, 2023)
    for asked, code in (
        ("2023", "year_not_over"),
        ("2023-2022", "bad_years"),
        ("abcd", "bad_years"),
        ("1990-2021", "bad_years"),
    ):
        with pytest.raises(UnusableInput) as refused:
            chosen_years(early, asked)
        assert refused.value.code == code


def test_what_the_delivery_lacks_is_said_and_the_unknown_group_comes_last() -> None:
    """Without crebo there is no switch; a team without a name is a group."""
    given = of(copies(school_of(_leaver_and_stayer, "2024-10-01").tables, {"left": 20, "unnamed": 20}), "2024-10-01")
    found = overview(given, [2023], "team", ["jaarresultaat", "switch", "vertraging"])
    assert found.missing["switch"] == ("programme_period.crebo",)
    assert "diploma.date" in found.missing["vertraging"]
    assert found.groups == ("zorg", "")
    assert [(one.group, one.denominator, one.value) for one in found.of("jaarresultaat", "zorg")] == [("zorg", 20, 0.0)]


def _graduate() -> None:
    """Niveau 2, from 29 August 2021: due on 29 August 2023, graduated on 30 June 2024, 306 days later.

    enrolment
    student  | enrolment_id | start_date | end_date
    graduate | 1            | 2021-08-29 | 2024-07-05

    programme_period
    student  | enrolment_id | start_date | crebo | niveau
    graduate | 1            | 2021-08-29 | 25498 | 2

    diploma
    student  | enrolment_id | date       | crebo | niveau
    graduate | 1            | 2024-06-30 | 25498 | 2
    """


def test_years_past_nominal_are_a_mean_of_twelve_graduates() -> None:
    """306 days are 0.84 years; of eleven graduates nothing is said."""
    tables = school_of(_graduate, "2024-10-01").tables
    twelve, eleven = (of(copies(tables, {"graduate": number}), "2024-10-01") for number in (12, 11))
    assert years_late(twelve, [2023]) == {"25498": pytest.approx(306 / 365.25)}
    assert years_late(eleven, [2023]) == {} and years_late(twelve, [2022]) == {}
