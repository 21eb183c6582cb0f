"""A folder's name and a layout arrive; the exports of an invented school leave, with the mapping that reads them.

For whoever wants to see what a node does before it sees a student: two cohorts complete, one in the middle of its first
year, and what teachers wrote down. Nothing is modelled after a real school or a real student.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.terminal import Grid, Report
from node.errors import UnusableInput
from node.founding import LAYOUTS as MAPPINGS
from node.mapping_document import read_mapping
from privacy.identity import write_private

if TYPE_CHECKING:
    from experiments.synthetic.sector import SyntheticSchool
    from experiments.synthetic.writers.layouts import Layout

SOURCE = '  estimates: {file: "inschattingen.csv", identifier: Studentnummer}\n'
TABLE = """\
  estimate:
    source: estimates
    columns:
      week: Lesweek
      subject: Onderwerp
      judgement: Oordeel
      chance: Kans
"""
SCHOOL = 3  # of the invented sector: one in five leaves, as in the country


def layouts() -> dict[str, Layout]:
    """The layouts that hold enough to make a list from."""
    from experiments.synthetic.writers.layouts import REGISTRY

    return {name: layout for name, layout in REGISTRY.items() if layout.dealt and layout.known_as is not None}


def write(folder: Path, layout: str, students: int, year: int, week: int, seed: int) -> Report:
    """Write exports and `mapping.yaml` to a folder that is new or empty.

    students: of the whole school, over three cohorts; year, week: the school year that is running, and the teaching
    week at whose end the export was made. Raises `UnusableInput` for another layout or a folder that holds something.
    """
    offered = layouts()
    if layout not in offered:
        rule, remedy = (
            "The demo is written in a layout that carries a whole school.",
            f"Use one of {', '.join(offered)}.",
        )
        raise UnusableInput("no_layout", rule, "another name", remedy)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        rule, remedy = "A demo export is written to a folder of its own.", "Choose another name."
        raise UnusableInput("folder_in_use", rule, f"{folder.name} holds something", remedy)
    school = _school(students, year, week, seed)
    _write(school, offered[layout], layout, folder, seed)
    return _report(school, layout, folder)


def _school(students: int, year: int, week: int, seed: int) -> SyntheticSchool:
    from experiments.synthetic.running import running
    from experiments.synthetic.sector import generate

    return running(generate(SCHOOL + 1, students, seed)[SCHOOL], year, week)


def _write(school: SyntheticSchool, layout: Layout, name: str, folder: Path, seed: int) -> None:
    from experiments.synthetic import teachers

    assert layout.known_as is not None
    folder.mkdir(parents=True, exist_ok=True)
    layout.write(school, folder)
    teachers.write(school, layout.known_as(school), folder, seed)
    mapping = folder / "mapping.yaml"
    write_private(mapping, with_estimates((MAPPINGS / f"{name}.yaml").read_text(encoding="utf-8")).encode())
    read_mapping(mapping)


def with_estimates(mapping: str) -> str:
    """A shipped mapping that also reads what teachers wrote down; its `tables` stand last."""
    head, found, tail = mapping.partition("\nsources:\n")
    return f"{head}{found}{SOURCE}{tail.rstrip()}\n{TABLE}"


def _report(school: SyntheticSchool, layout: str, folder: Path) -> Report:
    import numpy as np

    cohorts, sizes = np.unique(school.students["cohort"].astype(int), return_counts=True)
    size = dict(zip(cohorts.tolist(), sizes.tolist(), strict=True))
    files = sorted(path.name for path in folder.iterdir())
    data = {"folder": str(folder), "layout": layout, "files": files, "cohorts": size}
    rows = [(str(cohort), str(count)) for cohort, count in size.items()]
    sizes_of = " ".join(f"--size {cohort}={count}" for cohort, count in size.items())
    return Report(
        data,
        [
            "Een verzonnen school; geen van deze studenten bestaat. / An invented school; none of these students"
            " exists.",
            Grid("Cohorten / Cohorts", ("cohort", "studenten / students"), rows),
            f"{folder}: {', '.join(files)}",
            "Verder / next:",
            f"  coalition-node init NODE --school demo --name 'Demo College' --mapping {folder}/mapping.yaml"
            f" {sizes_of}",
            f"  coalition-node ingest NODE --exports {folder}",
            f"  coalition-node invite NODE --numbers {folder}",
        ],
    )
