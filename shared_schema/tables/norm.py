"""Nothing arrives; the declaration of table `norm` leaves."""

from __future__ import annotations

from shared_schema.codes import INDICATOR, NIVEAU
from shared_schema.columns import About, Column, Declared, Text, Type, bounds, published_columns


class Norm(
    Declared,
    title=Text("Landelijke norm", "National norm"),
    nl="Eén rij per kengetal, schooljaar en niveau: de norm die OCW of de Inspectie stelt, in procenten.",
    about=About.PUBLIC,
    key=("indicator", "school_year", "niveau", "source"),
):
    """One row per indicator, school year and level: the norm set by ministry or inspectorate, in per cent."""

    indicator = Column(Type.CODE, Text("Welk kengetal.", "Which indicator."), nullable=False, codes=INDICATOR)
    school_year = Column(
        Type.INTEGER,
        Text("Schooljaar: 2024 is 2024-2025.", "School year: 2024 is 2024-2025."),
        nullable=False,
        bounds=bounds(1990, 2100),
        unit="jaar",
        aliases=(("DUO", "Teljaar"),),
    )
    niveau = Column(Type.INTEGER, Text("Niveau 1 tot en met 4.", "Level 1 to 4."), codes=NIVEAU)
    percentage = Column(
        Type.DECIMAL,
        Text("De norm, in procenten.", "The norm, in per cent."),
        bounds=bounds(0, 100),
        unit="%",
        aliases=(("DUO", "NormDUOVSV"),),
    )
    source, source_date = published_columns()
