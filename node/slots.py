"""A request's declared sizes arrive; the moment at which its reply may leave follows, whatever the rows took.

A reply leaves at the end of a slot. Its length follows from what the charter declares and from the question, so that
the time of a reply says nothing about rows unless the work overruns the slot; it then waits for the end of the next.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.planning import Step
    from privacy.charter import Charter

FLOOR_SECONDS = 0.1
SECONDS_PER_VALUE = 60e-9
SECONDS_PER_STUDENT = 3e-4  # reading tables and forming rows takes a quarter of this


@dataclass(frozen=True)
class Slot:
    """One reply's slot: when it began, by the machine's own clock, and how many seconds it lasts (0: no slot)."""

    began: float
    seconds: float

    @classmethod
    def begin(cls, seconds: float) -> Slot:
        """A slot of so many seconds that begins now."""
        return cls(time.monotonic(), seconds)

    def wait(self) -> None:
        """Return when the slot ends; after an overrun, when the next one does."""
        if self.seconds > 0:
            spent = time.monotonic() - self.began
            time.sleep(self.seconds - spent % self.seconds)


def step_seconds(step: Step, charter: Charter) -> float:
    """Length of a step's slot in seconds: a function of the declared n_max and the dimension, never of rows."""
    return FLOOR_SECONDS + SECONDS_PER_VALUE * charter.planning_students * step.dimension


def prepare_seconds(charter: Charter, school: str) -> float:
    """Length in seconds of the slot in which a school's rows are formed: a function of its public sizes."""
    return FLOOR_SECONDS + SECONDS_PER_STUDENT * sum(charter.school(school).enrolments.values())
