"""The audit's bounds and p-values against scipy, simulation and planted faults; its verdicts; the labels of its proof.

Statistical tests state their false-alarm rate; what is compared with an oracle is exact but for rounding.
"""

import json
import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from privacy import accounting, audit, audit_bounds
from privacy.audit import AuditResult, Claim, Look, Power, judge, noise_tests, power_of, result_of
from privacy.audit_bounds import (
    LEVEL,
    approximate_inverse,
    binomial_tail,
    chi_square_p,
    counts_p,
    gaussian_epsilon,
    gaussian_inverse,
    gaussian_mu,
    lattice_p,
    least_chance,
    one_run_epsilon,
    one_run_mu,
    one_run_rejects,
    phi,
    shape_p,
)
from privacy.errors import AccountingError
from privacy.private_sum import Release

DELTA = Fraction(1, 100_000)
SIGMA = 10**5
RELEASE = Release(50, Fraction(1), 10**4, Fraction(SIGMA**2))
CLAIM = Claim("moments", (("moments", RELEASE),), 4, DELTA)
QUIET = dict.fromkeys(audit.TESTS, 1.0)


def _mu_of(epsilon: float) -> float:
    return float(optimize.brentq(lambda mu: gaussian_epsilon(mu, DELTA) - epsilon, 1e-3, 10))


# -- exact functions against an oracle ------------------------------------------------------------------------------


@pytest.mark.parametrize("mu", [0.05, 0.27, 1.0, 3.0, 8.0, 40.0, 1414.0])
def test_the_exact_epsilon_of_gaussian_noise(mu: float) -> None:
    """Solved with scipy's log of the normal tail instead; at the root, delta is what was asked."""
    epsilon = gaussian_epsilon(mu, DELTA)
    second = math.exp(epsilon + stats.norm.logcdf(-mu / 2 - epsilon / mu))
    assert stats.norm.cdf(mu / 2 - epsilon / mu) - second == pytest.approx(float(DELTA), rel=1e-4)


@pytest.mark.parametrize("rho", [Fraction(1, 1000), Fraction(1, 40), Fraction(1), Fraction(8)])
def test_the_claimed_epsilon_is_stricter_than_the_reported_one(rho: Fraction) -> None:
    """What a finding reports is proved from rho, and never below the exact figure that the audit holds against it."""
    assert 0 < gaussian_epsilon(math.sqrt(2 * rho), DELTA) < accounting.epsilon_from_rho(rho, DELTA)


@given(st.integers(1, 3000), st.data())
@settings(max_examples=60, deadline=None)
def test_binomial_tails_and_clopper_pearson(trials: int, data: st.DataObject) -> None:
    """Both against scipy: nine digits of the tail, six of the bound."""
    found = data.draw(st.integers(0, trials))
    chance = data.draw(st.floats(0.01, 0.99))
    assert binomial_tail(found, trials, chance) == pytest.approx(stats.binom.sf(found - 1, trials, chance), rel=1e-9)
    wanted = stats.beta.ppf(LEVEL, found, trials - found + 1) if found else 0.0
    assert least_chance(found, trials) == pytest.approx(wanted, abs=1e-6)


def test_tails_at_the_ends() -> None:
    """Nothing beyond all trials, everything from none on, and certain or impossible events."""
    assert binomial_tail(0, 10, 0.5) == binomial_tail(3, 10, 1.0) == 1.0
    assert binomial_tail(11, 10, 0.5) == binomial_tail(1, 10, 0.0) == 0.0
    assert gaussian_mu(0, 100) == gaussian_mu(50, 100) == 0.0
    assert gaussian_mu(100, 100) > 1


# -- the bounds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epsilon", "recovered"), [(1, 0.83), (3, 2.80), (8, 7.73)])
def test_ten_thousand_canaries_recover_what_the_method_says(epsilon: float, recovered: float) -> None:
    """METHODS section 6, at 95 % and delta 1e-5: .83, 2.80 and 7.73 of 1, 3 and 8, in the typical outcome."""
    typical = math.floor(10_000 * phi(_mu_of(epsilon) / 2))
    assert gaussian_epsilon(gaussian_mu(typical, 10_000, 0.05), DELTA) == pytest.approx(recovered, abs=0.03)


@pytest.mark.parametrize(("epsilon", "canaries"), [(1, 20_000), (3, 5_000), (8, 1_000)])
def test_the_canaries_that_give_the_bound_power(epsilon: float, canaries: int) -> None:
    """METHODS section 6: with so many, the 99.99 % bound is expected above .7 epsilon; with a tenth it is not."""
    claim = _claim_of(_mu_of(epsilon))
    assert power_of(claim, canaries, 1).expected > 0.7 * epsilon
    assert power_of(claim, canaries // 10, 1).expected < 0.7 * epsilon


def _claim_of(mu: float) -> Claim:
    steps = round(mu * SIGMA)
    return Claim("one", (("one", Release(50, Fraction(1), steps, Fraction(SIGMA**2))),), 4, DELTA)


def test_the_bound_of_independent_guesses_covers() -> None:
    """Binomial counts at mu = .3: the 99.9 % bound exceeds mu in at most 0.1 % of 20,000 draws (rate 1e-6)."""
    drawn = np.random.default_rng(5).binomial(2000, phi(0.15), 20_000)
    counts, times = np.unique(drawn, return_counts=True)
    wrong = sum(int(n) for count, n in zip(counts, times, strict=True) if gaussian_mu(int(count), 2000, 1e-3) > 0.3)
    assert stats.binom.sf(wrong - 1, 20_000, 1e-3) > 1e-6


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_without_delta_the_one_run_bound_follows_the_binomial_one(epsilon: float) -> None:
    """Randomised response is the extreme case: Steinke, Nasr, Jagielski's bound is Clopper-Pearson of its accuracy.

    Ours starts its tail with all mass on one count, so it is a little lower, and never higher.
    """
    correct = math.floor(2000 / (1 + math.exp(-epsilon)))
    theirs = optimize.brentq(lambda e: stats.binom.sf(correct - 1, 2000, 1 / (1 + math.exp(-e))) - LEVEL, 1e-9, 10)
    assert 0.9 * theirs < one_run_epsilon(2000, 2000, correct, Fraction(0)) <= theirs + 1e-3


def test_with_delta_the_one_run_bound_keeps_up_with_the_published_one() -> None:
    """Theorem 5.2 of arXiv:2305.08846, written out here: beta + 2 m delta max_i P[v > Bin >= v - i] / i."""

    def published(epsilon: float) -> float:
        law = stats.binom(200, 1 / (1 + math.exp(-epsilon)))
        masses = np.cumsum([law.pmf(correct - i) for i in range(1, correct + 1)])
        return float(law.sf(correct - 1) + 2 * 2000 * 1e-5 * max(masses / np.arange(1, correct + 1)))

    correct = 170
    theirs = optimize.brentq(lambda epsilon: published(epsilon) - 1e-2, 1e-3, 10)
    assert one_run_epsilon(2000, 200, correct, DELTA, 1e-2) > 0.9 * theirs


def test_guesses_that_hang_together_are_not_taken_for_independent() -> None:
    """A mechanism that tells all coins once in a thousand times is (0, .001)-DP, and 1000 of 1000 is no proof.

    The control: the bound for independent guesses believes it, and at delta = 0 so does this one.
    """
    assert one_run_epsilon(1000, 1000, 1000, Fraction(1, 1000)) == 0.0
    assert gaussian_epsilon(gaussian_mu(1000, 1000), DELTA) > 10
    assert one_run_epsilon(1000, 1000, 1000, Fraction(0)) > 3


@given(st.integers(20, 400), st.floats(0.2, 2.0), st.data())
@settings(max_examples=40, deadline=None)
def test_every_mechanism_with_the_claim_is_within_the_one_run_bound(k: int, mu: float, data: st.DataObject) -> None:
    """Independent Gaussian noise reaches v or more with the chance of a binomial: if not small, no rejection."""
    correct = data.draw(st.integers(1, k))
    if stats.binom.sf(correct - 1, k, phi(mu / 2)) >= LEVEL:
        assert not one_run_rejects(gaussian_inverse(mu), k, k, correct)


@given(st.integers(10, 500), st.integers(0, 8), st.floats(0.05, 3.0))
@settings(max_examples=40, deadline=None)
def test_more_right_guesses_never_lower_a_bound(k: int, more: int, mu: float) -> None:
    """Monotone in the count, and rejected claims stay rejected when they are smaller."""
    few = min(k, math.ceil(k * phi(mu)))
    many = min(k, few + more)
    assert one_run_mu(2 * k, k, few) <= one_run_mu(2 * k, k, many) + 1e-9
    assert gaussian_mu(few, k) <= gaussian_mu(many, k)
    if one_run_rejects(gaussian_inverse(mu), 2 * k, k, many):
        assert one_run_rejects(gaussian_inverse(mu / 2), 2 * k, k, many)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 0.0), (1.0, 1e-3), (3.0, 0.1)])
def test_the_inverse_trade_off_is_the_least_that_reaches(epsilon: float, delta: float) -> None:
    """F(inverse(h)) >= h, and anything smaller does not reach it."""

    def reached(x: float) -> float:
        return min(1.0, math.exp(epsilon) * x + delta, 1 - math.exp(-epsilon) * (1 - delta - x))

    inverse = approximate_inverse(epsilon, delta)
    for power in np.linspace(0.01, 0.999, 50):
        x = inverse(float(power))
        assert reached(x) >= power - 1e-12 and (x == 0.0 or reached(x - 1e-6) < power)


# -- the tests of the noise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 5, 100, 20_000])
def test_chi_squared_p_values_are_never_too_small(freedom: int) -> None:
    """Against scipy over both tails; and half the variance is far beyond any level."""
    for total in np.linspace(0.3 * freedom, 2 * freedom + 20, 60):
        exact = min(stats.chi2.cdf(total, freedom), stats.chi2.sf(total, freedom))
        assert chi_square_p(float(total), freedom) >= exact
    assert chi_square_p(10_000.0, 20_000) < 1e-100 < 1e-9 < chi_square_p(float(freedom), freedom)


def test_counts_of_equal_cells() -> None:
    """Never below the chance of the worst single cell; even counts give 1, one full cell nearly nothing."""
    counts = np.array([130, 90, 100, 80])
    worst = stats.binomtest(130, 400, 0.25, alternative="greater").pvalue
    assert worst <= counts_p(counts) <= 1.0
    assert counts_p(np.array([100, 100, 100, 100])) == 1.0
    assert counts_p(np.array([400, 0, 0, 0])) < 1e-100


def _noise(count: int, seed: int = 1) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(0, SIGMA, count)).astype(np.int64)


@pytest.mark.parametrize("step", [2, 3, 7, 64, 1000, 10_007])
def test_a_coarse_lattice_is_noticed(step: int) -> None:
    """Noise rounded to a multiple of any number, shifted or not; the control is the noise itself."""
    noise = _noise(1000)
    assert lattice_p(noise) > LEVEL
    assert lattice_p(np.round(noise / step).astype(np.int64) * step + 5) < 1e-100


def test_noise_that_is_mostly_even_is_noticed() -> None:
    """No common step, yet nine in ten values even: the residues show it. So do equal values; one says nothing."""
    noise = _noise(4000)
    mostly = np.where(np.arange(4000) % 10 == 0, noise, noise & ~1)
    assert lattice_p(mostly) < 1e-9
    assert lattice_p(np.full(1000, 7)) < 1e-100
    assert lattice_p(np.array([4])) == lattice_p(np.array([], dtype=np.int64)) == 1.0


def test_another_shape_of_noise_is_noticed() -> None:
    """Laplace, uniform and two-point noise of the right variance; the control is normal."""
    draw = np.random.default_rng(2)
    assert shape_p(draw.normal(size=4000)) > LEVEL
    for wrong in (
        draw.laplace(0, math.sqrt(0.5), 4000),
        draw.uniform(-1.732, 1.732, 4000),
        draw.choice([-1.0, 1.0], 4000),
    ):
        assert shape_p(wrong) < 1e-9


def _tested(values: np.ndarray, pushes: tuple[float, ...] = (0.0, 0.0, 0.0)) -> dict[str, float]:
    return noise_tests(values, values.ravel(), pushes, Fraction(SIGMA**2), 1)


def test_correct_noise_passes_every_test_and_each_fault_fails_its_own() -> None:
    """Spread, shared coordinates, shared runs and reach, each planted alone (rate of the first line: 1e-4)."""
    noise = _noise(2000, seed=3).reshape(40, 50)
    assert min(_tested(noise).values()) > LEVEL / len(audit.TESTS)
    assert _tested(noise // 2)["spread"] < 1e-9
    assert _tested(np.repeat(noise[:, :1], 50, axis=1))["shared"] < 1e-9
    assert _tested(np.repeat(noise[:1], 40, axis=0))["shared"] < 1e-9
    assert _tested(noise, (0.0, 7.0, 0.0))["reach"] < 1e-9 < 0.5 < _tested(noise, (-7.0, -7.0, -7.0))["reach"]


def test_p_values_pay_for_the_number_of_releases() -> None:
    """The least of twelve releases' p-values is multiplied by twelve, and is never above 1."""
    noise = _noise(500, seed=4).reshape(10, 50)
    once, often = (noise_tests(noise, noise.ravel(), (4.0,), Fraction(SIGMA**2), k) for k in (1, 12))
    assert often["reach"] == pytest.approx(12 * once["reach"]) and max(often.values()) <= 1.0


# -- claims, power and verdicts -------------------------------------------------------------------------------------


def test_a_claim_adds_releases_and_records() -> None:
    """mu is sqrt(2 rho); two releases add rho, two records quadruple it: both as the accounting has it."""
    two = replace(CLAIM, releases=CLAIM.releases * 2)
    assert CLAIM.mu == pytest.approx(10**4 / SIGMA)
    assert two.rho == 2 * RELEASE.rho and two.mu == pytest.approx(math.sqrt(2) * CLAIM.mu)
    assert replace(CLAIM, records=2).rho == accounting.shared_sum(RELEASE.rho, 2)


def test_the_key_changes_with_everything_that_is_claimed() -> None:
    """Mechanism, parameters, schools, delta, records, code: each gives another key; the same gives the same."""
    others = [
        replace(CLAIM, name="other"),
        replace(CLAIM, honest=5),
        replace(CLAIM, delta=Fraction(1, 10)),
        replace(CLAIM, records=2),
        replace(CLAIM, releases=(("other", RELEASE),)),
        *(
            replace(CLAIM, releases=(("moments", changed),))
            for changed in (
                replace(RELEASE, dimension=51),
                replace(RELEASE, clip_norm=Fraction(2)),
                replace(RELEASE, lattice_steps=10**4 + 1),
                replace(RELEASE, variance=RELEASE.variance + 1),
            )
        ),
    ]
    keys = {claim.key("code") for claim in (CLAIM, *others)} | {CLAIM.key("other code")}
    assert len(keys) == len(others) + 2 and CLAIM.key("code") == replace(CLAIM).key("code")


@pytest.mark.parametrize(
    "change",
    [
        {"releases": ()},
        {"records": 5},
        {"records": 0},
        {"releases": (("coarse", Release(5, Fraction(1), 10, Fraction(99))),)},
    ],
)
def test_claims_that_cannot_be_audited_are_refused(change: dict) -> None:
    """No release, more records than schools, noise too small for the tests' arithmetic."""
    with pytest.raises(AccountingError):
        replace(CLAIM, **change)


def test_power_is_that_of_exact_distributions() -> None:
    """Bound: P[Bin >= critical count]^2. Noise: below the exact chance of chi^2, and still nearly 1 at 1000 values."""
    claim = _claim_of(0.3)
    tails = [stats.binom.sf(count - 1, 5000, phi(0.15)) for count in range(2400, 3000)]
    critical = 2400 + next(index for index, tail in enumerate(tails) if tail < LEVEL)
    exact = stats.binom.sf(critical - 1, 5000, phi(0.3 / math.sqrt(2))) ** 2
    power = power_of(claim, 5000, 300)
    assert power.bound == pytest.approx(exact, rel=1e-6)
    limit = 300 - 2 * math.sqrt(300 * math.log(2 * len(audit.TESTS) / LEVEL))
    assert power.noise <= stats.chi2.cdf(2 * limit, 300) ** 2
    assert power_of(claim, 64, 1000).noise > 0.999 and power_of(claim, 64, 50).noise == 0.0
    assert power.either == max(power.bound, power.noise)


def _look(correct: int = 500, **p_values: float) -> Look:
    return Look(1000, correct, 100, correct // 10, {**QUIET, **p_values})


FULL, NONE = Power(1.0, 1.0, 0.1), Power(0.0, 0.5, 0.0)
FAILS = _look(spread=1e-9)


def _control(verdict: str) -> AuditResult:
    looks = [FAILS, FAILS] if verdict == "broken" else [_look()]
    return judge(CLAIM, "key", looks, 20, FULL, None)


@pytest.mark.parametrize(
    ("looks", "power", "control", "verdict"),
    [
        ([_look()], FULL, "broken", "holds"),
        ([FAILS, _look()], FULL, "broken", "holds"),
        ([FAILS, FAILS], FULL, "broken", "broken"),
        ([FAILS, _look(correct=700)], FULL, "broken", "broken"),
        ([_look()], FULL, "holds", "low_power"),
        ([_look()], NONE, "broken", "low_power"),
        ([FAILS, FAILS], NONE, "holds", "broken"),
    ],
)
def test_verdicts(looks: list[Look], power: Power, control: str, verdict: str) -> None:
    """Broken takes two failed looks; a control that passes, or little power, makes "holds" worth nothing."""
    assert judge(CLAIM, "key", looks, 20, power, _control(control)).verdict == verdict


def test_what_a_look_speaks_with() -> None:
    """The bound fails when the count is too high for the claim; a test at a fifth of the level, not above."""
    assert _look().failed(CLAIM) == ()
    assert _look(correct=700).failed(CLAIM) == ("bound",)
    assert _look(lattice=LEVEL / 5 * 1.01).failed(CLAIM) == ()
    assert _look(lattice=LEVEL / 5 * 0.99, reach=0.0).failed(CLAIM) == ("lattice", "reach")


def test_the_reported_bound_is_above_the_claim_just_when_the_bound_fails() -> None:
    """Verdict and figures never contradict each other, count by count."""
    for correct in range(520, 640):
        look = _look(correct=correct)
        result = judge(CLAIM, "key", [look], 20, FULL, None)
        assert (result.epsilon_lower > result.epsilon_claimed) == ("bound" in look.failed(CLAIM))


def test_a_result_survives_json() -> None:
    """As written in a cache or a finding and read again, control included; other fields are refused."""
    result = judge(CLAIM, "key", [_look()], 20, FULL, _control("broken"))
    written = json.loads(json.dumps(result.data()))
    assert result_of(written) == replace(result, parameters=written["parameters"])
    for wrong in ({**written, "extra": 1}, {k: v for k, v in written.items() if k != "verdict"}, {}):
        with pytest.raises(AccountingError):
            result_of(wrong)


def test_false_alarms_are_stated() -> None:
    """Twelve claims: below 1.5e-6 for an audit, so 200 audits pass but for 3 in 10,000 series."""
    assert audit.false_alarm(12) == pytest.approx(1.44e-6) and 200 * audit.false_alarm(12) < 3e-4


# -- the proof ------------------------------------------------------------------------------------------------------


def _texts() -> tuple[str, str]:
    sources = [Path(str(module.__file__)) for module in (audit, audit_bounds)]
    code = "".join(source.read_text("utf-8").split('"""', 2)[2] for source in sources)
    return code, sources[0].with_name("audit.md").read_text("utf-8").split("## ", 1)[1]


def _labels(text: str) -> set[str]:
    return set(re.findall(r"\[A\d+\]", text))


def test_every_label_of_the_proof_stands_in_the_code_and_the_other_way_round() -> None:
    """The proof speaks of lines that exist, and no labelled line is without its place in the proof."""
    code, proof = _texts()
    assert _labels(code) == _labels(proof) == {f"[A{number}]" for number in range(1, 12)}


def test_a_label_that_went_missing_is_noticed() -> None:
    """The planted fault, in either text."""
    code, proof = _texts()
    assert _labels(code.replace("[A4]", "")) != _labels(proof)
    assert _labels(code) != _labels(proof.replace("[A7]", ""))
