"""A synthetic school arrives; its lines in DUO's open data leave: students on 1 October by programme, level, track.

Warts of the original: cp1252, names in capitals, and no number from 1 to 4: in the first year they are published as -1,
in the second as 4, as DUO has done both.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from experiments.synthetic.background import COHORTS
from experiments.synthetic.programmes import CATALOGUE, Programme
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_lines

DIALECT = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
HEADER = ("PEILDATUM", "BRIN NUMMER", "INSTELLINGSNAAM", "SECTORKAMER", "OPLEIDINGSCODE", "OPLEIDINGSNAAM", "NIVEAU")
SECTORKAMERS = {
    "techniek": "Techniek en gebouwde omgeving",
    "zorg_welzijn": "Zorg, welzijn en sport",
    "economie": "Handel",
    "landbouw": "Voedsel, groen en gastvrijheid",
    "dsv": "Zakelijke dienstverlening en veiligheid",
    "anders": "Specialistisch vakmanschap",
}
FEWEST = 5
UNSAID = dict(zip(COHORTS, ("-1", "4"), strict=True))


def write(school: SyntheticSchool, folder: Path) -> None:
    """Write `duo_mbo_studenten.csv` into an existing folder."""
    rows = [[*HEADER, "LEERWEG", "AANTAL", "INDICATIEAVG"]]
    for year in COHORTS:
        for (number, track), count in sorted(students_on_october(school, year).items()):
            programme = CATALOGUE[number]
            shown = UNSAID[year] if count < FEWEST else str(count)
            own = (programme.crebo, programme.name, f"MBO-{programme.niveau}", track)
            few = "J" if count < FEWEST else "N"
            rows.append([f"01-10-{year}", school.brin, school.name, sectorkamer_of(programme), *own, shown, few])
    write_lines(folder / "duo_mbo_studenten.csv", rows, DIALECT)


def students_on_october(school: SyntheticSchool, year: int) -> Counter[tuple[int, str]]:
    """Count enrolments that hold on 1 October of a year: (row of CATALOGUE, track) -> students."""
    rows, day = school.enrolments, np.datetime64(f"{year}-10-01")
    there = (rows["start_date"] <= day) & (np.isnat(rows["end_date"]) | (rows["end_date"] >= day))
    pairs = zip(rows["programme"][there].tolist(), rows["leertraject"][there].tolist(), strict=True)
    return Counter((int(number), str(track)) for number, track in pairs)


def sectorkamer_of(programme: Programme) -> str:
    """Return the sector chamber under which DUO publishes a programme."""
    return "Entree" if programme.niveau == 1 else SECTORKAMERS[programme.sector]
