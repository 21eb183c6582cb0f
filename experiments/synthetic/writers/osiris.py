"""A synthetic school arrives; an Osiris-like export leaves: one CSV, a row per dossier.

Warts of the original: cp1252, decimal commas, dd-mm-yyyy, attendance as hours *present* through week 3, 6 and 10,
no difference between authorised and unauthorised absence, and a second row for who came back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.synthetic.background import Columns
from experiments.synthetic.identifiers import identifiers
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import (
    diploma_date,
    dropped_out,
    hours_between,
    of_programmes,
    on_first,
    recoded,
)

DIALECT = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
MEASURED = ((1, 3), (4, 6), (7, 10))  # first and last week of what each measurement adds


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `osiris_studenten.csv` into an existing folder."""
    write_csv(folder / "osiris_studenten.csv", _dossiers(school) | _presence(school), DIALECT)


def _dossiers(school: SyntheticSchool) -> Columns:
    rows, people = school.enrolments, school.students
    who = rows["student"].astype(int)
    marks = identifiers(school)
    diploma = diploma_date(school)
    return {
        "studentnummer": people["number"][who],
        "roepnaam": marks.first_name[who],
        "achternaam": marks.last_name[who],
        "e_mail": marks.email[who],
        "geslacht": recoded(people["geslacht"][who], {"O": "X"}),
        "postcodecijfers": recoded(people["postcode4"][who], {"0": ""}),
        "vooropleiding": recoded(people["vooropleiding"][who], {"nan": "", "VWOplus": "VWO", "other": "OVERIG"}),
        "lftijd_aanvang": rows["age_at_start"],
        "sopl_crebo": of_programmes("crebo", rows["programme"]),
        "dossier": rows["enrolment_id"],
        "leerweg": rows["leertraject"],
        "niveau": of_programmes("niveau", rows["programme"]),
        "sopl_cohort": rows["cohort"],
        "ingangsdatum": rows["start_date"],
        "afloopdatum": rows["end_date"],
        "team": rows["team"],
        "college": rows["college"],
        "eerste_mbo_opleiding": rows["first_study"],
        "aantal_aanmeldingen": rows["applications"],
        "aangemeld_voor_1_april": rows["applied_before_april"],
        "diploma": ~np.isnat(diploma),
        "diplomadatum": diploma,
        "uitval": ~np.isnat(rows["end_date"]) & np.isnat(diploma),
        "uitval_j1": dropped_out(school),
    }


def _presence(school: SyntheticSchool) -> Columns:
    """Hours on the timetable and hours present, each through week 3, 6 and 10; empty once nothing is added."""
    hours = school.attendance
    absent = hours.unauthorised + hours.authorised
    columns: Columns = {}
    scheduled, present = np.zeros(school.size), np.zeros(school.size)
    for first, last in MEASURED:
        added = hours_between(hours.scheduled, first, last)
        scheduled = scheduled + added
        present = present + added - hours_between(absent, first, last)
        columns[f"TOTAALROOSTER{last}"] = on_first(school, scheduled)
        columns[f"TOTAALAANW{last}"] = on_first(school, present)
        columns[f"AANW_PCT{last}"] = on_first(school, 100.0 * present / scheduled)
    return columns
