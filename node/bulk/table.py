"""Arrives: the Parquet file of a table that is not in memory. Leaves: the file where it is stored, or a few columns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

    from node.bulk.workshop import Workshop

Table: TypeAlias = "pd.DataFrame | BulkTable"


@dataclass(frozen=True)
class BulkTable:
    """A table in the schema's form. file: its rows, in the folder of a workshop, which stays as long as this does;
    dtypes: column -> pandas type, in the schema's order."""

    file: Path
    dtypes: Mapping[str, str]
    rows: int
    shop: Workshop

    def __len__(self) -> int:
        return self.rows

    def write_parquet(self, path: str) -> None:
        """Let the rows stand at another place too: without a copy, where that is on the same disk."""
        try:
            os.link(self.file, path)
        except OSError:
            shutil.copyfile(self.file, path)

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return the different combinations of some columns, those that are there, in the schema's types."""
        import pandas as pd

        from node.bulk.workshop import opened

        present = [name for name in columns if name in self.dtypes]
        if not present:
            return pd.DataFrame()
        with opened() as connection:
            rows = connection.read_parquet(str(self.file)).select(*present).distinct()
            return rows.df().astype({name: self.dtypes[name] for name in present})
