"""A synthetic school arrives; an Excel workbook with a sheet per subject leaves.

Warts of the original: Dutch headers with spaces, ja/nee, words for codes, real dates, absence as two wide blocks of
ten weeks, and cells that are empty instead of zero.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import PERIOD_WEEKS
from experiments.synthetic.background import Columns
from experiments.synthetic.identifiers import identifiers
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.per_enrolment import of_programmes, recoded

GENDER = {"M": "man", "V": "vrouw", "O": "onbekend"}
PRIOR = {
    "VMBO_BB": "vmbo basis",
    "VMBO_KB": "vmbo kader",
    "VMBO_GL": "vmbo gemengd",
    "VMBO_TL": "vmbo theoretisch",
    "HAVO": "havo",
    "VWOplus": "vwo",
    "MBO": "mbo",
    "basis": "basisonderwijs",
    "prak": "praktijkonderwijs",
    "other": "anders",
    "nan": "",
}


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `studentgegevens.xlsx` into an existing folder."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheets = {
        "Deelnemers": _people(school),
        "Inschrijvingen": _enrolments(school),
        "Opleidingen": _programmes(school),
        "Verzuim": _absence(school),
        "Cijfers": _grades(school),
        "Diploma's": _diplomas(school),
    }
    for title, columns in sheets.items():
        rows = list(zip(*(_cells(values) for values in columns.values()), strict=True))
        sheet = book.create_sheet(title)
        # Excel writes a sheet's size at its top, openpyxl when streaming only if it is told; readers go faster by it.
        sheet.calculate_dimension = partial(_size, len(columns), 1 + len(rows))
        for row in (tuple(columns), *rows):
            sheet.append(row)
    book.save(folder / "studentgegevens.xlsx")


def _size(width: int, height: int) -> str:
    from openpyxl.utils import get_column_letter

    return f"A1:{get_column_letter(width)}{height}"


def _cells(values: NDArray[np.generic]) -> list[Any]:
    """Values as Excel keeps them: numbers, dates, words; None is an empty cell."""
    match values.dtype.kind:
        case "f":
            return [None if value != value else value for value in values.tolist()]  # NaN differs from itself
        case "b":
            return ["ja" if value else "nee" for value in values.tolist()]
        case "U":
            return [value or None for value in values.tolist()]
        case _:
            return list(values.tolist())  # dates become datetime.date, NaT becomes None


def _people(school: SyntheticSchool) -> Columns:
    people, marks = school.students, identifiers(school)
    return {
        "Leerlingnummer": people["number"],
        "Voornaam": marks.first_name,
        "Achternaam": marks.last_name,
        "BSN": marks.bsn,
        "Adres": marks.address,
        "E-mail": marks.email,
        "Geboortedatum": people["birth_date"],
        "Geslacht": recoded(people["geslacht"], GENDER),
        "Vooropleiding": recoded(people["vooropleiding"], PRIOR),
        "Postcode (cijfers)": recoded(people["postcode4"], {"0": ""}),
        "APCG": people["apcg"],
    }


def _enrolments(school: SyntheticSchool) -> Columns:
    rows = school.enrolments
    return {
        "Leerlingnummer": school.students["number"][rows["student"]],
        "Inschrijving": rows["enrolment_id"],
        "Schooljaar": np.array([f"{year}/{year + 1}" for year in rows["cohort"].tolist()]),
        "Datum inschrijving": rows["start_date"],
        "Geplande einddatum": rows["planned_end_date"],
        "Datum uitschrijving": rows["end_date"],
        "Reden uitschrijving": rows["reason"],
        "Eerste mbo-opleiding": rows["first_study"],
        "Aantal aanmeldingen": rows["applications"],
        "Aangemeld voor 1 april": rows["applied_before_april"],
        "Team": rows["team"],
        "College": rows["college"],
    }


def _programmes(school: SyntheticSchool) -> Columns:
    rows = school.programme_periods
    return {
        "Leerlingnummer": school.students["number"][rows["student"]],
        "Inschrijving": rows["enrolment_id"],
        "Vanaf": rows["start_date"],
        "Crebo": of_programmes("crebo", rows["programme"]),
        "Opleiding": of_programmes("name", rows["programme"]),
        "Niveau": of_programmes("niveau", rows["programme"]),
        "Leerweg": recoded(rows["leertraject"], {"BOL": "bol", "BBL": "bbl"}),
        "Sector": recoded(of_programmes("sector", rows["programme"]), {"zorg_welzijn": "zorg en welzijn"}),
    }


def _absence(school: SyntheticSchool) -> Columns:
    hours = school.attendance
    tables = {"ongeoorloofd": hours.unauthorised, "geoorloofd": hours.authorised}
    weeks = {f"Week {week} {name}": table[:, week - 1] for name, table in tables.items() for week in range(1, 11)}
    return {"Leerlingnummer": school.students["number"], **weeks}


def _grades(school: SyntheticSchool) -> Columns:
    grades = school.attendance.grades
    periods = {f"Gemiddelde periode {i + 1}": grades[:, i] for i in range(len(PERIOD_WEEKS))}
    return {"Leerlingnummer": school.students["number"], **periods}


def _diplomas(school: SyntheticSchool) -> Columns:
    rows = school.diplomas
    return {
        "Leerlingnummer": school.students["number"][rows["student"]],
        "Inschrijving": rows["enrolment_id"],
        "Diplomadatum": rows["date"],
        "Crebo": of_programmes("crebo", rows["programme"]),
        "Niveau": rows["niveau"],
    }
