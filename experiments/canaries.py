"""A claim and the mechanism itself arrive; one look at it leaves: guesses counted, noise tested.

A canary is an invented student with a coordinate of its own, in the sum or out of it by a fair coin (never one vector
against its opposite, which would test twice the distance). Every release of the claim is asked about the same canaries,
as a student is asked every question of an experiment. A run holds at most d canaries, so a release is asked in several
runs, each with fresh noise; for canaries that is one run over separate data (`privacy/audit.md`, A1).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from privacy import audit
from privacy.audit import Claim, Look
from privacy.errors import AccountingError
from privacy.lattice import Floats, Integers
from privacy.private_sum import Release

Coins = NDArray[np.bool_]
Source = Callable[[int], bytes]

CROWDS = 3
CROWD = 4096
STRETCH = 8.0  # every second pair of canaries is longer than the clip norm: clipping is part of what is audited
FEW = 10  # one guess for every ten canaries where guesses may hang together: the clearest ones
_ROOM = 2**20  # values of one run's canaries, or of one crowd, held at once


class Mechanism(Protocol):
    """The whole mechanism, as the coordinator and its colluders see it.

    vectors: for each of `honest` schools, for each release, that school's rows, float64 [n, d]. Returns for each
    release the opened sum in lattice steps, int64 [d], less what the colluders added themselves: its noise has the
    variance of the release. Each call draws noise of its own, and each release within a call too.
    """

    def __call__(self, vectors: Sequence[Sequence[Floats]], releases: Sequence[Release], honest: int) -> list[Integers]:
        """Return the opened sums."""
        ...


@dataclass(frozen=True)
class Size:
    """How large a look may be: limits, not aims; `design` takes less where less has the power.

    canaries: m; values: of noise, at least, from each release; answers: of schools to questions about canaries, all
    releases of a look together; draws: of noise for one release in one look.
    """

    canaries: int = 40_000
    values: int = 1_024
    answers: int = 200_000
    draws: int = 2**23

    def doubled(self) -> Size:
        """The next larger one."""
        return Size(2 * self.canaries, 2 * self.values, 2 * self.answers, 2 * self.draws)

    def small(self) -> Size:
        """Only as many canaries as noise values are wanted: enough for the tests of the noise."""
        return replace(self, canaries=self.values)


@dataclass(frozen=True)
class Design:
    """Decided before anything is asked: m canaries, and for each release its runs and the most canaries of one run."""

    canaries: int
    runs: tuple[int, ...]
    per_run: tuple[int, ...]

    def values(self, claim: Claim) -> int:
        """Noise values of the release that has the fewest."""
        return min(runs * release.dimension for runs, (_, release) in zip(self.runs, claim.releases, strict=True))


def design(claim: Claim, size: Size) -> Design:
    """Choose m canaries, and the runs of each release.

    m: the fewest with which the guesses alone notice halved noise, within `size`. Each release gives at least
    `size.values` values of noise, unless that takes more than `size.draws` draws.
    """
    releases = [release for _, release in claim.releases]
    per_run = [min(release.dimension, max(1, _ROOM // release.dimension)) for release in releases]
    affordable = math.floor(size.answers / claim.honest / sum(1 / room for room in per_run))
    wanted = max(1, min(_enough(claim, size.canaries), affordable))
    runs = [_runs(wanted, room, release, claim, size) for room, release in zip(per_run, releases, strict=True)]
    held = [count * room for count, room in zip(runs, per_run, strict=True)]
    return Design(min(wanted, *held), tuple(runs), tuple(per_run))


def _enough(claim: Claim, most: int) -> int:
    """The fewest canaries, a power of two or `most`, whose guesses notice halved noise."""
    canaries = 64
    while canaries < most and audit.power_of(claim, canaries, 1).bound < audit.LEAST_POWER:
        canaries *= 2
    return min(canaries, most)


def _runs(wanted: int, room: int, release: Release, claim: Claim, size: Size) -> int:
    needed = max(math.ceil(wanted / room), math.ceil(size.values / release.dimension))
    return max(1, min(needed, size.draws // (release.dimension * claim.honest)))


def look(claim: Claim, chosen: Design, mechanism: Mechanism, share: Fraction, source: Source = os.urandom) -> Look:
    """Toss the coins, ask every release about the same canaries, guess the coins and test the noise.

    `share`: part of the claimed variance that the mechanism is given: 1, or 1/2 for the positive control; it is judged
    by the whole of it. `source`: of the coins, for tests. Raises `AccountingError` for a mechanism that returns
    something else than one int64 [d] for each release.
    """
    coins = fair_coins(chosen.canaries, source)
    scores = np.zeros(chosen.canaries)
    p_values = dict.fromkeys(audit.TESTS, 1.0)
    for (_, release), runs, per_run in zip(claim.releases, chosen.runs, chosen.per_run, strict=True):
        placed = _Placed(release, runs, per_run, coins, claim.records)
        part, tested = _ask(claim, placed, mechanism, share)
        scores += part
        p_values = {name: min(p_values[name], tested[name]) for name in audit.TESTS}
    guessed = scores > claim.mu**2 / 2
    return Look(len(coins), int((guessed == coins).sum()), *_clearest(scores, coins), p_values)


def fair_coins(count: int, source: Source = os.urandom) -> Coins:
    """Toss `count` fair coins with the operating system's randomness: bool [count]."""
    bits = np.unpackbits(np.frombuffer(source(-(-count // 8)), dtype=np.uint8))
    return bits[:count].astype(np.bool_)


def _clearest(scores: Floats, coins: Coins) -> tuple[int, int]:
    """Guess "in" for the highest scores and "out" for as many of the lowest: number of guesses, and of right ones."""
    half = len(coins) // (2 * FEW)
    if half == 0:
        return 0, 0
    order = np.argsort(scores)
    return 2 * half, int((~coins[order[:half]]).sum() + coins[order[-half:]].sum())


@dataclass(frozen=True)
class _Placed:
    """Where the canaries of one release stand: canary k in run k // per_run, coordinate k % per_run."""

    release: Release
    runs: int
    per_run: int
    coins: Coins
    records: int

    def influence(self) -> Integers:
        """What each canary adds to its coordinate when it is in: Delta in each school that holds its record."""
        return self.records * self.release.lattice_steps * _signs(np.arange(len(self.coins)))

    def where(self) -> tuple[Integers, Integers]:
        """Run and coordinate of each canary."""
        place = np.arange(len(self.coins))
        return place // self.per_run, place % self.per_run

    def rows(self, run: int) -> Floats:
        """The vectors of those canaries of one run whose coin fell "in", float64 [n, d]; some beyond the clip norm."""
        place = np.arange(run * self.per_run, min(len(self.coins), (run + 1) * self.per_run))
        present = place[self.coins[place]]
        length = np.where(present // 2 % 2 == 0, 1.0, STRETCH) * float(self.release.clip_norm)
        rows = np.zeros((len(present), self.release.dimension))
        rows[np.arange(len(present)), present % self.per_run] = _signs(present) * length
        return rows


def _signs(place: Integers) -> Integers:
    """Every second canary points the other way; it is in or out all the same."""
    return 1 - 2 * (place % 2)


def _ask(claim: Claim, placed: _Placed, mechanism: Mechanism, share: Fraction) -> tuple[Floats, dict[str, float]]:
    """Ask one release about its canaries, and about each crowd: scores [m] of the canaries, p-values of the noise."""
    release, runs = placed.release, placed.runs
    crowds = _crowds(release)
    given = [replace(release, variance=release.variance * share)] * (runs + CROWDS)
    opened = _checked(mechanism(_vectors(claim, placed, crowds), given, claim.honest), given)
    totals, where, influence = opened[:runs], placed.where(), placed.influence()
    added = np.zeros_like(totals)
    added[where] = np.where(placed.coins, influence, 0)
    pushes = [_push(release, rows, total) for rows, total in zip(crowds, opened[runs:], strict=True)]
    residuals, free = totals - added, totals[added == 0]
    tested = audit.noise_tests(residuals, free, pushes, release.variance, len(claim.releases))
    return totals[where] * influence / float(release.variance), tested


def _vectors(claim: Claim, placed: _Placed, crowds: Sequence[Floats]) -> list[list[Floats]]:
    """Rows of each honest school for each run, crowds last. Runs go round the schools; the others have no students."""
    none = np.zeros((0, placed.release.dimension))
    vectors = [[none] * (placed.runs + CROWDS) for _ in range(claim.honest)]
    for run in range(placed.runs):
        rows = placed.rows(run)
        for record in range(claim.records):
            vectors[(run + record) % claim.honest][run] = rows
    for index, rows in enumerate(crowds):
        vectors[index % claim.honest][placed.runs + index] = rows
    return vectors


def _checked(totals: Sequence[Integers], releases: Sequence[Release]) -> Integers:
    """Stack the opened sums, int64 [runs, d]; refuse what is not that."""
    wanted = [(release.dimension,) for release in releases]
    if [total.shape for total in totals] != wanted or any(total.dtype != np.int64 for total in totals):
        found = f"{len(totals)} answers to {len(releases)} releases"
        raise AccountingError(f"A mechanism opens one int64 [d] for each release. Found: {found}. Pass the real one.")
    return np.stack(totals)


def _crowds(release: Release) -> list[Floats]:
    """Many equal canaries: along an axis; beyond the clip norm, backwards; beyond it, over all coordinates."""
    clip, size = float(release.clip_norm), max(1, min(CROWD, _ROOM // release.dimension))
    first, last, dense = (np.zeros(release.dimension) for _ in range(CROWDS))
    first[0] = clip
    last[-1] = -STRETCH * clip
    dense[:] = STRETCH * clip / math.sqrt(release.dimension)
    return [np.broadcast_to(row, (size, release.dimension)) for row in (first, last, dense)]


def _push(release: Release, rows: Floats, total: Integers) -> float:
    """How far a crowd went beyond |crowd| * Delta in its own direction, in sigmas of the noise."""
    direction = rows[0] / np.linalg.norm(rows[0])
    reached = float(direction @ total.astype(np.float64)) - len(rows) * release.lattice_steps
    return reached / math.sqrt(release.variance)
