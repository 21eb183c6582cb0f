"""A YAML file, its text, or plain data arrives; a frozen pydantic model leaves, or a `DocumentError`.

Definitions, mappings, policies and extensions are all read here. Models are strict: an unknown key is refused, a
number is not a text, `yes` is not a boolean. An error names line and column, the rule, what was found (these
documents hold no student's values) and the remedy.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict

from shared_schema.errors import DocumentError, Problem, did_you_mean
from shared_schema.yaml_tree import MAX_BYTES, Document, parse
from shared_schema.yaml_tree import Path as KeyPath

M = TypeVar("M", bound=BaseModel)


class StrictModel(BaseModel):
    """What every document's model derives from: unknown keys refused, no conversion between types, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Bilingual(StrictModel):
    """A text in Dutch and in English, as every title and prose of a document is written."""

    nl: str
    en: str


def read(source: Path | str, model: type[M]) -> M:
    """Read a document as `model`: a `Path` is opened (UTF-8), a `str` is the text itself.

    Decimals such as `0.10` and `1e-6` arrive exactly in `Decimal` fields; dates stay text unless the model says
    date. Raises `DocumentError` with every problem found, in the order of the lines; also when a file cannot be
    read, is larger than 256 KiB, or is not UTF-8.
    """
    name = source.name if isinstance(source, Path) else "document"
    return as_model(parse(text_of(source), name), model)


def read_data(data: Mapping[str, Any], model: type[M], source: str = "data") -> M:
    """Read plain data (from a parsed definition or a canonical message) by the same rules; places are all 1:1."""
    return as_model(Document(source, data, {}, {}), model)


def text_of(source: Path | str) -> str:
    """Return the text of a document; raises `DocumentError` when the file cannot be read as UTF-8 text."""
    if isinstance(source, str):
        return source
    try:
        with source.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        return raw.decode("utf-8-sig")
    except OSError as error:
        what = error.strerror or type(error).__name__
        raise _file_problem(source, "bestand niet te lezen", "file cannot be read", what) from None
    except UnicodeDecodeError as error:
        found = f"byte {error.start}"
        raise _file_problem(source, "bestand is geen UTF-8", "file is not UTF-8", found) from None


def _file_problem(source: Path, nl: str, en: str, found: str) -> DocumentError:
    problem = Problem(1, 1, "", nl, en, found, "controleer pad en codering", "check path and encoding")
    return DocumentError(source.name, [problem])


def as_model(document: Document, model: type[M]) -> M:
    """Return a parsed document as `model`, or raise `DocumentError` with every problem found."""
    try:
        return model.model_validate_json(json.dumps(document.data, default=_number), strict=True)
    except pydantic.ValidationError as error:
        raise DocumentError(document.source, _problems(document, model, error)) from None


def _number(value: object) -> object:
    """Return what JSON can carry; at most 15 digits survive a binary float, so a decimal comes back exactly."""
    if isinstance(value, Decimal):
        if Decimal(repr(float(value))) != value:
            raise TypeError("a number of plain data has more than 15 digits; write it as text")
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"plain data holds a {type(value).__name__}; allowed are text, numbers, booleans, lists, mappings")


def _problems(document: Document, model: type[BaseModel], error: pydantic.ValidationError) -> list[Problem]:
    """Return one problem per place; the alternatives of a union that all fail are told as one."""
    found: dict[tuple[int, int, str], Problem] = {}
    for one in error.errors(include_url=False, include_context=True):
        path = _known_path(document.data, one["loc"])
        problem = _problem(document, model, path, dict(one))
        place = (problem.line, problem.column, problem.path)
        found[place] = _either(found[place], problem) if place in found else problem
    return [found[place] for place in sorted(found)]


def _either(first: Problem, other: Problem) -> Problem:
    if other.rule_en in first.rule_en:
        return first
    nl, en = f"{first.rule_nl} of {other.rule_nl}", f"{first.rule_en} or {other.rule_en}"
    return dataclasses.replace(first, rule_nl=nl, rule_en=en)


def _known_path(data: Any, location: tuple[str | int, ...]) -> KeyPath:
    """Return the part of pydantic's location that is a path in the data; names of union members are left out."""
    path: list[str | int] = []
    for part in location:
        if isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
        elif isinstance(data, Mapping) and part in data:
            data = data[str(part)]
        else:
            continue
        path.append(part)
    return tuple(path)


def _problem(document: Document, model: type[BaseModel], path: KeyPath, one: dict[str, Any]) -> Problem:
    kind, name = one["type"], str(one["loc"][-1]) if one["loc"] else ""
    place = document.place(path)
    if kind == "extra_forbidden":
        return _unknown_key(document, model, path)
    if kind == "missing":
        remedy = (f"voeg '{name}:' toe", f"add '{name}:'")
        return document.problem(
            (*path, name), place, ("verplichte sleutel ontbreekt", "required key is missing"), "", remedy
        )
    rule = _RULES.get(kind, ("waarde niet toegestaan", _reason(one)))
    expected = str(one.get("ctx", {}).get("expected", ""))
    remedy = (f"kies uit {expected}", f"choose from {expected}") if expected else ("", "")
    if near := did_you_mean(str(one["input"]), expected.replace("'", "").replace(" or ", ", ").split(", ")):
        remedy = (f"bedoelde u '{near}'?", f"did you mean '{near}'?")
    # A document that is no mapping at all may be an export by mistake: nothing of it is quoted.
    found = _shown(one["input"]) if path else ""
    return document.problem(path, place, rule, found, remedy)


def _reason(one: dict[str, Any]) -> str:
    return str(one["msg"]).removeprefix("Value error, ")


def _shown(value: object) -> str:
    return "" if isinstance(value, Mapping | list) else repr(value)[:80]


def _unknown_key(document: Document, model: type[BaseModel], path: KeyPath) -> Problem:
    name, known = str(path[-1]), sorted(_keys_at(model, path[:-1]))
    near = did_you_mean(name, known)
    remedy = (f"bedoelde u '{near}'?", f"did you mean '{near}'?")
    if not near:
        remedy = (f"toegestaan: {', '.join(known)}", f"allowed: {', '.join(known)}")
    place = document.place_of_key(path)
    return document.problem(path, place, ("onbekende sleutel", "unknown key"), name, remedy)


def _keys_at(model: type[BaseModel], path: KeyPath) -> set[str]:
    """Return the keys that the models allow at a path, following fields, lists, mappings and unions."""
    candidates: list[Any] = [model]
    for part in path:
        candidates = [inner for one in candidates for inner in _inside(one, part)]
    return {name for one in candidates if _is_model(one) for name in _fields(one)}


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """Return the types that may stand under one key or index of a value of this type, unions taken apart."""
    if _is_model(annotation):
        fields = _fields(annotation)
        return _members(fields[str(part)]) if part in fields else []
    origin, of = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(part, str) and origin in (list, tuple):
        # A union's list has no place in the path: a key below it belongs to one of its items.
        return [inner for one in of for member in _members(one) for inner in _inside(member, part)]
    if origin is dict:
        return _members(of[1])
    return [member for one in of for member in _members(one)]


def _members(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [member for one in typing.get_args(annotation) for member in _members(one)]
    return _members(typing.get_args(annotation)[0]) if origin is typing.Annotated else [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


_RULES: dict[str, tuple[str, str]] = {
    "bool_type": ("hier hoort true of false", "this is true or false"),
    "int_type": ("hier hoort een geheel getal", "this is a whole number"),
    "int_from_float": ("hier hoort een geheel getal", "this is a whole number"),
    "decimal_type": ("hier hoort een getal", "this is a number"),
    "decimal_parsing": ("hier hoort een getal", "this is a number"),
    "float_type": ("hier hoort een getal", "this is a number"),
    "string_type": ("hier hoort tekst (aanhalingstekens)", "this is text (use quotes)"),
    "dict_type": ("hier horen sleutels met waarden", "these are keys with values"),
    "model_type": ("hier horen sleutels met waarden", "these are keys with values"),
    "model_attributes_type": ("hier horen sleutels met waarden", "these are keys with values"),
    "list_type": ("hier hoort een lijst", "this is a list"),
    "tuple_type": ("hier hoort een lijst", "this is a list"),
    "date_type": ("hier hoort een datum jjjj-mm-dd", "this is a date yyyy-mm-dd"),
    "date_from_datetime_parsing": ("hier hoort een datum jjjj-mm-dd", "this is a date yyyy-mm-dd"),
    "literal_error": ("geen van de keuzes", "not one of the choices"),
    "enum": ("geen van de keuzes", "not one of the choices"),
    "union_tag_invalid": ("geen van de keuzes", "not one of the choices"),
}
