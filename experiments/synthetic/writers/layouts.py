"""A layout's name arrives; its writer leaves, and by which number of a student its mapping goes.

A new layout is one line in `REGISTRY`, one writer beside this module and one mapping, node/mappings/<layout>.yaml.
Where it cannot hold every row of a table, `holding` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.identifiers import bsn_or_onderwijsnummer, pseudo_number
from experiments.synthetic.sector import SyntheticSchool
from experiments.synthetic.writers import (
    cambo,
    duo_open_data,
    duo_ro,
    eduarte,
    excel_workbook,
    grondslag_ip,
    holding,
    osiris,
    student_journey,
    surveys,
    tbg_i,
    uitnodigingsregel,
    vsv,
)

Writer = Callable[[SyntheticSchool, Path], None]
Numbers = Callable[[SyntheticSchool], NDArray[np.str_]]


def own_number(school: SyntheticSchool) -> NDArray[np.str_]:
    """The school's own number of each student [n]."""
    return school.students["number"].astype(np.str_)


@dataclass(frozen=True)
class Layout:
    """One layout of the registry.

    write: puts a school's exports in an existing folder; known_as: per row of `school.students` the text that the
    mapping's `identifier` reads, None where no row is about a student; holds: which rows of a complete table it can
    hold; dealt: whether a rehearsal deals it to schools.
    """

    write: Writer
    known_as: Numbers | None = own_number
    holds: holding.Holding = holding.everything
    dealt: bool = False


REGISTRY: Mapping[str, Layout] = {
    "osiris": Layout(osiris.write, holds=holding.one_programme_per_enrolment, dealt=True),
    "eduarte": Layout(eduarte.write, holds=holding.one_programme_per_enrolment, dealt=True),
    "duo_ro": Layout(duo_ro.write, bsn_or_onderwijsnummer, holding.no_combined_vmbo, dealt=True),
    "uitnodigingsregel_v4": Layout(uitnodigingsregel.write, holds=holding.one_row_per_student, dealt=True),
    "excel_workbook": Layout(excel_workbook.write, dealt=True),
    "grondslag_ip": Layout(grondslag_ip.write, pseudo_number),
    "tbg_i": Layout(tbg_i.write, bsn_or_onderwijsnummer, holding.on_count_days),
    "vsv": Layout(vsv.write, bsn_or_onderwijsnummer),
    "student_journey": Layout(student_journey.write, holds=holding.diplomas_dated_by_leaving),
    "cambo": Layout(cambo.write, None),
    "job_monitor": Layout(surveys.write_job, holds=holding.one_survey("JOB")),
    "bpv_monitor": Layout(surveys.write_bpv, holds=holding.one_survey("BPV")),
    "medewerkersonderzoek": Layout(surveys.write_staff, None),
    "team_enquetes": Layout(surveys.write_teams, None),
    "duo_open_data": Layout(duo_open_data.write, None),
}
"""Every layout that can be written. Its name is also that of the mapping that reads it: node/mappings/<layout>.yaml."""

LAYOUTS = tuple(REGISTRY)
DEALT = tuple(name for name, layout in REGISTRY.items() if layout.dealt)
"""What schools of a rehearsal get in turn: layouts that alone hold enough to learn from."""


def layout_of(index: int) -> str:
    """Return the layout of school number `index` >= 0 of a rehearsal: the dealt layouts take turns."""
    return DEALT[index % len(DEALT)]


def write_exports(school: SyntheticSchool, layout: str, folder: Path) -> None:
    """Write a school's exports in a layout, making the folder if needed. Raises ValueError for another layout."""
    if layout not in REGISTRY:
        raise ValueError(f"no layout {layout!r}: use one of {', '.join(LAYOUTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    REGISTRY[layout].write(school, folder)
