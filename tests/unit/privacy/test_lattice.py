"""Clip, truncate, check in integers: each row alone, bounded exactly, whatever its floats."""

import math
from fractions import Fraction

import numpy as np
import pytest

from privacy import lattice
from privacy.errors import LatticeError
from privacy.lattice import Lattice, points, total


def _norms(rows: np.ndarray) -> list[int]:
    """Return squared norms in exact integers, by another way than the module's."""
    return [sum(int(value) ** 2 for value in row) for row in rows]


def _exact_point(row: np.ndarray, grid: Lattice) -> list[int]:
    """Return trunc(x * min(1, C/|x|) / gamma) in 60-digit arithmetic: the independent oracle."""
    exact = [Fraction(float(value)) for value in row]
    squared = sum(value * value for value in exact)
    root = Fraction(math.isqrt(int(squared * 10**120)), 10**60)
    scale = min(Fraction(1), grid.clip_norm / root) if root else Fraction(1)
    return [math.trunc(value * scale / grid.gamma) for value in exact]


def test_points_agree_with_exact_arithmetic() -> None:
    """Float points are the exact ones, but for one step where an exact value lies at a step's edge."""
    grid = Lattice(7, Fraction(3, 2), 10**6)
    rows = np.random.default_rng(1).normal(size=(200, 7))
    expected = np.array([_exact_point(row, grid) for row in rows])
    difference = np.abs(points(rows, grid) - expected)
    assert difference.max() <= 1 and np.count_nonzero(difference) <= 5


def test_zeros_and_ones_are_exact() -> None:
    """A table's cell with C = 1 counts whole students: Delta steps each, no rounding."""
    grid = Lattice(3, Fraction(1), 12_345)
    rows = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 1.0, 0]])
    assert total(rows, grid).tolist() == [12_345, 24_690, 0]


def test_truncation_is_towards_zero() -> None:
    """Both signs lose their fraction, so rounding can never raise a norm."""
    assert points(np.array([[0.49, -0.49]]), Lattice(2, Fraction(1), 10)).tolist() == [[4, -4]]


def test_long_rows_are_clipped_and_short_rows_are_not() -> None:
    """A row beyond C is scaled to C in its own direction; one within C stays as it is."""
    grid = Lattice(2, Fraction(5), 5000)
    assert points(np.array([[30.0, 40.0], [3.0, 4.0], [0.3, 0.4]]), grid).tolist() == [
        [3000, 4000],
        [3000, 4000],
        [300, 400],
    ]


HOSTILE = {
    "NaN": ([np.nan, 1.0], [0, 0]),
    "infinity": ([np.inf, 1.0], [0, 0]),
    "minus infinity": ([1.0, -np.inf], [0, 0]),
    "both infinities": ([np.inf, -np.inf], [0, 0]),
    "zero": ([0.0, 0.0], [0, 0]),
    "minus zero": ([-0.0, -0.0], [0, 0]),
    "largest double": ([np.finfo(float).max, 0.0], [1000, 0]),
    "squares overflow": ([1e308, -1e308], [707, -707]),
    "squares underflow": ([1e-200, 1e-200], [0, 0]),
    "denormal": ([5e-324, -5e-324], [0, 0]),
    "huge and denormal": ([1e308, 5e-324], [1000, 0]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_floats_become_a_bounded_point_in_silence(name: str) -> None:
    """No warning, no error, even for a process in which NumPy raises on everything."""
    row, expected = HOSTILE[name]
    with np.errstate(all="raise"):
        assert points(np.array([row]), Lattice(2, Fraction(1), 1000)).tolist() == [expected]


@pytest.mark.parametrize("clip", [Fraction(1, 10**100), Fraction(10**100)])
@pytest.mark.parametrize("size", [5e-324, 1e-300, 1.0, 1e300])
def test_extreme_clip_norms_keep_the_bound(clip: Fraction, size: float) -> None:
    """The smallest and largest clip norm, on the smallest and largest rows: never beyond Delta."""
    grid = Lattice(3, clip, 2**31)
    with np.errstate(all="raise"):
        assert max(_norms(points(np.array([[size, -size, size]]), grid))) <= 2**62


def test_the_integer_check_shrinks_what_the_floats_let_through() -> None:
    """Planted: coordinates beyond Delta, by one step or by all that a word holds, come back within."""
    steps = 1000
    planted = np.array([[1000, 1], [600, 800], [601, 800], [1000, 1000], [-1000, -1000], [0, 0]], dtype=np.int64)
    bounded = lattice._bounded(planted.copy(), steps)
    assert max(_norms(bounded)) <= steps**2
    assert bounded[1].tolist() == [600, 800] and bounded[5].tolist() == [0, 0]
    assert bounded[4].tolist() == (-bounded[3]).tolist() == [-706, -706]


def test_the_integer_check_does_not_overflow() -> None:
    """Planted: 100 coordinates of 2**31, of which the squares add up to far beyond 64 bits."""
    steps = 2**31
    planted = np.full((1, 100), steps, dtype=np.int64)
    assert lattice._squared_norms(planted)[0][0] == 100 * 2**30
    bounded = lattice._bounded(planted, steps)
    assert _norms(bounded)[0] <= steps**2 and bounded[0, 0] == steps // 10


def _shrunk(row: list[int], steps: int) -> list[int]:
    """Return what `lattice.md` says becomes of a point, in Python's own integers."""
    squared = sum(value * value for value in row)
    if squared <= steps * steps:
        return row
    ceiling = next(m for m in range(math.isqrt(squared), math.isqrt(squared) + 2) if m * m >= squared)
    return [(1 if value > 0 else -1) * (abs(value) * steps // ceiling) for value in row]


@pytest.mark.parametrize("steps", [1, 1000, 65_536, 100_000, 2**31 - 1, 2**31])
def test_the_integer_check_shrinks_exactly_what_is_beyond(steps: int) -> None:
    """At the bound and just beyond it, in either half of the square, and where many small squares carry over."""
    edges = [[steps, extra] for extra in (0, 1, -1, 2**8, 2**15, 2**16, -(2**16), 2**20) if abs(extra) <= steps]
    crowd = [[min(steps, size)] * 64 for size in (steps // 8, steps // 8 + 1, 65_535, 2**16, 2**31)]
    lopsided = [[steps // 2 + 1, -steps, *range(30)]] if steps > 30 else [[1, -1, 1]]
    for rows in (edges, crowd, lopsided):
        found = lattice._bounded(np.array(rows, dtype=np.int64), steps)
        assert found.tolist() == [_shrunk(row, steps) for row in rows]


def test_the_integer_check_believes_no_word() -> None:
    """Planted: what a NaN or an overflow leaves in a word, of which the square would wrap to nothing."""
    extremes = [-(2**63), 2**63 - 1, 2**62, -(2**32), 2**32 + 1, 0]
    for steps in (1, 1000, 2**31):
        planted = np.array([[word, 1, -1] for word in extremes], dtype=np.int64)
        assert (planted * planted)[0, 0] == 0
        bounded = lattice._bounded(planted, steps)
        assert max(_norms(bounded)) <= steps**2
        assert [np.sign(row[0]) for row in bounded[:4]] == [-1, 1, 1, -1] or steps == 1


def test_without_the_integer_check_the_bound_is_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: floats that round up by a step are caught by the integer check, and by nothing else."""
    grid = Lattice(3, Fraction(1), 1000)
    rows = np.random.default_rng(3).normal(size=(50, 3)) * 10
    monkeypatch.setattr(np, "trunc", np.ceil)
    assert max(_norms(points(rows, grid))) <= 1000**2
    monkeypatch.setattr(lattice, "_bounded", lambda coordinates, steps: coordinates)
    assert max(_norms(points(rows, grid))) > 1000**2


def test_a_sum_is_the_sum_of_points_however_it_is_cut() -> None:
    """An array, a list of blocks, a generator and rows one by one give the same integers."""
    grid = Lattice(40, Fraction(2), 10**7)
    rows = np.random.default_rng(4).normal(size=(20_000, 40))
    expected = points(rows, grid).sum(axis=0)
    for given in (rows, [rows[:7], rows[7:7], rows[7:]], (rows[i : i + 999] for i in range(0, len(rows), 999))):
        np.testing.assert_array_equal(total(given, grid), expected)


def test_no_students_sum_to_zero() -> None:
    """A school without students in the population answers like any other: d zeros."""
    grid = Lattice(5, Fraction(1), 10)
    for empty in (np.zeros((0, 5)), [], [np.zeros((0, 5))]):
        assert total(empty, grid).tolist() == [0] * 5


def test_sums_wrap_like_words() -> None:
    """Beyond 63 bits a sum goes on modulo 2**64, as the masks do."""
    grid = Lattice(1, Fraction(1), 2**31)
    assert total((np.ones((2**10, 1)) for _ in range(8)), grid).tolist() == [2**44]
    assert (np.array([2**63 - 1]) + points(np.ones((1, 1)), grid)[0]).tolist() == [2**31 - 1 - 2**63]


@pytest.mark.parametrize(
    "rows",
    [np.zeros(3), np.zeros((2, 4)), np.zeros((2, 3), dtype=np.float32), np.zeros((2, 3), dtype=np.int64)],
)
def test_another_shape_or_type_is_refused(rows: np.ndarray) -> None:
    """Only float64 [n, d] passes; the error names the columns and never the number of rows."""
    with pytest.raises(LatticeError, match="float64") as caught:
        total([rows], Lattice(3, Fraction(1), 10))
    assert "(2," not in str(caught.value)
    with pytest.raises(LatticeError):
        points(rows, Lattice(3, Fraction(1), 10))


@pytest.mark.parametrize(
    ("dimension", "clip", "steps"),
    [
        (0, Fraction(1), 1),
        (10**7 + 1, Fraction(1), 1),
        (True, Fraction(1), 1),
        (1, 1.0, 1),
        (1, 1, 1),
        (1, Fraction(0), 1),
        (1, Fraction(1, 10**101), 1),
        (1, Fraction(10**100 + 1), 1),
        (1, Fraction(1), 0),
        (1, Fraction(1), 2**31 + 1),
        (1, Fraction(1), 1.0),
    ],
)
def test_a_grid_outside_its_range_is_refused(dimension: int, clip: Fraction, steps: int) -> None:
    """Dimension, clip norm and steps are whole or rational and within the proven range."""
    with pytest.raises(LatticeError):
        Lattice(dimension, clip, steps)


def test_gamma_is_the_length_of_a_step() -> None:
    """Gamma = C / Delta, exact."""
    assert Lattice(1, Fraction(3, 2), 6).gamma == Fraction(1, 4)
