"""What the operator sees of deliveries: which there were, which count, and what a withdrawal does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.people.pseudonyms import Pseudonyms
from node.store import Store
from tests.unit.node import marked_school
from tests.unit.node.marked_school import School, csv_text, refused, rows, type_in

SURVEY = """\
mapping: 1
layout: enquete
title: {nl: enquête, en: survey}
sources: {answers: {file: "enquete.csv"}}
identifier: {column: nummer}
tables:
  survey:
    source: answers
    columns: {survey: {constant: JOB}, date: dag, question: vraag, answer: score}
"""
ANSWERS = "nummer;dag;vraag;score\nS-99123001;2023-02-01;v1;4\nS-99123777;2023-02-01;v1;2\n"


@pytest.fixture
def school(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> School:
    """A node with one delivery of its student system."""
    return marked_school.found(tmp_path / "node", capfd)


@pytest.fixture
def surveyed(school: School, capfd: pytest.CaptureFixture[str]) -> School:
    """And one of a survey, by a mapping of its own."""
    mapping = school.folder.root / "enquete.yaml"
    mapping.write_text(SURVEY, encoding="utf-8")
    (school.folder.exports / "enquete.csv").write_text(ANSWERS, encoding="utf-8")
    code, _, both = type_in(capfd, "coalition-node", "ingest", school.folder.root, "--mapping", mapping)
    assert code == 0, both
    return school


def listed(school: School, capfd: pytest.CaptureFixture[str]) -> list[tuple[str, int, str]]:
    code, out, _ = type_in(capfd, "coalition-node", "deliveries", school.folder.root)
    assert code == 0
    return [(one["layout"], one["version"], one["state"]) for one in json.loads(out)["data"]["deliveries"]]


def test_layouts_are_delivered_one_by_one(surveyed: School, capfd: pytest.CaptureFixture[str]) -> None:
    """The survey stands beside the student system; the report of both is one, table by table."""
    assert listed(surveyed, capfd) == [("proef", 1, "counts"), ("enquete", 1, "counts")]
    assert sorted(surveyed.tables()) == ["attendance", "enrolment", "person", "survey"]
    code, out, _ = type_in(capfd, "coalition-node", "check", surveyed.folder.root)
    quality = json.loads(out)["data"]["quality"]
    assert code == 0
    assert [table["table"] for table in quality["tables"]] == ["person", "enrolment", "attendance", "survey"]
    _, _, words = type_in(capfd, "coalition-node", "check", surveyed.folder.root, as_json=False)
    assert "answers" in words and "dossiers" in words


def test_a_respondent_who_is_not_enrolled_has_no_account_yet(surveyed: School) -> None:
    """The survey came before that student's enrolment: it does not put anyone in the account `unknown` for good."""
    with Pseudonyms.open(surveyed.folder.data) as pseudonyms:
        assert len(pseudonyms.cohorts()) == 40
        assert None not in pseudonyms.cohorts().values()


def test_a_withdrawal_is_shown_asked_and_recorded(surveyed: School, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a yes nothing happens. With it the layout's rows are gone, the other layout and every account stay."""
    root = surveyed.folder.root
    code, _, words = type_in(capfd, "coalition-node", "withdraw", root, "enquete", as_json=False)
    assert code != 0 and "--yes" in words
    assert listed(surveyed, capfd)[1] == ("enquete", 1, "counts")
    code, _, words = type_in(capfd, "coalition-node", "withdraw", root, "enquete", "--yes", as_json=False)
    assert code == 0 and "survey 2" in words
    assert sorted(surveyed.tables()) == ["attendance", "enrolment", "person"]
    assert listed(surveyed, capfd)[1] == ("enquete", 1, "withdrawn")
    _, _, words = type_in(capfd, "coalition-node", "deliveries", root, as_json=False)
    assert "ingetrokken" in words and "geldt" in words
    code, _ = refused(capfd, "coalition-node", "withdraw", root, "enquete", "--yes")
    assert code == "no_such_delivery"


def test_a_second_student_system_is_refused_or_takes_the_place(
    school: School, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody new is registered by a delivery that is refused; `--replaces` changes layouts in one step."""
    school.map("layout: proef", "layout: ander")
    school.put(csv_text(rows(44)))
    code, data = refused(capfd, "coalition-node", "ingest", school.folder.root)
    assert code == "table_taken" and "proef" in data["found"]
    with Pseudonyms.open(school.folder.data) as pseudonyms:
        assert len(pseudonyms.cohorts()) == 40
    code_number, _, _ = type_in(capfd, "coalition-node", "ingest", school.folder.root, "--replaces", "proef")
    assert code_number == 0
    assert listed(school, capfd) == [("proef", 1, "replaced"), ("ander", 1, "counts")]


def test_before_any_delivery_the_list_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An empty list is an answer, not an error."""
    words = ("--school", "noord", "--name", "Noord", "--size", "2022=60")
    assert type_in(capfd, "coalition-node", "init", tmp_path / "n", *words)[0] == 0
    code, _, shown = type_in(capfd, "coalition-node", "deliveries", tmp_path / "n", as_json=False)
    assert code == 0 and "nog niets" in shown
    assert Store.open(tmp_path / "n" / "data").register().entries == ()
