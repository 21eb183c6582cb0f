"""Nothing arrives; the declaration of table `enrolment_count` leaves."""

from __future__ import annotations

from shared_schema.codes import LEERTRAJECT, NIVEAU, SECTORKAMER
from shared_schema.columns import BRIN, About, Column, Declared, Text, Type, bounds, published_columns


class EnrolmentCount(
    Declared,
    title=Text("Gepubliceerd aantal studenten", "Published number of students"),
    nl="""Eén rij per getal dat DUO publiceert: studenten op 1 oktober per school, opleiding, sectorkamer, niveau en
    leertraject, voor zover de bron die noemt. DUO noemt aantallen van 1 tot en met 4 niet (zij staan er als -1, als 4
    of als <5): zo'n getal ligt tussen `students_low` en `students_high`, en bij alle andere zijn die twee gelijk.""",
    about=About.PUBLIC,
    key=("year", "brin", "crebo", "sectorkamer", "niveau", "leertraject", "source"),
):
    """One row per number that DUO publishes: students on 1 October per school, programme, sector chamber, level, track.

    Only as far as the source names them. DUO does not tell numbers from 1 to 4 (they stand there as -1, as 4 or as <5):
    such a number lies between `students_low` and `students_high`; for all others those two are the same.
    """

    year = Column(
        Type.INTEGER,
        Text("Schooljaar: 2024 is de stand op 1 oktober 2024.", "School year: 2024 is as of 1 October 2024."),
        nullable=False,
        bounds=bounds(1990, 2100),
        unit="jaar",
    )
    brin = Column(Type.TEXT, Text("Mbo-school (BRIN).", "Vocational school (BRIN)."), pattern=BRIN)
    crebo = Column(Type.TEXT, Text("Opleidingscode.", "Programme code."), pattern="[0-9]{5}")
    sectorkamer = Column(Type.CODE, Text("Sectorkamer van SBB.", "Sector chamber of SBB."), codes=SECTORKAMER)
    niveau = Column(Type.INTEGER, Text("Niveau 1 tot en met 4.", "Level 1 to 4."), codes=NIVEAU)
    leertraject = Column(Type.CODE, Text("Leertraject (leerweg).", "Learning track."), codes=LEERTRAJECT)
    students_low = Column(
        Type.INTEGER,
        Text("Minstens zoveel studenten.", "At least this many students."),
        bounds=bounds(0, 1_000_000),
        unit="studenten",
    )
    students_high = Column(
        Type.INTEGER,
        Text("Hoogstens zoveel studenten.", "At most this many students."),
        bounds=bounds(0, 1_000_000),
        unit="studenten",
    )
    source, source_date = published_columns()
