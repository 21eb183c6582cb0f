"""Arrives: a file and how a mapping cuts its name. Leaves: columns that hold what the name tells.

DUO and others write in the name of a file what stands nowhere in it: the year, the day it was made, its status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from node.errors import UnusableInput
from node.mapping_document import NAME_PART
from node.sources.detection import bad_file


def cells_of_name(path: Path, template: str) -> dict[str, str]:
    """Return the columns that `template` cuts from a file's name, with their cells.

    `RO_{BRIN:4}_{Datum:8}.csv`: so many characters for each part; capitals do not count in what is fixed. Raises
    UnusableInput for a name of another form.
    """
    parts = NAME_PART.findall(template)
    fixed = [re.escape(text) for text in NAME_PART.sub("\0", template).split("\0")]
    holes = [f"(.{{{width}}})" for _, width in parts]
    pattern = "".join(text for pair in zip_longest(fixed, holes, fillvalue="") for text in pair)
    if not (match := re.fullmatch(pattern, path.name, re.IGNORECASE)):
        raise bad_file(
            "file_name",
            path,
            f"The mapping cuts the name of this file as {template}.",
            "a name of another form",
            "Give the file its own name again, or correct `name` in the mapping.",
        )
    return {name: match.group(number) for number, (name, _) in enumerate(parts, start=1)}


def with_cells_of_name(
    path: Path, names: Sequence[str], rows: Sequence[list[str]], cells: Mapping[str, str]
) -> list[str]:
    """Lengthen every row by these cells; return the names of all. Raises UnusableInput for a name there already."""
    if doubles := sum(name in names for name in cells):
        raise doubled_names(path, doubles, "Call the column otherwise under `name` in the mapping.")
    for row in rows:
        row.extend(cells.values())
    return [*names, *cells]


def doubled_names(path: Path, doubles: int, remedy: str) -> UnusableInput:
    """Return the error about columns of the same name."""
    rule, found = "Every column has a name of its own.", f"{doubles} names that occur before"
    return bad_file("duplicate_column", path, rule, found, remedy)
