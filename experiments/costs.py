"""A plan arrives; what it asks and costs leaves, as data and as tables, the same for analyst and FG."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from experiments import durations, planning
from experiments.terminal import Grid, rational
from privacy import accounting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.definition import Experiment
    from experiments.planning import Plan, PlannedQuery
    from privacy.charter import Charter


def describe(plan: Plan, experiment: Experiment, charter: Charter) -> dict[str, Any]:
    """The plan as plain data: totals, every private sum with its noise, every account with its cost.

    `noise_sd` is that of the opened sum with every school of the charter taking part, in the query's own units.
    """
    return {
        "epsilon": plan.epsilon,
        "delta": rational(plan.delta),
        "rho": rational(plan.rho),
        "rho_reserved": rational(plan.rho_reserved),
        "retries": plan.retries,
        "exchanges": plan.exchanges,
        "minutes": durations.expected_minutes(plan, charter),
        "steps": [{"step": step.index, **_sum(planned, charter)} for step in plan.steps for planned in step.queries],
        "accounts": _accounts(plan, experiment, charter),
        "person_at_several_schools": {
            "schools": charter.schools_per_person,
            "epsilon": epsilon_of_person(plan.rho_reserved, plan.delta, charter),
        },
    }


def epsilon_of_person(rho: Fraction, delta: Fraction, charter: Charter) -> float:
    """ε of one person enrolled at m schools of one run: (m·√ρ)² = m²ρ in one shared sum (DESIGN §4)."""
    return accounting.epsilon_from_rho(accounting.shared_sum(rho, charter.schools_per_person), delta)


def _sum(planned: PlannedQuery, charter: Charter) -> dict[str, Any]:
    release = planned.release
    return {
        "query": planned.query.name,
        "dimension": release.dimension,
        "clip_norm": rational(release.clip_norm),
        "delta_steps": release.lattice_steps,
        "variance": rational(release.variance),
        "rho": rational(release.rho),
        "noise_sd": planning.noise_sd(release, len(charter.schools), charter.collusion_threshold),
    }


def _accounts(plan: Plan, experiment: Experiment, charter: Charter) -> list[dict[str, Any]]:
    return [
        {
            "school": school.id,
            "population": population,
            "cohort": cohort,
            "public_size": school.enrolments.get(cohort, 0),
            "rho_reserved": rational(plan.rho_reserved),
            "epsilon": plan.epsilon,
            "epsilon_several_schools": epsilon_of_person(plan.rho_reserved, plan.delta, charter),
        }
        for school in charter.schools
        for population, cohort in plan.accounts
    ]


def grids(described: Mapping[str, Any], school: str | None = None) -> list[str | Grid]:
    """The same for people; with `school`, the accounts of that school only."""
    accounts = [row for row in described["accounts"] if school in (None, row["school"])]
    several = described["person_at_several_schools"]["schools"]
    return [_totals(described), _step_grid(described["steps"]), _account_grid(accounts, several)]


def _totals(described: Mapping[str, Any]) -> str:
    several = described["person_at_several_schools"]
    return (
        f"Total / totaal: epsilon {described['epsilon']:.4g} at delta {described['delta']} for one student at one "
        f"school, retries included; {several['epsilon']:.4g} for a person at {several['schools']} schools. "
        f"{described['exchanges']} exchanges, about {described['minutes']:.0f} minutes over Flower when every school "
        f"answers at once. / {described['exchanges']} uitwisselingen, ongeveer {described['minutes']:.0f} minuten."
    )


def _step_grid(steps: Sequence[Mapping[str, Any]]) -> Grid:
    columns = ("step", "question", "values", "clip norm", "noise sd", "rho")
    rows = [
        (
            str(step["step"]),
            step["query"],
            str(step["dimension"]),
            f"{float(Fraction(step['clip_norm'])):.4g}",
            f"{step['noise_sd']:.4g}",
            f"{float(Fraction(step['rho'])):.3g}",
        )
        for step in steps
    ]
    return Grid("What is released, and its noise / Wat vrijkomt, en de ruis", columns, rows)


def _account_grid(accounts: Sequence[Mapping[str, Any]], several: int) -> Grid:
    epsilons = "epsilon, 1 school", f"epsilon, {several} schools"
    columns = ("school", "population", "cohort", "public size", "rho", *epsilons)
    rows = [
        (
            row["school"],
            row["population"],
            str(row["cohort"]),
            str(row["public_size"]),
            f"{float(Fraction(row['rho_reserved'])):.4g}",
            f"{row['epsilon']:.4g}",
            f"{row['epsilon_several_schools']:.4g}",
        )
        for row in accounts
    ]
    return Grid("What it costs, per school and cohort / Kosten per school en cohort", columns, rows)
