"""The text of a mapping arrives; what each table and column gets leaves, in sentences, and which points are open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from node.assistant.asking import FILL
from node.assistant.proposal import pair
from node.assistant.sentences import sentence
from node.assistant.writing import MARK
from node.mapping_document import Identifier, MappingDocument, Source, TableRule
from shared_schema import Schema, SchemaError
from shared_schema.columns import Text

_POINT = re.compile(rf"\s*# {MARK} (\d+)( \(verplicht)?")
_LETTER = re.compile(r"\s*# [a-z]\) ")
YEAR_TO_FILL = "JJJJ"


@dataclass(frozen=True)
class Told:
    """One thing a mapping says. place: table, table.column, or a part of the document."""

    place: str
    words: Text


@dataclass(frozen=True)
class StillOpen:
    """An open point of the assistant that nobody answered; required: the mapping cannot be used so."""

    number: int
    required: bool


def explain(document: MappingDocument, schema: Schema) -> Iterator[Told]:
    """Yield what a mapping says, from its sources to its last column."""
    for name, source in document.sources.items():
        yield Told(name, _source(source, document))
    if document.drop:
        names = ", ".join(document.drop)
        yield Told("drop", pair(f"nooit bewaard: {names}", f"never stored: {names}"))
    lost = f"{document.tolerance:.0%}"
    words = pair(
        f"hoogstens {lost} van de rijen van een tabel, of van de cellen van een kolom, mag verloren gaan",
        f"at most {lost} of a table's rows, or of a column's cells, may be lost",
    )
    yield Told("tolerance", words)
    for table, rules in document.tables.items():
        for rule in rules:
            yield from _table(table, rule, schema)


def _source(source: Source, document: MappingDocument) -> Text:
    own = source.identifier if source.identifier is not None else document.identifier
    sheet = pair(f", blad {source.sheet}", f", sheet {source.sheet}") if source.sheet else pair("", "")
    who = _who(own)
    return pair(f"bestand {source.file}{sheet.nl}; {who.nl}", f"file {source.file}{sheet.en}; {who.en}")


def _who(own: Identifier | bool | None) -> Text:
    if not isinstance(own, Identifier):
        return pair("de rijen gaan niet over studenten", "the rows are not about students")
    if own.row:
        return pair("elke rij is een student van deze levering alleen", "each row is a student of this delivery only")
    names_nl, names_en = " of anders ".join(own.column), " or else ".join(own.column)
    return pair(f"{names_nl} wordt een pseudoniem", f"{names_en} becomes a pseudonym")


def _table(table: str, rule: TableRule, schema: Schema) -> Iterator[Told]:
    yield Told(table, _rows(table, rule, schema))
    for name, part in rule.columns.items():
        yield Told(f"{table}.{name}", _with_prose(table, name, sentence(part), schema))
    if rule.unpivot is not None:
        weeks = ", ".join(map(str, rule.unpivot.weeks))
        for name, part in rule.unpivot.columns.items():
            told = sentence(part)
            words = pair(f"voor elk van de weken {weeks}: {told.nl}", f"for each of weeks {weeks}: {told.en}")
            yield Told(f"{table}.{name}", words)
    for span in rule.spans:
        for name, part in span.columns.items():
            told = sentence(part)
            over = pair(f"week {span.week}", f"week {span.week}")
            if span.weeks:
                over = pair(
                    f"de {span.weeks} weken tot en met week {span.week}",
                    f"the {span.weeks} weeks through week {span.week}",
                )
            yield Told(f"{table}.{name}", pair(f"{over.nl}: {told.nl}", f"{over.en}: {told.en}"))


def _rows(table: str, rule: TableRule, schema: Schema) -> Text:
    title = schema.table(table).title if table in schema.tables else pair(table, table)
    nl, en = [f"{title.nl}: rijen van {rule.source}"], [f"{title.en}: rows of {rule.source}"]
    for name, values in rule.where.items():
        nl.append(f"alleen waar {name} {' of '.join(values)} is")
        en.append(f"only where {name} is {' or '.join(values)}")
    if rule.keep is not None:
        by = sentence(rule.keep.by)
        nl.append(f"van meer rijen de {'laatste' if rule.keep.latest else 'eerste'} naar {by.nl}")
        en.append(f"of several rows the {'latest' if rule.keep.latest else 'earliest'} by {by.en}")
    return pair("; ".join(nl), "; ".join(en))


def _with_prose(table: str, column: str, told: Text, schema: Schema) -> Text:
    """A sentence after what the column means."""
    try:
        label = schema.column(table, column).label
    except SchemaError:
        return told
    return pair(f"{label.nl}: {told.nl}", f"{label.en}: {told.en}")


# Open points --------------------------------------------------------------------------------------------------------


def still_open(text: str) -> list[StillOpen]:
    """Return the open points of a proposal of which no answer was uncommented."""
    found: dict[int, bool] = {}
    answered: set[int] = set()
    number, after_letter = 0, False
    for line in text.splitlines():
        if match := _POINT.match(line):
            number, after_letter = int(match[1]), False
            found[number] = bool(match[2])
        elif _LETTER.match(line):
            after_letter = True
        elif line.strip() and not line.lstrip().startswith("#"):
            answered |= {number} if after_letter else set()
            after_letter = False
        elif line.lstrip().startswith("#") and not line.lstrip().startswith("# "):
            after_letter = False  # an answer that stands there still
    return [StillOpen(one, required) for one, required in found.items() if one not in answered]


def to_fill(text: str) -> int:
    """Return how many lines that count still hold a place to fill in."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return sum(YEAR_TO_FILL in line or FILL in line for line in lines)
