"""Three satisfactions: a person counts once, teams of the day of the survey, results that come per team only."""

from __future__ import annotations

import pandas as pd
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from node.local.card import tone
from node.local.satisfaction import satisfactions
from tests.spec.small_tables import tables
from tests.unit.node.local.small_school import of


def _surveyed() -> None:
    """A answers one question (5), B two (1 and 3, so 2). A was in team zorg on the day, and is in techniek now.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    A       | 1            | 2023-08-28 | 2024-05-01 | zorg
    A       | 2            | 2024-05-02 |            | techniek
    B       | 1            | 2023-08-28 |            | zorg

    survey
    student | survey | date       | question | answer
    A       | JOB    | 2024-02-01 | q1       | 5
    B       | JOB    | 2024-02-01 | q1       | 1
    B       | JOB    | 2024-02-01 | q2       | 3
    B       | JOB    | 2022-02-01 | q1       | 5
    """


def _found(extra: dict[str, pd.DataFrame] | None = None) -> dict[tuple[str, str], tuple[int, int, float]]:
    given = of({**tables(_surveyed), **(extra or {})}, "2024-10-01")
    return {(one.subject, one.group): (one.year, one.people, one.mean) for one in satisfactions(given)}


def test_a_person_counts_once_and_in_the_team_of_that_day() -> None:
    """(5 + 2) / 2 = 3.5 in team zorg; the survey of 2022 is not the latest."""
    assert _found() == {("JOB", ""): (2024, 2, 3.5), ("JOB", "zorg"): (2024, 2, 3.5)}


def test_staff_answer_under_their_own_team_and_mwo_is_staff_too() -> None:
    """Two members of staff; a team's interval is that of a mean of normal spread."""
    staff = pd.DataFrame(
        {
            "staff": ["x", "y"],
            "survey": ["MTO", "MWO"],
            "date": ["2024-03-01"] * 2,
            "team": ["zorg"] * 2,
            "question": ["q"] * 2,
            "answer": [3.0, 4.0],
        }
    )
    assert _found({"staff_survey": staff})["MTO", "zorg"] == (2024, 2, 3.5)


def test_results_that_come_per_team_weigh_by_who_answered() -> None:
    """(4 x 20 + 2 x 10) / 30 = 3.33; people are those of the best answered question; single answers go before."""
    team = pd.DataFrame(
        {
            "team": ["zorg", "zorg", "zorg"],
            "survey": ["BPV", "BPV", "JOB"],
            "date": ["2024-03-01"] * 3,
            "question": ["q1", "q2", "q1"],
            "mean": [4.0, 2.0, 1.0],
            "respondents": [20, 10, 50],
        }
    )
    found = _found({"team_survey": team})
    year, people, mean = found["BPV", "zorg"]
    assert (year, people) == (2024, 20) and mean == pytest.approx(100 / 30)
    assert found["JOB", "zorg"] == (2024, 2, 3.5)


def test_the_interval_is_that_of_statsmodels_and_small_groups_are_not_shown() -> None:
    """Twelve respondents are shown, eleven are not; the interval by another implementation."""
    answers = [1.0, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    staff = pd.DataFrame(
        {
            "staff": [f"s{i}" for i in range(12)],
            "survey": "MTO",
            "date": "2024-03-01",
            "team": "zorg",
            "question": "q",
            "answer": answers,
        }
    )
    (one,) = [
        one
        for one in satisfactions(of({**tables(_surveyed), "staff_survey": staff}, "2024-10-01"))
        if one.subject == "MTO" and one.group
    ]
    low, high = DescrStatsW(answers).zconfint_mean()
    assert (one.low, one.high) == (pytest.approx(low), pytest.approx(high)) and one.shown
    assert (tone(one, 3.0), tone(one, 3.6), tone(one, 4.9), tone(one, None)) == ("good", "warn", "bad", "")
    few = satisfactions(of({**tables(_surveyed), "staff_survey": staff.iloc[:11]}, "2024-10-01"))
    assert not any(one.shown for one in few)
