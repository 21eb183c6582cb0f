"""Extension columns that declare `feature` arrive; their features leave: scaled numbers, 0/1, one-hot codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from shared_schema.columns import CodeList, Column, FeatureUse, Table, Type
from shared_schema.facts import Facts, Numbers, Positions, numbers, texts
from shared_schema.feature import EXTENSION, Feature, Source, recorded
from shared_schema.schema import ONE_ROW_TABLES, Schema


@dataclass(frozen=True)
class Moment:
    """A school's facts at a cut-off week."""

    facts: Facts
    cutoff_week: int


def sources(schema: Schema, cutoff_week: int) -> tuple[Source[Moment], ...]:
    """Return the features of every extension column that is known at the cut-off week, in declared order."""
    return tuple(
        source
        for table in schema.tables.values()
        for column in table.columns.values()
        if column.feature is not None and column.feature.from_week <= cutoff_week
        for source in _of_column(table, column, column.feature)
    )


def _of_column(table: Table, column: Column, use: FeatureUse) -> list[Source[Moment]]:
    if column.type is Type.CODE and column.codes is not None:
        return [_of_code(table, column, use, code, column.codes) for code in column.codes]
    low, high = _limits(column)
    feature = Feature(
        f"{table.name}.{column.name}", column.label.nl, column.label.en, low, high, EXTENSION, column.sensitive,
        (f"{table.name}.{column.name}",), _neutral(use, low, high),
    )  # fmt: skip
    source: Source[Moment] = Source(feature, lambda moment: _value(moment, table, column, use, None))
    return [source, _recorded(source)] if column.nullable else [source]


def _of_code(table: Table, column: Column, use: FeatureUse, code: str, codes: CodeList) -> Source[Moment]:
    name, label = f"{table.name}.{column.name}", codes.labels[code]
    feature = Feature(
        f"{name}={code}", f"{column.label.nl}: {label.nl}", f"{column.label.en}: {label.en}", 0.0, 1.0, EXTENSION,
        column.sensitive, (name,), 1.0 if use.fill == code else 0.0,
    )  # fmt: skip
    return Source(feature, lambda moment: _value(moment, table, column, use, code))


def _recorded(source: Source[Moment]) -> Source[Moment]:
    own = source.feature
    feature = Feature(
        f"{own.name}:recorded", f"{own.label_nl} (is vastgelegd)", f"{own.label_en} (is recorded)", 0.0, 1.0,
        EXTENSION, own.sensitive, own.columns,
    )  # fmt: skip
    return Source(feature, lambda moment: recorded(source.value(moment)))


def _limits(column: Column) -> tuple[float, float]:
    if column.bounds is None:
        return 0.0, 1.0
    return float(column.bounds.low), float(column.bounds.high)


def _neutral(use: FeatureUse, low: float, high: float) -> float:
    if use.fill is None or isinstance(use.fill, str):
        return (low + high) / 2
    return float(use.fill)


def _value(moment: Moment, table: Table, column: Column, use: FeatureUse, code: str | None) -> Numbers:
    """Return one value per student; with a `code`, whether the row holds it (1.0) or another one (0.0)."""
    facts = moment.facts
    if not facts.has(table.name, column.name):
        return np.full(len(facts.index), np.nan)
    if table.name in ONE_ROW_TABLES:
        return _measure(facts.first(table.name)[column.name], code, column)
    frame, positions = facts.until(table.name, moment.cutoff_week)
    return _aggregate(_measure(frame[column.name], code, column), positions, len(facts.index), use.aggregate)


def _measure(series: pd.Series, code: str | None, column: Column) -> Numbers:
    if code is not None:
        held = texts(series)
        return np.where(held == "", np.nan, (held == code).astype(np.float64))
    return np.clip(numbers(series), *_limits(column))


def _aggregate(values: Numbers, positions: Positions, students: int, how: str) -> Numbers:
    """Return one value per student from ordered rows; a student without any known value gets NaN."""
    known = ~np.isnan(values)
    values, positions = values[known], positions[known]
    if how == "mean":
        count = np.bincount(positions, minlength=students)
        total = np.bincount(positions, weights=values, minlength=students)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
    if how in ("max", "min"):
        values, positions = _by_value(values, positions)
    ends = how in ("last", "max")
    out = np.full(students, np.nan)
    chosen = positions if ends else positions[::-1]
    out[chosen] = values if ends else values[::-1]
    return out


def _by_value(values: Numbers, positions: Positions) -> tuple[Numbers, Positions]:
    order = np.lexsort((values, positions))
    return values[order], positions[order]
