"""What real exports look like: each wart on an export that a writer made, through the whole of an intake.

The same school gives the same tables whatever separator, encoding, decimal mark or order of a date its system writes;
rows that an export holds twice count once; what does not add up is refused, in words and without a cell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.synthetic.identifiers import planted
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers import eduarte, write_exports
from experiments.synthetic.writers.export_file import Dialect
from node.conformance import Verdict
from node.errors import UnusableInput
from node.ingest import Examined, examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import load_schema

SCHEMA = load_schema()
KEY = PseudonymKey(b"a third key of a test, 32 bytes!")
MAPPINGS = Path(__file__).parents[2] / "node" / "mappings"
SEPARATORS = {";": "semicolon", "|": "pipe", "\t": "tab"}


@pytest.fixture(scope="module")
def school() -> SyntheticSchool:
    """A small school, the names of whose teams hold letters that no two encodings write alike."""
    made = generate(schools=1, students=60, seed=3)[0]
    teams = np.char.add("Zórg & ", made.enrolments["team"].astype(np.str_))
    return dataclasses.replace(made, enrolments=made.enrolments | {"team": teams})


def taken(folder: Path, layout: str, change: Callable[[str], str] = str) -> Examined:
    """Take in a folder by the layout's mapping, its text changed first."""
    mapping = folder.parent / f"{folder.name}.yaml"
    mapping.write_text(change((MAPPINGS / f"{layout}.yaml").read_text(encoding="utf-8")), encoding="utf-8")
    return examine(folder, mapping, KEY, SCHEMA)


def same(one: Mapping[str, pd.DataFrame], other: Mapping[str, pd.DataFrame]) -> bool:
    """Whether two takings gave the same tables, in any order of rows."""
    ordered = [
        {name: frame.sort_values(list(frame), ignore_index=True) for name, frame in tables.items()}
        for tables in (one, other)
    ]
    return ordered[0].keys() == ordered[1].keys() and all(ordered[0][name].equals(ordered[1][name]) for name in one)


def rewritten(folder: Path, name: str, change: Callable[[list[str]], list[str]], codec: str = "utf-8") -> None:
    """Change the lines of one file of a folder."""
    (path,) = folder.glob(name)
    lines = path.read_bytes().decode(codec).splitlines()
    path.write_bytes(("\r\n".join(change(lines)) + "\r\n").encode(codec))


def unpinned(text: str) -> str:
    """The mapping without the format of dates that it pins."""
    return text.replace(", dates: yyyy-mm-dd", "")


# How a system writes ----------------------------------------------------------------------------------------------


ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16")
FORMS = ((",", "dd-mm-yyyy"), (".", "yyyy-mm-dd"), (",", "yyyymmdd"))
DIALECTS = [
    (list(SEPARATORS)[(row + column) % len(SEPARATORS)], encoding, decimal, date)
    for row, encoding in enumerate(ENCODINGS)
    for column, (decimal, date) in enumerate(FORMS)
]


@pytest.mark.parametrize(("separator", "encoding", "decimal", "date"), DIALECTS)
def test_the_dialect_of_a_system_changes_nothing(
    tmp_path: Path,
    school: SyntheticSchool,
    monkeypatch: pytest.MonkeyPatch,
    separator: str,
    encoding: str,
    decimal: str,
    date: str,
) -> None:
    """A byte order mark, cp1252, decimal commas, three orders of a date: the tables are those of the layout itself."""
    write_exports(school, "eduarte", tmp_path / "own")
    monkeypatch.setattr(eduarte, "DIALECT", Dialect(separator, encoding, decimal, date))
    write_exports(school, "eduarte", tmp_path / "other")
    own, other = (taken(tmp_path / name, "eduarte", unpinned) for name in ("own", "other"))
    assert same(own.tables, other.tables)
    assert "Zórg" in str(other.tables["enrolment"]["team"].iloc[0])
    (people,) = [one for one in other.quality.sources if one.file == "eduarte_deelnemers.csv"]
    assert people.separator == SEPARATORS[separator]
    assert people.encoding == encoding.removesuffix("-sig")
    assert people.dates["begindatum"] == date


def test_a_file_of_tabs_may_be_called_so(tmp_path: Path, school: SyntheticSchool) -> None:
    """`.tsv` is a text file as any other."""
    write_exports(school, "uitnodigingsregel_v4", tmp_path / "csv")
    write_exports(school, "uitnodigingsregel_v4", tmp_path / "tsv")
    (path,) = (tmp_path / "tsv").iterdir()
    path.rename(path.with_suffix(".tsv"))
    named = taken(tmp_path / "tsv", "uitnodigingsregel_v4", lambda text: text.replace(".csv", ".tsv"))
    assert same(taken(tmp_path / "csv", "uitnodigingsregel_v4").tables, named.tables)
    assert named.quality.sources[0].separator == "tab"


# Rows that stand there twice ----------------------------------------------------------------------------------------


def twice(lines: list[str]) -> list[str]:
    return [*lines, *lines[1:]]


def stamped(lines: list[str]) -> list[str]:
    """Every row twice, as two runs of an export tool put under each other: only the time of the run differs."""
    runs = [[f"{line};15-10-2024 0{run}:00" for line in lines[1:]] for run in (6, 7)]
    return [f"{lines[0]};export_tijdstip", *runs[0], *runs[1]]


def corrected(lines: list[str]) -> list[str]:
    """Every row twice; that of the day before says another level."""
    at = lines[0].split(";").index("niveau")
    old = [line.split(";") for line in lines[1:]]
    old = [[*cells[:at], "1", *cells[at + 1 :], "14-10-2024"] for cells in old]
    return [f"{lines[0]};export_tijdstip", *(";".join(row) for row in old), *(f"{row};15-10-2024" for row in lines[1:])]


LATEST = "    keep: {latest: export_tijdstip}\n    columns:"


def keep_latest(text: str) -> str:
    """The mapping with `keep` on every table in which one student has several rows."""
    for before in ("    source: dossiers\n", "    where: {diploma: J}\n"):
        text = text.replace(f"{before}    columns:", before + LATEST)
    return text


@pytest.mark.parametrize("change", [twice, stamped])
def test_rows_that_are_exported_twice_count_once(
    tmp_path: Path, school: SyntheticSchool, change: Callable[[list[str]], list[str]]
) -> None:
    """Identical rows, or rows that differ only in a column that no rule reads, are merged and counted."""
    for name in ("once", "twice"):
        write_exports(school, "osiris", tmp_path / name)
    rewritten(tmp_path / "twice", "osiris_*.csv", change, "cp1252")
    once, again = taken(tmp_path / "once", "osiris"), taken(tmp_path / "twice", "osiris")
    assert same(once.tables, again.tables)
    assert again.quality.verdict is Verdict.PASS
    merged = {table.table: note.rows for table in again.quality.tables for note in table.notes if note.rule == "merged"}
    assert merged["enrolment"] == len(school.enrolments["student"])


def test_of_rows_that_differ_the_latest_run_counts(tmp_path: Path, school: SyntheticSchool) -> None:
    """An earlier run said another level: `keep` by the day of the run; without it both are set aside, and refused."""
    for name in ("once", "twice"):
        write_exports(school, "osiris", tmp_path / name)
    rewritten(tmp_path / "twice", "osiris_*.csv", corrected, "cp1252")
    kept = taken(tmp_path / "twice", "osiris", keep_latest)
    assert same(taken(tmp_path / "once", "osiris").tables, kept.tables)
    without = taken(tmp_path / "twice", "osiris")
    assert without.quality.verdict is Verdict.FAIL
    assert {table.table for table in without.quality.tables if table.verdict is Verdict.FAIL} == {
        "programme_period",
        "diploma",
    }


# Records of DUO ----------------------------------------------------------------------------------------------------


def test_fields_that_the_specification_does_not_name_are_skipped(tmp_path: Path, school: SyntheticSchool) -> None:
    """PER has 21 fields where 18 are specified; a fourth unannounced one is a changed layout and is refused."""
    write_exports(school, "grondslag_ip", tmp_path / "g")
    (first, *_) = sorted((tmp_path / "g").iterdir())
    person = next(line for line in first.read_text().splitlines() if line.startswith("PER"))
    assert len(person.split(";")) == 21
    assert taken(tmp_path / "g", "grondslag_ip").quality.verdict is Verdict.PASS
    rewritten(tmp_path / "g", first.name, lambda lines: [f"{line};x" if line == person else line for line in lines])
    with pytest.raises(UnusableInput, match="at most 3 more") as caught:
        taken(tmp_path / "g", "grondslag_ip")
    assert caught.value.code == "ragged_lines"


def lose_one(lines: list[str]) -> list[str]:
    lost = next(at for at, line in enumerate(lines) if line.startswith("ISP"))
    return [*lines[:lost], *lines[lost + 1 :]]


def gain_one(lines: list[str]) -> list[str]:
    doubled = next(at for at, line in enumerate(lines) if line.startswith("ISP"))
    return [*lines[: doubled + 1], *lines[doubled:]]


def cut_off(lines: list[str]) -> list[str]:
    return lines[:-1]


@pytest.mark.parametrize("layout", ["duo_ro", "grondslag_ip"])
@pytest.mark.parametrize("change", [lose_one, gain_one, cut_off])
def test_counts_that_do_not_match_the_closing_record_are_refused(
    tmp_path: Path, school: SyntheticSchool, layout: str, change: Callable[[list[str]], list[str]]
) -> None:
    """A record lost, one doubled, or no closing record: the rule names SLR, what was found names the kind."""
    write_exports(school, layout, tmp_path / "x")
    name = {"duo_ro": "RO_*.txt", "grondslag_ip": "*_2022.csv"}[layout]
    rewritten(tmp_path / "x", name, change)
    with pytest.raises(UnusableInput) as caught:
        taken(tmp_path / "x", layout)
    error = caught.value
    assert error.code == "record_counts" and "SLR" in error.rule and error.remedy
    assert "ISP records" in error.found or change is cut_off
    assert not any(text in str(error) for text in planted(school))


def test_the_file_that_was_made_last_counts(tmp_path: Path, school: SyntheticSchool) -> None:
    """Who left in the second year is still there in the file of the first; of both together the later one is right."""
    write_exports(school, "tbg_i", tmp_path / "all")
    write_exports(school, "tbg_i", tmp_path / "first")
    for path in sorted((tmp_path / "first").iterdir())[1:]:
        path.unlink()
    ends = [taken(tmp_path / name, "tbg_i").tables["enrolment"]["end_date"].notna().sum() for name in ("first", "all")]
    left = np.sum(~np.isnat(school.enrolments["end_date"]))
    assert ends[0] < ends[1] == left


def test_a_cut_off_xml_delivery_is_refused(tmp_path: Path, school: SyntheticSchool) -> None:
    """Half a TBG-i is no TBG-i."""
    write_exports(school, "tbg_i", tmp_path / "x")
    (path, *_) = sorted((tmp_path / "x").iterdir())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnusableInput) as caught:
        taken(tmp_path / "x", "tbg_i")
    assert caught.value.code == "bad_xml" and path.name in caught.value.found
    assert not any(text in str(caught.value) for text in planted(school))


# Deliveries that are not there yet ---------------------------------------------------------------------------------


def test_a_delivery_that_is_not_there_yet_is_no_fault(tmp_path: Path, school: SyntheticSchool) -> None:
    """In October a school has the starting population only: that is taken in, and what lacks is named."""
    write_exports(school, "vsv", tmp_path / "october")
    for path in (tmp_path / "october").iterdir():
        if "A05" not in path.name:
            path.unlink()
    made = taken(tmp_path / "october", "vsv")
    assert set(made.tables["vsv_report"]["list"]) == {"startpopulatie"}
    assert made.quality.absent == ("leavers_month", "leavers_after", "starting_year", "leavers_year")
    assert made.quality.verdict is Verdict.PASS
    for path in (tmp_path / "october").iterdir():
        path.unlink()
    (tmp_path / "october" / "other.csv").write_text("a;b\n1;2\n")
    with pytest.raises(UnusableInput, match="none of them") as caught:
        taken(tmp_path / "october", "vsv")
    assert caught.value.code == "missing_file"


def test_what_is_not_optional_must_be_there(tmp_path: Path, school: SyntheticSchool) -> None:
    """A look-up may not depend on a file that may be absent, and other files must be there as before."""
    write_exports(school, "eduarte", tmp_path / "x")
    (tmp_path / "x" / "eduarte_opleidingen.csv").unlink()
    with pytest.raises(UnusableInput) as caught:
        taken(tmp_path / "x", "eduarte")
    assert caught.value.code == "missing_file"
    needed = "file: eduarte_opleidingen.csv"
    with pytest.raises(UnusableInput, match="which is optional"):
        taken(tmp_path / "x", "eduarte", lambda text: text.replace(needed, f"{needed}, optional: true"))
