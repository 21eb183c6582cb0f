"""The declarations themselves: complete, consistent, and the same for everyone."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from shared_schema import About, Schema, Type, UnknownColumn, load_schema
from shared_schema.codes import CODE_LISTS
from shared_schema.columns import Column, Declared, Table, Text, student_column

SCHEMA = load_schema()
COLUMNS = [(table, column) for table in SCHEMA.tables.values() for column in table.columns.values()]
IDS = [f"{table.name}.{column.name}" for table, column in COLUMNS]

CONTRACT = {
    "person": "student geslacht vooropleiding postcode4 apcg",
    "enrolment": "student enrolment_id cohort start_date planned_end_date end_date reden_uitschrijving age_at_start "
    "first_study applications applied_before_april team college dropout_flag dropout_flag_definition",
    "programme_period": "student enrolment_id start_date end_date crebo niveau leertraject sector location funded sbu",
    "attendance": "student week weeks hours_scheduled hours_absent hours_absent_unauthorised hours_absent_authorised",
    "result": "student date week course kind score score_max",
}


def test_the_names_of_the_contract() -> None:
    """Mappings, synthetic data and queries rely on these names and this order."""
    assert {name: " ".join(SCHEMA.tables[name].columns) for name in CONTRACT} == CONTRACT
    others = ["placement", "diploma", "vsv_report", "application", "survey", "estimate", "staff_survey", "team_survey"]
    public = ["area", "institution", "programme", "enrolment_count", "norm"]
    assert list(SCHEMA.tables) == [*CONTRACT, *others, *public]
    assert [name for name, table in SCHEMA.tables.items() if table.about is About.PUBLIC] == public


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=IDS)
def test_every_column_is_declared_in_full(table: Table, column: Column) -> None:
    """Every column has prose in both languages, and what its type needs: codes, bounds or nothing."""
    assert column.prose.nl.endswith((".", "?")) and column.prose.en.endswith((".", "?"))
    assert column.prose.nl != column.prose.en
    assert (column.type is not Type.CODE) or column.codes is not None
    if column.type in (Type.INTEGER, Type.DECIMAL):
        assert column.bounds is not None or column.codes is not None
    if column.bounds is not None:
        assert column.bounds.low < column.bounds.high
        assert not column.bounds.per or column.bounds.per in table.columns
    if column.codes is not None:
        assert SCHEMA.codes[column.codes.name] is column.codes


@pytest.mark.parametrize("table", SCHEMA.tables.values(), ids=list(SCHEMA.tables))
def test_every_table_is_declared_in_full(table: Table) -> None:
    """Every table has prose, starts with whom it is about if that is a person, and has a key of its own columns."""
    assert table.prose.nl and table.prose.en and table.title.nl and table.title.en
    assert set(table.key) | set(table.order) <= set(table.columns)
    first = next(iter(table.columns))
    assert not table.columns[first].nullable and (not table.key or table.key[0] == first)
    pseudonyms = [name for name, column in table.columns.items() if column.type is Type.PSEUDONYM]
    assert pseudonyms == ([first] if table.about.person else [])
    assert table.unit == (first if table.about.person else None)


def test_populations_stand_under_different_names() -> None:
    """Only tables about students have a column `student`: whoever looks for it never finds an applicant or staff."""
    for table in SCHEMA.tables.values():
        assert ("student" in table.columns) == (table.about is About.STUDENT), table.name
    assert SCHEMA.table("application").unit == "applicant" and SCHEMA.table("staff_survey").unit == "staff"


def test_public_figures_name_their_source_and_hold_nothing_sensitive() -> None:
    """Every public table requires who published it and has a day for which it holds; none identifies anybody."""
    for table in SCHEMA.tables.values():
        if table.about is About.PUBLIC:
            assert not table.columns["source"].nullable and table.columns["source_date"].type is Type.DATE
            assert not [name for name, column in table.columns.items() if column.sensitive]


@pytest.mark.parametrize("codes", CODE_LISTS.values(), ids=list(CODE_LISTS))
def test_every_code_has_two_labels(codes: object) -> None:
    """Each code has a Dutch and an English label, and no two codes share one."""
    labels = list(codes.labels.values())  # type: ignore[attr-defined]
    assert all(label.nl and label.en for label in labels)
    assert len({label.nl for label in labels}) == len(labels)


def test_no_direct_identifier_is_declared() -> None:
    """No table has a column for a name, an address, a BSN or an onderwijsnummer."""
    forbidden = re.compile(
        r"bsn|onderwijsnummer|naam|adres|e_?mail|telefoon|geboortedatum|studentnummer", re.IGNORECASE
    )
    assert not [name for name in IDS if forbidden.search(name)]
    assert forbidden.search("person.voornaam")


def test_the_hash_covers_what_gives_a_value_its_meaning() -> None:
    """Another bound, code, type or key gives another hash; another text does not."""
    assert load_schema().hash == SCHEMA.hash and len(SCHEMA.hash) == 32
    person = SCHEMA.tables["person"]
    apcg = person.columns["apcg"]

    def with_column(column: Column) -> Schema:
        tables = {**SCHEMA.tables, "person": person.extended({"apcg": column})}
        return Schema(tables, SCHEMA.codes, {})

    assert with_column(dataclasses.replace(apcg, prose=Text("anders", "other"))).hash == SCHEMA.hash
    tables = {**SCHEMA.tables, "person": dataclasses.replace(person, about=About.STAFF)}
    assert Schema(tables, SCHEMA.codes, {}).hash != SCHEMA.hash
    for change in ({"sensitive": False}, {"nullable": False}, {"type": Type.TEXT}, {"pattern": "x"}):
        assert with_column(dataclasses.replace(apcg, **change)).hash != SCHEMA.hash, change


def test_unknown_columns_are_refused_with_the_nearest_name() -> None:
    """A column that does not exist is refused with the one that was probably meant."""
    with pytest.raises(UnknownColumn, match="did you mean 'geslacht'"):
        SCHEMA.column("person", "gesacht")


def test_a_table_is_a_class_of_columns() -> None:
    """A declared class leaves its table: name from the class, prose from the docstring, columns in order."""

    class OpenDay(Declared, title=Text("Open dag", "Open day"), nl="Eén rij per bezoek.", key=("student",)):
        """One row
        per visit.
        """

        student = student_column()
        minutes = Column(Type.INTEGER, Text("Minuten.", "Minutes."))

    assert (OpenDay.table.name, OpenDay.table.prose.en) == ("open_day", "One row per visit.")
    assert list(OpenDay.table.columns) == ["student", "minutes"]
    assert OpenDay.table.order == ("student",)


def test_importing_the_schema_is_light() -> None:
    """The schema alone brings neither pandas nor pydantic, so that a command line's help stays quick."""
    heavy = "print({'pandas', 'pandera', 'pydantic'} & set(sys.modules))"
    code = f"import sys, shared_schema; shared_schema.load_schema(); {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
