"""What holds of features and outcomes whatever stands in the rows."""

from __future__ import annotations

import functools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_schema import features, load_schema, outcomes
from shared_schema.rows import synthetic

EXTENSION = {
    "schema_extension": 1,
    "title": {"nl": "Proef", "en": "Trial"},
    "columns": {
        "attendance": {
            how: {
                "type": "decimal",
                "prose": {"nl": how, "en": how},
                "bounds": [0, 1000],
                "feature": {"aggregate": how},
            }
            for how in ("first", "last", "mean", "max", "min")
        }
    },
}
SCHEMA = load_schema(EXTENSION)
TABLES = ("person", "enrolment", "programme_period", "attendance", "result", "diploma")
CUTOFF = 10
WANTED = features.available(SCHEMA, CUTOFF)

slow_data = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def school(seed: int, students: int) -> dict[str, pd.DataFrame]:
    """Return made-up tables of one school with several rows for each student where a table allows it."""
    return {name: frame.copy() for name, frame in drawn(seed, students).items()}


@functools.lru_cache(maxsize=4)
def drawn(seed: int, students: int) -> dict[str, pd.DataFrame]:
    """Draw the tables once; callers get copies."""
    sizes = {"person": students, "attendance": 8 * students, "result": 4 * students, "diploma": students}
    return {name: synthetic(name, sizes.get(name, 2 * students), SCHEMA, seed, students) for name in TABLES}


def bits(frame: pd.DataFrame) -> dict[str, bytes]:
    """Return each student's row as bytes: equal means bit-identical."""
    return {str(student): row.tobytes() for student, row in zip(frame.index, frame.to_numpy(), strict=True)}


@slow_data
@given(seed=st.integers(0, 10**6), students=st.integers(2, 9), data=st.data())
def test_deleting_other_students_changes_nothing(seed: int, students: int, data: st.DataObject) -> None:
    """Each student's features and outcomes are bit-identical whichever other students are present."""
    whole = school(seed, students)
    everyone = sorted(whole["person"]["student"])
    kept = data.draw(st.sets(st.sampled_from(everyone), min_size=1))
    part = {name: frame[frame["student"].isin(kept)] for name, frame in whole.items()}
    all_bits = bits(features.build(whole, WANTED, CUTOFF, SCHEMA))
    assert bits(features.build(part, WANTED, CUTOFF, SCHEMA)) == {student: all_bits[student] for student in kept}
    for name in outcomes.names(SCHEMA):
        full = outcomes.compute(whole, name, SCHEMA, cutoff_week=CUTOFF).to_dict()
        alone = outcomes.compute(part, name, SCHEMA, cutoff_week=CUTOFF).to_dict()
        assert alone == {student: value for student, value in full.items() if student in kept}


@slow_data
@given(seed=st.integers(0, 10**6), shuffle=st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(seed: int, shuffle: int) -> None:
    """Rows in another order give bit-identical features and the same outcomes."""
    whole = school(seed, 6)
    mixed = {name: frame.sample(frac=1, random_state=shuffle) for name, frame in whole.items()}
    assert bits(features.build(mixed, WANTED, CUTOFF, SCHEMA)) == bits(features.build(whole, WANTED, CUTOFF, SCHEMA))
    for name in outcomes.names(SCHEMA):
        assert outcomes.compute(mixed, name, SCHEMA).equals(outcomes.compute(whole, name, SCHEMA))


@pytest.mark.parametrize("name", ["person", "enrolment", "programme_period"])
def test_ties_are_broken_by_content_and_not_by_place(name: str) -> None:
    """Two rows of one student that tie in the declared order give the same features in either order."""
    whole = school(8, 4)
    other = school(9, 4)[name].assign(student=whole[name]["student"])
    for tied in SCHEMA.table(name).order:
        other[tied] = whole[name][tied]
    one = {**whole, name: pd.concat([whole[name], other])}
    two = {**whole, name: pd.concat([other, whole[name]])}
    assert not other.equals(whole[name])
    assert bits(features.build(one, WANTED, CUTOFF, SCHEMA)) == bits(features.build(two, WANTED, CUTOFF, SCHEMA))


HOSTILE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 1e16]),
)


@slow_data
@given(seed=st.integers(0, 10**6), values=st.lists(HOSTILE, min_size=20, max_size=20))
def test_hostile_numbers_stay_finite_and_within_bounds(seed: int, values: list[float]) -> None:
    """NaN, infinity, 1e308 and denormals in any number column give finite features within the declared bounds."""
    hostile = school(seed, 5)
    for name, frame in hostile.items():
        for column in frame.select_dtypes("number").columns:
            frame[column] = np.resize(np.array(values), len(frame))
        hostile[name] = frame
    built = features.build(hostile, WANTED, CUTOFF, SCHEMA)
    assert np.isfinite(built.to_numpy()).all()
    assert not np.signbit(built.to_numpy()[built.to_numpy() == 0.0]).any()
    for feature in WANTED:
        assert built[feature.name].between(feature.low, feature.high).all(), feature.name
    for name in outcomes.names(SCHEMA):
        assert set(outcomes.compute(hostile, name, SCHEMA)) <= {0.0, 1.0}


@pytest.mark.parametrize("junk", ["tekst", None, True, -1, "2023-99-99", [1]])
@pytest.mark.parametrize("name", TABLES)
def test_junk_in_any_cell_raises_nothing(name: str, junk: object) -> None:
    """Whatever a cell holds, nothing raises and nothing is infinite: a refusal would tell who is in the data."""
    spoilt = school(1, 3)
    frame = spoilt[name].astype(object)
    for column in set(frame.columns) - {"student"}:
        frame[column] = pd.Series([junk, None] * len(frame), dtype=object)[: len(frame)]
    spoilt[name] = frame
    built = features.build(spoilt, WANTED, CUTOFF, SCHEMA)
    assert np.isfinite(built.to_numpy()).all()
    for outcome in outcomes.names(SCHEMA):
        assert set(outcomes.compute(spoilt, outcome, SCHEMA, cutoff_week=CUTOFF)) <= {0.0, 1.0}


def test_a_scaler_fitted_on_the_school_would_be_caught() -> None:
    """The test above can fail: centring on the school's mean, which no feature may do, is seen at once."""
    whole = school(3, 6)
    everyone = sorted(whole["person"]["student"])
    part = {name: frame[frame["student"] != everyone[0]] for name, frame in whole.items()}
    centred = [
        bits(built - built.mean()) for built in (features.build(t, WANTED, CUTOFF, SCHEMA) for t in (whole, part))
    ]
    assert any(centred[0][student] != centred[1][student] for student in everyone[1:])


def test_later_rows_never_count() -> None:
    """What happens after the cut-off week leaves every feature at that week bit-identical."""
    whole = school(5, 8)
    early = {**whole, "attendance": whole["attendance"][whole["attendance"]["week"] <= 6]}
    wanted = features.available(SCHEMA, 6)
    assert bits(features.build(whole, wanted, 6, SCHEMA)) == bits(features.build(early, wanted, 6, SCHEMA))
