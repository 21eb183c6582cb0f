"""Attacks 5, 6, 22 and 13d of METHODS §7 on the ledger: replay, rollback, another payload, approvals misused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from node.errors import Refusal
from privacy.identity import SigningKey
from tests.ledger_world import ACCOUNT, COST, DAY, EXPERIMENT, START, World, charge


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Fresh:
    """A node's noise: other bytes every time it is asked."""

    def __init__(self) -> None:
        self.draws = 0

    def __call__(self, head: bytes) -> bytes:
        self.draws += 1
        return b"sum + noise %d" % self.draws


def refused(code: str, act: Any) -> None:
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.code == code


def test_defence_off_asking_again_averages_the_noise_away() -> None:
    """A node that keeps no replies draws fresh noise for every copy of one request: ten copies, ten draws."""
    noise = Fresh()
    assert len({noise(b"head") for _ in range(10)}) == 10


def test_the_same_request_gets_the_same_bytes_at_no_cost(world: World) -> None:
    """Ten copies, also over a restart and after the run is closed: one draw, one cost, one entry."""
    store, noise = world.ready(), Fresh()
    replies = {charge(store, world.run(), reply=noise) for _ in range(5)}
    entries = store.head().length
    store = world.open()
    replies |= {charge(store, world.run(), reply=noise) for _ in range(5)}
    replies.add(store.replay(world.run(), 1, 0, b"c" * 32) or b"")
    assert len(replies) == 1 and noise.draws == 1
    assert world.spent(store) == COST and store.head().length == entries
    store.close(world.run())
    assert {charge(store, world.run(), reply=noise)} == replies


def test_an_unused_slot_has_nothing_to_replay(world: World) -> None:
    """No bytes, no entry, no refusal: the question was never asked."""
    store = world.ready()
    before = store.head()
    assert store.replay(world.run(), 1, 0, b"c" * 32) is None and store.head() == before


@pytest.mark.parametrize("verb", ["charge", "replay"])
def test_another_payload_in_a_used_slot_is_refused_and_recorded(world: World, verb: str) -> None:
    """A fork of the question (other model, other roster) in one slot: no noise is drawn, the FG sees the attempt."""
    store, noise = world.ready(), Fresh()
    charge(store, world.run(), reply=noise)
    forked = b"f" * 32
    acts = {
        "charge": lambda: charge(store, world.run(), context=forked, reply=noise),
        "replay": lambda: store.replay(world.run(), 1, 0, forked),
    }
    refused("slot_used", acts[verb])
    assert noise.draws == 1 and world.spent(store) == COST
    last = store.entries()[-1]
    assert last.kind == "refusal"
    assert (last.details["code"], last.details["run"]) == ("slot_used", world.run())
    assert (last.details["step"], last.details["attempt"]) == (1, 0)


def test_rollback_to_an_earlier_step_or_attempt_is_refused(world: World) -> None:
    """After step 3: step 2 is not answered any more, whether it was skipped or its attempt is new."""
    store, noise = world.ready(), Fresh()
    charge(store, world.run(), step=1, reply=noise)
    charge(store, world.run(), step=3, attempt=1, reply=noise)
    for step, attempt in [(2, 0), (1, 1), (3, 0)]:
        refused("step_went_back", lambda s=step, a=attempt: charge(store, world.run(), s, a, b"n" * 32, noise))
    assert noise.draws == 2 and world.spent(store) == 2 * COST


def test_a_retry_pays_again(world: World) -> None:
    """A lie about who dropped out buys a second answer only at its full price, until the reserve is empty."""
    store = world.ready(rho=2 * COST)
    for attempt in (0, 1):
        charge(store, world.run(), attempt=attempt, context=bytes([attempt]) * 32)
    assert world.spent(store) == 2 * COST
    refused("over_reserve", lambda: charge(store, world.run(), attempt=2, context=b"2" * 32))


@pytest.mark.parametrize(
    ("code", "approval"),
    [
        ("approval_for_other_experiment", {"experiment_hash": b"x" * 32}),
        ("approval_for_other_charter", {"charter_hash": b"x" * 32}),
        ("approval_expired", {"expires": START - 1}),
        ("over_approved_cap", {"cap_rho": Fraction(1, 1000)}),
        (None, {}),
    ],
)
def test_an_approval_serves_its_own_experiment_only(world: World, code: str | None, approval: dict[str, Any]) -> None:
    """Another experiment's, another charter's, an expired or a smaller approval is refused; the right one is not."""
    store = world.create()
    store.ensure_cap(ACCOUNT, Fraction(1))
    store.record_approval(world.approval(**approval))
    if code is None:
        world.reserve(store)
    else:
        refused(code, lambda: world.reserve(store))


def test_one_approval_allows_one_run(world: World) -> None:
    """The same serial under another run name is refused."""
    store = world.ready()
    again = (b"r" * 32, EXPERIMENT, 1, [ACCOUNT], COST, START + DAY)
    refused("approval_used", lambda: store.reserve(*again))


def test_foreign_and_withdrawn_approvals(world: World) -> None:
    """A signature of anyone but the FG, and a withdrawn serial signed anew, never become an approval."""
    store = world.create()
    for key in (SigningKey.generate(), world.coordinator, world.node):
        refused("not_acceptable", lambda key=key: store.record_approval(world.approval(key=key)))
    store.record_withdrawal(world.withdrawal())
    refused("serial_used", lambda: store.record_approval(world.approval()))
    refused("approval_withdrawn", lambda: world.reserve(store))
