"""Jaarresultaat, JR = (b + d) / (b + c + d): of who graduated or left in a school year, the share that graduated."""

from __future__ import annotations

import math

import pytest

from shared_schema import SchemaError, indicators
from tests.spec.small_tables import SCHEMA, check_indicator, repeated


def test_jaarresultaat() -> None:
    """b graduated and stayed, c left without a diploma, d left with a diploma; who just stayed (a) does not count.

    School year 2023-2024. E came after 1 October and F had left before it: neither is counted. G's diploma is of
    the year before: G left without a diploma of this year.

    enrolment
    student | enrolment_id | start_date | end_date
    a       | 1            | 2022-08-29 |
    b       | 1            | 2022-08-29 |
    c       | 1            | 2022-08-29 | 2024-03-01
    d       | 1            | 2022-08-29 | 2024-07-05
    E       | 1            | 2023-11-01 | 2024-03-01
    F       | 1            | 2022-08-29 | 2023-09-01
    G       | 1            | 2021-08-30 | 2024-03-01

    diploma
    student | date       | niveau
    b       | 2024-06-30 | 2
    d       | 2024-06-30 | 4
    G       | 2023-06-30 | 2

    answer
    group  | segment  | numerator | denominator
    school | regulier | 2         | 4
    """
    check_indicator(test_jaarresultaat, "jaarresultaat", [2023])


def test_the_peildatum_itself_counts() -> None:
    """The end date is the last day: A left on 1 October 2023 and was there; B left on 1 October 2024 and stayed.

    A counts as a leaver of the year, B does not; C started on 1 October and counts.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    A       | 1            | 2022-08-29 | 2023-10-01 | a
    B       | 1            | 2022-08-29 | 2024-10-01 | b
    C       | 1            | 2023-10-01 | 2024-09-30 | c

    answer
    group | segment  | numerator | denominator
    a     | regulier | 0         | 1
    c     | regulier | 0         | 1
    """
    check_indicator(test_the_peildatum_itself_counts, "jaarresultaat", [2023], by="team")


def test_entree_ovo_and_odt_stand_apart() -> None:
    """Niveau 1, other education and parts of a programme are never added to niveau 2 to 4.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    A       | 1            | 2022-08-29 | 2024-03-01 | zorg
    B       | 1            | 2022-08-29 | 2024-03-01 | entree
    C       | 1            | 2022-08-29 | 2024-03-01 | ovo
    D       | 1            | 2022-08-29 | 2024-03-01 | odt

    programme_period
    student | enrolment_id | start_date | niveau | leertraject
    A       | 1            | 2022-08-29 | 4      | BOL
    B       | 1            | 2022-08-29 | 1      | BOL
    C       | 1            | 2022-08-29 | 2      | OVO
    D       | 1            | 2022-08-29 | 3      | ODT

    answer
    group  | segment  | numerator | denominator
    zorg   | regulier | 0         | 1
    entree | entree   | 0         | 1
    ovo    | OVO      | 0         | 1
    odt    | ODT      | 0         | 1
    """
    check_indicator(test_entree_ovo_and_odt_stand_apart, "jaarresultaat", [2023], by="team")


def test_a_student_counts_where_the_student_was_on_1_october() -> None:
    """A changed programme in November: the leaver belongs to the programme of 1 October.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 | 2024-03-01

    programme_period
    student | enrolment_id | start_date | end_date   | crebo
    A       | 1            | 2023-08-28 | 2023-10-31 | 25655
    A       | 1            | 2023-11-01 |            | 25480

    answer
    group | segment  | numerator | denominator
    25655 | regulier | 0         | 1
    """
    check_indicator(test_a_student_counts_where_the_student_was_on_1_october, "jaarresultaat", [2023], by="crebo")


def _leavers() -> None:
    """Two kinds of leaver of niveau 2 in 2023-2024.

    enrolment
    student  | enrolment_id | start_date | end_date
    graduate | 1            | 2022-08-29 | 2024-07-05
    leaver   | 1            | 2022-08-29 | 2024-03-01

    programme_period
    student  | enrolment_id | start_date | niveau
    graduate | 1            | 2022-08-29 | 2
    leaver   | 1            | 2022-08-29 | 2

    diploma
    student  | date       | niveau
    graduate | 2024-06-30 | 2
    """


@pytest.mark.parametrize(
    ("graduates", "leavers", "judgement"),
    [(66, 34, "onvoldoende"), (67, 33, "voldoende"), (81, 19, "voldoende"), (82, 18, "hoog")],
)
def test_norm_of_niveau_2(graduates: int, leavers: int, judgement: str) -> None:
    """Norms of JR: 67 % at niveau 2 and 68 % at 3 and 4; high from 82 % and 85 %."""
    given = repeated(_leavers, {"graduate": graduates, "leaver": leavers})
    row = indicators.jaarresultaat(given, SCHEMA, [2023], by="niveau").iloc[0]
    assert (row["value"], row["judgement"]) == (graduates / 100, judgement)
    norms = [indicators.NORMS["jaarresultaat", niveau] for niveau in (2, 3, 4)]
    assert [(norm.norm, norm.high) for norm in norms] == [(0.67, 0.82), (0.68, 0.85), (0.68, 0.85)]


@pytest.mark.parametrize(("students", "shown"), [(11, False), (12, True)])
def test_below_twelve_students_there_is_no_value(students: int, shown: bool) -> None:
    """A denominator below 12 gives no value and no judgement; the counts stay at the school."""
    given = repeated(_leavers, {"graduate": students - 1, "leaver": 1})
    row = indicators.jaarresultaat(given, SCHEMA, [2023], by="niveau").iloc[0]
    assert row["denominator"] == students
    assert (not math.isnan(row["value"])) is shown
    assert (row["judgement"] != "") is shown


def test_years_are_pooled_by_adding_counts() -> None:
    """Three-year pooling adds numerators and denominators; a small year counts for as many students as it had."""
    given = repeated(_leavers, {"graduate": 9, "leaver": 3})
    pooled = indicators.jaarresultaat(given, SCHEMA, [2021, 2022, 2023]).iloc[0]
    assert (pooled["numerator"], pooled["denominator"], pooled["value"]) == (9, 12, 0.75)


def test_an_unknown_indicator_or_group_is_refused() -> None:
    """A name that does not exist is refused with the nearest one."""
    with pytest.raises(SchemaError, match="did you mean 'jaarresultaat'"):
        indicators.indicator("jaaresultaat", {}, SCHEMA, [2023])
    with pytest.raises(SchemaError, match="no group 'klas'"):
        indicators.jaarresultaat({}, SCHEMA, [2023], by="klas")
