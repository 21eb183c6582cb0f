"""The private sum as one mechanism: its parameters, its noise, its opening."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from privacy.errors import LatticeError, NoiseError, PrivacyError
from privacy.masking import EphemeralKey, Party
from privacy.private_sum import (
    Release,
    lattice_sum,
    masked_answer,
    masked_sums,
    noised_sum,
    open_lattice,
    open_sum,
)

RELEASE = Release(3, Fraction(2), 10**6, Fraction(10**10))
FALSE_ALARM = 1e-5


def _coalition(size: int) -> tuple[list[Party], list[EphemeralKey]]:
    keys = [EphemeralKey.generate() for _ in range(size)]
    return [Party(f"school-{i:02d}", 1, key.public) for i, key in enumerate(keys)], keys


def test_a_release_costs_an_exact_rational() -> None:
    """rho = Delta^2 / (2 sigma^2), gamma = C / Delta: rationals, to be checked by hand."""
    release = Release(1, Fraction(3, 2), 3, Fraction(18))
    assert (release.rho, release.gamma) == (Fraction(1, 4), Fraction(1, 2))
    assert (release.lattice.dimension, release.lattice.steps) == (1, 3)


@pytest.mark.parametrize("variance", [1.0, 1, Fraction(1, 2), Fraction(2**62 + 1), Fraction(-1)])
def test_a_release_refuses_a_variance_the_sampler_cannot_draw(variance: Fraction) -> None:
    """No floats, nothing below 1 or above 2**62."""
    with pytest.raises(NoiseError):
        Release(1, Fraction(1), 1, variance)


def test_a_release_refuses_a_grid_out_of_range() -> None:
    """The grid's own rules hold for a release."""
    with pytest.raises(LatticeError):
        Release(1, Fraction(1), 0, Fraction(1))


def test_planning_refuses_what_is_coarse_or_overflows() -> None:
    """n * gamma <= 0.01 sigma at the boundary passes, one student more does not; nor do 2**62 steps."""
    Release(1, Fraction(1), 10, Fraction(100**2 * 500**2)).check_planning(500)
    with pytest.raises(LatticeError, match="more lattice steps"):
        Release(1, Fraction(1), 10, Fraction(100**2 * 500**2)).check_planning(501)
    Release(1, Fraction(1), 2**31, Fraction(2**62)).check_planning(2**24)
    with pytest.raises(LatticeError, match="plan"):
        Release(1, Fraction(1), 2**31, Fraction(2**62)).check_planning(2**31 + 1)


def test_planning_refuses_a_sum_beyond_62_bits() -> None:
    """With the sampler's variances, fineness binds before overflow does; the check stands all the same."""
    release = Release(1, Fraction(1), 2**31, Fraction(2**62))
    object.__setattr__(release, "variance", Fraction(2**90))
    with pytest.raises(LatticeError, match="stays within"):
        release.check_planning(2**31 + 1)


def test_opening_gives_the_clipped_total_within_the_noise() -> None:
    """Five schools, two releases in one exchange: each opened value lies within 6 sigma of the plain sum."""
    roster, keys = _coalition(5)
    small = Release(1, Fraction(1), 10**5, Fraction(10**8))
    rng = np.random.default_rng(5)
    data = [rng.normal(size=(50, 3)) for _ in roster]
    answers = [
        masked_answer(
            [noised_sum(rows, RELEASE, 4), noised_sum(np.ones((len(rows), 1)), small, 4)], own, key, roster, b"c"
        )
        for rows, own, key in zip(data, roster, keys, strict=True)
    ]
    total, count = open_sum(answers, [RELEASE, small])
    rows = np.concatenate(data)
    clipped = rows * np.minimum(1, 2 / np.linalg.norm(rows, axis=1, keepdims=True))
    np.testing.assert_allclose(total, clipped.sum(axis=0), atol=6 * 1e5 * 1.2 * float(RELEASE.gamma))
    assert abs(count[0] - 250) < 6 * 1e4 * 1.2 * float(small.gamma)


def test_negative_totals_are_centred() -> None:
    """Words of 2**64 - k open as -k; zero opens as +0.0, so that opened states have canonical bytes."""
    release = Release(3, Fraction(1), 2, Fraction(1))
    opened = open_sum([np.array([2**64 - 3, 0, 5], dtype=np.uint64)], [release])[0]
    assert opened.tolist() == [-1.5, 0.0, 2.5] and not np.signbit(opened[1])


def test_opened_steps_are_writable_and_apart() -> None:
    """Each release has an array of its own."""
    first, second = open_lattice([np.arange(5, dtype=np.uint64)], [RELEASE, Release(2, Fraction(1), 1, Fraction(1))])
    first[0] = 9
    assert (first.tolist(), second.tolist()) == ([9, 1, 2], [3, 4])


def test_one_silent_school_and_nothing_opens() -> None:
    """Without one answer the opening is uniform: its top bytes pass a chi-squared test against uniform.

    False-alarm rate 1e-5. That the test can fail is shown by the full opening, which it rejects.
    """
    roster, keys = _coalition(4)
    release = Release(4096, Fraction(1), 10**6, Fraction(10**12))
    answers = [
        masked_answer([noised_sum(np.zeros((1, 4096)), release, 3)], own, key, roster, b"c")
        for own, key in zip(roster, keys, strict=True)
    ]
    assert _uniform_p(open_lattice(answers[1:], [release])[0]) > FALSE_ALARM
    assert _uniform_p(open_lattice(answers, [release])[0]) < FALSE_ALARM


def _uniform_p(steps: np.ndarray) -> float:
    top = (steps.view(np.uint64) >> np.uint64(56)).astype(int)
    return float(stats.chisquare(np.bincount(top, minlength=256)).pvalue)


def test_noise_is_shared_among_the_honest() -> None:
    """A school of n - t adds variance sigma^2 / (n - t); an own figure all of it. Chi-squared, 1e-5 each."""
    release = Release(20_000, Fraction(1), 1, Fraction(10**8))
    for honest in (1, 4):
        noise = noised_sum(np.zeros((0, 20_000)), release, honest).view(np.int64).astype(float)
        assert _variance_p(noise, 10**8 / honest) > FALSE_ALARM
        assert _variance_p(noise, 10**8 / (honest + 1)) < FALSE_ALARM


def _variance_p(values: np.ndarray, variance: float) -> float:
    tail = stats.chi2.cdf(float(values @ values) / variance, len(values))
    return float(2 * min(tail, 1 - tail))


def test_noise_is_fresh_at_every_call() -> None:
    """The same question twice draws other noise: equality would need 2**-500 luck."""
    release = Release(100, Fraction(1), 1, Fraction(10**12))
    rows = np.zeros((1, 100))
    assert (noised_sum(rows, release, 1) != noised_sum(rows, release, 1)).any()


def test_noise_is_added_to_the_lattice_sum() -> None:
    """With a source that repeats, the same noise: what is left is the difference of the lattice sums, exactly."""
    rows = np.random.default_rng(6).normal(size=(10, 3))
    difference = noised_sum(rows, RELEASE, 1, _repeating()) - noised_sum(rows[:0], RELEASE, 1, _repeating())
    np.testing.assert_array_equal(difference.view(np.int64), lattice_sum(rows, RELEASE))


def _repeating() -> "np.random.Generator":
    return np.random.default_rng(7).bytes


@pytest.mark.parametrize("honest", [0, -1, True, 1.0])
def test_a_wrong_number_of_honest_schools_is_refused(honest: int) -> None:
    """Noise cannot be shared among none, nor among a fraction."""
    with pytest.raises(LatticeError, match="honest"):
        noised_sum(np.zeros((0, 3)), RELEASE, honest)


def test_a_share_too_small_for_the_sampler_is_refused() -> None:
    """Variance 10 shared by 11 schools is below one lattice step squared: refused before anything is drawn."""
    with pytest.raises(NoiseError):
        noised_sum(np.zeros((0, 1)), Release(1, Fraction(1), 1, Fraction(10)), 11)


def test_wrong_answers_are_not_opened() -> None:
    """No answers, no releases, another length or another type: refused, never guessed."""
    good = np.zeros(3, dtype=np.uint64)
    for answers, releases in (
        ([], [RELEASE]),
        ([good], []),
        ([good, good[:2]], [RELEASE]),
        ([good.astype(np.int64)], [RELEASE]),
        ([good.reshape(1, 3)], [RELEASE]),
    ):
        with pytest.raises(PrivacyError):
            open_sum(answers, releases)


def test_only_noised_sums_are_masked() -> None:
    """A lattice sum is int64 and cannot slip into an answer unnoised; nor can an empty answer."""
    roster, keys = _coalition(2)
    for parts in ([], [lattice_sum(np.zeros((1, 3)), RELEASE)], [np.zeros((1, 3), dtype=np.uint64)]):
        with pytest.raises(LatticeError, match="noised"):
            masked_answer(parts, roster[0], keys[0], roster, b"c")


def test_all_that_a_school_says_is_noised_and_masked() -> None:
    """`masked_sums` opens to the totals within 6 sigma (rate 1e-8); one answer alone is nothing; counts must match."""
    roster, keys = _coalition(3)
    small = Release(1, Fraction(1), 10**5, Fraction(10**8))
    rows = [np.full((4, 3), 0.5), np.ones((4, 1))]
    answers = [
        masked_sums(rows, [RELEASE, small], 2, own, key, roster, b"c") for own, key in zip(roster, keys, strict=True)
    ]
    total, count = open_sum(answers, [RELEASE, small])
    np.testing.assert_allclose(total, 6.0, atol=6 * 1e5 * 1.3 * float(RELEASE.gamma))
    assert abs(count[0] - 12) < 6 * 1e4 * 1.3 * float(small.gamma)
    assert max(abs(open_sum(answers[:1], [RELEASE, small])[0])) > 10**6
    with pytest.raises(ValueError, match="zip"):
        masked_sums(rows[:1], [RELEASE, small], 2, roster[0], keys[0], roster, b"c")
