"""What else could leave a node (METHODS §7, attacks 8, 11, 18, 21): thin noise, odd rows, odd bytes, words, sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import node.answer
from experiments import planning, protocol
from experiments.protocol import Answer, Ask, Prepare, Refusal
from experiments.students import Students
from privacy import canonical, private_sum
from privacy.private_sum import lattice_sum, noised_sum, open_lattice
from tests.kit import Kit, coalition, made_up

SECRET = "Jansen-1234567"


def _first(kit: Kit) -> Ask:
    certificates = kit.prepare()
    roster = tuple(certificates[school] for school in sorted(certificates))
    return Ask(1, 0, roster, planning.asked_at(kit.plan.steps[0], planning.initial_state(kit.plan)))


def _with_rows(kit: Kit, school: str, students) -> None:
    member = kit.members[school]
    member.node = replace(member.node, students=students)


@pytest.mark.parametrize("share_by_all", [False, True])
def test_noise_left_when_t_schools_collude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share_by_all: bool) -> None:
    """Attack 8: without the t colluders' noise at least σ² remains on the others' sum.

    Twelve schools, t = 4, one real exchange of 1,127 values. The noise of the eight honest ones has a mean square of
    at least σ²(1 - 5·sqrt(2/1127)), but for a chance below 1e-6. With the defence off (twelve schools share σ²) only
    2/3 σ² is left, 4 standard deviations below that line.
    """
    noises = _noise_of_each_school(monkeypatch, 1 + share_by_all * 0.5)
    kit = coalition(tmp_path, schools=12, threshold=4)
    ask = _first(kit)
    for school in kit.members:
        assert isinstance(kit.say(school, replace(ask, step=2, state=_after_moments(kit))), Answer)
    release = kit.plan.steps[1].releases[0]
    residues = [noise for noise in noises if noise.size == release.dimension][:8]
    left = float(np.mean(np.square(np.sum(residues, axis=0)))) / float(release.variance)
    assert (left > 1 - 5 * (2 / release.dimension) ** 0.5) != share_by_all


def _noise_of_each_school(monkeypatch: pytest.MonkeyPatch, more_honest: float) -> list[np.ndarray]:
    """Note what each school's real sampler adds; with `more_honest` above 1, let it add too little."""
    noises: list[np.ndarray] = []

    def noised(vectors, release, honest):
        rows = list(vectors)
        words = noised_sum(rows, release, int(honest * more_honest))
        noises.append((words - lattice_sum(rows, release).view(np.uint64)).view(np.int64).astype(np.float64))
        return words

    monkeypatch.setattr(private_sum, "noised_sum", noised)
    return noises


def _after_moments(kit: Kit) -> dict[str, np.ndarray]:
    width = kit.plan.steps[2].dimension
    moments = {"mean": np.zeros(width - 1), "scale": np.ones(width - 1), "weights": np.zeros(width)}
    return {"counts": np.array([300.0, 100.0])} | moments


HOSTILE = [np.nan, np.inf, -np.inf, -0.0, 1e308, -1e308, 5e-324]


@pytest.mark.parametrize("value", HOSTILE)
def test_odd_rows_leave_the_reply_as_it_was(tmp_path: Path, value: float) -> None:
    """Attack 11: whatever one row holds, the answer has the same size and no code, and the sum stays bounded."""
    kit = coalition(tmp_path, schools=3, rows=1)
    rows = made_up(kit.experiment, 1, seed=0)
    rows.features[:] = value
    _with_rows(kit, "school-0", lambda _: rows)
    ask = _first(kit)
    replies = {school: kit.say(school, ask) for school in kit.members}
    assert {reply.masked.size for reply in replies.values()} == {kit.plan.steps[0].dimension}
    planned = kit.plan.steps[0].queries[0]
    exact = lattice_sum(planned.query.blocks(rows, {}), planned.release)
    assert sum(int(step) ** 2 for step in exact) <= planned.release.lattice_steps**2


@pytest.mark.parametrize("extreme", [-1.0, 1.0])
def test_a_state_at_the_edge_of_its_range_makes_no_row_overflow(tmp_path: Path, extreme: float) -> None:
    """Attack 11: a crafted state is refused before rows are read, or is one at which every row stays finite."""
    kit = coalition(tmp_path, schools=3)
    ask = _first(kit)
    for school in kit.members:
        kit.say(school, ask)
    step = kit.plan.steps[1]
    bounds = {key: limits for planned in step.queries for key, limits in planned.query.bounds().items()}
    edge = {key: np.full(length, high if extreme > 0 else low) + 0.0 for key, (length, low, high) in bounds.items()}
    reply = kit.say("school-0", Ask(2, 0, ask.roster, edge))
    assert isinstance(reply, Answer)
    beyond = {key: array * 2.0 + extreme for key, array in edge.items()}
    refused = kit.say("school-1", Ask(2, 0, ask.roster, beyond))
    assert refused == Refusal("state_out_of_range")


def test_a_failure_on_rows_cannot_be_seen_from_outside(tmp_path: Path) -> None:
    """Attack 21: rows that make the code fail give the same kind and size of reply; the words stay local."""
    kit = coalition(tmp_path, schools=3)

    def failing(_: object) -> Students:
        raise RuntimeError(SECRET)

    _with_rows(kit, "school-0", failing)
    ask = _first(kit)
    replies = {school: node.answer.answer(kit.members[school].node, kit.request(school, ask)) for school in kit.members}
    assert len({len(reply) for reply in replies.values()}) == 1
    assert all(SECRET.encode() not in reply for reply in replies.values())
    assert kit.members["school-0"].incidents == ["selection stopped: RuntimeError"]


def test_the_size_of_a_reply_depends_on_the_dimension_alone(tmp_path: Path) -> None:
    """Attack 21: a school with one student and one with 200 send equally many bytes, in the same slot."""
    kit = coalition(tmp_path, schools=3)
    small, large = made_up(kit.experiment, 1, seed=1), made_up(kit.experiment, 200, seed=2)
    _with_rows(kit, "school-0", lambda _: small)
    _with_rows(kit, "school-1", lambda _: large)
    ask = _first(kit)
    sizes = {len(node.answer.answer(kit.members[s].node, kit.request(s, ask))) for s in ("school-0", "school-1")}
    assert len(sizes) == 1


GARBAGE = {
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    "2 GiB header": b"\x5b\x00\x00\x00\x00\x80\x00\x00\x00",
    "deep nesting": b"\x81" * 5000 + b"\x00",
    "gzip bomb head": b"\x1f\x8b\x08" + bytes(64),
    "nothing": b"",
    "too large": bytes(protocol.MAX_REQUEST_BYTES + 1),
    "other version": canonical.encode([canonical.tagged("datacoalitie/request/2", 1), bytes(64)]),
    "extra field": canonical.encode([b"", bytes(64), 1]),
    "wrong type": canonical.encode(["", 1]),
}


@pytest.mark.parametrize("what", sorted(GARBAGE))
def test_bytes_that_are_no_request_get_a_code(tmp_path: Path, what: str) -> None:
    """Attack 18: pickle, bombs, deep nesting, wrong types and versions are refused by size and shape."""
    kit = coalition(tmp_path, schools=3)
    reply = protocol.decode_reply(node.answer.answer(kit.members["school-0"].node, GARBAGE[what]))
    assert isinstance(reply, Refusal)
    assert reply.code in {"not_canonical", "too_large", "wrong_fields", "wrong_type", "unknown_version"}
    assert not [e for e in kit.members["school-0"].node.ledger.entries() if e.kind in ("reserve", "charge")]


def test_an_unknown_state_key_or_dtype_is_refused(tmp_path: Path) -> None:
    """Attack 18: a state with an extra key, or integers for floats, never reaches a query."""
    kit = coalition(tmp_path, schools=3)
    ask = _first(kit)
    extra = replace(ask, state={**ask.state, "extra": np.zeros(3)})
    assert kit.say("school-0", extra) == Refusal("state_out_of_range")
    whole = replace(ask, state={"counts": np.zeros(2, dtype=np.int64)})
    assert kit.say("school-0", whole) == Refusal("wrong_type")


def test_the_honest_request_still_gets_an_answer(tmp_path: Path) -> None:
    """The control of this file: none of these refusals comes from the kit itself."""
    kit = coalition(tmp_path, schools=3)
    assert isinstance(kit.say("school-0", Prepare(kit.experiment.encoded, kit.serials)), protocol.Prepared)
    ask = _first(kit)
    replies = [kit.say(school, ask) for school in sorted(kit.members)]
    totals = open_lattice([reply.masked for reply in replies], kit.plan.steps[0].releases)
    assert np.abs(totals[0]).max() < 2**50
