"""What an early leaver (vsv'er) is, as far as one school can see: `vsv_eigen`, never the official figure."""

from __future__ import annotations

from shared_schema import indicators
from tests.spec.small_tables import SCHEMA, check_outcome, repeated


def test_early_leaver() -> None:
    """Under 23, no startkwalificatie, funded on 1 October, and not enrolled at this school a year later.

    A is one. B has havo and C a diploma of niveau 2: a startkwalificatie. D has a diploma of niveau 1, which is
    none. E was 23 at the start, F is not funded, G is still enrolled, H's age is unknown, I died, J had left before
    1 October.

    person
    student | vooropleiding
    A       | VMBO_TL
    B       | HAVO
    C       | VMBO_TL
    D       | VMBO_BB
    E       | VMBO_TL
    F       | VMBO_TL
    G       | VMBO_TL
    H       | VMBO_TL
    I       | VMBO_TL
    J       | VMBO_TL

    enrolment
    student | enrolment_id | start_date | end_date   | age_at_start | reden_uitschrijving
    A       | 1            | 2023-08-28 | 2024-02-01 | 17           | 02
    B       | 1            | 2023-08-28 | 2024-02-01 | 17           | 02
    C       | 1            | 2023-08-28 | 2024-07-01 | 17           | 01
    D       | 1            | 2023-08-28 | 2024-07-01 | 17           | 01
    E       | 1            | 2023-08-28 | 2024-02-01 | 23           | 02
    F       | 1            | 2023-08-28 | 2024-02-01 | 17           | 02
    G       | 1            | 2023-08-28 |            | 17           |
    H       | 1            | 2023-08-28 | 2024-02-01 |              | 02
    I       | 1            | 2023-08-28 | 2024-02-01 | 17           | 05
    J       | 1            | 2023-08-28 | 2023-09-20 | 17           | 02

    programme_period
    student | enrolment_id | start_date | funded | niveau
    A       | 1            | 2023-08-28 | true   | 2
    F       | 1            | 2023-08-28 | false  | 2

    diploma
    student | date       | niveau
    C       | 2024-06-30 | 2
    D       | 2024-06-30 | 1

    answer
    student | outcome
    A       | 1
    B       | 0
    C       | 0
    D       | 1
    E       |
    F       |
    G       | 0
    H       |
    I       |
    J       |
    """
    check_outcome(test_early_leaver, "vsv_eigen")


def test_the_first_1_october_after_the_start_counts() -> None:
    """A started after 1 October 2023, so is counted from 1 October 2024 to 1 October 2025.

    enrolment
    student | enrolment_id | start_date | end_date   | age_at_start
    A       | 1            | 2024-02-01 | 2025-03-01 | 17
    B       | 1            | 2023-10-01 | 2024-03-01 | 17

    answer
    student | outcome
    A       | 1
    B       | 1
    """
    check_outcome(test_the_first_1_october_after_the_start_counts, "vsv_eigen")


def test_vsv_percentage_per_niveau_against_the_norm() -> None:
    """vsv% = new early leavers / students under 23 on 1 October; norms 2024-25: 22.0, 9.2, 3.6 and 3.0 %.

    Twenty students of niveau 2: one leaver is 5 %, within the norm of 9.2 %; two are 10 % and too many.
    """
    one = indicators.vsv_eigen(_class_of_twenty(leavers=1), SCHEMA, [2023], by="niveau").iloc[0]
    two = indicators.vsv_eigen(_class_of_twenty(leavers=2), SCHEMA, [2023], by="niveau").iloc[0]
    assert (one["numerator"], one["denominator"], one["value"], one["judgement"]) == (1, 20, 0.05, "voldoende")
    assert (two["value"], two["norm"], two["judgement"]) == (0.10, 0.092, "onvoldoende")
    assert [indicators.NORMS["vsv_eigen", niveau].norm for niveau in (1, 2, 3, 4)] == [0.22, 0.092, 0.036, 0.03]


def _class_of_twenty(leavers: int) -> dict[str, object]:
    """One student, written once and repeated.

    enrolment
    student | enrolment_id | start_date | end_date   | age_at_start
    stays   | 1            | 2023-08-28 |            | 17
    leaves  | 1            | 2023-08-28 | 2024-02-01 | 17

    programme_period
    student | enrolment_id | start_date | niveau
    stays   | 1            | 2023-08-28 | 2
    leaves  | 1            | 2023-08-28 | 2
    """
    return repeated(_class_of_twenty, {"stays": 20 - leavers, "leaves": leavers})
