"""A school's surveys arrive; how satisfied students, staff and companies are leaves, per team.

A person counts once, with the mean of that person's answers of the latest year in which the survey was held. A school
that has results per team only delivers those; then there is a mean and a number of people, and no interval.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.reading.words import Words
from shared_schema.facts import Facts, days, numbers, texts
from shared_schema.main_enrolment import main_on
from shared_schema.norms import SMALLEST_DENOMINATOR
from shared_schema.periods import column, spans

if TYPE_CHECKING:
    from node.local.school import School

TWO_SIDED_95 = 1.959963984540054
LOW, HIGH = 1.0, 5.0

SUBJECTS: Mapping[str, tuple[str, Words]] = MappingProxyType(
    {
        "JOB": ("JOB", Words("studenten (JOB-monitor)", "students (JOB monitor)")),
        "MTO": ("MTO", Words("medewerkers (MTO, MWO)", "staff (MTO, MWO)")),
        "BPV": ("BPV", Words("leerbedrijven en stage (BPV-monitor)", "companies and placement (BPV monitor)")),
    }
)
"""The three satisfactions of the card; MWO counts under MTO."""


@dataclass(frozen=True)
class Satisfaction:
    """A team's mean on a scale of 1 to 5, of `people` in `year`; with an interval where single answers are known."""

    subject: str
    group: str
    year: int
    people: int
    mean: float
    low: float | None
    high: float | None

    @property
    def shown(self) -> bool:
        """Twelve people or more: fewer could be recognised by their answers."""
        return self.people >= SMALLEST_DENOMINATOR


def satisfactions(school: School) -> tuple[Satisfaction, ...]:
    """Return every satisfaction per team and for the school as a whole (`group` empty), of its latest year."""
    people = pd.concat([_of_students(school), _of_staff(school)], ignore_index=True)
    known = _of_people(people)
    told = {(one.subject, one.year) for one in known}
    of_teams = [one for one in _of_teams(school) if (one.subject, one.year) not in told]
    latest = {subject: max(one.year for one in [*known, *of_teams] if one.subject == subject) for subject in SUBJECTS
              if any(one.subject == subject for one in [*known, *of_teams])}  # fmt: skip
    return tuple(one for one in [*known, *of_teams] if one.year == latest[one.subject])


def _of_students(school: School) -> pd.DataFrame:
    """Respondent, subject, year, team, answer of students; the team is that of the day, else of the last one before."""
    facts = school.facts
    if not facts.has("survey", "answer"):
        return _nobody()
    frame, positions = facts.rows("survey")
    date = days(frame["date"]) if "date" in frame else np.full(len(frame), np.nan)
    team = np.full(len(frame), "", dtype=object)
    for day in np.unique(date[np.isfinite(date)]):
        on = main_on(facts, np.full(len(facts.index), day)).text("enrolment", "team")
        on = np.where(on == "", _last_team(facts, day), on)
        team[date == day] = on[positions[date == day]]
    return _answers(frame, date, team, "student")


def _last_team(facts: Facts, day: float) -> npt.NDArray[np.object_]:
    """The team of each student's latest enrolment that had begun by a day; who left may still answer."""
    frame, positions = facts.ordered("enrolment")
    begun = spans(frame)[0] <= day
    out = np.full(len(facts.index), "", dtype=object)
    out[positions[begun]] = column(frame, "team")[begun]
    return out


def _of_staff(school: School) -> pd.DataFrame:
    frame = school.tables.get("staff_survey")
    if frame is None or "answer" not in frame:
        return _nobody()
    date = days(frame["date"]) if "date" in frame else np.full(len(frame), np.nan)
    team = texts(frame["team"]) if "team" in frame else np.full(len(frame), "", dtype=object)
    return _answers(frame, date, team, "staff")


def _nobody() -> pd.DataFrame:
    return pd.DataFrame({"who": [], "subject": [], "year": [], "team": [], "answer": []})


def _answers(frame: pd.DataFrame, date: np.ndarray, team: np.ndarray, unit: str) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "who": texts(frame[unit]),
            "subject": [_subject(survey) for survey in texts(frame["survey"])],
            "year": [_year(day) for day in date],
            "team": team,
            "answer": numbers(frame["answer"]),
        }
    )
    return rows.dropna(subset=["answer", "year"])


def _subject(survey: str) -> str:
    return "MTO" if survey == "MWO" else survey


def _year(day: float) -> float:
    if not np.isfinite(day):
        return np.nan
    return float((datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day))).year)


def _of_people(rows: pd.DataFrame) -> list[Satisfaction]:
    """One mean a person, then the mean over people: who answered more questions does not count for more."""
    if rows.empty:
        return []
    persons = rows.groupby(["subject", "year", "team", "who"], as_index=False)["answer"].mean()
    whole = persons.assign(team="").groupby(["subject", "year", "team", "who"], as_index=False)["answer"].mean()
    teams = persons[persons["team"] != ""]
    grouped = pd.concat([whole, teams]).groupby(["subject", "year", "team"])["answer"]
    return [_of_answers(str(subject), int(year), str(team), answers) for (subject, year, team), answers in grouped]


def _of_answers(subject: str, year: int, team: str, answers: pd.Series) -> Satisfaction:
    mean, people = float(answers.mean()), len(answers)
    reach = TWO_SIDED_95 * float(answers.std(ddof=1)) / people**0.5 if people > 1 else HIGH - LOW
    return Satisfaction(subject, team, year, people, mean, max(LOW, mean - reach), min(HIGH, mean + reach))


def _of_teams(school: School) -> list[Satisfaction]:
    """Results that come per team: questions weigh by how many answered them; people are those of the best answered."""
    frame = school.tables.get("team_survey")
    if frame is None or "mean" not in frame or "respondents" not in frame:
        return []
    rows = pd.DataFrame(
        {
            "subject": [_subject(survey) for survey in texts(frame["survey"])],
            "team": texts(frame["team"]),
            "year": [_year(day) for day in days(frame["date"])] if "date" in frame else np.nan,
            "people": numbers(frame["respondents"]),
            "mean": numbers(frame["mean"]),
        }
    ).dropna()
    rows = rows[rows["people"] > 0]
    found = []
    for (subject, year, team), part in rows.groupby(["subject", "year", "team"]):
        mean = float((part["mean"] * part["people"]).sum() / part["people"].sum())
        found.append(Satisfaction(str(subject), str(team), int(year), int(part["people"].max()), mean, None, None))
    return found
