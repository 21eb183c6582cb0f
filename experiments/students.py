"""One school's selected rows arrive from the selection; a checked, frozen `Students` leaves for the queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.errors import QueryError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Students:
    """One row per student, each a total function of that student's own records.

    features: float64 [n, p], scaled to [-1, 1] by declared bounds; outcome: float64 [n], 0.0 or 1.0;
    held_out: bool [n], True for students the model never learns from; names: the p features.
    Shapes are checked, values are not: what a row holds never leads to a refusal, queries bound it instead.
    Raises `QueryError` for shapes or types that no value can cause.
    """

    features: Floats
    outcome: Floats
    held_out: NDArray[np.bool_]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shapes = (self.features.shape, self.outcome.shape, self.held_out.shape)
        n = len(self.outcome)
        if shapes != ((n, len(self.names)), (n,), (n,)):
            raise QueryError(
                "features are [n, p], outcome and held_out [n], names p strings",
                f"shapes {shapes} for {len(self.names)} names",
                "select the students again",
            )
        kinds = [array.dtype.str[1:] for array in (self.features, self.outcome, self.held_out)]
        if kinds != ["f8", "f8", "b1"]:
            raise QueryError("features and outcome are float64, held_out is bool", "another type", "convert them")

    def __len__(self) -> int:
        return len(self.outcome)

    def rows(self, chosen: NDArray[np.bool_] | slice) -> Students:
        """Return the chosen rows, in their order."""
        return Students(self.features[chosen], self.outcome[chosen], self.held_out[chosen], self.names)
