"""A slot's length arrives (`experiments.durations`); the moment at which a reply may leave follows, whatever rows took.

A reply leaves at the end of a slot. Its length follows from what the charter declares and from the question, so that
the time of a reply says nothing about rows unless the work overruns the slot; it then waits for the end of the next.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


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
