"""The school's own policy.yaml arrives; the rules that no coordinator can talk a node out of leave.

Approval, budget and fewest schools are enforced here, from the school's own files (DESIGN §2, ideas 2 and 8).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from node.errors import Refusal
from privacy import accounting
from shared_schema import documents
from shared_schema.documents import StrictModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.definition import Experiment
    from privacy.charter import Charter

SECONDS_PER_DAY = 86_400
Size = Annotated[int, Field(ge=0, le=1_000_000)]


class LifetimeBudget(StrictModel):
    """What one student may cost in a lifetime, all experiments together; kept in ρ, written as (ε, δ)."""

    epsilon: Annotated[Decimal, Field(gt=0, le=50)] = Decimal("3.0")
    delta: Annotated[Decimal, Field(gt=0, lt=Decimal("0.001"))] = Decimal("0.000001")

    @property
    def rho(self) -> Fraction:
        """The cap in ρ, rounded down."""
        return accounting.rho_from_epsilon(Fraction(self.epsilon), Fraction(self.delta))


class Policy(StrictModel):
    """What the school decided. Everything has a careful default; only the public sizes must be filled in."""

    policy: Literal[1]
    public_size: Annotated[dict[int, Size], Field(min_length=1)]
    ready: bool = False
    fewest_schools: Annotated[int, Field(ge=3)] = 3
    smallest_cohort: Annotated[int, Field(ge=10)] = 50
    least_collusion_threshold: Annotated[int, Field(ge=1)] = 1
    lifetime_budget: LifetimeBudget = LifetimeBudget()
    own_figures: bool = False
    sensitive_on_list: bool = False
    plan_days: Annotated[int, Field(ge=1, le=366)] = 30
    countersigned_days: Annotated[int, Field(ge=1, le=3660)] = 366


def read_policy(path: Path) -> Policy:
    """Read policy.yaml; unknown keys are refused with their line."""
    return documents.read(path, Policy)


def check_experiment(policy: Policy, charter: Charter, experiment: Experiment, school: str) -> None:
    """Refuse an experiment that the school's own rules do not allow; looks at declared public figures only.

    Raises `Refusal` with code not_ready, charter_too_weak or cohort_too_small.
    """
    if not policy.ready:
        raise Refusal("not_ready", "The operator says when data are ready.", "ready: false", "Set ready: true.")
    if charter.collusion_threshold < policy.least_collusion_threshold:
        raise Refusal(
            "charter_too_weak",
            f"At least {policy.least_collusion_threshold} colluding schools must be withstood.",
            f"charter with t = {charter.collusion_threshold}",
            "Agree on a charter with a larger threshold, or change the school's policy.",
        )
    _check_cohorts(policy, charter, experiment, school)


def _check_cohorts(policy: Policy, charter: Charter, experiment: Experiment, school: str) -> None:
    least = max(policy.smallest_cohort, experiment.definition.schools.smallest_cohort)
    enrolments = charter.school(school).enrolments
    for cohort in experiment.definition.population.cohorts:
        if 0 < enrolments.get(cohort, 0) < least:
            raise Refusal(
                "cohort_too_small",
                f"A cohort asked about has a declared public size of at least {least}.",
                f"cohort {cohort} with {enrolments[cohort]}",
                "Leave the cohort out of the experiment.",
            )


def check_seen(policy: Policy, last_seen: int, now: int) -> None:
    """Refuse a new run when the FG has not looked at the ledger for too long (seconds since 1970 UTC).

    A head that the FG carries outside the node is what a rewritten ledger is held against. Raises `Refusal` with code
    head_too_old.
    """
    days = (now - last_seen) // SECONDS_PER_DAY
    if days > policy.countersigned_days:
        raise Refusal(
            "head_too_old",
            f"The FG countersigned the ledger less than {policy.countersigned_days} days ago.",
            f"{days} days",
            "Look at it and sign: coalition-node ledger NODE --countersign.",
        )


def check_roster(policy: Policy, charter: Charter, experiment: Experiment, schools: Sequence[str]) -> None:
    """Refuse a roster below the fewest schools of node, charter or experiment, or with t + 1 schools or fewer."""
    least = max(
        policy.fewest_schools,
        charter.smallest_roster,
        experiment.definition.schools.fewest,
        charter.collusion_threshold + 2,
    )
    if len(schools) < least:
        raise Refusal(
            "too_few_schools",
            f"At least {least} schools answer together.",
            f"{len(schools)} schools",
            "Ask more schools.",
        )
    if list(schools) != sorted(set(schools)):
        raise Refusal("roster_unsorted", "Each school stands once, by id.", "another order", "Send the roster sorted.")


def check_attempt(charter: Charter, approved: Sequence[str], roster: Sequence[str], attempt: int) -> None:
    """Attempt 0 asks every approved school; a later one a subset of more than (n₀ + t)/2 of them.

    Any two such rosters share an honest school, so at most one of them opens (DESIGN §3, Slots).
    """
    if not set(roster) <= set(approved):
        raise Refusal(
            "roster_not_approved",
            "Only approved schools take part.",
            "a school outside",
            "Ask the approved schools.",
        )
    if attempt == 0 and list(roster) != list(approved):
        raise Refusal(
            "roster_incomplete",
            "Attempt 0 asks every approved school.",
            f"{len(roster)} schools",
            "Raise the attempt.",
        )
    if 2 * len(roster) <= len(approved) + charter.collusion_threshold:
        raise Refusal(
            "roster_too_small",
            f"A later attempt asks more than ({len(approved)} + {charter.collusion_threshold})/2 schools.",
            f"{len(roster)} schools",
            "Wait until more schools are back.",
        )
