"""A YAML experiment arrives; a frozen, hashed `Experiment` leaves that every school can read the same way."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from experiments.errors import DefinitionError
from privacy import canonical
from shared_schema import SchemaError, documents
from shared_schema.documents import Bilingual, StrictModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared_schema import Schema

TAG = "datacoalitie/experiment/1"
MAX_BYTES = 2**18
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,60}$")]
Share = Annotated[Decimal, Field(gt=0, lt=1)]


class Legal(StrictModel):
    """What the AVG asks a controller to be able to show (DOMAIN §5)."""

    ground: str
    agreement: str
    dpia: str
    retention: str
    ethics: str


class Population(StrictModel):
    """Whose rows are asked about; each cohort named is charged, present or not."""

    name: Literal["students"] = "students"
    cohorts: Annotated[list[Annotated[int, Field(ge=1990, le=2100)]], Field(min_length=1, max_length=12)]

    @model_validator(mode="after")
    def _cohorts_once(self) -> Population:
        if sorted(set(self.cohorts)) != self.cohorts:
            raise ValueError("cohorts stand once each, in ascending order")
        return self


class Features(StrictModel):
    """Which declared features the model sees, and up to which school week."""

    cutoff_week: Annotated[int, Field(ge=0, le=52)] = 10
    groups: list[str] = Field(min_length=1, default_factory=lambda: ["background", "attendance", "results"])
    exclude: list[str] = Field(default_factory=list)


class Split(StrictModel):
    """Shares of the plan's ρ; they add to one."""

    moments: Share = Decimal("0.10")
    gradients: Share = Decimal("0.80")
    score_table: Share = Decimal("0.10")

    @model_validator(mode="after")
    def _whole(self) -> Split:
        total = self.moments + self.gradients + self.score_table
        if total != 1:
            raise ValueError(f"the shares moments, gradients and score_table add up to exactly 1, and not to {total}")
        return self


class Budget(StrictModel):
    """ε and δ for one student at one school: everything, retries included."""

    epsilon: Annotated[Decimal, Field(gt=0, le=20)] = Decimal("1.0")
    delta: Annotated[Decimal, Field(gt=0, lt=Decimal("0.001"))] = Decimal("0.000001")
    split: Split = Split()
    retries: Annotated[int, Field(ge=0, le=8)] = 1


class Evaluation(StrictModel):
    """How the finding is measured: the share of students the model never sees."""

    held_out: Annotated[Decimal, Field(ge=Decimal("0.05"), le=Decimal("0.5"))] = Decimal("0.25")


class Schools(StrictModel):
    """The fewest schools and the smallest declared cohort this experiment may run with."""

    fewest: Annotated[int, Field(ge=3, le=1000)] = 3
    smallest_cohort: Annotated[int, Field(ge=10)] = 50


class Definition(StrictModel):
    """What an analyst writes."""

    experiment: Name
    definition: Literal[1]
    title: Bilingual
    question: Bilingual
    purpose: Bilingual
    legal: Legal
    query: Literal["two_stage_logistic"]
    population: Population
    outcome: str
    features: Features = Features()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    schools: Schools = Schools()


@dataclass(frozen=True)
class Experiment:
    """A definition frozen against one shared schema.

    `schema_hash` pins every declared column, bound and code list, the coalition's extension included; `hash`
    is what each school's FG signs.
    """

    definition: Definition
    schema_hash: bytes

    @property
    def encoded(self) -> bytes:
        """Canonical bytes: the same for every school that reads the same definition."""
        return canonical.tagged(TAG, _plain(self.definition.model_dump()), self.schema_hash)

    @property
    def hash(self) -> bytes:
        """SHA-256 over the canonical bytes."""
        return canonical.digest(TAG, _plain(self.definition.model_dump()), self.schema_hash)


def read(path: Path) -> Definition:
    """Read a definition; unknown keys and values outside their range are refused with the line they stand on."""
    return documents.read(path, Definition)


def freeze(definition: Definition, schema: Schema) -> Experiment:
    """Bind a definition to the schema it was written for.

    Raises `DefinitionError` when the outcome or a named feature is not declared in that schema.
    """
    experiment = Experiment(definition, schema.hash)
    from experiments.selection import check_names

    check_names(experiment, schema)
    return experiment


def thaw(encoded: bytes) -> Experiment:
    """Read an experiment from the wire; refuse anything that does not encode back to the same bytes."""
    fields = canonical.decode(encoded, max_bytes=MAX_BYTES)
    if not canonical.is_tagged(fields, TAG, 3):
        raise DefinitionError("an experiment on the wire starts with its tag", "another tag", f"send {TAG}")
    experiment = Experiment(_definition(fields[1]), _hash(fields[2]))
    if experiment.encoded != encoded:
        raise DefinitionError(
            "a frozen experiment names every setting", "left-out or extra settings", "freeze it again"
        )
    return experiment


def _definition(document: Any) -> Definition:
    try:
        return documents.read_data(_decimals(document), Definition, "experiment")
    except (SchemaError, TypeError) as error:  # TypeError: something that no YAML document can hold
        raise DefinitionError(
            "a frozen experiment is a valid definition", type(error).__name__, "freeze it again"
        ) from None


def _hash(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != 32:
        raise DefinitionError("a schema hash is 32 bytes", "something else", "freeze the experiment again")
    return value


def _plain(value: Any) -> Any:
    """Decimals become exact fractions, the only numbers beside integers that are ever hashed."""
    if isinstance(value, Decimal):
        return Fraction(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _decimals(value: Any) -> Any:
    if isinstance(value, Fraction):
        return Decimal(value.numerator) / Decimal(value.denominator)
    if isinstance(value, dict):
        return {key: _decimals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decimals(item) for item in value]
    return value


def describe(experiment: Experiment) -> Mapping[str, Any]:
    """The definition as plain JSON values, for a page or an FG's screen."""
    return experiment.definition.model_dump(mode="json")
