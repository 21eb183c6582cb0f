"""Students' vectors arrive at a school, masked answers at the coordinator; answers, then totals, leave.

The mechanism of DESIGN section 3, for n schools of which at most t collude with the coordinator:

    school i   S_i = sum of lattice points           `lattice_sum`
               S_i + e_i, exact discrete Gaussian    `noised_sum`, variance sigma^2 / (n - t) a coordinate
               y_i = S_i + e_i + mask_i mod 2**64    `masked_answer`, the releases of an exchange end to end
    opening    sum of y_i, centred, times gamma      `open_sum`

Formal guarantee. Unit of privacy: one student at one school. Neighbours: the rows of one student added or
removed, which are one vector. Sensitivity: that changes S_i by one lattice point of norm <= Delta, exactly
(`privacy.lattice`). Were the honest schools' noise one discrete Gaussian of variance sigma^2, a release would
be rho-zCDP with rho = Delta^2 / (2 sigma^2) (Canonne, Kamath, Steinke 2020, arXiv:2004.00010, Theorem 14). It
is the sum of at least n - t of them; what that differs by is the correction eta of the accounting (Kairouz,
Liu, Steinke 2021, arXiv:2102.06387). Fewer colluders than t leave more noise, never less. The theorem of the
whole release stands in `release.md`; labels [S1] to [S6] mark lines here.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from privacy import lattice, noise
from privacy.errors import LatticeError
from privacy.lattice import Floats, Integers, Lattice
from privacy.masking import EphemeralKey, Party, Words, pairwise_mask
from privacy.noise import Source

_LARGEST_SUM: Final = 2**62
"""Half of what a signed word holds; noise, of sigma at most 2**31, does not fill the other half."""


@dataclass(frozen=True)
class Release:
    """The public parameters of one private sum; nothing in it may depend on data.

    `dimension` d; `clip_norm` C in the units of the vectors; `lattice_steps` Delta = C/gamma, an integer;
    `variance` sigma^2 of the noise in the whole sum, per coordinate, in squared lattice steps.
    Raises `LatticeError` or `NoiseError` outside the ranges of `Lattice` and of the sampler, or for a float.
    """

    dimension: int
    clip_norm: Fraction
    lattice_steps: int
    variance: Fraction

    def __post_init__(self) -> None:
        Lattice(self.dimension, self.clip_norm, self.lattice_steps)  # refuses what is out of range
        noise.check_variance(self.variance)

    @property
    def lattice(self) -> Lattice:
        """The grid that the vectors are put on."""
        return Lattice(self.dimension, self.clip_norm, self.lattice_steps)

    @property
    def gamma(self) -> Fraction:
        """The length of one lattice step, in the units of the vectors."""
        return self.lattice.gamma

    @property
    def rho(self) -> Fraction:
        """The cost in zCDP, Delta^2 / (2 sigma^2), exact (arXiv:2004.00010, Theorem 14)."""
        return Fraction(self.lattice_steps**2) / (2 * self.variance)  # [S1]

    def check_planning(self, students: int) -> None:
        """Refuse a release that is too coarse, or could overflow, for a planning total of `students`.

        Truncation biases a coordinate by less than students * gamma; DESIGN section 3 keeps that within
        0.01 sigma, which here is (100 students)^2 <= variance. Sums keep within 2**62 of the 2**63.
        `students` is the charter's planning total, never a count of rows. Raises `LatticeError`.
        """
        if (100 * students) ** 2 > self.variance:  # [S2]
            raise LatticeError(
                f"{students} planned students need sigma >= {100 * students} lattice steps; "
                f"the variance is {self.variance}; plan more lattice steps"
            )
        if students * self.lattice_steps > _LARGEST_SUM:  # [S3]
            raise LatticeError(
                f"a sum stays within 2**62; {students} students of {self.lattice_steps} steps do not; plan fewer steps"
            )


def lattice_sum(vectors: Floats | Iterable[Floats], release: Release) -> Integers:
    """Return S, the sum of the students' lattice points mod 2**64: int64 [d]. Without noise: never to leave.

    `vectors`: float64 [n, d], one row a student, or an iterable of such blocks. Clipped to C, truncated
    towards zero, |z| <= Delta checked in integers; a row with a non-finite entry counts as zero; n = 0
    gives zeros. Neighbours (one student added or removed): S changes by one vector of integers of norm <=
    Delta. Raises `LatticeError` for another shape or type, never because of a value.
    """
    return lattice.total(vectors, release.lattice)


def noised_sum(vectors: Floats | Iterable[Floats], release: Release, honest: int, source: Source = os.urandom) -> Words:
    """Return S + e mod 2**64, e the school's share of the noise: uint64 [d].

    e is an exact discrete Gaussian of variance sigma^2 / `honest` in every coordinate, independent of all
    else and fresh at every call; `honest` is n - t, or 1 for a school's own figure, which then carries
    all of sigma^2. Sensitivity as in `lattice_sum`. Alone it is (Delta^2 honest / (2 sigma^2))-zCDP; the
    answers of `honest` schools together carry the release's rho. `source` is for tests.
    Raises `LatticeError` for a wrong shape or `honest`, `NoiseError` if a share falls below variance 1.
    """
    if type(honest) is not int or honest < 1:
        raise LatticeError(f"noise is shared by 1 or more honest schools; here {honest!r}; correct the charter")
    exact = lattice_sum(vectors, release)
    share = noise.discrete_gaussian(release.dimension, release.variance / honest, source)  # [S4]
    return (exact + share).view(np.uint64)  # [S5]


def masked_answer(
    noised: Sequence[Words], own: Party, key: EphemeralKey, roster: Sequence[Party], context: bytes
) -> Words:
    """Return y: the noised sums of one exchange end to end, plus one pairwise mask, mod 2**64: uint64 [D].

    D is the sum of the dimensions, so the size depends on the question alone. `context` as in
    `pairwise_mask`, whose errors it raises: it names this exchange and must never mask two different
    vectors. Raises `LatticeError` if `noised` is empty or holds anything else than noised sums.
    """
    if not noised or any(part.ndim != 1 or part.dtype != np.uint64 for part in noised):
        raise LatticeError("an answer joins noised sums, uint64 [d]; here are none, or others; pass those")
    joined = np.concatenate(noised)
    return joined + pairwise_mask(own, key, roster, context, len(joined))  # [S5]


def masked_sums(
    vectors: Sequence[Floats | Iterable[Floats]],
    releases: Sequence[Release],
    honest: int,
    own: Party,
    key: EphemeralKey,
    roster: Sequence[Party],
    context: bytes,
) -> Words:
    """Return all that one school says in an exchange: the noised sum of each release, masked: uint64 [D].

    `vectors`: for each release the rows float64 [n, d], or blocks of them; `honest` as in `noised_sum`; the others as
    in `masked_answer`. Nodes answer with it, and audits try to break it. Raises what these two raise, and
    `ValueError` unless there are as many `vectors` as `releases`.
    """
    noised = [noised_sum(rows, release, honest) for rows, release in zip(vectors, releases, strict=True)]
    return masked_answer(noised, own, key, roster, context)


def open_lattice(masked: Sequence[Words], releases: Sequence[Release]) -> list[Integers]:
    """Return the opened totals in lattice steps, one int64 [d_r] a release.

    `masked`: the answers y_i, uint64 [D] each, of *all* schools of the roster (one answer: an own
    figure). With one missing, or made under another context, the totals are uniform noise. Raises
    `LatticeError` if there is no answer, or one has another shape or type than the releases add up to.
    """
    ends = np.cumsum([release.dimension for release in releases])
    if not masked or not releases:
        raise LatticeError("an opening needs answers and releases; one of them is missing; ask the schools again")
    for answer in masked:
        if answer.shape != (ends[-1],) or answer.dtype != np.uint64:
            raise LatticeError(f"an answer is uint64 [{ends[-1]}]; here {answer.dtype} {answer.shape}; refuse this one")
    centred = np.sum(np.stack(masked), axis=0, dtype=np.uint64).view(np.int64)  # [S6]
    return [np.array(part) for part in np.split(centred, ends[:-1])]


def open_sum(masked: Sequence[Words], releases: Sequence[Release]) -> list[Floats]:
    """Return the opened totals in the units of the vectors, one float64 [d_r] a release.

    As `open_lattice`, times gamma. Deterministic: an integer made a double, times one double, so an
    auditor who opens the same answers gets the same bits. Post-processing: it costs no privacy. Never
    -0.0 or non-finite.
    """
    opened = open_lattice(masked, releases)
    scales = [float(release.gamma) for release in releases]
    return [total.astype(np.float64) * scale for total, scale in zip(opened, scales, strict=True)]
