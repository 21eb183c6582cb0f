"""Nothing arrives; the declaration of table `placement` leaves."""

from __future__ import annotations

from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column


class Placement(
    Declared,
    title=Text("Beroepspraktijkvorming (bpv)", "Work placement"),
    nl="""Eén rij per stage of leerbaan van een student bij een leerbedrijf, met de geplande en de werkelijke
    einddatum.""",
    key=("student", "enrolment_id", "placement_id"),
    order=("start_date", "enrolment_id", "placement_id"),
    aliases=(("MORA", "BPV-verbintenis"), ("DUO", "BPV")),
):
    """One row per work placement of a student at a training company, with planned and real end date."""

    student = student_column()
    enrolment_id = Column(
        Type.TEXT,
        Text("Inschrijving waartoe de stage hoort.", "Enrolment that the placement belongs to."),
        aliases=(("DUO", "Inschrijvingvolgnummer"),),
    )
    placement_id = Column(
        Type.TEXT,
        Text("Volgnummer van de stage.", "Sequence number of the placement."),
        nullable=False,
        aliases=(("DUO", "Volgnummer"),),
    )
    start_date = Column(Type.DATE, Text("Begin.", "Start."), aliases=(("DUO", "DatumBegin"),))
    planned_end_date = Column(Type.DATE, Text("Gepland einde.", "Planned end."), aliases=(("DUO", "DatumEindGepland"),))
    end_date = Column(Type.DATE, Text("Werkelijk einde.", "Real end."), aliases=(("DUO", "DatumEindWerkelijk"),))
    hours = Column(
        Type.INTEGER,
        Text("Omvang van de stage.", "Size of the placement."),
        bounds=bounds(0, 8000),
        unit="uur",
        aliases=(("DUO", "Omvang"),),
    )
    leerbedrijf = Column(
        Type.TEXT,
        Text("Nummer van het leerbedrijf bij SBB.", "Number of the training company at SBB."),
        pattern="[0-9]{9}",
        sensitive=True,
        aliases=(("DUO", "LeerbedrijfID"),),
    )
