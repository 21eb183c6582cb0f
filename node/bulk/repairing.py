"""Arrives: the values that rules gave to one column. Leaves: each different value once, repaired, and what was wrong.

The repairs are those of `shared_schema.validation`: the same functions, on a frame that holds every value once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.bulk.filling import Valued
from shared_schema.casting import read_types
from shared_schema.checks import CELL_CHECKS, empty
from shared_schema.validation import blank, clip_to_bounds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from shared_schema import Schema
    from shared_schema.columns import Table

    Numbers = npt.NDArray[np.int32]
    Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Values:
    """The different values of one column, by number.

    given: as the mapping made them; kept: after all repairs; same_read, same_kept: a number that is equal where the
    value as read (as kept) is; broken: rule -> which values break it; empty: required, and missing after the repairs.
    """

    name: str
    given: pd.Series
    kept: pd.Series
    same_read: Numbers
    same_kept: Numbers
    broken: Mapping[str, Mask]
    empty: Mask


def values_of(table: Table, name: str, parts: Sequence[Valued | None], schema: Schema) -> tuple[Values, list[Numbers]]:
    """Return the different values of a column over all blocks, and for each block the number of each of its rows.

    parts: what the column's rule gives in each block; None where a block has no such column, so that it is missing
    there: its array then has the one number of "missing".
    """
    import numpy as np
    import pandas as pd

    missing = pd.DataFrame({"value": pd.Series([None], dtype=_dtype(parts))})
    frames = [missing if part is None else part.frame for part in parts]
    names = [column for column in ("value", "per") if any(column in frame for frame in frames)]
    whole = pd.concat([frame.reindex(columns=names) for frame in frames], ignore_index=True)
    numbers = whole.groupby(names, dropna=False, sort=False).ngroup().to_numpy(np.int32)
    _, first = np.unique(numbers, return_index=True)
    ends = np.cumsum([len(frame) for frame in frames])[:-1]
    return _repaired(table, name, whole.iloc[first].reset_index(drop=True), schema), np.split(numbers, ends)


def _repaired(table: Table, name: str, given: pd.DataFrame, schema: Schema) -> Values:
    column = table.columns[name]
    bounds = column.bounds
    names = {"value": name} | ({"per": bounds.per} if bounds and bounds.per and "per" in given else {})
    frame = given.rename(columns=names)[[one for one in table.columns if one in names.values()]]
    readable, _ = read_types(table, frame)
    kept, _ = clip_to_bounds(table.name, blank(table, readable), schema)
    broken = {"unreadable": (frame[name].notna() & readable[name].isna()).to_numpy(dtype=bool)}
    broken |= {rule: check(column, readable) for rule, check in CELL_CHECKS.items() if _asked(rule, table, name)}
    return Values(name, frame[name], kept[name], _same(readable[name]), _same(kept[name]), broken, empty(column, kept))


def _asked(rule: str, table: Table, name: str) -> bool:
    return rule != "out_of_bounds" or table.columns[name].bounds is not None


def _same(values: pd.Series) -> Numbers:
    import numpy as np
    import pandas as pd

    codes, _ = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(codes, dtype=np.int32)


def _dtype(parts: Sequence[Valued | None]) -> object:
    return next(part.frame["value"].dtype for part in parts if part is not None)
