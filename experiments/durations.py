"""A plan and a charter's declared sizes arrive; how long replies are held, and how long a run may take, leave.

Both sides derive a reply's slot from what is public, so that its length says nothing about rows (DESIGN §3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.planning import Plan, Step
    from privacy.charter import Charter

FLOOR_SECONDS = 0.1
SECONDS_PER_VALUE = 60e-9
SECONDS_PER_STUDENT = 3e-4  # reading tables and forming rows takes a quarter of this
# What Flower takes for an exchange whatever it carries, each relay on a machine of its own (docs/benchmarks.md).
EXCHANGE_SECONDS = 6.0
SECONDS_PER_MINUTE = 60


def step_seconds(step: Step, charter: Charter) -> float:
    """Length of a step's slot in seconds: a function of the declared n_max and the dimension, never of rows."""
    return FLOOR_SECONDS + SECONDS_PER_VALUE * charter.planning_students * step.dimension


def prepare_seconds(charter: Charter, school: str) -> float:
    """Length in seconds of the slot in which a school's rows are formed: a function of its public sizes."""
    return FLOOR_SECONDS + SECONDS_PER_STUDENT * sum(charter.school(school).enrolments.values())


def expected_minutes(plan: Plan, charter: Charter) -> float:
    """Minutes of a run over Flower in which every school answers at once: its exchanges and their longest slots."""
    prepare = max(prepare_seconds(charter, school.id) for school in charter.schools)
    slots = prepare + sum(step_seconds(step, charter) for step in plan.steps)
    return (plan.exchanges * EXCHANGE_SECONDS + slots) / SECONDS_PER_MINUTE
