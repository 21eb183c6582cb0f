"""24 invented schools of 5,000 students arrive; the private model's AUC beside the pooled one's leaves.

Split .10/.80/.10 as in production, δ = 1e-6. AUC is computed exactly on the held-out quarter, for both models
on the same features and the same students.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np

from experiments import baselines
from experiments.benchmarks import report
from experiments.benchmarks.pipeline import exact_run
from experiments.queries import Split, scores
from experiments.students import Students
from experiments.synthetic import complete, sector
from privacy import accounting

COMMAND = "python -m experiments.benchmarks scale"
SCHOOLS, STUDENTS, SEED, CUTOFF_WEEK = 24, 5_000, 7, 10
EPSILON, DELTA = Fraction(1), Fraction(1, 1_000_000)
HELD_OUT = 4  # one in four
DRAWS = 3
LARGEST_LOSS = 0.003


def schools(count: int = SCHOOLS, students: int = STUDENTS, seed: int = SEED) -> list[Students]:
    """Return the selected rows of every invented school: dropout in year 1, all features to week 10."""
    return [_students(school) for school in sector.generate(count, students, seed)]


def _students(school: sector.SyntheticSchool) -> Students:
    from shared_schema import features, load_schema, outcomes

    schema = load_schema()
    tables = complete.tables(school)
    declared = features.available(schema, CUTOFF_WEEK)
    frame = features.build(tables, declared, CUTOFF_WEEK, schema)
    outcome = outcomes.compute(tables, "dropout_year_1", schema, cutoff_week=CUTOFF_WEEK)
    values = frame.loc[outcome.index].to_numpy(dtype=np.float64)
    low = np.array([feature.low for feature in declared])
    high = np.array([feature.high for feature in declared])
    return Students(
        features=np.clip(2.0 * (values - low) / (high - low) - 1.0, -1.0, 1.0),
        outcome=outcome.to_numpy(dtype=np.float64),
        held_out=np.array([_held_out(student) for student in outcome.index], dtype=bool),
        names=tuple(feature.name for feature in declared),
    )


def _held_out(student: str) -> bool:
    return hashlib.sha256(f"scale/{student}".encode()).digest()[0] % HELD_OUT == 0


def federated(selected: list[Students], draws: int = DRAWS) -> tuple[list[float], int]:
    """Return the exact held-out AUC of each noise draw, and the exchanges of one run."""
    rho = accounting.rho_from_epsilon(EPSILON, DELTA)
    together = baselines.join(selected)
    found, exchanges = [], 0
    for _ in range(draws):
        run = exact_run(selected, rho, Split(), planning_students=len(together) * 2)
        exchanges = run.exchanges
        found.append(baselines.auc_on_held_out(scores(together, run.settings, run.state), together) or 0.0)
    return found, exchanges


def main(draws: int = DRAWS) -> bool:
    """Print the benchmark; return whether the target is met."""
    selected = schools()
    report.heading(f"Scale: {SCHOOLS} schools of {STUDENTS:,} invented students, epsilon 1", COMMAND)
    pooled = baselines.pooled_auc(selected) or 0.0
    found, exchanges = federated(selected, draws)
    mean, worst = float(np.mean(found)), min(found)
    report.say(
        f"   {sum(map(len, selected))} students, {len(selected[0].names)} features; pooled, not private: {pooled:.4f}"
    )
    report.say(f"   federated: mean {mean:.4f}, worst of {draws} draws {worst:.4f}; {exchanges} exchanges")
    loss = pooled - mean
    return report.show(
        [report.Figure("pooled AUC minus federated AUC", f"{loss:.4f}", "<= .003", loss <= LARGEST_LOSS)]
    )
