"""Delete any raw row, file by file (METHODS §7, attack 13e): all other students' vectors stay the same, bit for bit.

The whole path of a row is walked again for each deletion: export, intake, mapping, conformance, cohort, selection,
split, and the vector of a query. What was set aside (two rows for one student, neither of them believed) is compared
as well. Files whose rows are no students (lists of programmes) are declared by the school and not deleted from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from experiments import definition, planning, selection
from experiments.definition import Experiment
from experiments.synthetic.sector import generate
from experiments.synthetic.writers import DEALT, layout_of, write_exports
from node.errors import UnusableInput
from node.ingest import examine, first_cohorts
from node.people.pseudonym_key import PseudonymKey
from shared_schema import load_schema, outcomes
from tests.kit import DEFAULT, Kit, coalition

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
MAPPINGS = Path(__file__).parents[2] / "node" / "mappings"
LISTS = ("opleidingen",)  # in the name of a file or sheet whose rows are programmes
STUDENTS = 90
FROM_EACH_FILE = 4  # deletions a file, evenly spread
COUNTED = (b"PER", b"ISG", b"ISP", b"ISE", b"BPV", b"DIP", b"AMO", b"GEO", b"KZD")
TWINS = {"osiris": ("osiris_studenten.csv", b";M;", b";V;")}  # a line delivered twice, once with another cell
ACCENTS = """mapping: 1
layout: test
title: {nl: t, en: t}
sources: {s: {file: "s.csv"}}
identifier: {column: nr}
tables:
  person:
    source: s
    columns: {geslacht: {from: g, recode: {mañ: M, V: V}}}
  enrolment:
    source: s
    columns: {enrolment_id: volg, start_date: start}
"""
Rows = list[Any]


@dataclass(frozen=True)
class Seen:
    """What one school would answer with: each student's vectors and side of the split, and what was set aside."""

    students: dict[str, tuple[bytes, bool]]
    set_aside: dict[str, int]

    def moved(self, after: Seen) -> set[str]:
        """Students of whom anything is otherwise, those who came or went among them."""
        everyone = self.students.keys() | after.students.keys()
        return {name for name in everyone if self.students.get(name) != after.students.get(name)}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Where the plan comes from: its first query is the one that is asked here."""
    return coalition(tmp_path_factory.mktemp("coalition"), schools=3)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return definition.freeze(definition.read(DEFAULT), SCHEMA)


def _export(layout: str, folder: Path) -> Path:
    """One school's export in a layout; where a twin is declared, its last line with such a cell stands there twice."""
    schools = generate(schools=len(DEALT), students=STUDENTS, seed=4)
    index = next(i for i in range(len(DEALT)) if layout_of(i) == layout)
    folder.mkdir()
    write_exports(schools[index], layout, folder)
    if layout in TWINS:
        name, cell, other = TWINS[layout]
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        twin = next(line for line in reversed(lines) if cell in line)
        (folder / name).write_bytes(b"".join([*lines, twin.replace(cell, other)]))
    return folder


def _seen(folder: Path, layout: str, kit: Kit, experiment: Experiment) -> Seen:
    examined = examine(folder, MAPPINGS / f"{layout}.yaml", KEY, SCHEMA)
    cohorts = first_cohorts(examined.tables)
    students = selection.select(examined.tables, cohorts, experiment, SCHEMA)
    vectors = kit.plan.steps[0].queries[0].query.contributions(students, planning.initial_state(kit.plan))
    asked = experiment.definition
    known = outcomes.compute(examined.tables, asked.outcome, SCHEMA, cutoff_week=asked.features.cutoff_week)
    names = sorted(name for name in known.index if cohorts.get(name) in set(asked.population.cohorts))
    rows = zip(names, students.features, vectors, students.held_out.tolist(), strict=True)
    return Seen(
        {name: (features.tobytes() + vector.tobytes(), held_out) for name, features, vector, held_out in rows},
        {table.table: table.set_aside for table in examined.quality.tables},
    )


def _each_deletion(folder: Path) -> Iterator[tuple[str, int]]:
    """Delete one row after another, in place; yields after each, and puts the file back."""
    for path in sorted(folder.iterdir()):
        if any(name in path.name for name in LISTS):
            continue
        whole, rows = path.read_bytes(), _rows(path)
        for at in sorted({len(rows) * part // FROM_EACH_FILE for part in range(FROM_EACH_FILE)}):
            _delete(path, rows[at])
            yield path.name, at
            path.write_bytes(whole)


def _rows(path: Path) -> Rows:
    """Where the rows about students stand: line numbers, or (sheet, row) in a workbook."""
    if path.suffix == ".xlsx":
        sheets = openpyxl.load_workbook(path).worksheets
        students = [sheet for sheet in sheets if not any(name in sheet.title.lower() for name in LISTS)]
        return [(sheet.title, row) for sheet in students for row in range(2, sheet.max_row + 1)]
    lines = len(path.read_bytes().splitlines())
    return list(range(1, lines - 1 if path.name.startswith("RO_") else lines))


def _delete(path: Path, row: Any) -> None:
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        book[row[0]].delete_rows(row[1])
        book.save(path)
        return
    lines = path.read_bytes().splitlines(keepends=True)
    deleted = lines.pop(row)
    if path.name.startswith("RO_"):
        lines[-1] = _counted_again(lines[-1], deleted)
    path.write_bytes(b"".join(lines))


def _counted_again(closing: bytes, deleted: bytes) -> bytes:
    """DUO's closing record counts the records of each kind: one fewer of the kind that is gone."""
    mark, *counts = closing.strip().split(b"|")
    at = COUNTED.index(deleted[:3])
    counts[at] = b"%d" % (int(counts[at]) - 1)
    return b"|".join([mark, *counts]) + b"\n"


@pytest.mark.parametrize("layout", DEALT)
def test_deleting_any_raw_row_moves_at_most_its_own_student(
    tmp_path: Path, kit: Kit, experiment: Experiment, layout: str
) -> None:
    """In every file of every layout: nobody else's features, split, vector or place aside; and rows do matter."""
    folder = _export(layout, tmp_path / layout)
    whole = _seen(folder, layout, kit, experiment)
    matters = set()
    for place in _each_deletion(folder):
        after = _seen(folder, layout, kit, experiment)
        moved = whole.moved(after)
        assert len(moved) <= 1, place
        assert after.set_aside == whole.set_aside or moved, place
        matters |= moved
    assert len(matters) > 1 and len(whole.students) > STUDENTS // 2
    assert (sum(whole.set_aside.values()) > 0) == (layout in TWINS)


def test_bytes_of_one_row_decide_nothing_about_the_letters_of_others(tmp_path: Path) -> None:
    """A stray byte of another encoding in one row: the file is refused, or everybody else's text is read as before."""
    mapping = tmp_path / "m.yaml"
    mapping.write_text(ACCENTS, encoding="utf-8")
    rows = [f"{number};1;{'mañ' if number % 2 else 'V'};2022-08-01\n".encode() for number in range(40)]
    (tmp_path / "s.csv").write_bytes(b"nr;volg;g;start\n" + b"".join(rows))
    before = examine(tmp_path / "s.csv", mapping, KEY, SCHEMA).tables["person"].set_index("student")
    assert before["geslacht"].notna().all()
    (tmp_path / "s.csv").write_bytes(b"nr;volg;g;start\n" + b"".join([*rows, b"99;1;Stra\xdfe;2022-08-01\n"]))
    try:
        after = examine(tmp_path / "s.csv", mapping, KEY, SCHEMA).tables["person"].set_index("student")
    except UnusableInput:
        return  # nothing is taken in: a person at the school mends the export
    assert after.loc[before.index, "geslacht"].fillna("?").tolist() == before["geslacht"].tolist()


def _centred(real: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A scaler fitted on the school's own rows, as is usual."""

    def scaled(values: np.ndarray, features: Any) -> np.ndarray:
        known = real(values, features)
        return known - known.mean(axis=0)

    return scaled


def _ranked(real: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Held out by place in the list instead of by a hash of the own pseudonym."""
    return lambda students, experiment: np.arange(len(students)) % 4 == 0


FAULTS = {"_scaled": _centred, "held_out": _ranked}


@pytest.mark.parametrize("name", FAULTS)
def test_defence_off_one_row_moves_everybody(
    tmp_path: Path, kit: Kit, experiment: Experiment, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Planted: a fitted scaler, and a split by order. One student taken away, and most others are otherwise."""
    monkeypatch.setattr(selection, name, FAULTS[name](getattr(selection, name)))
    layout = "uitnodigingsregel_v4"
    folder = _export(layout, tmp_path / layout)
    whole = _seen(folder, layout, kit, experiment)
    next(_each_deletion(folder))
    assert len(whole.moved(_seen(folder, layout, kit, experiment))) > 5
