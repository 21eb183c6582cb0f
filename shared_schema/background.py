"""The facts of a school's students arrive; the features known on the first day of school leave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared_schema.facts import Facts, Numbers
from shared_schema.feature import BACKGROUND, Feature, Source, above, between
from shared_schema.tables import TABLES

Value = Callable[[Facts], Numbers]

_SENSITIVE = {
    f"{table.name}.{column.name}" for table in TABLES for column in table.columns.values() if column.sensitive
}


def _source(
    name: str, nl: str, en: str, column: str, value: Value, high: float = 1.0, low: float = 0.0, fill: float = 0.0
) -> Source[Facts]:
    feature = Feature(name, nl, en, low, high, BACKGROUND, column in _SENSITIVE, (column,), fill)
    return Source(feature, value)


def _age(facts: Facts) -> Numbers:
    return facts.numbers("enrolment", "age_at_start")


def _number(column: str) -> Value:
    table, name = column.split(".")
    return lambda facts: facts.numbers(table, name)


def _one_of(column: str, *codes: str) -> Value:
    table, name = column.split(".")
    return lambda facts: np.isin(facts.texts(table, name).astype(str), codes).astype(np.float64)


def _level(level: int) -> Value:
    return lambda facts: (facts.numbers("programme_period", "niveau") == level).astype(np.float64)


def _one_hot(column: str, prefix: str, groups: dict[tuple[str, ...], tuple[str, str, str]]) -> list[Source[Facts]]:
    return [
        _source(f"{prefix}_{suffix}", nl, en, column, _one_of(column, *codes))
        for codes, (suffix, nl, en) in groups.items()
    ]


_AGE = "enrolment.age_at_start"
_AGES = [
    _source("age", "leeftijd bij de start", "age at the start", _AGE, _age, 35.0, 14.0, fill=18.0),
    _source("age_16_or_younger", "16 jaar of jonger", "16 or younger", _AGE, lambda f: between(_age(f), 0, 16)),
    _source("age_18_to_20", "18 tot en met 20 jaar", "18 to 20", _AGE, lambda f: between(_age(f), 18, 20)),
    _source("age_21_or_older", "21 jaar of ouder", "21 or older", _AGE, lambda f: above(_age(f), 20)),
]
_PERSON = [
    *_one_hot(
        "person.geslacht",
        "geslacht",
        {("V",): ("V", "vrouw", "female"), ("O",): ("O", "geslacht anders of onbekend", "gender other or unknown")},
    ),
    *_one_hot(
        "person.vooropleiding",
        "vooropleiding",
        {
            ("VMBO_BB",): ("VMBO_BB", "vmbo basis", "pre-vocational, basic"),
            ("VMBO_KB",): ("VMBO_KB", "vmbo kader", "pre-vocational, advanced"),
            ("VMBO_GL", "VMBO_TL"): ("VMBO_GT", "vmbo gemengd of theoretisch", "pre-vocational, theoretical"),
            ("HAVO",): ("HAVO", "havo", "senior general secondary"),
            ("VWOplus",): ("VWOplus", "vwo of hoger", "pre-university or higher"),
            ("MBO",): ("MBO", "eerdere mbo-opleiding", "earlier vocational programme"),
            ("basis", "educatie", "prak"): ("below", "lager dan vmbo", "below pre-vocational"),
            ("nan", ""): ("unknown", "vooropleiding onbekend", "prior education unknown"),
        },
    ),
    _source("apcg", "woont in apcg-gebied", "lives in an apcg area", "person.apcg", _number("person.apcg")),
]
_PROGRAMME = [
    *(_source(f"niveau_{n}", f"mbo niveau {n}", f"level {n}", "programme_period.niveau", _level(n)) for n in (1, 2, 3)),
    *_one_hot(
        "programme_period.leertraject",
        "leertraject",
        {("BBL",): ("BBL", "leertraject bbl", "work-based track")},
    ),
    *_one_hot(
        "programme_period.sector",
        "sector",
        {
            ("economie",): ("economie", "sector economie", "sector business"),
            ("techniek",): ("techniek", "sector techniek", "sector engineering"),
            ("zorg_welzijn",): ("zorg_welzijn", "sector zorg en welzijn", "sector care and welfare"),
            ("landbouw",): ("landbouw", "sector landbouw", "sector agriculture"),
            ("dsv",): ("dsv", "sector dienstverlening, sport, veiligheid", "sector services, sports, security"),
        },
    ),
]
_ENROLMENT = [
    _source(
        "first_study", "eerste mbo-studie", "first vocational study", "enrolment.first_study",
        _number("enrolment.first_study"), fill=0.5,
    ),
    _source(
        "applications", "aantal aanmeldingen", "number of applications", "enrolment.applications",
        _number("enrolment.applications"), high=5.0, fill=1.0,
    ),
    _source(
        "applied_before_april", "uiterlijk 1 april aangemeld", "applied by 1 April",
        "enrolment.applied_before_april", _number("enrolment.applied_before_april"), fill=0.5,
    ),
    _source(
        "intake_recorded", "aanmelding is vastgelegd", "application is recorded", "enrolment.applications",
        lambda facts: (~np.isnan(facts.numbers("enrolment", "applications"))).astype(np.float64),
    ),
]  # fmt: skip

SOURCES: tuple[Source[Facts], ...] = (*_AGES, *_PERSON, *_PROGRAMME, *_ENROLMENT)
"""The background features in their fixed order; the reference categories are man, anders, BOL and niveau 4."""
