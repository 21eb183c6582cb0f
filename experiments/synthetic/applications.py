"""A synthetic school arrives; everybody who applied to it leaves, with each status of each application.

Every student applied; one in four applicants never enrols. Drawn from the school itself, so the same at every call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.leaving import NOT_YET
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool

NEVER_ENROLLED = 0.25  # of all applicants
ROUTES = (
    ("SUBMITTED", "RECEIVED", "OFFERED", "ENROLLED"),
    ("SUBMITTED", "RECEIVED", "REJECTED"),
    ("SUBMITTED", "WITHDRAWN"),
    ("SUBMITTED", "RECEIVED"),
)
_ENROLS, _WITHDRAWS = 0, 2
_STEP_DAYS = (0, 3, 18, 40)  # days after the application on which the first, second, ... status begins


@dataclass(frozen=True)
class Applications:
    """One entry per application, arrays [m]. A person may have several, each for another programme.

    person: number of the applicant from 0; below the school's size it is the row of `students`; programme: row of
    CATALOGUE; route: row of ROUTES; created: day of application; the others are what the applicant filled in.
    """

    person: NDArray[np.int64]
    created: NDArray[np.datetime64]
    cohort: NDArray[np.int64]
    programme: NDArray[np.int64]
    leertraject: NDArray[np.str_]
    route: NDArray[np.int64]
    postcode4: NDArray[np.int64]
    age: NDArray[np.int64]


def applications(school: SyntheticSchool) -> Applications:
    """Return every application of a school: of its students in the order of `students`, then of the others."""
    rng = np.random.default_rng([20, int(school.students["number"].astype(np.int64).sum())])
    own, others = _of_students(rng, school), _of_others(rng, school)
    return Applications(**{name: np.concatenate([own[name], others[name]]) for name in own})


def _of_students(rng: np.random.Generator, school: SyntheticSchool) -> Columns:
    """The application that led to the first enrolment, and as many more as the student is known to have made."""
    people = school.students
    who = np.repeat(np.arange(school.size), people["applications"].astype(np.int64))
    order = np.arange(len(who)) - np.searchsorted(who, who)  # 0 for the application that led to the enrolment
    chosen = people["programme"].astype(np.int64)[who]
    deadline = _first_of_april(people["cohort"].astype(np.int64))
    early = deadline - rng.integers(0, 150, school.size).astype("timedelta64[D]")
    late = deadline + rng.integers(1, 100, school.size).astype("timedelta64[D]")
    created = np.where(people["applied_before_april"], early, late)[who]
    return {
        "person": who,
        "created": created + (5 * np.minimum(order, 4)).astype("timedelta64[D]"),
        "cohort": people["cohort"].astype(np.int64)[who],
        "programme": (chosen + order) % len(CATALOGUE),
        "leertraject": people["leertraject"][who],
        "route": np.where(order == 0, _ENROLS, _WITHDRAWS),
        "postcode4": people["postcode4"].astype(np.int64)[who],
        "age": people["age_at_start"].astype(np.int64)[who],
    }


def _of_others(rng: np.random.Generator, school: SyntheticSchool) -> Columns:
    """One application of each person who never enrols."""
    n = round(school.size * NEVER_ENROLLED / (1.0 - NEVER_ENROLLED))
    like = rng.integers(0, school.size, n)  # the same kind of people as the students
    people = school.students
    cohort = people["cohort"].astype(np.int64)[like]
    return {
        "person": school.size + np.arange(n),
        "created": _first_of_april(cohort) + rng.integers(-150, 100, n).astype("timedelta64[D]"),
        "cohort": cohort,
        "programme": people["programme"].astype(np.int64)[like],
        "leertraject": people["leertraject"][like],
        "route": rng.integers(1, len(ROUTES), n),
        "postcode4": people["postcode4"].astype(np.int64)[like],
        "age": people["age_at_start"].astype(np.int64)[like],
    }


def _first_of_april(year: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return np.array([f"{one}-04-01" for one in year.tolist()], dtype="datetime64[D]")


def bsn_hashes(school: SyntheticSchool, person: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return what CAMBO writes instead of a BSN for each applicant: hex digits, the same for the same person."""
    texts = (f"{school.id}/applicant/{number}".encode() for number in person.tolist())
    return np.array([hashlib.sha256(text).hexdigest()[:40] for text in texts])


def statuses(made: Applications) -> Columns:
    """Return one entry per status of an application: `application` (its row), status, first day, last day or NaT."""
    steps = np.array([len(route) for route in ROUTES])[made.route]
    which = np.repeat(np.arange(len(made.route)), steps)
    step = np.arange(len(which)) - np.searchsorted(which, which)
    offset = np.array(_STEP_DAYS).astype("timedelta64[D]")
    names = [ROUTES[route][number] for route, number in zip(made.route[which].tolist(), step.tolist(), strict=True)]
    following = np.minimum(step + 1, len(_STEP_DAYS) - 1)
    last = step + 1 == steps[which]
    return {
        "application": which,
        "status": np.array(names),
        "start_date": made.created[which] + offset[step],
        "end_date": np.where(last, NOT_YET, made.created[which] + offset[following]),
    }
