"""Students judged in earlier years arrive; how many leavers a model finds with as many names as the rule, leaves.

A rule that names a third of a year finds more leavers than a list of a tenth: the two are compared at equal length. The
model is the school's own (`node.local.fitting`), learned from the years before, on the students whom the rule could
judge at the end of the same period.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from node.local import fitting
from node.local.fitting import Ground
from node.local.marks import WEEKS
from node.local.measuring import in_order
from node.policy import read_policy
from shared_schema import features

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from node.local.roster import Roster
    from node.local.school import School

Masks: TypeAlias = "npt.NDArray[np.bool_]"


@dataclass(frozen=True)
class Beside:
    """Models of one school beside its rule. outcome: 1 left, 0 stayed, NaN unknown, per student of the roster."""

    school: School
    found: Roster
    outcome: npt.NDArray[np.float64]
    what: str
    frame: Callable[[int], pd.DataFrame]

    @classmethod
    def of(cls, school: School, found: Roster, outcome: npt.NDArray[np.float64], what: str) -> Beside:
        """Nothing is computed before it is asked for; `what` is the outcome's name."""
        return cls(school, found, outcome, what, cache(lambda week: _frame(school, found, week)))

    def hits(self, period: int, listed: int, chosen: Masks, before: Masks) -> int | None:
        """Of the `listed` students of `chosen` whom the model ranks highest at the end of a period (0 to 3), who left.

        before: students of earlier years, whom the model learns from. None where they are too few to learn from, as
        `node.local.fitting.why_not` says, and where nobody is listed.
        """
        index = self.found.facts.index
        labels = pd.Series(self.outcome, index=index)
        if not listed or fitting.why_not(labels[before]) is not None:
            return None
        week = WEEKS * (period + 1)
        frame = self.frame(week)
        ground = Ground(week, _wanted(self.school, week), frame, labels)
        model = fitting.fit(ground, index[before], self.what, self.school.schema)
        scores = model.scores(frame[chosen])
        return int((labels.loc[in_order(scores)[:listed]] == 1.0).sum())


def _wanted(school: School, week: int) -> tuple[features.Feature, ...]:
    return fitting.wanted(school.schema, week, read_policy(school.folder.policy).sensitive_on_list)


def _frame(school: School, found: Roster, week: int) -> pd.DataFrame:
    return features.build(found.facts.tables, _wanted(school, week), week, school.schema)
