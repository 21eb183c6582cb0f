"""What must hold of the private sum for every input: rows stand alone, norms are bounded, masks cancel."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from privacy.lattice import Lattice, points
from privacy.masking import EphemeralKey, Party, pairwise_mask
from privacy.private_sum import Release, lattice_sum, noised_sum, open_lattice, open_sum

HOSTILE = [np.nan, np.inf, -np.inf, -0.0, 1e308, -1e308, 5e-324, 2.0**-1000, 1e154, 1.0, 0.1]
ENTRIES = st.floats(width=64) | st.floats(-3, 3) | st.sampled_from(HOSTILE)
ROWS = arrays.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 33)), elements=ENTRIES)
GRIDS = st.tuples(
    st.fractions(Fraction(1, 1000), 1000, max_denominator=1000) | st.just(Fraction(10**100)),
    st.integers(1, 100) | st.integers(1, 2**31),
)
Mapped = Callable[[np.ndarray, Lattice], np.ndarray]


def _stand_alone(mapped: Mapped, rows: np.ndarray, grid: Lattice) -> bool:
    """Tell whether every row has the same point when any one row is deleted, or all others are."""
    whole = mapped(rows, grid)
    without = [mapped(np.delete(rows, i, axis=0), grid) for i in range(len(rows))]
    return all(np.array_equal(part, np.delete(whole, i, axis=0)) for i, part in enumerate(without)) and all(
        np.array_equal(mapped(rows[i : i + 1], grid)[0], whole[i]) for i in range(len(rows))
    )


@settings(max_examples=150, deadline=None)
@given(ROWS, GRIDS)
def test_deleting_any_row_leaves_all_others_bit_for_bit(rows: np.ndarray, grid: tuple[Fraction, int]) -> None:
    """The sensitivity of the sum is that of one row: nothing of one row enters another's point."""
    assert _stand_alone(points, rows, Lattice(rows.shape[1], *grid))


def test_a_clip_that_looks_at_the_batch_is_noticed() -> None:
    """The planted fault: rows scaled by the largest of the batch do not stand alone."""

    def batched(rows: np.ndarray, grid: Lattice) -> np.ndarray:
        return points(rows / max(1.0, np.abs(rows).max(initial=0)), grid)

    rows = np.array([[3.0, 1.0], [0.5, 0.2], [0.1, 0.1]])
    assert not _stand_alone(batched, rows, Lattice(2, Fraction(1), 1000))
    assert _stand_alone(points, rows, Lattice(2, Fraction(1), 1000))


def test_long_rows_stand_alone_too() -> None:
    """Widths around the blocks of NumPy's own sums, many rows, several seeds."""
    for width in (127, 128, 129, 1000, 2300):
        rows = np.random.default_rng(width).normal(size=(40, width))
        assert _stand_alone(points, rows, Lattice(width, Fraction(5), 2**31))


@settings(max_examples=80, deadline=None)
@given(ROWS, GRIDS)
def test_the_layout_in_memory_changes_nothing(rows: np.ndarray, grid: tuple[Fraction, int]) -> None:
    """Column order, strides and an odd offset give the same points."""
    lattice = Lattice(rows.shape[1], *grid)
    expected = points(rows, lattice)
    padded = np.full((len(rows) * 2, rows.shape[1] + 1), np.nan)
    padded[::2, 1:] = rows
    for same in (np.asfortranarray(rows), padded[::2, 1:], rows[::-1][::-1]):
        np.testing.assert_array_equal(points(same, lattice), expected)


@settings(max_examples=300, deadline=None)
@given(ROWS, GRIDS)
def test_the_integer_norm_is_never_beyond_delta(rows: np.ndarray, grid: tuple[Fraction, int]) -> None:
    """|z|^2 <= Delta^2 in Python's own integers, for every float there is; a non-finite row is zero."""
    found = points(rows, Lattice(rows.shape[1], *grid))
    for row, point in zip(rows, found, strict=True):
        assert sum(int(value) ** 2 for value in point) <= grid[1] ** 2
        assert np.isfinite(row).all() or not point.any()


@settings(max_examples=80, deadline=None)
@given(ROWS, GRIDS, st.data())
def test_one_student_changes_the_sum_by_one_point(
    rows: np.ndarray, grid: tuple[Fraction, int], data: st.DataObject
) -> None:
    """Neighbours: sum with a row minus sum without it is that row's point, of norm <= Delta, exactly."""
    release = Release(rows.shape[1], *grid, Fraction(1))
    gone = data.draw(st.integers(0, len(rows) - 1))
    difference = lattice_sum(rows, release) - lattice_sum(np.delete(rows, gone, axis=0), release)
    np.testing.assert_array_equal(difference, points(rows[gone : gone + 1], release.lattice)[0])


@settings(max_examples=60, deadline=None)
@given(ROWS, GRIDS, st.lists(st.integers(0, 9), max_size=4))
def test_blocks_change_nothing(rows: np.ndarray, grid: tuple[Fraction, int], cuts: list[int]) -> None:
    """However a school cuts its rows, the sum is the same; a generator is as good as an array."""
    release = Release(rows.shape[1], *grid, Fraction(1))
    blocks = (block for block in np.split(rows, sorted(min(cut, len(rows)) for cut in cuts)))
    np.testing.assert_array_equal(lattice_sum(blocks, release), lattice_sum(rows, release))


@settings(max_examples=60, deadline=None)
@given(ROWS, GRIDS)
def test_the_size_of_an_answer_depends_on_the_dimension_alone(rows: np.ndarray, grid: tuple[Fraction, int]) -> None:
    """Whatever the rows hold, the answer is d words."""
    answer = noised_sum(rows, Release(rows.shape[1], *grid, Fraction(4)), 2)
    assert (answer.dtype, answer.shape) == (np.uint64, (rows.shape[1],))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(1, 200), st.binary(min_size=1, max_size=50), st.data())
def test_masked_words_open_to_their_sum(schools: int, size: int, context: bytes, data: st.DataObject) -> None:
    """For any words, roster size and context: opening all masked words gives their sum mod 2**64, centred."""
    keys = [EphemeralKey.generate() for _ in range(schools)]
    roster = [Party(f"{i:03d}", i, key.public) for i, key in enumerate(keys)]
    words = data.draw(arrays.arrays(np.uint64, (schools, size), elements=st.integers(0, 2**64 - 1)))
    masked = [
        part + pairwise_mask(own, key, roster, context, size)
        for part, own, key in zip(words, roster, keys, strict=True)
    ]
    opened = open_lattice(masked, [Release(size, Fraction(1), 1, Fraction(1))])[0]
    expected = [sum(int(word) for word in column) % 2**64 for column in words.T]
    assert [int(value) % 2**64 for value in opened] == expected
    assert all(-(2**63) <= int(value) < 2**63 for value in opened)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.int64, st.integers(1, 20)), GRIDS)
def test_opening_scales_each_total_by_gamma(totals: np.ndarray, grid: tuple[Fraction, int]) -> None:
    """Opened values are the exact totals times gamma, but for two roundings; never -0.0."""
    release = Release(len(totals), *grid, Fraction(1))
    opened = open_sum([totals.view(np.uint64)], [release])[0]
    for value, total in zip(opened, totals, strict=True):
        exact = int(total) * release.gamma
        assert abs(Fraction(float(value)) - exact) <= abs(exact) * Fraction(1, 2**51)
    assert not (np.signbit(opened) & (opened == 0)).any()
