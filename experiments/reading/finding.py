"""A finding's JSON object arrives; a frozen, checked `Finding` leaves, or an error that names the place."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from experiments.reading.audit_record import Audit
from experiments.reading.errors import FindingError
from experiments.reading.record import (
    MAX_ROWS,
    Bilingual,
    Count,
    Estimate,
    Moment,
    Positive,
    Rational,
    Record,
    Share,
)


class School(Record):
    """A school as the charter names it."""

    id: str
    name: str


class Outcome(Record):
    """What was predicted."""

    name: str
    label: Bilingual


class Population(Record):
    """Whom the finding speaks about; sizes are noisy counts."""

    cohorts: tuple[int, ...]
    schools: tuple[School, ...] = Field(min_length=1, max_length=1000)
    students: Estimate | None
    held_out: Estimate | None
    base_rate: Estimate | None


class Weight(Record):
    """What the model learned about one feature; an odds ratio may carry an interval."""

    feature: str
    label: Bilingual
    group: str
    weight: float | Estimate
    odds_ratio: Positive | Estimate


class Model(Record):
    """The published model."""

    method: str
    weights: tuple[Weight, ...]


class AtK(Record):
    """Quality of the top share `k` of the ranked list."""

    k: Annotated[float, Field(gt=0, le=1)]
    precision: Estimate | None
    recall: Estimate | None
    lift: Estimate | None


class CalibrationBin(Record):
    """One group of students with about the same predicted chance."""

    predicted: Share
    observed: Estimate | None
    students: Count | None
    suppressed: bool


class Evaluation(Record):
    """How good the model is on students it did not learn from."""

    auc: Estimate | None
    brier: Estimate | None
    at_k: tuple[AtK, ...]
    calibration: tuple[CalibrationBin, ...]
    privacy_dominates: bool


class SchoolComparison(Record):
    """One school's own model beside the joint one, on that school's students."""

    id: str
    name: str
    students: Count | None
    local_auc: Share | None
    federated_auc: Share | None


class Comparison(Record):
    """What a rehearsal may show and production may not: pooled and local models."""

    pooled_auc: Share
    federated_auc: Share
    schools: tuple[SchoolComparison, ...]


class Step(Record):
    """One private sum that was released; `variance` is sigma squared in lattice units squared."""

    step: Count
    attempt: Count
    query: str
    dimension: Count
    clip_norm: Rational
    delta_steps: Annotated[int, Field(gt=0)]
    variance: Rational
    rho: Rational

    @model_validator(mode="after")
    def _cost_follows(self) -> Self:
        if Fraction(self.variance) <= 0:
            raise ValueError("the variance of the noise is positive")
        if Fraction(self.rho) != Fraction(self.delta_steps**2) / (2 * Fraction(self.variance)):
            raise ValueError("rho equals delta_steps^2 / (2 * variance), exactly")
        return self


class Account(Record):
    """What this experiment cost one school's students of one cohort, and the most its FG allowed it to cost."""

    school: str
    population: str
    cohort: int | str
    rho_spent: Rational
    rho_cap: Rational
    epsilon_zcdp: float
    epsilon_pld: float | None


class TwoSchools(Record):
    """The cost for a person enrolled at two of the schools."""

    epsilon_zcdp: float


class Privacy(Record):
    """The price of the finding, in exact numbers."""

    unit: Bilingual
    epsilon: Positive
    delta: Rational
    rho_plan: Rational
    roster: Count
    collusion_threshold: Count
    steps: tuple[Step, ...] = Field(max_length=MAX_ROWS)
    accounts: tuple[Account, ...] = Field(max_length=MAX_ROWS)
    two_schools: TwoSchools | None
    exchanges: Count
    attempts: Count


class Approval(Record):
    """A school's FG said yes to exactly this definition."""

    school: str
    serial: int
    expires: Moment
    signed_at: Moment


class Receipt(Record):
    """A school signed what it sent."""

    school: str
    step: Count
    attempt: Count
    context: str
    payload: str
    head: str


class Head(Record):
    """The last entry of a school's ledger."""

    school: str
    seq: Count
    head: str


class Review(Record):
    """A person read the finding and let it through."""

    reviewer: str
    school: str
    signed_at: Moment


class Evidence(Record):
    """What an auditor needs to check the finding without trusting anyone."""

    definition_hash: str
    charter_hash: str
    run: str
    approvals: tuple[Approval, ...]
    receipts: tuple[Receipt, ...] = Field(max_length=MAX_ROWS)
    heads: tuple[Head, ...]
    reviews: tuple[Review, ...]
    submitter: str


class DisclosureRule(Record):
    """One automatic rule, and what it found."""

    rule: str
    status: str
    where: str | None


class Disclosure(Record):
    """Outcome of the automatic disclosure check."""

    passed: bool
    rules: tuple[DisclosureRule, ...]


class Finding(Record):
    """Version 1 of a published finding; every key is present, null where it does not apply.

    One key came later: a finding without `audit` is from before mechanisms were audited, and reads as one without.
    """

    schema_version: Literal[1]
    kind: Literal["finding"]
    title: Bilingual
    question: Bilingual
    purpose: Bilingual
    rehearsal: bool
    created: datetime | None  # null in a draft that reviewers read
    coalition: str
    experiment: str
    outcome: Outcome
    cutoff_week: Count
    population: Population
    model: Model
    evaluation: Evaluation
    comparison: Comparison | None
    privacy: Privacy
    audit: Audit | None = None
    evidence: Evidence
    disclosure: Disclosure
    limits: tuple[Bilingual, ...]

    @model_validator(mode="after")
    def _comparison_only_in_a_rehearsal(self) -> Self:
        if self.comparison is not None and not self.rehearsal:
            raise ValueError("pooled and local models are shown only in a rehearsal: leave `comparison` null")
        return self

    @model_validator(mode="after")
    def _audit_is_of_this_promise(self) -> Self:
        if self.audit is not None:
            whole, promised = self.audit.mechanism.whole, self.privacy
            same = Fraction(whole.parameters.delta) == Fraction(promised.delta)
            if not same or whole.epsilon_claimed > promised.epsilon:
                raise ValueError("an audit tests what is promised here: the same delta and no larger epsilon")
        return self

    def school_name(self, identifier: str) -> str:
        """Return the school's name, or its id when the population does not list it."""
        names = {school.id: school.name for school in self.population.schools}
        return names.get(identifier, identifier)


def read(source: Mapping[str, Any]) -> Finding:
    """Check a finding's JSON object.

    Raises
    ------
    FindingError: the first thing that is wrong, with its path; the offending value is not repeated.
    """
    try:
        return Finding.model_validate(dict(source))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole finding"
        raise FindingError(
            "a finding has exactly the keys and types of version 1",
            f"{first['msg']} at {place} ({error.error_count()} in all)",
            "write the finding with the program that publishes it, not by hand",
        ) from None
