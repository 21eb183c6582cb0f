"""Schools' students and a model's steps arrive; the opened state leaves, by the exact integers of production.

What production adds and this leaves out changes no figure: masks (they cancel), identities, ledger, transport.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from experiments.hyperparameters import Settings
from experiments.planning import release_for
from experiments.queries.base import State
from experiments.queries.two_stage import Split, Step, two_stage
from experiments.students import Floats, Students
from privacy.private_sum import Release, noised_sum, open_sum

COLLUSION_THRESHOLD = 1
ONLY_MODEL = Split(Fraction(1, 9), Fraction(8, 9), Fraction(0))  # evaluated outside the budget


@dataclass(frozen=True)
class Run:
    """A finished model: constants, last state, exchanges as production counts them, exact cost."""

    settings: Settings
    state: State
    exchanges: int
    rho: Fraction


def exact_run(
    schools: Sequence[Students],
    rho: Fraction,
    split: Split,
    planning_students: int,
    constants: Settings | None = None,
) -> Run:
    """Run every step through lattice, exact discrete Gaussian noise and opening, with t = 1.

    Sizes that set constants are the schools' row counts, which here stand for their public figures.
    `constants` replaces the derived ones: for choosing them on made-up data.
    """
    features = len(schools[0].names)
    training = sum(int((~school.held_out).sum()) for school in schools)
    held_out = sum(int(school.held_out.sum()) for school in schools)
    settings, steps = two_stage(features, training, held_out, rho, split, constants)
    state: State = {}
    spent = Fraction(0)
    for step in steps:
        releases = [release_for(query, share * rho, planning_students) for query, share in step]
        totals = _open(schools, step, releases, state)
        spent += sum((release.rho for release in releases), Fraction(0))
        for (query, _), release, total in zip(step, releases, totals, strict=True):
            state = query.absorb(state, total, noise_sd(release, len(schools)))
    evaluations = 0 if split.score_table else 1
    return Run(settings, state, len(steps) + evaluations + 2, spent)


def noise_sd(release: Release, schools: int) -> float:
    """Return the sd of the whole noise per coordinate, in the units of the vectors: n schools, t colluders."""
    inflation = Fraction(schools, schools - COLLUSION_THRESHOLD)
    return math.sqrt(release.variance * inflation) * float(release.gamma)


def _open(schools: Sequence[Students], step: Step, releases: Sequence[Release], state: State) -> list[Floats]:
    for query, _ in step:
        query.check_state(state)
    honest = len(schools) - COLLUSION_THRESHOLD
    answers = [
        np.concatenate(
            [
                noised_sum(query.blocks(school, state), release, honest)
                for (query, _), release in zip(step, releases, strict=True)
            ]
        )
        for school in schools
    ]
    return open_sum(answers, releases)
