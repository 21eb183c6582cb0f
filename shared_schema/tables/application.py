"""Nothing arrives; the declaration of table `application` leaves."""

from __future__ import annotations

from shared_schema.codes import APPLICATION_STATUS, LEERTRAJECT
from shared_schema.columns import BRIN, About, Column, Declared, Text, Type, applicant_column, bounds


class Application(
    Declared,
    title=Text("Aanmelding", "Application"),
    nl="""Eén rij per stand van een aanmelding. De eenheid is aanmelder × aanmeldjaar; een aanmelder die nooit
    student wordt, staat alleen hier. Het pseudoniem van een aanmelder is nooit dat van een student: wie zich aanmeldt
    krijgt daarmee geen budget als student.""",
    about=About.APPLICANT,
    key=("applicant", "school_year", "crebo", "status", "start_date"),
    order=("created", "start_date", "crebo", "status"),
    aliases=(("CAMBO", "aanmelding"), ("MORA", "Aanmelding")),
):
    """One row per status of an application. The unit is applicant × year; some never become a student.

    An applicant's pseudonym is never that of a student: applying gives nobody an account as a student.
    """

    applicant = applicant_column()
    created = Column(Type.DATE, Text("Dag van aanmelding.", "Day of application."), aliases=(("CAMBO", "createdat"),))
    school_year = Column(
        Type.INTEGER,
        Text("Schooljaar waarvoor wordt aangemeld.", "School year applied for."),
        bounds=bounds(1990, 2100),
        unit="jaar",
        aliases=(("CAMBO", "schooljaar"),),
    )
    brin = Column(
        Type.TEXT,
        Text("School waarbij wordt aangemeld (BRIN).", "School applied to (BRIN)."),
        pattern=BRIN,
        aliases=(("CAMBO", "instellingserkenningscode"),),
    )
    crebo = Column(
        Type.TEXT,
        Text("Opleidingscode.", "Programme code."),
        pattern="[0-9]{5}",
        aliases=(("CAMBO", "opleidingcode"),),
    )
    leertraject = Column(
        Type.CODE,
        Text("Leertraject.", "Learning track."),
        codes=LEERTRAJECT,
        aliases=(("CAMBO", "leertrajectmbo"),),
    )
    status = Column(
        Type.CODE,
        Text("Stand van de aanmelding.", "Status of the application."),
        codes=APPLICATION_STATUS,
        aliases=(("CAMBO", "status"),),
    )
    start_date = Column(
        Type.DATE,
        Text("Vanaf wanneer deze stand geldt.", "From when this status holds."),
        aliases=(("CAMBO", "begindatum"),),
    )
    end_date = Column(
        Type.DATE,
        Text("Tot wanneer deze stand geldt; leeg is nu.", "Until when this status holds; empty is now."),
        aliases=(("CAMBO", "einddatum"),),
    )
    postcode4 = Column(
        Type.TEXT,
        Text("De vier cijfers van de postcode van de aanmelder.", "The four digits of the applicant's postcode."),
        pattern="[1-9][0-9]{3}",
        sensitive=True,
        aliases=(("CAMBO", "postcodecijfers"),),
    )
