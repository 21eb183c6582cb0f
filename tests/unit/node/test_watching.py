"""The drop folder: a file counts once it is complete, a change makes one delivery, a bad one changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store import Store
from node.watching import Watch
from tests.unit.node import marked_school
from tests.unit.node.marked_school import MARKERS, School, csv_text, rows, type_in
from tests.unit.node.test_deliveries import ANSWERS, SURVEY

SETTLE = 5.0
PROGRAM = [sys.executable, "-c", "from node.cli import main; raise SystemExit(main())"]
BAD = csv_text(rows()).replace(";M;", ";man;").replace(";V;", ";vrouw;")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def school(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> School:
    """A node with one delivery, and the same export still in its drop folder."""
    return marked_school.found(tmp_path / "node", capfd)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(school: School, clock: Clock) -> Watch:
    return Watch(school.folder, SETTLE, clock)


def looked(watch: Watch, clock: Clock, seconds: float = 0.0) -> list[str]:
    """Let time go by, look once, carry out what is due; return what was said of it."""
    clock.now += seconds
    before = len(watch.said)
    for mapping, found in list(watch.look()):
        watch.take_in(mapping, found)
    return [one["what"] for one in watch.said[before:]]


def version(school: School) -> str:
    return Store.open(school.folder.data).current()


def test_a_file_counts_once_it_stays_the_same(school: School, watch: Watch, clock: Clock) -> None:
    """Written in three parts: none of them is taken in before it has rested; then one delivery, and no second one."""
    text = csv_text(rows(44))
    for part in (1, 2, 3):
        school.put(text[: len(text) * part // 3])
        assert looked(watch, clock, SETTLE - 0.1) == []
    assert looked(watch, clock, SETTLE) == ["taken_in"]
    assert len(school.tables()["person"]["student"]) == 44
    assert looked(watch, clock, SETTLE) == looked(watch, clock, 10 * SETTLE) == []


def test_an_empty_file_or_one_being_copied_is_not_complete(school: School, watch: Watch, clock: Clock) -> None:
    """A browser's placeholder with its partial copy beside it; a file of no bytes."""
    school.put("")
    assert (looked(watch, clock), looked(watch, clock, 2 * SETTLE)) == ([], [])
    school.put(csv_text(rows()))
    partial = school.folder.exports / "dossiers.csv.part"
    partial.write_text("nummer")
    assert (looked(watch, clock), looked(watch, clock, 2 * SETTLE)) == ([], [])
    partial.unlink()
    assert looked(watch, clock) == ["taken_in"]


def test_a_bad_delivery_changes_nothing_and_the_next_good_one_counts(
    school: School, watch: Watch, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its report stands as a page under local/; it is not tried again until something changes; no cell is said."""
    kept = school.kept()
    school.put(BAD)
    looked(watch, clock)
    assert looked(watch, clock, SETTLE) == ["quality_failed"]
    assert school.kept() == kept
    pages = sorted(path.name for path in school.folder.local.iterdir())
    assert pages == ["refused-proef.en.html", "refused-proef.html"]
    assert looked(watch, clock, SETTLE) == []
    school.put(csv_text(rows(41)))
    looked(watch, clock)
    assert looked(watch, clock, SETTLE) == ["taken_in"]
    shown = capfd.readouterr()
    assert "niet ingenomen" in shown.err and not any(marker in shown.out + shown.err for marker in MARKERS)
    assert school.traces() == []


def test_each_layout_is_taken_in_by_its_own_mapping(school: School, watch: Watch, clock: Clock) -> None:
    """A survey's file makes a delivery of the survey, and none of the student system."""
    further = school.folder.root / "mappings"
    further.mkdir()
    (further / "enquete.yaml").write_text(SURVEY)
    looked(watch, clock)
    assert looked(watch, clock, SETTLE) == ["taken_in"]
    (school.folder.exports / "enquete.csv").write_text(ANSWERS)
    looked(watch, clock)
    assert looked(watch, clock, SETTLE) == ["taken_in"]
    assert [one["mapping"] for one in watch.said] == ["mapping.yaml", "enquete.yaml"]
    assert "survey" in school.tables()


def test_a_corrected_mapping_is_a_change(school: School, watch: Watch, clock: Clock) -> None:
    """The same file, read otherwise; a mapping that cannot be read is said once."""
    looked(watch, clock)
    assert looked(watch, clock, SETTLE) == ["taken_in"]
    school.map("vooropleiding: vooropleiding", "vooropleiding: nergens")
    assert looked(watch, clock, SETTLE) == ["missing_column"]
    school.folder.mapping.write_text("mapping: [")
    assert (looked(watch, clock, SETTLE), looked(watch, clock, SETTLE)) == (["bad_mapping"], [])
    school.map()
    assert looked(watch, clock, SETTLE) == ["taken_in"]


def test_once_is_for_cron(school: School, capfd: pytest.CaptureFixture[str]) -> None:
    """It takes in what is complete and ends; what was taken in stays known; a refusal is its exit code."""
    root = school.folder.root
    for expected in ([{"mapping": "mapping.yaml", "what": "taken_in"}], []):
        code, out, _ = type_in(capfd, "coalition-node", "watch", root, "--once", "--settle", "0.05")
        assert (code, json.loads(out)["data"]["done"]) == (0, expected)
    school.put(BAD)
    code, out, both = type_in(capfd, "coalition-node", "watch", root, "--once", "--settle", "0.05")
    assert (code, json.loads(out)["error_code"]) == (2, "delivery_refused")
    assert not any(marker in both for marker in MARKERS)
    assert type_in(capfd, "coalition-node", "watch", root, "--once", "--settle", "0.05")[0] == 0  # said once


def said(process: subprocess.Popen[str], words: str) -> str:
    """Read its lines until one holds these words; the test's own timeout ends what never comes."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")


@pytest.fixture(params=[[], ["--poll"]], ids=["events", "polling"])
def running(school: School, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """The real program, looking at the real folder."""
    command = [*PROGRAM, "watch", str(school.folder.root), "--settle", "0.2", *request.param]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_program_goes_on_after_a_bad_delivery_and_ends_cleanly(
    school: School, running: subprocess.Popen[str], ending: signal.Signals
) -> None:
    """A good one, a bad one, a good one dropped by rename; then Ctrl-C or a stop of the service: exit 0, in words."""
    said(running, "delivery 000002")
    school.put(BAD)
    said(running, "not taken in")
    fresh = school.folder.root / "fresh.csv"
    fresh.write_text(csv_text(rows(43)))
    fresh.replace(school.folder.exports / "dossiers.csv")
    said(running, "delivery 000003")
    running.send_signal(ending)
    out, err = running.communicate(timeout=900)
    assert running.returncode == 0 and "Stopped" in err and "taken in: 2; geweigerd / refused: 1" in out
    assert "Traceback" not in err
    assert len(school.tables()["person"]["student"]) == 43
