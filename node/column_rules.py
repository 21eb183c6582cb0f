"""Arrives: what a mapping says about one column. Leaves: a frozen rule, of a closed list; never code.

Wherever a rule is expected, four shorthands hold: text is a source column, a number or true/false is a constant,
a date written yyyy-mm-dd is a constant, null is missing. `node/computed.py` carries the rules out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

from shared_schema.documents import StrictModel

DateFormat: TypeAlias = Literal["dd-mm-yyyy", "yyyy-mm-dd", "yyyymmdd", "yyyymm"]


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _exact(value: Any) -> Any:
    """A decimal as it was written: at most 15 digits, so its binary form still shows them all."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def _exact_number(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", value):
        return Decimal(value)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else _exact(value)


T = TypeVar("T")
Many: TypeAlias = Annotated[tuple[T, ...], BeforeValidator(_listed)]
Number: TypeAlias = Annotated[Decimal, BeforeValidator(_exact_number)]  # 0.5 and "0.5" are the same number
Scalar: TypeAlias = Annotated[bool | int | Decimal | str | None, BeforeValidator(_exact)]

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Part(StrictModel):
    """A part of a mapping: frozen, strict, and an unknown key is an error."""

    model_config = ConfigDict(populate_by_name=True)


def _long_form(value: Any) -> Any:
    """Turn a shorthand into the long form it stands for."""
    if isinstance(value, Mapping | BaseModel):
        return value
    if isinstance(value, str) and not ISO_DATE.fullmatch(value):
        return {"from": value}
    return {"constant": value}


def _kind_of_rule(value: Any) -> str | None:
    if "compute" in value:
        return str(value["compute"])
    return next((f"<{key}>" for key in ("from", "one_hot", "constant") if key in value), None)


class By(Part):
    """Which row of another source is meant: there, `column` holds the text that `own` gives here."""

    column: str = Field(min_length=1)
    own: Rule


def _by(value: Any) -> Any:
    """Columns of one name in both sources, or `name there: rule here`, as a list of `By`."""
    if isinstance(value, Mapping):
        return tuple({"column": column, "own": own} for column, own in value.items())
    if isinstance(value, list | tuple):
        return tuple({"column": one, "own": one} if isinstance(one, str) else one for one in value)
    return value


class FromRule(Part):
    """A source column. `recode`: a value outside the list is counted and becomes `otherwise`.

    `first` and `last` cut the text before anything else is done with it.
    """

    from_: str = Field(alias="from", min_length=1)
    of: str | None = None  # another source, whose row with the same student (and `by`) is looked up
    by: Annotated[tuple[By, ...], BeforeValidator(_by)] = ()
    not_found: Scalar = None  # what a look-up gives that names a row (`by` is filled) which is not there
    missing: Many[str] = ()  # texts that stand for "not known", beside the empty cell
    recode: dict[str, Scalar] | None = None
    otherwise: Scalar = None
    date: DateFormat | None = None
    scale: Number | None = None
    first: Annotated[int, Field(ge=1, le=100)] | None = None
    last: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _only_what_goes_together(self) -> FromRule:
        for names in (("recode", "date", "scale"), ("first", "last"), ("first", "scale"), ("last", "scale")):
            done = [name for name in names if getattr(self, name) is not None]
            if len(done) > 1:
                raise ValueError(f"{' and '.join(done)} do not go together; keep one of them")
        if "otherwise" in self.model_fields_set and self.recode is None:
            raise ValueError("otherwise is what a value outside a recode list becomes; add recode or remove it")
        if self.by and self.of is None:
            raise ValueError("by says how to look up a row of another source; name that source with `of`")
        if "not_found" in self.model_fields_set and not self.by:
            raise ValueError("not_found is what a look-up by columns gives where there is no such row; add of and by")
        return self


class OneHotRule(Part):
    """Flags back to one category. `several`: what to do when more than one flag is set."""

    one_hot: dict[str, Scalar] = Field(min_length=1)
    otherwise: Scalar = None  # no flag set, and several set unless `several` says first
    several: Literal["otherwise", "first"] = "otherwise"  # first: the first one in the order written here


class ConstantRule(Part):
    """The same value for every row."""

    constant: Scalar


class AgeAt(Part):
    """Whole years from `born` to `on`."""

    compute: Literal["age_at"]
    born: Rule
    on: Rule


class SchoolYearOf(Part):
    """The school year a date falls in, by the year it begins: 1 August 2023 - 31 July 2024 is 2023."""

    compute: Literal["school_year_of"]
    date: Rule


class Between(Part):
    """Whole days or weeks (rounded down) from `start` to `end`; negative when `end` is earlier."""

    compute: Literal["days_between", "weeks_between"]
    start: Rule
    end: Rule


class WeekOf(Part):
    """The week a date falls in when the week of `start` is week 1."""

    compute: Literal["week_of"]
    date: Rule
    start: Rule


class OffsetDate(Part):
    """`days` days after `base`."""

    compute: Literal["offset_date"]
    base: Rule
    days: Rule


class Compare(Part):
    """`then` where left is greater (or less) than right, `missing` where either is not known, else `otherwise`."""

    compute: Literal["compare"]
    left: Rule
    is_: Literal["greater_than", "less_than"] = Field(alias="is")
    right: Rule
    then: Rule = Field(default_factory=lambda: ConstantRule(constant=True))
    otherwise: Rule = Field(default_factory=lambda: ConstantRule(constant=False))
    missing: Rule = Field(default_factory=lambda: ConstantRule(constant=None))


class DifferenceOf(Part):
    """`left` minus `right`; not known where either is not."""

    compute: Literal["difference_of"]
    left: Rule
    right: Rule


class OverColumns(Part):
    """sum_of what is known, any_of of true and false, first_of what is known; not known where none is."""

    compute: Literal["sum_of", "any_of", "first_of"]
    columns: Many[Rule] = Field(min_length=1, max_length=100)


Rule: TypeAlias = Annotated[
    Annotated[FromRule, Tag("<from>")]
    | Annotated[OneHotRule, Tag("<one_hot>")]
    | Annotated[ConstantRule, Tag("<constant>")]
    | Annotated[AgeAt, Tag("age_at")]
    | Annotated[SchoolYearOf, Tag("school_year_of")]
    | Annotated[Between, Tag("days_between")]
    | Annotated[Between, Tag("weeks_between")]
    | Annotated[WeekOf, Tag("week_of")]
    | Annotated[OffsetDate, Tag("offset_date")]
    | Annotated[Compare, Tag("compare")]
    | Annotated[DifferenceOf, Tag("difference_of")]
    | Annotated[OverColumns, Tag("sum_of")]
    | Annotated[OverColumns, Tag("any_of")]
    | Annotated[OverColumns, Tag("first_of")],
    Discriminator(_kind_of_rule),
    BeforeValidator(_long_form),
]

_RULE: TypeAdapter[Part] = TypeAdapter(Rule)


def parts_of(rule: Part) -> Iterator[Part]:
    """Yield the rule and every rule inside it."""
    yield rule
    for name in type(rule).model_fields:
        value = getattr(rule, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Part):
                yield from parts_of(part)


def at_week(rule: Part, week: int) -> Part:
    """Return the rule with `{week}` in the names of its source columns filled in; nothing else is a placeholder."""
    return _RULE.validate_python(_filled(rule.model_dump(by_alias=True, exclude_unset=True), str(week)))


def _filled(value: Any, week: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled_names(key, item, week) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_filled(item, week) for item in value)
    return value


def _filled_names(key: str, value: Any, week: str) -> Any:
    if key == "from":
        return value.replace("{week}", week)
    if key == "one_hot":
        return {name.replace("{week}", week): code for name, code in value.items()}
    return _filled(value, week)
