"""Why a student stands high, in a sentence that a mentor can use and that is true."""

from __future__ import annotations

import pandas as pd
import pytest

from node.local import reasons
from shared_schema import features
from tests.unit.node.local.school import SCHEMA

WEEK = 3
ALL = features.available(SCHEMA, WEEK)


def told(values: dict[str, float], terms: dict[str, float], sensitive: bool = False) -> list[str]:
    """The Dutch reasons of one student; features not named have their neutral value, average 0 and no weight."""
    average = {feature.name: 0.0 for feature in ALL} | {
        "absence_per_week": 2.0,
        "absence_unauthorised_per_week": 1.0,
        "absence_authorised_per_week": 1.0,
        "results_insufficient": 0.2,
        "results_mean": 0.65,
        "applications": 1.4,
        "age": 17.2,
    }
    own = {feature.name: feature.fill for feature in ALL} | values
    weights = {feature.name: 0.0 for feature in ALL} | terms
    frame, term = pd.DataFrame([own], index=["s"]), pd.DataFrame([weights], index=["s"])
    found = reasons.reasons(term, frame, pd.Series(average), ALL, WEEK, sensitive)
    return [reason.words.nl for reason in found["s"]]


SPLIT = {"absence_recorded": 1.0, "absence_split_recorded": 1.0}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {**SPLIT, "absence_unauthorised_per_week": 4.0},
            "veel ongeoorloofd verzuim in week 1–3 (4,0 uur per week; gemiddeld 1,0)",
        ),
        (
            {**SPLIT, "absence_unauthorised_per_week": 1.5, "absence_trend": 2.0},
            "bovengemiddeld ongeoorloofd verzuim in week 1–3 (1,5 uur per week; gemiddeld 1,0), en het loopt op",
        ),
        (
            {**SPLIT, "absence_unauthorised_per_week": 0.5, "absence_authorised_per_week": 3.0},
            "veel geoorloofd verzuim in week 1–3 (3,0 uur per week; gemiddeld 1,0)",
        ),
        (
            {"absence_recorded": 1.0, "absence_per_week": 6.0},
            "veel verzuim in week 1–3 (6,0 uur per week; gemiddeld 2,0)",
        ),
        (
            {**SPLIT, "absence_unauthorised_per_week": 0.5, "absence_trend": 1.5},
            "verzuim loopt op (laatste drie weken 1,5 uur per week meer)",
        ),
        ({**SPLIT}, "patroon van het verzuim (0,0 uur per week; gemiddeld 2,0)"),
        ({}, "geen verzuim vastgelegd"),
    ],
)
def test_absence_is_told_by_what_lies_above_the_average(values: dict[str, float], expected: str) -> None:
    """The weightiest kind that the student has more of than others did; never "much" of what is little."""
    assert told(values, {"absence_per_week": 0.6}) == [expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"results_recorded": 1.0, "results_insufficient": 0.5}, "veel onvoldoendes (50%; gemiddeld 20%)"),
        ({"results_recorded": 1.0, "results_mean": 0.5}, "lage cijfers (5,0; gemiddeld 6,5)"),
        ({"results_recorded": 0.0}, "geen resultaten vastgelegd"),
        ({"results_recorded": 1.0, "results_mean": 0.9, "results_count": 2.0}, "aantal resultaten (2; gemiddeld 0,0)"),
    ],
)
def test_results_are_told_as_marks(values: dict[str, float], expected: str) -> None:
    assert told(values, {"results_mean": 0.6}) == [expected]


@pytest.mark.parametrize(
    ("feature", "values", "expected"),
    [
        ("vooropleiding_VMBO_BB", {"vooropleiding_VMBO_BB": 1.0}, "vooropleiding: vmbo basis"),
        ("vooropleiding_HAVO", {"vooropleiding_unknown": 1.0}, "vooropleiding onbekend"),
        ("vooropleiding_HAVO", {}, "andere vooropleiding"),
        ("niveau_2", {"niveau_2": 1.0}, "mbo niveau 2"),
        ("niveau_2", {}, "niet niveau 1, 2 of 3"),
        ("leertraject_BBL", {"leertraject_BBL": 1.0}, "leertraject bbl"),
        ("leertraject_BBL", {}, "niet in bbl"),
        ("sector_techniek", {"sector_techniek": 1.0}, "sector techniek"),
        ("applied_before_april", {"applied_before_april": 0.0}, "na 1 april aangemeld"),
        ("applied_before_april", {"applied_before_april": 1.0}, "vóór 1 april aangemeld"),
        ("first_study", {"first_study": 0.0}, "niet de eerste mbo-studie"),
        ("applications", {"intake_recorded": 1.0, "applications": 3.0}, "aantal aanmeldingen: 3 (gemiddeld 1,4)"),
        ("applications", {}, "aanmelding niet vastgelegd"),
    ],
)
def test_each_category_is_told_by_what_it_is(feature: str, values: dict[str, float], expected: str) -> None:
    """A reference category, which no flag has, is told by what it is not: the features know no more."""
    assert told(values, {feature: 0.6}) == [expected]


@pytest.mark.parametrize("feature", ["applied_before_april", "first_study"])
def test_what_is_not_known_is_no_reason(feature: str) -> None:
    """A neutral one half has a term in the sum, but no sentence would be true."""
    assert told({}, {feature: 0.6}) == []


@pytest.mark.parametrize("feature", ["age", "age_21_or_older", "geslacht_V", "geslacht_O", "apcg"])
def test_a_sensitive_feature_is_never_a_reason_unless_the_policy_says_so(feature: str) -> None:
    values = {feature: 22.0 if feature == "age" else 1.0, "age": 22.0}
    assert told(values, {feature: 5.0}) == []
    assert len(told(values, {feature: 5.0}, sensitive=True)) == 1


def test_every_sensitive_feature_of_the_schema_is_held_back() -> None:
    """Whatever the schema flags: with all weight on such features there is nothing to tell."""
    sensitive = [feature.name for feature in ALL if feature.sensitive]
    assert sensitive
    assert told(dict.fromkeys(sensitive, 1.0), dict.fromkeys(sensitive, 9.0)) == []


def test_terms_of_one_subject_are_added_up_and_three_subjects_are_told() -> None:
    """
    | subject | terms | told |
    |---|---|---|
    | absence | 0.9 - 0.7 = 0.2 | third |
    | sector | 0.3 | second |
    | prior education | 0.4 | first |
    | first study | 0.12 | no: three are enough |
    | results | 0.5 - 0.6 < 0 | no: it lowers the score |
    """
    values = {
        **SPLIT,
        "absence_unauthorised_per_week": 4.0,
        "sector_techniek": 1.0,
        "vooropleiding_VMBO_BB": 1.0,
        "first_study": 0.0,
        "results_recorded": 1.0,
    }
    terms = {
        "absence_unauthorised_per_week": 0.9,
        "absence_unauthorised_over_2": -0.7,
        "sector_techniek": 0.3,
        "vooropleiding_VMBO_BB": 0.4,
        "first_study": 0.12,
        "results_mean": 0.5,
        "results_insufficient": -0.6,
    }
    assert [text.split(" (")[0] for text in told(values, terms)] == [
        "vooropleiding: vmbo basis",
        "sector techniek",
        "veel ongeoorloofd verzuim in week 1–3",
    ]


def test_a_small_term_is_no_reason() -> None:
    assert told({"sector_techniek": 1.0}, {"sector_techniek": 0.09}) == []


def test_every_feature_of_the_schema_has_a_subject_that_can_be_told() -> None:
    """A new column of the schema is told by its label, at the least: nobody has to remember this module."""
    for week in (0, 3, 10):
        for feature in features.available(SCHEMA, week):
            subject = reasons.subject_of(feature)
            assert subject in reasons.TELLERS or subject in reasons.ONE_HOT or subject == feature.name
    assert set(reasons.REFERENCES) == set(reasons.ONE_HOT)
