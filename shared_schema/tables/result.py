"""Nothing arrives; the declaration of table `result` leaves."""

from __future__ import annotations

from shared_schema.codes import RESULT_KIND
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class Result(
    Declared,
    title=Text("Resultaat", "Result"),
    nl="""Eén rij per beoordeling: een toets, een opdracht, een examen of het gemiddelde van een periode. De week
    telt vanaf de eerste lesweek; staat zij er niet, dan volgt zij uit de datum en de start van de student.""",
    key=(),
    order=("week", "date", "course", "kind", "score", "score_max"),
    aliases=(("MORA", "Examendossier"), ("OEAPI", "Result"), ("DUO", "GEO")),
):
    """One row per assessment: a test, an assignment, an examination or the average of a period.

    The week counts from the first teaching week; where it is absent it follows from the date and the student's
    start.
    """

    student = student_column()
    date = Column(Type.DATE, Text("Dag van het resultaat.", "Day of the result."), aliases=(("DUO", "DatumResultaat"),))
    week = Column(
        Type.INTEGER,
        Text("Lesweek van het resultaat.", "Teaching week of the result."),
        bounds=bounds(0, 52),
        unit="week",
    )
    course = Column(Type.TEXT, Text("Vak of onderdeel.", "Course or part."))
    kind = Column(Type.CODE, Text("Soort resultaat.", "Kind of result."), codes=RESULT_KIND)
    score = Column(
        Type.DECIMAL,
        Text("Behaalde score of cijfer.", "Score or mark obtained."),
        bounds=bounds(0, 1000),
        unit="punten",
        aliases=(("DUO", "Eindcijfer"),),
    )
    score_max = Column(
        Type.DECIMAL,
        Text(
            "Hoogst haalbare score; leeg betekent het cijfer 10.",
            "Highest possible score; empty means the Dutch mark of 10.",
        ),
        bounds=bounds(1, 1000),
        unit="punten",
    )
