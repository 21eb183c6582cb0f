"""Public sizes and a split of the budget arrive; the model's steps leave: which queries, at which share of ρ."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from experiments.errors import QueryError
from experiments.hyperparameters import Settings, gradient_shares, settings
from experiments.queries.base import Query
from experiments.queries.curvature import Curvature
from experiments.queries.logistic import LogisticGradient
from experiments.queries.moments import Moments
from experiments.queries.score_table import ScoreTable

Step = tuple[tuple[Query, Fraction], ...]


@dataclass(frozen=True)
class Split:
    """Shares of ρ. Without a score table (an evaluation outside the budget) that share is zero."""

    moments: Fraction = Fraction(1, 10)
    gradients: Fraction = Fraction(8, 10)
    score_table: Fraction = Fraction(1, 10)

    def __post_init__(self) -> None:
        if self.moments + self.gradients + self.score_table != 1 or min(self.moments, self.gradients) <= 0:
            raise QueryError("moments, gradients and score table share exactly 1", f"{self}", "correct the split")


def two_stage(
    features: int,
    training_size: int,
    held_out_size: int,
    rho: Fraction,
    split: Split | None = None,
    constants: Settings | None = None,
) -> tuple[Settings, tuple[Step, ...]]:
    """Return the constants and the steps: moments, then gradients (curvature beside the first), score table.

    Sizes are public figures of the whole coalition; ρ is the whole experiment's. The steps' shares add to 1.
    `constants` replaces the derived ones: for choosing them on made-up data.
    """
    split = split or Split()
    chosen = constants or settings(
        training_size, held_out_size, features, rho * split.gradients, rho * split.score_table
    )
    shares = [share * split.gradients for share in gradient_shares(chosen)]
    steps: list[Step] = [((Moments(chosen), split.moments),)]
    for index, share in enumerate(shares):
        gradient = (LogisticGradient(chosen, index), share)
        curvature = ((Curvature(chosen), split.gradients * chosen.curvature_share),) if index == 0 else ()
        steps.append((*curvature, gradient))
    if split.score_table:
        steps.append(((ScoreTable(chosen), split.score_table),))
    return chosen, tuple(steps)
