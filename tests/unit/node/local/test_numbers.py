"""From pseudonym back to student number: by the node's own rule, in memory, and never a BSN."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node import founding
from node.assembly import open_schema
from node.errors import UnusableInput
from node.folder import NodeFolder
from node.ingest import ingest
from node.local import numbers
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms

MAPPING = """mapping: 1
layout: test
title: {{nl: t, en: t}}
sources: {{s: {{file: "s*.csv"}}}}
identifier: {identifier}
tables:
  person: {{source: s, columns: {{geslacht: g}}}}
  enrolment: {{source: s, columns: {{enrolment_id: volg, start_date: start}}}}
"""
ROWS = "nr;oud;g;volg;start\n 12 ;;M;1;2023-08-21\n0345;;V;1;2023-08-21\n;77;V;1;2023-08-21\n"


def node(tmp_path: Path, identifier: str = "{column: [nr, oud], width: 5}", rows: str = ROWS) -> NodeFolder:
    """A node that took in the rows."""
    folder = founding.found(tmp_path / "node", "a", "A", None, ["2023=100"], None, None, None)
    folder.mapping.write_text(MAPPING.format(identifier=identifier))
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "s1.csv").write_text(rows)
    key = PseudonymKey.load(folder.pseudonym_key)
    ingest(tmp_path / "exports", folder.mapping, folder.data, key, open_schema(folder))
    return folder


def students(folder: NodeFolder) -> set[str]:
    with Pseudonyms.open(folder.data) as pseudonyms:
        return set(pseudonyms.cohorts())


def test_every_student_gets_the_number_the_pseudonym_was_made_of(tmp_path: Path) -> None:
    """Spaces around it, zeros on the left, the second column where the first is empty: as intake reads them."""
    folder = node(tmp_path)
    found = numbers.of_students(folder, tmp_path / "exports", students(folder))
    assert sorted(found.values()) == ["00012", "00077", "00345"]
    key = PseudonymKey.load(folder.pseudonym_key)
    assert all(key.pseudonym(number) == pseudonym for pseudonym, number in found.items())


def test_one_file_may_be_named(tmp_path: Path) -> None:
    folder = node(tmp_path)
    assert len(numbers.of_students(folder, tmp_path / "exports" / "s1.csv", students(folder))) == 3


def test_only_the_students_asked_for_are_named(tmp_path: Path) -> None:
    folder = node(tmp_path)
    one = sorted(students(folder))[0]
    assert set(numbers.of_students(folder, tmp_path / "exports", {one})) == {one}
    assert numbers.of_students(folder, tmp_path / "exports", set()) == {}


def test_a_renumbered_student_is_found_under_the_first_pseudonym(tmp_path: Path) -> None:
    """The list names the person as first seen; the export knows the new number only."""
    folder = node(tmp_path)
    key = PseudonymKey.load(folder.pseudonym_key)
    first, new = key.pseudonym("00012"), key.pseudonym("00999")
    with Pseudonyms.open(folder.data) as pseudonyms:
        pseudonyms.link(first, new)
    (tmp_path / "exports" / "s1.csv").write_text(ROWS.replace(" 12 ", "999"))
    assert numbers.of_students(folder, tmp_path / "exports", {first}) == {first: "00999"}


@pytest.mark.parametrize("column", ["Burgerservicenummer", "onderwijsnummer", "bsn"])
def test_a_bsn_is_never_shown(tmp_path: Path, column: str) -> None:
    """DUO's own files name students by nothing else: the list then has codes only."""
    rows = ROWS.replace("nr;", f"{column};")
    folder = node(tmp_path, f"{{column: [{column}, oud]}}", rows)
    with pytest.raises(UnusableInput) as refused:
        numbers.of_students(folder, tmp_path / "exports", students(folder))
    assert refused.value.code == "only_bsn"


def test_a_bsn_under_another_name_is_not_shown_either(tmp_path: Path) -> None:
    """Its cells give it away: nearly all pass the eleven-proof."""
    numbers_that_pass = [f"{n:09d}" for n in range(100000000, 100002000) if _eleven(n)][:40]
    rows = "nr;oud;g;volg;start\n" + "".join(f"{n};;M;1;2023-08-21\n" for n in numbers_that_pass)
    folder = node(tmp_path, rows=rows)
    with pytest.raises(UnusableInput) as refused:
        numbers.of_students(folder, tmp_path / "exports", students(folder))
    assert refused.value.code == "only_bsn"


def _eleven(number: int) -> bool:
    digits = [int(digit) for digit in f"{number:09d}"]
    return sum(w * d for w, d in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True)) % 11 == 0


def test_a_second_layouts_mapping_reads_its_own_export(tmp_path: Path) -> None:
    """Mappings of further layouts stand under NODE/mappings; the one that reads the export gives the numbers."""
    folder = node(tmp_path)
    (folder.root / "mappings").mkdir()
    (folder.root / "mappings" / "second.yaml").write_text(folder.mapping.read_text())
    folder.mapping.write_text(MAPPING.format(identifier="{column: nr}").replace("s*.csv", "other*.csv"))
    assert len(numbers.of_students(folder, tmp_path / "exports", students(folder))) == 3


def test_an_export_of_another_school_names_nobody(tmp_path: Path) -> None:
    folder = node(tmp_path)
    (tmp_path / "exports" / "s1.csv").write_text("nr;oud;g;volg;start\n900;;M;1;2023-08-21\n")
    with pytest.raises(UnusableInput) as refused:
        numbers.of_students(folder, tmp_path / "exports", students(folder))
    assert refused.value.code == "no_numbers"
    assert "900" not in str(refused.value)


def test_no_number_is_written_anywhere(tmp_path: Path) -> None:
    """Reading them again leaves the node's folder as it was, byte for byte."""
    folder = node(tmp_path)
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    numbers.of_students(folder, tmp_path / "exports", students(folder))
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before
    words = {word for content in before.values() for word in re.findall(rb"[0-9A-Za-z]+", content)}  # not inside a hash
    assert not words & {b"00345", b"00012"}
