"""One school's students and a public state arrive; one bounded vector per student leaves, ready for a private sum.

Everything a row meets here is element by element, or a loop over columns: no matrix product, no reduction whose
order could depend on the number of rows or on memory, no statistic of a batch. IEEE additions and products of
single elements are correctly rounded, and `math.exp` is called once per row, so a row's vector is the same bit
for bit whatever other rows stand beside it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.errors import QueryError, StateError
from experiments.students import Floats, Students

State = dict[str, Floats]
Bounds = Mapping[str, tuple[int, float, float]]
"""Key of a state → (length, lowest value, highest value)."""

BLOCK_VALUES = 2**18
LARGEST_SCORE = 700.0  # exp stays finite; the logistic is 0 or 1 to the last bit long before


class Query(ABC):
    """One thing a coalition can ask: what each student contributes, and what the opened sum means.

    `name` and `parameters()` go into the context that masks are bound to; `dimension` is the length d of a
    student's vector and `clip` the norm C beyond which the private sum shrinks it. An instance is frozen.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Length d of one student's vector."""

    @property
    @abstractmethod
    def clip(self) -> Fraction:
        """Clip norm C: a public constant, never measured."""

    @abstractmethod
    def parameters(self) -> Mapping[str, Any]:
        """Everything that sets the query apart from others of its name: whole numbers, fractions, text."""

    @abstractmethod
    def bounds(self) -> Bounds:
        """The keys that the state must hold when this query is asked, with their lengths and ranges."""

    @abstractmethod
    def contributions(self, students: Students, state: State) -> Floats:
        """Return float64 [n, d], one vector per row, zero for rows that this query leaves out.

        A row with a value outside its declared range is bounded; one that is not a number gives zero. Nothing
        is raised because of a value.
        """

    @abstractmethod
    def absorb(self, state: State, total: Floats, noise_sd: float) -> State:
        """Return the next public state from the opened sum float64 [d] and its noise's sd per coordinate."""

    def blocks(self, students: Students, state: State) -> Iterator[Floats]:
        """Yield `contributions` in blocks of rows of a fixed size, so that memory does not grow with n."""
        rows = max(1, BLOCK_VALUES // self.dimension)
        for start in range(0, len(students), rows):
            yield self.contributions(students.rows(slice(start, start + rows)), state)

    def initial_state(self) -> State:
        """Return the state before anything was asked: nothing is known."""
        return {}

    def check_state(self, state: Mapping[str, Floats]) -> None:
        """Raise `StateError` unless the state has exactly the declared keys, lengths and ranges.

        Called before any row is read: within these ranges no row can make the arithmetic overflow.
        """
        bounds = self.bounds()
        if set(state) != set(bounds):
            raise StateError(
                f"the state of query {self.name} holds {sorted(bounds)}",
                f"{sorted(str(key)[:40] for key in state)[:20]}",
                "ask the steps in the order of the plan",
            )
        for key, (length, low, high) in bounds.items():
            _check_array(key, state[key], length, low, high)


def _check_array(key: str, values: Any, length: int, low: float, high: float) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.shape != (length,):
        raise StateError(f"{key} is float64 [{length}]", f"{getattr(values, 'shape', 'no array')}", "follow the plan")
    if length and not (np.isfinite(values).all() and values.min() >= low and values.max() <= high):
        raise StateError(f"{key} lies in [{low:g}, {high:g}]", "a value outside", "absorb the opened sum again")


def public(values: Any, low: float, high: float) -> Floats:
    """Return values as a state may hold them: float64, one dimension, within [low, high], no NaN and no -0.0."""
    array = np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel()
    finite = np.nan_to_num(array, nan=0.0, posinf=high, neginf=low)
    return np.clip(finite, low, high) + 0.0  # -0.0 + 0.0 is 0.0


def bounded_rows(students: Students) -> tuple[Floats, Floats]:
    """Return features clipped to [-1, 1], and 1.0 for each usable row, 0.0 for the others.

    A row is usable when all its values are finite and its outcome is 0 or 1; the features of others become 0.
    """
    finite = np.isfinite(students.features).all(axis=1)  # booleans: no order of operations to worry about
    usable = finite & ((students.outcome == 0.0) | (students.outcome == 1.0))
    features = np.where(usable[:, None], students.features, 0.0)
    return np.clip(features, -1.0, 1.0), usable.astype(np.float64)


def linear(columns: Floats, weights: Floats) -> Floats:
    """Return columns @ weights, float64 [n, k] x [k] -> [n], added column by column."""
    total = np.zeros(len(columns), dtype=np.float64)
    for index, weight in enumerate(weights):
        total += columns[:, index] * weight
    return total


def logistic(scores: Floats) -> Floats:
    """Return 1/(1 + exp(-s)) for each score, by one scalar call a row."""
    held = np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)
    return np.array([1.0 / (1.0 + math.exp(-score)) for score in held.tolist()], dtype=np.float64)


def one_cell(cell: NDArray[np.int64], cells: int, counted: Floats) -> Floats:
    """Return float64 [n, cells]: `counted` (0.0 or 1.0) of each row in its own cell, 0.0 in the others."""
    return np.where(cell[:, None] == np.arange(cells), counted[:, None], 0.0)


def root_above(square: Fraction) -> Fraction:
    """Return a fraction at least sqrt(square), and at most 1/1000 above it.

    Raises `QueryError` for a negative square.
    """
    if square < 0:
        raise QueryError("a norm's square is not negative", str(square), "correct the parameters")
    scaled = square * 1_000_000
    return Fraction(math.isqrt(math.ceil(scaled)) + 1, 1000)
