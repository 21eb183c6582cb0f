"""Nothing arrives; the declaration of table `vsv_report` leaves."""

from __future__ import annotations

from shared_schema.codes import LEERTRAJECT, NIVEAU, VSV_LIST
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class VsvReport(
    Declared,
    title=Text("Vsv-opgave van DUO", "DUO's report on early leavers"),
    nl="""Eén rij per keer dat DUO een student noemt: in de startpopulatie van een telgebied, of als (mogelijke) nieuwe
    voortijdig schoolverlater. De maandcijfers zijn voorlopig; de definitieve opgave telt. Dit is DUO's telling; wat
    de school zelf telt heet `vsv_eigen`.""",
    key=("student", "school_year", "report", "list"),
    order=("school_year", "report", "list"),
    aliases=(("DUO", "A04"), ("DUO", "A05"), ("DUO", "A14"), ("DUO", "NRSP"), ("DUO", "NenR")),
):
    """One row per time that DUO names a student: in the starting population, or as a (possible) new early leaver.

    Monthly figures are provisional; the final report counts. This is DUO's count; what the school counts by itself
    is called `vsv_eigen`.
    """

    student = student_column()
    school_year = Column(
        Type.INTEGER,
        Text(
            "Teljaar: 2023 is 1 oktober 2023 tot en met 30 september 2024.",
            "Year of the count: 2023 is 1 October 2023 to 30 September 2024.",
        ),
        nullable=False,
        bounds=bounds(1990, 2100),
        unit="jaar",
        aliases=(("DUO", "Teljaar"),),
    )
    report = Column(
        Type.INTEGER,
        Text(
            "Rapportagemaand: 1 (oktober) tot en met 12 (september), 13 tot en met 15 (oktober tot en met december"
            " erna), 16 (voorlopige jaaropgave), 17 (definitieve jaaropgave).",
            "Month of the report: 1 (October) to 12 (September), 13 to 15 (October to December after it), 16"
            " (provisional report of the year), 17 (final report of the year).",
        ),
        nullable=False,
        bounds=bounds(1, 17),
        aliases=(("DUO", "RapportageMaand"),),
    )
    list = Column(
        Type.CODE,
        Text("In welke lijst de student staat.", "In which list the student stands."),
        nullable=False,
        codes=VSV_LIST,
        sensitive=True,
    )
    enrolment_id = Column(
        Type.TEXT,
        Text("Inschrijving waarom het gaat.", "Enrolment that it is about."),
        aliases=(("DUO", "INSCHR_VLGNR"),),
    )
    crebo = Column(
        Type.TEXT,
        Text("Opleidingscode in het register (vijf cijfers).", "Programme code in the register (five digits)."),
        pattern="[0-9]{5}",
        aliases=(("DUO", "ILT/CREBO"),),
    )
    niveau = Column(
        Type.INTEGER,
        Text(
            "Niveau 1 tot en met 4; leeg bij vavo en voortgezet onderwijs.", "Level 1 to 4; empty for other education."
        ),
        codes=NIVEAU,
        aliases=(("DUO", "NIVEAU"),),
    )
    leertraject = Column(
        Type.CODE, Text("Leertraject (leerweg).", "Learning track."), codes=LEERTRAJECT, aliases=(("DUO", "LEERWEG"),)
    )
    startkwalificatie = Column(
        Type.BOOLEAN,
        Text("Heeft de student een startkwalificatie?", "Does the student hold a basic qualification?"),
        sensitive=True,
        aliases=(("DUO", "INDICATIE_STARTKWALIFICATIE"),),
    )
