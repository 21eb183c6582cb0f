"""Opened sums of canaries arrive; a lower bound on epsilon, p-values of the noise and a verdict leave.

A canary is an invented student whose vector is in the sum or out of it by a fair coin. Whoever sees the opened
sums guesses each coin; a mechanism that keeps its claim limits how often such guesses are right (Steinke, Nasr,
Jagielski 2023, arXiv:2305.08846; for f-DP Mahloujifar, Melis, Chaudhuri 2024, arXiv:2410.22235). Beside the
guesses the noise itself is tested: its spread, its lattice, its shape, whether coordinates share it, and how far a
crowd of equal canaries pushes a sum. Claims and proofs stand in `audit.md`; its labels [A1] to [A11] mark lines here
and in `audit_bounds.py`.

Formal guarantee. A correct mechanism fails one look with probability at most LOOK_FALSE_ALARM, and is called broken
only when two independent looks fail. Nothing here ever sees a student's row: the sums are of canaries alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final

from privacy import canonical
from privacy.accounting import shared_sum
from privacy.audit_bounds import (
    LEVEL,
    binomial_tail,
    chi_square_p,
    gaussian_epsilon,
    gaussian_mu,
    lattice_p,
    one_run_mu,
    phi,
    shape_p,
)
from privacy.errors import AccountingError
from privacy.lattice import Integers
from privacy.private_sum import Release

KEY_TAG: Final = "datacoalitie/audit/1"
LOOK_FALSE_ALARM: Final = 2 * LEVEL
"""Of one look at one claim: the bound may err with LEVEL, all tests of the noise together with as much."""
ATTEMPTS: Final = 3
"""How often an audit of low power is repeated, each time twice as large, before that is what is reported."""
LEAST_POWER: Final = 0.99
LEAST_VARIANCE: Final = Fraction(10**8)
"""From sigma = 10,000 steps on, a discrete Gaussian passes for a continuous one in every test here [A10]."""
BOUND: Final = "bound"
TESTS: Final = ("spread", "lattice", "shape", "shared", "reach")
BROKEN: Final = "broken"
HOLDS: Final = "holds"
LOW_POWER: Final = "low_power"


@dataclass(frozen=True)
class Claim:
    """What is said of a mechanism: these private sums, asked of the same student, each with its noise.

    releases: (query name, parameters) of each sum; honest: schools that share the noise of each sum; delta: where
    epsilon is read; records: at how many of those schools one person stands (2: the two-school case).
    Raises `AccountingError` for no release, more records than schools, or noise below 10,000 lattice steps.
    """

    name: str
    releases: tuple[tuple[str, Release], ...]
    honest: int
    delta: Fraction
    records: int = 1

    def __post_init__(self) -> None:
        if not self.releases or not 1 <= self.records <= self.honest:
            raise _error("An audit has releases, and one record a school at most.", f"{self.records} records")
        if min(release.variance for _, release in self.releases) < LEAST_VARIANCE:
            raise _error("Audited noise has a sigma of at least 10,000 lattice steps.", "less")

    @property
    def rho(self) -> Fraction:
        """What all releases together cost one person, exact."""
        return shared_sum(sum((release.rho for _, release in self.releases), Fraction(0)), self.records)

    @property
    def mu(self) -> float:
        """sqrt(2 rho): how far "in" and "out" lie apart, in standard deviations of the noise [A1]."""
        return math.sqrt(2 * self.rho)

    @property
    def epsilon(self) -> float:
        """The exact epsilon of Gaussian noise at `delta`: below the reported one, so the stricter claim."""
        return gaussian_epsilon(self.mu, self.delta)

    def parameters(self) -> dict[str, Any]:
        """Everything that the claim consists of, as plain data; rationals are text."""
        releases = [
            {
                "query": query,
                "dimension": release.dimension,
                "clip_norm": str(release.clip_norm),
                "delta_steps": release.lattice_steps,
                "variance": str(release.variance),
            }
            for query, release in self.releases
        ]
        return {"honest": self.honest, "records": self.records, "delta": str(self.delta), "releases": releases}

    def key(self, code: str) -> str:
        """SHA-256, in hexadecimal, of mechanism, all parameters, and `code`, which names the program audited."""
        sums: list[canonical.Value] = [
            [query, release.dimension, release.clip_norm, release.lattice_steps, release.variance]
            for query, release in self.releases
        ]
        return canonical.digest(KEY_TAG, code, self.name, sums, self.honest, self.records, self.delta).hex()


@dataclass(frozen=True)
class Look:
    """One run of an audit: correct guesses of all canaries, of the clearest ones, and a p-value for each test."""

    canaries: int
    correct: int
    clear: int
    clear_correct: int
    p_values: Mapping[str, float]

    def failed(self, claim: Claim) -> tuple[str, ...]:
        """Names of what this look speaks with: the bound, or tests of the noise [A8]."""
        beyond = binomial_tail(self.correct, self.canaries, phi(claim.mu / 2)) < LEVEL
        noise = tuple(name for name in TESTS if self.p_values[name] < LEVEL / len(TESTS))
        return ((BOUND,) if beyond else ()) + noise


@dataclass(frozen=True)
class Power:
    """Decided beforehand: the chances that noise of half the variance is called broken, by bound and by tests.

    expected: the bound on epsilon that a correct mechanism leads to in the typical case.
    """

    bound: float
    noise: float
    expected: float

    @property
    def either(self) -> float:
        """The chance that halved noise is called broken, at least."""
        return max(self.bound, self.noise)


@dataclass(frozen=True)
class AuditResult:
    """What an audit found, as it stands in a finding.

    epsilon_claimed: exact, at the claim's delta; epsilon_lower: 99.99 % lower bound where every coordinate has noise
    of its own (the Gaussian hypothesis); epsilon_lower_any: the same for any mechanism with that trade-off, however
    its guesses hang together. dimension: of all releases together; repeats: the most runs of one release; power:
    chance, beforehand, that halved noise is called broken. method: "one_run" where the guesses alone have that power,
    else "noise" (repeated, the noise tested). failed: what the last look spoke with. verdict: holds, broken or
    low_power. positive_control: the same audit of the same code with the variance halved; a control has none.
    """

    mechanism: str
    key: str
    parameters: Mapping[str, Any]
    canaries: int
    correct: int
    dimension: int
    repeats: int
    looks: int
    epsilon_claimed: float
    epsilon_lower: float
    epsilon_lower_any: float
    epsilon_expected: float
    power: float
    method: str
    failed: tuple[str, ...]
    verdict: str
    positive_control: AuditResult | None

    def data(self) -> dict[str, Any]:
        """The result as JSON has it, its control included."""
        control = None if self.positive_control is None else self.positive_control.data()
        return {**asdict(self), "failed": list(self.failed), "positive_control": control}


def result_of(data: Mapping[str, Any]) -> AuditResult:
    """Read what `AuditResult.data` became in JSON. Raises `AccountingError` for anything else."""
    try:
        control = data["positive_control"]
        parts = {
            "failed": tuple(data["failed"]),
            "positive_control": None if control is None else result_of(control),
        }
        return AuditResult(**{**data, **parts})
    except (KeyError, TypeError):
        raise _error("An audit's record has exactly its own fields.", "others") from None


def judge(
    claim: Claim, key: str, looks: Sequence[Look], repeats: int, power: Power, control: AuditResult | None
) -> AuditResult:
    """Return the result of one look, or of two when the first failed. The figures are those of the last look.

    Broken: both looks failed [A8]. Low power: halved noise was unlikely to be noticed, or was not noticed.
    """
    last = looks[-1]
    broken = len(looks) == 2 and all(look.failed(claim) for look in looks)
    weak = power.either < LEAST_POWER or (control is not None and control.verdict != BROKEN)
    return AuditResult(
        mechanism=claim.name,
        key=key,
        parameters=claim.parameters(),
        canaries=last.canaries,
        correct=last.correct,
        dimension=sum(release.dimension for _, release in claim.releases),
        repeats=repeats,
        looks=len(looks),
        epsilon_claimed=claim.epsilon,
        epsilon_lower=gaussian_epsilon(gaussian_mu(last.correct, last.canaries), claim.delta),
        epsilon_lower_any=gaussian_epsilon(one_run_mu(last.canaries, last.clear, last.clear_correct), claim.delta),
        epsilon_expected=power.expected,
        power=power.either,
        method="one_run" if power.bound >= LEAST_POWER else "noise",
        failed=last.failed(claim),
        verdict=BROKEN if broken else LOW_POWER if weak else HOLDS,
        positive_control=control,
    )


def false_alarm(claims: int) -> float:
    """The chance, at most, that a correct mechanism is called broken for any of so many claims [A8]."""
    return claims * ATTEMPTS * LOOK_FALSE_ALARM**2


def power_of(claim: Claim, canaries: int, values: int) -> Power:
    """Return the power of two looks, for so many canaries and, of the rarest release, so many values of noise [A9]."""
    halved = phi(claim.mu / math.sqrt(2))  # half the variance: mu grows by sqrt 2
    bound = binomial_tail(_critical(canaries, claim.mu), canaries, halved)
    typical = math.floor(canaries * phi(claim.mu / 2))
    expected = gaussian_epsilon(gaussian_mu(typical, canaries), claim.delta)
    return Power(bound**2, _spread_power(values, len(claim.releases)) ** 2, expected)


def noise_tests(
    residuals: Integers, free: Integers, pushes: Sequence[float], variance: Fraction, releases: int
) -> dict[str, float]:
    """Return a p-value for each of `TESTS`, multiplied by the number of p-values and releases it is the least of.

    residuals: int64 [runs, d], opened sums less what the canaries in them add, in lattice steps; free: int64 [k],
    those of them that hold no canary; pushes: how far crowds went beyond their bound, in sigmas; variance: sigma^2
    as claimed.
    """
    values = residuals / math.sqrt(variance)
    runs, dimension = values.shape
    over_coordinates = chi_square_p(float((values.sum(axis=1) ** 2).sum()) / dimension, runs)
    over_runs = chi_square_p(float((values.sum(axis=0) ** 2).sum()) / runs, dimension)
    found = {
        "spread": chi_square_p(float((values**2).sum()), values.size),
        "lattice": 2 * lattice_p(free),  # two ways to fail
        "shape": shape_p(values.ravel()),
        "shared": 2 * min(over_coordinates, over_runs),
        "reach": len(pushes) * min(phi(-push) for push in pushes),  # [A11]
    }
    return {name: min(1.0, releases * p) for name, p in found.items()}


def _critical(canaries: int, mu: float) -> int:
    """The least number of correct guesses that puts the bound above `mu`; one more than all if none does."""
    low, high = 0, canaries + 1
    while high - low > 1:
        middle = (low + high) // 2
        beyond = binomial_tail(middle, canaries, phi(mu / 2)) < LEVEL
        low, high = (low, middle) if beyond else (middle, high)
    return high


def _spread_power(values: int, releases: int) -> float:
    """The chance, at least, that half the variance in one release fails the spread test: A6 both ways [A9]."""
    root = math.sqrt(math.log(2 * releases * len(TESTS) / LEVEL))
    room = values - 4 * math.sqrt(values) * root  # chi^2_D / 2 <= D - 2 sqrt(D) root  <=>  chi^2_D <= D + room
    if room <= 0:
        return 0.0
    slack = (math.sqrt(values + 2 * room) - math.sqrt(values)) / 2
    return 1 - math.exp(-slack * slack)


def _error(rule: str, found: str) -> AccountingError:
    return AccountingError(f"{rule} Found: {found}. Plan the audit again with this platform.")
