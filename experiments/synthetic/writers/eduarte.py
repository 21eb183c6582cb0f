"""A synthetic school arrives; an EduArte-like export leaves: CSVs of enrolments, diplomas, applications, programmes.

Warts of the original: UTF-8 with a byte order mark, absence and marks per period of ten weeks only, no reason for
leaving, programmes under an internal number, and applications in a delivery of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.synthetic.attendance import PERIOD_WEEKS
from experiments.synthetic.background import Columns
from experiments.synthetic.identifiers import identifiers
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import (
    dropped_out,
    hours_between,
    of_programmes,
    on_first,
    programme_list,
    recoded,
)

DIALECT = Dialect(";", "utf-8-sig", ".", "yyyy-mm-dd")
INTERNAL_NUMBER = 7000  # BEROEPSOPLEIDINGID of the first programme


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write four `eduarte_*.csv` files into an existing folder."""
    enrolments = _enrolments(school) | _periods(school)
    write_csv(folder / "eduarte_deelnemers.csv", enrolments, DIALECT)
    write_csv(folder / "eduarte_diplomas.csv", _diplomas(school), DIALECT)
    write_csv(folder / "eduarte_aanmeldingen.csv", _applications(school), DIALECT)
    programmes = programme_list(("crebo", "naam", "sector"))
    programmes["BEROEPSOPLEIDINGID"] = INTERNAL_NUMBER + np.arange(len(CATALOGUE))
    write_csv(folder / "eduarte_opleidingen.csv", programmes, DIALECT)


def _enrolments(school: SyntheticSchool) -> Columns:
    rows, people = school.enrolments, school.students
    who = rows["student"].astype(int)
    marks = identifiers(school)
    return {
        "cohort": np.array([f"{year}-{year + 1}" for year in rows["cohort"].tolist()]),
        "deelnemernummer": people["number"][who],
        "roepnaam": marks.first_name[who],
        "achternaam": marks.last_name[who],
        "bsn": marks.bsn[who],
        "volgnummer": rows["enrolment_id"],
        "begindatum": rows["start_date"],
        "einddatum": rows["end_date"],
        "leeftijd": rows["age_at_start"],
        "geslacht": recoded(people["geslacht"][who], {"M": "Man", "V": "Vrouw", "O": "Onbekend"}),
        "leerweg": rows["leertraject"],
        "crebo": of_programmes("crebo", rows["programme"]),
        "naam": of_programmes("name", rows["programme"]),
        "niveau": np.array([f"Niveau {level}" for level in of_programmes("niveau", rows["programme"])]),
        "BEROEPSOPLEIDINGID": INTERNAL_NUMBER + rows["programme"],
        "team": rows["team"],
        "uitgevallen_eerste_jaar": dropped_out(school).astype(int),
    }


def _periods(school: SyntheticSchool) -> Columns:
    hours, columns = school.attendance, dict[str, np.ndarray]()
    for period, last in enumerate(PERIOD_WEEKS, start=1):
        without = hours_between(hours.unauthorised, last - 9, last)
        columns[f"verzuim_ongeoorloofd_periode_{period}"] = on_first(school, without)
        with_leave = hours_between(hours.authorised, last - 9, last)
        columns[f"verzuim_geoorloofd_periode_{period}"] = on_first(school, with_leave)
        columns[f"cijfer_periode_{period}"] = on_first(school, hours.grades[:, period - 1])
    return columns


def _diplomas(school: SyntheticSchool) -> Columns:
    rows = school.diplomas
    return {
        "deelnemernummer": school.students["number"][rows["student"]],
        "volgnummer": rows["enrolment_id"],
        "crebo": of_programmes("crebo", rows["programme"]),
        "niveau": np.array([f"Niveau {level}" for level in rows["niveau"]]),
        "datum_diploma": rows["date"],
    }


def _applications(school: SyntheticSchool) -> Columns:
    """One row per enrolment, as the intake department keeps it."""
    rows, people = school.enrolments, school.students
    who = rows["student"].astype(int)
    return {
        "deelnemernummer": people["number"][who],
        "volgnummer": rows["enrolment_id"],
        "e_mail": identifiers(school).email[who],
        "vooropleiding": recoded(people["vooropleiding"][who], {"nan": "onbekend"}),
        "postcodecijfers": recoded(people["postcode4"][who], {"0": ""}),
        "eerste_studie": rows["first_study"],
        "aantal_aanmeldingen": rows["applications"],
        "voor_1_april": rows["applied_before_april"],
    }
