"""Students, applicants and staff are three populations: other pseudonyms, other accounts, never rows of one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.errors import UnusableInput
from node.ingest import examine, ingest
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import About, features, load_schema, outcomes
from shared_schema.facts import Facts, of_students, population

KEY = PseudonymKey(b"k" * 32)
SCHEMA = load_schema()
HEADING = "mapping: 1\nlayout: test\ntitle: {nl: t, en: t}\n"
STUDENTS = "  s: {file: s.csv, identifier: nr}\n"
PEOPLE = """sources:
  s: {file: s.csv, identifier: nr}
  a: {file: a.csv, identifier: nr}
  m: {file: m.csv, identifier: nr}
  t: {file: t.csv, identifier: false}
  p: {file: p.csv, identifier: false}
tables:
  enrolment: {source: s, columns: {enrolment_id: {constant: "1"}, start_date: start, end_date: eind}}
  application: {source: a, columns: {status: {from: status, recode: {in: SUBMITTED}}, school_year: jaar}}
  staff_survey: {source: m, columns: {survey: {constant: MTO}, question: vraag, answer: score}}
  team_survey: {source: t, columns: {survey: {constant: JOB}, team: team, question: vraag, mean: gem, respondents: n}}
  area: {source: p, columns: {postcode4: pc, apcg: arm, source: {constant: CBS}, source_date: 2019-01-01}}
"""
FILES = {
    "s.csv": "nr;start;eind\n1;2023-08-21;2023-12-01\n2;2023-08-21;\n",
    "a.csv": "nr;status;jaar\n1;in;2023\n3;in;2023\n",
    "m.csv": "nr;vraag;score\n1;V1;4\n9;V1;2\n",
    "t.csv": "team;vraag;gem;n\nZorg;V1;3,4;12\nZorg;V2;2,9;12\n",
    "p.csv": "pc;arm\n1013;TRUE\n1018;TRUE\n",
}


def school(folder: Path, mapping: str = PEOPLE, files: dict[str, str] | None = None) -> Path:
    (folder / "exports").mkdir(exist_ok=True)
    for name, text in (FILES if files is None else files).items():
        (folder / "exports" / name).write_text(text)
    (folder / "m.yaml").write_text(HEADING + mapping)
    return folder


def take_in(folder: Path) -> None:
    ingest(folder / "exports", folder / "m.yaml", folder / "data", KEY, SCHEMA)


def refused(folder: Path, mapping: str) -> str:
    with pytest.raises(UnusableInput) as caught:
        examine(school(folder, mapping) / "exports", folder / "m.yaml", KEY, SCHEMA)
    return caught.value.code


def test_one_number_is_three_people() -> None:
    """Number 1 of a student, an applicant and a member of staff: three pseudonyms that nobody can join."""
    assert len({KEY.pseudonym("1", about) for about in (About.STUDENT, About.APPLICANT, About.STAFF)}) == 3
    assert KEY.pseudonym("1") == KEY.pseudonym("1", About.STUDENT)


def test_only_students_get_an_account(tmp_path: Path) -> None:
    """An applicant who never enrols and a member of staff are stored under their own names, and in no account."""
    take_in(school(tmp_path))
    tables = Store.open(tmp_path / "data").tables()
    assert set(tables["application"]["applicant"]) == {KEY.pseudonym(n, About.APPLICANT) for n in ("1", "3")}
    assert set(tables["staff_survey"]["staff"]) == {KEY.pseudonym(n, About.STAFF) for n in ("1", "9")}
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        assert pseudonyms.cohorts() == {KEY.pseudonym("1"): 2023, KEY.pseudonym("2"): 2023}


def test_an_experiment_sees_students_alone(tmp_path: Path) -> None:
    """Population, outcome and features are the same, bit for bit, whether or not tables about others are there."""
    take_in(school(tmp_path))
    tables = Store.open(tmp_path / "data").tables()
    alone = of_students(tables)
    assert set(alone) == {"enrolment"} and set(tables) - set(alone) == {
        "application",
        "staff_survey",
        "team_survey",
        "area",
    }
    assert population(tables).tolist() == sorted([KEY.pseudonym("1"), KEY.pseudonym("2")])
    offered = features.available(SCHEMA, 10)
    assert features.build(tables, offered, 10, SCHEMA).equals(features.build(alone, offered, 10, SCHEMA))
    assert outcomes.compute(tables, "dropout_year_1", SCHEMA).equals(outcomes.compute(alone, "dropout_year_1", SCHEMA))


def test_facts_hold_no_table_about_others(tmp_path: Path) -> None:
    """Whatever is computed of a student starts from tables about students: the others are not even reachable."""
    take_in(school(tmp_path))
    facts = Facts.of(Store.open(tmp_path / "data").tables(), SCHEMA)
    assert set(facts.tables) == {"enrolment"}
    assert not any(facts.has(name, "question") or len(facts.rows(name)[0]) for name in ("staff_survey", "team_survey"))


def test_a_survey_before_the_enrolments_fixes_no_account(tmp_path: Path) -> None:
    """Who answered a survey first and is enrolled in a later delivery stands in the cohort of that enrolment."""
    survey = "sources:\n" + STUDENTS.replace("s.csv", "v.csv")
    survey += "tables:\n  survey: {source: s, columns: {survey: {constant: JOB}, question: v, answer: a}}\n"
    take_in(school(tmp_path, survey, {"v.csv": "nr;v;a\n1;V1;4\n"}))
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        assert pseudonyms.cohorts() == {}
    take_in(school(tmp_path))
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        assert pseudonyms.cohorts()[KEY.pseudonym("1")] == 2023


def test_a_link_of_students_leaves_applicants_alone(tmp_path: Path) -> None:
    """Linking student 2's new number moves no applicant who happens to have that number."""
    take_in(school(tmp_path))
    with Pseudonyms.open(tmp_path / "data") as pseudonyms:
        pseudonyms.link(KEY.pseudonym("2"), KEY.pseudonym("3"))
    take_in(tmp_path)
    tables = Store.open(tmp_path / "data").tables()
    assert KEY.pseudonym("3", About.APPLICANT) in set(tables["application"]["applicant"])


def test_a_source_is_about_one_population(tmp_path: Path) -> None:
    """One file that fills a table of students and one of applicants, by rows or by look-up, is refused."""
    both = "sources:\n" + STUDENTS + "tables:\n  enrolment: {source: s, columns: {start_date: start}}\n"
    assert refused(tmp_path, both + "  application: {source: s, columns: {created: start}}\n") == "two_populations"
    looked_up = PEOPLE.replace("school_year: jaar", "created: {from: start, of: s}")
    assert refused(tmp_path, looked_up) == "two_populations"


def test_rows_of_people_fill_no_table_about_teams_or_the_public(tmp_path: Path) -> None:
    """A table without a pseudonym column takes no rows of people, and a table of people none of nobody."""
    of_people = PEOPLE.replace(
        "area: {source: p, columns: {postcode4: pc, apcg: arm", "area: {source: s, columns: {postcode4: start"
    )
    assert refused(tmp_path, of_people) == "rows_of_people"
    looked_up = PEOPLE.replace("apcg: arm,", "apcg: {from: eind, of: s, by: {start: pc}},")
    assert refused(tmp_path, looked_up) == "rows_of_people"
    of_nobody = PEOPLE.replace("enrolment: {source: s", "enrolment: {source: t").replace(
        ", start_date: start, end_date: eind", ""
    )
    assert refused(tmp_path, of_nobody) == "no_identifier"
    assert refused(tmp_path, PEOPLE.replace("status: {from", "applicant: jaar, status: {from")) == "student_is_given"


def test_the_report_counts_students_only(tmp_path: Path) -> None:
    """`students` of a table about others is 0; rows are counted all the same, and rows of one key set aside."""
    twice = {**FILES, "t.csv": FILES["t.csv"] + "Zorg;V2;4,0;3\nICT;V1;3,0;4\n"}
    mapping = PEOPLE.replace("sources:", "tolerance: 0.5\nsources:")
    examined = examine(school(tmp_path, mapping, twice) / "exports", tmp_path / "m.yaml", KEY, SCHEMA)
    found = {table.table: (table.students, table.kept, table.set_aside) for table in examined.quality.tables}
    assert found["enrolment"] == (2, 2, 0) and found["application"] == (0, 2, 0)
    assert found["team_survey"] == (0, 2, 2)
