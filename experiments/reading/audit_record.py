"""What an audit found arrives as JSON; a frozen record that does not contradict itself leaves.

The shapes are those of `experiments.auditing.Audit.data` and `experiments.membership.Membership.data`. Whether the
figures follow from the counts is for an auditor's program (`experiments.auditing.read`), which needs numpy; a page
does without, and refuses only what cannot be true of any audit.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from experiments.reading.record import Count, Positive, Rational, Record, Share

WHOLE: Final = "experiment"
BOUND: Final = "bound"
SEVERITY: Final = ("broken", "low_power", "holds")  # the worst first

Verdict = Literal["holds", "low_power", "broken"]
Test = Literal["bound", "spread", "lattice", "shape", "shared", "reach"]
Method = Literal["one_run", "noise"]
Least = Annotated[float, Field(ge=0)]
Several = Annotated[int, Field(ge=1)]


class Release(Record):
    """One private sum as the audit asked it."""

    query: str
    dimension: Several
    clip_norm: Rational
    delta_steps: Several
    variance: Rational


class Parameters(Record):
    """What is claimed of: these sums, with the noise of so many schools, about a person at so many of them."""

    honest: Several
    records: Several
    delta: Rational
    releases: tuple[Release, ...] = Field(min_length=1, max_length=10_000)


class Trial(Record):
    """One attempt to break one claim; the fields are explained at `privacy.audit.AuditResult`."""

    mechanism: str
    key: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    parameters: Parameters
    canaries: Several
    correct: Count
    dimension: Several
    repeats: Several
    looks: Annotated[int, Field(ge=1, le=2)]
    epsilon_claimed: Positive
    epsilon_lower: Least
    epsilon_lower_any: Least
    epsilon_expected: Least
    power: Share
    method: Method
    failed: tuple[Test, ...]
    verdict: Verdict
    positive_control: "Trial | None"

    @property
    def caught(self) -> bool:
        """Whether the same with half the variance was called broken, as it should be."""
        return self.positive_control is not None and self.positive_control.verdict == "broken"

    @property
    def beyond(self) -> bool:
        """Whether the attacker demonstrated more than is claimed."""
        return self.epsilon_lower > self.epsilon_claimed

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.correct > self.canaries:
            raise ValueError("no more coins are guessed than there are canaries")
        if (BOUND in self.failed) != self.beyond:
            raise ValueError("the bound fails exactly when it exceeds the claim")
        if (self.verdict == "broken") != (self.looks == 2 and bool(self.failed)):
            raise ValueError("broken means that two looks failed")
        return self


class Mechanism(Record):
    """The attempts on all claims of one plan, the whole experiment first."""

    verdict: Verdict
    confidence: Annotated[float, Field(gt=0, lt=1)]
    false_alarm: Annotated[float, Field(gt=0, lt=1)]
    results: tuple[Trial, ...] = Field(min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.results[0].mechanism != WHOLE:
            raise ValueError("the audit of the whole experiment comes first")
        if any(one.positive_control is None or one.positive_control.positive_control for one in self.results):
            raise ValueError("each audit has a positive control, which has none itself")
        found = {one.verdict for one in self.results}
        if self.verdict != next(verdict for verdict in SEVERITY if verdict in found):
            raise ValueError("the verdict is that of the worst result")
        if any(one.verdict == "holds" and not one.caught for one in self.results):
            raise ValueError("nothing holds whose positive control was not caught")
        return self

    @property
    def whole(self) -> Trial:
        """The attempt on the experiment as one."""
        return self.results[0]

    def count(self, verdict: str) -> int:
        """Return how many claims have this verdict."""
        return sum(one.verdict == verdict for one in self.results)


class Guessed(Record):
    """How well members were told from others."""

    coins: Several
    auc: Share
    epsilon_lower: Least
    epsilon_lower_any: Least

    @property
    def lower(self) -> float:
        """The larger of both bounds, which is the one that decides."""
        return max(self.epsilon_lower, self.epsilon_lower_any)


class Membership(Record):
    """The weaker view: shadow models, on the models as they are released and on models without noise."""

    shadows: Several
    attacked: Several
    students: Several
    features: Several
    epsilon_reported: Positive
    found: Guessed
    control: Guessed
    verdict: Verdict

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if (self.verdict == "broken") != (self.found.lower > self.epsilon_reported):
            raise ValueError("broken means that a bound exceeds what is reported")
        return self


class Audit(Record):
    """Both views: of the sums that leave, and of the models that come out."""

    mechanism: Mechanism
    membership: Membership
