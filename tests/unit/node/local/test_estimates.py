"""What teachers wrote down, and the ranking made of it and the model's."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from node.local import estimates


def written(*rows: tuple[str, Any, str, str | None, float | None]) -> dict[str, pd.DataFrame]:
    """Table `estimate`: student, week, subject, judgement, chance."""
    columns = ["student", "week", "subject", "judgement", "chance"]
    frame = pd.DataFrame(list(rows), columns=columns)
    return {"estimate": frame.astype({"week": "Int64", "chance": "float64"})}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 3, "totaal", "voldoende", 0.4)], 0.4),
        ([("a", 3, "totaal", "twijfel", None)], 0.5),
        ([("a", 3, "totaal", None, 0.9), ("a", 6, "totaal", None, 0.2)], 0.2),
        ([("a", 3, "totaal", None, 0.9), ("a", 11, "totaal", None, 0.2)], 0.9),
        ([("a", 3, "bpv", "onvoldoende", None), ("a", 3, "houding", "voldoende", None)], 0.5),
        ([("a", 3, "bpv", "onvoldoende", None), ("a", 3, "totaal", "voldoende", None)], 0.0),
        ([("a", None, "totaal", "onvoldoende", None)], 1.0),
    ],
)
def test_the_latest_estimate_of_the_whole_counts(rows: list[Any], expected: float) -> None:
    """
    | written by week 10 | counts as |
    |---|---|
    | a chance beside a judgement | the chance |
    | a judgement alone | 0, 1/2 or 1 |
    | two chances | the later one |
    | one of a later week | not yet |
    | subjects, none of the whole | their mean |
    | subjects beside the whole | the whole |
    | without a week | known from the start |
    """
    assert estimates.concerns(written(*rows), 10).to_dict() == {"a": expected}


def test_an_estimate_of_a_period_is_there_at_its_end() -> None:
    """Period 1 ends after ten weeks."""
    tables = written(("a", None, "totaal", None, 0.8))
    tables["estimate"]["period"] = pd.array([1], dtype="Int64")
    assert estimates.concerns(tables, 9).empty
    assert estimates.concerns(tables, 10).to_dict() == {"a": 0.8}


def test_no_estimates_are_no_ranking() -> None:
    """No table, an empty one, rows without a value."""
    for tables in ({}, written(), written(("a", 3, "totaal", None, None))):
        assert estimates.concerns(tables, 10).empty


def test_a_teachers_estimate_depends_on_that_students_rows_only() -> None:
    rows = [("a", 3, "totaal", None, 0.4), ("b", 6, "bpv", "twijfel", None), ("c", 2, "totaal", "voldoende", None)]
    whole = estimates.concerns(written(*rows), 10)
    for row in rows:
        alone = estimates.concerns(written(row), 10)
        assert alone[row[0]] == whole[row[0]]


def test_combined_is_the_mean_of_both_places() -> None:
    """
    | student | model | teachers | mean place | combined |
    |---|---|---|---|---|
    | a | 1 | 4 | 2.5 | 2: equal to c, before it in the model |
    | b | 2 | 1 | 1.5 | 1 |
    | c | 3 | 2 | 2.5 | 3 |
    | d | 4 | 3 | 3.5 | 4 |
    """
    scores = pd.Series({"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0})
    concern = pd.Series({"a": 0.1, "b": 0.9, "c": 0.7, "d": 0.5})
    assert (-estimates.combined(scores, concern)).to_dict() == {"a": 2.0, "b": 1.0, "c": 3.0, "d": 4.0}


def test_who_was_not_judged_keeps_the_models_place() -> None:
    """Neither favoured nor held back by a teacher's silence: a stays first, and the others change places around c."""
    scores = pd.Series({"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0})
    concern = pd.Series({"b": 0.1, "d": 0.9})
    assert (-estimates.combined(scores, concern)).to_dict() == {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    worried = pd.Series({"b": 0.1, "d": 0.9, "a": 0.0})
    places = (-estimates.combined(scores, worried)).to_dict()
    assert places["c"] == 3.0
    assert sorted(places.values()) == [1.0, 2.0, 3.0, 4.0]
