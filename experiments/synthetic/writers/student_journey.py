"""A synthetic school arrives; a student-journey export leaves: a row per enrolment, and the list of programmes.

Warts of the original: made in Qlik, so that some rows stand in it twice; programmes by name, the code is in the list
that DUO publishes; no diplomas but a flag, no track, nothing about the person.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from experiments.synthetic.background import Columns
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import diploma_date, of_programmes

DIALECT = Dialect(";", "utf-8-sig", ",", "dd-mm-yyyy")
DOUBLED = 40  # every 40th row stands there twice
CLUSTERS = {"techniek": "Techniek & ICT", "landbouw": "Groen", "anders": "Creatief"}


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `studentreis.csv` and `crebo_names.csv` into an existing folder."""
    rows = np.arange(len(school.enrolments["student"]))
    twice = np.sort(np.concatenate([rows, rows[::DOUBLED]]))
    write_csv(folder / "studentreis.csv", {name: values[twice] for name, values in _rows(school).items()}, DIALECT)
    with (folder / "crebo_names.csv").open("w", encoding="utf-8", newline="") as file:
        names = csv.writer(file, lineterminator="\n")
        names.writerow(["Opleidingcode", "Opleidingsnaam"])
        names.writerows((programme.crebo, programme.name) for programme in CATALOGUE)


def _rows(school: SyntheticSchool) -> Columns:
    rows = school.enrolments
    sectors = of_programmes("sector", rows["programme"])
    return {
        "deelnemernummer": school.students["number"][rows["student"].astype(np.int64)],
        "begindatum": rows["start_date"],
        "einddatum": rows["end_date"],
        "volgnummer": rows["enrolment_id"],
        "niveau": of_programmes("niveau", rows["programme"]),
        "crebo_naam": of_programmes("name", rows["programme"]),
        "BC_code": np.array([f"BC{1 + number // 4:03d}" for number in rows["programme"].astype(np.int64)]),
        "Team": rows["team"],
        "College": rows["college"],
        "Cluster": np.array([CLUSTERS.get(str(sector), "Mens & Bedrijf") for sector in sectors]),
        "geslaagd": (~np.isnat(diploma_date(school))).astype(int),
    }
