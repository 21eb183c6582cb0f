"""Nothing arrives; what every record of a finding is made of leaves: exact numbers, shares, counts, two languages."""

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_ROWS = 100_000  # receipts of 60 schools over a year of retries stay far below this
MAX_DIGITS = 4096  # a rational longer than this is an attack on the page, not a budget


def _rational(value: str) -> str:
    if len(value) > MAX_DIGITS:
        raise ValueError(f"a rational has at most {MAX_DIGITS} characters")
    try:
        Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("write an exact number as 'numerator/denominator'") from error
    return value


Rational = Annotated[str, AfterValidator(_rational)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Moment = int | datetime  # seconds since 1970 (signed statements) or an ISO 8601 moment


class Record(BaseModel):
    """Unknown keys are refused, numbers are finite, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bilingual(Record):
    """One text in both languages of the sector."""

    nl: str
    en: str

    def pick(self, language: str) -> str:
        """Return the text in `language`."""
        return self.nl if language == "nl" else self.en


class Estimate(Record):
    """A figure with its interval; the interval includes sampling and privacy noise."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError("an estimate lies inside its own interval: low <= value <= high")
        return self
