"""Students and released moments arrive; how features move together leaves, noisy, then cleaned of noise.

Each training student contributes the upper triangle of z·zᵀ, the diagonal over √2, so that the vector's norm is
|z|²/√2. It rides in the same exchange as the first gradient. Cleaning is post-processing and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from experiments.hyperparameters import Settings
from experiments.queries.base import Bounds, Query, State, public, root_above
from experiments.queries.moments import moment_bounds, standardised
from experiments.students import Floats, Students

LARGEST_CURVATURE = 1e4
ROOT_HALF = 0.5**0.5


@dataclass(frozen=True)
class Curvature(Query):
    """Second moments of the standardised features, constant included."""

    name: ClassVar[str] = "curvature"
    settings: Settings

    @property
    def dimension(self) -> int:
        """(p+1)(p+2)/2 entries of the upper triangle, row by row."""
        return triangle(self.settings.width)

    @property
    def clip(self) -> Fraction:
        """R²/√2 for rows of norm R = curvature_clip·√p; longer rows are shrunk by the private sum."""
        return root_above(self._row_norm_squared() ** 2 / 2)

    def _row_norm_squared(self) -> Fraction:
        return self.settings.curvature_clip**2 * self.settings.features

    def parameters(self) -> Mapping[str, Any]:
        """Return everything that a row's vector follows from."""
        settings = self.settings
        return {
            "features": settings.features,
            "intercept": settings.intercept,
            "largest_feature": settings.largest_feature,
            "curvature_clip": settings.curvature_clip,
        }

    def bounds(self) -> Bounds:
        """Return what is known after the moments."""
        return moment_bounds(self.settings)

    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, (p+1)(p+2)/2]; zero for held-out students."""
        rows, usable = standardised(students, self.settings, state)
        rows = rows * (usable * ~students.held_out)[:, None]
        products = np.empty((len(students), self.dimension), dtype=np.float64)
        start = 0
        for column in range(rows.shape[1]):
            stop = start + rows.shape[1] - column
            products[:, start:stop] = rows[:, column : column + 1] * rows[:, column:]
            products[:, start] *= ROOT_HALF
            start = stop
        return products

    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Add `curvature`: the cleaned second moments per student, upper triangle with a plain diagonal."""
        students = max(1.0, float(state["counts"].sum()))
        noisy = symmetric(total / students, diagonal_factor=1.0 / ROOT_HALF)
        cleaned = clean(noisy, expected(self.settings), noise_sd / students, self.settings)
        upper = cleaned[np.triu_indices(self.settings.width)]
        return {**state, "curvature": public(upper, -LARGEST_CURVATURE, LARGEST_CURVATURE)}


def triangle(width: int) -> int:
    """Return how many entries the upper triangle of a square of `width` has."""
    return width * (width + 1) // 2


def symmetric(upper: Floats, diagonal_factor: float = 1.0) -> Floats:
    """Return the symmetric matrix [w, w] of an upper triangle, its diagonal multiplied."""
    width = (int((8 * len(upper) + 1) ** 0.5) - 1) // 2
    matrix = np.zeros((width, width), dtype=np.float64)
    matrix[np.triu_indices(width)] = upper
    matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T + np.diag(np.diag(matrix) * diagonal_factor)
    return np.asarray(matrix, dtype=np.float64)


def expected(settings: Settings) -> Floats:
    """Return the second moments of features that are standardised and do not move together: [p+1, p+1]."""
    constant = float(settings.intercept) ** 2 * settings.features
    return np.diag(np.concatenate([[constant], np.ones(settings.features)]))


def clean(noisy: Floats, prior: Floats, noise_sd: float, settings: Settings) -> Floats:
    """Return `noisy` with the noise's share of its spectrum taken out, and no eigenvalue below the floor.

    noisy - prior is a low-rank signal plus a symmetric Gaussian matrix, whose eigenvalues end at 2·sd·√w. An
    eigenvalue l beyond that edge is shrunk to sqrt(l² - edge²), which is the best for squared error; one below
    it is noise (Gavish and Donoho 2017, arXiv:1405.7511, section on Frobenius loss, its symmetric form).
    """
    values, vectors = np.linalg.eigh(noisy - prior)
    edge = 2.0 * noise_sd * len(noisy) ** 0.5
    kept = np.sign(values) * np.sqrt(np.maximum(values**2 - edge**2, 0.0))
    values, vectors = np.linalg.eigh(prior + (vectors * kept) @ vectors.T)
    cleaned = (vectors * np.maximum(values, float(settings.eigenvalue_floor))) @ vectors.T
    return np.asarray((cleaned + cleaned.T) / 2.0, dtype=np.float64)
