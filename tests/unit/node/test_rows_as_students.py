"""`identifier: {row: true}`: a file without any number, used once and knowingly."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.identifiers import ROW_NUMBER
from node.ingest import examine
from node.mapping_document import read_mapping
from node.people.pseudonyms import PseudonymKey
from shared_schema import DocumentError, load_schema

SCHEMA = load_schema()
KEY = PseudonymKey(b"k" * 32)
MAPPING = """\
mapping: 1
layout: rijen
title: {nl: Rijen, en: Rows}
sources: {s: {file: s.csv}}
identifier: {row: true}
tables:
  person:
    source: s
    columns: {geslacht: g}
"""
ROWS = "g,age\nM,17\nV,18\nM,17\n"


def students(folder: Path, rows: str, key: PseudonymKey = KEY) -> list[str]:
    """The pseudonyms of a delivery, sorted."""
    folder.mkdir(exist_ok=True)
    (folder / "s.csv").write_text(rows, encoding="utf-8")
    (folder / "m.yaml").write_text(MAPPING, encoding="utf-8")
    return sorted(examine(folder, folder / "m.yaml", key, SCHEMA).tables["person"]["student"])


def test_every_row_is_a_student_of_its_own(tmp_path: Path) -> None:
    """Equal rows are two students, and the report says what their name is made of."""
    assert len(set(students(tmp_path, ROWS))) == 3
    quality = examine(tmp_path, tmp_path / "m.yaml", KEY, SCHEMA).quality
    assert quality.protections[0].replaced == (ROW_NUMBER,)


def test_the_same_file_again_gives_the_same_students(tmp_path: Path) -> None:
    """Taking the same export in twice opens no second account."""
    assert students(tmp_path / "a", ROWS) == students(tmp_path / "b", ROWS)


@pytest.mark.parametrize("rows", [ROWS.replace("18", "19"), ROWS + "V,20\n", "g,age\nV,18\nM,17\nM,17\n"])
def test_a_file_that_changed_makes_everybody_new(rows: str, tmp_path: Path) -> None:
    """One cell, one row more, another order: nobody can say which row is who, so no row keeps its student."""
    assert not set(students(tmp_path / "a", ROWS)) & set(students(tmp_path / "b", rows))


def test_another_school_gives_other_pseudonyms(tmp_path: Path) -> None:
    """The key decides, as for every pseudonym: a public file tells nobody which row is which student."""
    other = PseudonymKey(b"o" * 32)
    assert not set(students(tmp_path / "a", ROWS)) & set(students(tmp_path / "b", ROWS, other))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("{row: true}", "{row: true, column: g}", "row: true"),
        ("{row: true}", "{row: true, width: 7}", "width"),
        ("{row: true}", "{row: false}", "True"),
        ("{row: true}", "{}", "row: true"),
        ("{s: {file: s.csv}}", "{s: {file: s.csv}, t: {file: t.csv}}", "one source"),
    ],
)
def test_a_row_is_no_number_that_could_join_anything(old: str, new: str, word: str) -> None:
    """With a column, with a width, for two sources of students: refused, with the reason."""
    with pytest.raises(DocumentError, match=word):
        read_mapping(MAPPING.replace(old, new))


def test_a_reference_table_beside_it_is_fine() -> None:
    """A source that is not about students may stand beside it."""
    beside = MAPPING.replace("{s: {file: s.csv}}", "{s: {file: s.csv}, t: {file: t.csv, identifier: false}}")
    assert read_mapping(beside).identifier is not None
