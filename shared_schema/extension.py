"""A coalition's `schema.yaml` arrives; the schema with its declared columns and code lists leaves.

    schema_extension: 1
    title: {nl: Open University, en: Open University}
    codes:
      imd_band:
        title: {nl: Armoede-index, en: Deprivation index}
        values: {low: {nl: laag, en: low}, high: {nl: hoog, en: high}}
    columns:
      person:
        imd_band:
          type: code
          prose: {nl: Armoede-index van de buurt., en: Deprivation of the area.}
          codes: imd_band
          sensitive: true
          feature: true
        credits:
          type: integer
          prose: {nl: Studiepunten., en: Credits.}
          bounds: [0, 655]
          feature: {fill: 60, from_week: 0}
      enrolment:
        withdrawn:
          type: boolean
          prose: {nl: Uitgeschreven na dag 28., en: Withdrawn after day 28.}
          outcome: true

An extension adds; it never changes a table, column or code list of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shared_schema import documents
from shared_schema.columns import Bounds, CodeList, Column, FeatureUse, Text, Type
from shared_schema.errors import ExtensionError
from shared_schema.extension_document import CodesModel, ColumnModel, ExtensionModel, FeatureModel
from shared_schema.extension_rules import contradictions, fill_of
from shared_schema.schema import Schema, plain
from shared_schema.yaml_tree import Document, parse


def extend(base: Schema, extension: Path | Mapping[str, Any]) -> Schema:
    """Return `base` with the extension's columns and code lists added.

    Raises `DocumentError` (not an extension document) or `ExtensionError`, which names every contradiction: a column
    or list that exists, an unknown table or list, bounds or a fill that do not fit the type.
    """
    document = _document(extension)
    model = documents.as_model(document, ExtensionModel)
    found = [
        document.problem(one.path, document.place(one.path), one.rule, one.found, one.remedy)
        for one in contradictions(base, model)
    ]
    if found:
        raise ExtensionError(document.source, found)
    return _extended(base, model, _portable(document.data))


def _document(extension: Path | Mapping[str, Any]) -> Document:
    if isinstance(extension, Path):
        return parse(documents.text_of(extension), extension.name)
    return Document("schema_extension", plain(extension), {}, {})


def _extended(base: Schema, model: ExtensionModel, data: Mapping[str, Any]) -> Schema:
    codes = {**base.codes, **{name: _code_list(name, given) for name, given in model.codes.items()}}
    tables = dict(base.tables)
    for table, columns in model.columns.items():
        extra = {name: _column(name, given, codes) for name, given in columns.items()}
        tables[table] = tables[table].extended(extra)
    return Schema(MappingProxyType(tables), MappingProxyType(codes), MappingProxyType(dict(data)))


def _portable(value: Any) -> Any:
    """Return plain data in which decimals are text, so that it fits canonical bytes and reads back the same."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _code_list(name: str, given: CodesModel) -> CodeList:
    labels = {code: Text(label.nl, label.en) for code, label in given.values.items()}
    return CodeList(name, Text(given.title.nl, given.title.en), MappingProxyType(labels), "extension")


def _column(name: str, given: ColumnModel, codes: Mapping[str, CodeList]) -> Column:
    return Column(
        type=Type(given.type),
        prose=Text(given.prose.nl, given.prose.en),
        nullable=given.nullable,
        codes=codes[given.codes] if given.codes else None,
        bounds=Bounds(Fraction(given.bounds[0]), Fraction(given.bounds[1])) if given.bounds else None,
        sensitive=given.sensitive,
        unit=given.unit,
        feature=_use(given),
        outcome=given.outcome,
        name=name,
        title=Text(given.title.nl, given.title.en) if given.title else None,
    )


def _use(given: ColumnModel) -> FeatureUse | None:
    if given.feature is False:
        return None
    use = FeatureModel() if given.feature is True else given.feature
    fill = fill_of(given, use)
    return FeatureUse(Fraction(fill) if isinstance(fill, Decimal) else fill, use.from_week, use.aggregate)
