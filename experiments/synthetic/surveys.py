"""A synthetic school arrives; what its students and its staff answered leaves, and each team's mean.

Answers go with the trait behind everything, motivation, and with the team. Drawn from the school itself, so the same
at every call. Nobody answers everything: an empty answer is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.calibration import Floats
from experiments.synthetic.sector import SyntheticSchool

JOB_QUESTIONS = ("JOB_lessen", "JOB_docenten", "JOB_begeleiding", "JOB_luisteren", "JOB_hulp", "JOB_sfeer")
BPV_QUESTIONS = ("BPV_voorbereiding", "BPV_begeleiding_school", "BPV_begeleiding_bedrijf", "BPV_geleerd")
STAFF_QUESTIONS = ("MWO_ontwikkeling", "MWO_samenwerking", "MWO_communicatie", "MWO_werkdruk")
JOB_DATE, BPV_DATE, STAFF_DATE = (np.datetime64(day) for day in ("2024-01-15", "2024-06-03", "2024-03-01"))
STAFF_PER_TEAM = 9
FEWEST = 5  # of fewer answers no mean is published


@dataclass(frozen=True)
class Answers:
    """Answers to one survey. who: [r] the respondent (a row of `students`, or a number of staff); team: [r] names;

    answers: float64 [r, q], 1.0 to 5.0 or NaN, one column per name in `questions`.
    """

    who: NDArray[np.int64]
    team: NDArray[np.str_]
    answers: Floats
    questions: tuple[str, ...]


def job_monitor(school: SyntheticSchool) -> Answers:
    """Return what three in five students answered in the JOB monitor."""
    return _of_students(school, JOB_QUESTIONS, 0.6, 1)


def bpv_monitor(school: SyntheticSchool) -> Answers:
    """Return what two in five students answered about their work placement."""
    return _of_students(school, BPV_QUESTIONS, 0.4, 2)


def staff_survey(school: SyntheticSchool) -> Answers:
    """Return what staff answered: nine people of each team."""
    teams = np.unique(school.enrolments["team"].astype(np.str_))
    team = np.repeat(teams, STAFF_PER_TEAM)
    rng = _generator(school, 3)
    level = np.repeat(rng.normal(0.0, 0.4, len(teams)), STAFF_PER_TEAM)
    return Answers(np.arange(len(team)), team, _answers(rng, level, len(STAFF_QUESTIONS)), STAFF_QUESTIONS)


def per_team(given: Answers) -> list[tuple[str, str, float, int]]:
    """Return (team, question, mean, people who answered) of every team and question; NaN below FEWEST answers."""
    rows = []
    for team in np.unique(given.team):
        answers = given.answers[given.team == team]
        counts = (~np.isnan(answers)).sum(axis=0)
        for question, column, count in zip(given.questions, answers.T, counts.tolist(), strict=True):
            rows.append((str(team), question, float(np.nanmean(column)) if count >= FEWEST else np.nan, count))
    return rows


def _of_students(school: SyntheticSchool, questions: tuple[str, ...], share: float, survey: int) -> Answers:
    rng = _generator(school, survey)
    who = np.flatnonzero(rng.random(school.size) < share)
    first = school.enrolments["enrolment_id"].astype(np.int64) == 1
    level = 0.4 * school.students["motivation"].astype(np.float64)[who]
    return Answers(who, school.enrolments["team"][first][who], _answers(rng, level, len(questions)), questions)


def _answers(rng: np.random.Generator, level: Floats, questions: int) -> Floats:
    drawn = 3.4 + level[:, None] + rng.normal(0.0, 0.9, size=(len(level), questions))
    answers = np.clip(np.round(drawn), 1.0, 5.0)
    return np.where(rng.random(answers.shape) < 0.03, np.nan, answers)


def _generator(school: SyntheticSchool, survey: int) -> np.random.Generator:
    return np.random.default_rng([30, survey, int(school.students["number"].astype(np.int64).sum())])
