"""Whose rows become vectors (METHODS §7, attack 13c): one person makes one, and no cohort comes in undeclared.

Rows go the whole way here: exports, intake, the permanent table, and the rows of a run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import definition
from experiments.definition import Experiment
from experiments.students import Students
from node import assembly
from node.ingest import ingest
from node.people import by_person, withheld
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import load_schema
from tests.kit import DEFAULT
from tests.unit.coalition.office import Office, office

SCHOOL = "school-0"
MAPPING = """mapping: 1
layout: test
title: {nl: t, en: t}
sources: {s: {file: "s.csv"}}
identifier: {column: nr}
tables:
  person:
    source: s
    columns: {geslacht: {from: g, recode: {M: M, V: V}}}
  enrolment:
    source: s
    columns: {enrolment_id: volg, start_date: start, end_date: eind}
"""
ROWS = {
    "1001": "M;2022-08-22;2023-07-31",
    "1002": "V;2022-08-22;2022-12-01",
    "1003": "M;2023-08-21;",
    "2001": "V;2022-08-29;",  # the new number of 1001, who came back
    "3001": "V;2021-08-23;2022-01-10",  # of a cohort that nobody declared
}


@pytest.fixture
def made(tmp_path: Path) -> Office:
    """A school with a charter that took in its exports twice: the first time without the last two students."""
    found = office(tmp_path)
    found.accept_charter()
    folder = found.node_folder(SCHOOL)
    folder.mapping.write_text(MAPPING)
    key = PseudonymKey.load(folder.pseudonym_key)
    lines = [f"{number};1;{row}\n" for number, row in ROWS.items()]
    for delivered in (lines[:3], lines):
        (folder.exports / "s.csv").write_text("nr;volg;g;start;eind\n" + "".join(delivered))
        ingest(folder.exports, folder.mapping, folder.data, key, load_schema())
    return found


def _asked(*cohorts: int) -> Experiment:
    asked = definition.read(DEFAULT)
    population = asked.population.model_copy(update={"cohorts": list(cohorts)})
    return definition.freeze(asked.model_copy(update={"population": population}), load_schema())


def _rows(made: Office, *cohorts: int) -> Students:
    return assembly.open_node(made.node_folder(SCHOOL)).students(_asked(*cohorts))


@pytest.mark.parametrize("defended", [False, True])
def test_a_number_linked_after_intake_makes_no_second_vector(
    made: Office, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """The operator says that 2001 is 1001; from then on they are one row, without another intake.

    Two vectors of one person, both paid by one account, would be twice the sensitivity that the account pays for.
    """
    if not defended:
        monkeypatch.setattr(by_person, "_named", lambda tables, _: tables)
    assert len(_rows(made, 2022, 2023)) == 4
    folder = made.node_folder(SCHOOL)
    key = PseudonymKey.load(folder.pseudonym_key)
    with Pseudonyms.open(folder.data) as pseudonyms:
        pseudonyms.link(key.pseudonym("1001"), key.pseudonym("2001"))
    assert len(_rows(made, 2022, 2023)) == (3 if defended else 4)


def test_linking_one_person_changes_no_other_row(made: Office) -> None:
    """The rows of the others stay bit for bit what they were."""
    before = _rows(made, 2023)
    folder = made.node_folder(SCHOOL)
    key = PseudonymKey.load(folder.pseudonym_key)
    with Pseudonyms.open(folder.data) as pseudonyms:
        pseudonyms.link(key.pseudonym("1001"), key.pseudonym("2001"))
    after = _rows(made, 2023)
    assert before.features.tobytes() == after.features.tobytes() and np.array_equal(before.outcome, after.outcome)


@pytest.mark.parametrize("why", [withheld.OPTED_OUT, withheld.ERASED])
@pytest.mark.parametrize("defended", [False, True])
def test_who_is_left_out_has_no_row_in_the_next_run(
    made: Office, monkeypatch: pytest.MonkeyPatch, why: str, defended: bool
) -> None:
    """From the moment it is on record, before any row is removed; rows that a run formed earlier stay as they were."""
    folder = made.node_folder(SCHOOL)
    key = PseudonymKey.load(folder.pseudonym_key)
    prepared = _rows(made, 2022, 2023)
    before = prepared.features.tobytes()
    with Pseudonyms.open(folder.data) as pseudonyms:
        withheld.withhold(pseudonyms, [key.pseudonym("1002")], why)
    if not defended:
        monkeypatch.setattr(withheld, "left_out", lambda _: frozenset())
    assert len(_rows(made, 2022, 2023)) == (3 if defended else 4)
    assert prepared.features.tobytes() == before


def test_one_number_of_a_person_leaves_the_person_out(made: Office) -> None:
    """1001 objects; 2001 is the same person by the operator's link, made before or after."""
    folder = made.node_folder(SCHOOL)
    key = PseudonymKey.load(folder.pseudonym_key)
    with Pseudonyms.open(folder.data) as pseudonyms:
        withheld.withhold(pseudonyms, [key.pseudonym("2001")], withheld.OPTED_OUT)
        assert len(_rows(made, 2022, 2023)) == 3
        pseudonyms.link(key.pseudonym("1001"), key.pseudonym("2001"))
    assert len(_rows(made, 2022, 2023)) == 2


@pytest.mark.parametrize("defended", [False, True])
def test_a_cohort_without_a_declared_size_has_no_rows(made: Office, defended: bool) -> None:
    """The smallest cohort is tested on declared sizes; one that was not declared passed that test by being absent.

    Asked about 2021 and 2022, the school answers with its students of 2022 alone: its charter declares no 2021.
    """
    if defended:
        assert len(_rows(made, 2021, 2022)) == len(_rows(made, 2022)) == 3
        return
    everything = {2021: 1, 2022: 200, 2023: 200}
    undefended = assembly._students(made.node_folder(SCHOOL), load_schema(), everything)
    assert len(undefended(_asked(2021, 2022))) == 4


def test_a_cohort_declared_empty_has_no_rows(made: Office) -> None:
    """Zero is a declaration too: whoever turns up in such a cohort after all is not counted."""
    declared = {2021: 0, 2022: 200}
    rows = assembly._students(made.node_folder(SCHOOL), load_schema(), declared)
    assert len(rows(_asked(2021, 2022))) == 3


OTHERS = """
  application: {source: a, columns: {status: {from: st, recode: {in: SUBMITTED}}, school_year: jaar}}
  staff_survey: {source: m, columns: {survey: {constant: MTO}, question: v, answer: c}}
  area: {source: p, columns: {postcode4: pc, source: {constant: CBS}}}
"""


def test_applicants_staff_and_areas_have_no_row(made: Office) -> None:
    """An applicant and a member of staff under a student's own number, and an area: the run's rows are the same."""
    before = _rows(made, 2022, 2023)
    folder = made.node_folder(SCHOOL)
    sources = (
        'sources: {s: {file: "s.csv"}, a: {file: "a.csv"}, m: {file: "m.csv"}, p: {file: p.csv, identifier: false}}'
    )
    folder.mapping.write_text(MAPPING.replace('sources: {s: {file: "s.csv"}}', sources) + OTHERS.lstrip("\n"))
    (folder.exports / "a.csv").write_text("nr;st;jaar\n1001;in;2022\n7001;in;2022\n")
    (folder.exports / "m.csv").write_text("nr;v;c\n1002;V1;4\n7002;V1;2\n")
    (folder.exports / "p.csv").write_text("pc\n1013\n")
    key = PseudonymKey.load(folder.pseudonym_key)
    ingest(folder.exports, folder.mapping, folder.data, key, load_schema())
    after = _rows(made, 2022, 2023)
    assert np.array_equal(before.features, after.features) and np.array_equal(before.outcome, after.outcome)
    tables = Store.open(folder.data).tables()
    assert not set(tables["application"]["applicant"]) & set(tables["person"]["student"])
    assert not set(tables["staff_survey"]["staff"]) & set(tables["person"]["student"])
    with Pseudonyms.open(folder.data) as pseudonyms:
        assert set(pseudonyms.cohorts()) == {key.pseudonym(number) for number in ROWS}
