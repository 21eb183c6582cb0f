"""Made-up tables arrive; for each constant of the model, what other values of it would have cost leaves.

This repeats how `experiments/hyperparameters.py` came to its constants: every table is invented
(`experiments/synthetic/tabular.py`), no real student was looked at. One constant at a time is moved away from its
chosen value; the loss is that of AUC against a pooled model without privacy, on students that neither model saw.
Run it with `python -m experiments.benchmarks.preregister [constant ...]`; all constants take some ten minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np

from experiments import baselines
from experiments.benchmarks import report
from experiments.benchmarks.pipeline import ONLY_MODEL, exact_run
from experiments.hyperparameters import Settings, settings
from experiments.queries import scores
from experiments.students import Floats, Students
from experiments.synthetic.tabular import tabular
from privacy import accounting

COMMAND = "python -m experiments.benchmarks.preregister"
DELTA = Fraction(1, 100_000)
TABLES = 8
FIRST_SEED = 100
JUDGED = 4_000  # students that no model saw
PLANNING_STUDENTS = 20_000
SCHOOLS = 2  # the fewest with t = 1; its noise is twice the planned one, so ρ is doubled to make up


@dataclass(frozen=True)
class Case:
    """So many students to learn from, so many features, this ε."""

    students: int
    features: int
    epsilon: int


CASES = (Case(3_500, 60, 1), Case(3_500, 60, 3), Case(2_500, 30, 1), Case(8_000, 40, 1), Case(8_000, 40, 3))
# Constant → values tried beside the chosen one; `clip_share` is tried as a multiple of the derived one.
CANDIDATES: Mapping[str, tuple[Fraction, ...]] = {
    "clip_share": (Fraction(7, 10), Fraction(14, 10)),
    "prior_sd": (Fraction(12, 100), Fraction(27, 100)),
    "prior_freedom": (Fraction(2), Fraction(1000)),
    "curvature_share": (Fraction(1, 100), Fraction(15, 100)),
    "curvature_factor": (Fraction(30, 100), Fraction(65, 100)),
    "curvature_clip": (Fraction(7, 10), Fraction(14, 10)),
    "eigenvalue_floor": (Fraction(5, 100), Fraction(2, 10)),
    "forgetting": (Fraction(0), Fraction(25, 100)),
    "growth": (Fraction(1), Fraction(16, 10)),
    "intercept": (Fraction(6, 100), Fraction(24, 100)),
    "largest_feature": (Fraction(3), Fraction(12)),
    "class_weight": (Fraction(1, 2), Fraction(3)),
}


@cache
def _table(case: Case, seed: int) -> tuple[tuple[Students, ...], float]:
    """Return the rows as schools would hold them, and the pooled model's AUC."""
    made = tabular(case.students + JUDGED, case.features, seed)
    held_out = np.arange(len(made.outcome)) >= case.students
    whole = Students(made.features, made.outcome, held_out, made.names)
    parts = tuple(whole.rows(np.arange(len(whole)) % SCHOOLS == part) for part in range(SCHOOLS))
    return parts, baselines.pooled_auc(parts) or 0.0


def losses(case: Case, change: Mapping[str, Fraction]) -> Floats:
    """Return pooled minus private AUC on each table, [tables], with these constants changed."""
    rho = accounting.rho_from_epsilon(Fraction(case.epsilon), DELTA)
    chosen = _changed(settings(case.students, 1, case.features, rho * ONLY_MODEL.gradients), change)
    return np.array([_loss(case, FIRST_SEED + table, rho, chosen) for table in range(TABLES)])


def _loss(case: Case, seed: int, rho: Fraction, chosen: Settings) -> float:
    parts, pooled = _table(case, seed)
    run = exact_run(parts, rho * SCHOOLS, ONLY_MODEL, PLANNING_STUDENTS, chosen)
    together = baselines.join(parts)
    return pooled - (baselines.auc_on_held_out(scores(together, run.settings, run.state), together) or 0.0)


def _changed(chosen: Settings, change: Mapping[str, Fraction]) -> Settings:
    values = {name: chosen.clip_share * value if name == "clip_share" else value for name, value in change.items()}
    return replace(chosen, **values)  # type: ignore[arg-type]


def compare(name: str, kept: Mapping[Case, Floats]) -> None:
    """Print the mean loss of each other value of one constant, and how it differs from the chosen one's."""
    for value in CANDIDATES[name]:
        differences = [losses(case, {name: value}) - kept[case] for case in CASES]
        shown = "  ".join(f"{1000 * difference.mean():+6.1f}" for difference in differences)
        joined = np.concatenate(differences)
        error = joined.std(ddof=1) / len(joined) ** 0.5
        verdict = "better" if joined.mean() < -2 * error else "worse" if joined.mean() > 2 * error else "alike"
        report.say(f"   {name:<17} {float(value):>8.2f}  {shown}   mean {1000 * joined.mean():+.1f}  {verdict}")


def main(names: list[str]) -> int:
    """Print the comparison for these constants (none named: all)."""
    unknown = sorted(set(names) - set(CANDIDATES))
    if unknown:
        report.say(f"unknown constant {', '.join(unknown)}; choose from {', '.join(CANDIDATES)}")
        return 2
    report.heading("Constants fixed on made-up tables: change of AUC loss, in thousandths", COMMAND)
    shown = "  ".join(f"{case.students}x{case.features} e{case.epsilon}" for case in CASES)
    report.say(f"   cases: {shown}; {TABLES} tables each, one noise draw")
    kept = {case: losses(case, {}) for case in CASES}
    level = "  ".join(f"{1000 * kept[case].mean():6.1f}" for case in CASES)
    report.say(f"   {'as chosen':<26}  {level}")
    for name in names or CANDIDATES:
        compare(name, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
