"""Layouts beside the student systems: journeys, applications, surveys, DUO's open data. One cohort, the same truth.

Each is written from one synthetic school and read by the mapping that ships for it. What comes back is compared with
the generator's own figures, and with what Osiris says of the same students.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import node.mappings
from experiments.synthetic import surveys
from experiments.synthetic.applications import applications, bsn_hashes, statuses
from experiments.synthetic.complete import pseudonyms, tables
from experiments.synthetic.identifiers import planted
from experiments.synthetic.programmes import CATALOGUE
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers import write_exports
from experiments.synthetic.writers.duo_open_data import students_on_october
from experiments.synthetic.writers.surveys import staff_numbers
from node.conformance import Verdict
from node.ingest import Examined, examine, ingest
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import About, features, load_schema, outcomes
from shared_schema.facts import of_students

SCHEMA = load_schema()
KEY = PseudonymKey(b"a key for this test only, 32 byte")
MAPPINGS = Path(node.mappings.__file__).parent
OTHERS = (
    "student_journey",
    "cambo",
    "job_monitor",
    "bpv_monitor",
    "medewerkersonderzoek",
    "team_enquetes",
    "duo_open_data",
)
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def school() -> SyntheticSchool:
    return generate(schools=1, students=800, seed=5)[0]


@pytest.fixture(scope="module")
def exports(school: SyntheticSchool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same school in every layout, each in a folder of its own."""
    root = tmp_path_factory.mktemp("exports")
    for layout in (*OTHERS, "osiris"):
        write_exports(school, layout, root / layout)
    return root


@pytest.fixture(scope="module")
def read(exports: Path) -> dict[str, Examined]:
    return {
        layout: examine(exports / layout, MAPPINGS / f"{layout}.yaml", KEY, SCHEMA) for layout in (*OTHERS, "osiris")
    }


@pytest.mark.parametrize("layout", OTHERS)
def test_the_shipped_mapping_reads_the_layout(read: dict[str, Examined], layout: str) -> None:
    """Without a warning: nothing unreadable, nothing unlisted, nothing set aside."""
    assert read[layout].quality.verdict is Verdict.PASS
    assert read[layout].quality.layout == layout


def by_student(frame: pd.DataFrame, key: list[str], school: SyntheticSchool) -> pd.DataFrame:
    """A mapped table under the generator's pseudonyms, in the order of its key."""
    numbers = school.students["number"].astype(str).tolist()
    names = {KEY.pseudonym(number): own for number, own in zip(numbers, pseudonyms(school), strict=True)}
    return frame.assign(student=frame["student"].map(names).astype("string")).sort_values(key).reset_index(drop=True)


def same(mapped: pd.DataFrame, complete: pd.DataFrame, key: list[str]) -> None:
    """Both tables are equal on the columns that both have."""
    shared = [name for name in complete.columns if name in mapped.columns]
    left = complete.sort_values(key).reset_index(drop=True)[shared]
    pd.testing.assert_frame_equal(mapped[shared], left, check_dtype=False)


def test_a_journey_is_the_enrolments_of_the_school(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """Doubled rows are merged; dates, cohort, team, and the code behind the programme's name come back."""
    made, complete = read["student_journey"], tables(school)
    key = ["student", "enrolment_id"]
    same(by_student(made.tables["enrolment"], key, school), complete["enrolment"], key)
    first = complete["programme_period"].sort_values("start_date").drop_duplicates(key)
    same(by_student(made.tables["programme_period"], key, school), first, key)
    merged = {note.rule: note.rows for note in made.quality.tables[0].notes}
    assert merged["merged"] == len(range(0, len(complete["enrolment"]), 40)) > 0


def test_a_journey_dates_a_diploma_by_leaving(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """Who passed is known, and of which programme; the day is that of leaving, and the outcome is the truth."""
    diploma = by_student(read["student_journey"].tables["diploma"], ["student", "crebo"], school)
    complete = tables(school)
    same(diploma.drop(columns="date"), complete["diploma"], ["student", "crebo"])
    ends = complete["enrolment"].set_index(["student", "enrolment_id"])["end_date"]
    left = ends.reindex(pd.MultiIndex.from_frame(diploma[["student", "enrolment_id"]])).to_numpy()
    assert np.array_equal(diploma["date"].to_numpy(), left, equal_nan=True)
    outcome = outcomes.compute(read["student_journey"].tables, "dropout_year_1", SCHEMA)
    numbers = [KEY.pseudonym(number) for number in school.students["number"].astype(str)]
    assert outcome.reindex(numbers).tolist() == school.dropout.astype(float).tolist()


def test_every_status_of_every_application_comes_back(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """Doubles are merged, moments become days, 3000-01-01 becomes "still holds", under pseudonyms of applicants."""
    made, frame = applications(school), read["cambo"].tables["application"]
    held = statuses(made)
    of = held["application"].astype(np.int64)
    hashes = bsn_hashes(school, made.person)[of]
    truth = pd.DataFrame(
        {
            "applicant": [KEY.pseudonym(text, About.APPLICANT) for text in hashes.tolist()],
            "created": made.created[of].astype("datetime64[us]"),
            "school_year": made.cohort[of],
            "crebo": [CATALOGUE[number].crebo for number in made.programme[of].tolist()],
            "leertraject": made.leertraject[of],
            "status": held["status"],
            "start_date": held["start_date"].astype("datetime64[us]"),
            "end_date": held["end_date"].astype("datetime64[us]"),
            "postcode4": [str(code) if code else None for code in made.postcode4[of].tolist()],
        }
    )
    key = ["applicant", "crebo", "start_date"]
    mine = frame.sort_values(key).reset_index(drop=True)
    same(mine, truth, key)
    assert mine["end_date"].isna().sum() == len(made.route) and len(mine) == len(truth)


def test_who_enrolled_applied_for_what_the_student_system_says(read: dict[str, Examined]) -> None:
    """Pseudonyms cannot be joined, so as counts: year, programme, track and postcode of both are the same."""
    application = read["cambo"].tables["application"]
    enrolled = application[application["status"] == "ENROLLED"]
    osiris = read["osiris"].tables
    first = osiris["enrolment"][osiris["enrolment"]["enrolment_id"] == "1"]
    joined = first.merge(osiris["programme_period"].drop(columns="start_date"), on=["student", "enrolment_id"])
    joined = joined.merge(osiris["person"], on="student")
    columns = ["crebo", "leertraject", "postcode4"]
    there = Counter(enrolled[["school_year", *columns]].astype(str).itertuples(index=False, name=None))
    here = Counter(joined[["cohort", *columns]].astype(str).itertuples(index=False, name=None))
    assert there == here and len(there) > 100
    assert not set(application["applicant"]) & set(joined["student"])


@pytest.mark.parametrize(
    ("layout", "survey", "given", "day"),
    [
        ("job_monitor", "JOB", surveys.job_monitor, surveys.JOB_DATE),
        ("bpv_monitor", "BPV", surveys.bpv_monitor, surveys.BPV_DATE),
    ],
)
def test_answers_of_students_come_back(
    school: SyntheticSchool, read: dict[str, Examined], layout: str, survey: str, given: object, day: np.datetime64
) -> None:
    """One row per student and question, 9 is no answer, the open answer is nowhere."""
    answered = given(school)  # type: ignore[operator]
    frame = read[layout].tables["survey"]
    assert set(frame["survey"]) == {survey} and set(frame["date"]) == {pd.Timestamp(day)}
    wide = frame.pivot(index="student", columns="question", values="answer")
    numbers = [KEY.pseudonym(number) for number in school.students["number"][answered.who].astype(str)]
    assert np.array_equal(wide.loc[numbers, list(answered.questions)].to_numpy(), answered.answers, equal_nan=True)


def test_answers_of_staff_come_back_under_their_own_pseudonyms(
    school: SyntheticSchool, read: dict[str, Examined]
) -> None:
    """Some numbers of staff are numbers of students too; no pseudonym is."""
    answered, frame = surveys.staff_survey(school), read["medewerkersonderzoek"].tables["staff_survey"]
    wide = frame.pivot(index="staff", columns="question", values="answer")
    numbers = staff_numbers(school).astype(str)
    staff = [KEY.pseudonym(number, About.STAFF) for number in numbers]
    assert np.array_equal(wide.loc[staff, list(answered.questions)].to_numpy(), answered.answers, equal_nan=True)
    assert set(numbers) & set(school.students["number"].astype(str)), "nothing to mix up"
    assert not set(staff) & {KEY.pseudonym(number) for number in school.students["number"].astype(str)}


def test_results_per_team_are_the_means_of_the_answers(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """To the two decimals that are published; below five answers neither mean nor number."""
    frame = read["team_enquetes"].tables["team_survey"].set_index(["survey", "team", "question"])
    given = {"JOB": surveys.job_monitor, "MWO": surveys.staff_survey, "BPV": surveys.bpv_monitor}
    hidden = 0
    for survey, answered in given.items():
        for team, question, mean, count in surveys.per_team(answered(school)):
            mine = frame.loc[(survey, team, question)]
            if count < surveys.FEWEST:
                hidden += 1
                assert pd.isna(mine["mean"]) and pd.isna(mine["respondents"])
            else:
                assert abs(mine["mean"] - mean) <= 0.005 + 1e-9 and mine["respondents"] == count
    assert 0 < hidden < len(frame)


def test_published_counts_hold_the_true_ones(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """Five or more is exact; from 1 to 4, published as -1 in one year and as 4 in the other, is known as 1 to 4."""
    counts = read["duo_open_data"].tables["enrolment_count"].set_index(["year", "crebo", "leertraject"])
    few = 0
    for year in (2022, 2023):
        for (number, track), count in students_on_october(school, year).items():
            mine = counts.loc[(year, CATALOGUE[number].crebo, track)]
            exact = (count, count) if count >= 5 else (1, 4)
            few += count < 5
            assert (mine["students_low"], mine["students_high"]) == exact
    assert 0 < few < len(counts)
    programme = read["duo_open_data"].tables["programme"]
    assert programme["sectorkamer"].notna().all() and programme["niveau"].notna().all()


def test_no_identifier_of_anybody_survives(school: SyntheticSchool, read: dict[str, Examined]) -> None:
    """Names in open answers, e-mail, hashes of BSNs and numbers of staff stand in the exports and in no cell."""
    made = applications(school)
    marks = planted(school) | set(bsn_hashes(school, made.person)) | set(staff_numbers(school).astype(str))
    for layout in OTHERS:
        cells = {str(cell) for frame in read[layout].tables.values() for name in frame for cell in frame[name].unique()}
        assert not cells & marks
        assert not any("@" in cell or "Café" in cell or "Werkdruk" in cell for cell in cells), layout


def test_all_of_them_stand_in_one_store_beside_the_students(exports: Path, tmp_path: Path) -> None:
    """Eight deliveries of eight layouts; the accounts are the students', and what is asked of them does not change."""
    for layout in ("osiris", *(name for name in OTHERS if name != "student_journey")):
        ingest(exports / layout, MAPPINGS / f"{layout}.yaml", tmp_path, KEY, SCHEMA)
        if layout == "osiris":
            alone = Store.open(tmp_path).tables()
            with Pseudonyms.open(tmp_path) as table:
                accounts = table.cohorts()
    everything = Store.open(tmp_path).tables()
    assert {"application", "survey", "staff_survey", "team_survey", "enrolment_count"} <= set(everything)
    assert set(everything["survey"]["survey"]) == {"JOB", "BPV"}
    with Pseudonyms.open(tmp_path) as table:
        assert table.cohorts() == accounts
    offered = features.available(SCHEMA, 10)
    before, after = (features.build(given, offered, 10, SCHEMA) for given in (alone, everything))
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert set(of_students(everything)) == {*alone, "survey"}
