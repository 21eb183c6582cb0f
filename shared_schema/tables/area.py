"""Nothing arrives; the declaration of table `area` leaves."""

from __future__ import annotations

from shared_schema.columns import About, Column, Declared, Text, Type, bounds, published_columns


class Area(
    Declared,
    title=Text("Postcodegebied", "Postcode area"),
    nl="""Eén rij per postcode (vier cijfers) en bron: wat CBS over het gebied publiceert. De mapping van de studenten
    zoekt hierin op wat voor een student mag gelden, zoals `person.apcg`.""",
    about=About.PUBLIC,
    key=("postcode4", "source", "source_date"),
    aliases=(("CBS", "PC4"),),
):
    """One row per postcode (four digits) and source: what CBS publishes about the area.

    The mapping of the students looks up in it what may hold for a student, such as `person.apcg`.
    """

    postcode4 = Column(
        Type.TEXT,
        Text("De vier cijfers van de postcode.", "The four digits of the postcode."),
        nullable=False,
        pattern="[1-9][0-9]{3}",
        aliases=(("CBS", "CBS_APCG_PC4"), ("CBS", "SES_PC4")),
    )
    apcg = Column(
        Type.BOOLEAN,
        Text("Armoedeprobleemcumulatiegebied.", "Area of accumulated poverty."),
        aliases=(("CBS", "CBS_APCG_tf"),),
    )
    households = Column(
        Type.INTEGER,
        Text("Aantal huishoudens, op honderdtallen.", "Number of households, in hundreds."),
        bounds=bounds(0, 50_000),
        unit="huishoudens",
        aliases=(("CBS", "SES_Aantal_huishoudens"),),
    )
    ses = Column(
        Type.DECIMAL,
        Text(
            "SES-WOA-totaalscore van het gebied: welvaart, opleiding en arbeid; 0 is gemiddeld.",
            "SES-WOA total score of the area: wealth, education and work; 0 is average.",
        ),
        bounds=bounds("-1", "1"),
        unit="punten",
        aliases=(("CBS", "SES_Totaalscore"),),
    )
    ses_wealth = Column(
        Type.DECIMAL,
        Text("SES-WOA-deelscore welvaart.", "SES-WOA part score for wealth."),
        bounds=bounds("-1", "1"),
        unit="punten",
        aliases=(("CBS", "SES_Deelscore_welvaart"),),
    )
    ses_work = Column(
        Type.DECIMAL,
        Text("SES-WOA-deelscore arbeid.", "SES-WOA part score for work."),
        bounds=bounds("-1", "1"),
        unit="punten",
        aliases=(("CBS", "SES_Deelscore_arbeid"),),
    )
    source, source_date = published_columns()
