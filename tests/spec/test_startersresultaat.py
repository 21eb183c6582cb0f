"""Startersresultaat, SR = (A + B) / C: of new entrants, who left with a diploma or is still enrolled a year later."""

from __future__ import annotations

from shared_schema import indicators
from tests.spec.small_tables import check_indicator


def test_startersresultaat() -> None:
    """C new entrants on 1 October 2023; A left with a diploma, B still enrolled on 1 October 2024.

    S1 is still enrolled, S2 left with a diploma, S3 left without. S4 was enrolled on 1 October 2022 already and S5
    on 1 October 2020, with a gap since: neither is new. S6 came in February 2023, after an earlier 1 October, and is
    new. S7 started after 1 October.

    enrolment
    student | enrolment_id | start_date | end_date
    S1      | 1            | 2023-08-28 |
    S2      | 1            | 2023-08-28 | 2024-07-05
    S3      | 1            | 2023-08-28 | 2024-01-15
    S4      | 1            | 2022-08-29 | 2024-01-15
    S5      | 1            | 2020-08-31 | 2021-07-01
    S5      | 2            | 2023-08-28 |
    S6      | 1            | 2023-02-01 |
    S7      | 1            | 2023-11-01 |

    diploma
    student | date       | niveau
    S2      | 2024-06-30 | 2

    answer
    group  | segment  | numerator | denominator
    school | regulier | 3         | 4
    """
    check_indicator(test_startersresultaat, "startersresultaat", [2023])


def test_a_switch_to_another_programme_stays_at_the_school() -> None:
    """Who changes programme within the school is still enrolled.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 | 2024-01-15
    A       | 2            | 2024-01-16 |

    answer
    group  | segment  | numerator | denominator
    school | regulier | 1         | 1
    """
    check_indicator(test_a_switch_to_another_programme_stays_at_the_school, "startersresultaat", [2023])


def test_norms() -> None:
    """Norms of SR: 79, 82 and 82 % at niveau 2, 3 and 4; there is no norm for high."""
    norms = [indicators.NORMS["startersresultaat", niveau] for niveau in (2, 3, 4)]
    assert [(norm.norm, norm.high) for norm in norms] == [(0.79, None), (0.82, None), (0.82, None)]
