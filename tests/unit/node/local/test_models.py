"""The school's own model: scikit-learn's, glass box, and the same whatever other students stand beside one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from node.local import fitting, lists
from node.local.linear import LinearModel, chances, scaled_by_bounds
from tests.unit.node.local.school import SCHEMA, pseudonym, school, tables


@pytest.fixture(scope="module")
def ground() -> fitting.Ground:
    return lists.ground(school(), 10, sensitive=False)


@pytest.fixture(scope="module")
def model(ground: fitting.Ground) -> LinearModel:
    return fitting.fit(ground, ground.labels.index, "dropout_year_1", SCHEMA)


def test_the_own_model_is_a_pipeline_of_scikit_learn(ground: fitting.Ground, model: LinearModel) -> None:
    """Scaled, standardised and fitted by scikit-learn's own classes: the same log odds."""
    students = ground.labels.index
    rows = scaled_by_bounds(ground.of(students), ground.features)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-8, max_iter=5000))
    pipeline.fit(rows, ground.labels.loc[students])
    assert model.scores(ground.of(students)).to_numpy() == pytest.approx(pipeline.decision_function(rows), abs=1e-4)


def test_terms_add_up_to_the_distance_from_the_average(ground: fitting.Ground, model: LinearModel) -> None:
    """Glass box: a score is the average score plus what each feature adds; nothing is left over."""
    known = ground.of(ground.labels.index)
    everyone = ground.frame
    terms = model.terms(everyone, known).sum(axis=1)
    apart = model.scores(everyone) - model.scores(known).mean()
    assert terms.to_numpy() == pytest.approx(apart.to_numpy(), abs=1e-9)


def test_a_score_does_not_depend_on_who_else_is_ranked(ground: fitting.Ground, model: LinearModel) -> None:
    """Bit for bit: alone, among others, in another order."""
    whole = model.scores(ground.frame)
    shuffled = model.scores(ground.frame.sample(frac=1.0, random_state=3))
    for student in ground.frame.index[::37]:
        alone = model.scores(ground.frame.loc[[student]])
        assert alone[student] == whole[student] == shuffled[student]


def test_the_same_rows_in_another_order_give_the_same_model(ground: fitting.Ground, model: LinearModel) -> None:
    shuffled = pd.Index(np.random.default_rng(1).permutation(ground.labels.index.to_numpy(object)))
    again = fitting.fit(ground, shuffled, "dropout_year_1", SCHEMA)
    assert again.hash == model.hash
    assert (again.weights == model.weights).all()


def test_a_models_name_follows_from_everything_it_scores_by(model: LinearModel) -> None:
    """Week, outcome, weights, schema: one of them changed is another model; the last bits of a weight are not."""
    others = [
        replace(model, week=6),
        replace(model, outcome="vsv_eigen"),
        replace(model, weights=model.weights + 1e-3),
        replace(model, intercept=model.intercept + 1e-3),
        replace(model, schema_hash=b"0" * 32),
        replace(model, kind="joint"),
    ]
    assert len({model.hash, *(other.hash for other in others)}) == 1 + len(others)
    assert replace(model, weights=model.weights + 1e-13).hash == model.hash


def test_a_feature_without_any_spread_has_no_weight(ground: fitting.Ground, model: LinearModel) -> None:
    """All are HAVO: the flag says nothing, and stays out of every score and every reason."""
    weights = dict(zip([feature.name for feature in model.features], model.weights, strict=True))
    assert weights["vooropleiding_HAVO"] == 0.0
    assert weights["absence_unauthorised_per_week"] != 0.0


def test_sensitive_features_are_not_in_the_model_unless_the_policy_says_so() -> None:
    names = {feature.name for feature in fitting.wanted(SCHEMA, 10, sensitive=False)}
    assert not names & {"age", "geslacht_V", "apcg"}
    allowed = {feature.name for feature in fitting.wanted(SCHEMA, 10, sensitive=True)}
    assert {"age", "geslacht_V", "apcg"} <= allowed


@pytest.mark.parametrize(
    ("left", "stayed", "enough"), [(12, 88, True), (11, 89, False), (88, 12, True), (12, 87, False), (0, 500, False)]
)
def test_too_few_students_make_no_model_and_it_says_why(left: int, stayed: int, enough: bool) -> None:
    """At least 100 of whom the outcome is known, at least 12 of either."""
    labels = pd.Series([1.0] * left + [0.0] * stayed)
    why = fitting.why_not(labels)
    assert (why is None) is enough
    if why is not None:
        assert str(left + stayed) in why.nl and str(left) in why.en


def test_figures_are_never_of_students_the_model_learned_from() -> None:
    """The last complete cohort is measured by a model of the earlier one; this year's students are in neither."""
    found = school()
    ground = lists.ground(found, 10, sensitive=False)
    running = found.running(2025)
    known = lists.past(found, ground.labels, 2025, running)
    trial = lists.trial(found, ground.labels, known)
    assert trial is not None and trial.year == 2024
    assert not set(trial.learn) & set(trial.measure)
    assert set(found.cohort.loc[trial.learn]) == {2023}
    assert set(found.cohort.loc[trial.measure]) == {2024}
    assert not set(running) & (set(trial.learn) | set(trial.measure))
    fitted = fitting.fit(ground, trial.learn, found.outcome, SCHEMA)
    scores = lists.local_scores(ground, trial, found)
    assert (scores == fitted.scores(ground.of(trial.measure))).all()


def test_with_one_year_each_student_is_scored_by_a_model_of_the_other_parts() -> None:
    """Five parts by a hash of the pseudonym; refitting one part by hand gives its scores."""
    frames = tables()
    frames["enrolment"]["cohort"] = frames["enrolment"]["cohort"].replace({2023: 2024})
    found = school(frames)
    ground = lists.ground(found, 10, sensitive=False)
    known = lists.past(found, ground.labels, 2025, found.running(2025))
    trial = lists.trial(found, ground.labels, known)
    assert trial is not None and trial.year is None
    scores = lists.local_scores(ground, trial, found)
    assert sorted(scores.index) == sorted(known)
    folds = {student: lists.fold_of(student) for student in known}
    assert set(folds.values()) == {0, 1, 2, 3, 4}
    others = pd.Index([student for student in known if folds[student] != 2])
    part = pd.Index([student for student in known if folds[student] == 2])
    assert (fitting.fit(ground, others, found.outcome, SCHEMA).scores(ground.of(part)) == scores.loc[part]).all()


def test_chances_are_the_logistic_of_log_odds() -> None:
    assert chances(pd.Series([0.0, -1e6, 1e6])).tolist() == pytest.approx([0.5, 0.0, 1.0])


def test_earlier_cohorts_teach_and_later_ones_do_not() -> None:
    """A list of cohort 2024 made again knows nothing of 2024 and 2025."""
    found = school()
    labels = found.labels()
    asked = pd.Index([pseudonym(1)])
    assert set(found.cohort.loc[lists.past(found, labels, 2024, asked)]) == {2023}
    assert set(found.cohort.loc[lists.past(found, labels, None, asked)]) == {2023, 2024}
    assert pseudonym(1) not in lists.past(found, labels, None, asked)
