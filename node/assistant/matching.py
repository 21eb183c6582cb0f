"""One column of an export arrives; which columns of the schema it may be leaves, each with a score and reasons.

A name without fitting cells and cells without a fitting name are both no proof: the first is asked about, the second
is not proposed. Nothing here looks at another column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from node.assistant.proposal import pair
from node.assistant.shapes import Coded, Shape
from node.assistant.words import Likeness, letters, like_column
from shared_schema import Column, Schema, Table, Type
from shared_schema.columns import Text
from shared_schema.synonyms import names_of

FITS = 0.95
"""Share of filled cells that must read as the column's type: the tolerance of a mapping is 5 %."""
UNSEEN = 0.7
BORROWED = 0.02
SHARED = ("enrolment", "programme_period")
"""Tables whose names for start date, crebo and the like hold for such columns of other tables too."""


@dataclass(frozen=True)
class Match:
    """A column of the schema that a heading may be. fit: share of cells that read as its type; rule: plain data."""

    table: str
    column: str
    heading: str
    likeness: float
    fit: float
    rule: Any
    reasons: tuple[Text, ...]
    coded: Coded | None = None
    empty: bool = False

    @property
    def target(self) -> str:
        """table.column"""
        return f"{self.table}.{self.column}"

    @property
    def confidence(self) -> float:
        """The name's score when the cells fit; what they lack counts double, and no cells at all are no proof."""
        if self.empty:
            return min(self.likeness, UNSEEN)
        return round(max(0.0, self.likeness - 2 * (1 - self.fit)), 2) if self.fit < FITS else self.likeness


def matches(heading: str, shape: Shape, schema: Schema, tables: Iterable[str], forgotten: str = "") -> list[Match]:
    """Return every column of these tables that a heading may be, best first; likeness comes from names alone."""
    found = []
    for table in (schema.table(name) for name in tables):
        for column in table.columns.values():
            likeness = None if column.name == "student" else _likeness(heading, table, column, schema, forgotten)
            if likeness is not None:
                found.append(_match(heading, shape, table, column, likeness))
    return sorted(found, key=lambda one: (-one.confidence, -one.likeness))


def _likeness(heading: str, table: Table, column: Column, schema: Schema, forgotten: str) -> Likeness | None:
    own = like_column(heading, table, column, forgotten)
    if names_of(table.name, column.name) or table.name in SHARED[:1]:
        return own
    others = [
        like_column(heading, schema.table(name), schema.table(name).columns[column.name], forgotten)
        for name in SHARED
        if column.name in schema.table(name).columns
    ]
    lent = [Likeness(one.score - BORROWED, one.reason) for one in others if one]
    return max((one for one in (own, *lent) if one), key=lambda one: one.score, default=None)


def _match(heading: str, shape: Shape, table: Table, column: Column, likeness: Likeness) -> Match:
    rule, fit, why, coded = _reading(heading, shape, table, column)
    reasons = (likeness.reason, *((why,) if why else ()))
    return Match(table.name, column.name, heading, likeness.score, fit, rule, reasons, coded, shape.empty)


def _reading(heading: str, shape: Shape, table: Table, column: Column) -> tuple[Any, float, Text | None, Coded | None]:
    """How the cells become this column: the rule, the share that fits, the reason in words, and its codes."""
    if shape.empty:
        return heading, 1.0, pair("nog geen gevulde cel gezien", "no filled cell seen yet"), None
    if column.codes is not None:
        return _as_code(heading, shape, column)
    if (table.name, column.name) == ("enrolment", "dropout_flag") and shape.outcome is not None:
        words = pair("woorden voor hoe het afliep", "words for how it went")
        return {"from": heading, "recode": dict(shape.outcome.recode)}, 1.0, words, shape.outcome
    if column.name == "postcode4":
        return _as_postcode(heading, shape)
    if column.name in ("cohort", "school_year") and shape.school_year >= FITS:
        why = pair(f"{shape.school_year:.0%} leest als schooljaar", f"{shape.school_year:.0%} reads as a school year")
        return {"from": heading, "first": 4}, shape.school_year, why, None
    if column.name in ("cohort", "school_year", "year") and shape.date >= FITS and shape.date_form != "mixed":
        why = pair("het schooljaar van een datum", "the school year of a date")
        return {"compute": "school_year_of", "date": heading}, shape.date, why, None
    if column.pattern:
        fit = shape.matching(column.pattern)
        return heading, fit, pair(f"{fit:.0%} heeft de vorm", f"{fit:.0%} has the form"), None
    return heading, *_as_type(shape, column), None


def _as_code(heading: str, shape: Shape, column: Column) -> tuple[Any, float, Text | None, Coded | None]:
    assert column.codes is not None
    coded = shape.coded.get(column.codes.name)
    if coded is None:
        name = column.codes.name
        return heading, 0.0, pair(f"geen cel is een code van {name}", f"no cell is a code of {name}"), None
    known = pair(f"{coded.share:.0%} van de verschillende cellen is een code van {column.codes.name}",
                 f"{coded.share:.0%} of the different cells are codes of {column.codes.name}")  # fmt: skip
    if coded.plain and not coded.others:
        return heading, 1.0, known, coded
    codes = {word: int(str(code)) if column.type is Type.INTEGER else code for word, code in coded.recode.items()}
    return {"from": heading, "recode": codes}, coded.rows, known, coded


def _as_postcode(heading: str, shape: Shape) -> tuple[Any, float, Text | None, Coded | None]:
    why = pair(f"{shape.postcode:.0%} leest als postcode", f"{shape.postcode:.0%} reads as a postcode")
    return {"from": heading, "first": 4} if shape.postcode_letters else heading, shape.postcode, why, None


def _as_type(shape: Shape, column: Column) -> tuple[float, Text | None]:
    if column.type is Type.DATE:
        fit = 0.0 if shape.date_form == "mixed" else shape.date
        form = shape.date_form or "-"
        return fit, pair(f"{fit:.0%} is een datum ({form})", f"{fit:.0%} is a date ({form})")
    if column.type in (Type.INTEGER, Type.DECIMAL):
        return _as_number(shape, column)
    if column.type is Type.BOOLEAN:
        return shape.boolean, pair(f"{shape.boolean:.0%} is ja of nee", f"{shape.boolean:.0%} is yes or no")
    return 1.0, None


def _as_number(shape: Shape, column: Column) -> tuple[float, Text]:
    share = 0.0 if shape.mark == "mixed" else shape.whole if column.type is Type.INTEGER else shape.number
    if column.bounds is not None and not column.bounds.per:
        share = min(share, shape.within(float(column.bounds.low), float(column.bounds.high)))
    return share, pair(f"{share:.0%} is een getal binnen de grenzen", f"{share:.0%} is a number within the bounds")


def same_letters(one: str, other: str) -> bool:
    """Whether two headings are the same but for capitals, accents and punctuation."""
    return letters(one) == letters(other)
