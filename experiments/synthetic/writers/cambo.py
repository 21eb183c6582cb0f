"""A synthetic school arrives; an export of central applications (CAMBO) leaves: a row per status of an application.

Warts of the original: a status that still holds ends on 3000-01-01; moments instead of days; made in Qlik, so that rows
stand in it twice, some with another moment of the same day; the BSN as a hash; people who never become a student.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.applications import applications, bsn_hashes, statuses
from experiments.synthetic.background import Columns
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv
from experiments.synthetic.writers.per_enrolment import of_programmes, recoded

DIALECT = Dialect(",", "utf-8-sig", ".", "yyyy-mm-dd")
STILL = np.datetime64("3000-01-01")
DOUBLED = 25  # every 25th row stands there twice


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `cambo_aanmeldingen.csv` into an existing folder."""
    rows = _rows(school)
    number = np.arange(len(rows["status"]))
    twice = np.sort(np.concatenate([number, number[::DOUBLED]]))
    moment = np.array([f"T{8 + row % 9:02d}:{row % 60:02d}:00" for row in range(len(twice))])
    doubled = {name: values[twice] for name, values in rows.items()}
    days = np.datetime_as_string(doubled["createdat"], unit="D")
    write_csv(folder / "cambo_aanmeldingen.csv", doubled | {"createdat": np.char.add(days, moment)}, DIALECT)


def _rows(school: SyntheticSchool) -> Columns:
    made = applications(school)
    held = statuses(made)
    of = held["application"].astype(np.int64)
    return {
        "createdat": made.created[of],
        "bsnhash": bsn_hashes(school, made.person)[of],
        "leeftijdscategorie": _age_band(made.age)[of],
        "postcodecijfers": recoded(made.postcode4[of], {"0": ""}),
        "instellingserkenningscode": np.array([school.brin] * len(of)),
        "opleidingcode": of_programmes("crebo", made.programme[of]),
        "leertrajectmbo": made.leertraject[of],
        "status": held["status"],
        "begindatum": held["start_date"],
        "einddatum": np.where(np.isnat(held["end_date"]), STILL, held["end_date"]),
        "schooljaar": np.array([f"{year}-{year + 1}" for year in made.cohort[of].tolist()]),
    }


def _age_band(age: NDArray[np.int64]) -> NDArray[np.str_]:
    bands = np.array(["t/m 17", "18-22", "23-26", "27 en ouder"])
    return bands[np.digitize(age, [18, 23, 27])]
