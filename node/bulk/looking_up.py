"""Arrives: what singles out rows of another source. Leaves: a table of answers to be joined, one row per key.

As `node/computed.py` says: the row of the other source with the same student and the same texts under `by`; several
that differ are ambiguous, and a key that is filled but not there is nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.bulk.coded import Coded
from node.bulk.workshop import Workshop
from node.column_rules import FromRule, Part, parts_of
from node.computed import look_up_of
from node.sources.cells import filled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

NOTHING = -1  # the code of "not found"


@dataclass(frozen=True)
class Found:
    """One look-up, as columns beside the rows. code: the number of what was found, `NOTHING` if nothing was; ambiguous,
    nowhere: SQL names of whether it is; texts: the text behind each number."""

    code: str
    ambiguous: str
    nowhere: str
    texts: pd.Series

    @property
    def columns(self) -> tuple[str, ...]:
        """SQL names of all three."""
        return self.code, self.ambiguous, self.nowhere


@dataclass(frozen=True)
class Key:
    """What a rule under `by` gives: a text for each combination of the codes under `keys` (SQL names)."""

    column: str
    keys: tuple[str, ...]
    codes: pd.DataFrame
    texts: pd.Series


def look_ups(rules: Iterable[Part]) -> list[FromRule]:
    """Return the different look-ups in some rules, those that others need first."""
    parts = [part for rule in rules for part in parts_of(rule)]
    found = {look_up_of(part): part for part in reversed(parts) if isinstance(part, FromRule) and part.of}
    return list(found.values())


def look_up(
    query: str, here: Coded, other: Coded, keys: Sequence[Key], column: str, shop: Workshop
) -> tuple[str, Found]:
    """Return SQL of the rows of `query` (of source `here`) with three columns more, and their names.

    keys: what `by` gives here, for each column of the other source; column: whose text is wanted.
    """
    import pandas as pd

    numbers, texts = pd.factorize(filled(other.texts[column]))
    found = Found(shop.name("found"), shop.name("doubt"), shop.name("gone"), pd.Series(texts, dtype="str"))
    by_student = other.about_people and here.about_people
    names, ours, theirs = ["student"] * by_student, "", _beside(other, column, numbers, "answer", shop, "LEFT ")
    for at, key in enumerate(keys):
        mine, yours = _common_codes(key.texts, other.texts[key.column])
        ours += _of_combination(key, mine, f"key{at}", shop)
        theirs += _beside(other, key.column, yours, f"key{at}", shop)
        names.append(f"key{at}")
    table = _answers(other, names, theirs, shop)
    own = {name: "cells.student" if name == "student" else f"{name}.common" for name in names}
    chosen = [
        f"coalesce({table}.answer, {NOTHING}) AS {found.code}",
        f"coalesce({table}.doubtful, false) AS {found.ambiguous}",
        f"{table}.doubtful IS NULL AND {' AND '.join(f'{one} IS NOT NULL' for one in own.values())} AS {found.nowhere}",
    ]
    same = " AND ".join(f"{table}.{name} = {one}" for name, one in own.items())
    joined = f"SELECT cells.*, {', '.join(chosen)} FROM ({query}) AS cells{ours} LEFT JOIN {table} ON {same}"
    return joined, found


def _answers(other: Coded, names: Sequence[str], joins: str, shop: Workshop) -> str:
    """One row per key: `answer`, or `doubtful` where several differ."""
    keys = ", ".join("student" if name == "student" else f"{name}.common AS {name}" for name in names)
    rows = f"SELECT {keys}, answer.common AS answer FROM {other.table} AS cells{joins}"
    one = "CASE WHEN count(DISTINCT answer) = 1 THEN any_value(answer) END AS answer"
    several = "count(DISTINCT answer) > 1 AS doubtful"
    return shop.table(
        "answers", f"SELECT {', '.join(names)}, {one}, {several} FROM ({rows}) GROUP BY {', '.join(names)}"
    )


def _common_codes(mine: pd.Series, yours: pd.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One number for each text without surrounding space, the same in both; `NOTHING` for an empty one."""
    import pandas as pd

    codes, _ = pd.factorize(pd.concat([filled(mine), filled(yours)], ignore_index=True))
    return codes[: len(mine)], codes[len(mine) :]


def _beside(source: Coded, column: str, codes: npt.NDArray[np.int64], name: str, shop: Workshop, how: str = "") -> str:
    """SQL that puts `name.common` beside each row: the number of the text behind its code, where there is one."""
    import numpy as np
    import pandas as pd

    there = np.flatnonzero(codes != NOTHING)
    small = shop.small(pd.DataFrame({"code": there.astype(np.int32), "common": codes[there].astype(np.int32)}))
    return f" {how}JOIN {small} AS {name} ON cells.{source.columns[column]} = {name}.code"


def _of_combination(key: Key, codes: npt.NDArray[np.int64], name: str, shop: Workshop) -> str:
    """The same for the number of what a rule gives."""
    small = shop.small(key.codes[list(key.keys)].assign(common=codes)[codes != NOTHING])
    same = " AND ".join(f"cells.{one} = {name}.{one}" for one in key.keys) or "true"
    return f" LEFT JOIN {small} AS {name} ON {same}"
