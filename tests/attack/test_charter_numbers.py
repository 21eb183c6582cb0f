"""Numbers of a charter that would weaken every later answer (METHODS §7, attack 4): no plan follows from them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from experiments import definition, durations, planning
from experiments.definition import Experiment
from experiments.errors import PlanError
from privacy import accounting
from privacy.errors import AccountingError
from privacy.private_sum import Release
from shared_schema import load_schema
from tests.kit import Kit, coalition


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """Five schools of 120 students by public figures, and a charter that plans for all of them."""
    return coalition(tmp_path)


@pytest.mark.parametrize("defended", [False, True])
def test_a_planning_total_below_the_public_sizes_gives_no_plan(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """A tiny n_max makes reply slots that every school overruns, so that replies come when the rows are done."""
    small = replace(kit.charter, planning_students=10)
    if defended:
        with pytest.raises(PlanError):
            planning.plan(kit.experiment, small, load_schema())
        return
    monkeypatch.setattr(planning, "_check_planned", lambda *_: None)
    step = planning.plan(kit.experiment, small, load_schema()).steps[1]
    assert durations.step_seconds(step, small) < durations.step_seconds(step, kit.charter)
    assert durations.step_seconds(step, small) < durations.FLOOR_SECONDS * 1.01


@pytest.mark.parametrize("defended", [False, True])
def test_noise_so_coarse_that_a_sum_of_it_is_no_gaussian_gives_no_plan(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, defended: bool
) -> None:
    """On a lattice of one step, what n schools add is further from one discrete Gaussian than 2⁻⁴⁰ (DESIGN §3)."""
    monkeypatch.setattr(Release, "check_planning", lambda *_: None)
    monkeypatch.setattr(planning, "SMALLEST_LATTICE", 1)
    monkeypatch.setattr(planning, "BIAS_SHARE", 0)
    experiment = _with_budget(kit, epsilon=Decimal(8))
    if defended:
        with pytest.raises(AccountingError):
            planning.plan(experiment, kit.charter, load_schema())
        return
    real = accounting.sum_correction
    monkeypatch.setattr(accounting, "sum_correction", lambda *_: 0.0)
    plan = planning.plan(experiment, kit.charter, load_schema())
    releases = [(release.dimension, release.variance) for step in plan.steps for release in step.releases]
    with pytest.raises(AccountingError):
        real(releases, len(kit.members) - kit.charter.collusion_threshold)


def _with_budget(kit: Kit, **changes: object) -> Experiment:
    asked = kit.experiment.definition
    budget = asked.budget.model_copy(update=changes)
    return definition.freeze(asked.model_copy(update={"budget": budget}), load_schema())


@pytest.mark.parametrize("retries", [0, 1, 8])
@pytest.mark.parametrize("epsilon", ["0.1", "1", "20"])
def test_no_plan_costs_more_than_was_asked(kit: Kit, epsilon: str, retries: int) -> None:
    """Every retry included, in exact rationals: what a node reserves is within what the FG reads."""
    experiment = _with_budget(kit, epsilon=Decimal(epsilon), retries=retries)
    plan = planning.plan(experiment, kit.charter, load_schema())
    assert plan.rho_reserved <= accounting.rho_from_epsilon(Fraction(epsilon), plan.delta)


@pytest.mark.parametrize("t", [1, 2, 5])
def test_any_two_rosters_share_an_honest_school(tmp_path: Path, t: int) -> None:
    """Two rosters of the least size overlap in more than t schools, so at most one of them opens in a slot."""
    kit = coalition(tmp_path, schools=t + 2, threshold=t)
    for approved in range(t + 2, 40):
        least = planning.least_roster(kit.experiment, kit.charter, approved)
        assert t + 2 <= least and (least > approved or 2 * least - approved > t)
