"""Whom an indicator counts, once, and where: returners, double enrolments, late diplomas, entree, OVO, BBL, death."""

from __future__ import annotations

import math

import pytest

from shared_schema import indicators
from tests.spec.small_tables import SCHEMA, answer, check_indicator, repeated, tables


def test_a_returner_is_a_leaver_of_the_first_year_and_no_starter_of_the_second() -> None:
    """A left in March 2022 without a diploma, came back in August 2023 and graduated in June 2024; B came back in time.

    2021-2022: A left without a diploma (c), B left in March and was back before 1 October 2022: B never left.
    2023-2024: A leaves with a diploma (d), B is still there and does not count.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-30 | 2022-03-01
    A       | 2            | 2023-08-28 | 2024-07-05
    B       | 1            | 2021-08-30 | 2022-03-01
    B       | 2            | 2022-09-05 |

    diploma
    student | enrolment_id | date       | niveau
    A       | 2            | 2024-06-30 | 3

    answer
    indicator         | 2021 | 2022 | 2023
    jaarresultaat     | 0/1  |      | 1/1
    diplomaresultaat  | 0/1  |      | 1/1
    startersresultaat | 1/2  |      |
    """
    _check_years(test_a_returner_is_a_leaver_of_the_first_year_and_no_starter_of_the_second)


def test_a_diploma_between_1_october_and_31_december() -> None:
    """The year runs from 1 October: a diploma of November 2023 belongs to 2023-2024, not to the calendar year.

    A was enrolled on 1 October 2023 and left in November with the diploma: d of 2023-2024, and not of 2022-2023, in
    which A just stayed. B had left in July 2023, so B is a leaver of 2022-2023 without a diploma then; the diploma of
    November 2023 falls in a year in which B is not enrolled, and counts nowhere. C stays after the diploma of December:
    b. D's diploma is dated 1 October 2023 itself (2023-2024), E's 30 September 2023 (2022-2023).

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-30 | 2023-11-20
    B       | 1            | 2021-08-30 | 2023-07-10
    C       | 1            | 2021-08-30 |
    D       | 1            | 2021-08-30 | 2023-10-31
    E       | 1            | 2021-08-30 |

    diploma
    student | enrolment_id | date       | niveau
    A       | 1            | 2023-11-15 | 3
    B       | 1            | 2023-11-15 | 3
    C       | 1            | 2023-12-31 | 3
    D       | 1            | 2023-10-01 | 3
    E       | 1            | 2023-09-30 | 3

    answer
    indicator        | 2022 | 2023
    jaarresultaat    | 1/2  | 3/3
    diplomaresultaat | 0/1  | 2/2
    """
    _check_years(test_a_diploma_between_1_october_and_31_december)


def test_two_programmes_at_once_count_once_under_the_highest_niveau() -> None:
    """A follows niveau 2 and 3 at once and counts at niveau 3, in that programme's own team, though it began first.

    B follows two programmes of niveau 3: the lowest crebo counts. C follows a programme beside other education (OVO) of
    a higher niveau: the programme counts. All leave without a diploma.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    A       | 1            | 2022-08-29 | 2024-03-01 | three
    A       | 2            | 2023-08-28 | 2024-03-01 | two
    B       | 1            | 2022-08-29 | 2024-03-01 | low
    B       | 2            | 2023-08-28 | 2024-03-01 | high
    C       | 1            | 2022-08-29 | 2024-03-01 | programme
    C       | 2            | 2023-08-28 | 2024-03-01 | other

    programme_period
    student | enrolment_id | start_date | crebo | niveau | leertraject
    A       | 1            | 2022-08-29 | 25656 | 3      | BOL
    A       | 2            | 2023-08-28 | 25498 | 2      | BOL
    B       | 1            | 2022-08-29 | 25656 | 3      | BOL
    B       | 2            | 2023-08-28 | 25780 | 3      | BBL
    C       | 1            | 2022-08-29 | 25498 | 2      | BBL
    C       | 2            | 2023-08-28 | 99001 | 4      | OVO

    answer
    group     | segment  | numerator | denominator
    three     | regulier | 0         | 1
    low       | regulier | 0         | 1
    programme | regulier | 0         | 1
    """
    check_indicator(test_two_programmes_at_once_count_once_under_the_highest_niveau, "jaarresultaat", [2023], by="team")


def test_a_programme_that_ended_with_its_enrolment_is_over() -> None:
    """A's second enrolment ended in June 2023; its period was never closed, and does not count on 1 October 2023.

    B's two enrolments hold: ending one of them is not leaving the school.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2022-08-29 | 2024-03-01
    A       | 2            | 2023-02-01 | 2023-06-30
    B       | 1            | 2022-08-29 | 2024-03-01
    B       | 2            | 2023-08-28 |

    programme_period
    student | enrolment_id | start_date | crebo | niveau
    A       | 1            | 2022-08-29 | 25498 | 2
    A       | 2            | 2023-02-01 | 25655 | 4
    B       | 1            | 2022-08-29 | 25498 | 2
    B       | 2            | 2023-08-28 | 25498 | 2

    answer
    group | segment  | numerator | denominator
    2     | regulier | 0         | 1
    """
    check_indicator(test_a_programme_that_ended_with_its_enrolment_is_over, "jaarresultaat", [2023], by="niveau")


def test_bbl_is_counted_with_bol() -> None:
    """Learning while working is regular education; only entree, OVO and ODT stand apart, however many there are.

    enrolment
    student | enrolment_id | start_date | end_date
    bol     | 1            | 2022-08-29 | 2024-07-05
    bbl     | 1            | 2022-08-29 | 2024-07-05
    entree  | 1            | 2023-08-28 | 2024-07-05
    ovo     | 1            | 2023-08-28 | 2024-07-05

    programme_period
    student | enrolment_id | start_date | niveau | leertraject
    bol     | 1            | 2022-08-29 | 2      | BOL
    bbl     | 1            | 2022-08-29 | 2      | BBL
    entree  | 1            | 2023-08-28 | 1      | BOL
    ovo     | 1            | 2023-08-28 | 2      | OVO

    diploma
    student | enrolment_id | date       | niveau
    bbl     | 1            | 2024-06-30 | 2
    entree  | 1            | 2024-06-30 | 1

    answer
    segment  | numerator | denominator
    OVO      | 0         | 1
    entree   | 1         | 1
    regulier | 1         | 2
    """
    computed = indicators.jaarresultaat(tables(test_bbl_is_counted_with_bol), SCHEMA, [2023])
    counts = computed.set_index("segment")[["numerator", "denominator"]].astype(str)
    assert counts.to_dict("index") == answer(test_bbl_is_counted_with_bol).to_dict("index")


def test_a_diploma_of_entree_is_none_of_niveau_2() -> None:
    """DR asks for niveau 2 or higher, JR and SR for any diploma: E of entree graduated, and is no leaver with one.

    enrolment
    student | enrolment_id | start_date | end_date
    E       | 1            | 2023-08-28 | 2024-07-05

    programme_period
    student | enrolment_id | start_date | niveau | crebo
    E       | 1            | 2023-08-28 | 1      | 25740

    diploma
    student | enrolment_id | date       | crebo
    E       | 1            | 2024-06-30 | 25740

    answer
    indicator         | 2023
    jaarresultaat     | 1/1
    diplomaresultaat  | 0/1
    startersresultaat | 1/1
    """
    _check_years(test_a_diploma_of_entree_is_none_of_niveau_2)


def test_a_diploma_has_the_niveau_of_its_programme_where_the_source_gives_none() -> None:
    """DUO's register gives a diploma no niveau: A's is that of the student's own period of that crebo, niveau 3.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-30 | 2024-07-05

    programme_period
    student | enrolment_id | start_date | niveau | crebo
    A       | 1            | 2021-08-30 | 3      | 25656

    diploma
    student | enrolment_id | date       | crebo
    A       | 1            | 2024-06-30 | 25656

    answer
    indicator        | 2023
    diplomaresultaat | 1/1
    """
    _check_years(test_a_diploma_has_the_niveau_of_its_programme_where_the_source_gives_none)


def test_who_died_is_no_leaver_and_was_a_student_before() -> None:
    """A died in 2023-2024 and counts nowhere in that year; in 2022-2023 A had graduated and stayed (b).

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2021-08-30 | 2024-02-01 | 05

    diploma
    student | enrolment_id | date       | niveau
    A       | 1            | 2023-06-30 | 2

    answer
    indicator         | 2021 | 2022 | 2023
    jaarresultaat     |      | 1/1  |
    diplomaresultaat  |      |      |
    startersresultaat | 1/1  |      |
    """
    _check_years(test_who_died_is_no_leaver_and_was_a_student_before)


def test_an_undated_diploma_counts_once_on_the_last_day_of_its_enrolment() -> None:
    """A left in July 2024; B is still enrolled: nobody knows in which year B's undated diploma falls, so in none.

    enrolment
    student | enrolment_id | start_date | end_date
    A       | 1            | 2021-08-30 | 2024-07-05
    B       | 1            | 2021-08-30 |

    diploma
    student | enrolment_id | date | niveau
    A       | 1            |      | 2
    B       | 1            |      | 2

    answer
    indicator     | 2022 | 2023
    jaarresultaat |      | 1/1
    """
    _check_years(test_an_undated_diploma_counts_once_on_the_last_day_of_its_enrolment)


def test_without_diplomas_the_reason_for_leaving_tells_who_graduated() -> None:
    """A school that delivers no table of diplomas has reason 01 instead; it knows nobody who graduated and stayed.

    enrolment
    student | enrolment_id | start_date | end_date   | reden_uitschrijving
    A       | 1            | 2021-08-30 | 2024-07-05 | 01
    B       | 1            | 2021-08-30 | 2024-03-01 | 02

    programme_period
    student | enrolment_id | start_date | niveau
    A       | 1            | 2021-08-30 | 3
    B       | 1            | 2021-08-30 | 3

    answer
    indicator        | 2023
    jaarresultaat    | 1/2
    diplomaresultaat | 1/2
    """
    _check_years(test_without_diplomas_the_reason_for_leaving_tells_who_graduated)


def _small_years() -> None:
    """A leaver and a graduate of niveau 2 in 2022-2023 and in 2023-2024.

    enrolment
    student    | enrolment_id | start_date | end_date
    leaver22   | 1            | 2021-08-30 | 2023-03-01
    graduate22 | 1            | 2021-08-30 | 2023-07-05
    leaver23   | 1            | 2022-10-15 | 2024-03-01
    graduate23 | 1            | 2022-10-15 | 2024-07-05

    programme_period
    student    | enrolment_id | start_date | niveau
    leaver22   | 1            | 2021-08-30 | 2
    graduate22 | 1            | 2021-08-30 | 2
    leaver23   | 1            | 2022-10-15 | 2
    graduate23 | 1            | 2022-10-15 | 2

    diploma
    student    | enrolment_id | date       | niveau
    graduate22 | 1            | 2023-06-30 | 2
    graduate23 | 1            | 2024-06-30 | 2
    """


@pytest.mark.parametrize(
    ("years", "numerator", "denominator", "value", "judgement"),
    [
        ([2021], 0, 0, None, ""),
        ([2022], 6, 8, None, ""),
        ([2023], 9, 12, 0.75, "voldoende"),
        ([2021, 2022, 2023], 15, 20, 0.75, "voldoende"),
    ],
)
def test_three_years_are_pooled_with_a_year_under_twelve(
    years: list[int], numerator: int, denominator: int, value: float | None, judgement: str
) -> None:
    """2022-2023 has 8 students and no value of its own; its 8 count in the three years: (6 + 9) / (8 + 12) = 75 %.

    2021-2022 has nobody who left or graduated: it adds nothing.
    """
    counts = {"leaver22": 2, "graduate22": 6, "leaver23": 3, "graduate23": 9}
    found = indicators.jaarresultaat(repeated(_small_years, counts), SCHEMA, years, by="niveau")
    if not denominator:
        assert found.empty
        return
    row = found.iloc[0]
    assert (row["numerator"], row["denominator"], row["judgement"]) == (numerator, denominator, judgement)
    assert row["value"] == value if value is not None else math.isnan(row["value"])


def test_a_group_of_two_niveaus_has_no_norm_unless_it_is_split() -> None:
    """A norm belongs to a niveau: a team of two niveaus is judged per niveau, or not at all.

    enrolment
    student | enrolment_id | start_date | end_date   | team
    two     | 1            | 2022-08-29 | 2024-03-01 | zorg
    three   | 1            | 2022-08-29 | 2024-03-01 | zorg

    programme_period
    student | enrolment_id | start_date | niveau
    two     | 1            | 2022-08-29 | 2
    three   | 1            | 2022-08-29 | 3
    """
    given = repeated(test_a_group_of_two_niveaus_has_no_norm_unless_it_is_split, {"two": 12, "three": 12})
    whole = indicators.indicator("jaarresultaat", given, SCHEMA, [2023], "team")
    split = indicators.indicator("jaarresultaat", given, SCHEMA, [2023], "team", per_niveau=True)
    assert whole["norm"].isna().all() and whole["judgement"].tolist() == [""]
    assert split[["niveau", "denominator", "norm", "judgement"]].to_numpy().tolist() == [
        [2.0, 12, 0.67, "onvoldoende"],
        [3.0, 12, 0.68, "onvoldoende"],
    ]


def _check_years(given: object) -> None:
    """Compare numerator/denominator per indicator and year of the school as a whole; an empty cell is nobody."""
    expected = answer(given)  # type: ignore[arg-type]
    found = tables(given)  # type: ignore[arg-type]
    for name, cells in expected.iterrows():
        for year, cell in cells.items():
            rows = indicators.indicator(str(name), found, SCHEMA, [int(str(year))])
            counts = " ".join(f"{row.numerator}/{row.denominator}" for row in rows.itertuples())
            assert counts == cell, (name, year)
