"""A school's tables and a cut-off week arrive; a frame of bounded features leaves, one row per student.

Each value is a total function of that student's own rows: no ranks, team means or fitted scalers, and sums run in
an order that no other student can change. Deleting any other student leaves every value bit-identical.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from shared_schema import attendance_features, background, extra_features, study_results
from shared_schema.absence import absence
from shared_schema.errors import UnknownFeature, remedy
from shared_schema.extra_features import Moment
from shared_schema.facts import Facts, Numbers, Tables
from shared_schema.feature import ATTENDANCE, BACKGROUND, EXTENSION, RESULTS, Feature, Source, T
from shared_schema.schema import Schema

__all__ = ["ATTENDANCE", "BACKGROUND", "EXTENSION", "RESULTS", "Feature", "available", "build", "named"]

LAST_WEEK = 52
"""Latest cut-off week, in teaching weeks since the student's first."""


def available(schema: Schema, cutoff_week: int) -> tuple[Feature, ...]:
    """Return every feature that can be known at the end of teaching week `cutoff_week` (0 to 52), in fixed order.

    Week 0 is the first day: background and, if declared for week 0, extension columns. Raises `UnknownFeature`
    for another week.
    """
    if not 0 <= cutoff_week <= LAST_WEEK:
        raise UnknownFeature(f"cut-off week {cutoff_week} does not exist; choose one from 0 to {LAST_WEEK}")
    first_day = [source.feature for source in background.SOURCES]
    attendance = [source.feature for source in attendance_features.SOURCES if cutoff_week > 0]
    results = [source.feature for source in study_results.SOURCES if cutoff_week > 0]
    extra = [source.feature for source in extra_features.sources(schema, cutoff_week)]
    return (*first_day, *attendance, *results, *extra)


def named(schema: Schema, cutoff_week: int, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features called `names`, in that order, or raise `UnknownFeature` with the nearest name.

    The name of an extension column (`person.imd_band`) stands for all features that come from it.
    """
    offered = available(schema, cutoff_week)
    return tuple(feature for name in names for feature in _matching(offered, name, cutoff_week))


def _matching(offered: Sequence[Feature], name: str, cutoff_week: int) -> tuple[Feature, ...]:
    exact = tuple(feature for feature in offered if feature.name == name)
    of_column = tuple(feature for feature in offered if feature.group == EXTENSION and name in feature.columns)
    if found := of_column or exact:
        return found
    known = [feature.name for feature in offered]
    raise UnknownFeature(f"no feature '{name}' at cut-off week {cutoff_week}; {remedy(name, known)}")


def build(tables: Tables, features: Sequence[Feature], cutoff_week: int, schema: Schema) -> pd.DataFrame:
    """Return the features of every student of the identity tables (person, enrolment).

    `tables` maps table names to frames; a table or column that a school does not deliver is left out and its
    features get their declared fill. The frame has index `student` (sorted text) and one float64 column per
    feature, in the order asked, finite and within [low, high]. Raises `UnknownFeature` for a feature that does
    not exist at this cut-off, and nothing for whatever stands in the rows.
    """
    offered = {feature.name for feature in available(schema, cutoff_week)}
    for feature in features:
        if feature.name not in offered:
            _matching((), feature.name, cutoff_week)
    facts = Facts.of(tables, schema)
    values = _values(facts, {feature.name for feature in features}, cutoff_week)
    stacked = np.column_stack([values[feature.name] for feature in features]) if features else None
    columns = [feature.name for feature in features]
    return pd.DataFrame(stacked, index=facts.index, columns=columns, dtype=np.float64)


def _values(facts: Facts, wanted: set[str], cutoff_week: int) -> dict[str, Numbers]:
    """Compute the wanted features group by group; a group that nobody asks for costs nothing."""
    moment = Moment(facts, cutoff_week)
    values = {
        **_group(background.SOURCES, facts, wanted),
        **_group(extra_features.sources(facts.schema, cutoff_week), moment, wanted),
    }
    if _asked(attendance_features.SOURCES, wanted):
        values |= _group(attendance_features.SOURCES, absence(facts, cutoff_week), wanted)
    if _asked(study_results.SOURCES, wanted):
        values |= _group(study_results.SOURCES, study_results.results(facts, cutoff_week), wanted)
    return values


def _asked(sources: Sequence[Source[T]], wanted: set[str]) -> bool:
    return any(source.feature.name in wanted for source in sources)


def _group(sources: Sequence[Source[T]], given: T, wanted: set[str]) -> dict[str, Numbers]:
    return {source.feature.name: source.compute(given) for source in sources if source.feature.name in wanted}
