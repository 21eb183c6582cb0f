"""A noisy score table arrives; AUC, precision and recall at k, calibration and Brier leave, with honest intervals.

Everything here is post-processing of one private sum, so it costs nothing. An interval covers both what another
draw of students would give and what another draw of noise would give; σ of the noise is public. It is
simulated: the table is drawn again, cell by cell, from normals that follow from a hash of the table, so that
anyone who holds the table gets the same interval.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.errors import EvaluationError
from experiments.students import Floats

SHARES = (0.05, 0.10, 0.15, 0.20, 0.30)
DRAWS = 1000
SEED_TAG = b"datacoalitie/evaluation/1"
OPEN_BIN = 1.5
TWO_SIDED_95 = 1.959963984540054
FEWEST_FOR_A_RATE = 2.0  # a bin whose count is within two sd of the noise has no observed rate


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval, sampling and privacy noise included: low <= value <= high.

    `sampling_sd` and `privacy_sd` are the two parts of its error.
    """

    value: float
    low: float
    high: float
    sampling_sd: float
    privacy_sd: float

    @property
    def privacy_dominates(self) -> bool:
        """Whether the noise adds more error than the choice of students does."""
        return self.privacy_sd > self.sampling_sd


@dataclass(frozen=True)
class AtShare:
    """Quality of the list of the share `k` with the highest scores."""

    k: float
    precision: Estimate
    recall: Estimate
    lift: Estimate


@dataclass(frozen=True)
class CalibrationBin:
    """Students with about the same predicted chance; `observed` is None where noise hides the count."""

    predicted: float
    students: float
    observed: Estimate | None


@dataclass(frozen=True)
class Evaluation:
    """Quality of a model on students it did not learn from."""

    students: Estimate
    base_rate: Estimate
    auc: Estimate
    brier: Estimate
    at_k: tuple[AtShare, ...]
    calibration: tuple[CalibrationBin, ...]

    @property
    def privacy_dominates(self) -> bool:
        """Whether the AUC owes more error to privacy than to sampling."""
        return self.auc.privacy_dominates


def evaluate(table: Floats, noise_sd: float, edges: Floats) -> Evaluation:
    """Compute every figure of a score table.

    table: float64 [2·bins], outcome 0 then outcome 1, low scores first; noise_sd: sd of the noise per cell;
    edges: float64 [bins-1], log odds. Raises `EvaluationError` for shapes that do not fit, or for a table in
    which one outcome does not occur: no figure can be computed from it.
    """
    bins = len(edges) + 1
    if table.shape != (2 * bins,) or not np.isfinite(table).all() or noise_sd < 0:
        raise EvaluationError("a score table holds 2·bins finite cells", f"{table.shape}", "open the sum again")
    cells = feasible(table.reshape(2, bins))
    if cells.sum(axis=1).min() <= 0:
        raise EvaluationError("both outcomes occur among held-out students", "one", "pool more schools")
    both, sampling, privacy = (_figures(part, edges) for part in _draws(cells, noise_sd))
    estimates = {
        name: _estimate(float(value[0]), both[name], sampling[name], privacy[name], _highest(name))
        for name, value in _figures(cells[None], edges).items()
    }
    return _assemble(estimates, cells, noise_sd, edges)


def _assemble(estimates: dict[str, Estimate], cells: Floats, noise_sd: float, edges: Floats) -> Evaluation:
    at_k = tuple(
        AtShare(k, estimates[f"precision {k}"], estimates[f"recall {k}"], estimates[f"lift {k}"]) for k in SHARES
    )
    counts, chances = cells.sum(axis=0), predicted(edges)
    hidden = FEWEST_FOR_A_RATE * noise_sd * 2**0.5
    calibration = tuple(
        CalibrationBin(float(chances[i]), float(counts[i]), estimates[f"observed {i}"] if counts[i] > hidden else None)
        for i in range(len(counts))
    )
    return Evaluation(
        students=estimates["students"],
        base_rate=estimates["base_rate"],
        auc=estimates["auc"],
        brier=estimates["brier"],
        at_k=at_k,
        calibration=calibration,
    )


def feasible(cells: Floats) -> Floats:
    """Return the nearest table [..., bins] without negative cells and with the same total per outcome.

    Setting negative cells to zero would add students; here the surplus is taken from all cells alike
    (projection on a simplex), so totals stay unbiased. A total below zero becomes an empty row.
    """
    total = np.maximum(cells.sum(axis=-1, keepdims=True), 0.0)
    ordered = -np.sort(-cells, axis=-1)
    rank = np.arange(1, cells.shape[-1] + 1)
    excess = (np.cumsum(ordered, axis=-1) - total) / rank
    support = np.maximum((ordered > excess).sum(axis=-1, keepdims=True), 1)
    return np.asarray(np.maximum(cells - np.take_along_axis(excess, support - 1, axis=-1), 0.0))


def _draws(cells: Floats, noise_sd: float) -> tuple[Floats, Floats, Floats]:
    """Return redrawn tables [draws, 2, bins]: with both errors, with sampling error only, with noise only."""
    normals = deterministic_normals(cells, (2, DRAWS, *cells.shape))
    sampling, privacy = np.sqrt(cells) * normals[0], noise_sd * normals[1]
    return (
        feasible(cells + sampling + privacy),
        feasible(cells + sampling),
        feasible(cells + privacy),
    )


def deterministic_normals(seed: Floats, shape: tuple[int, ...]) -> Floats:
    """Return standard normals that follow from the bytes of `seed` alone: SHAKE-256, then the inverse normal.

    For simulation only: nothing here protects anyone, and anyone can repeat it.
    """
    from scipy.special import ndtri

    count = int(np.prod(shape))
    stream = hashlib.shake_256(SEED_TAG + np.ascontiguousarray(seed, dtype="<f8").tobytes()).digest(8 * count)
    uniform = (np.frombuffer(stream, dtype="<u8") >> np.uint64(11)).astype(np.float64) + 0.5
    return np.asarray(ndtri(uniform * 2.0**-53), dtype=np.float64).reshape(shape)


def _figures(tables: Floats, edges: Floats) -> dict[str, Floats]:
    """Return every figure of tables [m, 2, bins], each as float64 [m]; an impossible ratio gives its edge."""
    negatives, positives = tables[:, 0], tables[:, 1]
    counts = negatives + positives
    students, hits = np.maximum(counts.sum(axis=1), 1e-9), np.maximum(positives.sum(axis=1), 1e-9)
    chances = predicted(edges)
    figures = {
        "students": counts.sum(axis=1),
        "base_rate": positives.sum(axis=1) / students,
        "auc": table_auc(negatives, positives, edges),
        "brier": (positives * (1 - chances) ** 2 + negatives * chances**2).sum(axis=1) / students,
    }
    for k in SHARES:
        caught = _caught(counts, positives, edges, k * students)
        figures[f"precision {k}"] = caught / (k * students)
        figures[f"recall {k}"] = caught / hits
        figures[f"lift {k}"] = caught / (k * hits)
    for i in range(counts.shape[1]):
        figures[f"observed {i}"] = positives[:, i] / np.maximum(counts[:, i], 1e-9)
    return figures


def table_auc(negatives: Floats, positives: Floats, edges: Floats) -> Floats:
    """Return the chance that a random positive scores above a random negative, tables [m, bins] -> [m].

    Within one bin of width h (in log odds) a calibrated score has its positives h/12 more often above its
    negatives than below: the two densities' ratio rises with slope 1. Counting such pairs as one half instead
    would underrate every model.
    """
    below = np.cumsum(negatives, axis=1) - negatives
    ties = 0.5 + np.minimum(_widths(edges) / 12.0, 0.25)
    wins = (positives * (below + ties * negatives)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.asarray(np.clip(wins / np.maximum(pairs, 1e-9), 0.0, 1.0))


def _widths(edges: Floats) -> Floats:
    """Return each bin's width; the two open ones count as half again as wide as their neighbour."""
    inner = np.diff(edges) if len(edges) > 1 else np.array([1.0])
    return np.concatenate([inner[:1] * OPEN_BIN, inner, inner[-1:] * OPEN_BIN])


def predicted(edges: Floats) -> Floats:
    """Return each bin's predicted chance, float64 [bins]: that of its middle, open bins half a width further."""
    widths = _widths(edges)
    middles = np.concatenate([[edges[0] - widths[0] / 2], edges + widths[1:] / 2])
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(middles, -700.0, 700.0))))


def _caught(counts: Floats, positives: Floats, edges: Floats, wanted: Floats) -> Floats:
    """Return how many positives the `wanted` [m] highest scores hold.

    Of a bin that is used for a part f, its best students are taken: if scores lie evenly in it and are
    calibrated, their rate is 1 + (1 - rate)·h·(1 - f)/2 times the bin's, h being its width in log odds.
    """
    from_top, hits = counts[:, ::-1], positives[:, ::-1]
    before = np.cumsum(from_top, axis=1) - from_top
    part = np.clip((wanted[:, None] - before) / np.maximum(from_top, 1e-9), 0.0, 1.0)
    rate = hits / np.maximum(from_top, 1e-9)
    tilt = 1.0 + (1.0 - rate) * _widths(edges)[::-1] * (1.0 - part) / 2.0
    return np.asarray(np.minimum(part * hits * tilt, np.minimum(hits, part * from_top)).sum(axis=1))


def _highest(name: str) -> float:
    return float("inf") if name.startswith(("students", "lift")) else 1.0


def _estimate(value: float, both: Floats, sampling: Floats, privacy: Floats, highest: float) -> Estimate:
    """Return the value with a normal interval of the redrawn figures' spread, kept within [0, highest]."""
    value, reach = min(highest, value), TWO_SIDED_95 * float(both.std())  # a sum may end one bit above 1
    low, high = max(0.0, value - reach), min(highest, value + reach)
    return Estimate(value, min(low, value), max(high, value), float(sampling.std()), float(privacy.std()))


def exact_auc(scores: Floats, outcome: Floats) -> float:
    """Return the AUC of scores [n] for outcomes 0/1 [n], ties counting half: for rehearsals and benchmarks.

    Raises `EvaluationError` when one outcome does not occur.
    """
    positive = outcome == 1.0
    negatives = int((~positive).sum())
    if not 0 < negatives < len(outcome):
        raise EvaluationError("both outcomes occur", "one outcome only", "pool more students")
    distinct, place = np.unique(scores, return_inverse=True)
    below = np.bincount(place[~positive], minlength=len(distinct)).astype(np.float64)
    beaten = np.cumsum(below) - below / 2
    return float(beaten[place[positive]].mean() / negatives)


def exact_table(scores: Floats, outcome: Floats, edges: Floats) -> Floats:
    """Return the score table [2·bins] of known scores and outcomes, without noise: for rehearsals and tests."""
    bins = len(edges) + 1
    cell: NDArray[np.intp] = np.searchsorted(edges, scores, side="right") + bins * (outcome == 1.0)
    return np.bincount(cell, minlength=2 * bins).astype(np.float64)
