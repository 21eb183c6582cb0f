"""A delivery replaces the previous one whole or not at all, whatever happens in between."""

from __future__ import annotations

import os
import shutil
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


def people(*pseudonyms: str | None, unit: str = "student") -> pd.DataFrame:
    numbers = pd.array(range(len(pseudonyms)), dtype="Int64")
    return pd.DataFrame({unit: pd.array(pseudonyms, dtype="string"), "n": numbers})


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
    real = store.read_tables

    def crossed(folder: Path, until_week: int | None = None) -> dict[str, pd.DataFrame]:
        monkeypatch.setattr(store, "read_tables", real)
        write(tmp_path, 2)
        return real(folder, until_week)

    monkeypatch.setattr(store, "read_tables", crossed)
    assert Store.open(tmp_path).tables()["person"]["n"].tolist() == [2]


def test_nobody_else_can_read_a_delivery(tmp_path: Path) -> None:
    """The folder of deliveries and the staged one are the node's own."""
    write(tmp_path / "data", 1)
    assert (tmp_path / "data" / DELIVERIES).stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "reports").stat().st_mode & 0o077 == 0


# ---- several layouts


def of(layout: str, number: int) -> dict[str, object]:
    return {"layout": layout, "verdict": "pass", "number": number}


def states(folder: Path) -> list[tuple[str, int, str]]:
    return [(one.layout, one.version, one.state) for one in Store.open(folder).register().entries]


def test_each_layout_has_a_delivery_that_counts(tmp_path: Path) -> None:
    """A new delivery replaces that of its own layout; what other layouts delivered stays."""
    store = Store.open(tmp_path)
    store.write({"person": frame(1)}, of("osiris", 1))
    store.write({"survey": frame(7)}, of("job", 7))
    store.write({"person": frame(2)}, of("osiris", 2))
    assert {name: table["n"].tolist() for name, table in store.tables().items()} == {"survey": [7], "person": [2]}
    assert states(tmp_path) == [("osiris", 1, "replaced"), ("job", 1, "counts"), ("osiris", 2, "counts")]
    assert {layout: report["number"] for layout, report in store.reports().items()} == {"job": 7, "osiris": 2}
    assert len(list((tmp_path / DELIVERIES).iterdir())) == 2


def test_what_is_replaced_or_withdrawn_stays_in_numbers_only(tmp_path: Path) -> None:
    """The report of every delivery there was can be read; its rows are gone."""
    store = Store.open(tmp_path)
    first = store.write({"person": frame(4711)}, of("osiris", 1))
    store.write({"person": frame(2)}, of("osiris", 2))
    gone = store.withdraw("osiris")
    assert (gone.version, gone.state, gone.rows) == (2, "withdrawn", {"person": 1})
    assert list((tmp_path / DELIVERIES).iterdir()) == []
    assert store.past_report(first) == of("osiris", 1)
    with pytest.raises(UnusableInput, match="ingest"):
        store.tables()
    with pytest.raises(UnusableInput) as found:
        store.withdraw("osiris")
    assert found.value.code == "no_such_delivery"
    store.write({"person": frame(3)}, of("osiris", 3))
    assert states(tmp_path)[-2:] == [("osiris", 2, "withdrawn"), ("osiris", 3, "counts")]


def test_a_table_is_filled_by_one_layout(tmp_path: Path) -> None:
    """A second layout that fills it is refused, with a way out; told to, it takes the other's place in one step."""
    store = Store.open(tmp_path)
    store.write({"person": frame(1)}, of("osiris", 1))
    with pytest.raises(UnusableInput, match="--replaces osiris") as found:
        store.write({"person": frame(2)}, of("eduarte", 2))
    assert found.value.code == "table_taken"
    assert store.tables()["person"]["n"].tolist() == [1]
    store.write({"person": frame(2)}, of("eduarte", 2), replaces=["osiris"])
    assert store.tables()["person"]["n"].tolist() == [2]
    assert [(one.state, one.by) for one in store.register().entries] == [("replaced", "eduarte"), ("counts", "")]


def test_surveys_share_a_table_as_long_as_no_key_is_in_both(tmp_path: Path) -> None:
    """Rows of two layouts under each other; columns that one of them lacks are missing there, types stay."""
    store, shared = Store.open(tmp_path), {"survey": ("n",)}
    store.write({"survey": frame(1).assign(week=pd.array([3], dtype="Int64"))}, of("job", 1), shared=shared)
    store.write({"survey": frame(2)}, of("mto", 2), shared=shared)
    both = store.tables()["survey"]
    assert (both["n"].tolist(), str(both["n"].dtype), str(both["week"].dtype)) == ([1, 2], "Int64", "Int64")
    assert both["week"].isna().tolist() == [False, True]
    with pytest.raises(UnusableInput, match="1 rows with the key"):
        store.write({"survey": frame(1)}, of("bpv", 1), shared=shared)


def test_a_folder_of_the_version_before_opens(tmp_path: Path) -> None:
    """`current` held one name then: that delivery counts, and the next one of its layout replaces it."""
    write(tmp_path, 1)
    (tmp_path / "reports" / "000001.json").unlink()
    (tmp_path / "reports").rmdir()
    manifest = tmp_path / DELIVERIES / "000001" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"report": {', '"report": {"layout": "osiris", '))
    (tmp_path / CURRENT).write_text("000001\n")
    store = Store.open(tmp_path)
    assert (store.tables()["person"]["n"].tolist(), store.current()) == ([1], "000001")
    assert states(tmp_path) == [("osiris", 1, "counts")]
    with pytest.raises(UnusableInput):
        store.write({"person": frame(2)}, of("eduarte", 2))
    store.write({"person": frame(2)}, of("osiris", 2))
    assert states(tmp_path) == [("osiris", 1, "replaced"), ("osiris", 2, "counts")]


def test_a_rewrite_changes_all_deliveries_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layouts; the second cannot be changed: the first is as it was. Else both are, and only what changed."""
    store = Store.open(tmp_path)
    store.write({"person": people("a", "b", None), "open": frame(5)}, of("osiris", 1))
    store.write({"survey": people("c", unit="staff")}, of("job", 7))

    def failing(person: str) -> str | None:
        if person == "c":
            raise OSError
        return None

    with pytest.raises(StorageFailed):
        store.rewrite(failing)
    assert sorted(store.tables()["person"]["student"].dropna()) == ["a", "b"]
    before = store.register().of_layout("job")
    assert store.rewrite(lambda person: {"a": None, "b": "d"}.get(person, person)) == 1
    found = store.tables()
    rows = found["person"].sort_values("n").reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, people("a", "d", None).iloc[1:].reset_index(drop=True))
    pd.testing.assert_frame_equal(found["open"], frame(5))
    assert store.register().of_layout("job") == before
    assert store.register().of_layout("osiris").rows == {"person": 2, "open": 1}  # type: ignore[union-attr]
    assert {name: report["number"] for name, report in store.reports().items()} == {"osiris": 1, "job": 7}
    assert len(list((tmp_path / DELIVERIES).iterdir())) == 2
    assert store.rewrite(lambda _: None) == 2
    pd.testing.assert_frame_equal(store.tables()["survey"], people(unit="staff"))


def test_rows_of_people_are_counted_where_they_stand(tmp_path: Path) -> None:
    """Every table, every population; who has none is not named, and before the first delivery nobody has."""
    store = Store.open(tmp_path)
    assert store.rows_of({"a"}) == {}
    store.write({"person": people("a", "b", "a", None), "open": frame(5)}, of("osiris", 1))
    store.write({"survey": people("c", unit="staff")}, of("job", 7))
    assert store.rows_of({"a", "c", "z"}) == {"person": {"a": 2}, "survey": {"c": 1}}
    assert store.rows_of(set()) == {"person": {}, "survey": {}}


def test_a_rewrite_that_cannot_remove_what_was_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that had to go are gone when it returns, or the operator hears of it and repeats the command."""
    store = Store.open(tmp_path)
    store.write({"person": people("a")}, {})
    real = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: (_ for _ in ()).throw(PermissionError(str(path))))
    with pytest.raises(StorageFailed) as found:
        store.rewrite(lambda _: None)
    assert found.value.code == "not_removed"
    monkeypatch.setattr(shutil, "rmtree", real)
    store.rewrite(lambda person: person)
    assert len(list((tmp_path / DELIVERIES).iterdir())) == 1


BENT = ("{", "[]", '{"register": 2}', "000009\nx", '{"register": 1, "generation": 0, "deliveries": []}')


@pytest.mark.parametrize("text", BENT)
def test_a_damaged_register_is_reported(tmp_path: Path, text: str) -> None:
    """No traceback, no half answer, and nothing is written over it."""
    write(tmp_path, 1)
    (tmp_path / CURRENT).write_text(text)
    for act in (Store.open(tmp_path).tables, lambda: write(tmp_path, 2), lambda: Store.open(tmp_path).withdraw("x")):
        with pytest.raises(StorageFailed, match="backup"):
            act()
    assert (tmp_path / CURRENT).read_text() == text
