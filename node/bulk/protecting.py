"""Arrives: a source as numbers, identifiers included. Leaves: the same source as one table without any of them.

What counts as an identifier, and how a number becomes a pseudonym, is said by `node/identifiers.py`; here each
different text is asked about once. No text is written anywhere: the table holds a number for each student and cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.bulk.coded import Coded, Raw
from node.bulk.workshop import Workshop
from node.identifiers import Protected, Protection, dropped_columns, identifier_columns, no_identifier, pseudonyms_of
from node.identifying import are_words, hardly_come_back
from node.intake import Export
from node.sources.formats import distinct_texts
from shared_schema import About

if TYPE_CHECKING:
    import pandas as pd

    from node.mapping_document import Identifier


@dataclass(frozen=True)
class People:
    """How the numbers of one population become pseudonyms, pseudonyms the first one of the same person, and of whom
    nothing is stored."""

    about: About
    pseudonym: Callable[[str], str]
    first_of: Callable[[Collection[str]], Mapping[str, str]] = lambda found: {one: one for one in found}
    withheld: Collection[str] = frozenset()


def protect(raw: Raw, identifier: Identifier | None, drop: Collection[str], people: People, shop: Workshop) -> Coded:
    """Do what `node.identifiers.protect` does."""
    export = Export(raw.source, raw.sample, raw.detected)
    replaced = identifier_columns(export, identifier)
    dropped = dropped_columns(export, replaced, drop, people=False)  # its sample tells no share
    if identifier is not None:
        left = [name for name in raw.columns if name not in {*replaced, *dropped}]
        dropped |= {name: "contents" for name in left if _are_persons(raw, name, shop)}
    kept = [name for name in raw.sample if name not in {*replaced, *dropped}]
    columns = {name: raw.columns[name] for name in kept if name in raw.columns}
    query = _without_identifiers(raw, columns)
    if identifier is not None:
        query = _of_people(raw, columns, replaced, identifier, people, shop)
    table = shop.table("source", query)
    if raw.table:
        shop.drop(raw.table)
    named = shop.size(table)
    if identifier is not None and raw.rows and not named:
        raise no_identifier(export, replaced, "no filled cell in it")
    withheld = [shop.students[one] for one in people.withheld if one in shop.students]
    if identifier is not None and withheld:
        shop.delete(table, "student", withheld)
    rows = shop.size(table)
    protection = Protection(raw.source, tuple(replaced), dropped, raw.rows - named, named - rows)
    outline = Protected(raw.source, export.frame[kept].iloc[:0], _nobody(identifier), protection, people.about)
    return Coded(
        raw.source, table, columns, {name: raw.texts[name] for name in columns}, outline, rows, raw.rows, raw.lines
    )


def _are_persons(raw: Raw, name: str, shop: Workshop) -> bool:
    """Return whether a column holds words that hardly ever come back, as `identifies` asks of a column about people.

    Of a column that no rule reads there are no texts to count, and nothing of it is stored.
    """
    if not are_words(distinct_texts(raw.sample[name])):
        return False
    texts = raw.texts[name].str.strip()
    blank = ", ".join(["-1", *(str(code) for code in texts.index[texts == ""])])
    filled = shop.one(f"SELECT count(*) FROM ({raw.query}) WHERE {raw.columns[name]} NOT IN ({blank})")
    return hardly_come_back(texts[texts != ""].nunique(), filled)


def _without_identifiers(raw: Raw, columns: Mapping[str, str], more: str = "") -> str:
    chosen = ", ".join([more] * bool(more) + [f"cells.{cell}" for cell in columns.values()])
    return f"SELECT {chosen or '1 AS one'} FROM ({raw.query}) AS cells"


def _of_people(
    raw: Raw,
    columns: Mapping[str, str],
    replaced: Collection[str],
    identifier: Identifier,
    people: People,
    shop: Workshop,
) -> str:
    """SQL of the rows that have a person: the first identifier column that is filled says which."""
    joins, found = "", []
    for name in replaced:
        pseudonyms = pseudonyms_of(raw.texts[name].to_frame(name), [name], identifier, people.pseudonym)
        lookup = shop.lent(_numbered(pseudonyms, people, shop))  # no table: a code may be the number itself
        joins += f" LEFT JOIN {lookup} ON cells.{raw.columns[name]} = {lookup}.code"
        found.append(f"{lookup}.student")
    student = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
    query = _without_identifiers(raw, columns, f"{student}::INTEGER AS student")
    return f"{query}{joins} WHERE {student} IS NOT NULL"


def _numbered(pseudonyms: pd.Series, people: People, shop: Workshop) -> pd.DataFrame:
    """Code of a text -> number of a student, for the texts that name one."""
    import numpy as np
    import pandas as pd

    there = pseudonyms.dropna()
    found = there.tolist()
    first = people.first_of(found)
    numbers = shop.number([first[pseudonym] for pseudonym in found])
    return pd.DataFrame({"code": there.index.to_numpy(np.int32), "student": np.array(numbers, dtype=np.int32)})


def _nobody(identifier: Identifier | None) -> pd.Series | None:
    import pandas as pd

    return None if identifier is None else pd.Series([], dtype="string")
