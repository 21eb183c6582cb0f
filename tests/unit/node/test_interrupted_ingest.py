"""A full disk and kill -9 while a school takes in exports: the delivery before counts, or the new one, and whole."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import node.cli
from experiments import terminal
from node import delivery_files
from node import store as node_store
from node.errors import NodeError
from node.people.pseudonyms import Pseudonyms
from node.register import Entry
from node.store import Store
from tests.unit.node import marked_school
from tests.unit.node.marked_school import MARKERS, School, csv_text, rows
from tests.unit.node.processes import Ended, in_process, killed_before, limited

OLD, MORE, FEWER = 40, 44, 30  # students of the delivery before, and of the next one: with new students, or without
ROOM = 1024  # bytes of room that each attempt has more than the one before


@pytest.fixture
def school(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> School:
    """A node with a delivery of 40 students."""
    return marked_school.found(tmp_path / "node", capfd)


def ingest(school: School) -> int:
    """What the operator types."""
    return terminal.run(node.cli.app, "coalition-node", ["ingest", str(school.folder.root)])


def killed_at(school: School, event: int) -> Ended:
    """An ingest in a process of its own, killed before its n-th change of a file."""

    def act() -> int:
        killed_before(event)
        return ingest(school)

    return in_process(act)


def with_room(school: School, limit: int, deadly: bool) -> Ended:
    """An ingest in a process of its own, in which no file grows beyond `limit` bytes."""

    def act() -> int:
        limited(limit, deadly)
        return ingest(school)

    return in_process(act)


def fresh_copies(school: School, students: int) -> Iterator[int]:
    """Give the node its next delivery, and put it back as it is, again and again: 1, 2, …"""
    school.put(csv_text(rows(students)))
    root = school.folder.root
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    for number in range(1, 200):
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        yield number
    raise AssertionError("it never ended")


def whole(school: School) -> int:
    """How many students the delivery has that counts; its tables, its report and the accounts agree on them."""
    store = Store.open(school.folder.data)
    tables, reported = store.tables(), {one["table"]: one["kept"] for one in store.report()["tables"]}
    assert {name: len(frame) for name, frame in tables.items()} == reported
    students = set(tables["person"]["student"])
    assert students == set(tables["enrolment"]["student"]) == set(tables["attendance"]["student"])
    with Pseudonyms.open(school.folder.data) as pseudonyms:
        cohorts = pseudonyms.cohorts_of(students)
    assert set(cohorts) == students
    assert None not in cohorts.values()
    return len(students)


def after(school: School, students: int) -> int:
    """What holds after any interruption: a whole delivery, no marker on disk, and the next ingest succeeds."""
    found = whole(school)
    assert school.traces() == []
    assert in_process(lambda: ingest(school)).code == 0
    assert whole(school) == students
    assert len(list((school.folder.data / node_store.DELIVERIES).iterdir())) == 1
    return found


def test_kill_9_before_any_write(school: School) -> None:
    """Killed before its 1st, 2nd, 3rd … change of a file: the old delivery counts or the new one, never a mixture."""
    seen: list[tuple[int | None, int]] = []
    for event in fresh_copies(school, MORE):
        ended = killed_at(school, event)
        seen.append((ended.signal, after(school, MORE)))
        if ended.signal is None:
            break
    assert seen[-1] == (None, MORE)
    assert {number for number, _ in seen[:-1]} == {signal.SIGKILL}
    counted = [students for _, students in seen]
    assert counted == sorted(counted)
    assert counted.count(OLD) > 30


@pytest.mark.parametrize(("students", "code"), [(MORE, "pseudonym_table"), (FEWER, "disk")])
def test_a_full_disk(school: School, students: int, code: str) -> None:
    """Whichever file finds no room: exit 4, what to do, the delivery before counts, and with room it is taken in."""
    codes = []
    for number in fresh_copies(school, students):
        ended = with_room(school, ROOM * (number - 1), deadly=False)
        assert not any(marker.encode() in ended.said for marker in MARKERS)
        assert b"Traceback" not in ended.said
        assert after(school, students) == (OLD if ended.code else students)
        if ended.code == 0:
            break
        assert b"Free disk space" in ended.said
        codes.append((ended.code, _code_in(ended.said)))
    assert set(codes) == {(4, code)}


@pytest.mark.parametrize("students", [MORE, FEWER])
def test_killed_in_the_middle_of_a_write(school: School, students: int) -> None:
    """Half a page of a table, half a Parquet file: what was being written never counts."""
    deaths = 0
    for number in fresh_copies(school, students):
        ended = with_room(school, ROOM * (number - 1), deadly=True)
        assert after(school, students) == (OLD if ended.signal else students)
        if ended.signal is None:
            break
        assert ended.signal == signal.SIGXFSZ
        deaths += 1
    assert ended.code == 0
    assert deaths >= 3


def _code_in(said: bytes) -> str:
    """The code in `Not done. / Niet gedaan. [code]`."""
    title = next(line for line in said.decode().splitlines() if line.startswith("Not done."))
    return title.partition("[")[2].rstrip("]")


def _in_place(self: Store, tables: Any, report: Any, *_: Any) -> str:
    delivery_files.write_tables(self.folder / node_store.DELIVERIES / self.current(), tables, report)
    return self.current()


def _pointer_first(self: Store, tables: Any, report: Any, *_: Any) -> str:
    name = self._next_name()
    self._switch(self.register().added(Entry("proef", 1, name, "", dict.fromkeys(tables, 0), "pass")))
    (self.folder / node_store.DELIVERIES / name).mkdir()
    delivery_files.write_tables(self.folder / node_store.DELIVERIES / name, tables, report)
    return name


@pytest.mark.parametrize("fault", [_in_place, _pointer_first])
def test_an_ingest_that_is_not_whole_is_noticed(school: School, monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    """Planted faults: a store that overwrites the delivery that counts, or points at one before it is there."""
    monkeypatch.setattr(Store, "write", fault)
    for event in fresh_copies(school, MORE):
        ended = killed_at(school, event)
        try:
            whole(school)
        except (AssertionError, NodeError):
            return
        assert ended.signal is not None, "no kill made a difference"
