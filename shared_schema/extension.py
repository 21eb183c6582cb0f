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

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pydantic

from shared_schema import documents
from shared_schema.columns import Bounds, CodeList, Column, FeatureUse, Text, Type
from shared_schema.documents import Bilingual, StrictModel
from shared_schema.errors import ExtensionError, did_you_mean, remedy
from shared_schema.schema import Schema, plain
from shared_schema.yaml_tree import parse

MAX_COLUMNS = 200
MAX_CODES = 100
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}\Z")
ONE_ROW_TABLES = ("person", "enrolment", "programme_period")
"""Tables of which a student's first row counts as the student's; only they can hold an outcome."""


class CodesModel(StrictModel):
    """A code list of an extension: a title and each code with its labels."""

    title: Bilingual
    values: dict[str, Bilingual]


class FeatureModel(StrictModel):
    """How a column becomes a feature: neutral fill, first week it is known, and the aggregate of several rows."""

    fill: Decimal | bool | str | None = None
    from_week: int = 0
    aggregate: Literal["first", "last", "mean", "max", "min"] = "mean"


class ColumnModel(StrictModel):
    """One declared column of an extension."""

    type: Literal["code", "text", "integer", "decimal", "boolean", "date"]
    prose: Bilingual
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


def extend(base: Schema, extension: Path | Mapping[str, Any]) -> Schema:
    """Return `base` with the extension's columns and code lists added.

    Raises `DocumentError` (not an extension document) or `ExtensionError` (names every contradiction: a column or
    list that exists, an unknown table or list, bounds or fill that do not fit the type, a sum of features too large).
    """
    data, model = _read(extension)
    problems = _contradictions(base, model)
    if problems:
        raise ExtensionError("\n".join(problems))
    codes = {**base.codes, **{name: _code_list(name, given) for name, given in model.codes.items()}}
    tables = dict(base.tables)
    for table, columns in model.columns.items():
        extra = {name: _column(name, given, codes) for name, given in columns.items()}
        tables[table] = tables[table].extended(extra)
    return Schema(MappingProxyType(tables), MappingProxyType(codes), MappingProxyType(data))


def _read(extension: Path | Mapping[str, Any]) -> tuple[dict[str, Any], ExtensionModel]:
    if isinstance(extension, Path):
        return _portable(parse(documents.text_of(extension)).data), documents.read(extension, ExtensionModel)
    return _portable(plain(extension)), documents.read_data(plain(extension), ExtensionModel, "schema_extension")


def _portable(value: Any) -> Any:
    """Return plain data in which decimals are text, so that it fits canonical bytes and reads back the same."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _contradictions(base: Schema, model: ExtensionModel) -> list[str]:
    problems = [f"code list '{name}' exists already; choose another name" for name in model.codes if name in base.codes]
    problems += [message for name, given in model.codes.items() for message in _codes_problems(name, given)]
    for table, columns in model.columns.items():
        if table not in base.tables:
            problems.append(f"the schema has no table '{table}'; {remedy(table, base.tables)}")
            continue
        for name, given in columns.items():
            problems += _column_problems(base, model, table, name, given)
    if sum(len(columns) for columns in model.columns.values()) > MAX_COLUMNS:
        problems.append(f"more than {MAX_COLUMNS} columns; keep those that the question needs")
    return problems


def _codes_problems(name: str, given: CodesModel) -> list[str]:
    if not given.values or len(given.values) > MAX_CODES:
        return [f"code list '{name}' has {len(given.values)} codes; give 1 to {MAX_CODES}"]
    wrong = [code for code in given.values if not code or len(code) > 60 or not code.isprintable()]
    return [f"code list '{name}' has an unusable code; a code is 1 to 60 printable characters"] if wrong else []


def _column_problems(base: Schema, model: ExtensionModel, table: str, name: str, given: ColumnModel) -> list[str]:
    where = f"columns.{table}.{name}"
    problems = []
    if not NAME.match(name):
        near = re.sub(r"[^a-z0-9_]+", "_", name.lower())
        problems.append(f"{where}: a name is lower-case letters, digits and '_'; for instance '{near}'")
    if name in base.tables[table].columns:
        problems.append(f"{where}: the schema has this column already; map to it, or choose another name")
    problems += [f"{where}: {message}" for message in _value_problems(base, model, given)]
    problems += [f"{where}: {message}" for message in _use_problems(base, model, table, given)]
    return problems


def _value_problems(base: Schema, model: ExtensionModel, given: ColumnModel) -> list[str]:
    problems = []
    if (given.type == "code") != (given.codes is not None):
        problems.append("a code column names its list with 'codes:', and no other type does")
    known = {*base.codes, *model.codes}
    if given.codes is not None and given.codes not in known:
        near = did_you_mean(given.codes, known)
        problems.append(f"no code list '{given.codes}'; " + (f"did you mean '{near}'?" if near else "declare it"))
    if given.bounds is not None and given.type not in ("integer", "decimal"):
        problems.append("only a number has bounds; leave 'bounds' out")
    if given.bounds is not None and given.bounds[0] >= given.bounds[1]:
        problems.append("bounds are [low, high] with low below high; swap or widen them")
    if given.type in ("integer", "decimal") and given.bounds is None:
        problems.append("a number needs public bounds; add 'bounds: [low, high]', chosen without looking at the data")
    return problems


def _use_problems(base: Schema, model: ExtensionModel, table: str, given: ColumnModel) -> list[str]:
    problems = []
    if given.outcome and (given.type != "boolean" or table not in ONE_ROW_TABLES):
        problems.append(f"an outcome is a boolean column of {', '.join(ONE_ROW_TABLES)}")
    if given.outcome and given.feature is not False:
        problems.append("a column is a feature or an outcome, never both; it would predict itself")
    if given.feature is not False and given.type in ("text", "date"):
        problems.append("free text and dates are never a feature; declare a code list or a number of days")
    if isinstance(given.feature, FeatureModel):
        problems += _fill_problems(base, model, given, given.feature)
    return problems


def _fill_problems(base: Schema, model: ExtensionModel, given: ColumnModel, use: FeatureModel) -> list[str]:
    problems = [] if 0 <= use.from_week <= 52 else ["'from_week' lies between 0 and 52"]
    if use.fill is not None and not _fits(base, model, given, _fill(given, use)):
        problems.append("'fill' is a value that the column itself may hold")
    return problems


def _fits(base: Schema, model: ExtensionModel, given: ColumnModel, fill: Decimal | bool | str | None) -> bool:
    if given.type == "boolean":
        return isinstance(fill, bool)
    if given.type == "code":
        own = model.codes.get(given.codes or "")
        return fill in (own.values if own else base.codes.get(given.codes or "", ()))
    return isinstance(fill, Decimal) and given.bounds is not None and given.bounds[0] <= fill <= given.bounds[1]


def _fill(given: ColumnModel, use: FeatureModel) -> Decimal | bool | str | None:
    """Return the fill in the column's own type: in plain data a decimal stands as text."""
    if given.type in ("integer", "decimal") and isinstance(use.fill, str) and _DECIMAL.match(use.fill):
        return Decimal(use.fill)
    return use.fill


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
    )


def _use(given: ColumnModel) -> FeatureUse | None:
    if given.feature is False:
        return None
    use = FeatureModel() if given.feature is True else given.feature
    fill = _fill(given, use)
    return FeatureUse(Fraction(fill) if isinstance(fill, Decimal) else fill, use.from_week, use.aggregate)
