"""Norm scores as colours, and Tilburg's rule made from them and from teachers' judgements, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from node.local import marks, roster, rule
from node.local.colours import TeamColours, current_period, known_subjects, moves, of_teams
from node.local.marks import GREEN, ORANGE, RED, UNKNOWN, Norms, colours, judged, period_of
from shared_schema import DocumentError
from shared_schema.facts import Facts
from tests.spec.small_tables import SCHEMA, tables
from tests.unit.node.local.small_school import copies, of, school


def _first_year() -> None:
    """Hours without leave and marks in two periods of ten weeks, and what teachers said.

    A: 39 hours in the first ten weeks (3.9 a week: orange), 40 in the next (4: red). B: 9 hours (green), then a mark of
    5.4 (red). C: nothing in the first, a mark of 5.5 (orange). D: a mark of 6.0 of 10 and 12 of 20 (both 6: green).

    enrolment
    student | enrolment_id | start_date | team
    A       | 1            | 2024-08-26 | zorg
    B       | 1            | 2024-08-26 | zorg
    C       | 1            | 2024-08-26 | techniek
    D       | 1            | 2024-08-26 | techniek

    attendance
    student | week | weeks | hours_absent_unauthorised
    A       | 10   | 10    | 39
    A       | 20   | 10    | 40
    B       | 10   | 10    | 9

    result
    student | week | score | score_max
    B       | 15   | 5.4   |
    C       | 11   | 5.5   | 10
    D       | 10   | 6     | 10
    D       | 10   | 12    | 20

    estimate
    student | week | period | subject      | judgement
    A       | 3    |        | totaal       | onvoldoende
    A       | 9    |        | totaal       | voldoende
    B       | 20   |        | totaal       | twijfel
    C       |      | 2      | totaal       | onvoldoende
    A       | 9    |        | houding      | onvoldoende
    A       | 9    |        | bpv          | onvoldoende
    B       | 9    |        | houding      | onvoldoende
    """


def test_colours_by_hand() -> None:
    """Orange from 1 hour a week, red from 4; orange below 6, red below 5.5; doubtful is orange, insufficient red."""
    found = colours(Facts.of(tables(_first_year), SCHEMA), Norms())
    assert found.of["absence"][:2].tolist() == [[ORANGE, GREEN, UNKNOWN, UNKNOWN], [RED, UNKNOWN, UNKNOWN, UNKNOWN]]
    assert found.of["results"][:2].tolist() == [[UNKNOWN, UNKNOWN, UNKNOWN, GREEN], [UNKNOWN, RED, ORANGE, UNKNOWN]]
    assert found.of["talk"][:2].tolist() == [[GREEN, UNKNOWN, UNKNOWN, UNKNOWN], [UNKNOWN, ORANGE, RED, UNKNOWN]]
    assert found.overall[:2].tolist() == [[ORANGE, GREEN, UNKNOWN, GREEN], [RED, RED, RED, UNKNOWN]]
    assert found.hours[0, 0] == pytest.approx(3.9) and found.marks[0, 3] == pytest.approx(6.0)


def test_a_colour_follows_from_the_students_own_rows() -> None:
    """Take any student away, or turn the rows round: the others keep their colours and their bits."""
    whole = tables(_first_year)
    before = colours(Facts.of(whole, SCHEMA), Norms())
    for gone in "ABCD":
        kept = {name: frame[frame["student"] != gone].iloc[::-1] for name, frame in whole.items()}
        after = colours(Facts.of(kept, SCHEMA), Norms())
        others = [index for index, name in enumerate("ABCD") if name != gone]
        assert np.array_equal(before.overall[:, others], after.overall)
        assert np.array_equal(before.hours[:, others], after.hours, equal_nan=True)


@pytest.mark.parametrize(
    ("week", "period"), [(0, 0), (1, 0), (10, 0), (11, 1), (40, 3), (41, -1), (np.nan, -1), (-1, -1)]
)
def test_periods_are_ten_weeks(week: float, period: int) -> None:
    """Weeks 1-10, 11-20, 21-30, 31-40; an entry of week 0 belongs to the first."""
    assert period_of(np.array([week], dtype=np.float64)).tolist() == [period]


def test_the_schools_own_norms_count(tmp_path: Path) -> None:
    """kleuren.yaml; a document that turns red and orange round is refused."""
    path = tmp_path / marks.FILE
    assert marks.read_norms(path) == Norms()
    path.write_text("kleuren: 1\nabsence_orange_from: 3.95\nresults_red_below: 5\n")
    found = colours(Facts.of(tables(_first_year), SCHEMA), marks.read_norms(path))
    assert found.of["absence"][0, 0] == GREEN and found.of["results"][1, 1] == ORANGE
    path.write_text("kleuren: 1\nabsence_orange_from: 6\n")
    with pytest.raises(DocumentError):
        marks.read_norms(path)


def test_share_red_per_team_beside_the_previous_period() -> None:
    """Zorg: A and B are red in period 2, A was orange and B green in period 1. Under twelve nothing is shown."""
    given = of(copies(tables(_first_year), dict.fromkeys("ABCD", 8)), "2025-02-01")
    found = roster.roster(given)
    coloured = colours(found.facts, Norms())
    chosen = found.first_years(2024)
    assert current_period(coloured, chosen) == 1
    techniek, zorg = of_teams(found, coloured, chosen, 1)
    assert (zorg.team, zorg.students, zorg.red, zorg.before, zorg.red_before) == ("zorg", 16, 16, 16, 0)
    assert (zorg.value, zorg.value_before) == (1.0, 0.0)
    assert techniek == TeamColours("techniek", 8, 8, 8, 0) and techniek.value is None
    assert moves(coloured, chosen, 1).tolist() == [[0, 0, 8], [0, 0, 8], [0, 0, 0]]
    assert known_subjects(coloured, chosen, 0) == ("absence", "results", "talk")


def test_the_rule_needs_two_insufficient_aspects() -> None:
    """A: conduct and placement insufficient, so the rule holds. B: conduct alone. C: judged on one aspect only.

    Attendance is never judged by a teacher here and follows from the norms: green for B. Results too.
    """
    given = school(_first_year, "2025-02-01")
    found = rule.apply(given, roster.roster(given))
    assert found.source == {"houding": "oordeel", "bpv": "oordeel", "aanwezigheid": "norm", "resultaten": "norm"}
    assert found.meets[0].tolist() == [True, False, False, False]
    assert found.judged[0].tolist() == [True, True, False, False]
    assert judged(roster.roster(given).facts, "houding")[0].tolist() == [RED, RED, UNKNOWN, UNKNOWN]


def _year_of_the_rule() -> None:
    """Cohort 2022, judged in week 10: flagged and left, flagged and stayed, missed, neither; `early` had left by then.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    hit     | 1            | 2022-08-29 | 2023-03-01 | 02
    false   | 1            | 2022-08-29 |            |
    missed  | 1            | 2022-08-29 | 2023-03-01 | 02
    neither | 1            | 2022-08-29 |            |
    early   | 1            | 2022-08-29 | 2022-10-01 | 02
    later   | 1            | 2023-08-28 |            |

    estimate
    student | week | subject | judgement
    hit     | 10   | houding | onvoldoende
    hit     | 10   | bpv     | onvoldoende
    false   | 10   | houding | onvoldoende
    false   | 10   | bpv     | onvoldoende
    missed  | 10   | houding | onvoldoende
    missed  | 10   | bpv     | twijfel
    neither | 10   | houding | voldoende
    neither | 10   | bpv     | voldoende
    early   | 5    | houding | onvoldoende
    early   | 5    | bpv     | onvoldoende
    later   | 10   | houding | onvoldoende
    later   | 10   | bpv     | onvoldoende
    """


def test_precision_and_recall_of_the_rule_by_hand() -> None:
    """15 hits, 5 false alarms, 10 missed, 30 neither: precision 15 of 20, recall 15 of 25, by lot 25 of 60.

    Who had left before week 10 was over can no longer be helped; cohort 2023 is not over on 1 March 2024.
    """
    counts = {"hit": 15, "false": 5, "missed": 10, "neither": 30, "early": 20, "later": 20}
    given = of(copies(tables(_year_of_the_rule), counts), "2024-03-01")
    found = roster.roster(given)
    (one,) = rule.scores(given, found, rule.apply(given, found))
    assert (one.cohort, one.period, one.students, one.left, one.flagged, one.hits) == (2022, 1, 60, 25, 20, 15)
    assert (one.precision, one.recall, one.base_rate) == (0.75, 0.6, 25 / 60)


def _two_years() -> None:
    """Who leaves in March was absent twenty hours before week 10; the rule names others as well.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    gone    | 1            | 2021-08-30 | 2022-03-01 | 02
    stayed  | 1            | 2021-08-30 |            |
    hit     | 1            | 2022-08-29 | 2023-03-01 | 02
    false   | 1            | 2022-08-29 |            |
    missed  | 1            | 2022-08-29 | 2023-03-01 | 02
    neither | 1            | 2022-08-29 |            |

    attendance
    student | week | weeks | hours_absent_unauthorised
    gone    | 10   | 10    | 20
    stayed  | 10   | 10    | 0
    hit     | 10   | 10    | 20
    false   | 10   | 10    | 0
    missed  | 10   | 10    | 20
    neither | 10   | 10    | 0

    estimate
    student | week | subject | judgement
    gone    | 10   | houding | voldoende
    gone    | 10   | bpv     | voldoende
    stayed  | 10   | houding | voldoende
    stayed  | 10   | bpv     | voldoende
    hit     | 10   | houding | onvoldoende
    hit     | 10   | bpv     | onvoldoende
    false   | 10   | houding | onvoldoende
    false   | 10   | bpv     | onvoldoende
    missed  | 10   | houding | voldoende
    missed  | 10   | bpv     | voldoende
    neither | 10   | houding | voldoende
    neither | 10   | bpv     | voldoende
    """


_COUNTS = {"gone": 20, "stayed": 80, "hit": 10, "false": 12, "missed": 6, "neither": 40}


def _latest(counts: dict[str, int], folder: Path) -> rule.Score:
    given = of(copies(tables(_two_years), counts), "2024-03-01", folder)
    (folder / "policy.yaml").write_text("policy: 1\npublic_size: {2021: 100}\n", encoding="utf-8")
    found = roster.roster(given)
    return rule.scores(given, found, rule.apply(given, found))[-1]


def test_the_own_model_names_as_many_as_the_rule(tmp_path: Path) -> None:
    """The rule names 22, of whom 10 left. Absence tells all 16 leavers: they are the first 16 of 22 named."""
    one = _latest(_COUNTS, tmp_path)
    assert (one.cohort, one.flagged, one.hits, one.hits_of_model) == (2022, 22, 10, 16)
    assert (one.precision, one.precision_of_model) == (10 / 22, 16 / 22)
    assert one.interval_of_model == pytest.approx((0.518, 0.868), abs=5e-4)


def test_a_model_learns_from_earlier_cohorts_only(tmp_path: Path) -> None:
    """One student fewer in the year before is one too few to learn from, however many there are in the same year."""
    one = _latest(_COUNTS | {"stayed": 79}, tmp_path)
    assert (one.flagged, one.hits_of_model, one.precision_of_model, one.interval_of_model) == (22, None, None, None)


def test_precision_of_fewer_than_twelve_is_not_told() -> None:
    """Eleven flagged have no precision; twenty who left have a recall."""
    given = of(copies(tables(_year_of_the_rule), {"hit": 11, "missed": 9, "neither": 30}), "2024-03-01")
    found = roster.roster(given)
    (one,) = rule.scores(given, found, rule.apply(given, found))
    assert (one.precision, one.recall) == (None, 0.55)
    assert one.intervals[0] is None
