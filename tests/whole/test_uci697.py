"""The promise on real students: a private joint model close to the pooled one, in twelve exchanges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import uci697
from experiments.benchmarks.uci697_data import Table697, load

pytestmark = pytest.mark.data
DRAWS = 3


@pytest.fixture(scope="module")
def table(data_folder: Path) -> Table697:
    """The public table."""
    return load(data_folder / "uci697")


def test_table_is_the_declared_one(table: Table697) -> None:
    """4,424 students, 63 features within their bounds, schools of at least 95, 1,421 dropouts."""
    assert table.features.shape == (4424, 63) and np.abs(table.features).max() <= 1.0
    assert np.unique(table.school, return_counts=True)[1].min() >= 95
    assert table.dropout.sum() == 1421


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "target"), uci697.TARGETS.items())
def test_private_auc_reaches_the_target(table: Table697, epsilon: int, target: float) -> None:
    """Exact integers, t = 1, five folds: AUC at least the target, within four standard errors of three draws.

    At the means that `make bench` measures (ten draws) this fails by chance less than once in 10,000 times; a
    model that loses .01 fails it always. Twelve exchanges in all.
    """
    result = uci697.federated(table, epsilon, DRAWS)
    assert result.mean + 4 * result.noise_error >= target
    assert result.exchanges <= 12


def test_a_worthless_model_would_miss_the_target(table: Table697) -> None:
    """Positive control: at a budget a thousand times smaller the same check fails."""
    held_out = next(uci697.folds(table))
    from fractions import Fraction

    from experiments import baselines
    from experiments.benchmarks.pipeline import ONLY_MODEL, exact_run
    from experiments.queries import scores

    schools = table.schools(held_out)
    run = exact_run(schools, Fraction(3, 100_000), ONLY_MODEL, uci697.PLANNING_STUDENTS)
    together = baselines.join(schools)
    found = baselines.auc_on_held_out(scores(together, run.settings, run.state), together)
    assert found is not None and found < uci697.TARGETS[1] - 0.01


@pytest.mark.slow
def test_pooled_baseline_is_the_published_one(table: Table697) -> None:
    """Pooled logistic regression without privacy: .917 to .921, as others found."""
    assert 0.915 <= uci697.pooled(table) <= 0.923
