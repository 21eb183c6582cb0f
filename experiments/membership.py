"""Invented students and the model's path arrive; how well shadow models tell members apart leaves: the weaker view.

An attacker knows the students and the whole training, and sees the released model alone. On 32 shadow models, whose
students it chose itself, it learns for each student how sure a model is of the true outcome with that student and
without; then it guesses who was in other models (the likelihood ratio of Carlini and others 2022, arXiv:2112.03570).
Models go through the very steps and integers of production (`experiments/benchmarks/pipeline.py`).

Why this is the weaker view. A guess that fails says little: on models as small as these, even one without any privacy
gives most students no better than a coin (METHODS section 6). It attacks a whole training at its end, not the sums that
were opened on the way. So it can show that something is wrong, and never that nothing is. What shows more is the audit
of the sums (`experiments/auditing.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from experiments.benchmarks.pipeline import ONLY_MODEL, exact_run
from experiments.canaries import FEW, Coins, fair_coins
from experiments.errors import QueryError
from experiments.evaluation import exact_auc
from experiments.hyperparameters import settings
from experiments.queries import scores
from experiments.students import Floats, Students
from experiments.synthetic.tabular import tabular
from experiments.terminal import Progress
from privacy import accounting, audit_bounds

SHADOWS = 32
SCHOOLS = 2
NO_NOISE = Fraction(10**6)  # of ρ: noise of a thousandth of one student, which hides nobody
SUCCEEDS = 0.6
ALARMED = 0.05  # share of a shadow model's non-members whom a guess "in" may wrong, and the other way round
STAGE = "shadow models / schaduwmodellen"

Sureness = Callable[[Students], Floats]
"""Students -> log odds of each one's true outcome by one trained model, float64 [n]."""
Train = Callable[[Sequence[Students]], Sureness]
"""Schools' students -> what the model that they train is sure of."""


@dataclass(frozen=True)
class Setting:
    """Who is attacked: so many invented students with so many features, each in a model or not by a fair coin.

    As many features as students or nearly so, since a model that can learn its students by heart gives most away.
    """

    students: int = 80
    features: int = 60
    shadows: int = SHADOWS
    attacked: int = 16
    seed: int = 16

    def __post_init__(self) -> None:
        if self.shadows < 8 or self.attacked < 1:
            found = f"{self.shadows} shadow models, {self.attacked} attacked"
            raise QueryError("an attack has 8 or more shadow models and attacks at least one", found, "train more")


@dataclass(frozen=True)
class Guessed:
    """How well the attack did.

    auc: of telling members from others; 0.5 is a coin. epsilon_lower: 99.99 % lower bound from true and false alarms
    by Clopper-Pearson, as if guesses were independent. epsilon_lower_any: the one-run bound, which does without that.
    """

    coins: int
    auc: float
    epsilon_lower: float
    epsilon_lower_any: float


@dataclass(frozen=True)
class Membership:
    """The attack on models as they are released, and its positive control: the same without noise."""

    shadows: int
    attacked: int
    students: int
    features: int
    epsilon_reported: float
    found: Guessed
    control: Guessed

    @property
    def verdict(self) -> str:
        """broken: a bound exceeds what is reported; low_power: the control failed; else holds."""
        if max(self.found.epsilon_lower, self.found.epsilon_lower_any) > self.epsilon_reported:
            return "broken"
        return "holds" if self.control.auc > SUCCEEDS else "low_power"

    def data(self) -> dict[str, Any]:
        """What stands in a finding, as plain data."""
        return {**asdict(self), "verdict": self.verdict}


def infer_membership(rho: Fraction, delta: Fraction, progress: Progress, setting: Setting | None = None) -> Membership:
    """Attack models that cost `rho` as an experiment does, and models without noise.

    Raises `QueryError` for fewer than 8 shadow models, `ValueError` for too small a table.
    """
    chosen = setting or Setting()
    table = tabular(chosen.students, chosen.features, chosen.seed)
    nobody = np.zeros(chosen.students, dtype=np.bool_)
    students = Students(table.features, table.outcome, nobody, table.names)
    found = attack(students, released(rho, students), chosen, delta)
    progress(STAGE, 1, 2)
    control = attack(students, released(NO_NOISE, students), chosen, delta)
    progress(STAGE, 2, 2)
    reported = accounting.epsilon_from_rho(rho, delta)
    return Membership(chosen.shadows, chosen.attacked, chosen.students, chosen.features, reported, found, control)


def released(rho: Fraction, pool: Students) -> Train:
    """Return the training that schools do: moments and gradients, exact integers, at cost `rho` for each student.

    Constants follow from the size of the pool, which is public, never from who is in.
    """
    constants = settings(len(pool) // 2, 1, len(pool.names), rho * ONLY_MODEL.gradients)

    def train(schools: Sequence[Students]) -> Sureness:
        run = exact_run(schools, rho, ONLY_MODEL, len(pool), constants)
        return lambda students: _of_truth(scores(students, run.settings, run.state), students)

    return train


def _of_truth(log_odds: Floats, students: Students) -> Floats:
    return np.where(students.outcome == 1.0, log_odds, -log_odds)


def attack(students: Students, train: Train, setting: Setting, delta: Fraction) -> Guessed:
    """Train shadow models and attacked ones, guess the members of the latter, and bound epsilon by how it went."""
    total = setting.shadows + setting.attacked
    inside = fair_coins(total * len(students)).reshape(total, len(students))
    sure = np.stack([_sureness(students, members, train) for members in inside])
    known, guessed = slice(0, setting.shadows), slice(setting.shadows, total)
    ratios = likelihood_ratios(sure[known], inside[known], sure)
    low, high = _thresholds(ratios[known].ravel(), inside[known].ravel())
    return judge(ratios[guessed].ravel(), inside[guessed].ravel(), low, high, delta)


def _sureness(students: Students, members: Coins, train: Train) -> Floats:
    """Train on these members, each at the school that is always theirs; return the model's sureness of all."""
    school = np.arange(len(students)) % SCHOOLS
    parts = [students.rows(members & (school == index)) for index in range(SCHOOLS)]
    return train(parts)(students)


def likelihood_ratios(shadow: Floats, inside: Coins, sure: Floats) -> Floats:
    """Return log P(sureness | in) - log P(sureness | out) for each model and student, [models, students].

    shadow: sureness of the shadow models, [shadows, students]; inside: who was in them. Two normals a student, with one
    spread, since 16 values do not give two.
    """
    with_student, without = _mean(shadow, inside), _mean(shadow, ~inside)
    spread = np.square(shadow - np.where(inside, with_student, without)).mean(axis=0) + 1e-12
    ratios: Floats = (np.square(sure - without) - np.square(sure - with_student)) / (2 * spread)
    return ratios


def _mean(values: Floats, chosen: Coins) -> Floats:
    means: Floats = (values * chosen).sum(axis=0) / np.maximum(chosen.sum(axis=0), 1)
    return means


def _thresholds(ratios: Floats, inside: Coins) -> tuple[float, float]:
    """Below the first a guess is "out", above the second "in"; fixed on the shadow models alone."""
    return float(np.quantile(ratios[inside], ALARMED)), float(np.quantile(ratios[~inside], 1 - ALARMED))


def judge(ratios: Floats, inside: Coins, low: float, high: float, delta: Fraction) -> Guessed:
    """Count right and wrong guesses and bound epsilon by them."""
    members, others = ratios[inside], ratios[~inside]
    bounds = (
        _bound(int((members > high).sum()), len(members), int((others > high).sum()), len(others), delta),
        _bound(int((others < low).sum()), len(others), int((members < low).sum()), len(members), delta),
    )
    half, order = len(ratios) // (2 * FEW), np.argsort(ratios)
    right = int((~inside[order[:half]]).sum() + inside[order[len(order) - half :]].sum())
    return Guessed(
        coins=len(inside),
        auc=exact_auc(ratios, inside.astype(np.float64)),
        epsilon_lower=max(0.0, *bounds),
        epsilon_lower_any=audit_bounds.one_run_epsilon(len(inside), 2 * half, right, delta),
    )


def _bound(true: int, of: int, false: int, out_of: int, delta: Fraction) -> float:
    """Lower bound on epsilon: ln((true rate - delta) / false rate), both rates at the bad end of their interval.

    (epsilon, delta)-DP: P(guess | in) <= e^eps P(guess | out) + delta. Four rates are used in all, so each interval
    gets a quarter of the level.
    """
    level = audit_bounds.LEVEL / 4
    least = audit_bounds.least_chance(true, of, level) - float(delta)
    most = 1 - audit_bounds.least_chance(out_of - false, out_of, level)
    return math.log(least / most) if least > 0 else 0.0
