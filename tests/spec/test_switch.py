"""Switch: another crebo on the second of two 1-October snapshots."""

from __future__ import annotations

from tests.spec.small_tables import check_indicator


def test_switch() -> None:
    """A keeps the crebo, B changes it within an enrolment, C changes enrolment; D left, E's crebo is unknown.

    Only students seen with a crebo on both snapshots count. B's change back before the second snapshot would not be
    seen, and F's is not.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 |
    B       | 1            | 2023-08-28 |
    C       | 1            | 2023-08-28 | 2024-01-31
    C       | 2            | 2024-02-01 |
    D       | 1            | 2023-08-28 | 2024-01-31
    E       | 1            | 2023-08-28 |
    F       | 1            | 2023-08-28 |

    programme_period
    student | enrolment_id | start_date | end_date   | crebo
    A       | 1            | 2023-08-28 |            | 25655
    B       | 1            | 2023-08-28 | 2024-02-29 | 25655
    B       | 1            | 2024-03-01 |            | 25480
    C       | 1            | 2023-08-28 | 2024-01-31 | 25655
    C       | 2            | 2024-02-01 |            | 25131
    D       | 1            | 2023-08-28 | 2024-01-31 | 25655
    E       | 1            | 2023-08-28 |            |
    F       | 1            | 2023-08-28 | 2023-12-31 | 25655
    F       | 1            | 2024-01-01 | 2024-06-30 | 25480
    F       | 1            | 2024-07-01 |            | 25655

    answer
    group  | segment  | numerator | denominator
    school | regulier | 2         | 4
    """
    check_indicator(test_switch, "switch", [2023])
