"""Nothing arrives; the declaration of table `diploma` leaves."""

from __future__ import annotations

from shared_schema.codes import NIVEAU
from shared_schema.columns import Column, Declared, Text, Type, student_column


class Diploma(
    Declared,
    title=Text("Diploma", "Diploma"),
    nl="""Eén rij per behaald mbo-diploma van deze school, ook diploma's uit eerdere inschrijvingen: het
    diplomaresultaat kijkt vijf jaar terug.""",
    key=("student", "crebo", "date"),
    order=("date", "crebo"),
    aliases=(("DUO", "DIP"), ("MORA", "Waardedocument")),
):
    """One row per vocational diploma obtained at this school, those of earlier enrolments included.

    The diplomaresultaat looks back five years.
    """

    student = student_column()
    enrolment_id = Column(
        Type.TEXT,
        Text("Inschrijving waarbinnen het diploma is behaald.", "Enrolment in which it was obtained."),
        aliases=(("DUO", "Inschrijvingvolgnummer"),),
    )
    date = Column(Type.DATE, Text("Dag van het diploma.", "Day of the diploma."), aliases=(("DUO", "DatumResultaat"),))
    crebo = Column(
        Type.TEXT,
        Text("Opleidingscode van het diploma.", "Programme code of the diploma."),
        pattern="[0-9]{5}",
        aliases=(("DUO", "Opleidingcode"),),
    )
    niveau = Column(Type.INTEGER, Text("Niveau van het diploma.", "Level of the diploma."), codes=NIVEAU)
    funded = Column(
        Type.BOOLEAN,
        Text("Telt mee voor de bekostiging.", "Counts for funding."),
        aliases=(("DUO", "IndicatieBekostigbaar"),),
    )
