"""A column's heading arrives; how well it fits a name of the schema leaves, as a score and a reason in words.

Capitals, accents, spaces and punctuation do not count. Scores are fixed steps, so that a reason explains a score:
the name itself or an alias of a standard, a declared synonym, the same words around a filler such as `student`,
and, never enough by itself, a likeness.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from shared_schema.columns import Column, Table, Text
from shared_schema.synonyms import TABLES, names_of

EXACT, ALIAS, SYNONYM, AROUND = 0.97, 0.95, 0.9, 0.85
LIKE = 0.7  # at most; what merely looks alike is a question
LEAST_LIKE = 0.8  # of all letters, or of all words

FILLERS = frozenset(
    word
    for line in (
        "student studenten deelnemer deelnemers leerling leerlingen cursist persoon mbo sopl code nr nummer",
        "omschrijving huidig huidige actueel actuele totaal total indicatie ind the of de het van een is",
    )
    for word in line.split()
)
_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")


@dataclass(frozen=True)
class Likeness:
    """How well a heading fits: score 0 to 1, and why."""

    score: float
    reason: Text


@cache
def words(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a heading: `StudentAge` is student, age."""
    plain = unicodedata.normalize("NFKD", _BORDER.sub(" ", name))
    return tuple(_WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign)).lower()))


@cache
def letters(name: str) -> str:
    """Return a heading without spaces, capitals, accents and punctuation."""
    return "".join(words(name))


@cache
def _core(name: str) -> tuple[str, ...]:
    kept = tuple(word for word in words(name) if word not in FILLERS)
    return kept or words(name)


def like_column(heading: str, table: Table, column: Column, forgotten: str = "") -> Likeness | None:
    """Return how well a heading fits a column, None where it does not; aliases of system `forgotten` do not count."""
    found = [_same(heading, column.name, EXACT, "naam van de kolom in het schema", "the schema's own name")]
    found += [
        _same(heading, name, ALIAS, f"zo heet het bij {standard}", f"its name at {standard}")
        for standard, name in column.aliases
        if standard.casefold() != forgotten.casefold()
    ]
    synonyms = names_of(table.name, column.name)
    found += [_same(heading, name, SYNONYM, f"synoniem: {name}", f"synonym: {name}") for name in synonyms]
    sure = max((one for one in found if one), key=lambda one: one.score, default=None)
    if sure is not None:
        return sure
    return _alike(heading, [column.name, *synonyms])


def like_any(heading: str, names: Iterable[str]) -> Likeness | None:
    """Return how well a heading fits one of several declared names; likeness alone does not count."""
    found = [_same(heading, name, SYNONYM, f"synoniem: {name}", f"synonym: {name}") for name in names]
    return max((one for one in found if one), key=lambda one: one.score, default=None)


def _same(heading: str, name: str, score: float, nl: str, en: str) -> Likeness | None:
    if letters(heading) == letters(name):
        return Likeness(score, Text(nl, en))
    if sorted(words(heading)) == sorted(words(name)):
        return Likeness(min(score, SYNONYM), Text(nl, en))
    if _core(heading) == _core(name):
        around = Text(f"{nl}, met andere woorden eromheen", f"{en}, with other words around it")
        return Likeness(min(score, AROUND), around)
    return None


def _alike(heading: str, names: Iterable[str]) -> Likeness | None:
    best, nearest = 0.0, ""
    for name in names:
        share = max(_letters_alike(heading, name), _words_alike(heading, name))
        if share > best:
            best, nearest = share, name
    if best < LEAST_LIKE:
        return None
    return Likeness(round(LIKE * best, 2), Text(f"lijkt op: {nearest}", f"looks like: {nearest}"))


def _letters_alike(heading: str, name: str) -> float:
    return difflib.SequenceMatcher(None, letters(heading), letters(name)).ratio()


def _words_alike(heading: str, name: str) -> float:
    """Share of the name's words that the heading has, one word less for each word that it has beside them."""
    here, there = set(_core(heading)), set(_core(name))
    if len(there) < 2 and here != there:
        return 0.0 if not here & there else 0.8 / max(1, len(here - there))
    return len(here & there) / len(here | there)


def tables_named(text: str, tables: Mapping[str, Table], forgotten: str = "") -> dict[str, Text]:
    """Return which tables the name of a file, a sheet or a kind of record speaks of, and by which word."""
    here = set(words(text)) | {letters(text)}
    found: dict[str, Text] = {}
    for table in tables.values():
        names = (table.name, *TABLES.get(table.name, ()), *_aliases(table, forgotten))
        word = next((name for name in names if letters(name) in here or set(words(name)) <= here), None)
        if word is not None:
            found[table.name] = Text(f"de naam zegt {word}", f"the name says {word}")
    return found


def _aliases(table: Table, forgotten: str) -> list[str]:
    return [name for standard, name in table.aliases if standard.casefold() != forgotten.casefold()]
