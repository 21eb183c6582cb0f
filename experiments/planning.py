"""A frozen experiment and a charter arrive; every step's queries, clip norms, noise and cost leave, known beforehand.

Coordinator and node each derive the plan themselves, so that no parameter has to be believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from experiments.errors import PlanError
from experiments.queries.two_stage import Split, two_stage
from experiments.queries.two_stage import Step as AskedStep
from experiments.selection import features_of
from privacy import accounting
from privacy.private_sum import Release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from experiments.definition import Definition, Experiment
    from experiments.queries.base import Query
    from privacy.charter import Charter
    from shared_schema import Schema

PREPARE_AND_CLOSE = 2
ATTEMPTS_PER_STEP = 2
# The lattice is fine: n_max * gamma <= sigma / 100, so that truncation bias stays far below the noise.
BIAS_SHARE = 100
SMALLEST_LATTICE = 2**10
COSTS_PER_RHO = 10**9


@dataclass(frozen=True)
class PlannedQuery:
    """One query and the private sum that answers it."""

    query: Query
    release: Release


@dataclass(frozen=True)
class Step:
    """What rides in one exchange: its queries share one concatenated vector and one keystream."""

    index: int
    queries: tuple[PlannedQuery, ...]

    @property
    def dimension(self) -> int:
        """Length of the concatenated vector."""
        return sum(planned.release.dimension for planned in self.queries)

    @property
    def releases(self) -> tuple[Release, ...]:
        """The private sums, in the order in which they are concatenated."""
        return tuple(planned.release for planned in self.queries)

    @property
    def rho(self) -> Fraction:
        """Cost for one student, exact."""
        return sum((release.rho for release in self.releases), Fraction(0))


@dataclass(frozen=True)
class Plan:
    """Every step of an experiment and what it costs one student of a declared cohort."""

    steps: tuple[Step, ...]
    retries: int
    accounts: tuple[tuple[str, int], ...]
    delta: Fraction

    @property
    def rho(self) -> Fraction:
        """ρ when no step is asked twice."""
        return sum((step.rho for step in self.steps), Fraction(0))

    @property
    def rho_reserved(self) -> Fraction:
        """ρ with every allowed retry of the dearest step: what a node sets aside before it starts."""
        return self.rho + self.retries * max(step.rho for step in self.steps)

    @property
    def exchanges(self) -> int:
        """Exchanges of a run without retries: prepare, each step, close."""
        return len(self.steps) + PREPARE_AND_CLOSE

    @property
    def epsilon(self) -> float:
        """ε at the experiment's δ of the whole reservation."""
        return accounting.epsilon_from_rho(self.rho_reserved, self.delta)


def plan(experiment: Experiment, charter: Charter, schema: Schema) -> Plan:
    """Derive the plan: budget → ρ of each step → σ² of each private sum.

    The experiment's ε covers everything, so ρ is shared among the steps after the retry allowance is set aside.
    Raises `PlanError` for a cohort whose public size the charter does not declare, or for more students than the
    charter plans for; `AccountingError` when the schools' noises together are not as good as one (DESIGN §3).
    """
    definition = experiment.definition
    total = accounting.rho_from_epsilon(Fraction(definition.budget.epsilon), Fraction(definition.budget.delta))
    features, students = len(features_of(experiment, schema)), public_size(experiment, charter)
    _check_planned(students, charter)
    dearest = max(sum(share for _, share in step) for step in _asked(definition, features, students, total))
    plan_rho = total / (1 + definition.budget.retries * dearest)
    asked = _asked(definition, features, students, plan_rho)
    steps = tuple(_step(index, step, plan_rho, charter.planning_students) for index, step in enumerate(asked, 1))
    honest = len(charter.schools) - charter.collusion_threshold
    accounting.sum_correction(((r.dimension, r.variance) for step in steps for r in step.releases), honest)
    accounts = tuple((definition.population.name, cohort) for cohort in definition.population.cohorts)
    return Plan(steps, definition.budget.retries, accounts, Fraction(definition.budget.delta))


def _check_planned(students: int, charter: Charter) -> None:
    """Lattice and reply slots follow from the planning total, so public sizes stay within it; rows never matter."""
    if students > charter.planning_students:
        raise PlanError(
            f"the charter plans for {charter.planning_students} students",
            f"cohorts of {students} by its own public sizes",
            "name fewer cohorts, or agree on a charter with a larger planning total",
        )


def _asked(definition: Definition, features: int, students: int, rho: Fraction) -> tuple[AskedStep, ...]:
    """The queries of each step and their shares of ρ, from public figures only."""
    held_out = math.ceil(students * definition.evaluation.held_out)
    split = definition.budget.split
    shares = Split(Fraction(split.moments), Fraction(split.gradients), Fraction(split.score_table))
    return two_stage(features, students - held_out, held_out, rho, shares)[1]


def _step(index: int, asked: Sequence[tuple[Query, Fraction]], rho: Fraction, students: int) -> Step:
    return Step(index, tuple(PlannedQuery(query, release_for(query, share * rho, students)) for query, share in asked))


def release_for(query: Query, rho: Fraction, planning_students: int) -> Release:
    """The private sum of one query at a cost of at most ρ, rounded down to a whole number of 10⁻⁹.

    Δ = C/γ is the smallest power of two with n_max·γ ≤ σ/100, that is Δ² ≥ 2ρ·(100·n_max)². σ² = Δ²/(2ρ) is a
    rational, so that costs are short decimals which an FG can add up by hand.
    """
    cost = Fraction(int(rho * COSTS_PER_RHO), COSTS_PER_RHO)
    if cost == 0:
        raise PlanError(f"a query costs at least 1/{COSTS_PER_RHO} in ρ", "less", "raise epsilon or ask fewer steps")
    needed = 2 * cost * (BIAS_SHARE * planning_students) ** 2
    steps = SMALLEST_LATTICE
    while steps * steps < needed:
        steps *= 2
    release = Release(query.dimension, query.clip, steps, Fraction(steps * steps) / (2 * cost))
    release.check_planning(planning_students)
    return release


def initial_state(plan: Plan) -> dict[str, np.ndarray]:
    """The public state before the first step: what every query starts from."""
    state: dict[str, np.ndarray] = {}
    for step in plan.steps:
        for planned in step.queries:
            state |= planned.query.initial_state()
    return state


def state_for(query: Query, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The part of the public state that one query is asked at."""
    return {key: state[key] for key in query.bounds() if key in state}


def asked_at(step: Step, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The part of the public state that travels with a step: what its queries are asked at, and nothing else."""
    return {key: array for planned in step.queries for key, array in state_for(planned.query, state).items()}


def noise_sd(release: Release, roster: int, collusion_threshold: int) -> float:
    """Standard deviation of the noise on each coordinate of an opened sum, in the query's own units.

    Each of n schools adds variance σ²/(n − t), so the opened sum carries σ²·n/(n − t): at least σ² remains
    whichever t schools are left out.
    """
    variance = release.variance * roster / (roster - collusion_threshold)
    return float(release.gamma) * math.sqrt(variance)


def absorb(
    step: Step, totals: Sequence[np.ndarray], roster: int, charter: Charter, state: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The public state after a step: each query absorbs its opened total. Coordinator and auditor both call this."""
    after = dict(state)
    for planned, total in zip(step.queries, totals, strict=True):
        sd = noise_sd(planned.release, roster, charter.collusion_threshold)
        after = planned.query.absorb(after, total, sd)
    return after


def least_roster(experiment: Experiment, charter: Charter, approved: int) -> int:
    """The fewest schools that may answer an attempt after the first, of so many that approved (DESIGN §3, Slots).

    More than (n₀ + t)/2, so that any two rosters share an honest school; and never below charter or experiment.
    """
    t = charter.collusion_threshold
    return max(charter.smallest_roster, experiment.definition.schools.fewest, t + 2, (approved + t) // 2 + 1)


def public_size(experiment: Experiment, charter: Charter) -> int:
    """Students of the declared cohorts at all schools together, by the charter's public figures."""
    return sum(cohort_sizes(experiment, charter, school.id) for school in charter.schools)


def cohort_sizes(experiment: Experiment, charter: Charter, school: str) -> int:
    """Declared public size of one school's cohorts that the experiment names (0 where it has none)."""
    enrolments = charter.school(school).enrolments
    size = sum(enrolments.get(cohort, 0) for cohort in experiment.definition.population.cohorts)
    if size == 0:
        raise PlanError(
            f"school {school} declares a public size for the cohorts asked about",
            f"none for {experiment.definition.population.cohorts}",
            "name other cohorts, or agree on a new charter version",
        )
    return size
