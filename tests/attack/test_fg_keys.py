"""Keys of an FG: replaced, lost, lent (METHODS §7, attacks 4 and 22). Who must not be able to become a school's FG.

The operator has the node's key and its ledger; the coordinator writes charters; at most t other schools are with them.
Each defence is first switched off, to show that the attack is real.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import node.cli
from coalition import approvals, renewal, verification
from coalition.charters import fingerprints
from coalition.workspace import Workspace
from experiments import terminal
from node.desk import approving, fg_keys
from privacy import succession
from privacy.charter import Charter
from privacy.identity import SigningKey
from privacy.statements import (
    CharterAcceptance,
    HeadCountersignature,
    Signed,
    sign,
)
from privacy.verify import verify_ledger
from tests.attack.fg_desk import SCHOOL, Say, made, next_charter, refused, say, world
from tests.ledger_world import ACCOUNT, START, World
from tests.unit.coalition.office import Office

__all__ = ["made", "say", "world"]  # the fixtures


# ---- rotation


def test_a_key_is_replaced_with_the_commands_of_the_documents(made: Office, say: Say, tmp_path: Path) -> None:
    """New key, new card, next charter, accepted by all (here with the old key): then the new one counts, alone."""
    folder, charter = made.node_folder(SCHOOL), made.workspace.root / "charter.cbor"
    code, key = say("coalition", "key", tmp_path / "new.pem")
    code, announced = say("coalition-node", "fg-key", folder.root, key["public"])
    assert code == 0 and announced["in_force"] == made.desk(SCHOOL).state.fg_key.hex()
    code, renewed = say("coalition", "charter", made.workspace.root, made.folder / "charter.yaml", "--yes")
    assert code == 0 and renewed["version"] == 2 and renewed["submit_again"] == ["uitval-jaar-1"]
    assert [(row["who"], row["what"]) for row in renewed["changes"]] == [(SCHOOL, "FG key")]
    for school in made.schools:
        words = ("approve", made.node_folder(school).root, "--charter", charter, "--yes")
        code, accepted = say("coalition-node", *words)
        assert code == 0 and accepted["charter"]["changes"] == renewed["changes"]
    assert made.desk(SCHOOL).state.fg_key.hex() == key["public"]
    words = ("ledger", "countersign", folder.root, "--yes")
    assert say("coalition-node", *words)[1]["code"] == "foreign_signature"
    assert say("coalition-node", *words, "--key", tmp_path / "new.pem")[0] == 0


def test_after_a_rotation_a_run_goes_through_and_its_finding_verifies(made: Office, tmp_path: Path) -> None:
    """The experiment is submitted and approved again, under version 2; the auditor checks the new key's approval."""
    new, old = SigningKey.generate(), made.fg(SCHOOL)
    charter = next_charter(made, SCHOOL, new)
    for school in made.schools:
        approving.accept_charter(made.desk(school), charter, made.fg(school))
    experiment = made.submit()
    refused("foreign_signature", lambda: approving.approve(made.desk(SCHOOL), experiment, old))
    for school in made.schools:
        key = new if school == SCHOOL else made.fg(school)
        approvals.accept(made.workspace, approving.approve(made.desk(school), experiment, key).to_bytes())
    made.run(experiment)
    made.review(experiment)
    done = verification.verify(made.publish(experiment))
    assert done.ok, done.error


def test_approvals_of_the_old_charter_do_not_outlive_it(made: Office) -> None:
    """What was approved under version 1 runs under version 2 neither at the coordinator nor at a node."""
    experiment = made.experiment
    made.approve(experiment)
    charter = next_charter(made, SCHOOL, SigningKey.generate())
    approving.accept_charter(made.desk(SCHOOL), charter, made.fg(SCHOOL))
    assert made.workspace.store.status(experiment.hash) == "stopped"
    assert approvals.live(made.workspace, made.submit()) == {}
    ledger = made.desk(SCHOOL).ledger
    ledger.set_cap(ACCOUNT, made.desk(SCHOOL).policy.lifetime_budget.rho)
    run, rho = b"r" * 32, made.workspace.plan(experiment).rho
    refused("approval_for_other_charter", lambda: ledger.reserve(run, experiment.hash, 1, [ACCOUNT], rho, 2**40))


@pytest.mark.parametrize("defended", [False, True])
def test_a_charter_with_a_key_that_the_fg_never_announced(
    made: Office, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Attack: the coordinator slips its own key for this FG into the next charter, and the FG signs without looking."""
    attacker = SigningKey.generate().public
    if not defended:
        monkeypatch.setattr(fg_keys, "announced", lambda *_: {attacker})
    current = made.workspace.charter
    schools = tuple(replace(one, fg_key=attacker) if one.id == SCHOOL else one for one in current.schools)
    forged = replace(current, version=2, previous_hash=current.hash, schools=schools)
    if defended:
        refused("charter_other_keys", lambda: approving.accept_charter(made.desk(SCHOOL), forged, made.fg(SCHOOL)))
    else:
        approving.accept_charter(made.desk(SCHOOL), forged, made.fg(SCHOOL))
    assert (made.desk(SCHOOL).state.fg_key == attacker) is not defended


def test_a_new_key_cannot_accept_itself(made: Office) -> None:
    """Whoever holds only the new key signs nothing before the old one has, not even with the node's help."""
    new = SigningKey.generate()
    charter = next_charter(made, SCHOOL, new)
    desk = made.desk(SCHOOL)
    refused("foreign_signature", lambda: approving.accept_charter(desk, charter, new))
    accepted = sign(approving.draft_acceptance(desk, charter), new)
    refused("not_acceptable", lambda: desk.ledger.record_charter(charter, accepted))
    assert desk.charter.version == 1


def test_the_ledger_names_the_key_that_was_in_force(world: World) -> None:
    """Replay judges each entry by the key of its moment: old approvals still stand, new ones by the old key do not."""
    store, new = world.create(), SigningKey.generate()
    store.record_approval(world.approval(1))
    charter = world.rotated(new)
    store.record_charter(charter, world.acceptance(charter))
    refused("not_acceptable", lambda: store.record_approval(world.approval(2, charter_hash=charter.hash)))
    store.record_approval(world.approval(3, new, charter_hash=charter.hash))
    assert set(world.open().state().approvals) == {1, 3}
    assert verify_ledger(world.path, fg_key=world.fg.public).ok


def test_only_a_new_key_is_announced(made: Office, say: Say) -> None:
    """The node's own key, the present one, and what is no key at all."""
    state, root = made.desk(SCHOOL).state, made.node_folder(SCHOOL).root
    for key in (state.fg_key, state.node_key):
        assert say("coalition-node", "fg-key", root, key.hex())[1]["code"] == "key_in_use"
    assert say("coalition-node", "fg-key", root, "12")[1]["code"] == "not_a_key"


# ---- loss


def _vouchers(world: World, charter: Charter, *schools: int, **changes: Any) -> list[Signed[CharterAcceptance]]:
    statements = (CharterAcceptance(charter.hash, charter.version, f"s{i}", START) for i in schools)
    return [sign(replace(one, **changes), world.peers[one.school]) for one in statements]


class PeerWorld(World):
    """A world of four schools whose other FGs' keys are known: t = 1, so two of them are needed."""

    def __post_init__(self) -> None:
        from tests.ledger_world import make_charter

        self.peers = {f"s{i}": SigningKey.generate() for i in (1, 2, 3)}
        others = [(SigningKey.generate().public, key.public) for key in self.peers.values()]
        self.charter = make_charter(self.coordinator.public, [(self.node.public, self.fg.public), *others])


@pytest.fixture
def peers(tmp_path: Path) -> PeerWorld:
    return PeerWorld(tmp_path / "data")


def _recover(world: World, charter: Charter, key: SigningKey, vouchers: list[Any]) -> None:
    world.open().record_recovery(charter, world.acceptance(charter, key), vouchers)


def test_more_than_t_other_fgs_replace_a_lost_key(peers: PeerWorld) -> None:
    """Two of three others accepted the charter that lists the new key: it is in force, and stays after a reopening."""
    peers.create()
    new = SigningKey.generate()
    charter = peers.rotated(new)
    _recover(peers, charter, new, _vouchers(peers, charter, 2, 1))
    state = peers.open().state()
    assert (state.fg_key, state.charter) == (new.public, charter)
    entry = peers.open().entries()[-1]
    assert entry.kind == "recovery" and len(entry.details["vouchers"]) == 2
    report = verify_ledger(peers.path)
    assert report.ok and report.fg_key == new.public


BAD: dict[str, tuple[str, Callable[[PeerWorld, Charter], list[Any]]]] = {
    "one of them, and t may collude": ("too_few_vouchers", lambda w, c: _vouchers(w, c, 1)),
    "one of them, twice": ("too_few_vouchers", lambda w, c: _vouchers(w, c, 1, 1)),
    "another charter": ("other_voucher", lambda w, c: _vouchers(w, c, 1, 2, charter_hash=bytes(32))),
    "another version": ("other_voucher", lambda w, c: _vouchers(w, c, 1, 2, version=7)),
    "a school that is no member": ("not_acceptable", lambda w, c: _vouchers(w, c, 1, 2, school="s9")),
    "one FG under another's name": ("not_acceptable", lambda w, c: _vouchers(w, c, 1, 2, school="s3")),
    "another kind of statement": ("other_voucher", lambda w, c: [_head(w, "s1"), _head(w, "s2")]),
}


def _head(world: PeerWorld, school: str) -> Any:
    return sign(HeadCountersignature(school, 1, bytes(32), START), world.peers[school])


@pytest.mark.parametrize("case", BAD)
def test_a_lost_key_is_not_replaced_on_less(peers: PeerWorld, case: str) -> None:
    """Too few, the same twice, another charter, a stranger, a wrong signature: nothing changes."""
    store, new = peers.create(), SigningKey.generate()
    charter = peers.rotated(new)
    code, vouchers = BAD[case]
    refused(code, lambda: _recover(peers, charter, new, vouchers(peers, charter)))
    assert peers.open().state().fg_key == peers.fg.public and store.state().charter == peers.charter


@pytest.mark.parametrize("defended", [False, True])
def test_operator_and_coordinator_do_not_make_themselves_the_fg(
    peers: PeerWorld, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Attack: a charter with their own key for this FG, and one school that colludes: no honest FG was asked."""
    if not defended:
        monkeypatch.setattr(succession, "check_recovery", lambda *_: None)
    peers.create()
    attacker = SigningKey.generate()
    charter = peers.rotated(attacker)
    vouchers = _vouchers(peers, charter, 3)
    if defended:
        refused("too_few_vouchers", lambda: _recover(peers, charter, attacker, vouchers))
    else:
        _recover(peers, charter, attacker, vouchers)
    assert (peers.open().state().fg_key == attacker.public) is not defended


def test_a_lower_t_in_the_new_charter_asks_for_no_fewer(tmp_path: Path) -> None:
    """How many must vouch follows from the charter in force, not from the one that is to be accepted."""
    world = PeerWorld(tmp_path / "data")
    world.charter = replace(world.charter, collusion_threshold=2, smallest_roster=4)
    world.create()
    new = SigningKey.generate()
    charter = replace(world.rotated(new), collusion_threshold=1)
    refused("too_few_vouchers", lambda: _recover(world, charter, new, _vouchers(world, charter, 1, 2)))
    _recover(world, charter, new, _vouchers(world, charter, 1, 2, 3))


def test_a_recovery_is_for_a_lost_key_only(peers: PeerWorld) -> None:
    """Not without a charter, not with the same key, and never a version that does not follow."""
    new = SigningKey.generate()
    charter = peers.rotated(new)
    bare = type(peers)(peers.folder / "bare", node=peers.node, fg=peers.fg)
    from node.ledger_store import LedgerStore

    LedgerStore.create(bare.path, bare.node, bare.counter, "s0", bare.fg.public, bare.clock)
    refused("recovery_without_charter", lambda: _recover(bare, charter, new, _vouchers(peers, charter, 1, 2)))
    peers.create()
    same = peers.next_charter()
    refused("nothing_lost", lambda: _recover(peers, same, peers.fg, _vouchers(peers, same, 1, 2)))
    later = replace(charter, version=3)
    refused("not_acceptable", lambda: _recover(peers, later, new, _vouchers(peers, later, 1, 2)))


def test_a_lost_key_is_replaced_with_the_commands_of_the_documents(made: Office, say: Say, tmp_path: Path) -> None:
    """The other FGs accept as always; what they signed goes to the FG who lost the key, who signs with the new one."""
    made.node_folder(SCHOOL).fg_key.unlink()
    new = SigningKey.generate()
    new.save(tmp_path / "new.pem")
    next_charter(made, SCHOOL, new)
    charter = made.workspace.root / "charter.cbor"
    words = ["approve", made.node_folder(SCHOOL).root, "--charter", charter, "--key", tmp_path / "new.pem"]
    assert say("coalition-node", *words, "--yes")[1]["code"] == "foreign_signature"
    for school in made.schools[1:]:
        code, given = say("coalition-node", "approve", made.node_folder(school).root, "--charter", charter, "--yes")
        words += ["--voucher", given["signed"]]
    assert say("coalition-node", *words[:-2], "--yes")[1]["code"] == "too_few_vouchers"
    code, done = say("coalition-node", *words, "--yes")
    assert code == 0 and done["signed_by"] == "FG"
    assert made.desk(SCHOOL).state.fg_key == new.public
    assert made.desk(SCHOOL).ledger.entries()[-1].kind == "recovery"


def test_a_recovery_is_signed_elsewhere_too(made: Office, say: Say, tmp_path: Path) -> None:
    """Export, sign on the machine with the new key, import with the vouchers beside it."""
    new = SigningKey.generate()
    new.save(tmp_path / "new.pem")
    charter = next_charter(made, SCHOOL, new)
    vouchers: list[object] = []
    for school in made.schools[1:]:
        path = tmp_path / f"{school}.signed"
        path.write_bytes(approving.accept_charter(made.desk(school), charter, made.fg(school)).to_bytes())
        vouchers += ["--voucher", path]
    words = ("approve", made.node_folder(SCHOOL).root, "--charter", made.workspace.root / "charter.cbor")
    assert say("coalition-node", *words, "--export", tmp_path / "out")[0] == 0
    assert say("coalition-node", "sign", tmp_path / "out", "--key", tmp_path / "new.pem", "--yes")[0] == 0
    taken = ("--import", tmp_path / "out.signed")
    assert say("coalition-node", *words, *taken)[1]["code"] == "foreign_signature"
    assert say("coalition-node", *words, *taken, *vouchers)[0] == 0
    assert made.desk(SCHOOL).charter.version == 2


# ---- replacing a charter at the coordinator


def test_a_charter_is_replaced_between_runs(made: Office, say: Say) -> None:
    """A drafted finding must be published or given up; the earlier charter is kept; the same again is refused."""
    experiment = made.experiment
    made.approve(experiment)
    made.run(experiment)
    fg_keys.announce(made.node_folder(SCHOOL), made.desk(SCHOOL).state, SigningKey.generate().public)
    words = ("charter", made.workspace.root, made.folder / "charter.yaml")
    assert say("coalition", *words, "--yes")[1]["code"] == "run_unfinished"
    assert say("coalition", *words)[1]["code"] == "run_unfinished"
    assert say("coalition", *words, "--abandon", "uitval-jaar-1", "--yes")[0] == 0
    first = Charter.from_bytes((made.workspace.root / "charter-1.cbor").read_bytes())
    second = Workspace.open(made.workspace.root).charter
    assert (second.version, second.previous_hash) == (2, first.hash)
    assert say("coalition", *words, "--yes")[1]["code"] == "charter_unchanged"


def test_what_was_published_stays_true_under_a_later_charter(made: Office) -> None:
    """A bundle carries the charter it was made under; the experiment stays on the list, and its name is taken."""
    experiment = made.experiment
    made.approve(experiment)
    made.run(experiment)
    made.review(experiment)
    bundle = made.publish(experiment)
    next_charter(made, SCHOOL, SigningKey.generate())
    assert verification.verify(bundle).ok
    assert [one.hash for one in made.workspace.experiments()] == [experiment.hash]
    refused("experiment_exists", made.submit)


def test_a_renewal_that_was_interrupted_is_done_by_the_same_command(
    made: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the last write: the old charter is still in force, and the second attempt does the rest."""
    made.approve(made.experiment)
    fg_keys.announce(made.node_folder(SCHOOL), made.desk(SCHOOL).state, SigningKey.generate().public)
    proposed = renewal.propose(made.workspace, made.folder / "charter.yaml")
    real = renewal.write_private

    def dies(path: Path, data: bytes) -> None:
        if path.name == "charter.cbor":
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(renewal, "write_private", dies)
    with pytest.raises(KeyboardInterrupt):
        renewal.renew(made.workspace, proposed)
    monkeypatch.undo()
    again = Workspace.open(made.workspace.root)
    assert again.charter.version == 1
    renewal.renew(again, renewal.propose(again, made.folder / "charter.yaml"))
    assert Workspace.open(made.workspace.root).charter.version == 2


def test_every_fg_sees_what_changes(made: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """The new key by fingerprint beside the old one, and that approvals end: on the FG's own screen."""
    new = SigningKey.generate()
    charter = next_charter(made, SCHOOL, new)
    root = str(made.node_folder("school-1").root)
    words = ["approve", root, "--charter", str(made.workspace.root / "charter.cbor"), "--yes"]
    assert terminal.run(node.cli.app, "coalition-node", words) == 0
    printed = "".join(capsys.readouterr().out.split())
    fresh = next(print_ for who, kind, print_ in fingerprints(charter) if (who, kind) == (SCHOOL, "fg"))
    assert "Andersdanversie1" in printed and "geldennietmeer" in printed
    assert all(printed.count(group) == 2 for group in fresh.split())  # among the changes, and in the whole list
