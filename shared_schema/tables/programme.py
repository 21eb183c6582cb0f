"""Nothing arrives; the declaration of table `programme` leaves."""

from __future__ import annotations

from shared_schema.codes import NIVEAU, SECTOR, SECTORKAMER
from shared_schema.columns import About, Column, Declared, Text, Type, published_columns


class Programme(
    Declared,
    title=Text("Opleiding in het register", "Programme in the register"),
    nl="""Eén rij per opleidingscode (crebo) en bron: hoe de opleiding heet, en waar bekend niveau, sector en
    sectorkamer.""",
    about=About.PUBLIC,
    key=("crebo", "source", "source_date"),
    aliases=(("OEAPI", "Programme"), ("DUO", "Opleiding")),
):
    """One row per programme code (crebo) and source: its title, and where known level, sector and sector chamber."""

    crebo = Column(
        Type.TEXT,
        Text("Opleidingscode in het register (vijf cijfers).", "Programme code in the register (five digits)."),
        nullable=False,
        pattern="[0-9]{5}",
        aliases=(("DUO", "Opleidingcode"),),
    )
    title = Column(
        Type.TEXT, Text("Hoe de opleiding heet.", "What the programme is called."), aliases=(("DUO", "Opleidingsnaam"),)
    )
    niveau = Column(Type.INTEGER, Text("Niveau 1 tot en met 4.", "Level 1 to 4."), codes=NIVEAU)
    sector = Column(Type.CODE, Text("Sector van de opleiding.", "Sector of the programme."), codes=SECTOR)
    sectorkamer = Column(
        Type.CODE,
        Text("Sectorkamer van SBB.", "Sector chamber of SBB."),
        codes=SECTORKAMER,
        aliases=(("SBB", "Sectorkamer"),),
    )
    source, source_date = published_columns()
