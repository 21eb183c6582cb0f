"""Everything that can die dies, with SIGKILL, at every step of a run, which goes on; all budget is accounted for.

Over local sockets, where an exchange takes a moment, nodes and coordinators die at every step. Over Flower, where one
takes seconds, coordinator, ServerApp, SuperLink and relay die by turns, in prepare, in the middle and in close. Each
of them at every step: `make recovery`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from experiments import definition
from experiments.protocol import Prepared, Refusal, decode_reply
from tests.whole.field import COORDINATOR, SERVER_APP, Field, over_flower, over_sockets

RETRIES = 8  # as many as a definition may allow


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The default question with every retry that a definition may allow."""
    document = yaml.safe_load((Path(definition.__file__).parent / "catalogue" / "uitval-jaar-1.yaml").read_text())
    document["budget"]["retries"] = RETRIES
    path = tmp_path / "patient.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _attempts(ground: Field) -> dict[int, int]:
    """How often each step was asked."""
    asked = {(one.step, one.attempt, one.round) for one in ground.said() if one.step > 0}
    return {step: sum(1 for said in asked if said[0] == step) for step, _, _ in asked}


def _cost(ground: Field) -> Fraction:
    """What a school that was there every time paid: each attempt at each step, by its declared cost."""
    plan = ground.workspace.plan(ground.made.experiment)
    return sum((step.rho * _attempts(ground)[step.index] for step in plan.steps), Fraction(0))


def _ended_well(ground: Field) -> None:
    """The run opened; no ledger exceeds what was asked, and one that was always there equals it."""
    said = ground.finished()
    assert said["status"] == "ok", (said, ground.logs())
    spent = ground.spent()
    assert max(spent.values()) == _cost(ground)
    assert _cost(ground) <= ground.workspace.plan(ground.made.experiment).rho_reserved


# ---- local sockets: every step


@pytest.mark.parametrize("steps", [(0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10, -1)], ids=["prepare-to-5", "6-to-close"])
def test_a_node_killed_at_every_step(tmp_path: Path, patient: Path, steps: tuple[int, ...]) -> None:
    """A node is killed with the request of a step on its way, at one step after another; two runs cover all.

    Each time it comes back with a fresh key and its own next epoch; the others pay that step twice, and nobody more.
    """
    with over_sockets(tmp_path / "out", experiment=patient) as ground:
        ground.coordinate()
        victim = f"node-{ground.schools[1]}"
        for step in steps:
            ground.until(lambda step=step: ground.over() or any(one.step == step for one in ground.said()))
            ground.kill(victim)
            ground.until(lambda: ground.over() or victim in ground.processes.ids())
        _ended_well(ground)
        epochs = _epochs(ground, ground.schools[1])
        assert epochs == sorted(set(epochs)) and len(epochs) >= len(steps) - 1


def _epochs(ground: Field, school: str) -> list[int]:
    replies = [decode_reply(one.reply) for one in ground.said() if one.school == school and one.reply]
    return [reply.certificate.statement.epoch for reply in replies if isinstance(reply, Prepared)]


def test_a_coordinator_killed_at_every_exchange(tmp_path: Path) -> None:
    """Killed in each of the twelve exchanges, the coordinator goes on, and no school pays anything twice."""
    with over_sockets(tmp_path / "out") as ground:
        ground.coordinate()
        for round_ in range(12):
            ground.until_asked(round_)
            if not ground.over():
                ground.kill(COORDINATOR)
                ground.coordinate()
        _ended_well(ground)
        assert set(ground.spent().values()) == {ground.workspace.plan(ground.made.experiment).rho}


def test_a_school_that_never_answers(tmp_path: Path) -> None:
    """One of four nodes is stopped before the run: the three others finish without it, and it pays nothing."""
    with over_sockets(tmp_path / "out", wait=20, schools=4, students=500) as ground:
        ground.pause(f"node-{ground.schools[3]}")
        ground.coordinate()
        _ended_well(ground)
        assert ground.spent()[ground.schools[3]] == 0
        assert all(attempts == 1 for attempts in _attempts(ground).values())


def test_a_school_off_for_one_step(tmp_path: Path) -> None:
    """A node that is away during one step and back for the next: that step is asked twice, and it takes part again."""
    with over_sockets(tmp_path / "out", wait=20, schools=4, students=500) as ground:
        ground.coordinate()
        away = ground.schools[3]
        ground.until_asked(4)
        ground.pause(f"node-{away}")
        ground.until(lambda: ground.over() or any(one.attempt == 1 for one in ground.said()))
        ground.resume(f"node-{away}")
        _ended_well(ground)
        answered = [one.round for one in ground.said() if one.school == away and one.reply]
        assert max(answered) == max(one.round for one in ground.said())


def test_too_few_schools_say_what_happened_and_what_to_do(tmp_path: Path) -> None:
    """Two of three nodes silent for good: the run stops, and names schools and remedy."""
    with over_sockets(tmp_path / "out", wait=15) as ground:
        ground.coordinate()
        ground.until_asked(3)
        for school in ground.schools[1:]:
            ground.pause(f"node-{school}")
        said = ground.finished()
        assert (said["error_code"], said["exit_code"]) == ("too_few_schools", 4)
        assert all(f"{school} (silent)" in said["data"]["found"] for school in ground.schools[1:])
        assert "its operator looks whether node and relay run" in said["data"]["found"]
        assert said["data"]["remedy"] == "Solve what is missing, then ask for new approvals."


# ---- Flower


RELAY = "relay"
SUPERLINK = "superlink"
KINDS = (COORDINATOR, SERVER_APP, SUPERLINK)
EXCHANGES = 12


def _strike(ground: Field, kind: str) -> None:
    ground.kill(f"relay-{ground.schools[1]}" if kind == RELAY else kind)
    if kind == COORDINATOR:
        ground.coordinate()


def run_with(ground: Field, kind_at: Callable[[int], str | None]) -> None:
    """Run, killing at each exchange what is named for it, as soon as its requests are on their way."""
    ground.coordinate()
    for round_ in range(EXCHANGES):
        ground.until_asked(round_)
        kind = kind_at(round_)
        if kind is not None and not ground.over():
            _strike(ground, kind)
    _ended_well(ground)
    assert set(ground.spent().values()) == {ground.workspace.plan(ground.made.experiment).rho}, ground.logs()


@pytest.mark.slow
def test_what_carries_the_messages_may_die_at_any_step(tmp_path: Path) -> None:
    """Coordinator, ServerApp and SuperLink by turns, each at two exchanges, and a relay once: nothing is paid twice."""
    with over_flower(tmp_path / "out") as ground:
        run_with(
            ground,
            {0: SERVER_APP, 1: COORDINATOR, 3: SUPERLINK, 5: RELAY, 7: SERVER_APP, 9: COORDINATOR, 11: SUPERLINK}.get,
        )


@pytest.mark.slow
def test_a_node_killed_behind_its_relay(tmp_path: Path) -> None:
    """The relay says that it cannot reach the node, the node comes back with a fresh key, the step is asked again."""
    with over_flower(tmp_path / "out") as ground:
        ground.coordinate()
        ground.until_asked(3)
        ground.kill(f"node-{ground.schools[1]}")
        _ended_well(ground)
        assert sum(_attempts(ground).values()) == len(_attempts(ground)) + 1
        refusals = [decode_reply(one.reply) for one in ground.said() if one.reply and len(one.reply) < 200]
        assert {reply.code for reply in refusals if isinstance(reply, Refusal)} <= {"prepare_first", "key_outdated"}
