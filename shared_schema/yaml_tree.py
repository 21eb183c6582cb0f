"""The text of a YAML document arrives; plain data and the place of every key and value leave, or a `DocumentError`.

A strict subset: one document, no anchors, aliases, tags or directives, no duplicate keys, at most 256 KiB and 20
levels. `true` and `false` are the only booleans, `null`, `~` and nothing the only missing values; `yes`, `on` and
`01` stay text. A number is written in decimal digits and read exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from shared_schema.errors import DocumentError, Problem

MAX_BYTES = 256 * 1024
LOADERS = tuple(getattr(yaml, name) for name in ("CSafeLoader", "SafeLoader") if hasattr(yaml, name))
"""libyaml first, where it is there: ten times as fast. What it stumbles over is told in the words of the other."""
MAX_DEPTH = 20
MAX_DIGITS = 15
"""A decimal with at most this many significant digits survives every conversion unchanged."""
MAX_EXPONENT = 60

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,39})\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int


Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain data (text, int, Decimal, bool, None, list, dict with text keys) and where each part stands."""

    source: str
    data: Any
    values: dict[Path, Place]
    keys: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return where the value at a path stands, or the nearest part around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Place(1, 1)

    def place_of_key(self, path: Path) -> Place:
        """Return where the key at a path stands, or its value."""
        return self.keys.get(path) or self.place(path)

    def problem(self, path: Path, place: Place, rule: tuple[str, str], found: str, remedy: tuple[str, str]) -> Problem:
        """Return a problem at a place of this document; rule and remedy are (Dutch, English)."""
        return Problem(place.line, place.column, dotted(path), *rule, found, *remedy)


def dotted(path: Path) -> str:
    """Return a key path as a person writes it: `tables.person.columns[2]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, source: str = "document") -> Document:
    """Return the document, or raise `DocumentError` at the first thing that the strict subset does not have."""
    size = len(text.encode("utf-8", errors="surrogatepass"))
    if size > MAX_BYTES:
        rule = (f"document groter dan {MAX_BYTES} bytes", f"document larger than {MAX_BYTES} bytes")
        remedy = ("splits het document", "split the document")
        raise _refusal(Document(source, None, {}, {}), Place(1, 1), rule, f"{size}", remedy)
    for loader in LOADERS:
        document = Document(source, None, {}, {})
        try:
            data = _Reader(document, yaml.parse(text, Loader=loader)).document()
        except (yaml.YAMLError, ValueError) as error:  # ValueError: an escape beyond Unicode, 5,000 digits
            refusal = _unreadable(document, error)
        else:
            return Document(source, data, document.values, document.keys)
    raise refusal


def _refusal(
    document: Document, place: Place, rule: tuple[str, str], found: str, remedy: tuple[str, str], path: Path = ()
) -> DocumentError:
    return DocumentError(document.source, [document.problem(path, place, rule, found, remedy)])


def _unreadable(document: Document, error: Exception) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    what = getattr(error, "problem", None) or "a character that YAML does not allow"
    remedy = ("controleer inspringing, aanhalingstekens en tabs", "check indentation, quotes and tabs")
    return _refusal(document, place, ("geen geldige YAML", "not valid YAML"), what, remedy)


class _Reader:
    """Turns the stream of YAML events into data, refusing what the subset leaves out as soon as it is seen."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self._document = document
        self._events = events

    def document(self) -> Any:
        """Read the one document of the stream."""
        next(self._events)  # stream start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        if start.version or start.tags:
            self._refuse(start, (), ("geen %-opdrachten", "no % directives"), "%", ("haal de regel weg", "remove it"))
        data = self._value(next(self._events), ())
        next(self._events)  # document end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            remedy = ("maak er aparte bestanden van", "make separate files")
            self._refuse(after, (), ("één document per bestand", "one document in a file"), "---", remedy)
        return data

    def _value(self, event: Any, path: Path) -> Any:
        self._check(event, path)
        self._document.values[path] = _place(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path)

    def _check(self, event: Any, path: Path) -> None:
        remedy = ("schrijf de waarde voluit", "write the value in full")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            found = f"{'*' if isinstance(event, yaml.AliasEvent) else '&'}{event.anchor}"
            self._refuse(event, path, ("geen ankers of verwijzingen", "no anchors or aliases"), found, remedy)
        if event.tag is not None:
            self._refuse(event, path, ("geen YAML-tags", "no YAML tags"), event.tag, remedy)
        if len(path) > MAX_DEPTH:
            rule = (f"dieper dan {MAX_DEPTH} niveaus", f"deeper than {MAX_DEPTH} levels")
            self._refuse(event, path[:3], rule, str(len(path)), ("maak het document platter", "flatten the document"))

    def _mapping(self, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key in data:
                first = self._document.keys[(*path, key)].line
                remedy = (f"staat al op regel {first}; houd er één", f"already on line {first}; keep one")
                self._refuse(event, (*path, key), ("sleutel staat er twee keer", "key stands there twice"), key, remedy)
            self._document.keys[(*path, key)] = _place(event)
            data[key] = self._value(next(self._events), (*path, key))
        return data

    def _key(self, event: Any, path: Path) -> str:
        self._check(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            remedy = ("gebruik tekst als sleutel", "use text as a key")
            self._refuse(event, path, ("een sleutel is tekst", "a key is text"), "", remedy)
        return str(event.value)

    def _sequence(self, path: Path) -> list[Any]:
        data: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            data.append(self._value(event, (*path, len(data))))
        return data

    def _scalar(self, event: Any, path: Path) -> str | int | Decimal | bool | None:
        text = str(event.value)
        if event.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text):
            return int(text)
        return self._decimal(event, text, path) if _DECIMAL.match(text) else text

    def _decimal(self, event: Any, text: str, path: Path) -> Decimal:
        mantissa, _, exponent = text.lower().partition("e")
        digits = len(mantissa.replace("-", "").replace(".", "").strip("0"))
        too_long = len(text) > 80 or digits > MAX_DIGITS or len(exponent.lstrip("+-0")) > 3
        if too_long or abs(int(exponent or 0)) > MAX_EXPONENT:
            rule = (f"een getal heeft hoogstens {MAX_DIGITS} cijfers", f"a number has at most {MAX_DIGITS} digits")
            remedy = ("rond het af, of zet het als tekst tussen aanhalingstekens", "round it, or quote it as text")
            self._refuse(event, path, rule, text[:40], remedy)
        return Decimal(text)

    def _refuse(self, event: Any, path: Path, rule: tuple[str, str], found: str, remedy: tuple[str, str]) -> None:
        raise _refusal(self._document, _place(event), rule, found, remedy, path)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
