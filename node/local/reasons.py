"""What each feature adds to a student's score arrives; the weightiest reasons leave, as a sentence a mentor can use.

Features that say one thing in several ways (hours a week, more than two, the last weeks) are one subject, and their
terms are added up. A reason compares the student with the average of the students the model learned from. A sensitive
feature is never a reason unless the school's policy says so; then it is in the model too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.reading.words import Words, decimal, share
from shared_schema.features import ATTENDANCE, EXTENSION, RESULTS, Feature

MOST = 3
SMALLEST = 0.10  # log odds: below it a subject does not move a student in any list
MUCH = 2.0  # times the average
RISING = 0.5  # hours a week
NOTHING = Words("geen kenmerk springt eruit", "nothing stands out")


@dataclass(frozen=True)
class Reason:
    """One subject, what it adds to the log odds, and the sentence."""

    subject: str
    term: float
    words: Words


@dataclass(frozen=True)
class Row:
    """One student's features and the averages of those the model learned from, in the features' own units."""

    own: Mapping[str, float]
    average: Mapping[str, float]
    week: int

    def has(self, name: str) -> bool:
        """Whether the model knows the feature and the flag is set."""
        return self.own.get(name, 0.0) >= 0.5

    def above(self, name: str) -> bool:
        """Whether the student lies above the average."""
        return name in self.own and self.own[name] > self.average[name]


Teller = Callable[[Row, Sequence[Feature]], Words | None]


def reasons(
    terms: pd.DataFrame,
    frame: pd.DataFrame,
    average: pd.Series,
    features: Sequence[Feature],
    week: int,
    sensitive: bool,
) -> dict[str, tuple[Reason, ...]]:
    """The at most three weightiest reasons per student, weightiest first.

    terms: `LinearModel.terms`; frame, average: features in their own units, of these students and of those the model
    learned from; sensitive: whether the school's policy lets a sensitive feature be named.
    """
    subjects = _subjects([one for one in features if sensitive or not one.sensitive])
    means = average.to_dict()
    return {
        str(student): _of_student(terms.loc[student], Row(frame.loc[student].to_dict(), means, week), subjects)
        for student in frame.index
    }


def _subjects(features: Sequence[Feature]) -> dict[str, list[Feature]]:
    subjects: dict[str, list[Feature]] = {}
    for feature in features:
        subjects.setdefault(subject_of(feature), []).append(feature)
    return subjects


def subject_of(feature: Feature) -> str:
    """The subject that a feature speaks of."""
    if feature.group in (ATTENDANCE, RESULTS):
        return feature.group
    if feature.group == EXTENSION:
        return feature.columns[0]
    if feature.name == "intake_recorded":
        return "applications"
    if feature.columns == ("enrolment.age_at_start",):
        return "age"
    return next((prefix for prefix in ONE_HOT if feature.name.startswith(f"{prefix}_")), feature.name)


def _of_student(terms: pd.Series, row: Row, subjects: Mapping[str, Sequence[Feature]]) -> tuple[Reason, ...]:
    found = []
    for subject, features in subjects.items():
        term = sum(float(terms[feature.name]) for feature in features)
        words = _tell(subject, row, features) if term >= SMALLEST else None
        if words is not None:
            found.append(Reason(subject, term, words))
    return tuple(sorted(found, key=lambda reason: (-reason.term, reason.subject))[:MOST])


def _tell(subject: str, row: Row, features: Sequence[Feature]) -> Words | None:
    teller = TELLERS.get(subject, _one_hot if subject in ONE_HOT else _declared)
    return teller(row, features)


# ---- one subject, one sentence


def _absence(row: Row, features: Sequence[Feature]) -> Words | None:
    if not row.has("absence_recorded"):
        return Words("geen verzuim vastgelegd", "no absence recorded")
    kinds = SPLIT if row.has("absence_split_recorded") else WHOLE
    name, what = next(((name, what) for name, what in kinds if row.above(name)), (None, None))
    if name is None or what is None:
        return _pattern(row)
    own, mean = row.own[name], row.average[name]
    head = Words("veel ", "much ") if own >= MUCH * mean else Words("bovengemiddeld ", "above-average ")
    tail = RISES if row.own.get("absence_trend", 0.0) > RISING else Words("", "")
    text = Words(
        "{head}{what} in {weeks} ({own} uur per week; gemiddeld {mean}){tail}",
        "{head}{what} in {weeks} ({own} hours a week; average {mean}){tail}",
    )
    return text.filled(head=head, what=what, weeks=_weeks(row.week), own=decimal(own), mean=decimal(mean), tail=tail)


def _pattern(row: Row) -> Words:
    """Nothing above the average by itself: it is how the absence is spread that the model goes by."""
    if row.own.get("absence_trend", 0.0) > RISING:
        text = Words(
            "verzuim loopt op (laatste drie weken {own} uur per week meer)", "absence rises ({own} hours a week)"
        )
        return text.filled(own=decimal(row.own["absence_trend"]))
    name = "absence_per_week"
    text = Words(
        "patroon van het verzuim ({own} uur per week; gemiddeld {mean})",
        "pattern of absence ({own} hours a week; average {mean})",
    )
    return text.filled(own=decimal(row.own[name]), mean=decimal(row.average[name]))


def _weeks(week: int) -> Words:
    return Words.same("week 1") if week == 1 else Words(f"week 1–{week}", f"weeks 1–{week}")


def _results(row: Row, features: Sequence[Feature]) -> Words | None:
    if not row.has("results_recorded"):
        return Words("geen resultaten vastgelegd", "no results recorded")
    if row.above("results_insufficient"):
        text = Words("veel onvoldoendes ({own}; gemiddeld {mean})", "many insufficient results ({own}; average {mean})")
        name = "results_insufficient"
        return text.filled(own=_percent(row.own[name]), mean=_percent(row.average[name]))
    if row.own["results_mean"] < row.average["results_mean"]:
        own, mean = (decimal(10.0 * values["results_mean"]) for values in (row.own, row.average))
        return Words("lage cijfers ({own}; gemiddeld {mean})", "low marks ({own}; average {mean})").filled(
            own=own, mean=mean
        )
    name = "results_count"
    text = Words("aantal resultaten ({own}; gemiddeld {mean})", "number of results ({own}; average {mean})")
    return text.filled(own=decimal(row.own[name], 0), mean=decimal(row.average[name]))


def _percent(value: float) -> Words:
    return share(round(value, 2))


def _one_hot(row: Row, features: Sequence[Feature]) -> Words | None:
    """The category that is set; that of the reference, which no flag has, by what it is not."""
    found = next((feature for feature in features if row.has(feature.name)), None)
    subject = subject_of(features[0])
    if found is None:
        return REFERENCES[subject]
    text = Words.same("{label}") if found.label_nl.startswith(subject) else ONE_HOT[subject]
    return text.filled(label=Words(found.label_nl, found.label_en))


def _applications(row: Row, features: Sequence[Feature]) -> Words | None:
    if not row.has("intake_recorded"):
        return Words("aanmelding niet vastgelegd", "application not recorded")
    text = Words("aantal aanmeldingen: {own} (gemiddeld {mean})", "number of applications: {own} (average {mean})")
    return text.filled(own=decimal(row.own["applications"], 0), mean=decimal(row.average["applications"]))


def _in_time(row: Row, features: Sequence[Feature]) -> Words | None:
    return _yes_or_no(
        row.own["applied_before_april"],
        Words("vóór 1 april aangemeld", "applied before 1 April"),
        Words("na 1 april aangemeld", "applied after 1 April"),
    )


def _first_study(row: Row, features: Sequence[Feature]) -> Words | None:
    return _yes_or_no(
        row.own["first_study"],
        Words("eerste mbo-studie", "first vocational study"),
        Words("niet de eerste mbo-studie", "not the first vocational study"),
    )


def _yes_or_no(value: float, yes: Words, no: Words) -> Words | None:
    """What is not known is no reason."""
    return yes if value > 0.5 else no if value < 0.5 else None


def _age(row: Row, features: Sequence[Feature]) -> Words | None:
    return Words("leeftijd bij de start: {own}", "age at the start: {own}").filled(own=decimal(row.own["age"], 0))


def _area(row: Row, features: Sequence[Feature]) -> Words | None:
    return Words("woont in een apcg-gebied", "lives in an apcg area") if row.has("apcg") else None


def _declared(row: Row, features: Sequence[Feature]) -> Words | None:
    """A column of the coalition's own: its label, the student's value and the average."""
    codes = [feature for feature in features if "=" in feature.name]
    if codes:
        found = next((feature for feature in codes if row.has(feature.name)), None)
        return None if found is None else Words(found.label_nl, found.label_en)
    first = features[0]
    if any(feature.name.endswith(":recorded") and not row.has(feature.name) for feature in features):
        return Words(f"{first.label_nl}: niet vastgelegd", f"{first.label_en}: not recorded")
    text = Words("{label}: {own} (gemiddeld {mean})", "{label}: {own} (average {mean})")
    label = Words(first.label_nl, first.label_en)
    return text.filled(label=label, own=decimal(row.own[first.name]), mean=decimal(row.average[first.name]))


RISES = Words(", en het loopt op", ", and rising")
SPLIT = (
    ("absence_unauthorised_per_week", Words("ongeoorloofd verzuim", "absence without leave")),
    ("absence_authorised_per_week", Words("geoorloofd verzuim", "absence with leave")),
)
WHOLE = (("absence_per_week", Words("verzuim", "absence")),)
ONE_HOT: Mapping[str, Words] = {
    "vooropleiding": Words("vooropleiding: {label}", "prior education: {label}"),
    "niveau": Words.same("{label}"),
    "leertraject": Words.same("{label}"),
    "sector": Words.same("{label}"),
    "geslacht": Words("geslacht: {label}", "gender: {label}"),
}
REFERENCES: Mapping[str, Words | None] = {
    "vooropleiding": Words("andere vooropleiding", "other prior education"),
    "niveau": Words("niet niveau 1, 2 of 3", "not level 1, 2 or 3"),
    "leertraject": Words("niet in bbl", "not in the work-based track"),
    "sector": Words("andere sector", "another sector"),
    "geslacht": Words("geslacht: man", "gender: male"),
}
TELLERS: Mapping[str, Teller] = {
    ATTENDANCE: _absence,
    RESULTS: _results,
    "applications": _applications,
    "applied_before_april": _in_time,
    "first_study": _first_study,
    "age": _age,
    "apcg": _area,
}
