"""A school's number arrives; the layout of its exports leaves, and the writer and the mapping that go with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers import duo_ro, eduarte, excel_workbook, osiris, uitnodigingsregel

Writer = Callable[[SyntheticSchool, Path], None]

WRITERS: Mapping[str, Writer] = {
    "osiris": osiris.write,
    "eduarte": eduarte.write,
    "duo_ro": duo_ro.write,
    "uitnodigingsregel_v4": uitnodigingsregel.write,
    "excel_workbook": excel_workbook.write,
}
"""Layout -> writer. The layout is also the name of the mapping that reads it: node/mappings/<layout>.yaml."""

LAYOUTS = tuple(WRITERS)


def layout_of(index: int) -> str:
    """Return the layout of school number `index` >= 0: the layouts take turns."""
    return LAYOUTS[index % len(LAYOUTS)]


def write_exports(school: SyntheticSchool, layout: str, folder: Path) -> None:
    """Write a school's exports in a layout, making the folder if needed. Raises ValueError for another layout."""
    if layout not in WRITERS:
        raise ValueError(f"no layout {layout!r}: use one of {', '.join(LAYOUTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[layout](school, folder)
