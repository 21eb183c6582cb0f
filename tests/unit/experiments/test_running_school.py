"""An invented school in the middle of a year: what its systems know that day, and what its teachers wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.synthetic import teachers
from experiments.synthetic.attendance import LAST_WEEK
from experiments.synthetic.running import export_day, running
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.writers.uitnodigingsregel import write

YEAR, WEEK = 2025, 6


@pytest.fixture(scope="module")
def whole() -> SyntheticSchool:
    return generate(1, 600, 3)[0]


@pytest.fixture(scope="module")
def school(whole: SyntheticSchool) -> SyntheticSchool:
    return running(whole, YEAR, WEEK)


def test_there_are_two_complete_cohorts_and_a_running_one(school: SyntheticSchool) -> None:
    cohorts, sizes = np.unique(school.students["cohort"], return_counts=True)
    assert cohorts.tolist() == [2023, 2024, 2025]
    assert sizes.min() > 150


def test_nothing_is_known_of_what_comes_after_the_export(school: SyntheticSchool) -> None:
    """No start, end, diploma or programme period after the day; no absence or mark after the week."""
    today = export_day(YEAR, WEEK)
    for table in (school.enrolments, school.programme_periods):
        assert table["start_date"].max() <= today
    ends = school.enrolments["end_date"]
    assert ends[~np.isnat(ends)].max() <= today
    assert school.diplomas["date"].max() <= today
    now = school.students["cohort"] == YEAR
    later = np.array(LAST_WEEK) > WEEK
    assert np.isnan(school.attendance.unauthorised[now][:, later]).all()
    assert not np.isnan(school.attendance.unauthorised[now][:, 0]).all()
    assert np.isnan(school.attendance.grades[now]).all()
    assert not np.isnan(school.attendance.grades[~now]).all()


def test_who_has_not_left_yet_has_no_reason_for_leaving(school: SyntheticSchool) -> None:
    open_end = np.isnat(school.enrolments["end_date"])
    assert set(school.enrolments["reason"][open_end]) == {""}


def test_only_the_years_move(whole: SyntheticSchool, school: SyntheticSchool) -> None:
    """The same people, of the same age on a first day of the same month."""
    assert (whole.students["number"] == school.students["number"]).all()
    assert (whole.dropout == school.dropout).all()
    for name in ("start_date", "birth_date"):
        before, after = (one.students[name].astype("datetime64[M]").astype(int) for one in (whole, school))
        assert ((after - before) % 12 == 0).all()
    moved = school.students["cohort"].astype(int) - whole.students["cohort"].astype(int)
    assert set(moved.tolist()) <= {1, 2}


def test_an_outcome_is_written_for_who_is_no_longer_in_the_first_year(school: SyntheticSchool, tmp_path: Path) -> None:
    """Empty for who is; 1 for who left this autumn already."""
    write(school, tmp_path)
    head, *rows = [line.split("\t") for line in (tmp_path / "uitnodigingsregel.csv").read_text().splitlines()]
    flags = np.array([row[head.index("Dropout")] for row in rows])
    now = school.students["cohort"] == YEAR
    assert set(flags[~now]) == {"0", "1"}
    assert set(flags[now]) == {"", "1"}
    assert (flags[now] == "").mean() > 0.9


def test_a_week_that_does_not_exist_is_refused(whole: SyntheticSchool) -> None:
    for week in (-1, 41):
        with pytest.raises(ValueError, match="teaching weeks"):
            running(whole, YEAR, week)


def test_teachers_judge_what_has_been_taught_and_know_something(school: SyntheticSchool) -> None:
    """No judgement after the week; those who will leave are judged more worrying; one in eight is not judged."""
    rows = teachers.judgements(school, 3)
    who = rows["student"].astype(int)
    now = school.students["cohort"][who] == YEAR
    assert rows["week"][now].max() == WEEK
    assert rows["week"][~now].max() == 40
    overall = rows["subject"] == "totaal"
    left = school.dropout[who]
    assert rows["chance"][overall & left].mean() > rows["chance"][overall & ~left].mean() + 0.1
    assert np.isnan(rows["chance"][~overall]).all()
    assert 0.8 < len(np.unique(who)) / school.size < 0.95


def test_the_same_seed_gives_the_same_judgements(school: SyntheticSchool) -> None:
    first, again, other = (teachers.judgements(school, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name], equal_nan=first[name].dtype.kind == "f") for name in first)
    assert len(first["student"]) != len(other["student"]) or (first["judgement"] != other["judgement"]).any()
