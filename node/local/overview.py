"""A school arrives; its indicators leave per team, programme, niveau or college, with norm, interval and judgement.

Figures for eyes inside the school. A group with fewer than twelve students is not shown, and neither is the one that
would give it away: where a single group of a total is hidden, the smallest other is hidden with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node.errors import UnusableInput
from shared_schema import indicators
from shared_schema.errors import remedy
from shared_schema.indicators import GROUPS, RULES
from shared_schema.norms import HIGH, INSUFFICIENT, LESS_IS_BETTER, SMALLEST_DENOMINATOR, SUFFICIENT, wilson

if TYPE_CHECKING:
    from experiments.reading.sheet import Tone
    from node.local.school import School

WHOLE = "school"


@dataclass(frozen=True)
class Ratio:
    """One indicator of one group: `numerator` of `denominator` students, and what it is held against.

    niveau: None where it is unknown or there are several; shown: false where it is too small, or would give one away.
    """

    indicator: str
    group: str
    segment: str
    niveau: int | None
    numerator: int
    denominator: int
    norm: float | None
    high: float | None
    judgement: str
    shown: bool = True

    @property
    def small(self) -> bool:
        """Fewer than twelve students."""
        return self.denominator < SMALLEST_DENOMINATOR

    @property
    def value(self) -> float | None:
        """The share, or None where it is not shown."""
        return self.numerator / self.denominator if self.shown else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval."""
        return wilson(self.numerator, self.denominator) if self.shown else None

    @property
    def tone(self) -> Tone:
        """good, warn or bad: high or far from the norm, within chance of it, below it; empty without a norm.

        Judged insufficient while the interval still holds the norm is a warning: chance alone could do that.
        """
        if not self.shown or self.norm is None:
            return ""
        low, high = wilson(self.numerator, self.denominator)
        if self.judgement == INSUFFICIENT:
            return "warn" if low <= self.norm <= high else "bad"
        return "good"


@dataclass(frozen=True)
class Overview:
    """Indicators of some years by one kind of group; `missing`: columns that an indicator lacks in this delivery."""

    years: tuple[int, ...]
    by: str
    ratios: tuple[Ratio, ...]
    missing: dict[str, tuple[str, ...]]

    def of(self, indicator: str, group: str | None = None) -> tuple[Ratio, ...]:
        """The ratios of one indicator, of one group or of all."""
        return tuple(one for one in self.ratios if one.indicator == indicator and group in (None, one.group))

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group once, in order of name; the unknown last."""
        return tuple(sorted({one.group for one in self.ratios}, key=lambda name: (not name, name.casefold())))


def overview(
    school: School,
    years: Sequence[int],
    by: str = WHOLE,
    names: Iterable[str] = tuple(RULES),
    per_niveau: bool = False,
) -> Overview:
    """Compute indicators, pooled over `years`; groups too small to show are marked. Raises `UnusableInput`."""
    if by != WHOLE and by not in GROUPS:
        rule = "Figures are split by something that every enrolment has."
        raise UnusableInput("no_group", rule, f"'{by[:30]}'", remedy(by, [WHOLE, *GROUPS]))
    missing: dict[str, tuple[str, ...]] = {}
    ratios: list[Ratio] = []
    for name in names:
        if name not in RULES:
            raise UnusableInput("no_indicator", "Indicators have names.", f"'{name[:30]}'", remedy(name, list(RULES)))
        if lacking := indicators.undelivered(name, school.tables):
            missing[name] = lacking
            continue
        ratios += _ratios(school, name, years, by, per_niveau)
    return Overview(tuple(years), by, tuple(ratios), missing)


def _ratios(school: School, name: str, years: Sequence[int], by: str, per_niveau: bool) -> list[Ratio]:
    table = indicators.of_facts(name, school.facts, years, by, per_niveau, school.until)
    found = [
        Ratio(
            indicator=name,
            group=str(row.group),
            segment=str(row.segment),
            niveau=None if row.niveau != row.niveau else int(row.niveau),
            numerator=int(row.numerator),
            denominator=int(row.denominator),
            norm=_known(row.norm),
            high=_known(row.high),
            judgement=str(row.judgement),
        )
        for row in table.itertuples()
    ]
    return hidden(found)


def _known(value: float) -> float | None:
    return None if value != value else float(value)


def hidden(ratios: Sequence[Ratio]) -> list[Ratio]:
    """The same ratios, those under twelve students not shown, nor the one by which a single one would be known.

    Totals exist per segment and per niveau within it: in each a lonely small group takes the smallest other with it.
    """
    small = {index for index, one in enumerate(ratios) if one.small}
    for keys in (_segment, _niveau):
        totals: dict[object, list[int]] = {}
        for index, one in enumerate(ratios):
            totals.setdefault(keys(one), []).append(index)
        for members in totals.values():
            within = [index for index in members if index in small]
            others = [index for index in members if index not in small]
            if len(within) == 1 and others:
                small.add(min(others, key=lambda index: (ratios[index].denominator, ratios[index].group)))
    return [replace(one, shown=index not in small) for index, one in enumerate(ratios)]


def _segment(one: Ratio) -> object:
    return one.segment


def _niveau(one: Ratio) -> object:
    return one.segment, one.niveau


__all__ = ["HIGH", "INSUFFICIENT", "LESS_IS_BETTER", "SUFFICIENT", "Overview", "Ratio", "hidden", "overview"]
