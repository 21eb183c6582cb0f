"""A synthetic school arrives; results of the JOB monitor, the staff survey and the work-placement monitor leave.

Warts of the originals: a column per question and cp1252 (JOB), a row per question (staff), days as yyyymmdd (BPV),
decimal commas and means that are left out below five answers (per team), 9 for "does not apply", and open answers
in which people name themselves.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.background import Columns
from experiments.synthetic.calibration import Floats
from experiments.synthetic.identifiers import identifiers
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.surveys import (
    BPV_DATE,
    JOB_DATE,
    STAFF_DATE,
    Answers,
    bpv_monitor,
    job_monitor,
    per_team,
    staff_survey,
)
from experiments.synthetic.writers.export_file import Dialect, write_csv, write_lines

JOB = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
STAFF = Dialect("|", "cp1252", ",", "dd-mm-yyyy")
BPV = Dialect(",", "utf-8-sig", ".", "yyyymmdd")
TEAMS = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
FIRST_STAFF_NUMBER = 100_001  # out of the same range as students' numbers: some are both


def write_job(school: SyntheticSchool, folder: Path) -> None:
    """Write `job_monitor.csv`: a row per student, a column per question."""
    given = job_monitor(school)
    open_answers = np.char.add("Café ", identifiers(school).first_name[given.who])
    columns = _wide(school, given, JOB_DATE) | {"toelichting": open_answers}
    write_csv(folder / "job_monitor.csv", columns, JOB)


def write_bpv(school: SyntheticSchool, folder: Path) -> None:
    """Write `bpv_monitor.csv`: a row per student, a column per question."""
    given = bpv_monitor(school)
    columns = _wide(school, given, BPV_DATE) | {"opmerking": identifiers(school).last_name[given.who]}
    write_csv(folder / "bpv_monitor.csv", columns, BPV)


def write_staff(school: SyntheticSchool, folder: Path) -> None:
    """Write `medewerkersonderzoek.csv`: a row per member of staff and question, only where there is an answer."""
    given = staff_survey(school)
    who, question = np.nonzero(~np.isnan(given.answers))
    number = staff_numbers(school)[given.who[who]]
    columns = {
        "medewerkernummer": number,
        "e-mail": np.array([f"{one}@medewerker.{school.id}.example" for one in number.tolist()]),
        "onderzoek": np.array(["MWO"] * len(who)),
        "team": given.team[who],
        "peildatum": np.full(len(who), STAFF_DATE),
        "vraag": np.array(given.questions)[question],
        "score": given.answers[who, question],
        "opmerking": np.array(["Werkdruk is een zorg, één op één besproken"] * len(who)),
    }
    write_csv(folder / "medewerkersonderzoek.csv", columns, STAFF)


def write_teams(school: SyntheticSchool, folder: Path) -> None:
    """Write `team_enquetes.csv`: mean and number of answers per team and question, of all three surveys."""
    lines = [["team", "onderzoek", "vraag", "peildatum", "gemiddelde", "aantal"]]
    surveys = (("JOB", job_monitor, JOB_DATE), ("MWO", staff_survey, STAFF_DATE), ("BPV", bpv_monitor, BPV_DATE))
    for survey, answered, date in surveys:
        day = "-".join(reversed(str(date).split("-")))
        for team, question, mean, count in per_team(answered(school)):
            shown = "-" if np.isnan(mean) else f"{mean:.2f}".replace(".", ",")
            lines.append([team, survey, question, day, shown, "<5" if np.isnan(mean) else str(count)])
    write_lines(folder / "team_enquetes.csv", lines, TEAMS)


def staff_numbers(school: SyntheticSchool) -> NDArray[np.int64]:
    """Return the number of each member of staff; some are also the number of a student, who is somebody else."""
    return FIRST_STAFF_NUMBER + np.arange(len(staff_survey(school).who))


def _wide(school: SyntheticSchool, given: Answers, day: np.datetime64) -> Columns:
    return {
        "studentnummer": school.students["number"][given.who],
        "afnamedatum": np.full(len(given.who), day),
        "team": given.team,
        **{name: _scores(given.answers[:, number]) for number, name in enumerate(given.questions)},
    }


def _scores(answers: Floats) -> NDArray[np.str_]:
    """Whole numbers, and 9 for "does not apply"."""
    return np.array(["9" if answer != answer else str(int(answer)) for answer in answers.tolist()])
