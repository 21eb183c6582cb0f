"""The final public state of a run arrives; the finding's figures leave, with what disclosure rules hide left out.

All of it is post-processing of opened sums, so it costs no privacy; the rules of METHODS §8 come on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments import evaluation, planning, selection
from experiments.errors import EvaluationError
from privacy import disclosure

if TYPE_CHECKING:
    from coalition.reopening import Reopened
    from experiments.evaluation import Estimate, Evaluation
    from experiments.planning import PlannedQuery

METHOD = "two-stage private logistic regression"
TABLE = "score table"
SIDES = ("outcome 0", "outcome 1")
LARGEST_LOG_ODDS = 50.0
Shown = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """What is shown: population, evaluation and model as the finding has them, and each rule's outcome."""

    population: Shown
    evaluation: Shown
    model: Shown
    disclosure: Shown
    evaluated: bool


def figures(reopened: Reopened) -> Figures:
    """Evaluate the model, apply every disclosure rule, and leave out what a rule hides."""
    measured = _evaluate(reopened)
    students = _students(reopened, measured)
    report = _check(reopened, measured, students["value"])
    held_out = None if measured is None else _estimate(measured.students)
    base = _base_rate(reopened, measured, report)
    population = {
        "students": _count(students),
        "held_out": None if held_out is None else _count(held_out),
        "base_rate": base,
    }
    shown = _evaluation(measured, report)
    return Figures(population, shown, _model(reopened), _disclosure(report), measured is not None)


def _evaluate(reopened: Reopened) -> Evaluation | None:
    """None when the noisy table allows no figure: one outcome drowned in noise."""
    state = reopened.state
    try:
        return evaluation.evaluate(state["score_table"], float(state["score_table_sd"][0]), state["edges"])
    except EvaluationError:
        return None


def _estimate(found: Estimate) -> Shown:
    return {"value": found.value, "low": found.low, "high": found.high}


def _count(exact: Shown) -> Shown:
    """A count in whole roundings, its interval rounded outward: the middle of an exact one would give the count."""
    step = disclosure.Rules().rounding
    low, high = (step * edge(exact[side] / step) for edge, side in ((math.floor, "low"), (math.ceil, "high")))
    return {"value": float(step * round(exact["value"] / step)), "low": float(low), "high": float(high)}


def _around(value: float, found: Estimate) -> Shown:
    """A rounded value with its interval, which always holds it."""
    return {"value": value, "low": min(found.low, value), "high": max(found.high, value)}


def _students(reopened: Reopened, measured: Evaluation | None) -> Shown:
    """Noisy number of students: those the model learned from, by the first counts, and those held out."""
    training = float(reopened.state["counts"].sum())
    reach = evaluation.TWO_SIDED_95 * math.sqrt(2) * _count_sd(reopened)
    held_out = 0.0
    if measured is not None:
        held_out = measured.students.value
        reach = math.hypot(reach, evaluation.TWO_SIDED_95 * measured.students.privacy_sd)
    value = training + held_out
    return {"value": value, "low": max(0.0, value - reach), "high": value + reach}


def _count_sd(reopened: Reopened) -> float:
    """Noise on one of the two counts among the moments, in students."""
    for one in reopened.asked:
        for planned in one.step.queries if one.opened else ():
            if planned.query.name == "moments":
                return _sd(planned, reopened, len(one.roster)) / float(planned.query.settings.class_weight)  # type: ignore[attr-defined]
    raise ValueError("a run that opened holds its moments")


def _sd(planned: PlannedQuery, reopened: Reopened, roster: int) -> float:
    return planning.noise_sd(planned.release, roster, reopened.papers.charter.collusion_threshold)


# ---- disclosure rules


def _check(reopened: Reopened, measured: Evaluation | None, students: float) -> disclosure.Report:
    papers = reopened.papers
    asked = papers.experiment.definition
    names = {feature.name for feature in selection.features_of(papers.experiment, papers.schema)}
    cohorts = ", ".join(str(cohort) for cohort in asked.population.cohorts)
    return disclosure.check(
        tables=[] if measured is None else [_score_table(measured, reopened)],
        ratios=[] if measured is None else _ratios(measured),
        rules=disclosure.Rules(),
        consents=[approval.school for approval in papers.approvals if approval.own_figures],
        roster=[school for school, _ in papers.serials],
        collusion_threshold=papers.charter.collusion_threshold,
        declared={*names, *SIDES, *(_bin(index) for index in range(len(reopened.state["score_table"]) // 2))},
        cohorts={cohorts: students},
        smallest_cohort=asked.schools.smallest_cohort,
    )


def _bin(index: int) -> str:
    return f"score bin {index + 1}"


def _score_table(measured: Evaluation, reopened: Reopened) -> disclosure.Table:
    cells = evaluation.feasible(reopened.state["score_table"].reshape(2, -1))
    rows = tuple(_bin(index) for index in range(cells.shape[1]))
    return disclosure.Table(TABLE, rows, SIDES, tuple((float(a), float(b)) for a, b in cells.T))


def _ratios(measured: Evaluation) -> list[disclosure.Ratio]:
    total = measured.students.value
    hits = total * measured.base_rate.value
    ratios = [_ratio("base rate", measured.base_rate, total)]
    for at in measured.at_k:
        ratios.append(_ratio(f"precision at {at.k}", at.precision, at.k * total))
        ratios.append(_ratio(f"recall at {at.k}", at.recall, hits))
    return ratios


def _ratio(name: str, found: Estimate, denominator: float) -> disclosure.Ratio:
    return disclosure.Ratio(name, found.value * denominator, denominator, found.low, found.high)


def _disclosure(report: disclosure.Report) -> Shown:
    rules = [{"rule": outcome.rule, "status": outcome.status, "where": outcome.where} for outcome in report.outcomes]
    always = {"rule": "rounding", "status": disclosure.PASS, "where": TABLE}
    return {"passed": report.passed, "rules": [*rules, always]}


# ---- what is shown


def _base_rate(reopened: Reopened, measured: Evaluation | None, report: disclosure.Report) -> Shown | None:
    if measured is None or report.ratios["base rate"] is None:
        return None
    return _around(report.ratios["base rate"], measured.base_rate)


def _evaluation(measured: Evaluation | None, report: disclosure.Report) -> Shown:
    if measured is None:
        return {"auc": None, "brier": None, "at_k": [], "calibration": [], "privacy_dominates": True}
    return {
        "auc": _estimate(measured.auc),
        "brier": _estimate(measured.brier),
        "at_k": [_at_share(at, report) for at in measured.at_k],
        "calibration": _calibration(measured, report),
        "privacy_dominates": measured.privacy_dominates,
    }


def _at_share(at: evaluation.AtShare, report: disclosure.Report) -> Shown:
    """Precision, recall and lift of the top share; lift would give a hidden precision away, so it goes with it."""
    precision, recall = report.ratios[f"precision at {at.k}"], report.ratios[f"recall at {at.k}"]
    base = report.ratios["base rate"]
    lift = precision / base if precision is not None and base else None
    return {
        "k": at.k,
        "precision": None if precision is None else _around(precision, at.precision),
        "recall": None if recall is None else _around(recall, at.recall),
        "lift": None if lift is None else _around(lift, at.lift),
    }


def _calibration(measured: Evaluation, report: disclosure.Report) -> list[Shown]:
    table = next((table for table in report.tables if table.name == TABLE), None)
    return [_calibration_bin(index, found, table) for index, found in enumerate(measured.calibration)]


def _calibration_bin(index: int, found: evaluation.CalibrationBin, table: disclosure.Redacted | None) -> Shown:
    count = None if table is None else table.row_totals[index]
    rate = None if table is None else table.rates[index][1]
    shown = rate is not None and found.observed is not None
    return {
        "predicted": found.predicted,
        "observed": _around(rate, found.observed) if rate is not None and found.observed is not None else None,
        "students": count if shown else None,
        "suppressed": not shown,
    }


def _model(reopened: Reopened) -> Shown:
    """Weights per standard deviation of a feature, constant left out; an odds ratio is exp(weight)."""
    papers = reopened.papers
    weights = reopened.state["weights"][1:].tolist()
    features = selection.features_of(papers.experiment, papers.schema)
    rows = [
        {
            "feature": feature.name,
            "label": {"nl": feature.label_nl, "en": feature.label_en},
            "group": feature.group,
            "weight": weight,
            "odds_ratio": math.exp(max(-LARGEST_LOG_ODDS, min(LARGEST_LOG_ODDS, weight))),
        }
        for feature, weight in zip(features, weights, strict=True)
    ]
    return {"method": METHOD, "weights": rows}
