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
CURVATURE_SHARE = Fraction(1, 20)  # of the gradients' budget, for the second moments that ride with the first
GROWTH = Fraction(13, 10)  # each gradient costs this much more than the one before: late ones matter most
CLIP_AT_REFERENCE, CLIP_SLOPE, REFERENCE_SIGNAL = 0.45, 0.2, 13.0
SMALLEST_CLIP, LARGEST_CLIP = 0.35, 1.2
FEW_HELD_OUT, MANY_HELD_OUT = 2_000, 10_000


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

    def __post_init__(self) -> None:
        if not 1 <= self.features <= 1000:
            raise QueryError("a model has 1 to 1000 features", str(self.features), "exclude feature groups")
        if not (1 <= self.gradients <= 50 and 2 <= self.bins <= 256):
            raise QueryError("1 to 50 gradients and 2 to 256 bins", f"{self.gradients} and {self.bins}", "plan again")

    @property
    def width(self) -> int:
        """Features and intercept: length of weights and gradients."""
        return self.features + 1


def settings(training_size: int, held_out_size: int, features: int, rho_gradients: Fraction) -> Settings:
    """Return the constants for so many students by *public* figures, so many features and so much budget.

    Raises `QueryError` for sizes below one or a budget that is not positive.
    """
    if training_size < 1 or features < 1 or rho_gradients <= 0:
        raise QueryError("sizes and budget are positive", f"{training_size}, {features}, {rho_gradients}", "plan again")
    signal = training_size * math.sqrt(2 * float(rho_gradients)) / features
    return Settings(features, clip_share(signal), bins(held_out_size))


def clip_share(signal: float) -> Fraction:
    """Return the gradient's clip norm in units of sqrt(p), for a signal n·sqrt(2ρ)/p.

    With little signal noise rules and a tight clip pays; with much, the bias of clipping does the harm.
    """
    share = CLIP_AT_REFERENCE + CLIP_SLOPE * math.log(signal / REFERENCE_SIGNAL)
    return Fraction(round(100 * min(LARGEST_CLIP, max(SMALLEST_CLIP, share))), 100)


def gradient_shares(gradients: int = GRADIENTS) -> tuple[Fraction, ...]:
    """Return each gradient's part of the gradients' budget; they add to 1 - CURVATURE_SHARE."""
    weights = [GROWTH**step for step in range(gradients)]
    return tuple((1 - CURVATURE_SHARE) * weight / sum(weights) for weight in weights)


def bins(held_out_size: int) -> int:
    """Return the number of score bins: noise per bin is constant, so few students want few bins."""
    if held_out_size < FEW_HELD_OUT:
        return 12
    return 20 if held_out_size < MANY_HELD_OUT else 40
