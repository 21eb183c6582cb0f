"""Pseudonyms and the export they came from arrive; the school's own student numbers leave, in memory only.

The store knows no numbers and cannot give them back: the export is read again, by the node's own mapping and key. What
comes out belongs in the list that a person asked for, and nowhere else: not under data/, not in a log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from node.assembly import open_schema
from node.errors import UnusableInput
from node.identifiers import is_known_identifier, looks_identifying, numbers_of
from node.intake import read_exports
from node.mapping import identifier_of
from node.mapping_document import Identifier, read_mapping
from node.people.populations import about_whom
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from shared_schema import About, SchemaError

if TYPE_CHECKING:
    import pandas as pd

    from node.folder import NodeFolder
    from node.mapping_document import MappingDocument, Source

RULE = "A list may show the school's own student numbers, read again from the export."


def of_students(folder: NodeFolder, export: Path, students: Collection[str]) -> dict[str, str]:
    """Student number by pseudonym, of the students that the export names; a linked number counts as the first one's.

    export: a folder of exports, or one file of it. Of several numbers of one student the last in the export counts.
    Raises `UnusableInput`: an export that the node's mapping does not read, one that names students by BSN or
    onderwijsnummer only, or one that names none of these students.
    """
    key, found, faults = PseudonymKey.load(folder.pseudonym_key), dict[str, str](), list[UnusableInput]()
    for path in folder.mappings():
        try:
            found |= _by_mapping(folder, _mapping(path), export, key)
        except UnusableInput as fault:  # another layout's mapping may read this export
            faults.append(fault)
    if faults and not found:
        raise faults[0]
    with Pseudonyms.open(folder.data) as pseudonyms:
        first = pseudonyms.first_of(found)
    wanted = set(students)
    numbers = {first[pseudonym]: number for pseudonym, number in found.items() if first[pseudonym] in wanted}
    if wanted and not numbers:
        remedy = "Name the export that was taken in: --numbers FOLDER."
        raise UnusableInput("no_numbers", RULE, "an export that names none of these students", remedy)
    return numbers


def _by_mapping(folder: NodeFolder, document: MappingDocument, export: Path, key: PseudonymKey) -> dict[str, str]:
    """Number by pseudonym as one mapping reads the export, of every student in it."""
    inside, only = (export.parent, export.name) if export.is_file() else (export, None)
    about = about_whom(document, open_schema(folder))
    found: dict[str, str] = {}
    for name, read in read_exports(inside, _sources(document, only), only, connections=folder.connections).items():
        identifier = identifier_of(document, name, read.frame.columns)
        if identifier is not None and about.get(name, About.STUDENT) is About.STUDENT:
            found |= _of_export(read.frame, identifier, key)
    return found


def _mapping(path: Path) -> MappingDocument:
    try:
        return read_mapping(path)
    except SchemaError as error:
        remedy = f"Correct {path.name}, or put the mapping of the delivery in its place."
        raise UnusableInput("bad_mapping", RULE, str(error), remedy) from error


def _sources(document: MappingDocument, only: str | None) -> Mapping[str, Source]:
    """The sources to read again: of one named file, those that it can be."""
    import fnmatch

    if only is None:
        return document.sources
    return {
        name: source
        for name, source in document.sources.items()
        if fnmatch.fnmatchcase(only.casefold(), source.file.casefold())
    } or document.sources


def _of_export(frame: pd.DataFrame, identifier: Identifier, key: PseudonymKey) -> dict[str, str]:
    """Pseudonym to number, by the rule that made the pseudonym: the first filled column, padded."""
    columns = [name for name in identifier.column if name in frame]
    if any(is_known_identifier(name) or looks_identifying(frame[name]) for name in columns):
        remedy = "Use an export with the school's own number, and a mapping that names students by it."
        raise UnusableInput("only_bsn", RULE, "an export that names students by BSN or onderwijsnummer", remedy)
    numbers = numbers_of(frame, columns, identifier).dropna().unique()
    return {key.pseudonym(number): number for number in numbers}
