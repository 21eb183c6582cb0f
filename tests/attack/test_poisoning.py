"""Schools that send wrong sums (METHODS §7, attack 17): what 1 to 3 of 24 can do to the model, and how it is noticed.

Nothing prevents it: clipping bounds what a student does to a sum, not what a school does. So the loss is documented
(docs/security.md, read here), and held-out students raise it. What is watched: every school can compute the joint
model's exact AUC on its own held-out students and lay it beside the published interval and beside its own model. The
alarm is that three quarters of the schools find theirs on one side of that interval, or below their own model's by two
standard errors. An honest finding raises it when its AUC is four standard errors off: once in 30,000.

Turned round: a school exchanges the outcomes of all its students, held-out ones included. Tenfold: it sends its sums
ten times over, as a modified node can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from experiments import baselines, evaluation
from experiments.benchmarks.pipeline import exact_run
from experiments.hyperparameters import Settings, settings
from experiments.queries import Split, scores
from experiments.students import Floats, Students
from experiments.synthetic.tabular import tabular
from privacy import accounting

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
SCHOOLS, STUDENTS, FEATURES = 24, 2000, 20
RHO = accounting.rho_from_epsilon(Fraction(1), Fraction(1, 10**6))
MOST = 0.75
ERRORS = 2.0
Lie = Callable[[Students], Students]


def _turned(school: Students) -> Students:
    return Students(school.features, 1.0 - school.outcome, school.held_out, school.names)


def _tenfold(school: Students) -> Students:
    """Ten times each vector: through the same code, as ten students in the place of one."""
    again = _turned(school)
    return Students(
        np.tile(again.features, (10, 1)), np.tile(again.outcome, 10), np.tile(again.held_out, 10), again.names
    )


LIES: dict[str, tuple[Lie, int]] = {
    f"{count} {'school' if count == 1 else 'schools'}, {how}": (lie, count)
    for how, lie in (("turned round", _turned), ("turned round and tenfold", _tenfold))
    for count in (1, 2, 3)
}


@dataclass(frozen=True)
class Sector:
    """Honest schools, each one's own model's AUC, and the constants that follow from public sizes."""

    schools: list[Students]
    local: list[float]
    constants: Settings


@dataclass(frozen=True)
class Outcome:
    """The joint model's AUC on all honest held-out students, and the share of honest schools that see a difference."""

    auc: float
    off: float


@pytest.fixture(scope="module")
def sector() -> Sector:
    table = tabular(SCHOOLS * STUDENTS, FEATURES, seed=3, base_rate=0.2, auc=0.83)
    place = np.arange(SCHOOLS * STUDENTS)
    everyone = Students(table.features, table.outcome, place // SCHOOLS % 4 == 0, table.names)
    schools = [everyone.rows(place % SCHOOLS == index) for index in range(SCHOOLS)]
    held_out, split = int(everyone.held_out.sum()), Split()
    chosen = settings(len(place) - held_out, held_out, FEATURES, RHO * split.gradients, RHO * split.score_table)
    return Sector(schools, [baselines.local_auc(school) or 0.5 for school in schools], chosen)


def _run(sector: Sector, lie: Lie, liars: int) -> Outcome:
    honest = sector.schools[liars:]
    sent = [*map(lie, sector.schools[:liars]), *honest]
    run = exact_run(sent, RHO, Split(), SCHOOLS * STUDENTS, sector.constants)
    state = run.state
    published = evaluation.evaluate(state["score_table"], float(state["score_table_sd"][0]), state["edges"]).auc
    own = [baselines.auc_on_held_out(scores(school, run.settings, state), school) or 0.5 for school in honest]
    together = baselines.join(honest)
    auc = baselines.auc_on_held_out(scores(together, run.settings, state), together) or 0.5
    return Outcome(auc, _off(own, sector.local[liars:], honest, published))


def _off(
    own: Sequence[float], local: Sequence[float], schools: Sequence[Students], published: evaluation.Estimate
) -> float:
    """The share of schools that see one and the same difference: above, below, or worse than their own model."""
    figures, alone = np.array(own), np.array(local)
    error = np.array([_standard_error(value, school) for value, school in zip(own, schools, strict=True)])
    signs = (figures > published.high, figures < published.low, figures < alone - ERRORS * error)
    return max(float(sign.mean()) for sign in signs)


def _standard_error(auc: float, school: Students) -> float:
    """Hanley and McNeil 1982 (Radiology 143), of an AUC on one school's held-out students."""
    outcome: Floats = school.outcome[school.held_out]
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    return float((spread / (positives * negatives)) ** 0.5)


def _documented() -> dict[str, float]:
    """The losses that docs/security.md states: rows of its table on wrong sums, `| what | .NNN |`."""
    rows = re.findall(r"^\| (\d schools?, turned round[a-z ]*) \| (\.\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {what: float(loss) for what, loss in rows}


@pytest.fixture(scope="module")
def honest(sector: Sector) -> Outcome:
    return _run(sector, lambda school: school, 0)


def test_an_honest_run_raises_nothing(honest: Outcome) -> None:
    """The control of the alarm: with 24 honest schools it is silent, and the model is worth joining for."""
    assert honest.off < MOST and honest.auc > 0.75


@pytest.mark.parametrize("what", LIES)
def test_wrong_sums_cost_no_more_than_is_documented_and_are_noticed(sector: Sector, honest: Outcome, what: str) -> None:
    """Each lie succeeds to some extent, since it is not prevented; the page says how far, and the alarm is raised."""
    found = _run(sector, *LIES[what])
    assert honest.auc - found.auc <= _documented()[what]
    assert found.off >= MOST


def test_the_page_documents_every_lie_and_lets_none_look_harmless() -> None:
    """Six rows, and tenfold sums of two schools or more are called what they are: the end of that model."""
    losses = _documented()
    assert set(losses) == set(LIES)
    assert losses["2 schools, turned round and tenfold"] > 0.1
