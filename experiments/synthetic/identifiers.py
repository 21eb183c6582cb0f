"""A synthetic school arrives; the direct identifiers that its real system would also export leave.

They are planted so that intake has something to drop and a test has something to look for afterwards. None can
belong to anyone: numbers fail DUO's check, mail domains end in `.example`, streets and names are drawn from lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.sector import SyntheticSchool

_FIRST = ("Ysbrandus", "Femkelien", "Douwina", "Jelmerik", "Aukjedien", "Rikkertje", "Sjoukeline", "Thijmenard")
_LAST = (
    "Van Zonderweghe",
    "Kraaijenstelt",
    "De Wolkenaer",
    "Botergoud",
    "Zilverslootema",
    "Pannekoeckx",
    "Ten Uylenrode",
)
_STREETS = ("Verzonnenlaan", "Nergenswegje", "Bedachtsingel", "Fantasiekade")
_ELEVEN_PROOF = np.array([9, 8, 7, 6, 5, 4, 3, 2, -1])


@dataclass(frozen=True)
class Identifiers:
    """One text per row of `school.students`, each array [n].

    bsn: nine digits, empty for about 1 % (who then have an onderwijsnummer); onderwijsnummer: nine digits or empty;
    pseudo_number: nine digits, by which DUO knows a student where it writes no BSN.
    """

    first_name: NDArray[np.str_]
    last_name: NDArray[np.str_]
    email: NDArray[np.str_]
    address: NDArray[np.str_]
    bsn: NDArray[np.str_]
    onderwijsnummer: NDArray[np.str_]
    pseudo_number: NDArray[np.str_]


def identifiers(school: SyntheticSchool) -> Identifiers:
    """Return the planted identifiers of a school, the same at every call."""
    number = school.students["number"].astype(np.int64)
    nine_digits = _no_real_bsn(900_000_000 + (number * 7_919) % 99_999_989)
    without_bsn = number % 97 == 0
    first = np.array(_FIRST)[number % len(_FIRST)]
    last = np.array(_LAST)[number // 8 % len(_LAST)]
    return Identifiers(
        first_name=first,
        last_name=last,
        email=np.array([f"{n}@leerling.{school.id}.example" for n in number]),
        address=np.array([f"{_STREETS[n % len(_STREETS)]} {1 + n % 240}" for n in number]),
        bsn=np.where(without_bsn, "", nine_digits),
        onderwijsnummer=np.where(without_bsn, nine_digits, ""),
        pseudo_number=_no_real_bsn(300_000_000 + (number * 6_133) % 99_999_989),
    )


def bsn_or_onderwijsnummer(school: SyntheticSchool) -> NDArray[np.str_]:
    """Return per student the number that DUO knows them by [n]: the BSN, else the onderwijsnummer."""
    marks = identifiers(school)
    return np.where(marks.bsn == "", marks.onderwijsnummer, marks.bsn)


def pseudo_number(school: SyntheticSchool) -> NDArray[np.str_]:
    """Return per student the number that DUO gives instead of the BSN [n]."""
    return identifiers(school).pseudo_number


def planted(school: SyntheticSchool) -> frozenset[str]:
    """Return every planted text and student number of a school: none may be found in what a node keeps or sends."""
    marks = identifiers(school)
    names = (marks.first_name, marks.last_name, marks.email, marks.address)
    numbers = (marks.bsn, marks.onderwijsnummer, marks.pseudo_number, school.students["number"].astype(str))
    return frozenset(str(text) for array in (*names, *numbers) for text in np.unique(array)) - {""}


def _no_real_bsn(number: NDArray[np.int64]) -> NDArray[np.str_]:
    """Change the last digit of what would pass the eleven-proof of a burgerservicenummer."""
    digits = number[:, None] // 10 ** np.arange(8, -1, -1) % 10
    passes = (digits * _ELEVEN_PROOF).sum(axis=1) % 11 == 0
    last = digits[:, 8]
    return (number - last + np.where(passes, (last + 1) % 10, last)).astype(str)
