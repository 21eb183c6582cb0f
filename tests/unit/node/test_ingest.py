"""The whole path of a folder: what reaches the disk, what never does, and what a failure leaves behind."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from node import ingest as path
from node.conformance import QualityFailed, Verdict
from node.errors import StorageFailed, UnusableInput
from node.ingest import examine, first_cohorts, ingest
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import load_schema

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
MAPPING = """mapping: 1
layout: test
title: {nl: t, en: t}
sources: {s: {file: "s*.csv"}}
identifier: {column: nr}
tables:
  person:
    source: s
    keep: {latest: {from: start, date: yyyy-mm-dd}}
    columns: {geslacht: {from: g, recode: {M: M, V: V}}}
  enrolment:
    source: s
    columns: {enrolment_id: volg, start_date: start, team: team}
"""
HEADER = "nr;Naam;E-mail;g;volg;start;team\n"
NAMES = ("Klaver-Marker", "klaver@marker.example", "9912345")
ROWS = (
    f"{NAMES[2]};{NAMES[0]};{NAMES[1]};M;1;2022-08-22;Zorg\n"
    "0002;B;b@x.nl;V;1;2023-08-21;Zorg\n"
    "0002;B;b@x.nl;V;2;2024-08-19;ICT\n"
)


@pytest.fixture
def school(tmp_path: Path) -> Path:
    (tmp_path / "exports").mkdir()
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    deliver(tmp_path, ROWS)
    return tmp_path


def deliver(school: Path, rows: str, header: str = HEADER) -> None:
    (school / "exports" / "s.csv").write_text(header + rows, encoding="utf-8")


def take_in(school: Path) -> path.Ingested:
    return ingest(school / "exports", school / "mapping.yaml", school / "data", KEY, SCHEMA)


def every_byte(folder: Path) -> Iterator[bytes]:
    yield from (file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_folder_becomes_a_stored_delivery(school: Path) -> None:
    """Tables under pseudonyms, cohorts by first enrolment, a report beside them."""
    done = take_in(school)
    store = Store.open(school / "data")
    tables = store.tables()
    assert sorted(tables["person"]["student"]) == sorted([KEY.pseudonym("9912345"), KEY.pseudonym("0002")])
    assert tables["enrolment"]["team"].tolist() == ["Zorg", "Zorg", "ICT"]
    with Pseudonyms.open(school / "data") as pseudonyms:
        assert pseudonyms.cohorts() == {KEY.pseudonym("9912345"): 2022, KEY.pseudonym("0002"): 2023}
    assert (done.registered.new, done.quality.verdict) == (2, Verdict.PASS)
    assert store.report() == json.loads(json.dumps(done.quality.plain()))


def test_no_direct_identifier_reaches_the_disk(school: Path) -> None:
    """Name, address and number of a student are in no byte of the data folder; in the export they are (control)."""
    take_in(school)
    for name in NAMES:
        assert any(name.encode() in raw for raw in every_byte(school / "exports"))
        assert not any(name.encode() in raw for raw in every_byte(school / "data"))
    assert any(b"Zorg" in raw for raw in every_byte(school / "data"))


def test_the_report_shows_what_was_dropped(school: Path) -> None:
    """The mapping forgot name and address; the platform did not."""
    (protection,) = take_in(school).quality.protections
    assert dict(protection.dropped) == {"Naam": "name", "E-mail": "name"}
    assert protection.replaced == ("nr",)


def test_ingesting_again_changes_nothing_and_a_correction_moves_nobody(school: Path) -> None:
    """Same files: same tables, nobody new. A corrected start date reaches the table, not the account."""
    take_in(school)
    before = Store.open(school / "data").tables()
    assert take_in(school).registered.new == 0
    for name, frame in Store.open(school / "data").tables().items():
        pd.testing.assert_frame_equal(frame, before[name])
    deliver(school, ROWS.replace("2022-08-22", "2024-08-22"))
    take_in(school)
    with Pseudonyms.open(school / "data") as pseudonyms:
        assert pseudonyms.cohorts_of([KEY.pseudonym("9912345")]) == {KEY.pseudonym("9912345"): 2022}


def test_a_linked_number_is_one_person(school: Path) -> None:
    """After the operator's link, rows of the new number are the old student's, in the old account."""
    take_in(school)
    old, new = KEY.pseudonym("9912345"), KEY.pseudonym("7")
    with Pseudonyms.open(school / "data") as pseudonyms:
        pseudonyms.link(old, new)
    deliver(school, ROWS + "7;A;a@x.nl;M;2;2024-08-19;ICT\n")
    assert take_in(school).registered.new == 0
    tables = Store.open(school / "data").tables()
    assert new not in set(tables["enrolment"]["student"])
    assert sorted(tables["enrolment"].loc[tables["enrolment"]["student"] == old, "enrolment_id"]) == ["1", "2"]
    assert (tables["person"]["student"] == old).sum() == 1


def test_a_failed_delivery_is_not_stored_and_registers_nobody(school: Path) -> None:
    """More lost than the tolerance: the report says where, the previous delivery still counts."""
    take_in(school)
    deliver(school, ROWS.replace(";M;", ";man;").replace(";V;", ";vrouw;") + "8;;;M;1;2024-08-19;ICT\n")
    with pytest.raises(QualityFailed) as caught:
        take_in(school)
    assert caught.value.quality.tables[0].verdict is Verdict.FAIL
    assert Store.open(school / "data").current() == "000001"
    with Pseudonyms.open(school / "data") as pseudonyms:
        assert KEY.pseudonym("8") not in pseudonyms.cohorts()


def test_examining_stores_nothing(school: Path) -> None:
    """`check` on a folder of exports leaves no file behind."""
    assert examine(school / "exports", school / "mapping.yaml", KEY, SCHEMA).quality.verdict is Verdict.PASS
    assert not (school / "data").exists()


def test_one_file_may_be_named_instead_of_a_folder(school: Path) -> None:
    """Other files beside it are not looked at."""
    (school / "exports" / "s2.csv").write_text("something;else\n1;2\n")
    done = ingest(school / "exports" / "s.csv", school / "mapping.yaml", school / "data", KEY, SCHEMA)
    assert [one.file for one in done.quality.sources] == ["s.csv"]


def test_another_key_takes_nothing_in(school: Path) -> None:
    """Every student would be new, with a fresh account each."""
    take_in(school)
    with pytest.raises(UnusableInput) as caught:
        ingest(school / "exports", school / "mapping.yaml", school / "data", PseudonymKey(b"x" * 32), SCHEMA)
    assert caught.value.code == "other_pseudonym_key"


def test_a_bad_mapping_is_one_error_with_its_lines(school: Path) -> None:
    """Documents are the schema's; what reaches the operator is the node's one error tree."""
    (school / "mapping.yaml").write_text(MAPPING.replace("identifier:", "identifer:"))
    with pytest.raises(UnusableInput, match=r"mapping\.yaml:5") as caught:
        take_in(school)
    assert caught.value.code == "bad_mapping"


def test_kill_9_after_registering_loses_nothing(school: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between the pseudonym table and the store: the next ingest ends as if nothing had happened."""

    def die(*_: object) -> None:
        os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Store, "write", die)
        take_in(school)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with pytest.raises(UnusableInput, match="ingest"):
        Store.open(school / "data").tables()
    assert (take_in(school).registered.known, len(Store.open(school / "data").tables()["person"])) == (2, 2)


def test_a_locked_pseudonym_table_stores_nothing(school: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place in the permanent table no student is stored."""
    take_in(school)
    other = sqlite3.connect(school / "data" / "pseudonyms.sqlite")
    other.execute("BEGIN EXCLUSIVE")
    real = sqlite3.connect
    monkeypatch.setattr(
        "node.people.pseudonyms.sqlite3.connect",
        lambda file, isolation_level: real(file, isolation_level=isolation_level, timeout=0.05),
    )
    with pytest.raises(StorageFailed):
        take_in(school)
    other.rollback()
    assert Store.open(school / "data").current() == "000001"


def test_the_cohort_is_the_year_of_the_first_enrolment() -> None:
    """The column `cohort`, else the start date; the earliest of several; None where neither is known."""
    enrolment = pd.DataFrame(
        {
            "student": pd.array(["a", "a", "b", "c"], dtype="string"),
            "cohort": pd.array([2024, 2022, None, None], dtype="Int64"),
            "start_date": pd.array(["2024-09-01", "2022-09-01", "2023-07-31", None], dtype="datetime64[us]"),
        }
    )
    person = pd.DataFrame({"student": pd.array(["a", "d"], dtype="string")})
    assert first_cohorts({"person": person, "enrolment": enrolment}) == {"a": 2022, "b": 2022, "c": None, "d": None}
