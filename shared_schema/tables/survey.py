"""Nothing arrives; the declaration of table `survey` leaves."""

from __future__ import annotations

from shared_schema.codes import STUDENT_SURVEY
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class Survey(
    Declared,
    title=Text("Enquête onder studenten", "Survey of students"),
    nl="""Eén rij per student en vraag, op een schaal van 1 tot 5. Open antwoorden komen er niet in: vrije tekst
    is nooit een kenmerk. Wat medewerkers antwoorden staat in `staff_survey`, wat alleen per team bekend is in
    `team_survey`.""",
    key=("student", "survey", "date", "question"),
    order=("date", "survey", "question"),
):
    """One row per student and question, on a scale of 1 to 5. Free text is never a feature and never here.

    What staff answer is in `staff_survey`, what is known per team only in `team_survey`.
    """

    student = student_column()
    survey = Column(Type.CODE, Text("Welke enquête.", "Which survey."), nullable=False, codes=STUDENT_SURVEY)
    date = Column(Type.DATE, Text("Dag van afname.", "Day it was taken."))
    week = Column(Type.INTEGER, Text("Lesweek van afname.", "Teaching week."), bounds=bounds(0, 52), unit="week")
    question = Column(Type.TEXT, Text("Code van de vraag.", "Code of the question."), nullable=False)
    answer = Column(
        Type.DECIMAL,
        Text("Antwoord van 1 (slecht) tot 5 (goed).", "Answer from 1 (poor) to 5 (good)."),
        bounds=bounds(1, 5),
        sensitive=True,
        unit="schaalpunten",
    )
