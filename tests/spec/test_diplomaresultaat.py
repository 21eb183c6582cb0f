"""Diplomaresultaat, DR: leavers with a diploma of niveau 2 or higher of this school / all leavers of the school."""

from __future__ import annotations

from shared_schema import indicators
from tests.spec.small_tables import check_indicator


def test_diplomaresultaat() -> None:
    """A diploma of this or the five years before counts, if it is of niveau 2 or higher; who stays is no leaver.

    School year 2023-2024. A graduated now. B graduated in June 2019 and came back: the year 2018-2019 is five years
    before. C's diploma of June 2018 is too old. D's is of niveau 1. E has none. F stays. G died.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2021-08-30 | 2024-07-05 | 01
    B       | 1            | 2022-08-29 | 2024-02-01 | 02
    C       | 1            | 2022-08-29 | 2024-02-01 | 02
    D       | 1            | 2022-08-29 | 2024-07-05 | 01
    E       | 1            | 2022-08-29 | 2024-02-01 | 04
    F       | 1            | 2022-08-29 |            |
    G       | 1            | 2022-08-29 | 2024-02-01 | 05

    diploma
    student | date       | niveau
    A       | 2024-06-30 | 3
    B       | 2019-06-30 | 2
    C       | 2018-06-30 | 2
    D       | 2024-06-30 | 1

    answer
    group  | segment  | numerator | denominator
    school | regulier | 2         | 5
    """
    check_indicator(test_diplomaresultaat, "diplomaresultaat", [2023])


def test_a_diploma_after_the_year_does_not_count() -> None:
    """A left in 2023-2024; a diploma of December 2024 belongs to a later year.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-30 | 2024-07-05

    diploma
    student | date       | niveau
    A       | 2024-12-01 | 3

    answer
    group  | segment  | numerator | denominator
    school | regulier | 0         | 1
    """
    check_indicator(test_a_diploma_after_the_year_does_not_count, "diplomaresultaat", [2023])


def test_norms() -> None:
    """Norms of DR: 61, 70 and 70 % at niveau 2, 3 and 4; high from 79, 89 and 89 %."""
    norms = [indicators.NORMS["diplomaresultaat", niveau] for niveau in (2, 3, 4)]
    assert [(norm.norm, norm.high) for norm in norms] == [(0.61, 0.79), (0.70, 0.89), (0.70, 0.89)]
    assert ("diplomaresultaat", 1) not in indicators.NORMS
