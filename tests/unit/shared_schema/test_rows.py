"""Synthetic rows from the declarations: valid (see test_validation), seeded, and about nobody."""

from __future__ import annotations

import re

import pytest

from shared_schema import UnknownTable, load_schema
from shared_schema.columns import Type
from shared_schema.rows import pseudonym, synthetic

SCHEMA = load_schema()


def test_one_seed_gives_one_school() -> None:
    """The same seed gives the same rows, another seed other rows."""
    assert synthetic("result", 20, SCHEMA, seed=1).equals(synthetic("result", 20, SCHEMA, seed=1))
    assert not synthetic("result", 20, SCHEMA, seed=1).equals(synthetic("result", 20, SCHEMA, seed=2))


def test_students_are_the_same_in_every_table() -> None:
    """Student number i of a seed has one pseudonym in every table, so tables can be joined."""
    persons = synthetic("person", 5, SCHEMA, seed=3)
    rows = synthetic("attendance", 40, SCHEMA, seed=3, students=5)
    assert set(rows["student"]) == set(persons["student"]) == {pseudonym(3, n) for n in range(5)}


@pytest.mark.parametrize("name", list(SCHEMA.tables))
def test_dtypes_are_the_declared_ones(name: str) -> None:
    """Every column has the dtype that its declared type is kept in, and nullable columns have gaps."""
    frame = synthetic(name, 80, SCHEMA)
    for column in SCHEMA.table(name).columns.values():
        assert str(frame[column.name].dtype) == column.type.dtype
        assert frame[column.name].isna().any() == column.nullable, column.name


def test_texts_have_the_declared_form() -> None:
    """A column with a pattern gets texts of that form, whatever is drawn."""
    for table in SCHEMA.tables.values():
        frame = synthetic(table.name, 50, SCHEMA, seed=9)
        for column in table.columns.values():
            if column.pattern and column.type is Type.TEXT:
                held = frame[column.name].dropna()
                assert all(re.fullmatch(column.pattern, value) for value in held), column.name


def test_an_unknown_table_is_refused() -> None:
    """A table that the schema does not have is refused."""
    with pytest.raises(UnknownTable):
        synthetic("staff", 1, SCHEMA)
