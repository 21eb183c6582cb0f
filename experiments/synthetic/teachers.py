"""A synthetic school arrives; what its teachers wrote down about its students leaves, as a table and as a file.

A teacher sees part of what makes a student leave, and something that no register knows. One student in eight is never
judged: the invitation list has to do without.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.attendance import LAST_WEEK
from experiments.synthetic.background import Columns
from experiments.synthetic.calibration import Floats, logistic
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers.export_file import Dialect, write_csv

FILE = "inschattingen.csv"
DIALECT = Dialect(";", "utf-8", ",", "dd-mm-yyyy")
OVERALL_WEEKS = (3, 6, 10, 20, 30, 40)
SUBJECT_WEEKS = (10, 20, 30, 40)
SUBJECTS = ("houding", "bpv", "aanwezigheid", "resultaten")
SHARE_JUDGED, SEEN, BLUR = 0.88, 0.75, 0.9
DOUBT, WORRY = 0.25, 0.45


def write(school: SyntheticSchool, numbers: NDArray[np.str_], folder: Path, seed: int) -> None:
    """Write `inschattingen.csv` into an existing folder; `numbers`: what the other exports call each student [n]."""
    rows = judgements(school, seed)
    columns = {
        "Studentnummer": numbers[rows["student"].astype(int)],
        "Lesweek": rows["week"],
        "Onderwerp": rows["subject"],
    }
    write_csv(folder / FILE, columns | {"Oordeel": rows["judgement"], "Kans": rows["chance"]}, DIALECT)


def judgements(school: SyntheticSchool, seed: int) -> Columns:
    """Rows of judgements: student, week, subject, judgement, and for `totaal` a chance in whole percents of ten.

    A week that was not taught yet, by the school's own register of lessons, has no judgement.
    """
    rng = np.random.default_rng([seed, 4242])
    judged = rng.random(school.size) < SHARE_JUDGED
    chance = np.clip(school.chance, 0.01, 0.99)
    insight = SEEN * np.log(chance / (1.0 - chance)) + rng.normal(0.0, BLUR, school.size)
    parts = [_overall(rng, insight, judged & _taught(school, week), week) for week in OVERALL_WEEKS]
    for week in SUBJECT_WEEKS:
        parts += [_subject(rng, insight, judged & _taught(school, week), week, name) for name in SUBJECTS]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((rows["subject"], rows["week"], rows["student"]))
    return {name: values[order] for name, values in rows.items()}


def _taught(school: SyntheticSchool, week: int) -> NDArray[np.bool_]:
    taught: NDArray[np.bool_] = ~np.isnan(school.attendance.scheduled[:, LAST_WEEK.index(week)])
    return taught


def _overall(rng: np.random.Generator, insight: Floats, judged: NDArray[np.bool_], week: int) -> Columns:
    """The later in the year, the less blurred."""
    chance = logistic(insight + rng.normal(0.0, 2.0 / np.sqrt(week), len(insight)))
    return _rows(np.round(chance, 1), judged, week, "totaal", chance)


def _subject(rng: np.random.Generator, insight: Floats, judged: NDArray[np.bool_], week: int, subject: str) -> Columns:
    chance = logistic(insight + rng.normal(0.0, 1.2, len(insight)))
    return _rows(np.full(len(insight), np.nan), judged, week, subject, chance)


def _rows(shown: Floats, judged: NDArray[np.bool_], week: int, subject: str, concern: Floats) -> Columns:
    who = np.flatnonzero(judged)
    words = np.select([concern < DOUBT, concern < WORRY], ["voldoende", "twijfel"], default="onvoldoende")
    return {
        "student": who,
        "week": np.full(len(who), week),
        "subject": np.full(len(who), subject),
        "judgement": words[who],
        "chance": shown[who],
    }
