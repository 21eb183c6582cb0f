"""Nothing arrives; the declaration of table `estimate` leaves."""

from __future__ import annotations

from shared_schema.codes import ESTIMATE_SUBJECT, JUDGEMENT
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class Estimate(
    Declared,
    title=Text("Inschatting van de docent", "Teacher's estimate"),
    nl="""Eén rij per moment waarop een docent of team over een student oordeelt: het onderwerp, het oordeel, en zo
    mogelijk de geschatte kans dat de student stopt.""",
    key=("student", "school_year", "week", "period", "subject"),
    order=("school_year", "week", "period", "subject"),
):
    """One row per moment at which a teacher or team judges a student, with the chance of leaving if given."""

    student = student_column()
    school_year = Column(
        Type.INTEGER,
        Text(
            "Schooljaar van het oordeel; leeg is het eerste schooljaar van de student.",
            "School year of the judgement; empty is the student's first.",
        ),
        bounds=bounds(1990, 2100),
        unit="jaar",
    )
    week = Column(Type.INTEGER, Text("Lesweek van het oordeel.", "Teaching week."), bounds=bounds(0, 52), unit="week")
    period = Column(Type.INTEGER, Text("Onderwijsperiode.", "Teaching period."), bounds=bounds(1, 16), unit="periode")
    subject = Column(
        Type.CODE,
        Text("Waarover het oordeel gaat.", "What is judged."),
        nullable=False,
        codes=ESTIMATE_SUBJECT,
    )
    judgement = Column(Type.CODE, Text("Oordeel.", "Judgement."), codes=JUDGEMENT, sensitive=True)
    chance = Column(
        Type.DECIMAL,
        Text("Geschatte kans op uitval, van 0 tot 1.", "Estimated chance of dropout, from 0 to 1."),
        bounds=bounds(0, 1),
        sensitive=True,
    )
