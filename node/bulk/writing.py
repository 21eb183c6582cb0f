"""Arrives: a table as numbers. Leaves: a Parquet file in which each number is the value it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.bulk.assembling import Rows
from node.bulk.table import BulkTable
from node.bulk.workshop import Workshop

if TYPE_CHECKING:
    import pandas as pd

    from shared_schema.columns import Table

PSEUDONYM = "string"  # dtype


def written(rows: Rows, kept: str, table: Table, size: int, shop: Workshop) -> BulkTable:
    """Write the rows of SQL table `kept` (`size` of them) in the schema's form, and return where they are."""
    import pandas as pd

    dtypes: dict[str, str] = {}
    joins, chosen = "", []
    for column in table.columns:
        if column == table.unit:
            values, name, dtypes[column] = pd.Series(list(shop.students), dtype=object), "student", PSEUDONYM
        elif column in rows.values:
            values, name = rows.values[column].kept, rows.names[column]
            dtypes[column] = str(values.dtype)
        else:
            continue
        small = _small(values, shop)
        joins += f" JOIN {small} ON rows.{name} = {small}.number"
        chosen.append(f'{small}.kept AS "{column}"')
    file = shop.folder / f"{table.name}.parquet"
    shop.connection.sql(f"SELECT {', '.join(chosen)} FROM {kept} AS rows{joins}").write_parquet(str(file))
    return BulkTable(file, dtypes, size, shop)


def _small(values: pd.Series, shop: Workshop) -> str:
    import numpy as np
    import pandas as pd

    return shop.small(pd.DataFrame({"kept": values, "number": np.arange(len(values), dtype=np.int32)}))
