"""A ledger with two branches (METHODS §7, attacks 13b and 14): who finds it, with what, and what happens then.

The node of one school is put back to an earlier state together with the counter that would have noticed, and run a
second time, with the real files, keys and messages. The attack first succeeds: two runs leave the school, and its
ledger knows one. Then each defence is shown to find it, and to say nothing of a coalition in which nothing happened.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import node.cli
from coalition import evidence, forks, running, submission
from coalition.errors import NotVerified, RunStopped
from coalition.reopening import Reopened, read_papers, reopen
from coalition.transport import InProcess
from experiments import definition, terminal
from experiments.definition import Experiment
from experiments.protocol import Ask, Prepare, Refusal, Request, decode_reply, decode_request
from node import peers
from node.answer import Node, answer
from node.counter import Counter
from node.desk import approving, witness
from node.errors import RestoredBackup
from node.ledger_store import LedgerStore
from node.peers import PEER_FORK, RememberedPeers
from privacy import receipts
from privacy.balances import OWN_FORK
from privacy.identity import SigningKey
from privacy.receipts import absent
from privacy.statements import Certificate, HeadCountersignature, Receipt, Signed, run_id, sign
from privacy.verify import verify_ledger
from tests.kit import DEFAULT
from tests.unit.coalition.office import Office, office

TARGET, PEER = "school-0", "school-1"
Say = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Forked:
    """A coalition whose school-0 ran twice: `first` is what left on the branch that its ledger has forgotten."""

    made: Office
    first: Path
    second: Path


def _second_experiment(made: Office) -> Experiment:
    asked = definition.read(DEFAULT).model_copy(update={"experiment": "second-question"})
    experiment = definition.freeze(asked, made.workspace.schema)
    submission.submit(made.workspace, experiment, "ada", made.people["ada"])
    return experiment


def _backup(made: Office, school: str, name: str) -> None:
    folder = made.node_folder(school)
    shutil.copytree(folder.root, made.folder / name)
    shutil.copyfile(folder.counter, made.folder / f"{name}.counter")


def _restore(made: Office, school: str, name: str, counter: bool) -> None:
    folder = made.node_folder(school)
    shutil.rmtree(folder.root)
    shutil.copytree(made.folder / name, folder.root)
    if counter:  # whoever administers the machine can put the counter back as well
        shutil.copyfile(made.folder / f"{name}.counter", folder.counter)


def _nodes(made: Office, experiment: Experiment, remembered: bool) -> dict[str, Node]:
    nodes = {school: made.node(school, experiment) for school in made.schools}
    if not remembered:  # as when every process remembered its own peers only
        return {school: replace(one, peers={}) for school, one in nodes.items()}
    return {school: _remembering(made, school, one) for school, one in nodes.items()}


def _remembering(made: Office, school: str, one: Node) -> Node:
    path = made.node_folder(school).root / peers.FILE
    return replace(one, peers=RememberedPeers(path, one.charter, one.ledger))


def _run(made: Office, experiment: Experiment, remembered: bool) -> Path:
    """Run to a finding; its evidence as a folder, as a published bundle holds it."""
    nodes = _nodes(made, experiment, remembered)
    transport = InProcess({school: partial(answer, one) for school, one in nodes.items()})
    running.carry_out(made.workspace, experiment, transport, lambda *_: None)
    folder = made.folder / f"evidence-of-{experiment.definition.experiment}"
    evidence.write(evidence.from_store(made.workspace, experiment), folder)
    return folder


def _prepared(folder: Path) -> tuple[Office, Experiment, Experiment]:
    """Two experiments that everybody approved, and a backup of school-0 from before either ran."""
    made = office(folder)
    made.accept_charter()
    first, second = made.submit(), _second_experiment(made)
    for experiment in (first, second):
        made.approve(experiment)
    _backup(made, TARGET, "backup")
    return made, first, second


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Forked:
    """School-0 put back with its counter between two runs; nobody's memory outlived the first."""
    made, first, second = _prepared(tmp_path_factory.mktemp("forked"))
    one = _run(made, first, remembered=False)
    _restore(made, TARGET, "backup", counter=True)
    return Forked(made, one, _run(made, second, remembered=False))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Forked:
    """The same two runs of a school that nobody touched, with memories on."""
    made, first, second = _prepared(tmp_path_factory.mktemp("honest"))
    return Forked(made, _run(made, first, remembered=True), _run(made, second, remembered=True))


@pytest.fixture
def copied(forked: Forked, tmp_path: Path) -> Forked:
    """The forked coalition's folders, to be changed."""
    shutil.copytree(forked.made.folder, tmp_path / "copy")
    made = replace(forked.made, folder=tmp_path / "copy")
    return Forked(made, made.folder / forked.first.name, made.folder / forked.second.name)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command with --format json; exit code and data, with `code` beside it."""

    def said(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = terminal.run(node.cli.app, "coalition-node", [*(str(word) for word in words), "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        return code, {**document["data"], "code": document["error_code"]}

    return said


def _spent(made: Office, school: str) -> set[Any]:
    return {balance.spent for balance in made.desk(school).state.balances.values()}


# ---- the attack


def test_defence_off_two_runs_leave_and_the_ledger_knows_one(forked: Forked) -> None:
    """Both findings stand, every signature holds, and the students of school-0 paid half of what left about them."""
    (forgotten,), (known,) = _spent(forked.made, TARGET), _spent(forked.made, PEER)
    assert forgotten * 2 == known
    assert verify_ledger(forked.made.node_folder(TARGET).ledger).ok


def test_the_counter_alone_finds_it_when_it_was_not_put_back(tmp_path: Path) -> None:
    """The defence at the school itself: with the counter outside the backup, the restored node answers nothing."""
    made, first, _ = _prepared(tmp_path)
    made.node(TARGET, first).ledger.next_epoch()
    made.desk(TARGET).ledger.set_cap(("students", "2022"), made.workspace.plan(first).rho)
    _restore(made, TARGET, "backup", counter=False)
    with pytest.raises(RestoredBackup):
        made.desk(TARGET).ledger.check()


# ---- peers, while it happens


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The same attack on peers that remember: what they had in memory outlived the process."""
    made, first, second = _prepared(tmp_path_factory.mktemp("refused"))
    _run(made, first, remembered=True)
    _restore(made, TARGET, "backup", counter=True)
    with pytest.raises(RunStopped, match="two_keys_one_epoch"):
        _run(made, second, remembered=True)
    return made


def test_peers_that_remember_refuse_the_second_branch(refused: Office) -> None:
    """The restored node counts its epochs again: its second key for one epoch is refused before anything is charged."""
    kinds = [entry.kind for entry in refused.desk(PEER).ledger.entries()]
    assert kinds.count("reserve") == 2 and kinds[-1] == "return"
    one_run = {entry.details["run"] for entry in refused.desk(PEER).ledger.entries() if entry.kind == "charge"}
    assert len(one_run) == 1


def test_the_peers_ledger_says_who_was_forked_and_its_own_runs_go_on(refused: Office) -> None:
    """The incident names school and key; it blocks nothing here, where nothing was forked."""
    (incident,) = [entry for entry in refused.desk(PEER).ledger.entries() if entry.kind == "incident"]
    assert incident.details["code"] == PEER_FORK and incident.details["note"].startswith(f"{TARGET}: two keys")
    assert refused.desk(PEER).state.fork is None


def test_memories_of_honest_schools_hold_no_grudge(honest: Forked) -> None:
    """Two runs, epochs that count on: no incident at anyone, and one row for every certificate."""
    for school in honest.made.schools:
        assert not [one for one in honest.made.desk(school).ledger.entries() if one.kind == "incident"]
        with closing(sqlite3.connect(honest.made.node_folder(school).root / peers.FILE)) as connection:
            assert connection.execute("SELECT count(*) FROM shown").fetchone()[0] == 2 * len(honest.made.schools)


def test_what_is_remembered_has_a_bound(honest: Forked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A school that signs certificates without end fills no disk; the newest stay."""
    monkeypatch.setattr(peers, "MOST", 5)
    charter, ledger = honest.made.workspace.charter, honest.made.desk(PEER).ledger
    memory = RememberedPeers(tmp_path / "peers", charter, ledger)
    for epoch in range(12):
        assert memory.setdefault((TARGET, epoch), bytes([epoch]) * 32) == bytes([epoch]) * 32
    again = RememberedPeers(tmp_path / "peers", charter, ledger)
    assert sorted(epoch for _, epoch in again) == list(range(7, 12))
    assert again.setdefault((TARGET, 11), bytes(32)) == bytes([11]) * 32


# ---- the school's own FG, afterwards


def test_the_own_fg_finds_receipts_that_the_ledger_does_not_hold(copied: Forked, say: Say) -> None:
    """One published bundle is enough; new runs wait until the FG has countersigned the entry that says so."""
    root = copied.made.node_folder(TARGET).root
    code, found = say("audit", root, "--receipts", copied.first)
    assert (code, found["code"], found["noted"]) == (3, "fork_found", 1)
    assert {(row["school"], row["rule"]) for row in found["forks"]} == {(TARGET, "not_in_ledger")}
    desk = copied.made.desk(TARGET)
    assert desk.ledger.entries()[-1].details["code"] == OWN_FORK
    assert _next_run(copied.made) == Refusal("fork_unseen")
    assert say("ledger", "countersign", root, "--yes")[0] == 0
    assert not isinstance(_next_run(copied.made), Refusal)
    assert say("audit", root)[1]["noted"] == 0  # said once, held for good


def _next_run(made: Office) -> Any:
    """School-0's FG approves once more, and the coordinator prepares a third run."""
    desk, experiment = made.desk(TARGET), made.workspace.experiment("second-question")
    serial = approving.approve(desk, experiment, made.fg(TARGET)).statement.serial
    serials = {school: serial if school == TARGET else 2 for school in made.schools}
    request = Request(
        made.workspace.charter.hash,
        experiment.hash,
        run_id(experiment.hash, serials),
        TARGET,
        Prepare(experiment.encoded, tuple(sorted(serials.items()))),
    )
    return decode_reply(answer(made.node(TARGET, experiment), request.encode(made.workspace.key)))


def test_the_branch_that_the_ledger_holds_raises_nothing(copied: Forked, say: Say) -> None:
    """The same command, shown only what does stand in the ledger."""
    code, found = say("audit", copied.made.node_folder(TARGET).root, "--receipts", copied.second)
    assert (code, found["forks"], found["noted"]) == (0, [], 0)


def test_an_audit_of_honest_schools_finds_nothing(honest: Forked, say: Say, tmp_path: Path) -> None:
    """Both bundles, every receipt, certificate and head, at a peer that also sees the ledger: no contradiction."""
    copy = tmp_path / "ledger.sqlite"
    say("ledger", honest.made.node_folder(TARGET).root, "--copy", copy)
    bundles = ("--receipts", honest.first, "--receipts", honest.second)
    code, found = say("audit", honest.made.node_folder(PEER).root, *bundles, "--ledger", copy)
    assert (code, found["forks"], found["foreign"]) == (0, [], 0)
    of = {row["school"]: row for row in found["held"]}
    assert of.keys() == set(honest.made.schools)
    assert all(row["certificates"] == 2 and row["receipts"] > 10 for row in of.values())


# ---- other schools' FGs, afterwards


def test_a_peers_fg_finds_it_from_two_bundles_alone(copied: Forked, say: Say) -> None:
    """Two keys for one epoch, both signed by the node: a proof that needs nobody's ledger, noted in one's own."""
    bundles = ("--receipts", copied.first, "--receipts", copied.second)
    code, found = say("audit", copied.made.node_folder(PEER).root, *bundles)
    assert (code, found["code"]) == (3, "fork_found")
    assert {(row["school"], row["rule"]) for row in found["forks"]} == {(TARGET, "two_keys")}
    incident = copied.made.desk(PEER).ledger.entries()[-1].details
    assert incident["code"] == PEER_FORK and incident["note"].startswith(f"{TARGET}: ")


def _skipped_epochs(made: Office) -> None:
    with closing(sqlite3.connect(made.node_folder(TARGET).ledger)) as connection, connection:
        connection.execute("UPDATE numbers SET value = 40 WHERE name = 'epoch'")


def test_branches_that_never_meet_are_found_with_the_ledger_and_only_with_it(tmp_path: Path, say: Say) -> None:
    """Whoever restores the node and moves its epochs on leaves no contradiction: a head says nothing of its past.

    Then the ledger decides: what was signed on the other branch does not stand in it, whichever copy is handed over.
    """
    made, first, second = _prepared(tmp_path)
    one = _run(made, first, remembered=True)
    _restore(made, TARGET, "backup", counter=True)
    _skipped_epochs(made)
    two = _run(made, second, remembered=True)
    root = made.node_folder(PEER).root
    assert say("audit", root, "--receipts", one, "--receipts", two)[0] == 0
    code, found = say("audit", root, "--ledger", made.node_folder(TARGET).ledger)
    assert (code, {row["rule"] for row in found["forks"]}) == (3, {"not_in_ledger"})


def test_fgs_hand_on_what_they_hold(copied: Forked, say: Say, tmp_path: Path) -> None:
    """One FG saw the first run, another the second; together they hold the proof. What nobody signed is left out."""
    mine, yours = copied.made.node_folder(PEER).root, copied.made.node_folder("school-2").root
    out = tmp_path / "held-by-school-1"
    assert say("audit", mine, "--receipts", copied.first, "--export", out)[0] == 0
    assert say("audit", mine, "--export", out)[1]["code"] == "file_exists"
    assert say("audit", yours, "--receipts", copied.second)[0] == 0
    code, found = say("audit", yours, "--receipts", out)
    assert (code, found["foreign"]) == (3, 0) and found["new"] > 20
    assert {row["rule"] for row in found["forks"]} == {"two_keys"}


def test_nobody_can_accuse_a_school_without_its_key(honest: Forked, say: Say, tmp_path: Path) -> None:
    """A receipt under the name of a school, signed by another key, is counted and left out."""
    desk = honest.made.desk(PEER)
    node_key = honest.made.workspace.charter.school(TARGET).node_key
    forged = sign(Receipt(bytes(32), TARGET, bytes(32), bytes(32)), SigningKey.generate())
    held = witness.Held({witness.Signer(TARGET, node_key): {forged.to_bytes(): forged}})
    witness.export(desk, held, tmp_path / "forged")
    code, found = say("audit", desk.folder.root, "--receipts", tmp_path / "forged")
    assert (code, found["foreign"], found["new"]) == (0, 1, 0)


def test_what_is_held_has_a_bound(honest: Forked, monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    """Beyond it nothing is forgotten and nothing is taken: the FG is told to carry it elsewhere."""
    monkeypatch.setattr(witness, "MOST", 3)
    root = honest.made.node_folder("school-2").root
    assert say("audit", root, "--receipts", honest.first)[1]["code"] == "held_full"
    assert not (root / witness.FOLDER).exists()


@pytest.mark.parametrize("damage", ["empty", "text", "another list", "no folder", "a ledger that is none"])
def test_files_that_are_something_else_are_refused(damage: str, honest: Forked, say: Say, tmp_path: Path) -> None:
    """By name, and with nothing taken."""
    given = tmp_path / "given"
    contents = {"empty": b"", "text": b"yes", "another list": b"\x82\x61a\x61b", "a ledger that is none": b"no"}
    given.write_bytes(contents[damage]) if damage in contents else given.mkdir()
    option = "--ledger" if damage.startswith("a ledger") else "--receipts"
    expected = {"no folder": "not_evidence", "a ledger that is none": "not_a_ledger"}.get(damage, "evidence_unreadable")
    assert say("audit", honest.made.node_folder(PEER).root, option, given)[1]["code"] == expected


# ---- an auditor, with one finding


@dataclass
class Swap:
    """Carries messages; before step 2 school-0's files become those of another branch, which charged step 1 as well."""

    made: Office
    nodes: dict[str, Node]
    swapped: bool = False

    def exchange(self, requests: Any, needed: Any, timeout: float, arrived: Any) -> None:
        body = decode_request(next(iter(requests.values())))[0].body
        if isinstance(body, Ask) and body.step == 2 and not self.swapped:
            self._swap()
        doors = {school: partial(answer, one) for school, one in self.nodes.items()}
        InProcess(doors).exchange(requests, needed, timeout, arrived)

    def _swap(self) -> None:
        """The other branch: the same reserve, and a charge for step 1 of the same cost with another payload."""
        self.swapped = True
        told = self.nodes[TARGET].ledger.entries()
        _restore(self.made, TARGET, "backup", counter=True)
        folder = self.made.node_folder(TARGET)
        ledger = LedgerStore.open(folder.ledger, self.nodes[TARGET].key, Counter(folder.counter))
        for entry in told[len(ledger.entries()) :]:
            changed = {"payload_hash": b"x" * 32} if entry.kind == "charge" else {}
            with ledger._file.change() as change:
                change.append(entry.kind, {**entry.details, **changed})
                if entry.kind == "charge":
                    slot = entry.details["run"], entry.details["step"], entry.details["attempt"]
                    change.keep(slot, entry.details["context_hash"], b"another reply")
        self.nodes[TARGET] = replace(self.nodes[TARGET], ledger=ledger)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Office, dict[str, Any], Reopened]:
    """One finding during whose run the ledger of school-0 was exchanged for another branch at the same cost."""
    made, first, _ = _prepared(tmp_path_factory.mktemp("swapped"))
    transport = Swap(made, _nodes(made, first, remembered=False))
    finding = running.carry_out(made.workspace, first, transport, lambda *_: None)
    collected = evidence.from_store(made.workspace, first)
    return made, finding, reopen(collected, read_papers(collected))


def test_costs_alone_do_not_show_a_ledger_exchanged_in_mid_run(
    swapped: tuple[Office, dict[str, Any], Reopened],
) -> None:
    """The last head stands in the ledger and every charge has its cost: by those the other branch passes."""
    made, finding, reopened = swapped
    report = verify_ledger(made.node_folder(TARGET).ledger, bytes.fromhex(_last_head(finding)))
    assert report.ok and sum(q.rho for q in report.questions) == reopened.spent(TARGET)


def _last_head(finding: dict[str, Any]) -> str:
    return [row["head"] for row in finding["evidence"]["receipts"] if row["school"] == TARGET][-1]


def test_every_receipt_is_held_against_the_ledger(swapped: tuple[Office, dict[str, Any], Reopened]) -> None:
    """The receipt for step 1 stands in no entry; the other schools' receipts all stand."""
    made, _, reopened = swapped
    with pytest.raises(NotVerified) as found:
        forks.check_receipts(made.node_folder(TARGET).ledger, TARGET, reopened)
    assert found.value.code == "receipt_not_in_ledger" and "1 of" in found.value.found
    answered = len(reopened.asked)
    assert forks.check_receipts(made.node_folder(PEER).ledger, PEER, reopened) == answered


def test_two_receipts_for_one_question_prove_it_without_a_ledger(
    swapped: tuple[Office, dict[str, Any], Reopened],
) -> None:
    """Given the receipt of either branch, nobody needs a ledger to see that there are two."""
    made, _, reopened = swapped
    one = reopened.asked[0].answers[TARGET].receipt
    key = SigningKey.from_file(made.node_folder(TARGET).node_key)
    other = sign(replace(one.statement, payload_hash=b"x" * 32, ledger_head=b"y" * 32), key)
    assert [fork.rule for fork in receipts.forks([one, other])] == ["two_answers"]
    assert receipts.forks([one, one]) == []


# ---- the rules themselves

R = Receipt(b"c" * 32, TARGET, b"p" * 32, b"h" * 32)
C = Certificate(b"a" * 32, b"e" * 32, b"r" * 32, TARGET, 3, b"n" * 32, b"k" * 32, 9)
H = HeadCountersignature(TARGET, 4, b"h" * 32, 1)


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        (R, replace(R, payload_hash=b"q" * 32), "two_answers"),
        (R, replace(R, ledger_head=b"i" * 32), "two_answers"),
        (R, replace(R, context_hash=b"d" * 32), "one_head"),
        (R, replace(R, context_hash=b"d" * 32, ledger_head=b"i" * 32), None),
        (C, replace(C, key=b"l" * 32), "two_keys"),
        (C, replace(C, run=b"s" * 32), "two_keys"),
        (C, replace(C, epoch=4, key=b"l" * 32), None),
        (H, replace(H, head=b"i" * 32), "two_heads"),
        (H, replace(H, signed_at=2), None),
        (H, replace(H, seq=5, head=b"i" * 32), None),
        (H, R, None),
    ],
)
def test_what_one_ledger_cannot_have_signed(first: Any, second: Any, rule: str | None) -> None:
    """Each pair that contradicts, and the pair beside it that does not."""
    shown = [Signed(one, bytes(64)) for one in (first, second)]
    found = receipts.forks(shown)
    assert [fork.rule for fork in found] == ([] if rule is None else [rule])
    if rule is not None:
        assert found[0].mark == receipts.mark(shown[1]) and rule in receipts.RULES


def test_a_ledger_holds_what_its_node_signed(honest: Forked) -> None:
    """Receipts and heads of honest schools stand in their ledgers; changed in one field, they do not."""
    desk = honest.made.desk(PEER)
    entries = desk.ledger.entries()
    charge = next(one for one in entries if one.kind == "charge")
    own = Receipt(charge.details["context_hash"], PEER, charge.details["payload_hash"], charge.hash)
    head = HeadCountersignature(PEER, 3, entries[3].hash, 1)
    good = [Signed(one, bytes(64)) for one in (own, head)]
    assert absent(entries, good) == []
    bad = [
        Signed(one, bytes(64))
        for one in (
            replace(own, payload_hash=bytes(32)),
            replace(own, ledger_head=entries[2].hash),
            replace(head, head=entries[2].hash),
            replace(head, seq=10_000),
        )
    ]
    assert absent(entries, [*good, *bad]) == bad
