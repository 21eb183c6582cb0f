"""A school's judgements arrive; who meets Tilburg's risk rule in each of four periods leaves, and how the rule did.

The rule: two or more of conduct, work placement, attendance and results insufficient. Judgements are the teachers';
where a school never judges attendance or results, these follow from its own norms (`node.local.marks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from node.local import marks
from node.local.marks import PERIODS, RED, UNKNOWN, WEEKS
from node.local.rule_beside_model import Beside
from shared_schema import outcomes
from shared_schema.facts import texts
from shared_schema.norms import SMALLEST_DENOMINATOR, wilson
from shared_schema.stays import first_stays

if TYPE_CHECKING:
    from node.local.roster import Roster
    from node.local.school import School

ASPECTS = ("houding", "bpv", "aanwezigheid", "resultaten")
FROM_NORMS: Mapping[str, str] = {"aanwezigheid": "absence", "resultaten": "results"}
AT_LEAST = 2
OUTCOME = "dropout_year_1"

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """insufficient: by aspect [period, student]; known: aspects judged per student and period; source: by aspect."""

    insufficient: Mapping[str, Masks]
    known: npt.NDArray[np.int64]
    source: Mapping[str, str]

    @property
    def meets(self) -> Masks:
        """Two or more aspects insufficient [period, student]."""
        return np.asarray(sum(mask.astype(np.int64) for mask in self.insufficient.values()) >= AT_LEAST)

    @property
    def judged(self) -> Masks:
        """At least two aspects known: with fewer the rule cannot say anything [period, student]."""
        return np.asarray(self.known >= AT_LEAST)


@dataclass(frozen=True)
class Score:
    """How the rule did at the end of one period of one cohort, on first-year students who were still there.

    students, left: who was judged and who of them left later in the first year; flagged, hits: whom the rule named, and
    who of them left; hits_of_model: who left of as many students whom the school's own model ranks highest, None where
    no model can be learned from earlier cohorts.
    """

    cohort: int
    period: int
    students: int
    left: int
    flagged: int
    hits: int
    hits_of_model: int | None = None

    @property
    def precision_of_model(self) -> float | None:
        """The same of as many students whom the model ranks highest."""
        return None if self.hits_of_model is None or self.precision is None else self.hits_of_model / self.flagged

    @property
    def interval_of_model(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of it."""
        return None if self.precision_of_model is None else wilson(int(self.hits_of_model or 0), self.flagged)

    @property
    def precision(self) -> float | None:
        """Of whom the rule named, the share that left; None under twelve."""
        return self.hits / self.flagged if self.flagged >= SMALLEST_DENOMINATOR else None

    @property
    def recall(self) -> float | None:
        """Of who left, the share that the rule had named; None under twelve."""
        return self.hits / self.left if self.left >= SMALLEST_DENOMINATOR else None

    @property
    def base_rate(self) -> float | None:
        """The share that left among all: what a draw by lot would find; None under twelve."""
        return self.left / self.students if self.students >= SMALLEST_DENOMINATOR else None

    @property
    def intervals(self) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
        """Wilson's 95 % intervals of precision and recall, where they are shown."""
        return (
            wilson(self.hits, self.flagged) if self.precision is not None else None,
            wilson(self.hits, self.left) if self.recall is not None else None,
        )


def apply(school: School, found: Roster) -> Rule:
    """Apply the rule to every student in every period."""
    facts = found.facts
    frame, _ = facts.rows("estimate")
    given = set(texts(frame["subject"])) if "subject" in frame else set()
    coloured = marks.colours(facts, marks.read_norms(school.folder.local / marks.FILE))
    source, of = {}, {}
    for aspect in ASPECTS:
        if aspect in given:
            source[aspect], of[aspect] = "oordeel", marks.judged(facts, aspect)
        elif aspect in FROM_NORMS:
            source[aspect], of[aspect] = "norm", coloured.of[FROM_NORMS[aspect]]
        else:
            source[aspect], of[aspect] = "", np.zeros((PERIODS, len(facts.index)), dtype=np.int64)
    known = np.sum([colour != UNKNOWN for colour in of.values()], axis=0)
    return Rule({aspect: colour == RED for aspect, colour in of.items()}, known, source)


def scores(school: School, found: Roster, rule: Rule) -> tuple[Score, ...]:
    """Precision and recall against dropout in the first year, per cohort and period of which the outcome is known.

    Beside the rule stands the school's own model, which learned from earlier cohorts and names as many.
    """
    labels = outcomes.compute(school.tables, OUTCOME, school.schema, as_of=school.until)
    outcome = labels.reindex(found.facts.index).to_numpy(np.float64)
    stay, beside = first_stays(found.facts), Beside.of(school, found, outcome, OUTCOME)
    made = []
    for cohort in sorted({int(year) for year in found.year[np.isfinite(found.year) & ~np.isnan(outcome)]}):
        for period in range(PERIODS):
            there = ~(stay.end < stay.start + 7.0 * WEEKS * (period + 1))
            usable = ~np.isnan(outcome) & there & rule.judged[period]
            chosen = usable & (found.year == cohort)
            if chosen.any():
                one = _score(cohort, period + 1, outcome[chosen] == 1.0, rule.meets[period][chosen])
                hits = beside.hits(period, one.flagged, chosen, usable & (found.year < cohort))
                made.append(replace(one, hits_of_model=hits))
    return tuple(made)


def _score(cohort: int, period: int, left: Masks, flagged: Masks) -> Score:
    return Score(cohort, period, len(left), int(left.sum()), int(flagged.sum()), int((left & flagged).sum()))


def current_period(rule: Rule, chosen: Masks) -> int:
    """The last period (0 to 3) in which a quarter of these students is judged; 0 where there is none."""
    judged = rule.judged[:, chosen].mean(axis=1) if chosen.any() else np.zeros(PERIODS)
    return int(np.flatnonzero(judged >= 0.25).max(initial=0))
