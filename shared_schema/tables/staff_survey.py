"""Nothing arrives; the declaration of table `staff_survey` leaves."""

from __future__ import annotations

from shared_schema.codes import STAFF_SURVEY
from shared_schema.columns import About, Column, Declared, Text, Type, bounds, staff_column


class StaffSurvey(
    Declared,
    title=Text("Enquête onder medewerkers", "Survey of staff"),
    nl="""Eén rij per medewerker en vraag, op een schaal van 1 tot 5. De eenheid is medewerker × jaar van de enquête.
    Open antwoorden komen er niet in. Een medewerker is nooit een student van het platform, ook niet wie op de eigen
    school studeert: het pseudoniem is een ander.""",
    about=About.STAFF,
    key=("staff", "survey", "date", "question"),
    order=("date", "survey", "question"),
):
    """One row per member of staff and question, on a scale of 1 to 5; the unit is member of staff × survey year.

    Free text is never here. A member of staff is never one of the platform's students, not even one who studies at
    the same school: the pseudonym is another.
    """

    staff = staff_column()
    survey = Column(Type.CODE, Text("Welke enquête.", "Which survey."), nullable=False, codes=STAFF_SURVEY)
    date = Column(Type.DATE, Text("Dag van afname.", "Day it was taken."))
    team = Column(Type.TEXT, Text("Team van de medewerker.", "Team of the member of staff."))
    question = Column(Type.TEXT, Text("Code van de vraag.", "Code of the question."), nullable=False)
    answer = Column(
        Type.DECIMAL,
        Text("Antwoord van 1 (slecht) tot 5 (goed).", "Answer from 1 (poor) to 5 (good)."),
        bounds=bounds(1, 5),
        sensitive=True,
        unit="schaalpunten",
    )
