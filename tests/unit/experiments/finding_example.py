"""Realistic findings for the page's tests: five schools, twenty-four, one from production; audits good and bad."""

import hashlib
import math
from fractions import Fraction
from typing import Any

from tests.unit.experiments import audit_example

SCHOOLS = (
    ("alfa", "Alfa-college"),
    ("deltion", "Deltion College"),
    ("frieslandcollege", "Firda Friesland"),
    ("roctop", "ROC TOP Amsterdam"),
    ("summa", "Summa College"),
)
COHORTS = (2022, 2023)
DELTA_STEPS = 1 << 20
LABELS = (
    (
        "absence_unauthorised",
        "Ongeoorloofd verzuim tot en met week 10",
        "Unauthorised absence through week 10",
        2.41,
    ),
    (
        "absence_authorised",
        "Geoorloofd verzuim tot en met week 10",
        "Authorised absence through week 10",
        1.52,
    ),
    ("level_2", "Niveau 2", "Level 2", 1.44),
    ("prior_vmbo_bb", "Vooropleiding vmbo-bb", "Prior education vmbo-bb", 1.31),
    ("age_at_start", "Leeftijd bij de start", "Age at the start", 1.22),
    ("applications", "Aantal aanmeldingen", "Number of applications", 1.17),
    ("switched_before", "Eerder van opleiding gewisseld", "Changed programme before", 1.14),
    ("apcg", "Woont in een apc-gebied", "Lives in an apcg area", 1.11),
    ("level_4", "Niveau 4", "Level 4", 0.74),
    ("prior_havo", "Vooropleiding havo", "Prior education havo", 0.79),
    ("applied_before_april", "Aangemeld voor 1 april", "Applied before 1 April", 0.69),
    ("bbl", "Leerweg bbl", "Work-based route (bbl)", 0.83),
    ("sector_care", "Sector zorg en welzijn", "Care and welfare sector", 0.93),
    ("first_study", "Eerste mbo-opleiding", "First mbo programme", 0.96),
)


def code(*parts: object) -> str:
    """Return 64 hexadecimal characters that depend on `parts`."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def estimate(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": max(0.0, value - half), "high": value + half}


def step(number: int, query: str, dimension: int, rho: Fraction) -> dict[str, Any]:
    variance = Fraction(DELTA_STEPS**2) / (2 * rho)
    return {
        "step": number,
        "attempt": 0,
        "query": query,
        "dimension": dimension,
        "clip_norm": "3/2",
        "delta_steps": DELTA_STEPS,
        "variance": str(variance),
        "rho": str(rho),
    }


def _steps() -> list[dict[str, Any]]:
    rho = Fraction(1, 42)
    steps = [step(1, "moments", 946, rho / 10)]
    steps += [step(2 + i, "logistic_gradient", 43, rho * 8 / 60) for i in range(6)]
    return [*steps, step(8, "score_table", 128, rho / 10)]


def _account(school: str, cohort: int, cap: Fraction, spent: Fraction) -> dict[str, Any]:
    return {
        "school": school,
        "population": "student",
        "cohort": cohort,
        "rho_spent": str(spent),
        "rho_cap": str(cap),
        "epsilon_zcdp": 0.987 if spent == Fraction(1, 42) else 1.21,
        "epsilon_pld": 0.921 if spent == Fraction(1, 42) else 1.13,
    }


def _privacy(schools: list[tuple[str, str]]) -> dict[str, Any]:
    caps = [Fraction(1, 16), Fraction(1, 10), Fraction(1, 28), Fraction(1, 8), Fraction(1, 20)]
    accounts = []
    for place, (school, _) in enumerate(schools):
        for cohort in COHORTS:
            earlier = Fraction(1, 100) if place == 3 and cohort == 2022 and len(schools) == 5 else 0
            accounts.append(_account(school, cohort, caps[place % 5], Fraction(1, 42) + earlier))
    return {
        "unit": {
            "nl": "één student bij één school, met al zijn of haar gegevens (toevoegen of weglaten)",
            "en": "one student at one school, with all of their data (added or left out)",
        },
        "epsilon": 1.0,
        "delta": "1/1000000",
        "rho_plan": "1/42",
        "roster": len(schools),
        "collusion_threshold": 1,
        "steps": _steps(),
        "accounts": accounts,
        "two_schools": {"epsilon_zcdp": 2.08},
        "exchanges": 9,
        "attempts": 9,
    }


def _evidence(schools: list[tuple[str, str]]) -> dict[str, Any]:
    signed = 1_795_000_000
    return {
        "definition_hash": code("definition"),
        "charter_hash": code("charter"),
        "run": code("run"),
        "approvals": [
            {
                "school": school,
                "serial": 3 + i,
                "expires": signed + 30 * 86400,
                "signed_at": signed + 3600 * i,
            }
            for i, (school, _) in enumerate(schools)
        ],
        "receipts": [
            {
                "school": school,
                "step": number,
                "attempt": 0,
                "context": code("context", number),
                "payload": code("payload", number, school),
                "head": code("head", number, school),
            }
            for number in range(1, 9)
            for school, _ in schools
        ],
        "heads": [{"school": s, "seq": 41 + i, "head": code("head", s)} for i, (s, _) in enumerate(schools)],
        "reviews": [
            {"reviewer": "Marieke de Boer", "school": schools[0][0], "signed_at": "2026-11-23T09:12:00Z"},
            {"reviewer": "Youssef El Amrani", "school": schools[1][0], "signed_at": "2026-11-23T14:40:00Z"},
        ],
        "submitter": "Anna Visser (Summa College)",
    }


def _evaluation() -> dict[str, Any]:
    rows = [(0.05, 0.61, 0.17), (0.1, 0.52, 0.29), (0.2, 0.42, 0.47), (0.3, 0.35, 0.58), (0.5, 0.28, 0.78)]
    chances = [0.03, 0.08, 0.13, 0.19, 0.27, 0.36, 0.46, 0.58, 0.71]
    return {
        "auc": estimate(0.8204, 0.0121),
        "brier": estimate(0.1162, 0.004),
        "at_k": [
            {
                "k": k,
                "precision": estimate(precision, 0.016 / math.sqrt(k)),
                "recall": estimate(recall, 0.02 + 0.02 * recall),
                "lift": estimate(precision / 0.18, 0.09 / math.sqrt(k)),
            }
            for k, precision, recall in rows
        ],
        "calibration": [
            {
                "predicted": chance,
                "observed": estimate(chance * 1.04 - 0.01 * (i % 3), 0.012 + 0.06 * chance),
                "students": 1200 - 125 * i,
                "suppressed": False,
            }
            for i, chance in enumerate(chances)
        ]
        + [{"predicted": 0.86, "observed": None, "students": None, "suppressed": True}],
        "privacy_dominates": False,
    }


def _comparison(schools: list[tuple[str, str]]) -> dict[str, Any]:
    rows = []
    for i, (school, name) in enumerate(schools):
        joint = 0.795 + 0.012 * ((i * 7) % 5)
        own = joint - (0.042, 0.018, 0.061, -0.006, 0.03)[i % 5]
        rows.append({"id": school, "name": name, "students": 4000 - 35 * i, "local_auc": own, "federated_auc": joint})
    return {"pooled_auc": 0.8269, "federated_auc": 0.8204, "schools": rows}


def _weights() -> list[dict[str, Any]]:
    return [
        {
            "feature": feature,
            "label": {"nl": nl, "en": en},
            "group": feature.split("_")[0],
            "weight": math.log(odds),
            "odds_ratio": {"value": odds, "low": odds * 0.93, "high": odds * 1.075} if i % 7 else odds,
        }
        for i, (feature, nl, en, odds) in enumerate(LABELS)
    ]


def _words() -> dict[str, Any]:
    return {
        "title": {"nl": "Uitval in het eerste jaar van het mbo", "en": "Dropout in the first year of mbo"},
        "question": {
            "nl": "Kunnen we na tien weken zien welke studenten in het eerste jaar dreigen uit te vallen?",
            "en": "After ten weeks, can we see which students may drop out in their first year?",
        },
        "purpose": {
            "nl": "Mentoren en studieloopbaanbegeleiders helpen om studenten op tijd uit te nodigen.",
            "en": "Helping mentors and study-career coaches to invite students in time.",
        },
        "outcome": {
            "name": "dropout_year_1",
            "label": {"nl": "Uitval in het eerste jaar", "en": "First-year dropout"},
        },
        "limits": [
            {
                "nl": "Scholen leggen verzuim niet allemaal op dezelfde manier vast.",
                "en": "Schools do not all record absence in the same way.",
            },
            {
                "nl": "Getest op dezelfde cohorten. Voor een volgend jaar kan het minder goed werken.",
                "en": "The model was tested on the same cohorts. It may work less well for a next year.",
            },
        ],
    }


def _disclosure() -> dict[str, Any]:
    return {
        "passed": True,
        "rules": [
            {"rule": "threshold", "status": "redacted", "where": "score table"},
            {"rule": "group", "status": "pass", "where": None},
            {"rule": "rounding", "status": "pass", "where": "score table"},
            {"rule": "rate", "status": "pass", "where": "precision at 0.1"},
        ],
    }


def finding(schools: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    """Return a rehearsal's finding of five schools, with 40 receipts."""
    schools = list(SCHOOLS) if schools is None else schools
    return {
        "schema_version": 1,
        "kind": "finding",
        "rehearsal": True,
        "created": "2026-11-22T02:30:00Z",
        "coalition": "Datacoalitie MBO",
        "experiment": "uitval-jaar-1",
        "cutoff_week": 10,
        **_words(),
        "population": {
            "cohorts": list(COHORTS),
            "schools": [{"id": school, "name": name} for school, name in schools],
            "students": estimate(4000.0 * len(schools), 28),
            "held_out": estimate(1000.0 * len(schools), 22),
            "base_rate": estimate(0.181, 0.005),
        },
        "model": {"method": "two-stage private logistic regression", "weights": _weights()},
        "evaluation": _evaluation(),
        "comparison": _comparison(schools),
        "privacy": _privacy(schools),
        "audit": audit_example.audit(),
        "evidence": _evidence(schools),
        "disclosure": _disclosure(),
    }


def finding_of_many() -> dict[str, Any]:
    """Return a finding of 24 schools, some with long names."""
    names = [
        "ROC van Amsterdam-Flevoland",
        "Regio College",
        "Landstede MBO",
        "Noorderpoort",
        "Graafschap College",
    ]
    schools = [(f"school-{i:02d}", f"{names[i % 5]} {i + 1}") for i in range(24)]
    return finding(schools) | {"audit": audit_example.small_audit()}


def finding_of_production() -> dict[str, Any]:
    """Return a finding on real students: no comparison, noise larger than the sample's chance."""
    made = finding()
    made |= {"rehearsal": False, "comparison": None}
    made["evaluation"] |= {"privacy_dominates": True, "auc": estimate(0.73, 0.04)}
    return made


def finding_before_audits() -> dict[str, Any]:
    """Return a finding as it was published before mechanisms were audited: without that key."""
    return {key: value for key, value in finding().items() if key != "audit"}


def finding_with_broken_audit() -> dict[str, Any]:
    """Return a finding whose mechanism gave away more than it promised."""
    return finding() | {"audit": audit_example.broken_audit()}


def finding_with_weak_audit() -> dict[str, Any]:
    """Return a finding whose audit was too small to say anything."""
    return finding() | {"audit": audit_example.weak_audit()}
