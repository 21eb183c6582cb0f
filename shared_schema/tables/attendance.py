"""Nothing arrives; the declaration of table `attendance` leaves."""

from __future__ import annotations

from shared_schema.columns import Column, Declared, Text, Type, bounds, student_column

_PER_WEEK = bounds(0, 40, per="weeks")


class Attendance(
    Declared,
    title=Text("Aanwezigheid per week", "Attendance per week"),
    nl="""Eén rij per student en lesweek, of per blok van lesweken als de bron alleen totalen levert: `week` is de
    laatste week van de rij en `weeks` hoeveel weken zij beslaat. Weken tellen vanaf de eerste lesweek van de
    student (1). Blokken mogen elkaar overlappen, zoals totalen tot en met week 3, 6 en 10.""",
    key=("student", "week", "weeks"),
    aliases=(("MORA", "Aanwezigheidsregistratie"), ("OEAPI", "attendance")),
):
    """One row per student and teaching week, or per block of weeks where the source has totals only.

    `week` is the last week that the row covers and `weeks` how many it covers; weeks count from the student's
    first teaching week (1). Blocks may overlap, as totals through week 3, 6 and 10 do.
    """

    student = student_column()
    week = Column(
        Type.INTEGER,
        Text("Laatste lesweek die de rij beslaat.", "Last teaching week that the row covers."),
        nullable=False,
        bounds=bounds(1, 52),
        unit="week",
    )
    weeks = Column(
        Type.INTEGER,
        Text("Hoeveel weken de rij beslaat; leeg betekent één.", "Weeks that the row covers; empty means one."),
        bounds=bounds(1, 52),
        unit="weken",
    )
    hours_scheduled = Column(
        Type.DECIMAL,
        Text("Geroosterde klokuren in die weken.", "Scheduled clock hours in those weeks."),
        bounds=_PER_WEEK,
        unit="uur",
    )
    hours_absent = Column(
        Type.DECIMAL,
        Text("Uren afwezig, geoorloofd en ongeoorloofd samen.", "Hours absent, authorised and not."),
        bounds=_PER_WEEK,
        unit="uur",
    )
    hours_absent_unauthorised = Column(
        Type.DECIMAL,
        Text("Uren ongeoorloofd afwezig.", "Hours absent without leave."),
        bounds=_PER_WEEK,
        unit="uur",
        aliases=(("Uitnodigingsregel", "Total_verzuimW*_unap"),),
    )
    hours_absent_authorised = Column(
        Type.DECIMAL,
        Text("Uren geoorloofd afwezig.", "Hours absent with leave."),
        bounds=_PER_WEEK,
        unit="uur",
        aliases=(("Uitnodigingsregel", "Total_verzuimW*_ap"),),
    )
