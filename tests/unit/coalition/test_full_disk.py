"""The coordinator's disk is full: a command says so and can be given again; a run pays nothing twice for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

import coalition.cli
from coalition import rounds
from coalition.errors import CoalitionError, RunStopped, UsageFailed
from coalition.store import CoalitionStore
from experiments import terminal
from tests import kit as kits
from tests.kit import DEFAULT, Kit
from tests.unit.coalition.office import office
from tests.unit.node.processes import in_process, limited

PAGES = 4  # by which the room for the store grows each time


def test_submitting_on_a_full_disk(tmp_path: Path) -> None:
    """No room for the store: exit 2 and a remedy, no traceback; with room the same command submits."""
    made = office(tmp_path)
    made.people["ada"].save(tmp_path / "ada.pem")
    root = made.workspace.root
    made.workspace.store.close()
    words = ["submit", str(root), str(DEFAULT), "--as", "ada", "--key", str(tmp_path / "ada.pem"), "--yes"]
    said = []
    for limit in range(0, 200_000, 8_000):

        def act(limit: int = limit) -> int:
            limited(limit, deadly=False)
            return terminal.run(coalition.cli.app, "coalition", words)

        ended = in_process(act)
        assert b"Traceback" not in ended.said
        assert b"This program failed" not in ended.said
        if ended.code == 0:
            break
        said.append((ended.code, b"Make room" in ended.said or b"free space" in ended.said))
    assert ended.code == 0
    assert set(said) == {(2, True)}


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Three schools whose FGs approved the default experiment."""
    return kits.coalition(tmp_path, schools=3)


def run_with(kit: Kit, pages: int) -> None:
    """Run, or go on, with a store that cannot grow beyond so many pages."""
    store = CoalitionStore(kit.folder / "store.sqlite", kit.coordinator)
    try:
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        rounds.run(kit.assignment, store, kit.transport())
    finally:
        store.close()


def until_done(kit: Kit) -> list[CoalitionError]:
    """Give the same command again and again, with a little more room each time; return what it said before its end."""
    errors: list[CoalitionError] = []
    kit.store.close()
    for attempt in range(1, 400):
        try:
            run_with(kit, PAGES * attempt)
        except UsageFailed as error:
            errors.append(error)
        else:
            return errors
    raise AssertionError("it never ended")


def spent(kit: Kit) -> set[Fraction]:
    """What each school's students have paid."""
    balances = [member.node.ledger.balances().values() for member in kit.members.values()]
    return {balance.spent for of_school in balances for balance in of_school}


def test_a_run_whose_store_is_full_goes_on_where_it_stopped(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that could not be kept is asked again, free; no school counts as silent, and no thread shows a trace."""
    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    errors = until_done(kit)
    assert {error.code for error in errors} == {"storage_failed"}
    assert len(errors) > 5
    assert seen == []
    assert spent(kit) == {kit.plan.rho}


def test_replies_lost_in_silence_are_noticed(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a store that drops the replies it has no room for makes schools look silent."""
    real: Callable[..., None] = CoalitionStore.record_reply

    def careless(*given: object) -> None:
        try:
            real(*given)
        except UsageFailed:
            return

    monkeypatch.setattr(CoalitionStore, "record_reply", careless)
    with pytest.raises(RunStopped, match="silent"):
        until_done(kit)
