"""A synthetic school arrives; one table in the layout of the Uitnodigingsregel, version 4, leaves.

Warts of the original: wide, one row per student, prior education and sector as columns of 0 and 1, no dates but
the first day, dropout as a flag whose definition stands nowhere, and nothing on who came back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.identifiers import identifiers
from experiments.synthetic.programmes import VOOROPLEIDINGEN
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import recoded

DIALECT = Dialect("\t", "utf-8", ".", "yyyy-mm-dd")
SECTOR_COLUMNS = {
    "Economie": "economie",
    "Techniek": "techniek",
    "Zorgenwelzijn": "zorg_welzijn",
    "DSV": "dsv",
    "Landbouw": "landbouw",
    "Anders": "anders",
}


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `uitnodigingsregel.csv` (tab between columns) into an existing folder."""
    columns = _background(school) | _flags(school) | _absence(school)
    write_csv(folder / "uitnodigingsregel.csv", columns, DIALECT)


def _background(school: SyntheticSchool) -> Columns:
    people = school.students
    return {
        "Studentnummer": people["number"],
        "Naam": identifiers(school).last_name,
        "Dropout": _dropout(school),
        "StudentGender": recoded(people["geslacht"], {"O": "X"}),
        "StudentAge": people["age_at_start"],
        "max1studie": people["first_study"].astype(int),
        "Aanmel_aantal": people["applications"],
        "AanmelderVoor1april": people["applied_before_april"].astype(int),
        "Crebocode": people["crebo"],
        "Niveau": people["niveau"],
        "Leerweg": people["leertraject"],
        "Datum_eerste_inschrijving_Nivbc": people["start_date"],
    }


def _dropout(school: SyntheticSchool) -> NDArray[np.str_]:
    """1 or 0, and nothing for who is still in the first year."""
    flags = school.dropout.astype(int).astype(str)
    return flags if school.known is None else np.where(school.known, flags, "")


def _flags(school: SyntheticSchool) -> Columns:
    people = school.students
    prior = {f"VooroplNiveau_{code}": (people["vooropleiding"] == code).astype(int) for code in VOOROPLEIDINGEN}
    sector = {column: (people["sector"] == code).astype(int) for column, code in SECTOR_COLUMNS.items()}
    return prior | sector | {"Richting_nan": np.zeros(school.size, dtype=int)}


def _absence(school: SyntheticSchool) -> Columns:
    hours = school.attendance
    tables = {"unap": hours.unauthorised, "ap": hours.authorised}
    return {
        f"Total_verzuimW{week}_{kind}": table[:, week - 1] for kind, table in tables.items() for week in range(1, 11)
    }
