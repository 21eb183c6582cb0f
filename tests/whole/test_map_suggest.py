"""Show 3: from a file that nobody mapped yet to a delivery that `check` accepts, by answering the open points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments import terminal
from node import cli
from node.assistant.explaining import still_open, to_fill
from tests.unit.node.assistant.answers import answered

pytestmark = pytest.mark.data


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """A command of `coalition-node`, as JSON."""
    code = terminal.run(cli.app, "coalition-node", [*words, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)["data"]


def checked(
    export: Path, folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], letters: dict[int, str]
) -> dict[str, Any]:
    """Suggest, answer as a person does, make a node, check. Returns the quality report."""
    mapping = folder / "mapping.yaml"
    code, found = run(capsys, "map", "suggest", str(export), "--out", str(mapping), *options)
    assert code == 0 and found["open_points"]
    assert mapping.stat().st_mode & 0o077 == 0
    text = answered(mapping.read_text(encoding="utf-8"), letters, {"JJJJ": "2023"})
    assert still_open(text) == [] and to_fill(text) == 0
    mapping.write_text(text, encoding="utf-8")
    code, explained = run(capsys, "map", "explain", str(mapping))
    assert code == 0 and explained["open_points"] == [] and explained["to_fill"] == 0
    node = folder / "node"
    code, _ = run(capsys, "init", str(node), "--school", "school-a", "--name", "School A", "--size", "2023=1000")
    assert code == 0
    code, report = run(capsys, "check", str(node), "--exports", str(export), "--mapping", str(mapping))
    assert code == 0 and report["quality"]["verdict"] != "fail"
    return dict(report["quality"])


def filled(report: dict[str, Any]) -> set[str]:
    """table.column of everything that holds a value."""
    return {
        f"{table['table']}.{name}"
        for table in report["tables"]
        for name, share in table["coverage"].items()
        if share > 0 and name != "student"
    }


@pytest.mark.parametrize("options", [[], ["--fresh"]], ids=["recognised", "from names and shapes"])
def test_the_demo_of_the_uitnodigingsregel(
    options: list[str], data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recognised as the shipped layout, and again as if nobody had ever seen it: the same columns are filled."""
    export = data_folder / "uitnodigingsregel" / "synth_data_train.csv"
    report = checked(export, tmp_path, capsys, options, {})
    assert filled(report) == {
        *("person.geslacht", "person.vooropleiding"),
        *("enrolment.enrolment_id", "enrolment.cohort", "enrolment.age_at_start", "enrolment.first_study"),
        *("enrolment.applications", "enrolment.dropout_flag", "enrolment.dropout_flag_definition"),
        *("programme_period.enrolment_id", "programme_period.sector"),
        *("attendance.week", "attendance.weeks"),
        *("attendance.hours_absent_unauthorised", "attendance.hours_absent_authorised"),
    }


def test_uci_697(data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Portuguese file without a student number: 4,424 rows, what the schema knows is filled, the rest is listed."""
    export = data_folder / "uci697" / "data.csv"
    _, found = run(capsys, "map", "suggest", str(export))
    headings = {name for one in found["columns"] for _, name in one["reads"]}
    headings |= {name for point in found["open_points"] for _, name in point["reads"]}
    assert headings == {"Age at enrollment", "Gender", "Target"}
    assert len(found["unmapped"]) == 34
    report = checked(export, tmp_path, capsys, [], {})
    assert filled(report) == {
        "person.geslacht",
        *("enrolment.enrolment_id", "enrolment.cohort", "enrolment.age_at_start"),
        *("enrolment.dropout_flag", "enrolment.dropout_flag_definition"),
    }
    assert {table["kept"] for table in report["tables"]} == {4424}


def test_nothing_silent_about_the_outcome_or_the_number(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left unanswered, the number refuses the mapping and the outcome stays empty: neither is ever assumed."""
    export, mapping = data_folder / "uci697" / "data.csv", tmp_path / "mapping.yaml"
    _, found = run(capsys, "map", "suggest", str(export), "--out", str(mapping))
    number = next(point for point in found["open_points"] if point["answers"][0]["key"] == "identifier")
    assert number["required"] and number["answers"][-1]["rule"] == {"row": True}
    text = mapping.read_text(encoding="utf-8")
    mapping.write_text(answered(text, {number["number"]: "a"} | dict.fromkeys(range(number["number"] + 1, 9), "")))
    node = tmp_path / "node"
    run(capsys, "init", str(node), "--school", "school-a", "--name", "School A", "--size", "2023=1000")
    code, report = run(capsys, "check", str(node), "--exports", str(export), "--mapping", str(mapping))
    assert code == 0
    assert "enrolment.dropout_flag" not in filled(report["quality"])
