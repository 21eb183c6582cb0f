"""Shared tables and a frozen experiment arrive; `Students` leave: a row of bounded numbers for each one asked about.

Every value is a function of that student's own rows and of public declarations, so deleting another student's
rows changes nothing here (property test).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import DefinitionError
from experiments.students import Students
from shared_schema import features as declared
from shared_schema import outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import pandas as pd

    from experiments.definition import Experiment
    from shared_schema import Schema

SPLIT_TAG = b"datacoalitie/held-out/1"
SPLIT_BITS = 64


def features_of(experiment: Experiment, schema: Schema) -> tuple[declared.Feature, ...]:
    """The declared features an experiment sees, in the schema's order."""
    asked = experiment.definition.features
    return tuple(
        feature
        for feature in declared.available(schema, asked.cutoff_week)
        if feature.group in asked.groups and feature.name not in asked.exclude
    )


def check_names(experiment: Experiment, schema: Schema) -> None:
    """Raise `DefinitionError` unless outcome, feature groups and exclusions are declared in the schema."""
    asked = experiment.definition.features
    available = declared.available(schema, asked.cutoff_week)
    _known("feature group", asked.groups, {feature.group for feature in available})
    _known("excluded feature", asked.exclude, {feature.name for feature in available})
    _known("outcome", [experiment.definition.outcome], set(outcomes.names(schema)))
    if not features_of(experiment, schema):
        raise DefinitionError("a model needs at least one feature", "none left", "exclude fewer features")


def _known(what: str, names: Sequence[str], declared_names: set[str]) -> None:
    unknown = sorted(set(names) - declared_names)
    if unknown:
        choice = ", ".join(sorted(declared_names))
        raise DefinitionError(f"every {what} is declared in the schema", ", ".join(unknown), f"choose from: {choice}")


def select(
    tables: Mapping[str, pd.DataFrame],
    cohort_of: Mapping[str, int | None],
    experiment: Experiment,
    schema: Schema,
) -> Students:
    """Form the rows of one school.

    `cohort_of` is the node's permanent table (pseudonym → cohort); a student outside the declared cohorts, or
    outside the outcome's population, is left out before any vector forms.
    """
    cohorts = set(experiment.definition.population.cohorts)
    cutoff = experiment.definition.features.cutoff_week
    outcome = outcomes.compute(tables, experiment.definition.outcome, schema, cutoff_week=cutoff)
    chosen = sorted(student for student in outcome.index if cohort_of.get(student) in cohorts)
    features = features_of(experiment, schema)
    frame = declared.build(tables, features, cutoff, schema)
    values = frame.reindex(chosen)[[feature.name for feature in features]].to_numpy(dtype=np.float64)
    return Students(
        features=_scaled(values, features),
        outcome=outcome.reindex(chosen).to_numpy(dtype=np.float64),
        held_out=held_out(chosen, experiment),
        names=tuple(feature.name for feature in features),
    )


def _scaled(values: np.ndarray, features: Sequence[declared.Feature]) -> np.ndarray:
    """Declared [low, high] → [−1, 1], elementwise; a student without any row for a feature gets the middle, 0."""
    low = np.array([feature.low for feature in features], dtype=np.float64)
    high = np.array([feature.high for feature in features], dtype=np.float64)
    scaled = 2.0 * (values - low) / (high - low) - 1.0
    return np.clip(np.nan_to_num(scaled, nan=0.0), -1.0, 1.0)


def held_out(students: Sequence[str], experiment: Experiment) -> np.ndarray:
    """Which students the model never sees: a hash of the pseudonym decides, for each student alone."""
    below = _threshold(experiment.definition.evaluation.held_out)
    salt = SPLIT_TAG + experiment.hash
    return np.array([_uniform(salt, student) < below for student in students], dtype=bool)


def _threshold(share: Decimal) -> int:
    return int(share * 2**SPLIT_BITS)


def _uniform(salt: bytes, student: str) -> int:
    return int.from_bytes(hashlib.sha256(salt + student.encode()).digest()[: SPLIT_BITS // 8], "big")
