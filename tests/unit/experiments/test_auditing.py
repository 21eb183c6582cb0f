"""Audits of a plan: what is claimed, what is asked, what is kept; and that a correct mechanism passes 200 in a row.

The mechanism here is the real one of `privacy.private_sum` over invented schools; the node's own code is audited in
`tests/attack/test_audit.py`. Noise cannot be seeded, so each test states how often it fails by chance.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from experiments import auditing, canaries
from experiments.auditing import audit_claim, audit_plan, claims, fingerprint, over_schools
from experiments.canaries import CROWDS, Design, Size, design, fair_coins, look
from privacy import audit
from privacy.audit import Claim
from privacy.errors import AccountingError
from privacy.private_sum import Release, masked_sums
from tests.kit import Kit, coalition

DELTA = Fraction(1, 10**6)
SIGMA = 10**5
RELEASE = Release(16, Fraction(3, 2), 2**14, Fraction(SIGMA**2))
CLAIM = Claim("table", (("table", RELEASE),), 2, DELTA)
SMALL = Size(canaries=512, values=512)
REAL = over_schools(masked_sums)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return coalition(tmp_path_factory.mktemp("coalition"))


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


# -- what is claimed ------------------------------------------------------------------------------------------------


def test_the_default_experiment_makes_twelve_claims(kit: Kit) -> None:
    """The whole experiment first, at the cost that is reserved, retry included; then each distinct private sum."""
    found = claims(kit.plan, 4)
    assert [claim.name for claim in found] == [
        "experiment",
        "moments",
        "curvature",
        *["logistic_gradient"] * 8,
        "score_table",
    ]
    assert found[0].rho == kit.plan.rho_reserved and found[0].delta == kit.plan.delta
    assert found[0].epsilon < kit.plan.epsilon
    assert {claim.releases[0] for claim in found[1:]} == set(found[0].releases)


def test_equal_sums_are_audited_once(kit: Kit) -> None:
    """A plan that asks the same sum twice claims it once by itself, and twice for the whole."""
    twice = replace(kit.plan, steps=(kit.plan.steps[0], kit.plan.steps[0]), retries=0)
    assert [len(claim.releases) for claim in claims(twice, 4)] == [2, 1]


def test_an_empty_plan_is_refused(kit: Kit) -> None:
    """Nothing to audit is not a passed audit."""
    with pytest.raises(AccountingError):
        claims(replace(kit.plan, steps=()), 4)


# -- what is asked --------------------------------------------------------------------------------------------------


class Recorder:
    """The real mechanism, which remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Sequence[Sequence[np.ndarray]], list[Release], int]] = []

    def __call__(self, vectors: Sequence[Sequence[np.ndarray]], releases: Sequence[Release], honest: int) -> list:
        self.calls.append((vectors, list(releases), honest))
        return REAL(vectors, releases, honest)


def _asked(claim: Claim = CLAIM, size: Size = SMALL, coins: int = 255) -> tuple[Design, Recorder]:
    chosen, recorder = design(claim, size), Recorder()
    look(claim, chosen, recorder, Fraction(1), source=lambda count: bytes([coins]) * count)
    return chosen, recorder


def test_every_canary_has_its_own_coordinate_and_the_clip_norm_or_more() -> None:
    """All coins "in": each coordinate of each run holds one row, along its axis, of norm C or eight times C."""
    chosen, recorder = _asked()
    (vectors, _, _) = recorder.calls[0]
    for run in range(chosen.runs[0]):
        rows = np.concatenate([school[run] for school in vectors])
        assert (np.count_nonzero(rows, axis=1) == 1).all() and (np.count_nonzero(rows, axis=0) == 1).all()
        assert set(np.abs(rows[rows != 0])) == {1.5, 12.0} and {-1.0, 1.0} == set(np.sign(rows[rows != 0]))


def test_a_coin_that_fell_out_leaves_no_row() -> None:
    """All coins "out": no school has a student, crowds excepted."""
    chosen, recorder = _asked(coins=0)
    (vectors, _, _) = recorder.calls[0]
    assert all(len(school[run]) == 0 for school in vectors for run in range(chosen.runs[0]))
    assert sum(len(school[run]) > 0 for school in vectors for run in range(chosen.runs[0], len(school))) == CROWDS


def test_a_person_at_two_schools_is_in_both() -> None:
    """records = 2: the same rows stand at exactly two of the schools, in every run."""
    chosen, recorder = _asked(replace(CLAIM, honest=3, records=2))
    (vectors, _, honest) = recorder.calls[0]
    held = [[school[run] for school in vectors if len(school[run])] for run in range(chosen.runs[0])]
    assert honest == 3 and all(len(rows) == 2 and (rows[0] == rows[1]).all() for rows in held)


def test_the_mechanism_gets_the_parameters_of_the_claim_and_half_the_variance_for_the_control() -> None:
    """Own parameters, at every run; the control differs in its variance and in nothing else."""
    recorder = Recorder()
    audit_claim(CLAIM, recorder, "key", SMALL)
    asked = {release for _, releases, _ in recorder.calls for release in releases}
    assert asked == {RELEASE, replace(RELEASE, variance=RELEASE.variance / 2)}
    assert {honest for _, _, honest in recorder.calls} == {2}


def test_what_is_opened_has_the_noise_that_colluders_leave() -> None:
    """Four honest schools and two that subtract their own: variance sigma^2 (chi-squared test, rate 1e-9)."""
    none = [[np.zeros((0, 4000))]] * 4
    wide = replace(RELEASE, dimension=4000)
    opened = over_schools(masked_sums, colluders=2)(none, [wide], 4)[0] / SIGMA
    assert 4000 - 2 * np.sqrt(4000 * 21) < float(opened @ opened) < 4000 + 2 * np.sqrt(4000 * 21) + 42


def test_coins_are_fair() -> None:
    """Half of 100,000 coins, within six standard deviations (rate 2e-9); and the operating system tosses them."""
    assert abs(int(fair_coins(100_000).sum()) - 50_000) < 6 * 158
    assert (fair_coins(1000) != fair_coins(1000)).any()
    assert fair_coins(3, source=lambda count: b"\xa0" * count).tolist() == [True, False, True]


def test_a_design_keeps_to_its_limits() -> None:
    """No more canaries than coordinates in all runs, no more answers or draws than allowed; wide sums get one run."""
    assert design(CLAIM, Size(canaries=100, values=1)).canaries == 100
    few = design(CLAIM, Size(answers=60, values=16))
    assert few.runs[0] * CLAIM.honest <= 60 and few.canaries == 480
    wide = replace(CLAIM, releases=(("gradient", replace(RELEASE, dimension=2**21)),))
    chosen = design(wide, Size())
    assert chosen.runs == (2,) and chosen.per_run == (1,) and chosen.canaries == 2


def test_strong_claims_take_fewer_canaries() -> None:
    """At mu = .16 the guesses alone would take more than 20,000; at mu = 1.6 a thousand do."""
    loud = replace(CLAIM, releases=(("table", replace(RELEASE, lattice_steps=163_840)),))
    assert design(CLAIM, Size(canaries=20_000)).canaries == 20_000
    assert design(loud, Size()).canaries <= 1_024


@pytest.mark.parametrize(
    "wrong",
    [
        lambda vectors, releases, honest: [],
        lambda vectors, releases, honest: [np.zeros(release.dimension) for release in releases],
        lambda vectors, releases, honest: [np.zeros(3, dtype=np.int64) for _ in releases],
    ],
)
def test_what_opens_something_else_is_refused(wrong: canaries.Mechanism) -> None:
    """No answer, floats, or another dimension: an error for whoever passed it in, not a verdict."""
    with pytest.raises(AccountingError, match="opens one int64"):
        audit_claim(CLAIM, wrong, "key", SMALL)


# -- verdicts -------------------------------------------------------------------------------------------------------


def test_the_default_experiment_holds(kit: Kit, tmp_path: Path) -> None:
    """Every claim of the real plan, a small audit (fails by chance once in 700,000).

    The whole experiment's bound lies below its claim; each control was called broken; and the JSON is a finding's.
    """
    seen: list[tuple[str, int, int]] = []
    found = audit_plan(kit.plan, 4, REAL, fingerprint(), tmp_path, lambda *step: seen.append(step), Size(canaries=4096))
    assert found.verdict == "holds" and len(found.results) == 12
    assert all(result.positive_control.verdict == "broken" for result in found.results)
    assert all(result.power > 0.99 and result.epsilon_lower <= result.epsilon_claimed for result in found.results)
    assert seen == [(auditing.STAGE, done, 12) for done in range(1, 13)]
    data = found.data()
    assert data["confidence"] == 0.9999 and data["false_alarm"] < 1.5e-6
    assert data["results"][0]["mechanism"] == "experiment" and data["results"][0]["looks"] == 1


def test_one_broken_claim_makes_the_audit_broken() -> None:
    """The worst verdict counts: broken before low power before holds."""
    held = audit_claim(CLAIM, REAL, "key", SMALL)
    weak, broken = replace(held, verdict="low_power"), replace(held, verdict="broken")
    assert auditing.Audit((held, weak)).verdict == "low_power"
    assert auditing.Audit((held, broken, weak)).verdict == "broken"


def test_two_hundred_audits_of_the_correct_mechanism_pass_in_a_row() -> None:
    """Fails by chance once in 40,000 series: 200 x 3 x (2e-4)^2. `experiments.benchmarks.audits` does whole plans."""
    verdicts = [audit_claim(CLAIM, REAL, "key", SMALL).verdict for _ in range(200)]
    assert verdicts == ["holds"] * 200


class Deaf:
    """A mechanism that adds the claimed noise whatever variance it is given: its control cannot be broken."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def __call__(self, vectors: Sequence[Sequence[np.ndarray]], releases: Sequence[Release], honest: int) -> list:
        self.runs.append(len(releases) - CROWDS)
        return REAL(vectors, [replace(release, variance=RELEASE.variance) for release in releases], honest)


def test_a_control_that_is_not_broken_is_repeated_and_then_reported() -> None:
    """Low power: three audits, each twice as large, and then said so."""
    deaf = Deaf()
    found = audit_claim(CLAIM, deaf, "key", SMALL)
    assert found.verdict == "low_power" and found.positive_control.verdict == "holds"
    assert deaf.runs == [32, 32, 64, 64, 128, 128] and found.repeats == 128


def test_too_small_an_audit_is_of_low_power_whatever_it_finds() -> None:
    """Limits that leave 48 values of noise: the power is known beforehand to be too little, and doubled twice."""
    tight = Size(canaries=16, values=16, answers=10**6, draws=2**5)
    found = audit_claim(CLAIM, REAL, "key", tight)
    assert found.verdict == "low_power" and found.power < audit.LEAST_POWER


# -- what an auditor reads ------------------------------------------------------------------------------------------


def test_a_record_is_read_again_and_must_be_of_its_plan(kit: Kit, tmp_path: Path) -> None:
    """As a finding holds it: the same audit; for another plan or another number of schools it is refused."""
    plan = _small_plan(kit)
    found = audit_plan(plan, 2, REAL, "code", tmp_path, _silent, SMALL)
    data = json.loads(json.dumps(found.data()))
    assert auditing.read(data, plan, 2) == found
    assert auditing.Audit(()).verdict == "low_power"
    for other, honest in ((kit.plan, 2), (plan, 3), (replace(plan, steps=kit.plan.steps[:1]), 2)):
        with pytest.raises(AccountingError, match="of this plan"):
            auditing.read(data, other, honest)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "holds", "results": "broken"},
        {"results": {"epsilon_lower": 0.001}},
        {"results": {"epsilon_claimed": 9.0}},
        {"results": {"correct": 512}},
        {"results": {"failed": ["bound"]}},
        {"results": {"parameters": {}}},
        {"results": {"extra": 1}},
        {"false_alarm": 0.0},
    ],
)
def test_a_record_that_was_edited_is_refused(kit: Kit, tmp_path: Path, change: dict) -> None:
    """A verdict that does not follow from the results, or figures that do not follow from the counts."""
    plan = _small_plan(kit)
    data = json.loads(json.dumps(audit_plan(plan, 2, REAL, "code", tmp_path, _silent, SMALL).data()))
    for name, value in change.items():
        if name == "results":
            data["results"][0] |= {"verdict": value} if isinstance(value, str) else value
        else:
            data[name] = value
    with pytest.raises(AccountingError, match="record"):
        auditing.read(data, plan, 2)


# -- what is kept ---------------------------------------------------------------------------------------------------


def _never(vectors: object, releases: object, honest: int) -> list:
    raise AssertionError("asked again")


def _small_plan(kit: Kit):
    return replace(kit.plan, steps=kit.plan.steps[-1:], retries=0)


def test_an_audit_is_done_once_for_the_same_claim_code_and_size(kit: Kit, tmp_path: Path) -> None:
    """The second time nothing is asked and the same is found; other code, school count or size is audited anew."""
    plan = _small_plan(kit)
    first = audit_plan(plan, 2, REAL, "code", tmp_path, _silent, SMALL)
    again = audit_plan(plan, 2, _never, "code", tmp_path, _silent, SMALL)
    assert again == first
    for code, honest, size in (("other", 2, SMALL), ("code", 3, SMALL), ("code", 2, Size(canaries=300, values=300))):
        with pytest.raises(AssertionError, match="asked again"):
            audit_plan(plan, honest, _never, code, tmp_path, _silent, size)


def test_half_a_record_or_anothers_is_replaced(kit: Kit, tmp_path: Path) -> None:
    """A cut-off file, a file of another form, or one under another's name: audited again, whole file afterwards."""
    plan = _small_plan(kit)
    first = audit_plan(plan, 2, REAL, "code", tmp_path, _silent, SMALL)
    paths = [tmp_path / f"{result.key}.json" for result in first.results]
    good = [path.read_bytes() for path in paths]
    for bad in (good[0][:100], b"{}", b"\xff", good[1]):
        paths[0].write_bytes(bad)
        audit_plan(plan, 2, REAL, "code", tmp_path, _silent, SMALL)
        assert paths[0].read_bytes().startswith(b"{") and first.results[0].key.encode() in paths[0].read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_the_fingerprint_names_the_code() -> None:
    """Hexadecimal, the same twice, another when another module belongs to the mechanism."""
    assert fingerprint() == fingerprint() != fingerprint(auditing)
    assert len(bytes.fromhex(fingerprint())) == 32
