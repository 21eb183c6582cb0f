"""Rows of floats arrive; integer points of bounded norm, and their sum, leave.

A row x in R^d becomes z = trunc(x * min(1, C/|x|) / gamma), with gamma = C/Delta, so that |z| <= Delta in
exact integer arithmetic whatever the floats did. Everything here is done element by element, or by a
reduction over one row in a fixed order: no matrix products, nothing whose order depends on the number of rows
or on memory. So the point of a row is bit for bit the same whatever other rows stand beside it, and the
sensitivity of the sum is the bound on one row. Claims and proofs stand in `lattice.md`; its labels [L1] to [L11]
mark lines here.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from privacy.errors import LatticeError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_DIMENSION: Final = 10_000_000
MAX_STEPS: Final = 2**31
"""Largest Delta: the square of a coordinate, and |z|*Delta in the shrink, stay within 2**62."""
_SMALLEST_CLIP, _LARGEST_CLIP = Fraction(1, 10**100), Fraction(10**100)
_BLOCK_VALUES: Final = 2**18
"""Values worked on at once: memory does not grow with the number of rows, and a block stays in cache."""
_LEAST_EXPONENT: Final = -1000
_LOW_HALF: Final = np.uint64(2**32 - 1)


@dataclass(frozen=True)
class Lattice:
    """The public grid of one release: `dimension` d, `clip_norm` C, and `steps` Delta = C/gamma, an integer.

    Raises `LatticeError` unless 1 <= d <= 10**7, 1e-100 <= C <= 1e100 and 1 <= Delta <= 2**31.
    """

    dimension: int
    clip_norm: Fraction
    steps: int

    def __post_init__(self) -> None:
        _check_integer("dimension", self.dimension, MAX_DIMENSION)
        _check_integer("number of lattice steps", self.steps, MAX_STEPS)  # [L11]
        if type(self.clip_norm) is not Fraction or not _SMALLEST_CLIP <= self.clip_norm <= _LARGEST_CLIP:
            raise LatticeError(
                f"a clip norm is a Fraction from 1e-100 to 1e100; here it is {self.clip_norm!r}; plan again"
            )

    @property
    def gamma(self) -> Fraction:
        """The length of one lattice step, in the units of the vectors."""
        return self.clip_norm / self.steps


def points(rows: Floats, lattice: Lattice) -> Integers:
    """Return the lattice point of each row: float64 [b, d] -> int64 [b, d], each with |z| <= Delta exactly.

    Sensitivity: a row of the answer depends on that row of `rows` alone, bit for bit, and has norm <= Delta.
    Edge cases: a row with NaN or an infinity becomes zero; overflow (1e308) and underflow (denormals) are
    harmless, since a row is scaled by a power of two before squaring; no error, warning or refusal depends
    on a value. Raises `LatticeError` when shape or type is not the declared one, which no value can cause.
    """
    _check_block(rows, lattice.dimension)
    with np.errstate(all="ignore"):  # whatever the process asked of NumPy, no value may raise or warn
        scaled, exponent = _scaled(rows)
        factor = _factor(scaled, exponent, lattice)
        coordinates = np.trunc(scaled * factor[:, None]).astype(np.int64)  # [L5]
    return _bounded(coordinates, lattice.steps)


def total(vectors: Floats | Iterable[Floats], lattice: Lattice) -> Integers:
    """Return the sum of the lattice points of all rows, mod 2**64: int64 [d].

    `vectors` is an array float64 [n, d], or an iterable of such blocks of rows (one pass, so a school need
    not hold all its vectors at once). How rows are divided over blocks changes nothing. No rows: zeros.
    Neighbours: adding or removing one student's row changes the sum by one point of norm <= Delta.
    """
    result = np.zeros(lattice.dimension, dtype=np.int64)
    for block in _blocks(vectors, lattice.dimension):
        result += points(block, lattice).sum(axis=0, dtype=np.int64)  # [L10]
    return result


def _scaled(rows: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Return u and e with x = u * 2**e, the largest |u| of a row in [0.5, 1); a non-finite row is zero.

    The power of two makes the scaling exact. A row below 2**-1000 stays smaller than that, and its point is
    zero for every clip norm allowed.
    """
    finite = np.isfinite(rows).all(axis=1, keepdims=True)  # [L1]
    clean = np.where(finite, rows, 0.0)
    exponent = np.maximum(np.frexp(np.abs(clean).max(axis=1))[1], _LEAST_EXPONENT)
    return clean * np.ldexp(1.0, -exponent)[:, None], exponent  # [L2]


def _factor(scaled: Floats, exponent: npt.NDArray[np.int32], lattice: Lattice) -> Floats:
    """Return, per row, what takes u to lattice units: 2**e * Delta/C, or Delta/|u| if the row is clipped.

    One of the two may overflow to infinity (a huge row, a zero row); it then loses the minimum, as it should.
    """
    norm: Floats = np.sqrt(_row_sums(scaled * scaled))
    unclipped: Floats = np.ldexp(float(1 / lattice.gamma), exponent)
    return np.minimum(unclipped, lattice.steps / norm)  # [L4]


def _row_sums(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum each row by folding its halves: element by element, so the order hangs on d alone."""
    while values.shape[1] > 1:
        half = (values.shape[1] + 1) // 2
        folded = values[:, :half].copy()
        folded[:, : values.shape[1] - half] += values[:, half:]  # [L3]
        values = folded
    return values[:, 0]


def _bounded(coordinates: Integers, steps: int) -> Integers:
    """Check |z|**2 <= Delta**2 in integers; shrink the rows beyond it (rounding of the floats) to within.

    A shrunken row is sign(z) * floor(|z| * Delta / ceil(|z|)): its norm is at most Delta in one step, since
    each coordinate is at most |z_j| * Delta / |z|. Holds for every int64, whatever the floats did before.
    """
    coordinates = np.clip(coordinates, -steps, steps)  # [L6]
    high, low = _squared_norms(coordinates)
    bound = np.uint64(steps * steps)
    suspects = (high > bound >> np.uint64(32)) | ((high == bound >> np.uint64(32)) & (low > bound & _LOW_HALF))  # [L8]
    for row in np.flatnonzero(suspects):
        squared = (int(high[row]) << 32) + int(low[row])
        ceiling = math.isqrt(squared - 1) + 1  # [L9]
        magnitude = np.abs(coordinates[row]) * steps // ceiling  # [L9]
        coordinates[row] = np.sign(coordinates[row]) * magnitude
    return coordinates


def _squared_norms(coordinates: Integers) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return each row's exact sum of squares as two halves, high * 2**32 + low, with low < 2**32.

    In halves because d squares of 2**62 do not fit one word; nothing is assumed of what the floats did.
    """
    squares = (coordinates * coordinates).view(np.uint64)
    low = (squares & _LOW_HALF).sum(axis=1, dtype=np.uint64)
    high = (squares >> np.uint64(32)).sum(axis=1, dtype=np.uint64)
    return high + (low >> np.uint64(32)), low & _LOW_HALF  # [L7]


def _blocks(vectors: Floats | Iterable[Floats], dimension: int) -> Iterator[Floats]:
    rows = max(1, _BLOCK_VALUES // dimension)
    for part in [vectors] if isinstance(vectors, np.ndarray) else vectors:
        _check_block(part, dimension)
        for start in range(0, len(part), rows):
            yield part[start : start + rows]


def _check_block(rows: Floats, dimension: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != dimension or rows.dtype != np.float64:
        raise LatticeError(
            f"vectors are float64 [n, {dimension}]; here {rows.dtype} {rows.shape[1:]}; correct the query"
        )


def _check_integer(name: str, value: int, largest: int) -> None:
    if type(value) is not int or not 1 <= value <= largest:
        raise LatticeError(f"a {name} is a whole number from 1 to {largest}; here it is {value!r}; plan it again")
