"""What the features are: what counts by a cut-off week, how absence is read, and what a missing source becomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared_schema import UnknownFeature, features
from tests.spec.small_tables import SCHEMA, answer, tables


def check_features(given: Callable[..., object], cutoff_week: int) -> None:
    """Compare the features named in the answer's columns with what the docstring's tables give."""
    expected = answer(given).astype(float)
    chosen = features.named(SCHEMA, cutoff_week, list(expected.columns))
    built = features.build(tables(given), chosen, cutoff_week, SCHEMA)
    for name in expected.columns:
        assert built[name].to_dict() == pytest.approx(expected[name].to_dict()), name


def test_background() -> None:
    """Background is known on the first day: of several enrolments the first one counts.

    person
    student | geslacht | vooropleiding | apcg
    A       | V        | VMBO_TL       | true
    B       | O        | prak          | false
    C       | M        | nan           |

    enrolment
    student | enrolment_id | start_date | age_at_start | first_study | applications
    A       | 2            | 2024-08-26 | 18           | false       | 4
    A       | 1            | 2023-08-28 | 17           | true        | 1
    B       | 1            | 2023-08-28 | 21           | false       | 9
    C       | 1            | 2023-08-28 | 16           |             |

    programme_period
    student | enrolment_id | start_date | niveau | leertraject | sector
    A       | 1            | 2023-08-28 | 4      | BOL         | techniek
    B       | 1            | 2023-08-28 | 1      | BBL         | anders

    answer
    student | age | age_16_or_younger | age_21_or_older | geslacht_V | geslacht_O | vooropleiding_VMBO_GT
    A       | 17  | 0                 | 0               | 1          | 0          | 1
    B       | 21  | 0                 | 1               | 0          | 1          | 0
    C       | 16  | 1                 | 0               | 0          | 0          | 0
    """
    check_features(test_background, 0)


def test_the_rest_of_the_background() -> None:
    """Nine applications count as the bound, five; an unknown application gets a neutral fill beside "recorded" 0.

    person
    student | vooropleiding | apcg
    A       | VMBO_TL       | true
    B       | prak          | false
    C       | nan           |

    enrolment
    student | enrolment_id | applications | first_study
    A       | 1            | 1            | true
    B       | 1            | 9            | false
    C       | 1            |              |

    programme_period
    student | enrolment_id | niveau | leertraject | sector
    A       | 1            | 4      | BOL         | techniek
    B       | 1            | 1      | BBL         | anders

    answer
    student | applications | intake_recorded | first_study | vooropleiding_below | vooropleiding_unknown | apcg | niveau_1 | leertraject_BBL | sector_techniek
    A       | 1            | 1               | 1           | 0                   | 0                     | 1    | 0        | 0               | 1
    B       | 5            | 1               | 0           | 1                   | 0                     | 0    | 1        | 1               | 0
    C       | 1            | 0               | 0.5         | 0                   | 1                     | 0    | 0        | 0               | 0
    """  # noqa: E501 - one table of the manual
    check_features(test_the_rest_of_the_background, 0)


def test_absence_by_week() -> None:
    """Hours a week over the covered weeks up to the cut-off; week 4 comes after a cut-off at week 3.

    A: 2, 4 and 6 hours without leave. B: nothing recorded in week 2, so two weeks count. C has no rows at all.

    enrolment
    student | enrolment_id
    A       | 1
    B       | 1
    C       | 1

    attendance
    student | week | hours_scheduled | hours_absent_unauthorised | hours_absent_authorised
    A       | 1    | 24              | 2                         | 0
    A       | 2    | 24              | 4                         | 3
    A       | 3    | 24              | 6                         | 0
    A       | 4    | 24              | 24                        | 0
    B       | 1    |                 | 0                         | 0
    B       | 3    |                 | 5                         | 5

    answer
    student | absence_recorded | absence_per_week | absence_unauthorised_per_week | absence_authorised_per_week | absence_share | schedule_recorded | weeks_without_absence
    A       | 1                | 5                | 4                             | 1                           | 0.2083333     | 1                 | 0
    B       | 1                | 5                | 2.5                           | 2.5                         | 0             | 0                 | 0.5
    C       | 0                | 0                | 0                             | 0                           | 0             | 0                 | 0
    """  # noqa: E501 - one table of the manual
    check_features(test_absence_by_week, 3)


def test_thresholds_of_absence_without_leave() -> None:
    """More than 2, 5 and 10 hours a week: exactly 2 is not more than 2.

    enrolment
    student | enrolment_id
    A       | 1
    B       | 1
    C       | 1
    D       | 1

    attendance
    student | week | hours_absent_unauthorised
    A       | 1    | 2
    B       | 1    | 2.5
    C       | 1    | 5.5
    D       | 1    | 11

    answer
    student | absence_unauthorised_over_2 | absence_unauthorised_over_5 | absence_unauthorised_over_10
    A       | 0                           | 0                           | 0
    B       | 1                           | 0                           | 0
    C       | 1                           | 1                           | 0
    D       | 1                           | 1                           | 1
    """
    check_features(test_thresholds_of_absence_without_leave, 1)


def test_totals_through_a_week_may_overlap() -> None:
    """A source with totals through week 3, 6 and 10 says what happened in between.

    A: 6 hours through week 3, 12 through week 6, 52 through week 10: so 2 a week, then 2, then 10. The last three
    weeks are at 10, the seven before at (3x2 + 3x2 + 10) / 7. At week 6 the row of week 10 does not count.

    enrolment
    student | enrolment_id
    A       | 1

    attendance
    student | week | weeks | hours_absent_unauthorised
    A       | 3    | 3     | 6
    A       | 6    | 6     | 12
    A       | 10   | 10    | 52

    answer
    student | absence_unauthorised_per_week | absence_unauthorised_last_weeks | absence_trend
    A       | 5.2                           | 10                              | 6.857142857
    """
    check_features(test_totals_through_a_week_may_overlap, 10)
    chosen = features.named(SCHEMA, 6, ["absence_unauthorised_per_week"])
    built = features.build(tables(test_totals_through_a_week_may_overlap), chosen, 6, SCHEMA)
    assert built.to_numpy().tolist() == [[2.0]]


def test_two_of_three_kinds_of_absence_give_the_third() -> None:
    """Total minus authorised is unauthorised; with the total alone the split is not recorded.

    enrolment
    student | enrolment_id
    A       | 1
    B       | 1
    C       | 1

    attendance
    student | week | hours_absent | hours_absent_authorised | hours_absent_unauthorised
    A       | 1    | 7            | 3                       |
    B       | 1    | 7            |                         |
    C       | 1    |              | 3                       | 1

    answer
    student | absence_per_week | absence_unauthorised_per_week | absence_split_recorded
    A       | 7                | 4                             | 1
    B       | 7                | 0                             | 0
    C       | 4                | 1                             | 1
    """
    check_features(test_two_of_three_kinds_of_absence_give_the_third, 1)


def test_results() -> None:
    """Results count by their week, or else by their date against the student's start; a mark is out of 10.

    A: 8 and 4 of 10 by week 3, and the one of week 4 comes later. B: 45 of 50, dated in week 2, and an unscored one.
    C has none.

    enrolment
    student | enrolment_id | start_date
    A       | 1            | 2023-08-28
    B       | 1            | 2023-08-28
    C       | 1            | 2023-08-28

    result
    student | week | date       | score | score_max
    A       | 1    |            | 8     |
    A       | 3    |            | 4     |
    A       | 4    |            | 1     |
    B       |      | 2023-09-05 | 45    | 50
    B       | 2    |            |       |
    B       |      | 2023-12-05 | 1     | 50

    answer
    student | results_recorded | results_count | results_mean | results_insufficient
    A       | 1                | 2             | 0.6          | 0.5
    B       | 1                | 2             | 0.9          | 0
    C       | 0                | 0             | 0.625        | 0
    """
    check_features(test_results, 3)


def test_a_dated_result_counts_by_whole_weeks_since_the_start() -> None:
    """Week 3 of a student who starts on 28 August ends on 17 September; before the start counts as well.

    enrolment
    student | enrolment_id | start_date
    A       | 1            | 2023-08-28
    B       | 1            | 2023-08-28
    C       | 1            |

    result
    student | date       | score
    A       | 2023-09-17 | 8
    A       | 2023-08-01 | 8
    B       | 2023-09-18 | 8
    C       | 2023-09-01 | 8

    answer
    student | results_count
    A       | 2
    B       | 0
    C       | 0
    """
    check_features(test_a_dated_result_counts_by_whole_weeks_since_the_start, 3)


def test_what_is_available_when() -> None:
    """On the first day there is background only; from week 1 attendance and results; some 35 to 45 features in all."""
    first_day = {feature.group for feature in features.available(SCHEMA, 0)}
    assert first_day == {"background"}
    later = features.available(SCHEMA, 10)
    assert {feature.group for feature in later} == {"background", "attendance", "results"}
    assert 35 <= len(later) <= 45
    assert len({feature.name for feature in later}) == len(later)


def test_bounds_and_fill_are_declared() -> None:
    """Every feature has public bounds, a fill within them, two labels and the columns that it is made of."""
    for feature in features.available(SCHEMA, 10):
        assert feature.low <= feature.fill <= feature.high
        assert feature.low < feature.high
        assert feature.label_nl and feature.label_en and feature.columns
        for column in feature.columns:
            SCHEMA.column(*column.split("."))


def test_a_feature_of_a_sensitive_column_is_sensitive() -> None:
    """The FG sees at each feature whether it comes from a sensitive column."""
    for feature in features.available(SCHEMA, 10):
        columns = [SCHEMA.column(*column.split(".")) for column in feature.columns]
        assert feature.sensitive is any(column.sensitive for column in columns), feature.name


def test_unknown_features_and_weeks_are_refused() -> None:
    """A feature that does not exist at the cut-off is refused with the nearest name; so is week 53.

    enrolment
    student | enrolment_id
    A       | 1
    """
    given = tables(test_unknown_features_and_weeks_are_refused)
    with pytest.raises(UnknownFeature, match="did you mean 'absence_per_week'"):
        features.named(SCHEMA, 3, ["absence_per_weak"])
    with pytest.raises(UnknownFeature, match="cut-off week 53"):
        features.available(SCHEMA, 53)
    attendance = features.named(SCHEMA, 3, ["absence_per_week"])
    with pytest.raises(UnknownFeature, match="at cut-off week 0"):
        features.build(given, attendance, 0, SCHEMA)


def test_a_school_without_any_source_still_gets_every_feature() -> None:
    """A school that delivers enrolments alone gets declared fills, and every "recorded" feature says so.

    enrolment
    student | enrolment_id
    A       | 1
    """
    given = tables(test_a_school_without_any_source_still_gets_every_feature)
    offered = features.available(SCHEMA, 10)
    built = features.build(given, offered, 10, SCHEMA).iloc[0]
    for feature in offered:
        neutral = 1.0 if feature.name == "vooropleiding_unknown" else feature.fill
        assert built[feature.name] == neutral, feature.name
    assert features.build({}, offered, 10, SCHEMA).shape == (0, len(offered))
