"""The rendemententool: classes by hand, forecasts against what the same process does, and what is not known."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from node.local import prognosis
from node.local.prognosis import DUE, NOT_DUE, OVERDUE, Class, actual, estimates, forecast, latest_round, years
from node.local.school import School
from shared_schema import indicators
from shared_schema.facts import Facts
from shared_schema.stays import first_stays
from tests.spec.small_tables import SCHEMA, tables
from tests.unit.node.local.small_school import copies, of, school


def _three_years() -> None:
    """Niveau 2, two years. Of cohort 2022 one graduates in time, one stays longer; `now` began in 2023, `new` in 2024.

    enrolment
    student  | enrolment_id | start_date | end_date   | team
    graduate | 1            | 2022-08-29 | 2024-07-05 | zorg
    slow     | 1            | 2022-08-29 |            | zorg
    leaver   | 1            | 2022-08-29 | 2023-03-01 | zorg
    now      | 1            | 2023-08-28 |            | zorg
    new      | 1            | 2024-08-26 |            | zorg

    programme_period
    student  | enrolment_id | start_date | crebo | niveau
    graduate | 1            | 2022-08-29 | 25498 | 2
    slow     | 1            | 2022-08-29 | 25498 | 2
    leaver   | 1            | 2022-08-29 | 25498 | 2
    now      | 1            | 2023-08-28 | 25498 | 2
    new      | 1            | 2024-08-26 | 25498 | 2

    diploma
    student  | enrolment_id | date       | niveau
    graduate | 1            | 2024-06-30 | 2

    estimate
    student  | school_year | week | period | subject | judgement
    graduate |             | 10   |        | totaal  | voldoende
    graduate | 2023        | 10   |        | totaal  | voldoende
    graduate | 2023        | 30   |        | totaal  | twijfel
    slow     | 2023        |      | 2      | totaal  | onvoldoende
    slow     | 2023        | 10   |        | houding | voldoende
    now      | 2024        | 12   |        | totaal  | twijfel
    """


def _at(day: str) -> School:
    return school(_three_years, day)


def test_estimates_are_of_a_school_year_and_a_round() -> None:
    """Weeks 1-13, 14-26 and 27 on; without a week the period is the round; without a year it is the student's first."""
    facts = Facts.of(tables(_three_years), SCHEMA)
    row = {str(name): place for place, name in enumerate(facts.index)}
    start = first_stays(facts).start
    assert estimates(facts, start, 1) == {
        2022: {row["graduate"]: "voldoende"},
        2023: {row["graduate"]: "voldoende"},
        2024: {row["now"]: "twijfel"},
    }
    assert estimates(facts, start, 2)[2023] == {row["graduate"]: "voldoende", row["slow"]: "onvoldoende"}
    assert estimates(facts, start, 3)[2023] == {row["graduate"]: "twijfel", row["slow"]: "onvoldoende"}
    assert [latest_round(facts, start, year) for year in (2021, 2022, 2023, 2024)] == [0, 1, 3, 1]


def test_classes_are_seen_on_the_same_day_of_the_year() -> None:
    """On 1 December of the running year, so on that day of each year: the leaver of March 2023 was still here then."""
    found = {year.year: year for year in years(_at("2024-12-01"), 1)}
    row = {name: place for place, name in enumerate(sorted(("graduate", "slow", "leaver", "now", "new")))}
    assert found[2022].classes[row["leaver"]] == Class("geen", 2, NOT_DUE, True, False)
    assert found[2023].classes[row["graduate"]] == Class("voldoende", 2, DUE, True, False)
    assert found[2023].classes[row["now"]] == Class("geen", 2, NOT_DUE, True, False)
    assert found[2024].classes[row["now"]] == Class("twijfel", 2, DUE, True, False)
    assert found[2024].classes[row["graduate"]] is None
    assert found[2024].classes[row["slow"]] == Class("geen", 2, OVERDUE, True, False)
    assert (found[2024].outcome, found[2024].entrants) == (None, None)
    assert (found[2022].entrants, found[2023].entrants) == (1, 1)


def test_what_happened_is_what_the_indicators_say() -> None:
    """Forecasts are held against the school's own JR and DR, not against another count."""
    given = of(copies(tables(_three_years), {"graduate": 20, "slow": 10, "leaver": 12, "now": 15}), "2024-12-01")
    for year in years(given, 0)[:-1]:
        was = actual(year)
        for name in ("jaarresultaat", "diplomaresultaat"):
            row = indicators.indicator(name, given.tables, SCHEMA, [year.year]).iloc[0]
            assert was is not None and getattr(was, name) == row["value"]


def _process(rng: np.random.Generator, cohorts: range, size: int, until: str) -> School:
    """A school that does the same every year: one year of niveau 2, judged once; the judgement says what may follow."""
    frames: dict[str, list[dict[str, object]]] = {
        "enrolment": [],
        "programme_period": [],
        "diploma": [],
        "estimate": [],
    }
    last = datetime.date.fromisoformat(until)
    for cohort in cohorts:
        for number in range(size):
            name = f"{cohort}-{number:04d}"
            judged = rng.choice(["voldoende", "twijfel", "onvoldoende"], p=[0.6, 0.25, 0.15])
            leaves = rng.random() < {"voldoende": 0.05, "twijfel": 0.3, "onvoldoende": 0.7}[str(judged)]
            graduates = not leaves and rng.random() < 0.85
            end = datetime.date(cohort + 1, 3, 1) if leaves else datetime.date(cohort + 1, 7, 5) if graduates else None
            known = end is not None and end <= last
            start = f"{cohort}-08-29"
            frames["enrolment"].append(
                {
                    "student": name,
                    "enrolment_id": "1",
                    "start_date": start,
                    "end_date": str(end) if known else None,
                    "team": "zorg",
                }
            )
            frames["programme_period"].append(
                {"student": name, "enrolment_id": "1", "start_date": start, "crebo": "25774", "niveau": 2, "sbu": 1600}
            )
            frames["estimate"].append({"student": name, "week": 10, "subject": "totaal", "judgement": judged})
            if graduates and known:
                frames["diploma"].append(
                    {"student": name, "enrolment_id": "1", "date": f"{cohort + 1}-06-30", "niveau": 2}
                )
    return of({name: pd.DataFrame(rows) for name, rows in frames.items()}, until)


@pytest.mark.parametrize("seed", [1])
def test_intervals_hold_what_the_same_process_does_next(seed: int) -> None:
    """Of 40 schools that go on as they did, the 95 % interval of JR holds what happened in 34; of who stays too.

    At a true coverage of 95 % fewer than 34 has a chance of 1 in 100. Forecast on 1 December from what is known then;
    what happened is what the same draw says a year later.
    """
    inside = {"jaarresultaat": 0, "stays": 0}
    widths = []
    for number in range(40):
        before = _process(np.random.default_rng([seed, number]), range(2020, 2024), 60, "2023-12-01")
        after = _process(np.random.default_rng([seed, number]), range(2020, 2024), 60, "2024-10-01")
        seen = years(before, 1)
        (one,) = forecast(seen[:-1], seen[-1])
        was = actual(next(year for year in years(after, 1) if year.year == 2023))
        assert was is not None and was.jaarresultaat is not None and one.jaarresultaat is not None
        inside["jaarresultaat"] += one.jaarresultaat.low <= was.jaarresultaat <= one.jaarresultaat.high
        inside["stays"] += one.stays.low <= was.stays <= one.stays.high
        widths.append(one.jaarresultaat.high - one.jaarresultaat.low)
    assert min(inside.values()) >= 34, inside
    assert max(widths) < 0.3, "an interval that holds everything says nothing"


def test_an_estimate_tells_classes_apart() -> None:
    """A school of insufficient judgements is forecast a lower JR than one of sufficient ones, from the same history."""
    given = _process(np.random.default_rng(3), range(2019, 2024), 100, "2023-12-01")
    seen = years(given, 1)
    middle = {}
    for judged in ("voldoende", "onvoldoende"):
        classes = tuple(
            None if one is None else Class(judged, one.niveau, one.due, one.here, one.graduated)
            for one in seen[-1].classes
        )
        now = prognosis.Year(2023, classes, None, None, seen[-1].team)
        found = forecast(seen[:-1], now)[0].jaarresultaat
        assert found is not None
        middle[judged] = found.middle
    assert middle["voldoende"] > middle["onvoldoende"] + 0.3


def test_the_same_history_gives_the_same_forecast_and_strangers_are_counted() -> None:
    """No luck of the draw between two runs; students of a niveau that is new to the delivery are told apart."""
    given = _process(np.random.default_rng(4), range(2020, 2024), 60, "2023-12-01")
    seen = years(given, 1)
    first, second = forecast(seen[:-1], seen[-1], ["zorg"]), forecast(seen[:-1], seen[-1], ["zorg"])
    assert first == second and [one.group for one in first] == ["", "zorg"] and first[0].strangers == 0
    other = tuple(
        None if one is None else Class(one.estimate, 4, one.due, one.here, one.graduated) for one in seen[-1].classes
    )
    strange = forecast(seen[:-1], prognosis.Year(2023, other, None, None, seen[-1].team))[0]
    assert strange.strangers == strange.students > 60
    assert forecast(seen[-1:], seen[-1]) == [], "a running year is no history"


def test_who_has_graduated_is_never_forecast_to_leave_without() -> None:
    """On 30 July 2024 those with a diploma have one: JR's numerator holds at least them, in every draw."""
    given = _process(np.random.default_rng(5), range(2020, 2024), 60, "2024-07-30")
    seen = years(given, 1)
    graduated = sum(one.graduated for one in seen[-1].classes if one)
    (one,) = forecast(seen[:-1], seen[-1])
    assert one.jaarresultaat is not None and graduated > 30
    assert one.jaarresultaat.low >= graduated / 60


def test_small_teams_have_no_forecast_of_their_own() -> None:
    """Under twelve students a team is not in the list, and a share of fewer than twelve is not told."""
    given = of(copies(tables(_three_years), {"graduate": 20, "slow": 10, "leaver": 12, "now": 11}), "2024-12-01")
    seen = years(given, 1)
    assert [one.group for one in forecast(seen[:-1], seen[-1], ["zorg", "nobody"])] == ["", "zorg"]
    fewer = of(copies(tables(_three_years), {"graduate": 20, "leaver": 12, "now": 11}), "2024-12-01")
    seen = years(fewer, 1)
    (one,) = forecast(seen[:-1], seen[-1], ["zorg"])
    assert (one.group, one.jaarresultaat, one.diplomaresultaat) == ("", None, None)
