"""Named values with a norm each arrive; a drawing leaves: a bar per name, its norm as an upright line, its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.reading.bars import RIGHT_EDGE, Rows, Span
from experiments.reading.figure import Figure, Table
from experiments.reading.frame import legend
from experiments.reading.numbers import Numbers
from experiments.reading.svg import Canvas
from experiments.reading.text import Text
from experiments.reading.words import Words

ROOM = 56.0  # px at the right for the number


@dataclass(frozen=True)
class Bar:
    """One value; None where it is not shown (too few). low, high: its interval. tone colours the bar."""

    name: str | Words
    value: float | None
    norm: float | None = None
    low: float | None = None
    high: float | None = None
    tone: Literal["one", "good", "warn", "bad"] = "one"


def bars_with_norms(
    identifier: str,
    title: Words,
    caption: Words,
    bars: Sequence[Bar],
    write: Callable[[Numbers, float], str] = Numbers.share,
    upper: float | None = None,
) -> Callable[[Text], Figure]:
    """Return a drawing of one bar per name, from zero to `upper` (else a little above the largest number).

    identifier: letters and hyphens, one of a kind on its page.
    """

    def draw(text: Text) -> Figure:
        numbers = [number for bar in bars for number in (bar.value, bar.norm, bar.high) if number is not None]
        rows = Rows(len(bars))
        span = Span(0.0, upper or max(numbers, default=1.0) * 1.02 or 1.0, rows.left, RIGHT_EDGE - ROOM)
        canvas = Canvas(rows.bottom + 14)
        for row, bar in enumerate(bars):
            _bar(canvas, text, rows, span, row, bar, write)
        if any(bar.norm is not None for bar in bars):
            legend(canvas, [("dash", "", text("legend.norm"))])
        name = title.pick(text.language)
        table = _table(text, bars, write)
        points = "; ".join(" ".join((row[0], row[1])) for row in table.rows)
        svg = canvas.document(identifier, name, f"{caption.pick(text.language)} {points}")
        return Figure(identifier, name, caption.pick(text.language), svg, table, wide=True)

    return draw


def _bar(
    canvas: Canvas, text: Text, rows: Rows, span: Span, row: int, bar: Bar, write: Callable[[Numbers, float], str]
) -> None:
    rows.name(canvas, row, _name(bar.name, text))
    y, left = rows.y(row), span.left
    canvas.rect((left, y - 7), span.right - left, 14, "track", 3)
    if bar.value is not None:
        canvas.rect((left, y - 7), span.x(bar.value) - left, 14, f"bar {bar.tone}", 3)
    if bar.low is not None and bar.high is not None:
        canvas.whisker((span.x(bar.low), y), (span.x(bar.high), y))
    if bar.norm is not None:
        canvas.line((span.x(bar.norm), y - 11), (span.x(bar.norm), y + 11), "norm")
    canvas.text((RIGHT_EDGE, y + 4.5), _number(text, bar.value, write), "value", "end")


def _name(name: str | Words, text: Text) -> str:
    return name.pick(text.language) if isinstance(name, Words) else name


def _number(text: Text, value: float | None, write: Callable[[Numbers, float], str]) -> str:
    return text("none") if value is None else write(text.numbers, value)


def _table(text: Text, bars: Sequence[Bar], write: Callable[[Numbers, float], str]) -> Table:
    def interval(bar: Bar) -> str:
        if bar.low is None or bar.high is None:
            return text("none")
        return f"{write(text.numbers, bar.low)}–{write(text.numbers, bar.high)}"

    rows = tuple(
        (_name(bar.name, text), _number(text, bar.value, write), interval(bar), _number(text, bar.norm, write))
        for bar in bars
    )
    return Table(tuple(text(f"head.{name}") for name in ("what", "value", "between", "norm")), rows)
