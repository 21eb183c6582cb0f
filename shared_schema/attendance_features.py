"""Absence hours per week arrive; the attendance features at the cut-off week leave."""

from __future__ import annotations

from collections.abc import Callable

from shared_schema import absence
from shared_schema.absence import Absence
from shared_schema.facts import Numbers
from shared_schema.feature import ATTENDANCE, Feature, Source, above, recorded

THRESHOLDS = (2, 5, 10)
"""Hours a week without leave above which a separate 0/1 feature is set, so that a linear model sees thresholds.

Sixteen hours in four weeks, four a week, is where schools must report absence (Leerplichtwet).
"""

_TOTAL, _WITHOUT, _WITH = "hours_absent", "hours_absent_unauthorised", "hours_absent_authorised"


def _source(
    name: str,
    nl: str,
    en: str,
    columns: tuple[str, ...],
    value: Callable[[Absence], Numbers],
    high: float = 1.0,
    low: float = 0.0,
) -> Source[Absence]:
    names = tuple(f"attendance.{column}" for column in columns)
    return Source(Feature(name, nl, en, low, high, ATTENDANCE, False, names), value)


def _over(hours: int) -> Source[Absence]:
    return _source(
        f"absence_unauthorised_over_{hours}",
        f"meer dan {hours} uur per week ongeoorloofd afwezig",
        f"more than {hours} hours a week absent without leave",
        (_WITHOUT,),
        lambda grid: above(absence.mean(grid.unauthorised), hours),
    )


SOURCES: tuple[Source[Absence], ...] = (
    _source(
        "absence_recorded", "verzuim is vastgelegd", "absence is recorded", (_TOTAL, _WITHOUT, _WITH),
        lambda grid: recorded(absence.mean(grid.total)),
    ),
    _source(
        "absence_split_recorded", "geoorloofd en ongeoorloofd apart vastgelegd",
        "authorised and unauthorised recorded apart", (_WITHOUT, _WITH),
        lambda grid: recorded(absence.mean(grid.unauthorised)),
    ),
    _source(
        "absence_per_week", "uren afwezig per week", "hours absent a week", (_TOTAL, _WITHOUT, _WITH),
        lambda grid: absence.mean(grid.total), high=20.0,
    ),
    _source(
        "absence_unauthorised_per_week", "uren ongeoorloofd afwezig per week", "hours absent without leave a week",
        (_WITHOUT,), lambda grid: absence.mean(grid.unauthorised), high=20.0,
    ),
    _source(
        "absence_authorised_per_week", "uren geoorloofd afwezig per week", "hours absent with leave a week",
        (_WITH,), lambda grid: absence.mean(grid.authorised), high=20.0,
    ),
    *(_over(hours) for hours in THRESHOLDS),
    _source(
        "schedule_recorded", "geroosterde uren zijn vastgelegd", "scheduled hours are recorded",
        ("hours_scheduled",), lambda grid: recorded(absence.share_absent(grid)),
    ),
    _source(
        "absence_share", "deel van de geroosterde uren afwezig", "share of scheduled hours absent",
        (_TOTAL, "hours_scheduled"), absence.share_absent,
    ),
    _source(
        "absence_unauthorised_last_weeks", "uren ongeoorloofd afwezig per week, laatste drie weken",
        "hours absent without leave a week, last three weeks", (_WITHOUT,),
        lambda grid: absence.last_weeks(grid.unauthorised), high=20.0,
    ),
    _source(
        "absence_trend", "verandering in uren afwezig, laatste drie weken tegen ervoor",
        "change in hours absent, last three weeks against before", (_TOTAL,),
        lambda grid: absence.trend(grid.total), high=10.0, low=-10.0,
    ),
    _source(
        "weeks_without_absence", "deel van de weken zonder verzuim", "share of weeks without absence", (_TOTAL,),
        lambda grid: absence.share_of_full_weeks(grid.total),
    ),
)  # fmt: skip
"""The attendance features in their fixed order; all need at least one week."""
