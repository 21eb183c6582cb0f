"""Synthetic schools: made-up, seeded, consistent with the shared schema, and with something to find for strong models.

Every figure here is a function of a fixed seed, so no test can fail by chance.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from experiments.synthetic.calibration import expected_auc, intercept_for, logistic, slope_for
from experiments.synthetic.complete import pseudonyms, tables
from experiments.synthetic.identifiers import identifiers, planted
from experiments.synthetic.leaving import linear_part
from experiments.synthetic.programmes import brin, school_name
from experiments.synthetic.sector import SyntheticSchool, generate
from experiments.synthetic.tabular import tabular
from experiments.synthetic.writers import DEALT, LAYOUTS, layout_of, write_exports
from experiments.synthetic.writers.export_file import Dialect, texts
from shared_schema import features, load_schema, outcomes
from shared_schema.report import Level
from shared_schema.validation import validate

SCHEMA = load_schema()
CUTOFF = 10


@pytest.fixture(scope="module")
def sector() -> list[SyntheticSchool]:
    return generate(schools=5, students=4000, seed=7)


@pytest.fixture(scope="module")
def small() -> SyntheticSchool:
    return generate(schools=1, students=600, seed=3)[0]


def _fingerprint(school: SyntheticSchool) -> tuple[bytes, ...]:
    frames = tables(school).values()
    return tuple(frame.to_csv().encode() for frame in frames)


# The sector -------------------------------------------------------------------------------------------------------


def test_the_seed_decides_everything() -> None:
    """The same seed gives the same students; another seed gives others."""
    first, again, other = (generate(2, 200, seed)[1] for seed in (11, 11, 12))
    assert _fingerprint(first) == _fingerprint(again)
    assert _fingerprint(first) != _fingerprint(other)


def test_a_school_does_not_depend_on_how_many_schools_there_are() -> None:
    """School number 1 of two is school number 1 of four, so a study of scale only adds schools."""
    assert _fingerprint(generate(2, 150, 5)[1]) == _fingerprint(generate(4, 150, 5)[1])


def test_schools_differ_in_dropout_from_8_to_30_percent() -> None:
    """Rates spread over the whole range and what is drawn follows them within 5 standard deviations."""
    schools = generate(24, 2000, 1)
    rates = np.array([school.dropout_rate for school in schools])
    assert 0.08 <= rates.min() < 0.10 and 0.28 < rates.max() <= 0.30
    drawn = np.array([school.dropout.mean() for school in schools])
    assert (np.abs(drawn - rates) < 5 * np.sqrt(rates * (1 - rates) / 2000)).all()


def test_sizes_are_what_was_asked_and_public_sizes_add_up(small: SyntheticSchool) -> None:
    """`students` counts people, not rows; cohort sizes add up to it."""
    assert small.size == 600 == sum(small.cohort_sizes.values())
    assert set(small.cohort_sizes) == {2022, 2023}
    assert len(small.enrolments["student"]) > 600, "some come back, so there are more enrolments than people"


@pytest.mark.parametrize(("schools", "students"), [(0, 10), (3, 0)])
def test_an_empty_sector_is_refused(schools: int, students: int) -> None:
    """Asking for nothing is a mistake, not an empty list."""
    with pytest.raises(ValueError, match="at least one school"):
        generate(schools, students, 1)


def test_names_and_codes_are_unique_and_invented() -> None:
    """A sector of 100 schools has 100 names and BRINs; real BRINs never begin with a 9."""
    assert len({school_name(index) for index in range(100)}) == 100
    codes = {brin(index) for index in range(100)}
    assert len(codes) == 100 and all(code[0] == "9" and len(code) == 4 for code in codes)


# Tables -----------------------------------------------------------------------------------------------------------


def test_tables_conform_to_the_schema(small: SyntheticSchool) -> None:
    """Every table of the generator passes the schema's own validation without a warning."""
    for name, frame in tables(small).items():
        report = validate(name, frame, SCHEMA)
        assert report.level in (None, Level.INFO), f"{name}: {report}"  # INFO: a column that is not delivered


def test_validation_would_notice(small: SyntheticSchool) -> None:
    """The check above can fail: a code outside the list is reported."""
    person = tables(small)["person"]
    person.loc[0, "geslacht"] = "Q"
    assert validate("person", person, SCHEMA).level in (Level.WARN, Level.FAIL)


def test_the_truth_is_what_the_schema_computes(sector: list[SyntheticSchool]) -> None:
    """Dropout drawn by the generator is `dropout_year_1` of its own tables, student by student."""
    for school in sector:
        computed = outcomes.compute(tables(school), "dropout_year_1", SCHEMA)
        truth = dict(zip(pseudonyms(school), school.dropout.astype(float), strict=True))
        assert computed.to_dict() == truth


def test_reasons_and_dates_agree(sector: list[SyntheticSchool]) -> None:
    """Who left has a reason, who has not has none; 01 is for graduates only; nobody leaves before starting."""
    for school in sector:
        rows = school.enrolments
        left = ~np.isnat(rows["end_date"])
        assert ((rows["reason"] != "") == left).all()
        assert (rows["end_date"][left] > rows["start_date"][left]).all()
        graduated = np.isin(rows["student"], school.diplomas["student"]) & (rows["enrolment_id"] == 1)
        assert (graduated[rows["reason"] == "01"]).all()


def test_nothing_is_registered_after_the_last_day(sector: list[SyntheticSchool]) -> None:
    """Week 10 of a student who left in week 6 is empty, not zero."""
    for school in sector:
        first = school.enrolments["enrolment_id"] == 1
        days = (school.enrolments["end_date"] - school.enrolments["start_date"])[first].astype(float)
        gone = ~np.isnat(school.enrolments["end_date"][first]) & (days < 60)
        assert gone.any() and np.isnan(school.attendance.unauthorised[gone, 9]).all()
        assert not np.isnan(school.attendance.unauthorised[~gone, 9]).all()


def test_exports_will_have_gaps(sector: list[SyntheticSchool]) -> None:
    """Unknown prior education and postcode, unregistered weeks, marks not filled in: all occur."""
    school = sector[0]
    assert (school.students["vooropleiding"] == "nan").any()
    assert (school.students["postcode4"] == 0).any()
    assert 0.001 < np.isnan(school.attendance.scheduled[:, :10]).mean() < 0.05
    assert np.isnan(school.attendance.grades).any()


# Something to find ------------------------------------------------------------------------------------------------


def _pooled(sector: list[SyntheticSchool]) -> tuple[np.ndarray, np.ndarray]:
    """Default features at week 10 [n, p] and the outcome [n] of all schools under each other."""
    chosen = features.available(SCHEMA, CUTOFF)
    parts = []
    for school in sector:
        shared = tables(school)
        outcome = outcomes.compute(shared, "dropout_year_1", SCHEMA, cutoff_week=CUTOFF)
        built = features.build(shared, chosen, CUTOFF, SCHEMA).loc[outcome.index]
        parts.append((built.to_numpy(float), outcome.to_numpy()))
    return np.vstack([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _held_out_aucs(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Held-out AUC of logistic regression and of boosted trees, mean of two splits (on one thread)."""
    found = []
    for split in range(2):
        test = np.random.default_rng(split).random(len(y)) < 0.3
        models = (
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
            HistGradientBoostingClassifier(random_state=0),
        )
        with threadpool_limits(limits=1):
            scores = [model.fit(x[~test], y[~test]).predict_proba(x[test])[:, 1] for model in models]
        found.append([roc_auc_score(y[test], score) for score in scores])
    linear, boosted = np.mean(found, axis=0)
    return float(linear), float(boosted)


def test_boosting_beats_a_straight_line(sector: list[SyntheticSchool]) -> None:
    """Pooled boosted trees beat pooled logistic regression by at least .008 AUC, both in a realistic range."""
    x, y = _pooled(sector)
    linear, boosted = _held_out_aucs(x, y)
    assert 0.78 <= linear <= 0.87 and 0.78 <= boosted <= 0.87
    assert boosted - linear >= 0.008


def test_without_interactions_there_would_be_nothing_to_find(sector: list[SyntheticSchool]) -> None:
    """The check above can fail: with outcomes drawn from the linear part alone, trees gain less than .008."""
    x, _ = _pooled(sector)
    chances = []
    for school in sector:
        outcome = outcomes.compute(tables(school), "dropout_year_1", SCHEMA, cutoff_week=CUTOFF)
        score = 1.5 * linear_part(school.students, school.attendance)
        by_student = dict(zip(pseudonyms(school), score + intercept_for(score, school.dropout_rate), strict=True))
        chances.append(logistic(np.array([by_student[student] for student in outcome.index])))
    chance = np.concatenate(chances)
    drawn = (np.random.default_rng(1).random(len(chance)) < chance).astype(float)
    linear, boosted = _held_out_aucs(x, drawn)
    assert boosted - linear < 0.008


# Identifiers ------------------------------------------------------------------------------------------------------


def _passes_eleven_proof(number: str) -> bool:
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(weight * int(digit) for weight, digit in zip(weights, number, strict=True)) % 11 == 0


def test_no_planted_number_can_be_a_real_bsn(sector: list[SyntheticSchool]) -> None:
    """Every BSN-like number has nine digits and fails the eleven-proof; mail goes to a domain that cannot exist."""
    assert _passes_eleven_proof("111222333"), "the check knows a valid number"
    for school in sector:
        marks = identifiers(school)
        numbers = [bsn or other for bsn, other in zip(marks.bsn, marks.onderwijsnummer, strict=True)]
        assert all(len(number) == 9 and not _passes_eleven_proof(number) for number in numbers)
        assert len(set(numbers)) == school.size
        assert all(mail.endswith(".example") for mail in marks.email)


def test_planted_names_every_direct_identifier(small: SyntheticSchool) -> None:
    """What a test must look for: names, mail, addresses, BSNs and the student numbers themselves."""
    marks = identifiers(small)
    texts_of_first = {
        str(small.students["number"][0]),
        *(str(getattr(marks, f.name)[0]) for f in dataclasses.fields(marks)),
    }
    assert texts_of_first - {""} <= planted(small)
    assert "" not in planted(small)


# Files ------------------------------------------------------------------------------------------------------------


def test_the_five_layouts_take_turns(tmp_path: Path, small: SyntheticSchool) -> None:
    """Five schools of a rehearsal have five layouts; the sixth begins again; another layout is refused by name."""
    assert [layout_of(index) for index in range(5)] == list(DEALT) and len(DEALT) == 5
    assert set(DEALT) <= set(LAYOUTS)
    assert layout_of(5) == layout_of(0)
    with pytest.raises(ValueError, match="magister"):
        write_exports(small, "magister", tmp_path)


def test_a_dialect_decides_how_a_value_is_written() -> None:
    """Decimal mark, order of a date, J/N; missing is an empty cell in each."""
    osiris = Dialect(";", "cp1252", ",", "dd-mm-yyyy")
    assert texts(np.array([1.5, np.nan]), osiris) == ["1,5", ""]
    assert texts(np.array(["2023-08-01", "NaT"], dtype="datetime64[D]"), osiris) == ["01-08-2023", ""]
    duo = Dialect("|", "utf-8", ".", "yyyymmdd")
    assert texts(np.array(["2023-08-01"], dtype="datetime64[D]"), duo) == ["20230801"]
    assert texts(np.array([True, False]), duo) == ["J", "N"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, small: SyntheticSchool) -> None:
    """Text exports are a function of the school, so a rehearsal's files can be compared."""
    for layout in set(LAYOUTS) - {"excel_workbook"}:  # a workbook holds the time at which it was made
        for copy in ("a", "b"):
            write_exports(small, layout, tmp_path / copy / layout)
        one, two = (sorted((tmp_path / copy / layout).iterdir()) for copy in ("a", "b"))
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two] and one


# Calibration and tables for hyperparameters -----------------------------------------------------------------------


def test_calibration_hits_rate_and_auc() -> None:
    """The intercept gives the mean asked for, the slope the AUC asked for."""
    score = np.random.default_rng(0).normal(size=4000)
    slope = slope_for(score, 0.2, 0.85)
    probability = logistic(slope * score + intercept_for(slope * score, 0.2))
    assert probability.mean() == pytest.approx(0.2, abs=1e-6)
    assert expected_auc(probability) == pytest.approx(0.85, abs=1e-4)


def test_expected_auc_is_the_auc_of_all_pairs() -> None:
    """On four students the formula equals counting pairs by hand."""
    p = np.array([0.1, 0.7, 0.4, 0.9])
    pairs = [(p[i] * (1 - p[j]), p[i] > p[j]) for i in range(4) for j in range(4) if i != j]
    by_hand = sum(weight for weight, above in pairs if above) / (p.sum() * (1 - p).sum())
    assert expected_auc(p) == pytest.approx(by_hand)


@pytest.mark.parametrize("seed", range(4))
def test_tabular_stays_within_declared_bounds(seed: int) -> None:
    """Features lie in [-1, 1], have names, mix one-hot and numbers; base rate and AUC are in the range promised."""
    table = tabular(3000, 50, seed)
    assert table.features.shape == (3000, 50) == (len(table.outcome), len(set(table.names)))
    assert np.abs(table.features).max() <= 1.0 and np.isfinite(table.features).all()
    one_hot = [set(np.unique(column)) <= {-1.0, 1.0} for column in table.features.T]
    assert 20 <= sum(one_hot) <= 35
    assert 0.15 <= table.probability.mean() <= 0.40
    assert 0.84 <= expected_auc(table.probability) <= 0.95


def test_tabular_repeats_and_refuses_too_little() -> None:
    """A seed repeats; a table too small to mean anything is refused."""
    assert (tabular(200, 20, 1).features == tabular(200, 20, 1).features).all()
    assert (tabular(200, 20, 1).outcome != tabular(200, 20, 2).outcome).any()
    with pytest.raises(ValueError, match="at least 8 features"):
        tabular(200, 3, 1)
