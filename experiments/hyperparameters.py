"""Public sizes and a budget arrive; every constant of the two-stage model leaves, before any row is seen.

Nothing here looks at data. The constants were fixed on made-up tables (`experiments/synthetic/tabular.py`);
`python -m experiments.benchmarks.preregister` repeats that choice, docs/method.md tells it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from experiments.errors import QueryError

GRADIENTS = 8  # exchanges; with prepare, moments, score table and close they make twelve
CLIP_AT_REFERENCE, CLIP_SLOPE, REFERENCE_SIGNAL = 0.45, 0.2, 13.0
SMALLEST_CLIP, LARGEST_CLIP = 0.35, 1.2
WEAK_TABLE, STRONG_TABLE = 1_500.0, 6_000.0


@dataclass(frozen=True)
class Settings:
    """Constants of one two-stage logistic regression on p features. All are public.

    features: p. gradients: T.
    clip_share: clip norm of a gradient, in units of sqrt(p).
    bins: score bins of the evaluation.
    intercept: value of the constant feature, in units of sqrt(p).
    largest_feature: standardised features are cut at plus and minus this.
    curvature_clip: norm at which a row enters the second moments, in units of sqrt(p).
    prior_sd, prior_freedom: scale and degrees of freedom of a standardised weight before any data.
    curvature_factor: mean of chance x (1 - chance) over its value at the base rate.
    eigenvalue_floor: least curvature assumed, in units of a feature's variance.
    forgetting: share of its weight that a gradient loses each time a newer one arrives.
    class_weight: weight of the two counts among the moments.
    curvature_share: part of the gradients' budget for the second moments that ride with the first gradient.
    growth: how much more each gradient may cost than the one before: late ones are asked at better points.
    """

    features: int
    clip_share: Fraction
    bins: int
    gradients: int = GRADIENTS
    intercept: Fraction = Fraction(12, 100)
    largest_feature: Fraction = Fraction(6)
    curvature_clip: Fraction = Fraction(1)
    prior_sd: Fraction = Fraction(18, 100)
    prior_freedom: Fraction = Fraction(5)
    curvature_factor: Fraction = Fraction(45, 100)
    eigenvalue_floor: Fraction = Fraction(1, 10)
    forgetting: Fraction = Fraction(12, 100)
    class_weight: Fraction = Fraction(1)
    curvature_share: Fraction = Fraction(1, 20)
    growth: Fraction = Fraction(13, 10)

    def __post_init__(self) -> None:
        if not 1 <= self.features <= 1000:
            raise QueryError("a model has 1 to 1000 features", str(self.features), "exclude feature groups")
        if not (1 <= self.gradients <= 50 and 2 <= self.bins <= 256):
            raise QueryError("1 to 50 gradients and 2 to 256 bins", f"{self.gradients} and {self.bins}", "plan again")

    @property
    def width(self) -> int:
        """Features and intercept: length of weights and gradients."""
        return self.features + 1


def settings(
    training_size: int,
    held_out_size: int,
    features: int,
    rho_gradients: Fraction,
    rho_table: Fraction = Fraction(0),
) -> Settings:
    """Return the constants for so many students by *public* figures, so many features and so much budget.

    Raises `QueryError` for sizes below one or a budget that is not positive.
    """
    if training_size < 1 or features < 1 or rho_gradients <= 0:
        raise QueryError("sizes and budget are positive", f"{training_size}, {features}, {rho_gradients}", "plan again")
    signal = training_size * math.sqrt(2 * float(rho_gradients)) / features
    return Settings(features, clip_share(signal), bins(held_out_size, rho_table))


def clip_share(signal: float) -> Fraction:
    """Return the gradient's clip norm in units of sqrt(p), for a signal n·sqrt(2ρ)/p.

    With little signal noise rules and a tight clip pays; with much, the bias of clipping does the harm.
    """
    share = CLIP_AT_REFERENCE + CLIP_SLOPE * math.log(signal / REFERENCE_SIGNAL)
    return Fraction(round(100 * min(LARGEST_CLIP, max(SMALLEST_CLIP, share))), 100)


def gradient_shares(chosen: Settings) -> tuple[Fraction, ...]:
    """Return each gradient's part of the gradients' budget; with the curvature's they add to 1."""
    weights = [chosen.growth**step for step in range(chosen.gradients)]
    return tuple((1 - chosen.curvature_share) * weight / sum(weights) for weight in weights)


def bins(held_out_size: int, rho_table: Fraction) -> int:
    """Return the number of score bins, for so many held-out students by public figures and so much budget.

    Every bin adds its own noise to the AUC (its error grows as the square root of their number), so there are
    as few as the shares of `experiments/evaluation.py` allow unless the signal n·sqrt(2ρ) is strong.
    """
    signal = held_out_size * math.sqrt(2 * float(rho_table))
    if signal < WEAK_TABLE:
        return 8
    return 20 if signal < STRONG_TABLE else 40
