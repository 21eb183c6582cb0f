"""Arrives: blocks of rows as numbers, and the values behind them. Leaves: the rows of a table, and what became of each.

Nothing here looks at a value: rows are compared by the numbers of their values, merged, and set aside as
`node/mapping.py` and `shared_schema.validation.conform` do with frames. What is rare costs a pass of its own only where
it occurs: rows that share a key are looked for first, and only those are compared as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node.bulk.filling import Block, Valued
from node.bulk.repairing import Values, values_of
from node.bulk.workshop import Workshop
from shared_schema.facts import days

if TYPE_CHECKING:
    import pandas as pd

    from node.bulk.repairing import Numbers
    from shared_schema import Schema
    from shared_schema.columns import Table

MOST_BITS = 1 << 28  # 32 MiB


@dataclass(frozen=True)
class Rows:
    """A table as numbers. name: its SQL table, with the number of each value under `names[column]` and, in a table
    about people, the person under `student`; values: column -> what the numbers stand for."""

    name: str
    names: Mapping[str, str]
    values: Mapping[str, Values]
    about_people: bool

    @property
    def everything(self) -> list[str]:
        """SQL names of all columns."""
        return ["student"] * self.about_people + list(self.names.values())


@dataclass(frozen=True)
class Fate:
    """What became of rows. merged: how many equal another one that stays; duplicate: how many share a key, as it was
    read; delivered: SQL table of the rows after merging; kept: SQL of those that are kept."""

    merged: int
    duplicate: int
    delivered: str
    kept: str

    @property
    def all_kept(self) -> bool:
        """Whether nothing is set aside."""
        return self.kept == f"SELECT * FROM {self.delivered}"


def put_together(blocks: Sequence[Block], table: Table, schema: Schema, shop: Workshop) -> tuple[Rows, int]:
    """Put the rows of all blocks under each other, and count those that `keep` does not keep."""
    columns = {name for block in blocks for name in block.columns}
    values: dict[str, Values] = {}
    numbers: dict[str, list[Numbers]] = {}
    for name in (name for name in table.columns if name in columns):
        values[name], numbers[name] = values_of(table, name, [block.columns.get(name) for block in blocks], schema)
    rows = Rows("", {column: f"v{at}" for at, column in enumerate(values)}, values, table.unit is not None)
    key = [*(["student"] if rows.about_people else []), *(rows.names[name] for name in table.key if name in rows.names)]
    parts, not_kept = [], 0
    for at, block in enumerate(blocks):
        part = _numbered(block, {column: numbers[column][at] for column in values}, rows, shop)
        if block.order is not None and block.order[0].keys:
            before, part = part, _best(part, key)
            not_kept += int(shop.one(f"SELECT (SELECT count(*) FROM ({before})) - (SELECT count(*) FROM ({part}))"))
        parts.append(part)
    return replace(rows, name=shop.table("rows", " UNION ALL ".join(parts))), not_kept


def _numbered(block: Block, numbers: Mapping[str, Numbers], rows: Rows, shop: Workshop) -> str:
    """SQL of one block: each combination of codes replaced by the number of the value that it gives."""
    joins, chosen, held = "", ["cells.student"] * rows.about_people, list[str]()
    for column, name in rows.names.items():
        given, there = block.columns.get(column), rows.values[column].given.notna().to_numpy(bool)[numbers[column]]
        if given is None or not given.keys:
            chosen.append(f"{int(numbers[column][0])}::INTEGER AS {name}")
            held += [str(bool(there[0]))] * (column in block.one_of)
            continue
        small = shop.small(given.frame[list(given.keys)].assign(number=numbers[column], there=there))
        joins += f" JOIN {small} ON {_same(given, small)}"
        chosen.append(f"{small}.number AS {name}")
        held += [f"{small}.there"] * (column in block.one_of)
    if block.order is not None and block.order[0].keys:
        small = shop.small(_ranked(*block.order))
        joins += f" JOIN {small} ON {_same(block.order[0], small)}"
        chosen.append(f"{small}.rank AS rank")
    where = f" WHERE {' OR '.join(held)}" if block.one_of else ""
    return f"SELECT {', '.join(chosen)} FROM ({block.query}) AS cells{joins}{where}"


def _same(given: Valued, small: str) -> str:
    return " AND ".join(f"cells.{key} = {small}.{key}" for key in given.keys)


def _ranked(order: Valued, latest: bool) -> pd.DataFrame:
    """A rank of each date: the highest stays; none for a missing one."""
    import pandas as pd

    since = pd.Series(days(order.frame["value"])).astype("Int64")
    return order.frame[list(order.keys)].assign(rank=since if latest else -since)


def _best(query: str, key: Sequence[str]) -> str:
    """SQL of the rows with the highest rank of their key; those of a key without any rank all stay."""
    best = f"SELECT *, max(rank) OVER (PARTITION BY {', '.join(key)}) AS best FROM ({query})"
    return f"SELECT * EXCLUDE (rank, best) FROM ({best}) WHERE best IS NULL OR rank = best"


# What becomes of rows ---------------------------------------------------------------------------------------------


def settle(rows: Rows, table: Table, shop: Workshop) -> Fate:
    """Merge equal rows, and say which rows share a key and which lack what is required."""
    keyed = _Keyed.of(rows, table, shop)
    if keyed.all_differ(shop):
        return Fate(0, 0, rows.name, _complete(f"SELECT * FROM {rows.name}", rows, shop))
    twice = shop.table("twice", f"{keyed.select(keyed.kept)} GROUP BY ALL HAVING count(*) > 1")
    if not shop.one(f"SELECT count(*) FROM {twice}"):
        shop.drop(twice)
        return Fate(0, 0, rows.name, _complete(f"SELECT * FROM {rows.name}", rows, shop))
    everything = ", ".join(rows.everything)
    on = " AND ".join(f"one.{name} = {twice}.{name}" for name in keyed.kept)
    doubtful = f"SELECT * FROM ({keyed.select()}) AS one SEMI JOIN {twice} ON {on}"
    certain = f"SELECT {everything} FROM ({keyed.select()}) AS one ANTI JOIN {twice} ON {on}"
    distinct = shop.table("distinct", f"SELECT DISTINCT * FROM ({doubtful})")
    merged = int(shop.one(f"SELECT count(*) FROM ({doubtful})")) - int(shop.one(f"SELECT count(*) FROM {distinct}"))
    marked = shop.table(
        "marked",
        f"SELECT *, {keyed.shared(keyed.read)} AS as_read, {keyed.shared(keyed.kept)} AS as_kept FROM {distinct}",
    )
    duplicate = int(shop.one(f"SELECT count(*) FROM {marked} WHERE as_read")) if keyed.usable else 0
    delivered = shop.table("delivered", f"{certain} UNION ALL SELECT {everything} FROM {distinct}")
    single = f"{certain} UNION ALL SELECT {everything} FROM {marked} WHERE NOT as_kept"
    return Fate(merged, duplicate, delivered, _complete(single, rows, shop))


def _complete(query: str, rows: Rows, shop: Workshop) -> str:
    """SQL of the rows that lack nothing that is required."""
    import numpy as np
    import pandas as pd

    for column, values in rows.values.items():
        if values.empty.any():
            lacking = shop.small(pd.DataFrame({"number": np.flatnonzero(values.empty).astype(np.int32)}))
            query = f"SELECT * FROM ({query}) ANTI JOIN {lacking} ON {rows.names[column]} = {lacking}.number"
    return query


@dataclass(frozen=True)
class _Keyed:
    """Rows with what their key is compared by.

    query: SQL with the columns `kept` and `read` beside those of the rows; usable: whether the table has a key at all,
    without which only whole rows are compared; named: SQL of whether the key says whose row it is; sizes: how many
    numbers there are under each of `kept`, () where that is not known.
    """

    query: str
    kept: Sequence[str]
    read: Sequence[str]
    usable: bool = False
    named: str = "false"
    sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: Rows, table: Table, shop: Workshop) -> _Keyed:
        key = [name for name in table.key if name in {*rows.values, table.unit}]
        if not key or key[0] != table.key[0]:  # as shared_schema.checks.duplicates
            return cls(f"SELECT * FROM {rows.name}", rows.everything, rows.everything)
        kept, read = ["student"] * rows.about_people, ["student"] * rows.about_people
        sizes = [len(shop.students)] * rows.about_people
        joins, more, named = "", list[str](), "true"
        for name in key[rows.about_people :]:
            at, values = rows.names[name], rows.values[name]
            small = _compared(values, shop)
            joins += f" JOIN {small} ON {rows.name}.{at} = {small}.number"
            more += [f"{small}.kept AS {at}_kept", f"{small}.read AS {at}_read"]
            if name == table.key[0]:
                more.append(f"{small}.known AS known")
                named = "known"
            kept.append(f"{at}_kept")
            read.append(f"{at}_read")
            sizes.append(len(values.given))
        query = f"SELECT {', '.join([f'{rows.name}.*', *more])} FROM {rows.name}{joins}"
        return cls(query, kept, read, True, named, tuple(sizes))

    def select(self, columns: Sequence[str] = ("*",)) -> str:
        """SQL of some columns."""
        return f"SELECT {', '.join(columns)} FROM ({self.query})"

    def shared(self, columns: Sequence[str]) -> str:
        """SQL: whether another row has the same key."""
        if not self.usable:
            return "false"
        return f"{self.named} AND count(*) OVER (PARTITION BY {', '.join(columns)}) > 1"

    def all_differ(self, shop: Workshop) -> bool:
        """Whether no two rows have the same key, told by a bit for each key there could be; False if too many."""
        domain = math.prod(self.sizes) if self.sizes else 0
        if not 0 < domain <= MOST_BITS:
            return False
        place = "0::BIGINT"
        for name, size in zip(self.kept, self.sizes, strict=True):
            place = f"({place}) * {size} + {name}"
        bits = f"bit_count(bitstring_agg({place}, 0, {domain - 1}))"
        return bool(shop.one(f"SELECT coalesce({bits}, 0) = count(*) FROM ({self.query})"))


def _compared(values: Values, shop: Workshop) -> str:
    """The numbers of a column of the key beside what they are compared by."""
    import numpy as np
    import pandas as pd

    frame = {"number": np.arange(len(values.given), dtype=np.int32), "kept": values.same_kept, "read": values.same_read}
    return shop.small(pd.DataFrame(frame | {"known": values.kept.notna().to_numpy(dtype=bool)}))
