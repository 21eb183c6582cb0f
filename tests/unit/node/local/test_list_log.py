"""The record of all lists: a line each time, only ever added to, with nobody's name but the asker's."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from node.errors import StorageFailed, UnusableInput
from node.local import list_log

NOW = datetime.datetime(2025, 11, 21, 9, 30, tzinfo=datetime.UTC)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / list_log.FILE).read_text().splitlines()]


def test_each_list_adds_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    list_log.record(folder, {"model": "ab", "listed": 20}, NOW)
    before = (folder / list_log.FILE).read_bytes()
    list_log.record(folder, {"model": "cd", "listed": 21}, NOW)
    assert (folder / list_log.FILE).read_bytes().startswith(before)
    assert lines(folder)[1] == {"made": "2025-11-21T09:30:00Z", "model": "cd", "listed": 21}
    assert stat.S_IMODE((folder / list_log.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _many(folder: Path, name: str) -> None:
    for _ in range(20):
        list_log.record(folder, {"asked_by": name * 200}, NOW)


def test_two_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Two processes, twenty lines each: forty whole lines."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many, args=(tmp_path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(str(line["asked_by"])[0] for line in lines(tmp_path)) == ["a"] * 20 + ["b"] * 20


def test_what_a_crash_left_of_a_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    list_log.record(tmp_path, {"n": 1}, NOW)
    with (tmp_path / list_log.FILE).open("a") as file:
        file.write('{"made": "20')
    list_log.record(tmp_path, {"n": 2}, NOW)
    texts = (tmp_path / list_log.FILE).read_text().splitlines()
    assert json.loads(texts[-1])["n"] == 2 and json.loads(texts[0])["n"] == 1


def test_a_disk_that_takes_part_of_a_line_keeps_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list_log.record(tmp_path, {"n": 1}, NOW)
    before = (tmp_path / list_log.FILE).read_bytes()
    real = os.write
    monkeypatch.setattr(list_log.os, "write", lambda handle, line: real(handle, line[:5]))
    with pytest.raises(StorageFailed) as failed:
        list_log.record(tmp_path, {"n": 2}, NOW)
    assert failed.value.code == "list_not_recorded"
    assert (tmp_path / list_log.FILE).read_bytes() == before


def test_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name given, else the account; a name that is empty, too long or steers a terminal is refused."""
    assert list_log.asker(" A. de Vries ") == "A. de Vries"
    assert list_log.asker(None)
    for name in ("", "   ", "x" * 81, "a\nb", "\x1b[31m"):
        with pytest.raises(UnusableInput):
            list_log.asker(name)
    monkeypatch.setattr(list_log.getpass, "getuser", _nobody)
    assert list_log.asker(None) == f"uid {os.getuid()}"


def _nobody() -> str:
    raise KeyError("no such account")
