"""A delivery replaces the previous one whole or not at all, whatever happens in between."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from node import store
from node.errors import StorageFailed, UnusableInput
from node.store import CURRENT, DELIVERIES, Store

FILE_EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")


def killed_writer(folder: Path, step: int) -> int:
    """Fork a writer of delivery 2 that kills itself with -9 at file operation number `step`; returns how it ended."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, arguments: tuple[object, ...]) -> None:
            if event in FILE_EVENTS and str(arguments[0]).startswith(str(folder)):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        write(folder, 2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def frame(number: int) -> pd.DataFrame:
    return pd.DataFrame({"n": pd.array([number], dtype="Int64")})


def write(folder: Path, number: int) -> None:
    Store.open(folder).write({"person": frame(number)}, {"number": number})


def test_tables_come_back_as_they_went(tmp_path: Path) -> None:
    """Every dtype of the schema, missing values, an empty table and odd texts survive."""
    tables = {
        "all": pd.DataFrame(
            {
                "text": pd.array(["=1+1", None, "é'; DROP TABLE x; --"], dtype="string"),
                "whole": pd.array([1, None, -3], dtype="Int64"),
                "truth": pd.array([True, None, False], dtype="boolean"),
                "date": pd.array(["2023-08-21", None, "3000-01-01"], dtype="datetime64[us]"),
                "number": [0.1, float("nan"), 1e300],
            }
        ),
        "unknown": pd.DataFrame(
            {"text": pd.array([None, None], dtype="string"), "whole": pd.array([None, None], dtype="Int64")}
        ),
    }
    tables["empty"] = tables["all"].iloc[:0]
    Store.open(tmp_path).write(tables, {"a": [1, {"b": "c"}]})
    back = Store.open(tmp_path).tables()
    assert list(back) == list(tables)
    for name, expected in tables.items():
        pd.testing.assert_frame_equal(back[name], expected)
    assert Store.open(tmp_path).report() == {"a": [1, {"b": "c"}]}


def test_before_the_first_delivery_there_is_a_remedy(tmp_path: Path) -> None:
    """Not an empty answer."""
    with pytest.raises(UnusableInput, match="ingest"):
        Store.open(tmp_path).tables()


def test_a_delivery_replaces_the_previous_one_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    """One folder remains: what the school no longer delivers, the node no longer keeps."""
    for number in (1, 2, 3):
        write(tmp_path, number)
    assert Store.open(tmp_path).tables()["person"]["n"].tolist() == [3]
    assert [path.name for path in (tmp_path / DELIVERIES).iterdir()] == [Store.open(tmp_path).current()]


def test_kill_9_between_any_two_steps_leaves_a_whole_delivery(tmp_path: Path) -> None:
    """The writer is killed at its 1st, 2nd, 3rd … file operation: the old delivery counts, or the new one, whole."""
    seen = set()
    for step in range(1, 200):
        folder = tmp_path / str(step)
        write(folder, 1)
        ended = killed_writer(folder, step)
        number = Store.open(folder).tables()["person"]["n"].tolist()
        assert number == [Store.open(folder).report()["number"]]
        seen.add((ended, *number))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        write(folder, 3)  # what the kill left behind hinders nobody
        assert Store.open(folder).tables()["person"]["n"].tolist() == [3]
        assert len(list((folder / DELIVERIES).iterdir())) == 1
    assert seen == {(-signal.SIGKILL, 1), (-signal.SIGKILL, 2), (0, 2)}


def test_a_full_disk_leaves_the_previous_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flush fails in turn with a real ENOSPC, from a write to /dev/full: an error with a remedy, the old data."""
    write(tmp_path, 1)
    real, calls = os.fsync, [0]

    def full(fail_at: int) -> None:
        calls[0] = 0

        def fsync(descriptor: int) -> None:
            calls[0] += 1
            if calls[0] == fail_at:
                with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
                    device.write(b"x")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    for fail_at in (1, 2, 3, 4, 5):
        full(fail_at)
        with pytest.raises(StorageFailed, match="previous delivery still counts"):
            write(tmp_path, 2)
        assert Store.open(tmp_path).tables()["person"]["n"].tolist() == [1]
    monkeypatch.setattr(os, "fsync", real)
    write(tmp_path, 2)
    assert Store.open(tmp_path).tables()["person"]["n"].tolist() == [2]


def test_a_damaged_delivery_is_reported(tmp_path: Path) -> None:
    """A file that is gone, cut off or no Parquet: an error with a remedy, no traceback, no half answer."""
    write(tmp_path, 1)
    delivery = tmp_path / DELIVERIES / Store.open(tmp_path).current()
    for name in ("person.parquet", "manifest.json"):
        whole = (delivery / name).read_bytes()
        (delivery / name).write_bytes(whole[:20])
        with pytest.raises(StorageFailed, match="ingest"):
            Store.open(tmp_path).tables()
        (delivery / name).write_bytes(whole)
    (delivery / "person.parquet").unlink()
    with pytest.raises(StorageFailed):
        Store.open(tmp_path).tables()


def test_a_reader_that_crosses_a_writer_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery is replaced between the pointer and the files: the reader gets the new one."""
    write(tmp_path, 1)
    real = store._read_tables

    def crossed(folder: Path) -> dict[str, pd.DataFrame]:
        monkeypatch.setattr(store, "_read_tables", real)
        write(tmp_path, 2)
        return real(folder)

    monkeypatch.setattr(store, "_read_tables", crossed)
    assert Store.open(tmp_path).tables()["person"]["n"].tolist() == [2]


def test_nobody_else_can_read_a_delivery(tmp_path: Path) -> None:
    """The folder of deliveries and the staged one are the node's own."""
    write(tmp_path / "data", 1)
    assert (tmp_path / "data" / DELIVERIES).stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / CURRENT).read_text() == "000001\n"
