"""Strict YAML: what is read exactly, and that everything else is refused with line, rule, find and remedy."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from shared_schema import DocumentError
from shared_schema.documents import Bilingual, StrictModel, read, read_data
from shared_schema.yaml_tree import MAX_BYTES, parse


class Step(StrictModel):
    """One step of the trial model."""

    kind: Literal["count", "moments"]
    share: Decimal = Decimal(1)


class Budget(StrictModel):
    """The budget of the trial model."""

    epsilon: Decimal
    delta: Decimal = Decimal("1e-6")


class Trial(StrictModel):
    """A document with one of everything."""

    name: str
    budget: Budget
    steps: tuple[Step, ...] = ()
    students: dict[int, int] | None = None
    start: datetime.date | None = None
    local: bool = False
    size: int | None = None
    extra: dict[str, dict[str, Step]] | None = None


WHOLE = """
name: Uitval
budget:
  epsilon: 0.10
  delta: 1e-6
steps:
  - {kind: count, share: 0.1}
  - {kind: moments}
students: {2022: 400, 2023: 500}
start: 2024-09-01
local: true
size: 12
"""


def refusal(text: str, model: type[StrictModel] = Trial) -> DocumentError:
    """Return the error with which a document is refused."""
    with pytest.raises(DocumentError) as refused:
        read(text, model)
    return refused.value


def test_a_whole_document_arrives_exactly() -> None:
    """Decimals are exact, keys of years are whole numbers, lists are tuples, dates are dates."""
    trial = read(WHOLE, Trial)
    assert trial.budget.epsilon == Decimal("0.1")
    assert trial.budget.delta == Decimal("0.000001")
    assert [step.kind for step in trial.steps] == ["count", "moments"]
    assert trial.students == {2022: 400, 2023: 500}
    assert trial.start == datetime.date(2024, 9, 1)
    assert trial.local is True and trial.size == 12


@pytest.mark.parametrize("written", ["0.1", "0.30", "1e-6", "123456789.012345", "1E+20", "-0.000000000000001", "7"])
def test_every_decimal_of_fifteen_digits_is_exact(written: str) -> None:
    """No binary rounding enters a number on its way from the document to the model."""
    assert read(f"epsilon: {written}", Budget).epsilon == Decimal(written)


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "True", "TRUE", "1", "'true'", "y"])
def test_only_true_and_false_are_booleans(word: str) -> None:
    """`yes`, `on`, `1` and the text 'true' are not booleans."""
    error = refusal(f"name: a\nbudget: {{epsilon: 1}}\nlocal: {word}")
    assert error.problems[0].rule_en == "this is true or false"
    assert (error.problems[0].line, error.problems[0].column) == (3, 8)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 01", "01"),
        ("a: 0x1F", "0x1F"),
        ("a: 1_000", "1_000"),
        ("a: 12:30:00", "12:30:00"),
        ("a: .inf", ".inf"),
        ("a: 2024-01-01", "2024-01-01"),
        ("a: <<", "<<"),
        ("a: ~", None),
        ("a:", None),
        ("a: 'null'", "null"),
        ("a: -5", -5),
    ],
)
def test_scalars(text: str, data: Any) -> None:
    """Codes such as 01 keep their zero; YAML's surprises (octal, sexagesimal, merge keys, infinity) are plain text."""
    assert parse(text).data == {"a": data}
    assert type(parse(text).data["a"]) is type(data)


REFUSED = [
    ("a: &x 1\nb: *x", 1, "no anchors or aliases"),
    ("a: [1]\nb: *x", 2, "no anchors or aliases"),
    ("a: !!python/object/apply:os.system [id]", 1, "no YAML tags"),
    ("a: !local 1", 1, "no YAML tags"),
    ("a: 1\nb: 2\na: 3", 3, "key stands there twice"),
    ("a: 1\n---\nb: 2", 2, "one document in a file"),
    ("%YAML 1.2\n---\na: 1", 1, "no % directives"),
    ("%TAG ! tag:x,2000:\n---\na: 1", 1, "no % directives"),
    ("? [1, 2]\n: a", 1, "a key is text"),
    ("a: 1.2345678901234567", 1, "a number has at most 15 digits"),
    ("a: 1e999999999999", 1, "a number has at most 15 digits"),
    ("a:\n\t- 1", 2, "not valid YAML"),
    ("a: [1", 1, "not valid YAML"),
    ("a: \x00", 1, "not valid YAML"),
    ("[" * 25, 1, "deeper than 20 levels"),
    ("a: '" + "x" * MAX_BYTES + "'", 1, f"document larger than {MAX_BYTES} bytes"),
]


@pytest.mark.parametrize(("text", "line", "rule"), REFUSED, ids=[f"{row[0][:12]!r}" for row in REFUSED])
def test_what_the_subset_leaves_out_is_refused(text: str, line: int, rule: str) -> None:
    """Each thing that is left out is refused at its line, by its own rule, before any model sees it."""
    with pytest.raises(DocumentError) as refused:
        parse(text)
    (problem,) = refused.value.problems
    assert (problem.rule_en, problem.line) == (rule, line)
    assert problem.remedy_nl and problem.remedy_en and problem.rule_nl != rule


def test_a_billion_laughs_costs_nothing() -> None:
    """Aliases that would expand a thousandfold are refused at the first one."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]", *(f"b{n}: &b{n} [*a, *a, *a]" for n in range(9))]
    assert refusal("\n".join(lines)).problems[0].line == 1


def test_unknown_keys_are_refused_with_the_nearest_name() -> None:
    """A misspelt key is told with its place and the name that was meant, however deep it stands."""
    error = refusal("name: a\nbudget: {epsilom: 1}\nextra:\n  one:\n    two: {kind: count, shaer: 1}")
    told = {(one.line, one.found): one.remedy_en for one in error.problems if one.rule_en == "unknown key"}
    assert told == {(2, "epsilom"): "did you mean 'epsilon'?", (5, "shaer"): "did you mean 'share'?"}


def test_a_key_without_a_near_name_lists_what_is_allowed() -> None:
    """Where nothing is near, the remedy is the whole list."""
    assert refusal("epsilon: 1\nqqq: 1", Budget).problems[0].remedy_en == "allowed: delta, epsilon"


def test_every_problem_is_told_at_once_in_the_order_of_the_lines() -> None:
    """A person who repairs a document sees all of it: missing, wrong type, wrong choice, and where."""
    error = refusal("name: 5\nbudget:\n  delta: a\nsteps:\n  - {kind: cuont}\nsize: 1.5")
    told = [(one.line, one.path, one.rule_en) for one in error.problems]
    assert told == [
        (1, "name", "this is text (use quotes)"),
        (3, "budget.epsilon", "required key is missing"),
        (3, "budget.delta", "this is a number"),
        (5, "steps[0].kind", "not one of the choices"),
        (6, "size", "this is a whole number"),
    ]
    assert "did you mean 'count'" in str(error)
    assert "document:5:12 steps[0].kind: geen van de keuzes ('cuont'); bedoelde u 'count'?" in str(error)


def test_an_empty_document_is_refused() -> None:
    """Nothing at all is not a document."""
    assert refusal("").problems and refusal("# only a comment\n").problems


def test_files(tmp_path: Path) -> None:
    """A file is read as UTF-8 with or without a byte order mark; another file is refused by name, never by path."""
    path = tmp_path / "trial.yaml"
    path.write_bytes(b"\xef\xbb\xbfepsilon: 2")
    assert read(path, Budget).epsilon == 2
    path.write_bytes("naam: é".encode("latin-1"))
    with pytest.raises(DocumentError, match=r"trial\.yaml:1:1: bestand is geen UTF-8") as refused:
        read(path, Budget)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(DocumentError, match="file cannot be read"):
        read(tmp_path / "absent.yaml", Budget)


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file beyond the limit is refused after the limit, whatever its size."""
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: " + b"x" * (2 * MAX_BYTES))
    with pytest.raises(DocumentError, match=f"document larger than {MAX_BYTES} bytes"):
        read(path, Budget)


def test_plain_data_follows_the_same_rules() -> None:
    """Data that comes from a canonical message is checked like a document; decimals may stand as text."""
    assert read_data({"epsilon": "0.1"}, Budget).epsilon == Decimal("0.1")
    assert read_data({"epsilon": Decimal("0.1")}, Budget).epsilon == Decimal("0.1")
    with pytest.raises(DocumentError, match="unknown key"):
        read_data({"epsilon": 1, "extra": 1}, Budget)
    with pytest.raises(TypeError, match="more than 15 digits"):
        read_data({"epsilon": Decimal("0.1234567890123456789")}, Budget)
    with pytest.raises(TypeError, match="holds a set"):
        read_data({"epsilon": {1}}, Budget)


def test_a_model_is_frozen() -> None:
    """What has been read cannot be changed."""
    with pytest.raises(ValueError, match="frozen"):
        read("epsilon: 1", Budget).epsilon = Decimal(2)  # type: ignore[misc]


def test_a_file_that_is_no_document_is_not_quoted() -> None:
    """An export given as a document by mistake may hold a student's values: the error shows none of them."""
    with pytest.raises(DocumentError) as refused:
        read("Jansen-1234567;18;2023-09-01", Bilingual)
    assert "Jansen" not in str(refused.value)
