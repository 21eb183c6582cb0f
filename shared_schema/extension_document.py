"""Nothing arrives; the shape of a `schema.yaml` leaves, as strict models."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pydantic

from shared_schema.documents import Bilingual, StrictModel

Fill = Decimal | bool | str | None


class CodesModel(StrictModel):
    """A code list of an extension: a title and each code with its labels."""

    title: Bilingual
    values: dict[str, Bilingual]


class FeatureModel(StrictModel):
    """How a column becomes a feature: neutral fill, first week it is known, and the aggregate of several rows."""

    fill: Fill = None
    from_week: int = 0
    aggregate: Literal["first", "last", "mean", "max", "min"] = "mean"


class ColumnModel(StrictModel):
    """One declared column of an extension."""

    type: Literal["code", "text", "integer", "decimal", "boolean", "date"]
    prose: Bilingual
    title: Bilingual | None = None
    codes: str | None = None
    bounds: tuple[Decimal, Decimal] | None = None
    nullable: bool = True
    sensitive: bool = False
    unit: str = ""
    feature: bool | FeatureModel = False
    outcome: bool = False


class ExtensionModel(StrictModel):
    """A whole extension document, version 1."""

    schema_extension: Literal[1]
    title: Bilingual
    codes: dict[str, CodesModel] = pydantic.Field(default_factory=dict)
    columns: dict[str, dict[str, ColumnModel]]
