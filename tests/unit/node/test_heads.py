"""Heads that an FG countersigns: how old the last may be, what an old signature is worth, what is kept elsewhere.

That a node starts no run when nobody looked for too long stands in `tests/attack/test_overdue.py`.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import node.cli
from experiments import terminal
from experiments.protocol import Answer
from node.desk import approving, fg_keys
from node.errors import Refusal
from privacy.identity import SigningKey
from privacy.statements import HeadCountersignature, sign
from tests.attack.test_coordinator import _ask
from tests.kit import coalition
from tests.ledger_world import ACCOUNT, DAY, START, World, charge
from tests.unit.coalition.office import Office, office

Say = Callable[..., tuple[int, dict[str, Any]]]
SCHOOL = "school-0"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A coalition with an accepted charter."""
    found = office(tmp_path)
    found.accept_charter()
    return found


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; exit code and data, with `code` beside it."""

    def said(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


# ---- how old


def test_at_first_the_beginning_counts_as_seen(world: World) -> None:
    """A new ledger is new; after that only a signature moves the moment."""
    store = world.create()
    world.clock.time += 100 * DAY
    store.set_cap(ACCOUNT, Fraction(1))
    assert store.entries()[-1].time > store.last_seen() == START


def _countersign(world: World, signed_at: int, seq: int | None = None) -> HeadCountersignature:
    store = world.open()
    at = store.head().length - 1 if seq is None else seq
    seen = HeadCountersignature("s0", at, store.entries()[at].hash, signed_at)
    store.record_countersignature(sign(seen, world.fg))
    return seen


def test_a_countersignature_counts_from_when_it_was_signed(world: World) -> None:
    """Signed on day 10 and put in on day 90: the FG saw the ledger on day 10."""
    world.create()
    world.clock.time = START + 90 * DAY
    _countersign(world, START + 10 * DAY)
    assert world.open().last_seen() == START + 10 * DAY


def test_a_date_in_the_future_is_worth_no_more_than_today(world: World) -> None:
    """A machine with a wrong clock signs for next year: what counts is when the node put it in."""
    world.create()
    world.clock.time = START + 5 * DAY
    _countersign(world, START + 400 * DAY)
    assert world.open().last_seen() == START + 5 * DAY


def test_an_old_signature_put_in_again_shows_nothing_new(world: World) -> None:
    """Attack: whoever runs the node replays the FG's old signature every month, so that runs never stop.

    By the time of the entry alone (as it was) the replay would look fresh; that is the control.
    """
    store = world.create()
    seen = _countersign(world, START)
    world.clock.time = START + 300 * DAY
    world.open().record_countersignature(sign(seen, world.fg))
    assert store.entries()[-1].time == START + 300 * DAY
    assert store.last_seen() == START


def test_an_older_head_does_not_hide_a_newer_one(world: World) -> None:
    """Signatures may come back in any order; the highest entry is the one that is seen."""
    world.ready()
    _countersign(world, START, seq=3)
    _countersign(world, START + 1, seq=1)
    seen = world.open().state().countersigned
    assert seen is not None and seen.seq == 3


# ---- what a receipt says


def test_a_receipt_says_nothing_about_rows(tmp_path: Path) -> None:
    """Sixty students or none at all: the same fields, the same size, and nothing in it but hashes and the school's id.

    The payload's hash covers a masked vector, which is uniform whatever the rows are.
    """
    sizes = set()
    for rows in (60, 0):
        (tmp_path / str(rows)).mkdir()
        kit = coalition(tmp_path / str(rows), schools=3, rows=rows)
        reply = kit.say(SCHOOL, _ask(kit, kit.prepare()))
        assert isinstance(reply, Answer)
        receipt = reply.receipt.statement
        assert receipt.names() == ("context_hash", "school", "payload_hash", "ledger_head")
        assert receipt.ledger_head == kit.members[SCHOOL].node.ledger.head().head
        sizes.add(len(reply.receipt.to_bytes()))
    assert len(sizes) == 1


# ---- countersigning and keeping


def test_the_verbs_of_the_ledger(say: Say, made: Office, tmp_path: Path) -> None:
    """`ledger countersign NODE` and `ledger export NODE FOLDER` say the same as the options."""
    root = made.node_folder(SCHOOL).root
    assert say("ledger", "export", root, tmp_path / "kept")[1]["code"] == "nothing_countersigned"
    code, signed = say("ledger", "countersign", root, "--yes")
    assert (code, signed["statement"], signed["signed_by"]) == (0, "HeadCountersignature", "FG")
    code, kept = say("ledger", "export", root, tmp_path / "kept")
    assert (code, kept["seq"], kept["after"]) == (0, signed["seq"], 1)
    assert say("ledger", root)[1]["countersigned"] == signed["seq"]


def test_a_head_is_countersigned_where_the_key_is(say: Say, made: Office, tmp_path: Path) -> None:
    """Export, sign on a machine that holds nothing but the key, import; the same way as an approval."""
    folder, out = made.node_folder(SCHOOL), tmp_path / "head"
    key = Path(shutil.move(folder.fg_key, tmp_path / "fg.pem"))
    assert say("ledger", "countersign", folder.root, "--export", out)[0] == 0
    assert say("sign", out, "--key", key, "--yes")[0] == 0
    made.desk(SCHOOL).ledger.set_cap(("students", "2022"), made.desk(SCHOOL).policy.lifetime_budget.rho)
    code, taken = say("ledger", "countersign", folder.root, "--import", f"{out}.signed")
    assert (code, taken["seq"]) == (0, 1)
    seen = made.desk(SCHOOL).state.countersigned
    assert seen is not None and seen.seq == 1


def test_what_is_kept_is_enough_to_check_with(say: Say, made: Office, tmp_path: Path) -> None:
    """The folder alone, with the verifier that lies in it, on a Python that does not know the platform: all holds."""
    root, kept = made.node_folder(SCHOOL).root, tmp_path / "kept"
    say("ledger", "countersign", root, "--yes")
    say("ledger", "export", root, kept)
    names = ["LEESMIJ.txt", "charter-1.cbor", "ledger.sqlite", "stand.signed", "verify.py"]
    assert sorted(path.name for path in kept.iterdir()) == names
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}
    assert _verified(kept, "stand.signed") == 0
    head = made.desk(SCHOOL).state.heads[1].hex()
    assert head in (kept / "LEESMIJ.txt").read_text("utf-8") and _verified(kept, head) == 0


def _verified(kept: Path, head: str, ledger: str = "ledger.sqlite") -> int:
    words = [sys.executable, "-I", "verify.py", ledger, "--expected-head", head, "--charter", "charter-1.cbor"]
    return subprocess.run(words, cwd=kept, capture_output=True, check=False).returncode


def test_what_is_kept_finds_a_ledger_that_was_begun_anew(say: Say, made: Office, tmp_path: Path) -> None:
    """Positive control: the node's ledger put back to before the signature fails against the folder."""
    root, kept = made.node_folder(SCHOOL).root, tmp_path / "kept"
    made.desk(SCHOOL).ledger.set_cap(("students", "2022"), made.desk(SCHOOL).policy.lifetime_budget.rho)
    before = tmp_path / "before.sqlite"
    say("ledger", root, "--copy", before)
    say("ledger", "countersign", root, "--yes")
    made.desk(SCHOOL).ledger.set_cap(("students", "2023"), made.desk(SCHOOL).policy.lifetime_budget.rho)
    say("ledger", "countersign", root, "--yes")
    say("ledger", "export", root, kept)
    shutil.copy(before, kept / "restored.sqlite")
    assert _verified(kept, "stand.signed") == 0
    assert _verified(kept, "stand.signed", "restored.sqlite") == 1


def test_a_deputys_head_is_kept_with_the_deputation(say: Say, made: Office, tmp_path: Path) -> None:
    """The verifier in the folder takes the deputy's signature, since the FG's deputation lies beside it."""
    desk, key, kept = made.desk(SCHOOL), SigningKey.generate(), tmp_path / "kept"
    now = desk.ledger.now()
    named = fg_keys.draft_deputy(desk.state, now, "bo", key.public, now + 30 * DAY)
    approving.sign_and_record(desk, named, made.fg(SCHOOL))
    approving.countersign(desk, key)
    assert say("ledger", "export", desk.folder.root, kept)[0] == 0
    assert _verified(kept, "stand.signed") == 0
    (kept / "stand.signed").write_bytes(sign(approving.draft_countersignature(desk), key).to_bytes())
    assert _verified(kept, "stand.signed") == 1  # control: the same key without the FG's word for it


def test_nothing_is_overwritten_and_no_half_folder_stays(
    say: Say, made: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that exists is refused; when writing fails, none appears."""
    root = made.node_folder(SCHOOL).root
    say("ledger", "countersign", root, "--yes")
    (tmp_path / "kept").mkdir()
    assert say("ledger", "export", root, tmp_path / "kept")[1]["code"] == "file_exists"
    from node.desk import custody

    monkeypatch.setattr(custody, "verifier", lambda: tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    assert say("ledger", "export", root, tmp_path / "new")[0] != 0
    assert sorted(tmp_path.iterdir()) == before


# ---- a fork that was found


def test_after_a_fork_no_run_begins_until_the_fg_has_seen_it(world: World) -> None:
    """A countersignature from before does not do; one that covers the entry does. Open runs go on."""
    store = world.ready()
    store.record_approval(world.approval(2))
    _countersign(world, START)
    assert store.record_fork("own_forked", b"h" * 32, "s0: planted")
    assert not store.record_fork("own_forked", b"h" * 32, "s0: planted")
    with pytest.raises(Refusal) as found:
        world.reserve(store, serial=2)
    assert found.value.code == "fork_unseen"
    assert charge(store, world.run()).startswith(b"reply")
    fork = store.state().fork
    assert fork is not None
    _countersign(world, START, seq=fork - 1)
    with pytest.raises(Refusal):
        world.reserve(store, serial=2)
    _countersign(world, START, seq=fork)
    assert world.reserve(store, serial=2) in store.state().runs


@pytest.mark.parametrize("code", ["peer_forked", "head_accepted"])
def test_other_incidents_stop_nothing(world: World, code: str) -> None:
    """What happened at a peer, or was settled with the FG's head, is there to be read."""
    store = world.create()
    store.set_cap(ACCOUNT, Fraction(1))
    store.record_approval(world.approval())
    store.record_fork(code, b"h" * 32, "planted")
    assert world.reserve(store) in store.state().runs


def test_the_printout_shows_both_epsilons(say: Say, made: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """One student at one school, and at as many as the charter says; in figures and on the screen."""
    desk = made.desk(SCHOOL)
    desk.ledger.set_cap(("students", "2022"), desk.policy.lifetime_budget.rho)
    approving.countersign(desk, made.fg(SCHOOL))
    _, shown = say("ledger", desk.folder.root)
    assert shown["schools_per_person"] == 2
    assert {"epsilon_spent", "epsilon_several_schools"} <= shown["accounts"][0].keys()
    assert terminal.run(node.cli.app, "coalition-node", ["ledger", str(desk.folder.root)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("epsilon,") == 2


@pytest.mark.parametrize("tampered", [False, True])
def test_a_ledger_file_is_checked_with_one_command(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], tampered: bool
) -> None:
    """`coalition-node audit LEDGER` says in Dutch what was asked and what is left, and ends with 5 when it is wrong."""
    world.create()
    copy = tmp_path / "copy.sqlite"
    with closing(sqlite3.connect(world.path)) as ledger, closing(sqlite3.connect(copy)) as file:
        ledger.backup(file)
        if tampered:
            file.execute("DROP TRIGGER entries_not_updated")
            file.execute("UPDATE entries SET signature = zeroblob(64) WHERE seq = 1")
            file.commit()
    code = terminal.run(node.cli.app, "coalition-node", ["audit", str(copy)])
    said = capsys.readouterr()
    assert code == (5 if tampered else 0)
    assert "rootboek" in said.out and ("ledger_wrong" in said.err) == tampered
