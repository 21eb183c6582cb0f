"""A full disk and kill -9 while a school takes in exports: the delivery before, or the new one, whole, and nobody lost."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import node.cli
from experiments import terminal
from node import store as node_store
from node.pseudonyms import Pseudonyms
from node.store import Store
from tests.unit.node import marked_school
from tests.unit.node.marked_school import MARKERS, School, csv_text, rows
from tests.unit.node.processes import Ended, in_process, killed_before, limited

OLD = 40
MORE, FEWER = 44, 30  # students of the next delivery: with new ones, or without
STEP = 1024  # bytes by which the room on disk grows


@pytest.fixture
def school(tmp_path: Path, capfd: Capture) -> School:
    """A node with a delivery of 40 students, and the next one, of 44, in its drop folder."""
    made = marked_school.found(tmp_path / "node", capfd)
    made.put(csv_text(rows(NEW)))
    return made


def ingest(school: School) -> int:
    """What the operator types."""
    return terminal.run(node.cli.app, "coalition-node", ["ingest", str(school.folder.root)])


def fresh_copies(school: School) -> Iterator[int]:
    """Put the node back as it was, again and again: 1, 2, …"""
    root = school.folder.root
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    for number in range(1, 400):
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        yield number


def students_of_a_whole_delivery(school: School) -> int:
    """How many students the delivery has that counts; every table, its report and the accounts agree on them."""
    store = Store.open(school.folder.data)
    tables, reported = store.tables(), {one["table"]: one["kept"] for one in store.report()["tables"]}
    assert {name: len(frame) for name, frame in tables.items()} == reported
    students = set(tables["person"]["student"])
    assert students == set(tables["enrolment"]["student"]) == set(tables["attendance"]["student"])
    with Pseudonyms.open(school.folder.data) as pseudonyms:
        cohorts = pseudonyms.cohorts_of(students)
    assert set(cohorts) == students and None not in cohorts.values()
    return len(students)


def check_after(school: School) -> int:
    """What holds after any interruption: a whole delivery, no marker on disk, and the next ingest succeeds."""
    found = students_of_a_whole_delivery(school)
    assert school.traces() == []
    assert in_process(lambda: ingest(school)).code == 0
    assert students_of_a_whole_delivery(school) == NEW
    assert len(list((school.folder.data / "deliveries").iterdir())) == 1
    return found


def test_kill_9_before_any_write_of_an_ingest(school: School) -> None:
    """Killed before its 1st, 2nd, 3rd … change of a file: the old delivery counts or the new one, never a mixture."""
    seen = []
    for event in fresh_copies(school):

        def act(event: int = event) -> int:
            killed_before(event)
            return ingest(school)

        ended = in_process(act)
        seen.append((ended.signal, check_after(school)))
        if ended.signal is None:
            break
    assert seen[-1] == (None, NEW)
    assert {number for number, _ in seen[:-1]} == {signal.SIGKILL}
    counted = [students for _, students in seen]
    assert counted == sorted(counted) and len(counted) > 40 and counted.count(OLD) > 30


@pytest.mark.parametrize("deadly", [False, True], ids=["disk full", "killed in a write"])
def test_no_room_for_an_ingest(school: School, deadly: bool) -> None:
    """Whichever write finds no room: the delivery before counts, the message says so, and with room it is taken in."""
    ends = set()
    for step in fresh_copies(school):

        def act(limit: int = 512 * (step - 1)) -> int:
            limited(limit, deadly)
            return ingest(school)

        ended = in_process(act)
        ends.add((ended.signal, ended.code, _code_in(ended.said)))
        assert not any(marker.encode() in ended.said for marker in MARKERS) and b"Traceback" not in ended.said
        enough = ended.signal is None and ended.code == 0
        assert check_after(school) == (NEW if enough else OLD)
        if enough:
            break
    full = {(signal.SIGXFSZ, 0, "")} if deadly else {(None, 4, "disk"), (None, 4, "pseudonym_table")}
    assert ends == full | {(None, 0, "")}


def _code_in(said: bytes) -> str:
    """The code in `Not done. / Niet gedaan. [code]`."""
    title = next((line for line in said.decode().splitlines() if line.startswith("Not done.")), "[]")
    return title.partition("[")[2].rstrip("]")


@pytest.mark.parametrize("fault", ["in place", "pointer first"])
def test_an_ingest_that_is_not_whole_is_noticed(school: School, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Planted faults: a store that overwrites the delivery that counts, or that points before it has written."""
    real = Store.write

    def in_place(self: Store, tables: Any, report: Any) -> str:
        from node import store

        store._write_tables(self.folder / "deliveries" / self.current(), tables, report)
        return self.current()

    def pointer_first(self: Store, tables: Any, report: Any) -> str:
        self._point_at(self._next_name())
        return real(self, tables, report)

    monkeypatch.setattr(Store, "write", in_place if fault == "in place" else pointer_first)
    broken = 0
    for event in fresh_copies(school):

        def act(event: int = event) -> int:
            killed_before(event)
            return ingest(school)

        ended = in_process(act)
        try:
            students_of_a_whole_delivery(school)
        except Exception:
            broken += 1
        if ended.signal is None:
            break
    assert broken
