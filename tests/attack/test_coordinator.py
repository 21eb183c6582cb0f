"""What a lying coordinator gets (METHODS §7, attacks 1, 2, 4, 5, 6, 7): noise, stored bytes, or a refusal.

Each test first switches the defence off, to show that the attack is real, and then leaves it on. An opened sum is
called noise when the median of its coordinates exceeds 2^60 lattice steps: uniform words do so but for a chance
below 1e-9 at 46 coordinates (each is smaller with probability 1/8); honest sums stay below 2^40.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import planning, protocol
from experiments.protocol import Answer, Ask, Prepare, Refusal
from node import policy
from node.answer import answer
from privacy import noise
from privacy.identity import SigningKey
from privacy.private_sum import lattice_sum, open_lattice
from privacy.statements import Certificate, sign
from tests.kit import Kit, coalition

NOISE, HONEST = 2.0**60, 2.0**40


def _ask(
    kit: Kit, certificates: dict, attempt: int = 0, step: int = 1, schools: list[str] | None = None, **changed
) -> Ask:
    roster = tuple(certificates[school] for school in sorted(schools or certificates))
    at = planning.asked_at(kit.plan.steps[step - 1], planning.initial_state(kit.plan) | changed)
    return Ask(step, attempt, roster, at)


def _size(kit: Kit, replies: dict, step: int = 1) -> float:
    assert all(isinstance(reply, Answer) for reply in replies.values()), replies
    totals = open_lattice([replies[s].masked for s in sorted(replies)], kit.plan.steps[step - 1].releases)
    return float(np.median(np.abs(np.concatenate(totals).astype(np.float64))))


def _unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defence off: masks are made under one context for every question."""
    real = protocol.context_of

    def same(charter, experiment_hash, run, step, roster, attempt, state):
        return real(charter, experiment_hash, run, step, [], 0, {})

    monkeypatch.setattr(protocol, "context_of", same)


def test_an_honest_exchange_opens(tmp_path: Path) -> None:
    """The yardstick: asked one question, five schools' answers open to a small sum."""
    kit = coalition(tmp_path)
    ask = _ask(kit, kit.prepare())
    assert _size(kit, {school: kit.say(school, ask) for school in kit.members}) < HONEST


@pytest.mark.parametrize("defended", [False, True])
def test_different_rosters_open_to_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool) -> None:
    """Attack 1: one school is told of another roster; the sum that should isolate it is uniform noise."""
    if not defended:
        _unbound(monkeypatch)
    kit = coalition(tmp_path, schools=6)
    certificates = kit.prepare()
    told = sorted(kit.members)
    replies = {school: kit.say(school, _ask(kit, certificates, 1, schools=told)) for school in told[:-1]}
    # The last school hears of the same roster in another attempt: a roster it can accept, a context of its own.
    replies[told[-1]] = kit.say(told[-1], _ask(kit, certificates, 0, schools=told))
    size = _size(kit, replies)
    assert (size > NOISE) if defended else (size < HONEST)


@pytest.mark.parametrize("defended", [False, True])
def test_another_model_for_one_school_opens_to_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Attack 2: one school gets a planted model; with bound masks nothing opens."""
    if not defended:
        _unbound(monkeypatch)
    kit = coalition(tmp_path)
    certificates = kit.prepare()
    first = _ask(kit, certificates)
    for school in kit.members:
        kit.say(school, first)
    width = kit.plan.steps[2].queries[0].query.dimension
    honest = _after_moments(width)
    planted = honest | {"weights": np.full(width, 5.0)}
    replies = {
        school: kit.say(school, _ask(kit, certificates, step=2, **honest)) for school in sorted(kit.members)[:-1]
    }
    last = sorted(kit.members)[-1]
    replies[last] = kit.say(last, _ask(kit, certificates, step=2, **planted))
    size = _size(kit, replies, step=2)
    assert (size > NOISE) if defended else (size < HONEST)


def _after_moments(width: int) -> dict[str, np.ndarray]:
    return {
        "counts": np.array([300.0, 100.0]),
        "mean": np.zeros(width - 1),
        "scale": np.ones(width - 1),
        "weights": np.zeros(width),
    }


def test_a_charter_the_fg_did_not_sign_is_refused(tmp_path: Path) -> None:
    """Attack 4: requests under another charter (other members, a smaller t) are refused, however consistent."""
    (tmp_path / "other").mkdir()
    kit, other = coalition(tmp_path), coalition(tmp_path / "other")
    body = Prepare(kit.experiment.encoded, kit.serials)
    foreign = protocol.Request(other.charter.hash, kit.experiment.hash, kit.assignment.run, "school-0", body)
    reply = protocol.decode_reply(answer(kit.members["school-0"].node, foreign.encode(kit.coordinator)))
    assert reply == Refusal("other_charter")
    forged = kit.request("school-0", body, key=SigningKey.generate())
    assert protocol.decode_reply(answer(kit.members["school-0"].node, forged)) == Refusal("not_acceptable")
    assert isinstance(kit.say("school-0", body), protocol.Prepared)


def test_a_sybil_certificate_is_refused(tmp_path: Path) -> None:
    """Attacks 3 and 4: a key that the charter's node did not sign never enters a roster."""
    kit = coalition(tmp_path)
    certificates = kit.prepare()
    honest = certificates["school-4"].statement
    certificates["school-4"] = sign(honest, SigningKey.generate())
    assert kit.say("school-0", _ask(kit, certificates)) == Refusal("not_acceptable")
    stolen = Certificate(**{**vars(honest), "key": certificates["school-1"].statement.key})
    certificates["school-4"] = sign(stolen, kit.members["school-4"].node.key)
    assert kit.say("school-0", _ask(kit, certificates)) == Refusal("not_acceptable")


def test_a_roster_below_the_schools_own_policy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack 4: a roster shrunk towards the colluders is refused by policy, and by the attempt rule."""
    kit = coalition(tmp_path, fewest_schools=5)
    certificates = kit.prepare()
    four = _ask(kit, certificates, 1, schools=sorted(kit.members)[:4])
    assert kit.say("school-0", four) == Refusal("too_few_schools")
    monkeypatch.setattr(policy, "check_roster", lambda *_: None)
    assert isinstance(kit.say("school-0", four), Answer)
    three = _ask(kit, certificates, 1, schools=sorted(kit.members)[:3])
    assert kit.say("school-1", three) == Refusal("roster_too_small")


def test_a_replay_gets_the_stored_bytes_at_no_cost(tmp_path: Path) -> None:
    """Attack 5: the same question again gives the same bytes, no new noise and no new entry in the ledger."""
    kit = coalition(tmp_path)
    ask = _ask(kit, kit.prepare())
    node = kit.members["school-0"].node
    request = kit.request("school-0", ask)
    once = answer(node, request)
    spent = node.ledger.balances()
    assert [answer(node, request) for _ in range(3)] == [once] * 3
    assert node.ledger.balances() == spent


def test_the_same_step_with_another_payload_is_refused_and_recorded(tmp_path: Path) -> None:
    """Attacks 5 and 6: a used slot, or a step that goes back, gets a refusal that stands in the ledger."""
    kit = coalition(tmp_path)
    certificates = kit.prepare()
    for school in kit.members:
        kit.say(school, _ask(kit, certificates))
    node = kit.members["school-0"].node
    width = kit.plan.steps[2].queries[0].query.dimension
    state = _after_moments(width)
    assert isinstance(kit.say("school-0", _ask(kit, certificates, step=2, **state)), Answer)
    spent = node.ledger.balances()
    other = _ask(kit, certificates, step=2, **(state | {"weights": np.full(width, 0.5)}))
    assert isinstance(kit.say("school-0", other), Refusal)
    assert isinstance(kit.say("school-0", _ask(kit, certificates, 1)), Refusal)
    assert node.ledger.balances() == spent
    assert sum(entry.kind == "refusal" for entry in node.ledger.entries()) == 2


@pytest.mark.parametrize("defended", [False, True])
def test_a_lie_about_a_dropout_is_paid_for_and_drowned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """Attack 7: asked again without the target, the others pay again and the difference carries both noises.

    With the noise switched off the difference is the target's sum, exactly. With it the difference misses that
    sum by about σ·sqrt(5/4 + 4/3); that all of 92 coordinates lie within σ/20 has a chance below 1e-100.
    """
    if not defended:
        monkeypatch.setattr(noise, "discrete_gaussian", lambda d, *_: np.zeros(d, dtype=np.int64))
    kit = coalition(tmp_path)
    certificates = kit.prepare()
    others = sorted(kit.members)[:-1]
    both = {school: kit.say(school, _ask(kit, certificates)) for school in kit.members}
    without = {school: kit.say(school, _ask(kit, certificates, 1, schools=others)) for school in others}
    planned = kit.plan.steps[0].queries[0]
    difference = _total(kit, both) - _total(kit, without)
    target = kit.members["school-4"].node.students(kit.experiment)
    exact = lattice_sum(planned.query.blocks(target, {}), planned.release)
    close = np.abs(difference - exact) < float(planned.release.variance) ** 0.5 / 20
    assert close.all() != defended
    charges = [e for e in kit.members["school-0"].node.ledger.entries() if e.kind == "charge"]
    assert [entry.details["attempt"] for entry in charges] == [0, 1]


def _total(kit: Kit, replies: dict) -> np.ndarray:
    return open_lattice([replies[school].masked for school in sorted(replies)], kit.plan.steps[0].releases)[0]
