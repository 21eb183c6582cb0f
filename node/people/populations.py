"""A mapping and the schema arrive; whose numbers each of its sources holds leaves: students', applicants' or staff's.

It follows from the tables that a source fills, so that nobody has to say it and nobody can say it wrongly. A source
that would fill tables about two populations is refused: their pseudonyms differ on purpose, and a row under both would
link an applicant, or a member of staff, to a student's account.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.column_rules import FromRule, Part, parts_of
from node.errors import UnusableInput
from node.mapping_document import MappingDocument, all_rules
from shared_schema import About, Schema


def about_whom(document: MappingDocument, schema: Schema) -> dict[str, About]:
    """Return for every source that fills a table of people, or is looked up for one, whom its rows are about.

    Sources of rows about nobody are left out, those of a table that the schema does not have too (`mapping.apply`
    refuses it). Raises UnusableInput for a source about two populations.
    """
    found: dict[str, set[About]] = {}
    for source, about in _uses(document, schema):
        found.setdefault(source, set()).add(about)
    for source, abouts in found.items():
        if len(abouts) > 1:
            raise UnusableInput(
                "two_populations",
                "The rows of a source are about one population: students, applicants or staff.",
                f"source {source} is read for {' and '.join(sorted(about.words.en for about in abouts))}",
                "Make two exports, or two mappings, each for one of them.",
            )
    return {source: about for source, (about,) in found.items()}


def _uses(document: MappingDocument, schema: Schema) -> Iterator[tuple[str, About]]:
    for table, rules in document.tables.items():
        about = schema.tables[table].about if table in schema.tables else About.STUDENT
        if not about.person:
            continue
        for rule in rules:
            for source in {rule.source, *_looked_up(all_rules(rule))}:
                if _names_people(document, source):
                    yield source, about


def _looked_up(rules: Iterator[Part]) -> Iterator[str]:
    for rule in rules:
        for part in parts_of(rule):
            if isinstance(part, FromRule) and part.of is not None:
                yield part.of


def _names_people(document: MappingDocument, source: str) -> bool:
    return document.sources[source.partition("#")[0]].identifier is not False
