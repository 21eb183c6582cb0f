"""Small tables of a docstring arrive; a `School` as the local products read it leaves, without a node on disk."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from node.folder import NodeFolder
from node.local.school import School
from shared_schema.facts import days
from tests.spec.small_tables import SCHEMA, tables


def school(given: Callable[..., object], until: str, folder: Path = Path("nowhere")) -> School:
    """The tables of a test's docstring as a school whose rows know what happened until a day."""
    return of(tables(given), until, folder)


def of(found: Mapping[str, pd.DataFrame], until: str, folder: Path = Path("nowhere")) -> School:
    """Any tables as such a school."""
    first = datetime.date(1970, 1, 1) + datetime.timedelta(days=int(days(found["enrolment"]["start_date"]).min()))
    day = datetime.date.fromisoformat(until)
    return School(NodeFolder(folder), "Proef College", found, SCHEMA, "000001", first, day, day)


def copies(found: Mapping[str, pd.DataFrame], counts: Mapping[str, int]) -> dict[str, pd.DataFrame]:
    """Each student of the tables as many times as `counts` says."""
    return {
        name: pd.concat(
            [
                frame[frame["student"] == student].assign(student=f"{student}{copy}")
                for student, number in counts.items()
                for copy in range(number)
            ]
            or [frame.iloc[:0]],
            ignore_index=True,
        )
        for name, frame in found.items()
    }
