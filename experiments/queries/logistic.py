"""Students and a public point arrive; their summed gradient leaves, noisy, and the next point follows from all.

A gradient near the optimum w* is H(w - w*) plus noise, with H the curvature. So every released gradient says
where w* is: w - H⁻¹g. `absorb` weighs all of them by their noise together with a prior that weights are small,
and asks the next gradient at the answer. Gradients far away speak of another curvature: they are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from experiments.errors import QueryError
from experiments.hyperparameters import Settings
from experiments.queries.base import Bounds, Query, State, linear, logistic, public, root_above
from experiments.queries.curvature import LARGEST_CURVATURE, symmetric, triangle
from experiments.queries.moments import LARGEST_WEIGHT, SMALLEST_RATE, moment_bounds, standardised
from experiments.queries.score_bins import LARGEST_EDGE, edges
from experiments.students import Floats, Students

LARGEST_GRADIENT = 1e12
PRIOR_ROUNDS = 4
INTERCEPT_FREEDOM = 10.0  # the prior holds the intercept ten times less than a feature's weight


@dataclass(frozen=True)
class LogisticGradient(Query):
    """The gradient of the log loss at the present weights; `step` counts from 0."""

    name: ClassVar[str] = "logistic_gradient"
    settings: Settings
    step: int

    def __post_init__(self) -> None:
        if not 0 <= self.step < self.settings.gradients:
            raise QueryError(f"gradients are numbered 0 to {self.settings.gradients - 1}", str(self.step), "plan again")

    @property
    def dimension(self) -> int:
        """One derivative for the intercept and each feature."""
        return self.settings.width

    @property
    def clip(self) -> Fraction:
        """clip_share·√p: longer gradients are shrunk to it by the private sum."""
        return root_above(self.settings.clip_share**2 * self.settings.features)

    def parameters(self) -> Mapping[str, Any]:
        """Return everything that a row's vector follows from."""
        settings = self.settings
        return {
            "features": settings.features,
            "intercept": settings.intercept,
            "largest_feature": settings.largest_feature,
            "gradient": self.step,
        }

    def bounds(self) -> Bounds:
        """Return what is known before this gradient: moments, curvature, and every gradient so far."""
        return gradient_bounds(self.settings, self.step)

    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, p+1]: (chance - outcome)·z, zero for held-out students."""
        rows, usable = standardised(students, self.settings, state)
        weight = usable * ~students.held_out
        outcome = np.where(students.outcome == 1.0, 1.0, 0.0)
        surprise = (logistic(linear(rows, state["weights"])) - outcome) * weight
        return rows * surprise[:, None]

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Add this gradient to those released, and move `weights` to where all of them point.

        The curvature, asked beside the first gradient, is absorbed before it.
        """
        asked = np.concatenate([state.get("points", np.empty(0)), state["weights"]])
        known = np.concatenate([state.get("gradients", np.empty(0)), total])
        noise = np.concatenate([state.get("gradient_sd", np.empty(0)), [noise_sd]])
        width = self.settings.width
        after = {
            **state,
            "points": public(asked, -LARGEST_WEIGHT, LARGEST_WEIGHT),
            "gradients": public(known, -LARGEST_GRADIENT, LARGEST_GRADIENT),
            "gradient_sd": public(noise, 0.0, LARGEST_GRADIENT),
        }
        points, gradients = after["points"].reshape(-1, width), after["gradients"].reshape(-1, width)
        weights = next_point(
            points, gradients, after["gradient_sd"], sum_curvature(self.settings, state), self.settings
        )
        after["weights"] = public(weights, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        if self.step == self.settings.gradients - 1:
            after["edges"] = public(score_edges(self.settings, after), -LARGEST_EDGE, LARGEST_EDGE)
        return after


def gradient_bounds(settings: Settings, gradients: int) -> dict[str, tuple[int, float, float]]:
    """Return what a state must hold once so many gradients are released.

    The curvature rides beside the first gradient, so it is not known yet when that one is asked.
    """
    bounds = moment_bounds(settings)
    if gradients:
        length = gradients * settings.width
        bounds["curvature"] = (triangle(settings.width), -LARGEST_CURVATURE, LARGEST_CURVATURE)
        bounds["points"] = (length, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        bounds["gradients"] = (length, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        bounds["gradient_sd"] = (gradients, 0.0, LARGEST_GRADIENT)
    return bounds


def base_rate(state: State) -> float:
    """Return the released share of students with outcome 1, kept off 0 and 1."""
    negatives, positives = (float(count) for count in state["counts"])
    return min(1.0 - SMALLEST_RATE, max(SMALLEST_RATE, positives / max(negatives + positives, 1.0)))


def sum_curvature(settings: Settings, state: State) -> Floats:
    """Return the curvature of the summed loss, [p+1, p+1]: n·f·r(1-r)·E[zzᵀ], f the curvature factor."""
    rate, students = base_rate(state), max(1.0, float(state["counts"].sum()))
    return students * float(settings.curvature_factor) * rate * (1.0 - rate) * symmetric(state["curvature"])


def next_point(points: Floats, gradients: Floats, noise: Floats, curvature: Floats, settings: Settings) -> Floats:
    """Return the weights that all released gradients and the prior together point at.

    points, gradients: float64 [t, p+1]; noise: sd per coordinate [t]; curvature H [p+1, p+1]. Minimises
    Σ_t q_t |g_t + H(w - w_t)|²/s_t² + prior(w - w_0), where q_t falls by `forgetting` with each newer gradient.
    The prior is Student's t, so that small weights are held and large ones let go; it is fitted by a few
    rounds of reweighted least squares.
    """
    age = np.arange(len(points))[::-1]
    trust = (1.0 - float(settings.forgetting)) ** age / np.maximum(noise, 1e-9) ** 2
    pull = curvature @ ((trust[:, None] * (points @ curvature - gradients)).sum(axis=0))
    information = trust.sum() * (curvature @ curvature)
    precision = prior_precision(np.zeros(settings.width), settings)
    for _ in range(1 + PRIOR_ROUNDS):
        weights = np.linalg.solve(information + np.diag(precision), pull + precision * points[0])
        precision = prior_precision(weights, settings)
    return np.asarray(weights, dtype=np.float64)


def prior_precision(weights: Floats, settings: Settings) -> Floats:
    """Return how firmly the prior holds each weight, [p+1]; the intercept loosely, whatever its value.

    (ν+1)/(ν·τ² + w²) is the reweighting of a Student's t prior with ν degrees of freedom and scale τ.
    """
    freedom, spread = float(settings.prior_freedom), float(settings.prior_sd) ** 2
    precision = (freedom + 1.0) / (freedom * spread + weights**2)
    precision[0] = 1.0 / (INTERCEPT_FREEDOM * spread)
    return precision


def scores(students: Students, settings: Settings, state: State) -> Floats:
    """Return each student's log odds by the released model, float64 [n]; rows never meet."""
    rows, _ = standardised(students, settings, state)
    return linear(rows, state["weights"])


def score_edges(settings: Settings, state: State) -> Floats:
    """Return the bin edges of the evaluation, from released figures alone, float64 [bins-1].

    The first gradient is Σz(r - y), so -w·g₀/(n·r(1-r)) is how much higher those with outcome 1 score on
    average. A calibrated score whose two groups are normal with a common variance has exactly that variance.
    """
    rate, students = base_rate(state), max(1.0, float(state["counts"].sum()))
    slopes, first = state["weights"][1:], state["gradients"][1 : settings.width]
    gap = max(0.05, -float(slopes @ first) / (students * rate * (1.0 - rate)))
    centre = float(state["weights"][0]) * float(settings.intercept) * math.sqrt(settings.features)
    return edges(settings.bins, centre, gap, rate)
