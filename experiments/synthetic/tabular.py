"""A size, a number of features and a seed arrive; a made-up table within declared bounds leaves.

It serves one purpose: to fix a model's hyperparameters before any real student is looked at. So it imitates
what real student tables do to gradient descent: one-hot groups with rare levels, counts and amounts that
crowd in a corner of their declared range, zero-inflation, and near-copies of the same column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.calibration import Floats, intercept_for, logistic, slope_for

FACTORS = 6  # latent traits behind all columns: what makes columns correlate
NUMERIC_KINDS = ("normal", "lognormal", "count", "zero_inflated", "student_t", "copy")


@dataclass(frozen=True)
class Tabular:
    """A made-up table.

    features: float64 [n, p], each column scaled to [-1, 1] by its declared (never measured) bounds;
    outcome: float64 [n], 0.0 or 1.0; probability: float64 [n], the true chance of 1.0; names: p strings.
    """

    features: Floats
    outcome: Floats
    probability: Floats
    names: tuple[str, ...]


def tabular(
    n: int,
    p: int,
    seed: int,
    base_rate: float | None = None,
    auc: float | None = None,
    one_hot_share: float = 0.55,
    interaction: float = 0.3,
) -> Tabular:
    """Make n rows of p features with a binary outcome.

    base_rate and auc (the best reachable) are drawn from [.15, .40] and [.84, .95] when not given.
    `one_hot_share` of the columns are one-hot levels; `interaction` is the weight of what no linear model
    can express, which costs a linear model .01 to .03 AUC.
    Raises ValueError for fewer than 8 features or 50 rows.
    """
    if p < 8 or n < 50:
        raise ValueError(f"tabular needs at least 8 features and 50 rows, got {p} and {n}: ask for more")
    rng = np.random.default_rng(seed)
    base_rate = float(rng.uniform(0.15, 0.40)) if base_rate is None else base_rate
    auc = float(rng.uniform(0.84, 0.95)) if auc is None else auc
    factors = rng.normal(size=(n, FACTORS))
    categorical, level_names = _one_hot_columns(rng, factors, round(p * one_hot_share))
    numeric, numeric_names = _numeric_columns(rng, factors, p - categorical.shape[1])
    features = np.hstack([numeric, categorical])
    score = _score(rng, features, factors, interaction)
    slope = slope_for(score, base_rate, auc)
    probability = logistic(slope * score + intercept_for(slope * score, base_rate))
    outcome = (rng.random(n) < probability).astype(np.float64)
    return Tabular(features, outcome, probability, (*numeric_names, *level_names))


def _one_hot_columns(rng: np.random.Generator, factors: Floats, width: int) -> tuple[Floats, list[str]]:
    """Fill `width` columns with one-hot groups of 2 to 9 levels whose frequencies fall off as 1/rank."""
    blocks: list[Floats] = []
    names: list[str] = []
    while (left := width - len(names)) > 0:
        levels = int(rng.integers(2, 10))
        kept = min(levels, left)  # cut short: a reference level without a column
        block = _one_hot_group(rng, factors, levels)[:, :kept]
        names += [f"group{len(blocks)}_level{level}" for level in range(kept)]
        blocks.append(block)
    return (np.hstack(blocks) if blocks else np.empty((len(factors), 0))), names


def _one_hot_group(rng: np.random.Generator, factors: Floats, levels: int) -> Floats:
    """Return [n, levels] of -1/+1: bounds 0 and 1 of a one-hot column, scaled."""
    popularity = -np.log(np.arange(1, levels + 1)) * rng.uniform(0.7, 1.8)
    loadings = rng.normal(size=(FACTORS, levels)) * 0.5
    chosen = (popularity + factors @ loadings + rng.gumbel(size=(len(factors), levels))).argmax(axis=1)
    return np.where(np.arange(levels) == chosen[:, None], 1.0, -1.0)


def _numeric_columns(rng: np.random.Generator, factors: Floats, width: int) -> tuple[Floats, list[str]]:
    columns: list[Floats] = []
    names: list[str] = []
    for index in range(width):
        kind = NUMERIC_KINDS[index % len(NUMERIC_KINDS)]
        loading = rng.normal(size=FACTORS)
        signal = factors @ (loading / np.linalg.norm(loading))
        mixed = 0.8 * signal + 0.6 * rng.normal(size=len(factors))  # variance 1 again
        columns.append(_numeric_column(rng, kind, mixed, columns))
        names.append(f"{kind}{index}")
    return np.column_stack(columns) if columns else np.empty((len(factors), 0)), names


def _numeric_column(rng: np.random.Generator, kind: str, mixed: Floats, earlier: list[Floats]) -> Floats:
    """One column of the kind, scaled to [-1, 1] by bounds that belong to the kind, with tails clipped."""
    match kind:
        case "normal":
            return _scaled(mixed, -4.0, 4.0)
        case "lognormal":  # an amount, an age: most of it in the lowest tenth of the declared range
            return _scaled(np.exp(0.8 * mixed), 0.0, 15.0)
        case "count":
            return _scaled(rng.poisson(np.exp(0.6 + 0.7 * mixed)).astype(np.float64), 0.0, 25.0)
        case "zero_inflated":
            return _scaled(np.where(mixed > 0.4, np.exp(mixed), 0.0), 0.0, 30.0)
        case "student_t":
            return _scaled(mixed * np.sqrt(3.0 / rng.chisquare(3, size=len(mixed))), -10.0, 10.0)
        case "copy":  # grades of two periods: the same story told twice
            return np.clip(earlier[int(rng.integers(len(earlier)))] + 0.05 * rng.normal(size=len(mixed)), -1, 1)
    raise ValueError(f"unknown kind of column {kind!r}: use one of {', '.join(NUMERIC_KINDS)}")


def _scaled(values: NDArray[np.float64], low: float, high: float) -> Floats:
    return np.clip(2.0 * (values - low) / (high - low) - 1.0, -1.0, 1.0)


def _score(rng: np.random.Generator, features: Floats, factors: Floats, interaction: float) -> Floats:
    """A sparse linear score of standardised columns, plus what only an interaction or threshold expresses."""
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    width = features.shape[1]
    weights: Floats = np.where(rng.random(width) < 0.5, rng.normal(size=width), 0.0)
    weights[0] += 1.0  # never an all-zero score
    linear = standard @ weights
    bent = factors[:, 0] * factors[:, 1] + 1.5 * (factors[:, 2] > 1.0)
    score: Floats = linear / linear.std() + interaction * (bent - bent.mean()) / bent.std()
    return score
