"""What dropout means, definition by definition: each test is a page of the manual with its own small tables."""

from __future__ import annotations

import datetime

import pytest

from shared_schema import UnknownOutcome, outcomes
from tests.spec.small_tables import SCHEMA, check_outcome, tables


def test_dropout_in_year_1() -> None:
    """Dropout in year 1: left the school within twelve months of the first start, without a diploma.

    A is enrolled, B left after three months, C left after exactly twelve months (no longer within), D left in the
    first year with a diploma, E left as graduated though the diploma file is silent.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2023-08-28 |            |
    B       | 1            | 2023-08-28 | 2023-11-30 | 02
    C       | 1            | 2023-08-28 | 2024-08-28 | 02
    D       | 1            | 2023-08-28 | 2024-06-30 | 01
    E       | 1            | 2023-08-28 | 2024-06-30 | 01

    diploma
    student | date       | niveau
    D       | 2024-06-28 | 2

    answer
    student | outcome
    A       | 0
    B       | 1
    C       | 0
    D       | 0
    E       | 0
    """
    check_outcome(test_dropout_in_year_1, "dropout_year_1")


def test_a_transfer_within_the_school_is_no_dropout() -> None:
    """A transfer within the school continues the stay; a return after more than 92 days does not.

    A changed programme in November, B started again after the summer, C came back after a year away.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2023-08-28 | 2023-11-12 | 03
    A       | 2            | 2023-11-13 |            |
    B       | 1            | 2023-08-28 | 2024-07-05 | 02
    B       | 2            | 2024-09-02 |            |
    C       | 1            | 2023-08-28 | 2023-12-01 | 02
    C       | 2            | 2024-12-01 |            |

    answer
    student | outcome
    A       | 0
    B       | 0
    C       | 1
    """
    check_outcome(test_a_transfer_within_the_school_is_no_dropout, "dropout_year_1")


def test_a_transfer_to_another_school_is_dropout_here() -> None:
    """Reason 03 without a new enrolment at this school: the student left *this* school.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2023-08-28 | 2023-11-12 | 03

    answer
    student | outcome
    A       | 1
    """
    check_outcome(test_a_transfer_to_another_school_is_dropout_here, "dropout_year_1")


def test_death_and_administrative_leaving_are_outside_the_population() -> None:
    """Who died (05) or was removed administratively (08) is neither a dropout nor a student who stayed.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2023-08-28 | 2023-11-30 | 05
    B       | 1            | 2023-08-28 | 2023-11-30 | 08
    C       | 1            | 2023-08-28 | 2023-11-30 | 07

    answer
    student | outcome
    A       |
    B       |
    C       | 1
    """
    check_outcome(test_death_and_administrative_leaving_are_outside_the_population, "dropout_year_1")


def test_an_unknown_start_is_outside_the_population() -> None:
    """Without a first day nobody can say what within twelve months is; a student without enrolment is outside too.

    person
    student | geslacht
    A       | V
    B       | M

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            |            | 2023-11-30

    answer
    student | outcome
    A       |
    B       |
    """
    check_outcome(test_an_unknown_start_is_outside_the_population, "dropout_year_1")


def test_who_left_by_the_cut_off_week_is_outside() -> None:
    """An experiment at week 10 predicts for who is still there: leavers of week 10 or earlier are outside.

    Week 10 of a student who starts on 28 August ends on 5 November.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 |
    B       | 1            | 2023-08-28 | 2023-11-05
    C       | 1            | 2023-08-28 | 2023-11-06

    answer
    student | outcome
    A       | 0
    B       |
    C       | 1
    """
    check_outcome(test_who_left_by_the_cut_off_week_is_outside, "dropout_year_1", cutoff_week=10)


def test_a_year_that_is_not_over_has_no_outcome() -> None:
    """With a known day of export, students whose first year is not over are outside, leavers (B) no less than others.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 |
    B       | 1            | 2023-08-28 | 2023-10-05
    C       | 1            | 2022-08-29 |
    D       | 1            | 2022-08-29 | 2023-01-20

    answer
    student | outcome
    A       |
    B       |
    C       | 0
    D       | 1
    """
    check_outcome(test_a_year_that_is_not_over_has_no_outcome, "dropout_year_1", as_of=datetime.date(2024, 3, 1))


def test_a_source_with_only_a_flag() -> None:
    """A school that delivers no end dates delivers a flag, and says which definition it stands for.

    The flags of the uitnodigingsregel, EduArte and Osiris stand for dropout in year 1. A flag after another
    definition (D), or without one (E), says nothing here: those students are outside.

    enrolment
    student | enrolment_id | dropout_flag | dropout_flag_definition
    A       | 1            | true         | uitnodigingsregel
    B       | 1            | false        | eduarte
    C       | 1            | true         | osiris_j1
    D       | 1            | true         | duo
    E       | 1            | true         |
    F       | 1            |              | osiris_j1

    answer
    student | outcome
    A       | 1
    B       | 0
    C       | 1
    D       |
    E       |
    F       |
    """
    check_outcome(test_a_source_with_only_a_flag, "dropout_year_1")


def test_dates_come_before_a_flag() -> None:
    """Where end dates are delivered the schema computes the definition itself; the flag is not looked at.

    enrolment
    student | enrolment_id | start_date | end_date   | dropout_flag | dropout_flag_definition
    A       | 1            | 2023-08-28 |            | true         | osiris_j1
    B       | 1            | 2023-08-28 | 2023-11-30 | false        | osiris_j1

    answer
    student | outcome
    A       | 0
    B       | 1
    """
    check_outcome(test_dates_come_before_a_flag, "dropout_year_1")


def test_uitval_eduarte() -> None:
    """EduArte: the first enrolment ends before the cohort's end (31 July), diploma or not.

    The cohort is the delivered school year, or else the one in which the start falls (C: August 2023).

    enrolment
    student | enrolment_id | cohort | start_date | end_date
    A       | 1            | 2023   | 2023-08-28 | 2024-07-31
    B       | 1            | 2023   | 2023-08-28 | 2024-08-01
    C       | 1            |        | 2023-08-28 | 2024-02-01
    D       | 1            | 2023   | 2024-02-01 |

    answer
    student | outcome
    A       | 1
    B       | 0
    C       | 1
    D       | 0
    """
    check_outcome(test_uitval_eduarte, "uitval_eduarte")


def test_uitval_osiris_j1() -> None:
    """Osiris: not current, no diploma, under twelve months at the school.

    A left and is away; B left, came back later and is current, so is no dropout here though it is for
    `dropout_year_1`; C has a diploma; D stayed fourteen months.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2023-08-28 | 2023-12-01 | 02
    B       | 1            | 2023-08-28 | 2023-12-01 | 02
    B       | 2            | 2024-12-01 |            |
    C       | 1            | 2023-08-28 | 2024-06-01 |
    D       | 1            | 2023-08-28 | 2024-10-28 | 02

    diploma
    student | date
    C       | 2024-06-01

    answer
    student | outcome
    A       | 1
    B       | 0
    C       | 0
    D       | 0
    """
    check_outcome(test_uitval_osiris_j1, "uitval_osiris_j1")


def test_uitval_duo() -> None:
    """DUO-style: a reason for leaving and no diploma, whenever that was (B left in the third year).

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2021-08-30 | 2021-12-01 | 04
    B       | 1            | 2021-08-30 | 2024-01-15 | 02
    C       | 1            | 2021-08-30 | 2024-06-30 | 01
    D       | 1            | 2021-08-30 | 2024-01-15 |
    E       | 1            | 2021-08-30 |            |

    answer
    student | outcome
    A       | 1
    B       | 1
    C       | 0
    D       | 0
    E       | 0
    """
    check_outcome(test_uitval_duo, "uitval_duo")


def test_an_unknown_definition_is_refused_with_the_nearest_name() -> None:
    """A definition that the schema does not know is refused, with the name that was probably meant.

    enrolment
    student | enrolment_id
    A       | 1
    """
    given = tables(test_an_unknown_definition_is_refused_with_the_nearest_name)
    with pytest.raises(UnknownOutcome, match="did you mean 'dropout_year_1'"):
        outcomes.compute(given, "dropout_year1", SCHEMA)
    with pytest.raises(UnknownOutcome):
        outcomes.compute(given, "enrolment.dropout_flag", SCHEMA)


def test_every_definition_is_in_the_list_of_names() -> None:
    """An experiment may name exactly the definitions of DOMAIN §2 (and an extension's outcome columns)."""
    expected = {"dropout_year_1", "uitval_eduarte", "uitval_osiris_j1", "uitval_duo", "vsv_eigen"}
    assert set(outcomes.names(SCHEMA)) == expected
