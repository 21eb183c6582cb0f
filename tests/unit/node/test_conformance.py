"""A quality report counts every loss and repair, says pass, warn or fail, and never holds a cell."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from experiments.catalogue.questions import load_questions, served
from node.conformance import Quality, QualityFailed, TableQuality, Verdict, check, present_columns
from node.mapping import Count, Delivery
from node.quality.overview import overview
from node.quality.text import render, render_questions
from shared_schema import load_schema
from shared_schema.indicators import RULES

SCHEMA = load_schema()
MARKER = "GEHEIM-4711"


def students(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(count)]


def checked(
    tolerance: float = 0.05, counts: tuple[Count, ...] = (), table: str = "person", **columns: list[Any]
) -> tuple[pd.DataFrame, TableQuality]:
    frame = pd.DataFrame(columns)
    tables, (quality,) = check(Delivery({table: frame}, counts, {}), SCHEMA, tolerance)
    return tables[table], quality


def test_a_table_as_declared_passes() -> None:
    """Rows, students and coverage are counted."""
    frame, quality = checked(student=students(4), geslacht=["M", "V", None, "O"])
    assert (quality.verdict, quality.delivered, quality.kept, quality.students) == (Verdict.PASS, 4, 4, 4)
    assert quality.coverage == {"student": 1.0, "geslacht": 0.75}
    assert len(frame) == 4


@pytest.mark.parametrize(
    ("bad", "verdict"), [(0, Verdict.PASS), (1, Verdict.WARN), (5, Verdict.WARN), (6, Verdict.FAIL)]
)
def test_the_tolerance_divides_warn_from_fail(bad: int, verdict: Verdict) -> None:
    """Of a hundred cells five may be lost at 0.05, six may not."""
    _, quality = checked(student=students(100), geslacht=["M"] * (100 - bad) + [MARKER] * bad)
    assert quality.verdict is verdict
    assert MARKER not in repr(quality)


def test_two_rows_for_one_student_are_both_set_aside() -> None:
    """Nobody can say which of them is right; the report counts them."""
    frame, quality = checked(0.5, student=[*students(3), students(3)[0]], geslacht=["M", "V", "V", "V"])
    assert sorted(frame["student"]) == students(3)[1:]
    assert (quality.set_aside, quality.verdict) == (2, Verdict.WARN)
    assert [(note.rule, note.rows) for note in quality.notes] == [("duplicate", 2)]


def test_a_value_outside_the_bounds_is_clipped_and_counted() -> None:
    """Never in silence, never a loss."""
    frame, quality = checked(
        table="enrolment", student=students(2), enrolment_id=["1", "1"], age_at_start=pd.array([17, 400], dtype="Int64")
    )
    assert frame["age_at_start"].tolist() == [17, 80]
    assert [(note.rule, note.column, note.rows) for note in quality.notes] == [("out_of_bounds", "age_at_start", 1)]
    assert quality.verdict is Verdict.WARN


def test_a_required_column_that_lacks_fails() -> None:
    """However small the table: its form is wrong."""
    _, quality = checked(0.5, table="enrolment", student=students(2), cohort=[2023, 2023])
    assert quality.verdict is Verdict.FAIL
    assert ("missing_column", "enrolment_id") in [(note.rule, note.column) for note in quality.notes]


def test_an_empty_identity_table_fails_and_another_warns() -> None:
    """A school may have no diplomas yet; without students there is nothing to ask."""
    assert checked(student=[], geslacht=[])[1].verdict is Verdict.FAIL
    assert checked(table="diploma", student=[], crebo=[])[1].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("what", "verdict"), [("unlisted", Verdict.FAIL), ("ambiguous", Verdict.FAIL), ("several_set", Verdict.PASS)]
)
def test_counts_of_the_mapping_weigh_in(what: str, verdict: Verdict) -> None:
    """What the mapping lost counts against the cells that were filled before; what it declared does not."""
    counts = (Count("person", "geslacht", what, 2),)
    assert checked(counts=counts, student=students(4), geslacht=["M", "V", None, None])[1].verdict is verdict


def report() -> Quality:
    quality = checked(student=students(20), geslacht=["M"] * 19 + [MARKER])[1]
    return Quality("test", "0" * 64, 0.05, (), (), {"s": ("[red]x[/red]",)}, (quality,))


def test_the_report_is_plain_data_with_its_version() -> None:
    """Texts, numbers, lists and mappings only, so what is stored beside a delivery is what is shown later."""
    plain = json.loads(json.dumps(report().plain()))
    assert (plain["quality"], plain["verdict"], plain["layout"]) == (2, "warn", "test")
    assert plain["tables"][0]["notes"][0]["rule"] == "unknown_code"


def test_the_report_in_words_is_dutch_and_english_and_shows_no_markup_of_a_school() -> None:
    """A column called [red] is printed as it is called; marker cells are nowhere."""
    console = Console(width=200, record=True, file=io.StringIO())
    render(overview(json.loads(json.dumps(report().plain())), SCHEMA), console)
    render_questions(served({"enrolment.cohort"}, SCHEMA), console)
    text = console.export_text()
    assert "De data zijn bruikbaar" in text and "usable" in text
    assert "[red]x[/red]" in text
    assert MARKER not in text


def test_a_failed_delivery_says_which_tables() -> None:
    """The error carries the whole report for whoever has to act."""
    quality = checked(student=students(2), geslacht=[MARKER, MARKER])[1]
    error = QualityFailed(Quality("test", "0" * 64, 0.05, (), (), {}, (quality,)))
    assert "person" in error.found and error.quality.verdict is Verdict.FAIL
    assert MARKER not in str(error)


# The forty questions ----------------------------------------------------------------------------------------------


def test_every_question_names_columns_of_the_schema() -> None:
    """Forty questions, each once, and every column exists: `load_questions` raises otherwise."""
    assert [question.number for question in load_questions(SCHEMA)] == list(range(1, 41))


def test_what_lacks_is_named_and_alternatives_count() -> None:
    """Question 5 takes an end date or a flag, attendance or prior education; question 13 needs no rows at all."""
    have = {"enrolment.cohort", "enrolment.dropout_flag", "person.vooropleiding"}
    by_number = {service.number: service for service in served(have, SCHEMA)}
    assert by_number[5].verdict == "yes"
    assert by_number[13].verdict == "public"
    assert by_number[21].verdict == "extension"
    assert by_number[6].lacking == (
        "attendance.week",
        "attendance.hours_absent or attendance.hours_absent_unauthorised",
    )
    assert {service.number: service for service in served(have - {"enrolment.cohort"}, SCHEMA)}[5].verdict == "no"


def test_a_column_without_a_filled_cell_is_not_there() -> None:
    """A name in a header answers no question."""
    quality = checked(table="result", student=students(2), score=[None, None], course=["a", "b"])[1]
    assert present_columns([quality]) == {"result.student", "result.course"}


INDICATORS = {9: ("jaarresultaat", "startersresultaat", "vsv_eigen"), 19: ("jaarresultaat",), 22: ("vertraging",)} | {
    31: ("startersresultaat",),
    33: ("startersresultaat",),
    30: ("uitval_jaar_1",),
}


@pytest.mark.parametrize("number", INDICATORS)
def test_a_question_about_an_indicator_asks_for_what_the_indicator_needs(number: int) -> None:
    """The columns of `questions.yaml` and those of the definitions cannot drift apart."""
    question = next(one for one in load_questions(SCHEMA) if one.number == number)
    for indicator in INDICATORS[number]:
        for need in RULES[indicator].needs:
            choices = set(need.split(" | "))
            assert choices & set(question.needs) or choices <= set().union(*question.one_of), (indicator, need)


def test_every_question_is_released_as_the_coalition_agreed() -> None:
    """One table, one answer: DOMAIN §4's types of release, question by question.

    T a table, TR transitions, HZ time by exit, M moments, G a model, PRC scores by outcome, - nothing.
    """
    agreed = (
        "T;T;T, TR;T;G, PRC;PRC;PRC;T;T, M;-;T;T;-;T;TR, T;M, HZ;HZ;G, T;T;G, T;"
        "G, T;M, HZ;T;G, PRC;T;T;T;-;T, M;HZ;T;T;G;T;-;T;TR;T;-;-"
    )
    assert [question.release for question in load_questions(SCHEMA)] == agreed.split(";")


def test_every_question_says_what_it_needs() -> None:
    """A question names columns, or is public; what goes beyond the schema is said in both languages."""
    for question in load_questions(SCHEMA):
        assert question.columns or question.public, question.number
        assert question.title.nl != question.title.en
