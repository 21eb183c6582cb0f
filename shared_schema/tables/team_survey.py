"""Nothing arrives; the declaration of table `team_survey` leaves."""

from __future__ import annotations

from shared_schema.codes import SURVEY
from shared_schema.columns import About, Column, Declared, Text, Type, bounds


class TeamSurvey(
    Declared,
    title=Text("Uitslag van een enquête per team", "Survey results per team"),
    nl="""Eén rij per team, vraag en afname: het gemiddelde en hoeveel mensen antwoordden. Zo leveren JOB-monitor,
    medewerkersonderzoek en BPV-monitor hun uitslag. De tabel gaat over teams en niet over mensen: zij dient wat de
    school zelf bekijkt en komt nooit in een experiment.""",
    about=About.TEAM,
    key=("team", "survey", "date", "question"),
):
    """One row per team, question and survey date: the mean, and how many people answered.

    This is how JOB monitor, staff survey and work-placement monitor deliver their results. The table is about teams,
    not people: it serves what the school itself looks at and never enters an experiment.
    """

    team = Column(Type.TEXT, Text("Onderwijsteam.", "Teaching team."), nullable=False)
    survey = Column(Type.CODE, Text("Welke enquête.", "Which survey."), nullable=False, codes=SURVEY)
    date = Column(Type.DATE, Text("Dag of peildatum van afname.", "Day or reference day of the survey."))
    question = Column(Type.TEXT, Text("Code van de vraag.", "Code of the question."), nullable=False)
    mean = Column(
        Type.DECIMAL,
        Text("Gemiddeld antwoord, van 1 (slecht) tot 5 (goed).", "Mean answer, from 1 (poor) to 5 (good)."),
        bounds=bounds(1, 5),
        unit="schaalpunten",
    )
    respondents = Column(
        Type.INTEGER,
        Text("Hoeveel mensen de vraag beantwoordden.", "How many people answered the question."),
        bounds=bounds(0, 5000),
        unit="mensen",
    )
