"""Up to three series over the same periods arrive; a drawing leaves: a line with dots for each, and a norm if given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.reading.figure import Figure, Table
from experiments.reading.frame import Frame, ceiling, legend
from experiments.reading.numbers import Numbers
from experiments.reading.text import Text
from experiments.reading.words import Words

SHARE, PERIOD = Words("aandeel", "share"), Words("periode", "period")
DIGIT = 9.4  # px a digit takes on a phone; years are nothing but digits
COLOURS = ("one", "two", "three")


@dataclass(frozen=True)
class Series:
    """One line: a value per period, None where it is not shown (too few, or not there)."""

    name: Words
    values: Sequence[float | None]


def over_periods(
    identifier: str,
    title: Words,
    caption: Words,
    periods: Sequence[Words],
    series: Sequence[Series],
    norm: float | None = None,
    write: Callable[[Numbers, float], str] = Numbers.share,
    axis: Words = SHARE,
    label: Words = PERIOD,
) -> Callable[[Text], Figure]:
    """Return a drawing of the series over the periods, from zero up; a missing value breaks its line.

    identifier: letters and hyphens, one of a kind on its page. Raises ValueError for more than three series, or one
    with another number of values than there are periods.
    """
    if len(series) > len(COLOURS) or any(len(one.values) != len(periods) for one in series):
        raise ValueError("at most three series, each with one value per period")

    def draw(text: Text) -> Figure:
        known = [value for one in series for value in one.values if value is not None]
        upper, distance = ceiling(max([*known, norm or 0.0, 1e-6]))
        frame = Frame.empty(max(1.0, float(len(periods))), upper)
        frame.grid(distance, lambda value: write(text.numbers, value), axis.pick(text.language))
        frame.across(
            _labelled(frame, periods, text),
            lambda place: periods[int(place)].pick(text.language),
            label.pick(text.language),
        )
        if norm is not None:
            frame.canvas.line(frame.at(0, norm), frame.at(frame.x_max, norm), "reference")
        for one, colour in zip(series, COLOURS, strict=False):
            _line(frame, one, colour)
        entries = [("line", colour, one.name.pick(text.language)) for one, colour in zip(series, COLOURS, strict=False)]
        legend(frame.canvas, [*entries, *([("dash", "", text("legend.norm"))] if norm is not None else [])])
        heading, about = title.pick(text.language), caption.pick(text.language)
        svg = frame.canvas.document(identifier, heading, about)
        return Figure(identifier, heading, about, svg, _table(text, periods, series, norm, write), wide=True)

    return draw


def _labelled(frame: Frame, periods: Sequence[Words], text: Text) -> list[float]:
    """The places that get a label: all of them, or every second, third ... counted back from the last."""
    longest = max((len(period.pick(text.language)) for period in periods), default=0) * DIGIT + 6
    step = max(1, math.ceil(longest / (frame.x(1) - frame.x(0))))
    return [place + 0.5 for place in range(len(periods)) if (len(periods) - 1 - place) % step == 0]


def _line(frame: Frame, series: Series, colour: str) -> None:
    points = [None if value is None else frame.at(place + 0.5, value) for place, value in enumerate(series.values)]
    for before, after in itertools.pairwise(points):
        if before is not None and after is not None:
            frame.canvas.path([before, after], f"curve {colour}")
    for point in points:
        if point is not None:
            frame.canvas.circle(point, 4, f"dot {colour}")


def _table(
    text: Text,
    periods: Sequence[Words],
    series: Sequence[Series],
    norm: float | None,
    write: Callable[[Numbers, float], str],
) -> Table:
    def number(value: float | None) -> str:
        return text("none") if value is None else write(text.numbers, value)

    limit = [number(norm)] if norm is not None else []
    names = [one.name.pick(text.language) for one in series]
    rows = tuple(
        (period.pick(text.language), *(number(one.values[place]) for one in series), *limit)
        for place, period in enumerate(periods)
    )
    return Table((text("head.period"), *names, *([text("head.norm")] if limit else [])), rows)
