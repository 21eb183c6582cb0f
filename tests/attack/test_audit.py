"""Attacks 12 and 16 of METHODS section 7, and the faults that an audit is there to notice, planted in the node's code.

What is audited is `node.answer` itself: its sum, noise and mask, over invented schools, opened. Each fault is planted
where it would be made, and the audit must call it broken; the code as it is must hold. A correct mechanism is called
broken once in eight million audits of one claim (3 x (2e-4)^2); a planted fault is missed less often than that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from experiments.auditing import Answer, audit_claim, audit_plan, over_schools
from experiments.canaries import Design, Mechanism, Size, look
from experiments.membership import SUCCEEDS, infer_membership
from experiments.planning import PlannedQuery, Step
from experiments.queries.base import Bounds, Query, State
from experiments.students import Floats, Students
from node import answer as node_answer
from privacy import accounting, noise, private_sum
from privacy.audit import AuditResult, Claim
from privacy.audit_bounds import gaussian_epsilon, gaussian_mu
from privacy.private_sum import Release
from tests.kit import Kit, coalition

DELTA = Fraction(1, 10**6)
SMALL = Size(canaries=1024, values=1024)
HONEST = 4
SIGMA = 10**5
STRONG = Release(64, Fraction(1), 27_000, Fraction(SIGMA**2))
"""A private sum of mu = .27, epsilon 1.1 at 1e-6: its canaries can be told apart, with some thousands of them."""


@dataclass(frozen=True)
class Given(Query):
    """Canaries as a query of the node: the vectors are given, whoever the students are."""

    name = "canaries"
    release: Release
    rows: Floats

    @property
    def dimension(self) -> int:
        return self.release.dimension

    @property
    def clip(self) -> Fraction:
        return self.release.clip_norm

    def parameters(self) -> Mapping[str, Any]:
        return {}

    def bounds(self) -> Bounds:
        return {}

    def contributions(self, students: Students, state: State) -> Floats:
        return self.rows

    def blocks(self, students: Students, state: State) -> Iterable[Floats]:
        yield self.rows

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        return state


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return coalition(tmp_path_factory.mktemp("coalition"), schools=HONEST + 1)


@pytest.fixture(scope="module")
def mechanism(kit: Kit) -> Mechanism:
    """The node's own lines, at a node of a real coalition, over the audit's invented roster; one school colludes."""
    return over_schools(_answer_of(kit), colluders=kit.charter.collusion_threshold)


def _answer_of(kit: Kit) -> Answer:
    member = kit.members["school-0"]
    certificate = kit.prepare()["school-0"]
    nobody = Students(np.zeros((0, 1)), np.zeros(0), np.zeros(0, dtype=bool), ("none",))

    def answer(vectors, releases, honest, own, key, roster, context):
        assert len(roster) - kit.charter.collusion_threshold == honest
        queries = tuple(PlannedQuery(Given(r, rows), r) for rows, r in zip(vectors, releases, strict=True))
        session = node_answer.Session(kit.experiment, kit.plan, (), nobody, key, certificate)
        return node_answer._private_sum(member.node, session, Step(1, queries), list(roster), own, context, {})

    return answer


def _claim(release: Release, records: int = 1) -> Claim:
    return Claim("planted", (("planted", release),), HONEST, DELTA, records)


def _audit(mechanism: Mechanism, release: Release, size: Size = SMALL) -> AuditResult:
    return audit_claim(_claim(release), mechanism, "key", size)


@pytest.fixture(scope="module")
def release(kit: Kit) -> Release:
    """The first private sum of the default experiment: 92 values, mu = .064."""
    return kit.plan.steps[0].queries[0].release


# -- attack 16: one run ---------------------------------------------------------------------------------------------


def test_attack_16_the_node_as_it_is_holds_for_every_sum_of_the_default_experiment(
    kit: Kit, mechanism: Mechanism, tmp_path: Path
) -> None:
    """One-run bounds of all twelve claims are within what is reported; each control, halved, is called broken."""
    found = audit_plan(
        kit.plan, HONEST, mechanism, "node", tmp_path, lambda *step: None, Size(canaries=4096, values=1024)
    )
    assert found.verdict == "holds"
    assert found.results[0].epsilon_lower <= found.results[0].epsilon_claimed < kit.plan.epsilon
    assert all(result.positive_control.verdict == "broken" for result in found.results)


def test_attack_16_the_guesses_alone_recover_most_of_epsilon_and_notice_halved_noise(mechanism: Mechanism) -> None:
    """At epsilon 1.1 for one sum and 65,536 canaries: above .6 of the claim, and not above it twice in a row (10^-8).

    Halved, the bound alone exceeds the claim. Both other ends lie more than six standard deviations away.
    """
    claim, chosen = _claim(STRONG), Design(65_536, (1024,), (64,))
    correct = [look(claim, chosen, mechanism, share).correct for share in (Fraction(1), Fraction(1), Fraction(1, 2))]
    *kept, halved = [gaussian_epsilon(gaussian_mu(count, 65_536), DELTA) for count in correct]
    assert 0.6 * claim.epsilon < min(kept) <= claim.epsilon < accounting.epsilon_from_rho(STRONG.rho, DELTA)
    assert halved > claim.epsilon


def test_attack_16_a_claim_that_guesses_can_judge_is_judged_by_them(mechanism: Mechanism) -> None:
    """The whole audit of that sum: one run has the power, decided beforehand; the bound for any guesses is lower."""
    found = _audit(mechanism, STRONG, Size(canaries=40_000, values=1024))
    assert found.method == "one_run" and found.verdict == "holds"
    assert 0 < found.epsilon_lower_any < found.epsilon_lower <= found.epsilon_claimed


def test_attack_16_shadow_models_find_no_more_than_is_reported(kit: Kit) -> None:
    """The weaker view, at the whole cost of the default experiment. Without noise the same attack succeeds."""
    with threadpool_limits(1):  # matrices of 61 by 61: several threads only wait for each other
        found = infer_membership(kit.plan.rho_reserved, kit.plan.delta, lambda *step: None)
    assert max(found.found.epsilon_lower, found.found.epsilon_lower_any) <= found.epsilon_reported <= 1.0
    assert found.control.auc > SUCCEEDS > 0.5 + abs(found.found.auc - 0.5)
    assert found.verdict == "holds"


# -- attack 12: one person at two schools ---------------------------------------------------------------------------


def test_attack_12_a_student_at_two_schools_stays_within_the_two_school_epsilon(mechanism: Mechanism) -> None:
    """Canaries with a record at two schools: the bound is within the reported two-school figure, above one school's.

    The latter is the control: the second record is seen, so it has to be reported (missed once in 10^8).
    """
    found = audit_claim(_claim(STRONG, records=2), mechanism, "key", Size(canaries=8192, values=1024))
    two_schools = accounting.epsilon_from_rho(accounting.shared_sum(STRONG.rho, 2), DELTA)
    assert found.verdict == "holds"
    assert _claim(STRONG).epsilon < found.epsilon_lower <= found.epsilon_claimed < two_schools


def test_attack_12_judged_by_one_schools_epsilon_the_second_record_is_called_broken(mechanism: Mechanism) -> None:
    """Defence off: the finding would state one school's epsilon for everybody. The audit contradicts it."""

    def twice(vectors: Sequence[Sequence[Floats]], releases: Sequence[Release], honest: int) -> list:
        doubled = [
            [np.concatenate([own, other]) for own, other in zip(school, vectors[index - 1], strict=True)]
            for index, school in enumerate(vectors)
        ]
        return mechanism(doubled, releases, honest)

    found = _audit(twice, STRONG, Size(canaries=8192, values=1024))
    assert found.verdict == "broken" and {"bound", "reach"} <= set(found.failed)


# -- faults in the mechanism ----------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def _with_variance(change: Callable[[Release], Fraction]) -> Patch:
    """Plant a sampler that is given another variance than the release says."""
    real = private_sum.noised_sum

    def planted(vectors: Any, release: Release, honest: int) -> np.ndarray:
        return real(vectors, replace(release, variance=change(release)), honest)

    return lambda patch: patch.setattr(private_sum, "noised_sum", planted)


def _shared_among_all(patch: pytest.MonkeyPatch) -> None:
    """Noise shared among n schools instead of n - t: colluders subtract a share that was needed."""
    real = private_sum.noised_sum
    patch.setattr(private_sum, "noised_sum", lambda rows, release, honest: real(rows, release, honest + 1))


def _finer_lattice(patch: pytest.MonkeyPatch) -> None:
    """Every vector twice as many steps long as the sensitivity that sigma was computed for."""
    real = private_sum.lattice_sum
    patch.setattr(private_sum, "lattice_sum", lambda rows, release: 2 * real(rows, release))


def _no_clip(patch: pytest.MonkeyPatch) -> None:
    """The lattice without the clip: whatever length a vector has, it keeps."""

    def unclipped(rows: Any, release: Release) -> np.ndarray:
        blocks = [rows] if isinstance(rows, np.ndarray) else list(rows)
        return np.trunc(np.concatenate(blocks) / float(release.gamma)).astype(np.int64).sum(axis=0)

    patch.setattr(private_sum, "lattice_sum", unclipped)


def _clip_in_the_largest_norm(patch: pytest.MonkeyPatch) -> None:
    """Each coordinate clipped by itself: right along an axis, too long across."""

    def boxed(rows: Any, release: Release) -> np.ndarray:
        blocks = [rows] if isinstance(rows, np.ndarray) else list(rows)
        steps = np.trunc(np.concatenate(blocks) / float(release.gamma))
        return np.clip(steps, -release.lattice_steps, release.lattice_steps).astype(np.int64).sum(axis=0)

    patch.setattr(private_sum, "lattice_sum", boxed)


def _rounded_noise(step: int) -> Patch:
    """Noise from a coarse lattice: the right sigma, rounded to multiples of `step`."""
    real = noise.discrete_gaussian

    def coarse(count: int, variance: Fraction, source: Any) -> np.ndarray:
        return np.round(real(count, variance, source) / step).astype(np.int64) * step

    return lambda patch: patch.setattr(noise, "discrete_gaussian", coarse)


def _replayed_noise(patch: pytest.MonkeyPatch) -> None:
    """The same bits for every answer, as from a seed."""
    real = private_sum.noised_sum
    bits = np.random.default_rng(1).bytes(10**6)
    patch.setattr(
        private_sum,
        "noised_sum",
        lambda rows, release, honest: real(rows, release, honest, lambda count: bits[:count]),
    )


def _one_draw_for_all(patch: pytest.MonkeyPatch) -> None:
    """One draw added to every coordinate: the right spread everywhere, and gone when two coordinates are subtracted."""
    real = noise.discrete_gaussian
    patch.setattr(
        noise, "discrete_gaussian", lambda count, variance, source: np.repeat(real(1, variance, source), count)
    )


def _two_point_noise(patch: pytest.MonkeyPatch) -> None:
    """Plus or minus sigma: the right variance, and no protection at all."""
    real = noise.discrete_gaussian

    def signs(count: int, variance: Fraction, source: Any) -> np.ndarray:
        return np.sign(real(count, variance, source)) * round(float(variance) ** 0.5)

    patch.setattr(noise, "discrete_gaussian", signs)


FAULTS: Mapping[str, tuple[Patch, str]] = {
    "half the variance": (_with_variance(lambda release: release.variance / 2), "spread"),
    "half the sigma": (_with_variance(lambda release: release.variance / 4), "spread"),
    "sigma for half the sensitivity": (
        _with_variance(lambda release: (release.lattice_steps // 2) ** 2 / (2 * release.rho)),
        "spread",
    ),
    "sigma for another norm": (_with_variance(lambda release: release.variance / release.dimension), "spread"),
    "noise shared among all": (_shared_among_all, "spread"),
    "twice the sensitivity": (_finer_lattice, "reach"),
    "no clip": (_no_clip, "reach"),
    "clip in the largest norm": (_clip_in_the_largest_norm, "reach"),
    "noise in steps of 2": (_rounded_noise(2), "lattice"),
    "noise in steps of 1000": (_rounded_noise(1000), "lattice"),
    "the same bits for every answer": (_replayed_noise, "shared"),
    "one draw for all coordinates": (_one_draw_for_all, "shared"),
    "two-point noise": (_two_point_noise, "lattice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_called_broken(
    fault: str, mechanism: Mechanism, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the parameters of the default experiment's first sum, whose guesses alone have no power: by its own test."""
    plant, test = FAULTS[fault]
    plant(monkeypatch)
    found = _audit(mechanism, release, Size(canaries=4096, values=4096))
    assert found.verdict == "broken" and test in found.failed


def test_the_code_without_a_fault_holds(mechanism: Mechanism, release: Release) -> None:
    """What the faults above are compared with."""
    found = _audit(mechanism, release, Size(canaries=4096, values=4096))
    assert found.verdict == "holds" and found.failed == ()


def test_more_noise_than_claimed_is_not_what_was_claimed_either(
    mechanism: Mechanism, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the variance protects better, yet every interval in the finding would be wrong: called broken as well."""
    _with_variance(lambda planned: planned.variance * 2)(monkeypatch)
    assert _audit(mechanism, release).verdict == "broken"
