"""A spec test's docstring arrives; the small tables written in it leave as frames, so the manual is the test.

A table is a line with its name, a line of column names and a line per row, cells divided by `|`:

    enrolment
    student | start_date | end_date
    A       | 2023-08-28 |

An empty cell is missing. A table named `answer` holds what the test expects.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from shared_schema import Schema, indicators, load_schema, outcomes
from shared_schema.casting import read_types

SCHEMA = load_schema()


def tables(given: Callable[..., object], schema: Schema = SCHEMA) -> dict[str, pd.DataFrame]:
    """Return the tables of a test's docstring in the schema's dtypes, without `answer`."""
    found = _blocks(given.__doc__ or "")
    return {
        name: read_types(schema.table(name), frame.astype("string"))[0]
        for name, frame in found.items()
        if name != "answer"
    }


def answer(given: Callable[..., object]) -> pd.DataFrame:
    """Return the expected table as text, indexed by its first column; missing cells are empty text."""
    frame = _blocks(given.__doc__ or "")["answer"].fillna("")
    return frame.set_index(frame.columns[0])


def check_outcome(given: Callable[..., object], name: str, schema: Schema = SCHEMA, **options: object) -> None:
    """Compare an outcome with the column `outcome` of the answer; a student with an empty cell is outside."""
    expected = answer(given)["outcome"]
    inside = expected[expected != ""].astype(float)
    computed = outcomes.compute(tables(given, schema), name, schema, **options)  # type: ignore[arg-type]
    assert computed.to_dict() == inside.to_dict()


def _blocks(text: str) -> dict[str, pd.DataFrame]:
    blocks: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    before = ""
    for line in (line.strip() for line in text.splitlines()):
        if "|" in line:
            current.append([cell.strip() for cell in line.split("|")])
            blocks.setdefault(before, current)
        else:
            before, current = line or before, []
    return {name: _frame(rows) for name, rows in blocks.items()}


def _frame(rows: list[list[str]]) -> pd.DataFrame:
    head, *body = rows
    assert all(len(row) == len(head) for row in body), f"a row does not have the {len(head)} cells of {head}"
    return pd.DataFrame(body, columns=head).replace("", None)


def repeated(given: Callable[..., object], counts: dict[str, int]) -> dict[str, pd.DataFrame]:
    """Return the docstring's tables with each student standing for as many students as `counts` says."""
    return {
        name: pd.concat([_copies(frame, student, n) for student, n in counts.items()], ignore_index=True)
        for name, frame in tables(given).items()
    }


def _copies(frame: pd.DataFrame, student: str, n: int) -> pd.DataFrame:
    own = frame[frame["student"] == student]
    return pd.concat([own.assign(student=f"{student}{copy}") for copy in range(n)] or [own.iloc[:0]])


def check_indicator(given: Callable[..., object], name: str, years: list[int], by: str = "school") -> None:
    """Compare an indicator's counts with the answer: group | segment | numerator | denominator."""
    computed = indicators.indicator(name, tables(given), SCHEMA, years, by)
    columns = ["segment", "numerator", "denominator"]
    expected = answer(given)[columns].astype({"numerator": int, "denominator": int})
    assert computed.set_index("group")[columns].to_dict("index") == expected.to_dict("index")
