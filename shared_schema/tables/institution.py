"""Nothing arrives; the declaration of table `institution` leaves."""

from __future__ import annotations

from shared_schema.columns import BRIN, About, Column, Declared, Text, Type, published_columns


class Institution(
    Declared,
    title=Text("Instelling", "Institution"),
    nl="Eén rij per mbo-school en bron: het nummer in het register van instellingen (BRIN) en de naam.",
    about=About.PUBLIC,
    key=("brin", "source", "source_date"),
    aliases=(("OEAPI", "Organisation"), ("DUO", "BRIN")),
):
    """One row per vocational school and source: its number in the register of institutions (BRIN) and its name."""

    brin = Column(
        Type.TEXT,
        Text("Nummer in het register van instellingen.", "Number in the register of institutions."),
        nullable=False,
        pattern=BRIN,
        aliases=(("DUO", "BRIN"),),
    )
    title = Column(Type.TEXT, Text("Hoe de school heet.", "What the school is called."))
    source, source_date = published_columns()
