"""OULAD as ten schools: prepared, mapped and checked against a count made another way."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from experiments.examples.oulad import prepare
from node.conformance import Verdict
from node.ingest import Examined, examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import features, load_schema, outcomes

pytestmark = pytest.mark.data

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema(Path(prepare.__file__).parent / "schema.yaml")
OUTCOME = "enrolment.withdrawn_after_day_28"


@pytest.fixture(scope="module")
def schools(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return prepare.prepare(data_folder / "oulad", tmp_path_factory.mktemp("oulad"))


@pytest.fixture(scope="module")
def examined(schools: tuple[Path, ...]) -> dict[str, Examined]:
    return {school.name: examine(school, school / "mapping.yaml", KEY, SCHEMA) for school in schools}


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_every_row_goes_to_one_school_and_no_other(schools: tuple[Path, ...], data_folder: Path) -> None:
    """Ten presentations; the rows add up; the final result is in no folder."""
    assert len(schools) == 10
    for name, source in (("students.csv", "studentInfo.csv"), ("registrations.csv", "studentRegistration.csv")):
        assert sum(len(rows_of(school / name)) for school in schools) == len(rows_of(data_folder / "oulad" / source))
    assert not any("final_result" in (school / "students.csv").read_text()[:500] for school in schools)


def test_public_sizes_are_rounded(schools: tuple[Path, ...]) -> None:
    """One line per school, in tens."""
    assert "public_size: {2013: 380}" in (schools[0] / "policy.yaml").read_text()


def test_every_school_is_usable(examined: dict[str, Examined]) -> None:
    """Values outside public bounds are clipped and counted; no row is set aside, nothing is unreadable."""
    for school in examined.values():
        assert school.quality.verdict in (Verdict.PASS, Verdict.WARN)
        notes = [note for table in school.quality.tables for note in table.notes]
        assert {note.rule for note in notes} <= {"out_of_bounds"}
        assert sum(table.set_aside for table in school.quality.tables) == 0


def test_population_and_outcome_by_another_count(examined: dict[str, Examined], data_folder: Path) -> None:
    """Registered by day 28, not unregistered through it; withdrawn after it: counted with the csv module alone."""
    expected: dict[str, list[bool]] = defaultdict(list)
    for row in rows_of(data_folder / "oulad" / "studentRegistration.csv"):
        start, end = row["date_registration"], row["date_unregistration"]
        if start and int(start) <= 28 and not (end and int(end) <= 28):
            expected[f"{row['code_module']}-{row['code_presentation']}".lower()].append(bool(end))
    for name, school in examined.items():
        outcome = outcomes.compute(school.tables, OUTCOME, SCHEMA, cutoff_week=4)
        assert (len(outcome), int(outcome.sum())) == (len(expected[name]), sum(expected[name]))


def test_results_to_day_28_are_the_features_of_week_4(examined: dict[str, Examined], schools: tuple[Path, ...]) -> None:
    """Number of assessments submitted through day 28 and their mean score, recounted for one school."""
    school = schools[0]
    scores: dict[str, list[str]] = defaultdict(list)
    for row in rows_of(school / "results.csv"):
        if int(row["date_submitted"]) <= 28:
            scores[KEY.pseudonym(row["id_student"])].append(row["score"])
    offered = [one for one in features.available(SCHEMA, 4) if one.name in ("results_count", "results_mean")]
    built = features.build(examined[school.name].tables, offered, 4, SCHEMA)
    for student, values in built.iterrows():
        known = [float(score) for score in scores[str(student)] if score]
        assert values["results_count"] == len(scores[str(student)])
        if known:
            assert values["results_mean"] == pytest.approx(sum(known) / len(known) / 100)


def test_an_assessment_of_day_29_is_later_than_week_4(examined: dict[str, Examined], schools: tuple[Path, ...]) -> None:
    """The border lies where the outcome's population lies."""
    by_day = {
        (row["id_assessment"], KEY.pseudonym(row["id_student"])): int(row["date_submitted"])
        for row in rows_of(schools[1] / "results.csv")
    }
    result = examined[schools[1].name].tables["result"]
    weeks = {
        by_day[(row.course, row.student)]: row.week
        for row in result.itertuples()
        if 1 <= by_day[(row.course, row.student)] <= 60
    }
    assert {28, 29} <= set(weeks)
    assert all(week == (day + 6) // 7 for day, week in weeks.items())
