"""Nothing arrives; the declaration of table `person` leaves."""

from __future__ import annotations

from shared_schema.codes import GESLACHT, VOOROPLEIDING
from shared_schema.columns import Column, Declared, Text, Type, student_column


class Person(
    Declared,
    title=Text("Student", "Person"),
    nl="""Eén rij per student: wat bij de eerste inschrijving bekend is en daarna niet meer verandert. Namen,
    adressen, BSN en onderwijsnummer staan hier nooit: de inname vervangt of verwijdert ze vóór opslag.""",
    key=("student",),
    aliases=(("OEAPI", "Person"), ("DUO", "PER"), ("MORA", "Onderwijsdeelnemer")),
):
    """One row per student: what is known at the first enrolment and does not change afterwards.

    Names, addresses, BSN and onderwijsnummer are never here: intake replaces or drops them before anything is
    stored.
    """

    student = student_column()
    geslacht = Column(
        Type.CODE,
        Text("Geslacht zoals geregistreerd.", "Gender as registered."),
        codes=GESLACHT,
        sensitive=True,
        aliases=(("OEAPI", "gender"), ("DUO", "Geslacht")),
    )
    vooropleiding = Column(
        Type.CODE,
        Text("Hoogste vooropleiding bij de eerste start.", "Highest prior education at the first start."),
        codes=VOOROPLEIDING,
        aliases=(("Uitnodigingsregel", "VooroplNiveau_*"),),
    )
    postcode4 = Column(
        Type.TEXT,
        Text(
            "De vier cijfers van de postcode. Alleen om openbare wijkgegevens te koppelen; nooit zelf een kenmerk.",
            "The four digits of the postcode. Only to join public area data; never a feature by itself.",
        ),
        pattern="[1-9][0-9]{3}",
        sensitive=True,
        aliases=(("DUO", "Postcodecijfers"),),
    )
    apcg = Column(
        Type.BOOLEAN,
        Text(
            "Woont in een armoedeprobleemcumulatiegebied (apcg).",
            "Lives in an area of accumulated poverty (apcg).",
        ),
        sensitive=True,
        aliases=(("CBS", "CBS_APCG_tf"),),
    )
