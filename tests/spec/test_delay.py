"""Studievertraging: the time to a diploma minus the nominal duration, and who is still there past it."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from shared_schema import indicators
from shared_schema.delay import delay_years, nominal_years
from shared_schema.facts import Facts
from shared_schema.stays import october
from tests.spec.small_tables import SCHEMA, answer, check_indicator, tables


@pytest.mark.parametrize(
    ("sbu", "niveau", "years"),
    [
        (1600, 4, 1),
        (1601, 4, 2),
        (3200, 1, 2),
        (4800, 2, 3),
        (4801, 2, 4),
        (np.nan, 1, 1),
        (np.nan, 2, 2),
        (np.nan, 3, 3),
        (np.nan, 4, 3),
    ],
)
def test_nominal_duration(sbu: float, niveau: float, years: float) -> None:
    """Study load sets it where known: up to 1600 hours 1 year, 3200 2, 4800 3, more 4; else the niveau does."""
    assert nominal_years(np.array([sbu]), np.array([float(niveau)]))[0] == years


def test_without_study_load_and_niveau_there_is_no_nominal_duration() -> None:
    """Nothing is guessed."""
    assert np.isnan(nominal_years(np.array([np.nan]), np.array([np.nan]))[0])


def test_delay() -> None:
    """Year 2023-2024. Nominal: two years at niveau 2, from 29 August 2021 to 29 August 2023.

    A graduated in July 2024, ten months late. B is still enrolled on 1 October 2024, past 29 August 2023: delayed. C
    began a year later and graduated in time. D left without a diploma: gone, not delayed. E's examination of November
    2023 came within the summer's grace of 92 days. F began in 2023 and is not due. G has a study load of 4800 hours:
    due in 2024, graduated in time. H changed programme in 2023: that one is not due yet. I's niveau is unknown.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-29 | 2024-07-05
    B       | 1            | 2021-08-29 |
    C       | 1            | 2022-08-29 | 2024-07-05
    D       | 1            | 2021-08-29 | 2024-03-01
    E       | 1            | 2021-08-29 | 2023-11-28
    F       | 1            | 2023-08-28 |
    G       | 1            | 2021-08-29 | 2024-07-05
    H       | 1            | 2021-08-29 |
    I       | 1            | 2021-08-29 |

    programme_period
    student | enrolment_id | start_date | end_date   | crebo | niveau | sbu
    A       | 1            | 2021-08-29 |            | 25498 | 2      |
    B       | 1            | 2021-08-29 |            | 25498 | 2      |
    C       | 1            | 2022-08-29 |            | 25498 | 2      |
    D       | 1            | 2021-08-29 |            | 25498 | 2      |
    E       | 1            | 2021-08-29 |            | 25498 | 2      |
    F       | 1            | 2023-08-28 |            | 25498 | 2      |
    G       | 1            | 2021-08-29 |            | 25656 | 2      | 4800
    H       | 1            | 2021-08-29 | 2023-07-31 | 25498 | 2      |
    H       | 1            | 2023-08-01 |            | 25780 | 3      |
    I       | 1            | 2021-08-29 |            | 25498 |        |

    diploma
    student | enrolment_id | date       | crebo | niveau
    A       | 1            | 2024-06-30 | 25498 | 2
    C       | 1            | 2024-06-30 | 25498 | 2
    E       | 1            | 2023-11-28 | 25498 | 2
    G       | 1            | 2024-06-30 | 25656 | 2

    answer
    group  | segment  | numerator | denominator
    school | regulier | 2         | 5
    """
    check_indicator(test_delay, "vertraging", [2023])


def test_years_of_delay() -> None:
    """In years of 365.25 days; negative is early. A: 2023-08-29 to 2024-06-30 is 306 days; C is 60 days early.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-29 | 2024-07-05
    C       | 1            | 2022-08-29 | 2024-07-05
    D       | 1            | 2021-08-29 |

    programme_period
    student | enrolment_id | start_date | crebo | niveau
    A       | 1            | 2021-08-29 | 25498 | 2
    C       | 1            | 2022-08-29 | 25498 | 2
    D       | 1            | 2021-08-29 | 25498 | 2

    diploma
    student | enrolment_id | date       | crebo | niveau
    A       | 1            | 2024-06-30 | 25498 | 2
    C       | 1            | 2024-06-30 | 25498 | 2

    answer
    student | days
    A       | 306
    C       | -60
    D       |
    """
    # two nominal years are 730 whole days, after rounding: 29 August 2021 to 29 August 2023, 2022 to 28 August 2024
    facts = Facts.of(tables(test_years_of_delay), SCHEMA)
    first, second = np.full(3, october(2023)), np.full(3, october(2024))
    days = np.round(delay_years(facts, first, second) * 365.25)
    expected = answer(test_years_of_delay)["days"].replace("", "nan").astype(float)
    assert np.array_equal(days, expected.to_numpy() + np.array([0, 1, 0]), equal_nan=True)


def test_a_programme_begins_anew_after_a_gap_of_a_year() -> None:
    """A was away for three months and is delayed; B and C for more than a year: they began anew in 2022.

    All are enrolled in the same programme of niveau 2 on 1 October 2023 and 2024. A began it in 2021, and is due in
    2023. Counted from 29 September 2022 B's two years end on 28 September 2024, before the second 1 October: late. C
    began anew in October 2022 and is not due.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-29 | 2022-06-30
    A       | 2            | 2022-10-15 |
    B       | 1            | 2020-08-29 | 2021-08-29
    B       | 2            | 2022-09-29 |
    C       | 1            | 2020-08-29 | 2021-08-29
    C       | 2            | 2022-10-03 |

    programme_period
    student | enrolment_id | start_date | crebo | niveau | location
    A       | 1            | 2021-08-29 | 25498 | 2      | a
    A       | 2            | 2022-10-15 | 25498 | 2      | a
    B       | 1            | 2020-08-29 | 25498 | 2      | b
    B       | 2            | 2022-09-29 | 25498 | 2      | b
    C       | 1            | 2020-08-29 | 25498 | 2      | c
    C       | 2            | 2022-10-03 | 25498 | 2      | c

    answer
    group | segment  | numerator | denominator
    a     | regulier | 1         | 1
    b     | regulier | 1         | 1
    """
    check_indicator(test_a_programme_begins_anew_after_a_gap_of_a_year, "vertraging", [2023], by="location")


def test_dropout_in_year_1_counts_who_left_before_1_october() -> None:
    """Of who first started in 2023-2024: A left in September 2023, B in July 2024 with a diploma, C stays.

    D began the day before that school year.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    A       | 1            | 2023-08-28 | 2023-09-20 | zorg
    B       | 1            | 2023-08-28 | 2024-07-05 | zorg
    C       | 1            | 2024-02-01 |            | techniek
    D       | 1            | 2023-07-31 | 2023-12-01 | zorg

    diploma
    student | enrolment_id | date       | niveau
    B       | 1            | 2024-06-30 | 1

    answer
    group    | segment  | numerator | denominator
    techniek | regulier | 0         | 1
    zorg     | regulier | 1         | 2
    """
    check_indicator(test_dropout_in_year_1_counts_who_left_before_1_october, "uitval_jaar_1", [2023], by="team")


def test_who_began_in_february_is_not_known_in_october() -> None:
    """On 1 October 2024 C's twelve months are not over: C counts neither as dropout nor as stayer; a year later C does.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2023-08-28 | 2023-11-01
    B       | 1            | 2023-09-30 |
    C       | 1            | 2024-02-01 | 2024-05-01
    """
    facts = Facts.of(tables(test_who_began_in_february_is_not_known_in_october), SCHEMA)
    counts = {}
    for day in (datetime.date(2024, 10, 1), datetime.date(2025, 10, 1), None):
        row = indicators.of_facts("uitval_jaar_1", facts, [2023], known_until=day).iloc[0]
        counts[day] = (row["numerator"], row["denominator"])
    assert list(counts.values()) == [(1, 2), (2, 3), (2, 3)]


def test_what_a_mapping_does_not_deliver_is_named() -> None:
    """An indicator without its columns would be a figure about nothing."""
    enrolled = {"enrolment": tables(test_delay)["enrolment"]}
    assert indicators.undelivered("jaarresultaat", enrolled) == ("diploma.date | enrolment.reden_uitschrijving",)
    assert indicators.undelivered("jaarresultaat", tables(test_delay)) == ()
