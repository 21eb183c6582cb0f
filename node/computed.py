"""Arrives: a column rule and the rows of one source. Leaves: one value per row, of the kind the schema wants.

The list of what can be computed is short and closed. Every value is a function of its own row (and of the row that
it looks up); what cannot be read becomes missing and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import singledispatch
from typing import Any, TypeAlias

import pandas as pd

from node.column_rules import (
    ISO_DATE,
    AgeAt,
    Between,
    Compare,
    ConstantRule,
    DifferenceOf,
    FromRule,
    OffsetDate,
    OneHotRule,
    OverColumns,
    Part,
    Scalar,
    SchoolYearOf,
    WeekOf,
)
from node.errors import UnusableInput
from node.identifiers import Protected
from node.mapping_document import Source
from node.sources.cells import DTYPES, Kind, Note, filled, read_as
from node.sources.formats import per_distinct, read_boolean, read_date, read_number, read_whole

FIRST_SCHOOL_MONTH = 8
MAX_DAYS = 200_000
LookUp: TypeAlias = tuple[str, tuple[tuple[str, str], ...], str]


@dataclass(frozen=True)
class LookedUp:
    """What a look-up gives, one entry per row.

    texts: the other source's cell, missing where there is none or several differ; ambiguous: where several differ;
    nowhere: where all of `by` is filled and the other source has no such row.
    """

    texts: pd.Series
    ambiguous: pd.Series
    nowhere: pd.Series


def look_up_of(rule: FromRule) -> LookUp:
    """Return what singles out a look-up: the other source, (column there, rule here) of `by`, and the column read."""
    return str(rule.of), tuple((one.column, one.own.model_dump_json()) for one in rule.by), rule.from_


@dataclass(frozen=True)
class Rows:
    """The rows that a rule is carried out on.

    protected: the source's own rows; sources: every source by full name, for look-ups; settings: how each source is
    read; note: where counts go, and the column's name for errors; found: what each look-up gives, where that is known
    beforehand (`node/bulk`).
    """

    protected: Protected
    sources: Mapping[str, Protected]
    settings: Mapping[str, Source]
    note: Note
    found: Mapping[LookUp, LookedUp] | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as text columns, index 0, 1, 2, …."""
        return self.protected.frame

    def same(self, value: Scalar, kind: Kind) -> pd.Series:
        """Return one value for every row."""
        return pd.Series(
            [_constant(value, kind, self.note.place)] * len(self.frame), index=self.frame.index, dtype=DTYPES[kind]
        )


@singledispatch
def evaluate(rule: Part, rows: Rows, kind: Kind) -> pd.Series:
    """Return the values of a rule as this kind, one per row of `rows.frame` and with its index.

    Raises UnusableInput when a column mixes date formats or decimal marks, is written otherwise than pinned, or when
    what a rule gives is no such kind.
    """
    raise TypeError(f"no column rule: {type(rule).__name__}")


# Source columns ---------------------------------------------------------------------------------------------------


@evaluate.register
def _from(rule: FromRule, rows: Rows, kind: Kind) -> pd.Series:
    if rule.of is None:
        return _read(rule, rows.frame[rule.from_], rows, kind)
    found = _looked_up(rule, rows) if rows.found is None else rows.found[look_up_of(rule)]
    rows.note.count("ambiguous", found.ambiguous)
    values = _read(rule, found.texts, rows, kind)
    if "not_found" not in rule.model_fields_set:
        return values
    rows.note.count("not_found", found.nowhere)
    return values.mask(found.nowhere, rows.same(rule.not_found, kind))


def _read(rule: FromRule, texts: pd.Series, rows: Rows, kind: Kind) -> pd.Series:
    source = rows.settings[rule.of or rows.protected.source]
    texts = _cut(filled(texts, (*source.missing, *rule.missing)), rule)
    if rule.recode is not None:
        return _recoded(texts, rule, rows, kind)
    if rule.date is not None:
        return _cast(read_as(texts, "date", source, rows.note, rule.date), "date", kind, rows.note.place)
    if rule.scale is not None:
        factor = Fraction(rule.scale)  # 9200 x 0.001 is 9.2, as a division, and 9.200000000000001 as a product
        numbers = read_as(texts, "number", source, rows.note) * factor.numerator / factor.denominator
        return _cast(numbers, "number", kind, rows.note.place)
    return read_as(texts, kind, source, rows.note)


def _cut(texts: pd.Series, rule: FromRule) -> pd.Series:
    if rule.first is not None:
        return texts.str.slice(0, rule.first)
    return texts.str.slice(-rule.last) if rule.last is not None else texts


def _recoded(texts: pd.Series, rule: FromRule, rows: Rows, kind: Kind) -> pd.Series:
    codes = {text: _constant(value, kind, rows.note.place) for text, value in (rule.recode or {}).items()}
    declared = "otherwise" in rule.model_fields_set
    otherwise = _constant(rule.otherwise, kind, rows.note.place)
    rows.note.count("otherwise" if declared else "unlisted", texts.notna() & ~texts.isin(list(codes)))
    return per_distinct(texts, lambda text: codes.get(text, otherwise), DTYPES[kind])


def _looked_up(rule: FromRule, rows: Rows) -> LookedUp:
    """Look up another source's row with the same student and `by`."""
    other = rows.sources[str(rule.of)]
    by_student = other.students is not None
    there = _keys([other.frame[one.column] for one in rule.by], other, by_student)
    here = _keys([evaluate(one.own, rows, "text") for one in rule.by], rows.protected, by_student)
    names, full = list(there.columns), here.notna().all(axis=1)
    listed = _in(here, there.dropna())
    there = there.assign(value=filled(other.frame[rule.from_])).dropna().drop_duplicates()
    doubtful = there.duplicated(names, keep=False)
    texts = here.merge(there[~doubtful], on=names, how="left")["value"].set_axis(here.index)
    return LookedUp(texts, _in(here, there.loc[doubtful, names]), full & ~listed)


def _in(here: pd.DataFrame, there: pd.DataFrame) -> pd.Series:
    """Say of each row of `here` whether `there` has such a row."""
    merged = here.merge(there.drop_duplicates(), on=list(there.columns), how="left", indicator=True)
    return (merged["_merge"] == "both").set_axis(here.index)


def _keys(columns: list[pd.Series], protected: Protected, by_student: bool) -> pd.DataFrame:
    keys = {f"by {number}": filled(column) for number, column in enumerate(columns)}
    if by_student and protected.students is not None:
        keys["student"] = protected.students
    return pd.DataFrame(keys, index=protected.frame.index)


@evaluate.register
def _one_hot(rule: OneHotRule, rows: Rows, kind: Kind) -> pd.Series:
    """The category whose flag is set; none or several follow `otherwise`, unless the first listed counts."""
    source = rows.settings[rows.protected.source]
    cells = {name: filled(rows.frame[name], source.missing) for name in rule.one_hot}
    read = {name: read_as(column, "boolean", source, rows.note) for name, column in cells.items()}
    flags = pd.DataFrame(read).fillna(False).astype(bool)
    number = flags.sum(axis=1)
    rows.note.count("none_set", number == 0)
    rows.note.count("several_set", number > 1)
    usable = number > 0 if rule.several == "first" else number == 1
    position = flags.to_numpy().argmax(axis=1)  # of the first flag set, in the order of the mapping
    codes = [_constant(code, kind, rows.note.place) for code in rule.one_hot.values()]
    otherwise = _constant(rule.otherwise, kind, rows.note.place)
    values = [codes[at] if use else otherwise for at, use in zip(position, usable, strict=True)]
    return pd.Series(values, index=flags.index, dtype=DTYPES[kind])


# Constants and kinds ----------------------------------------------------------------------------------------------


@evaluate.register
def _same(rule: ConstantRule, rows: Rows, kind: Kind) -> pd.Series:
    return rows.same(rule.constant, kind)


def _constant(value: Scalar, kind: Kind, place: str) -> Any:
    """The value of a mapping as this kind. Raises UnusableInput when it is none."""
    if value is None:
        return None
    text = (
        str(value).lower() if isinstance(value, bool) else format(value, "f") if isinstance(value, Decimal) else value
    )
    found = _READERS[kind](str(text))
    if found is None or (isinstance(value, bool) and kind not in ("boolean", "text")):
        raise UnusableInput(
            "bad_constant",
            f"What the mapping writes for {place} is a {kind}.",
            f"{value!r}",
            "Correct the value in the mapping.",
        )
    return found


_READERS: Mapping[Kind, Callable[[str], Any]] = {
    "text": str,
    "whole": read_whole,
    "number": read_number,
    "date": lambda text: read_date(text, "yyyy-mm-dd"),
    "boolean": read_boolean,
}


def _cast(values: pd.Series, given: Kind, wanted: Kind, place: str) -> pd.Series:
    """Values of one kind as another, where that says the same; otherwise the mapping is wrong."""
    if given == wanted:
        return values.astype(DTYPES[wanted])
    if (given == "number" and wanted == "whole") or (given == "whole" and wanted == "number"):
        return values.round().astype(DTYPES[wanted])
    if wanted == "text" and given == "whole":
        return values.astype("string")
    if wanted == "text" and given == "date":
        return values.dt.strftime("%Y-%m-%d").astype("string")
    raise UnusableInput(
        "wrong_kind",
        f"Column {place} holds a {wanted}.",
        f"a rule that gives a {given}",
        "Choose another rule for it in the mapping.",
    )


# The closed list --------------------------------------------------------------------------------------------------


@evaluate.register
def _age_at(rule: AgeAt, rows: Rows, kind: Kind) -> pd.Series:
    born, on = evaluate(rule.born, rows, "date"), evaluate(rule.on, rows, "date")
    before_birthday = (on.dt.month * 100 + on.dt.day) < (born.dt.month * 100 + born.dt.day)
    return _cast(_whole(on.dt.year - born.dt.year - before_birthday, born, on), "whole", kind, rows.note.place)


@evaluate.register
def _school_year_of(rule: SchoolYearOf, rows: Rows, kind: Kind) -> pd.Series:
    date = evaluate(rule.date, rows, "date")
    return _cast(_whole(date.dt.year - (date.dt.month < FIRST_SCHOOL_MONTH), date), "whole", kind, rows.note.place)


@evaluate.register
def _between(rule: Between, rows: Rows, kind: Kind) -> pd.Series:
    start, end = evaluate(rule.start, rows, "date"), evaluate(rule.end, rows, "date")
    length = 7 if rule.compute == "weeks_between" else 1
    return _cast(_whole((end - start).dt.days // length, start, end), "whole", kind, rows.note.place)


@evaluate.register
def _week_of(rule: WeekOf, rows: Rows, kind: Kind) -> pd.Series:
    date, start = evaluate(rule.date, rows, "date"), evaluate(rule.start, rows, "date")
    return _cast(_whole((date - start).dt.days // 7 + 1, date, start), "whole", kind, rows.note.place)


@evaluate.register
def _offset_date(rule: OffsetDate, rows: Rows, kind: Kind) -> pd.Series:
    base, days = evaluate(rule.base, rows, "date"), evaluate(rule.days, rows, "number")
    usable = days.where(days.abs() <= MAX_DAYS).round()
    rows.note.count("unreadable", days.notna() & usable.isna())
    return _cast(base + pd.to_timedelta(usable, unit="D"), "date", kind, rows.note.place)


@evaluate.register
def _difference_of(rule: DifferenceOf, rows: Rows, kind: Kind) -> pd.Series:
    difference = evaluate(rule.left, rows, "number") - evaluate(rule.right, rows, "number")
    return _cast(difference, "number", kind, rows.note.place)


@evaluate.register
def _compare(rule: Compare, rows: Rows, kind: Kind) -> pd.Series:
    of: Kind = "date" if _is_date(rule.left) or _is_date(rule.right) else "number"
    left, right = evaluate(rule.left, rows, of), evaluate(rule.right, rows, of)
    holds = left > right if rule.is_ == "greater_than" else left < right
    chosen = evaluate(rule.then, rows, kind).where(holds, evaluate(rule.otherwise, rows, kind))
    return chosen.where(left.notna() & right.notna(), evaluate(rule.missing, rows, kind))


def _is_date(rule: Part) -> bool:
    """Whether a rule says of itself that it gives a date."""
    if isinstance(rule, ConstantRule):
        return bool(ISO_DATE.fullmatch(str(rule.constant)))
    return isinstance(rule, OffsetDate) or (isinstance(rule, FromRule) and rule.date is not None)


@evaluate.register
def _over_columns(rule: OverColumns, rows: Rows, kind: Kind) -> pd.Series:
    if rule.compute == "first_of":
        return _first([evaluate(column, rows, kind) for column in rule.columns])
    of: Kind = "number" if rule.compute == "sum_of" else "boolean"
    parts = pd.DataFrame({number: evaluate(column, rows, of) for number, column in enumerate(rule.columns)})
    known = parts.notna().any(axis=1)
    if rule.compute == "sum_of":
        return _cast(parts.sum(axis=1).where(known), "number", kind, rows.note.place)
    return _cast(parts.fillna(False).any(axis=1).astype("boolean").where(known), "boolean", kind, rows.note.place)


def _first(columns: list[pd.Series]) -> pd.Series:
    chosen = columns[0]
    for column in columns[1:]:
        chosen = chosen.where(chosen.notna(), column)
    return chosen


def _whole(values: pd.Series, *operands: pd.Series) -> pd.Series:
    """Whole numbers, missing where an operand is."""
    known = pd.concat([operand.notna() for operand in operands], axis=1).all(axis=1)
    return values.where(known).astype("Float64").astype("Int64")
