"""How a coalition extends the schema in YAML, without code: what an extension may say, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared_schema import DocumentError, ExtensionError, Schema, features, load_schema, outcomes, yaml_tree
from shared_schema.validation import validate
from tests.spec.small_tables import tables

OPEN_UNIVERSITY = """
schema_extension: 1
title: {nl: Open Universiteit, en: Open University}
codes:
  imd_band:
    title: {nl: Armoede-index, en: Deprivation index}
    values:
      0-50%: {nl: armste helft, en: poorest half}
      50-100%: {nl: rijkste helft, en: richest half}
columns:
  person:
    imd_band:
      type: code
      prose: {nl: Armoede-index van de buurt., en: Deprivation of the area.}
      codes: imd_band
      sensitive: true
      feature: true
    credits:
      type: decimal
      prose: {nl: Studiepunten., en: Credits.}
      bounds: [0, 0.5]
      feature: {fill: 0.10}
    disability:
      type: boolean
      prose: {nl: Beperking., en: Disability.}
      nullable: false
      sensitive: true
      feature: {fill: false, from_week: 3}
  attendance:
    clicks:
      type: integer
      prose: {nl: Muisklikken., en: Clicks.}
      bounds: [0, 100]
      feature: {fill: 0, from_week: 1, aggregate: mean}
  enrolment:
    withdrawn:
      type: boolean
      prose: {nl: Uitgeschreven na dag 28., en: Withdrawn after day 28.}
      outcome: true
"""


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    """Return the schema with the extension above, read from a file."""
    path = tmp_path / "schema.yaml"
    path.write_text(OPEN_UNIVERSITY, encoding="utf-8")
    return load_schema(path)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """Return the path of the extension with one text replaced; the text must be there."""
    assert old in OPEN_UNIVERSITY
    path = tmp_path / "schema.yaml"
    path.write_text(OPEN_UNIVERSITY.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_column_of_an_extension_is_a_feature(schema: Schema) -> None:
    """A number keeps its bounds, a code becomes one feature per code, a boolean 0 or 1; nullable adds "recorded".

    A's clicks of week 4 come after the cut-off and B's 700 clicks count as the bound.

    person
    student | imd_band | credits | disability
    A       | 0-50%    | 0.25    | true
    B       | 50-100%  |         | false
    C       |          | 0.5     | false

    attendance
    student | week | clicks
    A       | 1    | 10
    A       | 3    | 20
    A       | 4    | 90
    B       | 1    | 700
    """
    given = tables(test_a_column_of_an_extension_is_a_feature, schema)
    names = ["person.imd_band", "person.credits", "person.disability", "attendance.clicks"]
    chosen = features.named(schema, 3, names)
    built = features.build(given, chosen, 3, schema).T.to_dict("list")
    assert [feature.name for feature in chosen] == [
        "person.imd_band=0-50%",
        "person.imd_band=50-100%",
        "person.credits",
        "person.credits:recorded",
        "person.disability",
        "attendance.clicks",
        "attendance.clicks:recorded",
    ]
    assert built == {
        "A": [1.0, 0.0, 0.25, 1.0, 1.0, 15.0, 1.0],
        "B": [0.0, 1.0, 0.10, 0.0, 0.0, 100.0, 1.0],
        "C": [0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0],
    }
    assert [feature.sensitive for feature in chosen[:4]] == [True, True, False, False]


def test_a_column_counts_from_its_declared_week(schema: Schema) -> None:
    """`from_week: 3` keeps a column out of every earlier cut-off."""
    at = {week: {feature.name for feature in features.available(schema, week)} for week in (0, 2, 3)}
    assert "person.disability" not in at[0] | at[2]
    assert "person.disability" in at[3]
    assert "person.credits" in at[0]
    assert "attendance.clicks" in at[2] - at[0]


def test_a_boolean_of_an_extension_is_an_outcome(schema: Schema) -> None:
    """An outcome column gives 1 or 0; a student for whom it is empty is outside the population.

    enrolment
    student | enrolment_id | withdrawn
    A       | 1            | true
    B       | 1            | false
    C       | 1            |
    """
    given = tables(test_a_boolean_of_an_extension_is_an_outcome, schema)
    assert "enrolment.withdrawn" in outcomes.names(schema)
    assert outcomes.compute(given, "enrolment.withdrawn", schema).to_dict() == {"A": 1.0, "B": 0.0}


def test_a_column_of_an_extension_is_checked(schema: Schema) -> None:
    """Codes, bounds and required values of an extension are checked like those of the schema.

    person
    student                          | imd_band | credits | disability
    00000000000000000000000000000001 | 0-50%    | 0.25    | true
    00000000000000000000000000000002 | other    | 0.75    |
    """
    given = tables(test_a_column_of_an_extension_is_checked, schema)
    found = {(one.rule, one.column) for one in validate("person", given["person"], schema).findings}
    expected = {("unknown_code", "imd_band"), ("out_of_bounds", "credits"), ("empty", "disability")}
    assert expected <= found
    assert ("unknown_column", "credits") not in found
    plain = validate("person", given["person"], load_schema())
    assert ("unknown_column", "credits") in {(one.rule, one.column) for one in plain.findings}


def test_plain_data_gives_the_same_schema(schema: Schema) -> None:
    """`Schema.extension` stands in an experiment's definition and gives the same schema, feature by feature."""
    again = load_schema(schema.extension)
    assert again.hash == schema.hash != load_schema().hash
    assert features.available(again, 10) == features.available(schema, 10)
    assert _kinds(schema.extension) <= {dict, list, str, int, bool, type(None)}


def _kinds(value: Any) -> set[type]:
    inner = list(value.values()) if hasattr(value, "values") else value if isinstance(value, list) else []
    own = dict if hasattr(value, "values") else type(value)
    return {own}.union(*(_kinds(one) for one in inner))


CONTRADICTIONS = [
    ("    credits:\n", "    geslacht:\n", "the schema has this column already (geslacht)"),
    ("  person:\n", "  persoon:\n", "the schema has no such table (persoon); did you mean 'person'"),
    ("codes:\n  imd_band", "codes:\n  niveau", "this code list exists already (niveau)"),
    (
        "      codes: imd_band",
        "      codes: imd_bant",
        "there is no such code list (imd_bant); did you mean 'imd_band'",
    ),
    ("      codes: imd_band\n", "", "a column of type code names its code list"),
    ("      bounds: [0, 0.5]\n", "", "a number has public bounds"),
    ("[0, 0.5]", "[0.5, 0]", "bounds are [low, high]"),
    ("{fill: 0.10}", "{fill: 0.75}", "'fill' is a value that the column may hold (0.75)"),
    ("fill: false, from_week: 3", "fill: false, from_week: 53", "a teaching week lies between 0 and 52 (53)"),
    (
        "      type: boolean\n      prose: {nl: Uit",
        "      type: text\n      prose: {nl: Uit",
        "an outcome is a boolean",
    ),
    ("      outcome: true", "      outcome: true\n      feature: true", "a column is a feature or an outcome"),
    ("    clicks:\n", "    Clicks per week:\n", "a name is lower-case letters, digits and _"),
    (
        "      type: boolean\n      prose: {nl: Bep",
        "      type: date\n      prose: {nl: Bep",
        "free text and dates are never",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), CONTRADICTIONS, ids=[row[2][:40] for row in CONTRADICTIONS])
def test_contradictions_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """An extension adds and never changes; each contradiction is told with its line, what was found and a remedy."""
    with pytest.raises(ExtensionError) as refused:
        load_schema(changed(tmp_path, old, new))
    assert message in str(refused.value)
    assert all(problem.line > 1 and problem.remedy_en for problem in refused.value.problems)


def test_an_unknown_key_is_refused_with_its_line(tmp_path: Path) -> None:
    """A misspelt key is told with line, column and the key that was probably meant."""
    path = changed(tmp_path, "sensitive: true", "sensitief: true")
    line = path.read_text(encoding="utf-8").splitlines().index("      sensitief: true") + 1
    with pytest.raises(DocumentError, match="did you mean 'sensitive'") as refused:
        load_schema(path)
    assert [(one.line, one.column, one.found) for one in refused.value.problems] == [(line, 7, "sensitief")]


@pytest.mark.parametrize("use", ["feature: true", "outcome: true"])
@pytest.mark.parametrize(
    ("table", "about"), [("application", "applicants"), ("staff_survey", "staff"), ("area", "public")]
)
def test_only_tables_about_students_have_features_and_outcomes(table: str, about: str, use: str) -> None:
    """A coalition may add a column to any table; what an experiment uses is a fact of a student."""
    text = """
schema_extension: 1
title: {nl: t, en: t}
columns:
  TABLE:
    seen: {type: boolean, prose: {nl: Gezien., en: Seen.}, USE}
"""
    document = yaml_tree.parse(text.replace("TABLE", table).replace(", USE", ""), "e.yaml").data
    assert "seen" in load_schema(document).table(table).columns
    with pytest.raises(ExtensionError, match=f"only a table about students.*{about}"):
        load_schema(yaml_tree.parse(text.replace("TABLE", table).replace("USE", use), "e.yaml").data)
