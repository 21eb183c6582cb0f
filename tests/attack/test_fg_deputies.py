"""A deputy of an FG approves and countersigns for a limited time, and never becomes the FG (METHODS §7, attack 22)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coalition import approvals, verification
from privacy import canonical, succession
from privacy.identity import SigningKey
from privacy.statements import (
    Approval,
    CharterAcceptance,
    Deputation,
    HeadCountersignature,
    Signed,
    Submission,
    sign,
)
from privacy.succession import ByDeputy
from privacy.verify import verify_ledger
from tests.attack.fg_desk import SCHOOL, Say, made, refused, say, world
from tests.ledger_world import ACCOUNT, DAY, START, World, charge
from tests.unit.coalition.office import Office

__all__ = ["made", "say", "world"]  # the fixtures


# ---- a deputy


def _named(world: World, key: SigningKey, signed_at: int = START, days: int = 10, **changes: Any) -> Signed[Deputation]:
    end = signed_at + days * DAY
    return sign(replace(Deputation("s0", world.charter.hash, "bo", key.public, end, signed_at), **changes), world.fg)


def test_a_deputys_acts_are_recorded_as_the_deputys(world: World) -> None:
    """Approval, withdrawal and countersignature count; each entry is known to be the deputy's, the FG's own are not."""
    store, key = world.create(), SigningKey.generate()
    store.set_cap(ACCOUNT, _rho(1))
    store.record_deputy(_named(world, key))
    store.record_approval(world.approval(1, key))
    store.record_approval(world.approval(2))
    world.reserve(store)
    charge(store, world.run())
    at = store.head().length - 1
    store.record_countersignature(sign(HeadCountersignature("s0", at, store.head().head, START), key))
    state = world.open().state()
    kinds = {seq: store.entries()[seq].kind for seq in state.acts}
    assert set(state.acts.values()) == {"bo"} and sorted(kinds.values()) == ["approval", "countersign"]
    assert state.countersigned is not None and state.countersigned.seq == at
    assert verify_ledger(world.path).ok


def _rho(value: int) -> Any:
    from fractions import Fraction

    return Fraction(value)


def test_a_deputys_term_ends(world: World) -> None:
    """On the last second yes, a second later no, whatever date the statement bears; the FG's key goes on."""
    store, key = world.create(), SigningKey.generate()
    store.record_deputy(_named(world, key, days=10))
    world.clock.time = START + 10 * DAY
    store.record_approval(world.approval(1, key))
    world.clock.time += 1
    refused("deputation_expired", lambda: store.record_approval(world.approval(2, key, signed_at=START)))
    store.record_approval(world.approval(2))


def test_a_deputy_cannot_stay_on(world: World) -> None:
    """Attack: the deputy prolongs the own term, names a friend, or accepts a charter that lists the deputy as FG."""
    store, key = world.create(), SigningKey.generate()
    store.record_deputy(_named(world, key))
    longer = _named(world, key, signed_at=START + 1, days=300).statement
    refused("not_acceptable", lambda: store.record_deputy(sign(longer, key)))
    friend = replace(longer, deputy="vriend", key=SigningKey.generate().public)
    refused("not_acceptable", lambda: store.record_deputy(sign(friend, key)))
    charter = world.rotated(key)
    refused("not_acceptable", lambda: store.record_charter(charter, world.acceptance(charter, key)))
    state = world.open().state()
    assert state.fg_key == world.fg.public and state.deputy == _named(world, key)


def test_defence_off_a_deputy_becomes_the_fg(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positive control: were charters open to deputies, one signature would make the deputy the FG for good."""
    from privacy import balances

    store, key, real = world.create(), SigningKey.generate(), balances._adopted
    store.record_deputy(_named(world, key))
    monkeypatch.setattr(balances, "_adopted", lambda state, entry, _: real(state, entry, state.deputy.statement.key))
    charter = world.rotated(key)
    store.record_charter(charter, world.acceptance(charter, key))
    assert store.state().fg_key == key.public


def test_a_dismissed_deputy_is_not_put_back(world: World) -> None:
    """Attack: the operator puts the FG's first deputation in again after the FG ended it. The later one counts."""
    store, key = world.create(), SigningKey.generate()
    first = _named(world, key, days=100)
    store.record_deputy(first)
    store.record_deputy(_named(world, key, signed_at=START + DAY, expires=START))
    world.clock.time = START + 2 * DAY
    refused("deputation_expired", lambda: store.record_approval(world.approval(1, key)))
    refused("deputation_replayed", lambda: store.record_deputy(first))
    store.record_deputy(_named(world, key, signed_at=START + 2 * DAY))
    store.record_approval(world.approval(1, key))


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("deputation_for_other_charter", {"charter_hash": bytes(32)}),
        ("deputation_too_long", {"expires": START + 367 * DAY}),
        ("other_school", {"school": "s1"}),
    ],
)
def test_a_deputation_that_cannot_be(world: World, code: str, changes: dict[str, Any]) -> None:
    """Of another charter, of more than 366 days, for another school."""
    store = world.create()
    refused(code, lambda: store.record_deputy(_named(world, SigningKey.generate(), **changes)))


def test_a_deputy_has_a_key_of_their_own(world: World) -> None:
    """Not the node's, the coordinator's, an FG's or a reviewer's: no key stands for two."""
    store = world.create()
    member = world.charter.schools[1]
    for key in (world.node.public, world.coordinator.public, member.fg_key, world.charter.person("rev-0").key):
        named = sign(replace(_named(world, world.fg).statement, key=key), world.fg)
        refused("deputy_key_taken", lambda named=named: store.record_deputy(named))


def test_a_new_charter_ends_every_deputys_term(world: World) -> None:
    """Also one that changes nothing about this FG; and the deputation of before does not come back."""
    store, key = world.create(), SigningKey.generate()
    named = _named(world, key)
    store.record_deputy(named)
    charter = world.next_charter()
    store.record_charter(charter, world.acceptance(charter))
    refused("not_acceptable", lambda: store.record_approval(world.approval(1, key, charter_hash=charter.hash)))
    refused("deputation_for_other_charter", lambda: store.record_deputy(named))


# ---- a deputy, at the node's desk and at the coordinator


def _deputise(made: Office, say: Say, tmp_path: Path) -> SigningKey:
    key = SigningKey.generate()
    key.save(tmp_path / "bo.pem")
    words = ("--name", "bo", "--public", key.public.hex(), "--until", "2026-12-31", "--yes")
    root = made.node_folder(SCHOOL).root
    code, named = say("coalition-node", "deputy", root, *_until(made, words))
    assert code == 0, named
    return key


def _until(made: Office, words: tuple[str, ...]) -> tuple[str, ...]:
    """The last day thirty days ahead of the node's own time."""
    from datetime import UTC, datetime

    day = datetime.fromtimestamp(made.desk(SCHOOL).ledger.now() + 30 * DAY, UTC).strftime("%Y-%m-%d")
    return tuple(day if word == "2026-12-31" else word for word in words)


def test_a_run_that_a_deputy_approved(made: Office, say: Say, tmp_path: Path) -> None:
    """From the commands to a verified bundle: the deputy's file carries the FG's deputation to whoever checks it."""
    _deputise(made, say, tmp_path)
    experiment, root = made.experiment, made.node_folder(SCHOOL).root
    request = made.workspace.root / "to-schools" / "uitval-jaar-1.experiment"
    words = ("approve", root, "--experiment", request, "--key", tmp_path / "bo.pem", "--yes")
    code, given = say("coalition-node", *words)
    assert (code, given["signed_by"]) == (0, "bo")
    assert say("coalition", "approve", made.workspace.root, given["signed"])[0] == 0
    made.approve(experiment, *made.schools[1:])
    made.run(experiment)
    made.review(experiment)
    done = verification.verify(made.publish(experiment))
    assert done.ok, done.error
    _, shown = say("coalition-node", "ledger", root, "--entries", "100")
    by = {entry["kind"]: entry["by_deputy"] for entry in shown["newest"]}
    assert by["approval"] == "bo" and by["deputy"] is None and shown["deputy"]["deputy"] == "bo"
    assert "by deputy bo" in next(entry["details"] for entry in shown["newest"] if entry["kind"] == "approval")


def test_a_deputys_head_is_taken_and_kept_apart(made: Office, say: Say, tmp_path: Path) -> None:
    """Findings name heads of FGs; what a deputy countersigned counts at the node and is kept at the coordinator."""
    _deputise(made, say, tmp_path)
    root = made.node_folder(SCHOOL).root
    code, signed = say("coalition-node", "ledger", "countersign", root, "--key", tmp_path / "bo.pem", "--yes")
    assert (code, signed["signed_by"]) == (0, "bo")
    approvals.accept(made.workspace, Path(signed["signed"]).read_bytes())
    assert made.workspace.store.names("head") == []
    assert len(made.workspace.store.names("deputy-head")) == 1


def test_a_deputy_is_dismissed_with_a_command(made: Office, say: Say, tmp_path: Path) -> None:
    """Who there is not cannot be; who was dismissed signs nothing more, here or at the coordinator later."""
    root = made.node_folder(SCHOOL).root
    assert say("coalition-node", "deputy", root, "--dismiss", "--yes")[1]["code"] == "no_deputy"
    _deputise(made, say, tmp_path)
    assert say("coalition-node", "deputy", root, "--dismiss", "--yes")[0] == 0
    assert say("coalition-node", "deputy", root, "--dismiss", "--yes")[1]["code"] == "no_deputy"
    words = ("ledger", "countersign", root, "--key", tmp_path / "bo.pem", "--yes")
    assert say("coalition-node", *words)[1]["code"] == "deputation_expired"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--name", "bo"), "deputy_incomplete"),
        (("--name", "bo", "--public", "12", "--until", "2999-01-01"), "not_a_key"),
        (("--name", "bo", "--public", "ab" * 32, "--until", "soon"), "not_a_date"),
        (("--name", "bo", "--public", "ab" * 32, "--until", "2020-01-01"), "deputy_term"),
        (("--name", "bo", "--public", "ab" * 32, "--until", "2999-01-01"), "deputy_term"),
        (("--name", "b o", "--public", "ab" * 32, "--until", "2026-12-31"), "statement"),
    ],
)
def test_deputies_that_cannot_be_named(made: Office, say: Say, words: tuple[str, ...], code: str) -> None:
    """Each with its own code, and nothing signed."""
    root = made.node_folder(SCHOOL).root
    assert say("coalition-node", "deputy", root, *_until(made, words), "--yes")[1]["code"] == code
    assert made.desk(SCHOOL).state.deputy is None


def _by_deputy(made: Office, **changes: Any) -> tuple[ByDeputy[Approval], SigningKey]:
    """An approval of school-0 by a deputy, with whatever is changed in the deputation."""
    key, charter = SigningKey.generate(), made.workspace.charter
    named = Deputation(SCHOOL, charter.hash, "bo", key.public, 2**33, 2**33 - 30 * DAY)
    approval = Approval(SCHOOL, charter.hash, made.experiment.hash, 1, None, 2**40, False, 2**33 - DAY)
    return ByDeputy(sign(approval, key), sign(replace(named, **changes), made.fg(SCHOOL))), key


def test_the_coordinator_takes_only_a_deputy_whom_the_fg_named(made: Office) -> None:
    """Of another charter or school, signed by another FG, for too long, before or after the term: refused."""
    good, _ = _by_deputy(made)
    now = 2**33 - DAY
    for changes in ({"charter_hash": bytes(32)}, {"school": "school-1"}, {"expires": 2**34}, {"signed_at": 2**33 - 9}):
        bad, _ = _by_deputy(made, **changes)
        refused("foreign_signature", lambda bad=bad: approvals.accept(made.workspace, bad.to_bytes(), now))
    foreign = replace(good, deputation=sign(good.deputation.statement, made.fg("school-1")))
    refused("foreign_signature", lambda: approvals.accept(made.workspace, foreign.to_bytes(), now))
    other = replace(good, signed=sign(good.signed.statement, SigningKey.generate()))
    refused("foreign_signature", lambda: approvals.accept(made.workspace, other.to_bytes(), now))
    refused("deputation_expired", lambda: approvals.accept(made.workspace, good.to_bytes(), 2**33 + 1))
    approvals.accept(made.workspace, good.to_bytes(), now)
    assert approvals.approved_serials(made.workspace, made.experiment, now) == ((SCHOOL, 1),)


def test_what_only_an_fg_may_sign_a_deputys_file_does_not_carry(made: Office) -> None:
    """A charter acceptance in a deputy's envelope is no acceptance; a submission in one is nothing."""
    good, key = _by_deputy(made)
    charter = made.workspace.charter
    accepted = ByDeputy(sign(CharterAcceptance(charter.hash, 1, SCHOOL, 2**33 - DAY), key), good.deputation)
    asked = ByDeputy(sign(Submission(charter.hash, bytes(32), "ada", 1), key), good.deputation)
    for one in (accepted, asked):
        refused("not_an_approval", lambda one=one: approvals.accept(made.workspace, one.to_bytes()))
        with pytest.raises(Exception, match="approves, withdraws and countersigns"):
            succession.check_fg(charter, SCHOOL, one.signed, one.deputation)


def test_a_deputation_is_signed_field_by_field() -> None:
    """Written out by hand, so that a change of order or tag is noticed: ledgers hold these bytes for good."""
    named = Deputation("s0", bytes(32), "bo", b"k" * 32, 9, 1)
    assert named.message() == canonical.encode(["datacoalitie/deputation/1", "s0", bytes(32), "bo", b"k" * 32, 9, 1])
    key = SigningKey.generate()
    both = ByDeputy(sign(HeadCountersignature("s0", 4, bytes(32), 1), key), sign(named, key))
    tag, *parts = canonical.decode(both.to_bytes(), max_bytes=4096)
    pairs = ((one.statement.message(), one.signature) for one in (both.signed, both.deputation))
    assert (tag, parts) == ("datacoalitie/signed-by-deputy/1", [part for pair in pairs for part in pair])
    assert succession.from_fg(both.to_bytes(), HeadCountersignature) == (both.signed, both.deputation)
