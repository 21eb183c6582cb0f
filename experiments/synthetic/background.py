"""A school's character and a generator arrive; its students leave, as they are on their first day.

Everything here is drawn for each student separately, given the school's mix; one array of length n a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.programmes import CATALOGUE, SECTORS, VOOROPLEIDINGEN

Columns = dict[str, NDArray[Any]]

COHORTS = (2022, 2023)
# Prior education by niveau (rows: niveau 1-4; columns: VOOROPLEIDINGEN): who comes to which level.
_PRIOR = np.array(
    [
        [0.10, 0.02, 0.01, 0.01, 0.00, 0.00, 0.08, 0.22, 0.16, 0.28, 0.05, 0.07],
        [0.46, 0.14, 0.03, 0.03, 0.01, 0.00, 0.20, 0.02, 0.02, 0.01, 0.02, 0.06],
        [0.06, 0.40, 0.10, 0.14, 0.03, 0.00, 0.20, 0.00, 0.00, 0.00, 0.02, 0.05],
        [0.01, 0.10, 0.14, 0.36, 0.10, 0.03, 0.19, 0.00, 0.00, 0.00, 0.02, 0.05],
    ]
)
_NIVEAU_SHARE = np.array([0.06, 0.22, 0.25, 0.47])


@dataclass(frozen=True)
class Character:
    """What makes one school differ from the next; drawn once per school.

    dropout_rate: share of starters that leaves in year 1 without a diploma; programme_share:
    [len(CATALOGUE)], sums to 1; bbl_share, apcg_share: in [0, 1]; absence: factor on every absence, about 1;
    postcodes: [40].
    """

    dropout_rate: float
    programme_share: NDArray[np.float64]
    bbl_share: float
    apcg_share: float
    absence: float
    postcodes: NDArray[np.int64]


def character(rng: np.random.Generator, dropout_rate: float) -> Character:
    """Draw a school's character: which sectors it is strong in, how many BBL'ers, how absent they are."""
    niveau_share = rng.dirichlet(_NIVEAU_SHARE * 40)
    sector_share = rng.dirichlet(np.array([5.0, 4.5, 5.0, 1.0, 2.0, 1.0]))
    share = np.array(
        [
            niveau_share[programme.niveau - 1] * sector_share[SECTORS.index(programme.sector)] * rng.gamma(3.0)
            for programme in CATALOGUE
        ]
    )
    share[share < 0.02 * share.max()] = 0.0  # no school offers everything
    return Character(
        dropout_rate=dropout_rate,
        programme_share=share / share.sum(),
        bbl_share=float(rng.uniform(0.12, 0.35)),
        apcg_share=float(rng.uniform(0.02, 0.35)),
        absence=float(np.exp(rng.normal(0.0, 0.12))),
        postcodes=rng.integers(1000, 9999, size=40),
    )


def background(rng: np.random.Generator, school: Character, n: int) -> Columns:
    """Draw n students on their first day: programme, person and application; dates are datetime64[D]."""
    columns = _programme(rng, school, n)
    columns["vooropleiding"] = _prior_education(rng, columns["niveau"])
    columns["geslacht"] = _gender(rng, columns["sector"])
    columns["age_at_start"] = _age(rng, columns)
    columns |= _dates(rng, columns["age_at_start"], n)
    columns |= _home(rng, school, n)
    columns |= _application(rng, columns)
    return columns


def _programme(rng: np.random.Generator, school: Character, n: int) -> Columns:
    chosen = rng.choice(len(CATALOGUE), size=n, p=school.programme_share)
    niveau = np.array([programme.niveau for programme in CATALOGUE])[chosen]
    bbl = rng.random(n) < school.bbl_share * np.array([0.5, 1.3, 1.3, 0.7])[niveau - 1]
    return {
        "programme": chosen,
        "crebo": np.array([programme.crebo for programme in CATALOGUE])[chosen],
        "niveau": niveau,
        "sector": np.array([programme.sector for programme in CATALOGUE])[chosen],
        "leertraject": np.where(bbl, "BBL", "BOL"),
    }


def _prior_education(rng: np.random.Generator, niveau: NDArray[np.generic]) -> NDArray[np.str_]:
    cumulative = np.cumsum(_PRIOR / _PRIOR.sum(axis=1, keepdims=True), axis=1)[niveau.astype(int) - 1]
    position = (rng.random(len(niveau))[:, None] > cumulative).sum(axis=1)
    prior: NDArray[np.str_] = np.array(VOOROPLEIDINGEN)[np.minimum(position, len(VOOROPLEIDINGEN) - 1)]
    return prior


def _gender(rng: np.random.Generator, sector: NDArray[np.generic]) -> NDArray[np.str_]:
    share_of_women = [0.45, 0.10, 0.82, 0.60, 0.35, 0.65]
    women = np.select([sector == name for name in SECTORS], share_of_women, default=0.5)
    drawn = np.where(rng.random(len(sector)) < women, "V", "M")
    return np.where(rng.random(len(sector)) < 0.004, "O", drawn)


def _age(rng: np.random.Generator, columns: Columns) -> NDArray[np.int64]:
    """Most are 16 to 18; BBL'ers and those who come from mbo are older, with a long tail."""
    n = len(columns["niveau"])
    havo_or_more = np.isin(columns["vooropleiding"], ["HAVO", "VWOplus"])
    age = 16 + havo_or_more + rng.poisson(0.7, size=n)
    age = age + np.where(columns["vooropleiding"] == "MBO", 1 + rng.poisson(1.4, size=n), 0)
    late = rng.random(n) < np.where(columns["leertraject"] == "BBL", 0.35, 0.05)
    later = np.where(late, rng.gamma(1.3, 6.0, size=n).astype(np.int64), 0)
    years: NDArray[np.int64] = np.minimum(age + later, 62)
    return years


def _dates(rng: np.random.Generator, age: NDArray[np.generic], n: int) -> Columns:
    """Cohort, first day (August to early October) and the date of birth that makes the age exact."""
    cohort = rng.choice(np.array(COHORTS), size=n)
    first_of_august = (cohort - 1970).astype("datetime64[Y]") + np.timedelta64(7, "M")
    offset = rng.choice([0, 21, 28, 42, 63], p=[0.62, 0.16, 0.14, 0.05, 0.03], size=n)
    start = first_of_august.astype("datetime64[D]") + offset.astype("timedelta64[D]")
    # 365.25 days a year, kept well inside the year of age so that leap days never move a birthday.
    days = (age.astype(np.float64) * 365.25).astype(np.int64) + rng.integers(5, 358, size=n)
    return {"cohort": cohort, "start_date": start, "birth_date": start - days.astype("timedelta64[D]")}


def _home(rng: np.random.Generator, school: Character, n: int) -> Columns:
    """Postcode area, and whether it is one of accumulated poverty: a fact of the area, not of the student."""
    popularity = rng.dirichlet(np.full(len(school.postcodes), 1.5))
    poor_area = rng.random(len(school.postcodes)) < school.apcg_share
    chosen = rng.choice(len(school.postcodes), size=n, p=popularity)
    known = rng.random(n) > 0.015
    return {"postcode4": np.where(known, school.postcodes[chosen], 0), "apcg": poor_area[chosen]}


def _application(rng: np.random.Generator, columns: Columns) -> Columns:
    """Motivation is the trait behind everything and stands in no export; the rest CAMBO would show."""
    n = len(columns["niveau"])
    motivation = rng.normal(size=n)
    in_time = rng.random(n) < 1.0 / (1.0 + np.exp(-(1.1 + 0.5 * motivation - 0.4 * (columns["niveau"] == 1))))
    new_to_mbo = np.where(columns["vooropleiding"] == "MBO", 0.08, 0.88)
    return {
        "motivation": motivation,
        "applied_before_april": in_time,
        "applications": 1 + rng.poisson(np.exp(-0.5 - 0.25 * motivation)),
        "first_study": rng.random(n) < new_to_mbo,
    }
