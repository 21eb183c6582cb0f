"""Nothing arrives; the declaration of table `programme_period` leaves."""

from __future__ import annotations

from shared_schema.codes import LEERTRAJECT, NIVEAU, SECTOR
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class ProgrammePeriod(
    Declared,
    title=Text("Opleidingsperiode", "Programme period"),
    nl="""Eén rij per periode waarin een student binnen een inschrijving dezelfde opleiding, hetzelfde niveau en
    hetzelfde leertraject volgt. Zonder einddatum loopt de periode tot de volgende of tot de uitschrijving.""",
    key=("student", "enrolment_id", "start_date", "crebo"),
    order=("start_date", "enrolment_id", "crebo"),
    aliases=(("DUO", "ISP"), ("OEAPI", "Programme"), ("MORA", "Opleidingsperiode")),
):
    """One row per period in which a student follows one programme, level and track within an enrolment.

    Without an end date the period runs until the next one or until the student leaves.
    """

    student = student_column()
    enrolment_id = Column(
        Type.TEXT,
        Text("Inschrijving waartoe de periode hoort.", "Enrolment that the period belongs to."),
        nullable=False,
        aliases=(("DUO", "Inschrijvingvolgnummer"),),
    )
    start_date = Column(
        Type.DATE,
        Text("Eerste dag van de periode.", "First day of the period."),
        aliases=(("DUO", "DatumBegin"),),
    )
    end_date = Column(
        Type.DATE,
        Text("Laatste dag van de periode.", "Last day of the period."),
        aliases=(("DUO", "DatumEind"),),
    )
    crebo = Column(
        Type.TEXT,
        Text("Opleidingscode in het register (vijf cijfers).", "Programme code in the register (five digits)."),
        pattern="[0-9]{5}",
        aliases=(("DUO", "Opleidingcode"), ("Osiris", "sopl_crebo")),
    )
    niveau = Column(
        Type.INTEGER,
        Text("Niveau 1 tot en met 4.", "Level 1 to 4."),
        codes=NIVEAU,
        aliases=(("DUO", "Niveau"), ("OEAPI", "level")),
    )
    leertraject = Column(
        Type.CODE,
        Text("Leertraject (leerweg).", "Learning track."),
        codes=LEERTRAJECT,
        aliases=(("DUO", "Leertraject"), ("OEAPI", "modeOfStudy"), ("Osiris", "leerweg")),
    )
    sector = Column(Type.CODE, Text("Sector van de opleiding.", "Sector of the programme."), codes=SECTOR)
    location = Column(
        Type.TEXT,
        Text("Onderwijslocatie.", "Teaching location."),
        aliases=(("DUO", "Onderwijslocatie"),),
    )
    funded = Column(
        Type.BOOLEAN,
        Text("Bekostigde inschrijving.", "Funded enrolment."),
        aliases=(("DUO", "IndicatieBekostigbaar"),),
    )
    sbu = Column(
        Type.INTEGER,
        Text(
            "Studiebelasting van de hele opleiding; bepaalt de nominale duur.",
            "Study load of the whole programme; sets the nominal duration.",
        ),
        bounds=bounds(0, 8000),
        unit="uur",
    )
