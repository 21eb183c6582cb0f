"""What t schools and the coordinator know together (METHODS §7, attack 8): noise of variance sigma^2 stays on the rest.

A whole exchange between real nodes. The attackers know the opened sum, their own rows and their own noise; they are
even given the exact sums of all others. What is left is the honest schools' noise. Its 1,127 values are tested by
chi-squared against "variance at least sigma^2", false-alarm rate 1e-6 a test; shared among all n instead of n - t it
would be 2/3 of that, which is called too quiet but for a chance below 1e-8.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.protocol import Answer
from privacy import private_sum
from privacy.private_sum import lattice_sum, noised_sum, open_lattice
from tests.attack.test_coordinator import _after_moments, _ask
from tests.kit import Kit, coalition

FALSE_ALARM = 1e-6
STEP = 2
SIZES = [(3, 1), (6, 2)]


class Noises:
    """Each call's noise, as whoever runs that node could write it down; `honest` counts otherwise when asked to."""

    def __init__(self, patch: pytest.MonkeyPatch, more: int = 0) -> None:
        self.seen: list[np.ndarray] = []
        self._more = more
        patch.setattr(private_sum, "noised_sum", self)

    def __call__(self, vectors, release, honest):
        rows = list(vectors)
        words = noised_sum(rows, release, honest + self._more)
        self.seen.append((words - lattice_sum(rows, release).view(np.uint64)).view(np.int64))
        return words


def _residue(kit: Kit, noises: Noises, colluders: int | None = None, silent: bool = False) -> np.ndarray:
    """What the attackers cannot account for, in units of sigma: all queries of one exchange end to end.

    colluders: how many schools join in (the charter's t); silent: they send no noise at all, since what they add they
    would only take off again.
    """
    step = kit.plan.steps[STEP - 1]
    certificates = kit.prepare()
    ask = _ask(kit, certificates, step=STEP, **_after_moments(kit.plan.steps[2].queries[0].query.dimension))
    dishonest = sorted(kit.members)[: colluders or kit.charter.collusion_threshold]
    masked, known = [], np.zeros(step.dimension, dtype=np.int64)
    for school in sorted(kit.members):
        noises.seen.clear()
        reply = kit.say(school, ask)
        assert isinstance(reply, Answer)
        own = np.concatenate(noises.seen) * (school in dishonest)
        masked.append(reply.masked - own.view(np.uint64) if silent else reply.masked)
        known += _exact(kit, school, ask.state) + (0 if silent else own)
    opened = np.concatenate(open_lattice(masked, step.releases))
    sigma = np.concatenate([np.full(r.dimension, float(r.variance) ** 0.5) for r in step.releases])
    return (opened - known) / sigma


def _exact(kit: Kit, school: str, state) -> np.ndarray:
    """A school's sums without noise."""
    rows = kit.members[school].node.students(kit.experiment)
    queries = kit.plan.steps[STEP - 1].queries
    return np.concatenate(
        [
            lattice_sum(
                planned.query.blocks(rows, {key: state[key] for key in planned.query.bounds()}), planned.release
            )
            for planned in queries
        ]
    )


def _too_quiet(residue: np.ndarray) -> bool:
    return bool(stats.chi2.cdf(float(residue @ residue), len(residue)) < FALSE_ALARM)


@pytest.mark.parametrize(("schools", "threshold"), SIZES)
@pytest.mark.parametrize("defended", [False, True])
def test_what_t_colluders_cannot_take_off_is_all_of_the_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schools: int, threshold: int, defended: bool
) -> None:
    """Defence off: noise shared among n schools, of which t subtract theirs."""
    noises = Noises(monkeypatch, more=0 if defended else threshold)
    residue = _residue(coalition(tmp_path, schools=schools, threshold=threshold), noises)
    assert len(residue) == 1127 and _too_quiet(residue) != defended


def test_colluders_who_add_no_noise_gain_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they send noise and take it off again, or send none: the same variance is left."""
    kit = coalition(tmp_path, schools=3)
    assert not _too_quiet(_residue(kit, Noises(monkeypatch), silent=True))


def test_one_colluder_more_than_t_is_not_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the promise: with t + 1 = 2 of 3 schools only one school's half of the noise is left."""
    kit = coalition(tmp_path, schools=3)
    assert _too_quiet(_residue(kit, Noises(monkeypatch), colluders=2))
