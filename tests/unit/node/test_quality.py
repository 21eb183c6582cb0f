"""The quality report: what its numbers mean, where a series breaks, what the page and the switch promise."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

import node.cli
from experiments import terminal
from experiments.reading.sheet import render
from node import founding
from node.errors import UnusableInput
from node.folder import NodeFolder
from node.ingest import ingest
from node.people.pseudonym_key import PseudonymKey
from node.policy import read_policy
from node.quality.breaks import between_years, stretches
from node.quality.finding import Finding, Severity
from node.quality.links import loose_rows
from node.quality.numbers import Numbers, TableNumbers, YearNumbers, measured, opened
from node.quality.overview import first_steps, overview, plain
from node.quality.page import page, valid_share
from node.quality.ready import history, ready
from node.quality.shapes import distance, expected_by_chance, shape_differs
from shared_schema import load_schema
from tests.unit.node.quality_exports import exported

SCHEMA = load_schema()
Say = Callable[..., tuple[int, dict[str, Any]]]


def students(count: int, start: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(start, start + count)]


def tables() -> dict[str, pd.DataFrame]:
    """Three students of two school years, two of them with absence."""
    enrolment = pd.DataFrame(
        {
            "student": students(3),
            "enrolment_id": ["1", "1", "1"],
            "start_date": pd.to_datetime(["2022-08-01", "2023-07-31", "2023-08-01"]),
            "age_at_start": pd.array([16, None, 30], dtype="Int64"),
        }
    )
    attendance = pd.DataFrame(
        {
            "student": [students(3)[0]] * 2 + [students(3)[2]],
            "week": pd.array([1, 2, 1], dtype="Int64"),
            "hours_absent": [0.0, 2.5, 11.0],
        }
    )
    return {"enrolment": enrolment, "attendance": attendance}


# --- numbers -----------------------------------------------------------------------------------------------------


def test_rows_are_counted_in_the_school_year_of_their_own_date_or_of_their_student() -> None:
    """31 July belongs to the year before; a week without a date to the first school year of its student."""
    with opened(tables()) as views:
        numbers = measured(views, SCHEMA, few=1)
    assert {year: (one.rows, one.students) for year, one in numbers.tables["enrolment"].years.items()} == {
        "2022": (2, 2),
        "2023": (1, 1),
    }
    assert {year: one.rows for year, one in numbers.tables["attendance"].years.items()} == {"2022": 2, "2023": 1}
    assert numbers.students == 3
    assert numbers.tables["enrolment"].years["2022"].filled["age_at_start"] == 1
    assert numbers.tables["attendance"].shape("hours_absent") == {"0": 1, "3": 1, "12": 1}


def test_frames_and_stored_files_give_the_same_numbers(tmp_path: Path) -> None:
    """What the node stores as Parquet is measured where it lies; the numbers come back from JSON as they went in."""
    paths = {}
    for name, frame in tables().items():
        paths[name] = tmp_path / f"{name}.parquet"
        with opened({name: frame}) as views:
            views.connection.table(name).write_parquet(str(paths[name]))
    with opened(paths) as stored, opened(tables()) as frames:
        assert measured(stored, SCHEMA) == measured(frames, SCHEMA)
        numbers = measured(frames, SCHEMA)
    assert Numbers.of_plain(json.loads(json.dumps(numbers.plain()))) == numbers
    assert Numbers.of_plain(None) is None and Numbers.of_plain({"numbers": 0}) is None


def test_a_delivery_without_enrolments_has_no_years_and_no_complaint() -> None:
    """A layout with absence only is measured too; who enrolled is not known here, so that nothing is called loose."""
    with opened({"attendance": tables()["attendance"]}) as views:
        numbers = measured(views, SCHEMA)
        assert loose_rows(views) == ()
    assert list(numbers.tables["attendance"].years) == [""]
    assert list(between_years(numbers)) == []


def test_no_number_that_is_kept_is_about_a_few_people() -> None:
    """A code of nine students and a year of nine students go together with others; ten may stand by themselves."""
    frame = pd.DataFrame(
        {
            "student": students(49),
            "enrolment_id": ["1"] * 49,
            "cohort": pd.array([2022] * 40 + [2019] * 9, dtype="Int64"),
            "reden_uitschrijving": ["01"] * 16 + ["02"] * 9 + ["03"] * 10 + ["04"] * 5 + ["01"] * 9,
        }
    )
    with opened({"enrolment": frame}) as views:
        found = measured(views, SCHEMA).tables["enrolment"]
    assert {year: one.students for year, one in found.years.items()} == {"": 9, "2022": 40}
    assert found.bins["reden_uitschrijving"] == {"2022": {"01": 16, "03": 10, "*": 14}, "": {"*": 9}}


def test_what_was_put_together_never_makes_a_distance() -> None:
    """A bin that is not named may hold up to nine of what was put together; a vanished code still counts in full."""
    named, small = {"a": 90, "b": 10}, {"a": 90, "*": 10}
    assert distance(named, small) == pytest.approx(0.01) and distance(small, named) == pytest.approx(0.01)
    assert distance({"a": 50, "b": 50}, {"c": 50, "d": 50}) == 1.0


def test_rows_that_point_nowhere_are_counted_by_what_they_miss() -> None:
    """An unknown student, an enrolment that the student does not have; an empty cell points nowhere and is no fault."""
    diploma = pd.DataFrame(
        {"student": [*students(3), *students(1, 9)], "enrolment_id": ["1", "2", None, "1"], "crebo": ["25187"] * 4}
    )
    with opened({**tables(), "diploma": diploma}) as views:
        found = {(one.rule, one.table): (one.rows, one.of) for one in loose_rows(views)}
    assert found == {("unknown_student", "diploma"): (1, 4), ("unknown_enrolment", "diploma"): (1, 3)}


# --- breaks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1, 1, 1), []),
        ((1, 0, 1, 1), [("only", 1)]),
        ((1, 1, 0, 0), [("from", 2)]),
        ((0, 1, 1), [("from", 1)]),
        ((1, 0), [("from", 1)]),
        ((1, 1, 0), [("from", 2)]),
        ((1, 0, 2, 2), [("from", 1), ("from", 2)]),
        ((1, 0, 1, 0), [("only", 1), ("from", 3)]),
    ],
)
def test_where_a_series_breaks(values: tuple[int, ...], expected: list[tuple[str, int]]) -> None:
    """A year that differs from both neighbours stands alone; else the series is another from there on."""
    found = stretches(len(values), lambda first, second: values[first] != values[second])
    assert [(one.kind, one.place) for one in found] == expected


def numbers_of(column: str, filled: dict[int, float], students: int = 400, table: str = "enrolment") -> Numbers:
    years = {
        str(year): YearNumbers(students, students, {column: round(share * students)}) for year, share in filled.items()
    }
    return Numbers(students, {table: TableNumbers(years, {})})


def test_a_column_that_fills_as_students_leave_may_be_emptier_later() -> None:
    """Recent cohorts have no end date since they are still there; an older cohort without is a break."""
    natural = {2020: 1.0, 2021: 0.9, 2022: 0.6, 2023: 0.2}
    assert list(between_years(numbers_of("end_date", natural))) == []
    assert [f.rule for f in between_years(numbers_of("age_at_start", natural))] == ["coverage_break"] * 2
    (found,) = between_years(numbers_of("end_date", natural | {2021: 0.0}))
    assert found.found.nl == "Vanaf 2022-2023 is de kolom voor 60% gevuld; het jaar ervoor voor 0%."


def test_a_share_that_chance_may_move_is_no_break() -> None:
    """From .9 to .65 is less than chance can do among sixty students, and more than it does among six hundred."""
    shares = {2021: 0.9, 2022: 0.65}
    assert list(between_years(numbers_of("team", shares, students=60))) == []
    assert len(list(between_years(numbers_of("team", shares, students=600)))) == 1


def test_years_with_few_students_are_not_compared() -> None:
    """Forty-nine students tell nothing, and a sentence about them might tell too much."""
    broken = {2021: 1.0, 2022: 0.0}
    assert list(between_years(numbers_of("team", broken, students=49))) == []
    assert len(list(between_years(numbers_of("team", broken, students=50)))) == 1


def test_a_cohort_that_is_missing_or_half_there() -> None:
    """Between the first and the last each year has about the usual size; those two may be cut by the export."""
    years = {
        str(year): YearNumbers(size, size, {}) for year, size in ((2019, 90), (2020, 400), (2022, 120), (2023, 410))
    }
    found = list(between_years(Numbers(1000, {"enrolment": TableNumbers(years, {})})))
    assert [(one.rule, one.found.nl[:22]) for one in found] == [
        ("cohort_break", "Schooljaar 2021-2022 t"),
        ("cohort_break", "Schooljaar 2022-2023 t"),
    ]


def test_the_distance_is_what_would_have_to_move_and_chance_is_taken_off() -> None:
    """Half of the values elsewhere is .5; thirty people cannot be told apart where three thousand can."""
    first, second = {"a": 50, "b": 50}, {"a": 100}
    assert distance(first, second) == 0.5 and distance(first, first) == 0.0
    few, many = (30.0, 30.0), (3000.0, 3000.0)
    near = {"a": 72, "b": 28}
    assert expected_by_chance(first, near, few) > 4 * expected_by_chance(first, near, many)
    assert shape_differs(first, near, many) and not shape_differs(first, near, few)


def test_chance_is_as_large_as_sampling_makes_it() -> None:
    """Against an independent simulation: the mean distance of two samples from one distribution."""
    import numpy as np

    rng, shares = np.random.default_rng(7), np.array([0.5, 0.3, 0.15, 0.05])
    drawn = [rng.multinomial(200, shares) / 200 for _ in range(4000)]
    mean = np.mean([np.abs(one - two).sum() / 2 for one, two in zip(drawn[::2], drawn[1::2], strict=True)])
    counts = {str(place): int(share * 1000) for place, share in enumerate(shares)}
    assert expected_by_chance(counts, counts, (200.0, 200.0)) == pytest.approx(mean, rel=0.05)


# --- overview and page -------------------------------------------------------------------------------------------


def stored_report(tmp_path: Path) -> dict[str, Any]:
    folder = exported(tmp_path / "exports", "eduarte", students=300)
    data = tmp_path / "data"
    key = PseudonymKey(b"a key for this test only, 32 byte")
    return ingest(folder, founding.LAYOUTS / "eduarte.yaml", data, key, SCHEMA).quality.plain()


def test_the_gravest_finding_that_touches_most_questions_stands_first(tmp_path: Path) -> None:
    """Faults before notes, then by the number of questions that use the column; steps are said once each."""
    report = stored_report(tmp_path)
    parts = Finding.of_plain(
        {
            "rule": "gone",
            "severity": "warn",
            "table": "enrolment",
            "column": "team",
            "found": {"nl": "a", "en": "b"},
            "meaning": {"nl": "c", "en": "d"},
            "remedy": {"nl": "e", "en": "f"},
        }
    )
    others = [("college", Severity.WARN), ("start_date", Severity.WARN), ("applications", Severity.FAIL)]
    made = [parts.plain(), *(parts.plain() | {"column": name, "severity": grave} for name, grave in others)]
    seen = overview(report | {"findings": made, "verdict": "fail"}, SCHEMA)
    assert [one.finding.column for one in seen.findings] == ["applications", "start_date", "team", "college"]
    assert 31 in seen.findings[2].questions and not seen.findings[3].questions
    assert [step.nl for step in first_steps(seen)] == [
        "enrolment.applications, enrolment.start_date, enrolment.team, …: e"
    ]


def test_a_report_of_an_earlier_version_is_still_shown(tmp_path: Path) -> None:
    """A delivery that was stored before these findings existed has tables, questions and a page."""
    report = stored_report(tmp_path)
    old = {k: v for k, v in report.items() if k not in ("numbers", "findings", "loose", "identical", "compared")}
    for table in old["tables"]:
        table["notes"] = [{k: v for k, v in note.items() if k != "of"} for note in table["notes"]]
    seen = overview(old, SCHEMA)
    assert seen.numbers is None and plain(seen)["years"] == {}
    assert "Kolommen" not in render(page(seen, "A", date(2026, 11, 27), SCHEMA), "nl", "quality")


def test_the_page_says_every_question_once_served_first(tmp_path: Path) -> None:
    """Forty questions in four groups, with what lacks called by its name in both languages."""
    seen = overview(stored_report(tmp_path), SCHEMA)
    for language, group in (("nl", "Vragen die nu al kunnen"), ("en", "Questions that can be served now")):
        html = render(page(seen, "A", date(2026, 11, 27), SCHEMA), language, "quality")
        assert group in html and html.index(group) < html.index("enrolment.reden_uitschrijving")
        titles = [one.title_nl if language == "nl" else one.title_en for one in seen.services]
        assert [title for title in titles if str(escape(title)) not in html] == []
    assert sum(len(seen.of(verdict)) for verdict in ("yes", "extension", "public", "no")) == 40


def test_machines_get_everything_but_the_small_cells(tmp_path: Path) -> None:
    """Report, findings, filled shares by year and questions; no distribution, and no year with few students."""
    found = plain(overview(stored_report(tmp_path), SCHEMA))
    assert set(found) == {"quality", "findings", "first_steps", "years", "questions"}
    assert "numbers" not in found["quality"] and '"bins"' not in json.dumps(found)
    years = found["years"]["enrolment"]
    assert set(years) == {"2022", "2023"} and years["2022"]["coverage"]["cohort"] == 1.0
    assert all(one["students"] >= 10 for table in found["years"].values() for one in table.values())


def test_the_valid_share_is_of_what_was_filled() -> None:
    """Two of forty filled cells broke a rule; a note about rows or about bounds is no invalid cell."""
    notes = [
        {"column": "geslacht", "rule": "unknown_code", "rows": 2, "of": 40},
        {"column": "geslacht", "rule": "out_of_bounds", "rows": 5, "of": 40},
        {"column": "", "rule": "duplicate", "rows": 5, "of": 40},
    ]
    assert valid_share({"notes": notes}, "geslacht") == pytest.approx(0.95)
    assert valid_share({"notes": notes}, "apcg") == 1.0


# --- the switch --------------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> NodeFolder:
    """A node with the EduArte layout and its exports, before anything is taken in."""
    folder = founding.found(tmp_path / "node", "a", "School A", None, ["2022=800"], "eduarte", None, None)
    exported(folder.exports, "eduarte", students=300)
    return folder


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; return exit code and data, with `code` beside it."""

    def said(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


def test_check_writes_the_page_of_what_was_asked(say: Say, made: NodeFolder, tmp_path: Path) -> None:
    """Exports that are looked at only leave no delivery and a page of their own; a bad name is refused before that."""
    code, data = say("check", made.root, "--exports", made.exports)
    assert code == 0 and data["html"].endswith("local/quality-preview.html")
    assert say("check", made.root)[1]["code"] == "no_delivery"
    assert say("ingest", made.root)[0] == 0
    code, data = say("check", made.root)
    assert sorted(path.name for path in made.local.iterdir()) == [
        "quality-preview.en.html",
        "quality-preview.html",
        "quality.en.html",
        "quality.html",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.local.iterdir()} == {0o600}
    assert data["quality"]["stored"] and len(data["questions"]) == 40
    assert say("check", made.root, "--html", tmp_path / "elders.html")[1]["html"] == str(tmp_path / "elders.html")
    assert say("check", made.root, "--html", tmp_path / "Elders.htm")[1]["code"] == "bad_page_name"


def test_ready_is_said_by_a_person_after_a_look(say: Say, made: NodeFolder) -> None:
    """Nothing to call ready before a delivery; then one line of the policy changes and a line says who and when."""
    assert say("ready", made.root, "--yes")[1]["code"] == "nothing_to_be_ready"
    assert say("ingest", made.root)[0] == 0
    before, mode = made.policy.read_text("utf-8"), made.policy.stat().st_mode
    assert say("ready", made.root)[1]["ready"] is False and made.policy.read_text("utf-8") == before
    code, data = say("ready", made.root, "--yes", "--by", "J. de Vries")
    assert code == 0 and data["ready"] and not data["was"]
    assert made.policy.read_text("utf-8") == before.replace("ready: false", "ready: true")
    assert made.policy.stat().st_mode == mode
    assert say("ready", made.root, "--no")[0] == 0 and made.policy.read_text("utf-8") == before
    journal = history(made)
    assert [(one["by"] == "J. de Vries", one["ready"]) for one in journal] == [(True, True), (False, False)]
    assert stat.S_IMODE((made.local / "ready.log").stat().st_mode) == 0o600


def test_a_failed_verdict_is_never_called_ready(made: NodeFolder, monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    """Refused with what to do, and the policy stays as it is; withdrawing is always possible."""
    assert say("ingest", made.root)[0] == 0
    before = made.policy.read_bytes()
    from node.store import Store

    report = Store.open(made.data).report() | {"verdict": "fail"}
    monkeypatch.setattr(Store, "report", lambda _: report)
    code, data = say("ready", made.root, "--yes")
    assert (code, data["code"]) == (2, "verdict_is_fail") and made.policy.read_bytes() == before
    assert say("ready", made.root, "--no")[0] == 0


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("ready: false", "ready: true"),
        ("ready:   false   # nog niet", "ready:   true   # nog niet"),
        ("", "ready: true"),
    ],
)
def test_comments_and_rules_of_the_policy_stay(made: NodeFolder, say: Say, line: str, changed: str) -> None:
    """Only the value changes; a policy that left the line out gets one."""
    assert say("ingest", made.root)[0] == 0
    made.policy.write_text(made.policy.read_text("utf-8").replace("ready: false", line), "utf-8")
    rules = read_policy(made.policy)
    ready(made.root, True, "x")
    assert read_policy(made.policy) == rules.model_copy(update={"ready": True})
    assert changed in made.policy.read_text("utf-8") and "FG is eigenaar" in made.policy.read_text("utf-8")


def test_a_policy_written_on_windows_keeps_its_line_ends(made: NodeFolder, say: Say) -> None:
    """Not a byte changes but those of the value."""
    assert say("ingest", made.root)[0] == 0
    before = made.policy.read_bytes().replace(b"\n", b"\r\n")
    made.policy.write_bytes(before)
    ready(made.root, True, "x")
    assert made.policy.read_bytes() == before.replace(b"ready: false", b"ready: true")


@pytest.mark.parametrize("line", ['"ready": false', "ready: !!bool false"])
def test_a_policy_that_cannot_be_changed_in_one_line_is_left_to_a_person(made: NodeFolder, say: Say, line: str) -> None:
    """Nothing is guessed: the file stays as it is, and no draft stays behind."""
    assert say("ingest", made.root)[0] == 0
    made.policy.write_text(made.policy.read_text("utf-8").replace("ready: false", line), "utf-8")
    before = made.policy.read_bytes()
    try:
        read_policy(made.policy)
    except Exception:  # a spelling that the reader refuses anyway
        return
    with pytest.raises(UnusableInput, match="by hand"):
        ready(made.root, True, "x")
    assert made.policy.read_bytes() == before
    assert not list(made.root.glob(".policy*"))
