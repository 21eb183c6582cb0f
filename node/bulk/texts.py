"""Arrives: the SQL of a source's cells. Leaves: the texts of its columns and a sample of each, in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.bulk.coded import Needed
from node.bulk.workshop import Workshop
from node.identifying import SAMPLE, could_identify

if TYPE_CHECKING:
    import pandas as pd

PLAIN_NUMBER = "0|[1-9][0-9]{0,8}"
MOST_TEXTS = 4_000_000  # different texts of one column that are kept in memory


@dataclass(frozen=True)
class Cells:
    """Files under each other as text. readings: SQL of each, with `r0`, `r1`, … for each of `names`, NULL for an empty
    cell; head: the first filled rows."""

    readings: Sequence[str]
    names: Sequence[str]
    head: Sequence[Sequence[str]]

    @property
    def query(self) -> str:
        """SQL of all files; of several, `file` says which (0, 1, …)."""
        if len(self.readings) == 1:
            return self.readings[0]
        return " UNION ALL ".join(
            f"SELECT {n}::UTINYINT AS file, * FROM ({one})" for n, one in enumerate(self.readings)
        )

    @property
    def filled(self) -> str:
        """SQL: whether any cell of a row is filled."""
        return " OR ".join(f"r{at} IS NOT NULL" for at in range(len(self.names)))

    def first_texts(self, at: int) -> list[str]:
        """Return the different texts of a column in the head, in order, those of space alone left out."""
        return list(dict.fromkeys(row[at] for row in self.head if row[at].strip()))


@dataclass(frozen=True)
class Dictionaries:
    """What one pass over the cells tells.

    texts: needed column -> its different texts by their numbers, the empty one (if it occurs) last; numbered: SQL of
    the number of a filled cell;
    sample: every named column's first different texts, padded; lines, rows: of each file, all and filled ones.
    """

    texts: Mapping[str, pd.Series]
    numbered: Mapping[str, str]
    sample: pd.DataFrame
    lines: tuple[int, ...]
    rows: tuple[int, ...]


def dictionaries(cells: Cells, needed: Needed, shop: Workshop) -> Dictionaries | None:
    """List the texts of the needed columns; None when one has more than `MOST_TEXTS`, or a nameless one holds any.

    The texts of identifiers that are plain whole numbers, as students' numbers mostly are, are their own numbers.
    """
    import pandas as pd

    found, table = _pass(cells, needed.columns, shop)
    lists = {name: found[f"l{at}"] for at, name in enumerate(cells.names) if f"l{at}" in found}
    if any(found.get(f"u{at}") for at in range(len(cells.names))) or max(lists.values(), default=0) > MOST_TEXTS:
        return None
    texts, numbered = {}, {}
    for name, length in lists.items():
        at = cells.names.index(name)
        spelled = _spelled(table, at, shop) if name in needed.identifiers else None
        if spelled is not None:
            texts[name], numbered[name] = spelled, f"r{at}::INTEGER"
        elif found[f"n{at}"]:
            kind = _enumeration(table, at, shop)
            texts[name], numbered[name] = _enumerated(kind, shop), f"enum_code(r{at}::{kind})"
        else:
            texts[name], numbered[name] = pd.Series([], dtype="str"), "NULL"
        if length > found[f"n{at}"]:
            texts[name] = _with_empty(texts[name])
    sample = {
        name: _sample(cells, at, texts.get(name), bool(found.get(f"o{at}")), shop)
        for at, name in enumerate(cells.names)
        if name
    }
    shop.drop(table)
    files = range(len(cells.readings))
    counted = [tuple(int(found[f"{what}{file}"]) for file in files) for what in ("lines", "rows")]
    return Dictionaries(texts, numbered, padded(sample), *counted)


def _pass(cells: Cells, needed: Collection[str], shop: Workshop) -> tuple[dict[str, Any], str]:
    """The one pass: figures by name, and the table that holds the lists (`l` + number of the column)."""
    several = len(cells.readings) > 1
    asked = {}
    for n in range(len(cells.readings)):
        asked[f"lines{n}"] = f"count(*) FILTER (WHERE file = {n})" if several else "count(*)"
        asked[f"rows{n}"] = f"count(*) FILTER (WHERE {f'file = {n} AND ' if several else ''}({cells.filled}))"
    asked |= dict(_asked(cells, needed, shop))
    columns = ", ".join(f"{what} AS {name}" for name, what in asked.items())
    table = shop.table("pass", f"SELECT {columns} FROM ({cells.query})")
    lists = [name for name in asked if name.removeprefix("l").isdigit()]
    shown = {name: f"len({name})" if name in lists else name for name in asked}
    shown |= {f"n{name[1:]}": f"len(list_filter({name}, lambda one: one IS NOT NULL))" for name in lists}
    return dict(zip(shown, shop.rows(f"SELECT {', '.join(shown.values())} FROM {table}")[0], strict=True)), table


def _asked(cells: Cells, needed: Collection[str], shop: Workshop) -> Iterator[tuple[str, str]]:
    for at, name in enumerate(cells.names):
        if not name:
            yield f"u{at}", f"coalesce(bool_or(r{at} IS NOT NULL), false)"
        elif name in needed:
            yield f"l{at}", f"coalesce(list(DISTINCT r{at}), [])"
        elif len(cells.first_texts(at)) < SAMPLE:
            kind = _enumeration_of(cells.first_texts(at), shop)
            yield f"o{at}", f"coalesce(bool_or(r{at} IS NOT NULL AND try_cast(r{at} AS {kind}) IS NULL), false)"


def _enumeration(table: str, at: int, shop: Workshop) -> str:
    kind = shop.name("kind")
    filled = f"SELECT text FROM (SELECT unnest(l{at}) AS text FROM {table}) WHERE text IS NOT NULL"
    shop.connection.execute(f"CREATE TYPE {kind} AS ENUM ({filled})")
    return kind


def _enumeration_of(texts: Sequence[str], shop: Workshop) -> str:
    import pandas as pd

    kind, listed = shop.name("kind"), shop.lent(pd.DataFrame({"text": pd.Series(["", *texts], dtype=object)}))
    shop.connection.execute(f"CREATE TYPE {kind} AS ENUM (SELECT text FROM {listed})")
    return kind


def _enumerated(kind: str, shop: Workshop) -> pd.Series:
    import pandas as pd

    return pd.Series(shop.one(f"SELECT enum_range(NULL::{kind})"), dtype="str")


def _spelled(table: str, at: int, shop: Workshop) -> pd.Series | None:
    """The texts of a column by the whole numbers that they spell; None where one is no plain whole number."""
    filled = f"SELECT text FROM (SELECT unnest(l{at}) AS text FROM {table}) WHERE text IS NOT NULL"
    if not shop.one(f"SELECT coalesce(bool_and(regexp_full_match(text, '{PLAIN_NUMBER}')), false) FROM ({filled})"):
        return None
    return shop.frame(f"SELECT text, text::INTEGER AS number FROM ({filled})").set_index("number")["text"].astype("str")


def _with_empty(texts: pd.Series) -> pd.Series:
    """The same texts and then the empty one, under the next free number."""
    import pandas as pd

    return pd.concat([texts, pd.Series([""], index=[max(texts.index, default=-1) + 1], dtype="str")])


def _sample(cells: Cells, at: int, texts: pd.Series | None, others: bool, shop: Workshop) -> list[str]:
    """The first different texts of a column, `SAMPLE` of them if there are as many; any, where none would tell."""
    first = cells.first_texts(at)
    if len(first) >= SAMPLE:
        return first[:SAMPLE]
    listed = [] if texts is None else [text for text in texts if text.strip()]
    if texts is not None and (len(listed) <= SAMPLE or not could_identify([text.strip() for text in listed])):
        return listed[:SAMPLE]
    return first if texts is None and not others else _first_in_file(cells, at, shop)


def _first_in_file(cells: Cells, at: int, shop: Workshop) -> list[str]:
    """The same for a column that begins with few different texts and has others further on: a pass of its own."""
    numbered = f"SELECT r{at} AS text, row_number() OVER () AS place FROM ({cells.query})"
    query = f"SELECT text FROM ({numbered}) WHERE text IS NOT NULL GROUP BY text ORDER BY min(place)"
    result, found = shop.connection.execute(query), list[str]()
    while len(found) < SAMPLE and (rows := result.fetchmany(SAMPLE)):
        found += [text for (text,) in rows if text.strip()]
    return found[:SAMPLE]


def padded(columns: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return lists of texts as the columns of one frame, the shorter ones filled up with empty texts."""
    import pandas as pd

    longest = max((len(texts) for texts in columns.values()), default=0)
    return pd.DataFrame(
        {name: pd.Series([*texts, *[""] * (longest - len(texts))], dtype="str") for name, texts in columns.items()}
    )
