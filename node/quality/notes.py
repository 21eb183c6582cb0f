"""Arrives: the notes that `node/conformance.py` made on each table. Leaves: findings, with what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.reading.words import Words
from node.quality.finding import Finding, Severity, rows_in_words


def of_notes(tables: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """A finding for every note of the report's tables that asks for a look."""
    for table in tables:
        for note in table["notes"]:
            if note["verdict"] != Severity.NOTE:
                yield _finding(table["table"], note)


def _finding(table: str, note: Mapping[str, Any]) -> Finding:
    about = _ROWS if note["rows"] else _ALONE
    found = about.filled(what=Words(note["nl"], note["en"]), rows=rows_in_words(note["rows"]))
    found = Words(_capital(found.nl), _capital(found.en))
    remedy = Words(f"{_capital(note['remedy_nl'])}.", f"{_capital(note['remedy_en'])}.")
    severity = Severity(note["verdict"])
    return Finding(note["rule"], severity, table, note["column"], found, MEANINGS.get(note["rule"], _OTHER), remedy)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_ROWS = Words("{what}: {rows} rijen.", "{what}: {rows} rows.")
_ALONE = Words("{what}.", "{what}.")
_OTHER = Words("Kijk ernaar voordat u de data gebruikt.", "Look at it before you use the data.")
_BLANKED = Words(
    "Deze cellen zijn leeg gemaakt; de rijen tellen verder mee.", "These cells were made empty; the rows still count."
)
_ASIDE = Words("Deze rijen zijn opzijgezet en tellen niet mee.", "These rows were set aside and do not count.")
_FORM = Words("De tabel past niet op het schema.", "The table does not fit the schema.")
MEANINGS: Mapping[str, Words] = {
    "unreadable": _BLANKED,
    "unlisted": _BLANKED,
    "ambiguous": _BLANKED,
    "person": _BLANKED,
    "unknown_code": _BLANKED,
    "pattern": _BLANKED,
    "empty": _ASIDE,
    "duplicate": _ASIDE,
    "missing_column": _FORM,
    "unknown_column": _FORM,
    "duplicate_column": _FORM,
    "missing_table": Words(
        "Vragen die deze tabel nodig hebben, kan de school niet beantwoorden.",
        "The school cannot answer questions that need this table.",
    ),
    "out_of_bounds": Words(
        "De waarde telt als de grens; vaak is de eenheid anders dan gedacht.",
        "The value counts as the bound; often the unit is not what was thought.",
    ),
}
