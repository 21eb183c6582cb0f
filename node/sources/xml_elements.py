"""Arrives: an XML file. Leaves: rows of text per kind of element, gathered while the file streams by.

Nothing that XML can do beyond elements and text is done: a document type, an entity or something outside the file is
refused, and depth, length of a text and rows that wait for the end of their element are bounded, so that a file
costs no more memory than its rows. An element that the mapping does not declare is refused, not skipped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from node.mapping_document import Element, Elements
from node.sources.detection import bad_file, decodes, holds_utf8
from node.sources.records import Kind

if TYPE_CHECKING:
    from defusedxml.ElementTree import DefusedXMLParser

CHUNK = 1 << 16
MAX_DEPTH = 40
MAX_TEXT = 131_072  # letters in one element, as in a cell of a text file
MAX_WAITING = 100_000  # rows within one outermost element
MAX_TOKEN = 1 << 20  # bytes of one tag, comment or the like
ENCODINGS = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
}
_DECLARED = re.compile(rb"""^<\?xml[^>]{1,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_OF_XML = ("{http://www.w3.org/2001/XMLSchema-instance}", "{http://www.w3.org/XML/1998/namespace}")


def read_elements(path: Path, elements: Elements) -> tuple[dict[str, Kind], str]:
    """Return kind of element -> its rows, and the encoding that the file declares.

    Raises UnusableInput for a file that is no well-formed XML, ends too early, is written otherwise than it declares,
    holds a document type or an undeclared element, or is larger than the bounds somewhere.
    """
    encoding = _encoding(path)
    gathering = _Gathering(path, elements)
    _parse(path, gathering)
    if not any(kind.rows for kind in gathering.kinds.values()):
        found, remedy = "none of them", "Look at `xml` in the mapping: `at` names the elements from below the root."
        places = ", ".join("/".join(place) for place in elements.paths)
        raise bad_file("header_only", path, f"An XML export holds elements ({places}).", found, remedy)
    return gathering.kinds, encoding


# Encoding ---------------------------------------------------------------------------------------------------------


def _encoding(path: Path) -> str:
    """The encoding that the file declares, if it is one of the known and the bytes are written in it."""
    with path.open("rb") as file:
        start = file.read(200)
    by_mark = "utf-16" if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
    declared = _DECLARED.search(start.removeprefix(codecs.BOM_UTF8))
    name = declared.group(1).decode().lower() if declared else by_mark
    if name not in ENCODINGS:
        raise _wrong_encoding(path, "another encoding in its first line")
    single_byte = name not in ("utf-8", "utf-16")
    if not decodes(path, ENCODINGS[name]) or (single_byte and decodes(path, "utf-8") and holds_utf8(path)):
        raise _wrong_encoding(path, f"bytes that are not, under a first line that says {name}")
    return name


def _wrong_encoding(path: Path, found: str) -> UnusableInput:
    return bad_file(
        "wrong_encoding",
        path,
        f"An XML file is written as its first line says: {', '.join(ENCODINGS)}.",
        found,
        "Ask for the delivery again, in UTF-8; do not open and save it in an editor.",
    )


# Streaming --------------------------------------------------------------------------------------------------------


def _parse(path: Path, gathering: _Gathering) -> None:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    parser = DefusedXMLParser(target=gathering, forbid_dtd=True)
    gathering.parser = parser
    try:
        for chunk in _chunks(path, gathering):
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException:
        raise bad_file(
            "xml_document_type",
            path,
            "An export in XML has no document type and no entities.",
            "one of these",
            "Ask the supplier for plain XML; a document type can make a reader fetch or unfold anything.",
        ) from None
    except ParseError as error:
        raise _not_well_formed(path, error.position[0]) from None


def _chunks(path: Path, gathering: _Gathering) -> Iterator[bytes]:
    """The file in pieces; refused where a piece of more than MAX_TOKEN bytes is neither text nor a whole tag."""
    silent, seen = 0, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
            silent = silent + len(chunk) if gathering.events == seen else 0
            seen = gathering.events
            if silent > MAX_TOKEN:
                raise _too_large(path, f"a tag or comment of more than {MAX_TOKEN >> 20} MiB")


def _not_well_formed(path: Path, line: int) -> UnusableInput:
    return bad_file(
        "bad_xml",
        path,
        "XML is well-formed: what opens is closed, up to the last line.",
        f"something that is not, or an early end, at line {line}",
        "The file may have been cut off or edited; fetch it again.",
    )


def _too_large(path: Path, found: str) -> UnusableInput:
    return bad_file(
        "xml_too_large",
        path,
        f"Elements are at most {MAX_DEPTH} deep, texts at most {MAX_TEXT:,} letters, and one outermost element "
        f"holds at most {MAX_WAITING:,} rows.",
        found,
        "Ask for the delivery again; if it is right, let `at` name elements that lie deeper.",
    )


# Elements to rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where fields may stand: in a row of `kind`, or ("") in an element around rows.

    declared: paths of the fields that are read here; expected: those, and the elements on the way to them.
    """

    kind: str
    declared: frozenset[str]
    expected: frozenset[str]


@dataclass
class _Open:
    """One open element. place: what it is, None for a field; holder: the row or element around rows that it is in.

    path: a field's own, from its holder; values: field -> text, of a row or an element around rows.
    """

    place: _Place | None
    holder: _Open | None
    path: str = ""
    values: dict[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    letters: int = 0

    def owner(self, name: str) -> tuple[_Open, str]:
        """Return the row or element around rows in which a field of this name counts, and its path there."""
        if self.place is not None or self.holder is None:
            return self, name
        return self.holder, f"{self.path}/{name}"

    def above(self, name: str) -> str:
        """Return this field of the nearest element around this one that has it, or the empty text."""
        around = self.holder
        while around is not None:
            if name in around.values:
                return around.values[name]
            around = around.holder
        return ""


def _places(elements: Elements) -> dict[tuple[str, ...], _Place]:
    """Names from below the root -> what an element there is: every row, and every element around one."""
    paths = elements.paths
    places: dict[tuple[str, ...], _Place] = {}
    for place in {path[:length] for path in paths for length in range(len(path) + 1)}:
        within = [kind for path, kind in paths.items() if len(path) > len(place) and path[: len(place)] == place]
        asked = {name for kind in within for name in elements.kinds[kind].above}
        kind = paths.get(place, "")
        declared = frozenset({*(elements.kinds[kind].fields if kind else ()), *asked})
        steps = (name.split("/") for name in declared)
        expected = frozenset("/".join(parts[:length]) for parts in steps for length in range(1, len(parts) + 1))
        places[place] = _Place(kind, declared, expected)
    return places


class _Gathering:
    """The target of a parser: `start`, `data` and `end` as elements stream by; rows leave in `kinds`."""

    def __init__(self, path: Path, elements: Elements) -> None:
        self.path, self.elements = path, elements
        self.kinds = {name: Kind([*one.fields, *one.above]) for name, one in elements.kinds.items()}
        self.events = 0
        self.parser: DefusedXMLParser | None = None
        self._places = _places(elements)
        self._ignored = frozenset(elements.ignore)
        self._names: list[str] = []  # of the open elements below the root
        self._open: list[_Open] = []  # those elements, after the root
        self._skipping = 0  # how deep within an element that is left out
        self._waiting: list[tuple[str, _Open]] = []  # rows within a row that is still open

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.events += 1
        if len(self._open) + self._skipping >= MAX_DEPTH:
            raise _too_large(self.path, f"elements deeper than that, at line {self._line()}")
        name = tag.rpartition("}")[2]
        if self._skipping or (self._open and name in self._ignored):
            self._skipping += 1
            return
        if self._open:
            self._names.append(name)
        self._open.append(self._opened(name))
        for attribute, value in attributes.items():
            if not attribute.startswith(_OF_XML):
                self._attribute(f"@{attribute.rpartition('}')[2]}", value)

    def _opened(self, name: str) -> _Open:
        """What an element is: the root, a row, an element around rows, or (the way to) a field."""
        around = self._open[-1] if self._open else None
        place = self._places.get(tuple(self._names))
        if around is None or place is not None:
            return _Open(place, around)
        owner, path = around.owner(name)
        if owner.place is None or path not in owner.place.expected:
            raise self._unknown()
        return _Open(None, owner, path)

    def _attribute(self, name: str, value: str) -> None:
        owner, path = self._open[-1].owner(name)
        if owner.place is not None and path in owner.place.declared:
            self._keep(owner, path, value.strip())
        elif name not in self._ignored:
            raise self._unknown()

    def data(self, text: str) -> None:
        self.events += 1
        if self._skipping or not self._open:
            return
        element = self._open[-1]
        if element.place is None:
            element.text.append(text)
            element.letters += len(text)
            if element.letters > MAX_TEXT:
                raise _too_large(self.path, f"a longer text, at line {self._line()}")
        elif text.strip():
            raise self._unknown()

    def end(self, tag: str) -> None:
        self.events += 1
        if self._skipping:
            self._skipping -= 1
            return
        element = self._open.pop()
        if self._names:
            self._names.pop()
        if element.place is None:
            self._close_field(element)
        elif element.place.kind:
            self._close_row(element.place.kind, element)

    def _close_field(self, element: _Open) -> None:
        text, owner = "".join(element.text).strip(), element.holder
        if owner is not None and owner.place is not None and element.path in owner.place.declared:
            self._keep(owner, element.path, text)
        elif text:
            raise self._unknown()

    def _keep(self, owner: _Open, path: str, text: str) -> None:
        if path in owner.values:
            raise bad_file(
                "repeated_element",
                self.path,
                "An element holds each of its fields once.",
                f"one a second time, at line {self._line()}",
                "Declare the elements that repeat as a kind of their own, with `at` and `above`.",
            )
        owner.values[path] = text

    def _close_row(self, kind: str, element: _Open) -> None:
        self._waiting.append((kind, element))
        if len(self._waiting) > MAX_WAITING:
            raise _too_large(self.path, f"more rows, at line {self._line()}")
        if any(one.place is not None and one.place.kind for one in self._open):
            return  # a field of the row around it may still come
        for name, row in self._waiting:
            self.kinds[name].rows.append(self._cells(self.elements.kinds[name], row))
        self._waiting.clear()

    def _cells(self, declared: Element, row: _Open) -> list[str]:
        own = [row.values.get(name, "") for name in declared.fields]
        return [*own, *(row.above(name) for name in declared.above)]

    def comment(self, text: str) -> None:
        """A comment says nothing."""
        self.events += 1

    def pi(self, target: str, text: str | None = None) -> None:
        """An instruction to a program is not carried out."""
        self.events += 1

    def close(self) -> None:
        """The parser calls this at the end of the file."""

    def _line(self) -> int:
        return int(self.parser.parser.CurrentLineNumber) if self.parser is not None else 0

    def _unknown(self) -> UnusableInput:
        return bad_file(
            "unknown_element",
            self.path,
            "Every element and attribute of an XML export is declared in the mapping.",
            f"one that is not, or text between elements, at line {self._line()}",
            "Name it under `fields` of its kind, or under `ignore`.",
        )
