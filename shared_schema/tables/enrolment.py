"""Nothing arrives; the declaration of table `enrolment` leaves."""

from __future__ import annotations

from shared_schema.codes import DROPOUT_DEFINITION, REDEN_UITSCHRIJVING
from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class Enrolment(
    Declared,
    title=Text("Inschrijving", "Enrolment"),
    nl="""Eén rij per inschrijving van een student bij de school, van de eerste dag tot de uitschrijving. De
    eerste inschrijving bepaalt het cohort en de achtergrondkenmerken. Een overstap naar een andere opleiding is
    een nieuwe inschrijving of een nieuwe opleidingsperiode, al naar gelang het systeem van de school.""",
    key=("student", "enrolment_id"),
    order=("start_date", "enrolment_id"),
    aliases=(("MORA", "Onderwijsverbintenis"), ("OEAPI", "ProgrammeOfferingAssociation"), ("DUO", "ISG")),
):
    """One row per enrolment of a student at the school, from the first day until leaving.

    The first enrolment sets the cohort and the background features. A change of programme is a new enrolment or
    a new programme period, as the school's own system has it.
    """

    student = student_column()
    enrolment_id = Column(
        Type.TEXT,
        Text("Volgnummer van de inschrijving bij deze student.", "Sequence number of the student's enrolment."),
        nullable=False,
        aliases=(("DUO", "Inschrijvingvolgnummer"), ("EduArte", "volgnummer")),
    )
    cohort = Column(
        Type.INTEGER,
        Text("Schooljaar van de start: 2024 is 2024-2025.", "School year of the start: 2024 is 2024-2025."),
        bounds=bounds(1990, 2100),
        unit="jaar",
        aliases=(("Osiris", "sopl_cohort"), ("EduArte", "cohort")),
    )
    start_date = Column(
        Type.DATE,
        Text("Eerste dag van de inschrijving.", "First day of the enrolment."),
        aliases=(("DUO", "DatumInschrijving"), ("Osiris", "ingangsdatum"), ("EduArte", "begindatum")),
    )
    planned_end_date = Column(
        Type.DATE,
        Text("Geplande laatste dag.", "Planned last day."),
        aliases=(("DUO", "DatumUitschrijvingGepland"),),
    )
    end_date = Column(
        Type.DATE,
        Text(
            "Dag van uitschrijving; leeg zolang de student is ingeschreven.",
            "Day of leaving; empty as long as the student is enrolled.",
        ),
        aliases=(("DUO", "DatumUitschrijvingWerkelijk"), ("Osiris", "afloopdatum"), ("EduArte", "einddatum")),
    )
    reden_uitschrijving = Column(
        Type.CODE,
        Text("Reden van uitschrijving.", "Reason for leaving."),
        codes=REDEN_UITSCHRIJVING,
        sensitive=True,
        aliases=(("DUO", "RedenUitschrijving"),),
    )
    age_at_start = Column(
        Type.INTEGER,
        Text("Leeftijd op de eerste dag, in hele jaren.", "Age on the first day, in whole years."),
        bounds=bounds(12, 80),
        sensitive=True,
        unit="jaar",
        aliases=(("Uitnodigingsregel", "StudentAge"), ("Osiris", "lftijd_aanvang")),
    )
    first_study = Column(
        Type.BOOLEAN,
        Text("Is dit de eerste mbo-studie van de student?", "Is this the student's first vocational study?"),
        aliases=(("Uitnodigingsregel", "max1studie"),),
    )
    applications = Column(
        Type.INTEGER,
        Text("Aantal aanmeldingen vóór deze inschrijving.", "Number of applications before this enrolment."),
        bounds=bounds(0, 20),
        unit="aanmeldingen",
        aliases=(("Uitnodigingsregel", "Aanmel_aantal"),),
    )
    applied_before_april = Column(
        Type.BOOLEAN,
        Text(
            "Uiterlijk 1 april aangemeld (recht op toelating sinds cohort 2018, niet voor entree).",
            "Applied by 1 April (right of admission since cohort 2018, not for entry level).",
        ),
        aliases=(("Uitnodigingsregel", "AanmelderVoor1april"),),
    )
    team = Column(Type.TEXT, Text("Onderwijsteam.", "Teaching team."), aliases=(("Osiris", "team"),))
    college = Column(
        Type.TEXT, Text("College, sector of cluster van de school.", "College or department of the school.")
    )
    dropout_flag = Column(
        Type.BOOLEAN,
        Text(
            "Uitval zoals de bron die aanlevert; alleen bruikbaar met `dropout_flag_definition`.",
            "Dropout as the source delivers it; usable only with `dropout_flag_definition`.",
        ),
        sensitive=True,
        aliases=(
            ("Uitnodigingsregel", "Dropout"),
            ("Osiris", "uitval_j1"),
            ("EduArte", "uitgevallen_eerste_jaar"),
        ),
    )
    dropout_flag_definition = Column(
        Type.CODE,
        Text("Met welke definitie de bron uitval vastlegt.", "By which definition the source records dropout."),
        codes=DROPOUT_DEFINITION,
    )
