"""A lie told to everyone alike (METHODS §7, attacks 4 and 13d): masks would open, so the node itself must refuse.

Nothing in the mask gives such a lie away: all schools make the same context. What stops it is that a node derives run,
roster, t and noise from its own files. Each attack first succeeds with the check off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import node.answer
from experiments import definition, protocol
from experiments.protocol import Answer, Ask, Prepare, Prepared, Refusal
from node import policy
from node.answer import answer
from node.errors import Refusal as NodeRefusal
from node.ledger_file import Change
from privacy import balances
from privacy.charter import Charter, School
from privacy.errors import CharterError
from privacy.identity import SigningKey
from privacy.statements import CharterAcceptance, run_id, sign
from shared_schema import load_schema
from tests.attack.test_coordinator import HONEST, _ask, _size
from tests.kit import Kit, coalition, policy_of

TARGET = "school-0"
EXTENSION = {
    "schema_extension": 1,
    "title": {"nl": "Proef", "en": "Trial"},
    "columns": {"person": {"extra": {"type": "decimal", "prose": {"nl": "iets", "en": "something"}, "bounds": [0, 1]}}},
}


# ---- the charter: who counts, how many may collude


def _charters(kit: Kit) -> dict[str, Any]:
    """Charters with which the coordinator would do better, each consistent in itself."""
    now = kit.charter
    later = {"version": 2, "previous_hash": now.hash}
    extra = School("school-9", "Sybil", SigningKey.generate().public, SigningKey.generate().public, {2022: 60})
    return {
        "a Sybil school": replace(now, **later, schools=(*now.schools, extra)),
        "a smaller t": replace(now, **later, collusion_threshold=1, smallest_roster=3),
        "another coordinator": replace(now, **later, coordinator_key=SigningKey.generate().public),
    }


@pytest.mark.parametrize("what", ["a Sybil school", "a smaller t", "another coordinator"])
@pytest.mark.parametrize("defended", [False, True])
def test_a_charter_that_its_own_fg_did_not_sign_never_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, defended: bool
) -> None:
    """Signed by another school's FG, or by the coordinator: the node keeps the charter that it had."""
    if not defended:
        monkeypatch.setattr(balances, "verify", lambda *_: None)
    kit = coalition(tmp_path, schools=4, threshold=2)
    ledger = kit.members[TARGET].node.ledger
    proposed = _charters(kit)[what]
    for forger in (kit.members["school-1"].fg, kit.coordinator):
        accepted = sign(CharterAcceptance(proposed.hash, proposed.version, TARGET, 1), forger)
        if not defended:
            ledger.record_charter(proposed, accepted)
            break
        with pytest.raises(NodeRefusal):
            ledger.record_charter(proposed, accepted)
    assert ledger.state().charter == (kit.charter if defended else proposed)


@pytest.mark.parametrize("defended", [False, True])
def test_an_acceptance_of_one_charter_brings_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """The FG's real signature under the honest next charter is put beside a charter with a smaller t."""
    kit = coalition(tmp_path, schools=4, threshold=2)
    member = kit.members[TARGET]
    honest = replace(kit.charter, version=2, previous_hash=kit.charter.hash, planning_students=9_999)
    signed = sign(CharterAcceptance(honest.hash, 2, TARGET, 1), member.fg)
    proposed = _charters(kit)["a smaller t"]
    if not defended:
        real = Charter.hash.fget
        posing = property(lambda charter: honest.hash if charter == proposed else real(charter))
        monkeypatch.setattr(Charter, "hash", posing)
        member.node.ledger.record_charter(proposed, signed)
        assert member.node.ledger.state().charter == proposed
        return
    with pytest.raises(NodeRefusal) as found:
        member.node.ledger.record_charter(proposed, signed)
    assert found.value.code == "charter_not_accepted"


@pytest.mark.parametrize("defended", [False, True])
def test_a_charter_of_before_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Version 1, whose t was smaller, with the FG's own old signature: versions never go back."""
    if not defended:
        monkeypatch.setattr(balances, "accepts_successor", lambda *_: None)
    kit = coalition(tmp_path, schools=4)
    member = kit.members[TARGET]
    first = kit.charter
    stricter = replace(first, version=2, previous_hash=first.hash, collusion_threshold=2, smallest_roster=4)
    for charter in (stricter, first):
        signed = sign(CharterAcceptance(charter.hash, charter.version, TARGET, 1), member.fg)
        if charter is first and defended:
            with pytest.raises(NodeRefusal):
                member.node.ledger.record_charter(charter, signed)
        else:
            member.node.ledger.record_charter(charter, signed)
    assert member.node.ledger.state().charter == (stricter if defended else first)


def test_a_charter_that_contradicts_itself_does_not_exist(tmp_path: Path) -> None:
    """t + 2 schools at least, each key of its own: nobody can even write the other down."""
    kit = coalition(tmp_path, schools=3)
    first, second, third = kit.charter.schools
    for changes in (
        {"smallest_roster": 2},
        {"collusion_threshold": 2},
        {"collusion_threshold": 0},
        {"schools": (first, replace(second, node_key=first.node_key), third)},
    ):
        with pytest.raises(CharterError):
            replace(kit.charter, **changes)


# ---- prepare: the run, its roster and its schema


def _prepare(kit: Kit, serials: tuple[tuple[str, int], ...], run: bytes | None = None) -> protocol.Reply:
    """Ask the target to prepare a run over these approvals, under its own name or another."""
    name = run or run_id(kit.experiment.hash, dict(serials))
    body = Prepare(kit.experiment.encoded, serials)
    request = protocol.Request(kit.charter.hash, kit.experiment.hash, name, TARGET, body)
    return protocol.decode_reply(answer(kit.members[TARGET].node, request.encode(kit.coordinator)))


def _chosen_name(kit: Kit) -> protocol.Reply:
    return _prepare(kit, kit.serials, run=b"chosen by the coordinator-------")


def _only_colluders(kit: Kit) -> protocol.Reply:
    return _prepare(kit, kit.serials[:2])


def _below_policy(kit: Kit) -> protocol.Reply:
    kit.members[TARGET].node = replace(kit.members[TARGET].node, policy=lambda: policy_of(fewest_schools=5))
    return _prepare(kit, kit.serials)


def _sybil(kit: Kit) -> protocol.Reply:
    return _prepare(kit, (*kit.serials, ("sybil", 1)))


def _twice_the_same(kit: Kit) -> protocol.Reply:
    return _prepare(kit, (*kit.serials[:2], *kit.serials[1:2]))


def _t_too_small(kit: Kit) -> protocol.Reply:
    rules = policy_of(least_collusion_threshold=2)
    kit.members[TARGET].node = replace(kit.members[TARGET].node, policy=lambda: rules)
    return _prepare(kit, kit.serials)


def _other_schema(kit: Kit) -> protocol.Reply:
    asked = definition.freeze(kit.experiment.definition, load_schema(EXTENSION))
    kit.experiment = asked
    kit.approve(TARGET, 2)
    return _prepare(kit, ((TARGET, 2), *kit.serials[1:]))


PREPARED: dict[Callable[[Kit], protocol.Reply], str] = {
    _chosen_name: "run_not_derived",
    _only_colluders: "too_few_schools",
    _below_policy: "too_few_schools",
    _sybil: "not_acceptable",
    _twice_the_same: "roster_unsorted",
    _t_too_small: "charter_too_weak",
    _other_schema: "other_schema",
}


@pytest.mark.parametrize("attack", PREPARED)
@pytest.mark.parametrize("defended", [False, True])
def test_a_run_that_would_weaken_the_school_is_not_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: Callable[[Kit], protocol.Reply], defended: bool
) -> None:
    """A name of the coordinator's own, a roster shrunk to colluders, strangers, a t below policy, other columns."""
    if not defended:
        monkeypatch.setattr(node.answer, "_check_run", lambda *_: None)
    reply = attack(coalition(tmp_path, schools=4))
    assert reply == Refusal(PREPARED[attack]) if defended else isinstance(reply, Prepared)


def test_a_request_for_another_school_is_not_answered(tmp_path: Path) -> None:
    """What was signed for school-1 is not this node's to answer; what was signed for it is."""
    kit = coalition(tmp_path, schools=3)
    body = Prepare(kit.experiment.encoded, kit.serials)
    target = kit.members[TARGET].node
    assert protocol.decode_reply(answer(target, kit.request("school-1", body))) == Refusal("other_school")
    assert isinstance(protocol.decode_reply(answer(target, kit.request(TARGET, body))), Prepared)


def test_a_request_has_no_word_for_what_a_node_derives() -> None:
    """Neither n, t, C, lattice nor noise stands in any request: there is nothing there to be believed."""
    names = {field.name for kind in (*protocol.BODIES.values(), protocol.Request) for field in fields(kind)}
    assert names == {
        *("charter_hash", "experiment_hash", "run", "school", "body"),
        *("experiment", "serials", "step", "attempt", "roster", "state"),
    }


# ---- rosters of a question (13d)


def _question(kit: Kit, certificates: dict, names: str, attempt: int = 1) -> Ask:
    return _ask(kit, certificates, attempt, schools=[f"school-{digit}" for digit in names])


@pytest.mark.parametrize("defended", [False, True])
@pytest.mark.parametrize("halves", [("012", "345"), ("012", "234")])
def test_rosters_that_may_share_no_honest_school_never_both_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halves: tuple[str, str], defended: bool
) -> None:
    """13d: six schools, t = 1, asked in one attempt by halves, or by parts that share one: each would be a finding.

    With the rule off both halves open: the same step answered twice over at one price.
    """
    if not defended:
        monkeypatch.setattr(policy, "check_attempt", lambda *_: None)
        monkeypatch.setattr(policy, "check_roster", lambda *_: None)
        monkeypatch.setattr(Change, "stored", lambda *_: None)
        monkeypatch.setattr(Change, "keep", lambda change, slot, context, reply: reply)
        monkeypatch.setattr(balances, "_check_charge", lambda *_: None)
    kit = coalition(tmp_path, schools=6)
    certificates = kit.prepare()
    opened = []
    for names in halves:
        ask = _question(kit, certificates, names)
        replies = {f"school-{digit}": kit.say(f"school-{digit}", ask) for digit in names}
        if defended:
            assert all(reply == Refusal("roster_too_small") for reply in replies.values())
        else:
            opened.append(_size(kit, replies))
    assert all(size < HONEST for size in opened) and len(opened) == (0 if defended else 2)


@pytest.mark.parametrize("defended", [False, True])
def test_of_two_large_rosters_in_one_attempt_only_one_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """13d: 0123 and 0124 are both large enough, and share schools that answer an attempt once: the first one's."""
    if not defended:
        monkeypatch.setattr(Change, "stored", lambda *_: None)
        monkeypatch.setattr(Change, "keep", lambda change, slot, context, reply: reply)
        monkeypatch.setattr(balances, "_check_charge", lambda *_: None)
    kit = coalition(tmp_path, schools=5)
    certificates = kit.prepare()
    first = _question(kit, certificates, "0123")
    assert _size(kit, {s: kit.say(s, first) for s in sorted(kit.members)[:4]}) < HONEST
    second = _question(kit, certificates, "0124")
    replies = {f"school-{digit}": kit.say(f"school-{digit}", second) for digit in "0124"}
    if defended:
        assert [replies[f"school-{d}"] for d in "012"] == [Refusal("slot_used")] * 3
    else:
        assert _size(kit, replies) < HONEST


def _unapproved_school(kit: Kit, certificates: dict) -> Ask:
    """School-3 did not approve; its colluding node certifies itself all the same."""
    own = certificates["school-1"].statement
    node_ = kit.members["school-3"].node
    key = np.random.default_rng(3).bytes(32)
    certificates["school-3"] = sign(replace(own, school="school-3", key=key[:31] + b"\x01"), node_.key)
    return _question(kit, certificates, "013")


def _without_one(kit: Kit, certificates: dict) -> Ask:
    return _question(kit, certificates, "01", attempt=0)


@pytest.mark.parametrize(
    ("attack", "code"), [(_unapproved_school, "roster_not_approved"), (_without_one, "roster_incomplete")]
)
@pytest.mark.parametrize("defended", [False, True])
def test_a_question_is_asked_of_those_who_approved_and_first_of_all_of_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attack: Callable[[Kit, dict], Ask],
    code: str,
    defended: bool,
) -> None:
    """An honest school is swapped for a colluder that approved nothing, or left out of attempt 0."""
    monkeypatch.setattr(policy, "check_roster", lambda *_: None)  # so that the roster's rules are on their own
    if not defended:
        monkeypatch.setattr(policy, "check_attempt", lambda *_: None)
    kit = coalition(tmp_path, schools=4)
    kit.serials = kit.serials[:3]
    certificates = {school: _certificate(kit, school) for school in ("school-0", "school-1", "school-2")}
    reply = kit.say(TARGET, attack(kit, certificates))
    assert reply == Refusal(code) if defended else isinstance(reply, Answer)


def _certificate(kit: Kit, school: str) -> Any:
    reply = kit.say(school, Prepare(kit.experiment.encoded, kit.serials))
    assert isinstance(reply, Prepared)
    return reply.certificate


def test_a_certificate_of_another_run_is_not_taken(tmp_path: Path) -> None:
    """A key made for an earlier run of the same schools has no place in this one; its own has."""
    kit = coalition(tmp_path, schools=3)
    earlier = kit.prepare()
    for school in kit.members:
        kit.approve(school, 2)
    kit.serials = tuple((school, 2) for school in sorted(kit.members))
    certificates = kit.prepare()
    mixed = certificates | {"school-1": earlier["school-1"]}
    assert kit.say(TARGET, _ask(kit, mixed)) == Refusal("certificate_of_other_run")
    assert isinstance(kit.say(TARGET, _ask(kit, certificates)), Answer)
