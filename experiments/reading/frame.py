"""A range of numbers arrives; a drawing with axes, grid, legend and a scale in px leaves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.reading.record import Estimate
from experiments.reading.svg import CHARACTER, Canvas, Point

TOP, BOTTOM, LEFT, RIGHT = 58.0, 54.0, 52.0, 16.0
HEIGHT = 308.0


def ceiling(value: float, steps: int = 5) -> tuple[float, float]:
    """Return (upper end, tick distance): round numbers that hold `value` in about `steps` ticks."""
    raw = max(value, 1e-9) / steps
    power = 10.0 ** math.floor(math.log10(raw))
    tick = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    return tick * math.ceil(value / tick - 1e-9), tick


def ticks(upper: float, distance: float) -> list[float]:
    """Return 0, distance, 2 * distance ... up to and with `upper`."""
    return [distance * step for step in range(round(upper / distance) + 1)]


@dataclass(frozen=True)
class Frame:
    """A plot area whose both axes start at zero."""

    canvas: Canvas
    x_max: float
    y_max: float

    @classmethod
    def empty(cls, x_max: float, y_max: float, height: float = HEIGHT) -> "Frame":
        """Return a frame on a new canvas."""
        return cls(Canvas(height), x_max, y_max)

    def x(self, value: float) -> float:
        """Return the px of a value on the horizontal axis."""
        return LEFT + (self.canvas.width - LEFT - RIGHT) * value / self.x_max

    def y(self, value: float) -> float:
        """Return the px of a value on the vertical axis, kept inside the plot."""
        inside = min(max(value, 0.0), self.y_max)
        return self.canvas.height - BOTTOM - (self.canvas.height - TOP - BOTTOM) * inside / self.y_max

    def at(self, x: float, y: float) -> Point:
        """Return the px of a point."""
        return self.x(x), self.y(y)

    def grid(self, distance: float, write: Callable[[float], str], title: str) -> None:
        """Draw horizontal grid lines with their numbers, and the axis' title above them."""
        for value in ticks(self.y_max, distance):
            y = self.y(value)
            css = "axis" if value == 0 else "grid"
            self.canvas.line((LEFT, y), (self.canvas.width - RIGHT, y), css)
            self.canvas.text((LEFT - 8, y + 4.5), write(value), "tick", "end")
        self.canvas.text((0, TOP - 17), title, "axis-title")

    def across(self, values: Sequence[float], write: Callable[[float], str], title: str) -> None:
        """Write the numbers under the horizontal axis, leaving out those that would touch."""
        base, last = self.canvas.height - BOTTOM, -math.inf
        for value in values:
            label = write(value)
            half = len(label) * CHARACTER / 2 + 3
            if self.x(value) - half < last:
                continue
            last = self.x(value) + half
            self.canvas.line((self.x(value), base), (self.x(value), base + 5), "axis")
            self.canvas.text((self.x(value), base + 20), label, "tick", "middle")
        self.canvas.text(((LEFT + self.canvas.width - RIGHT) / 2, base + 43), title, "axis-title", "middle")

    def band(self, places: Sequence[float], estimates: Sequence[Estimate], css: str) -> None:
        """Fill the area between the lower and upper ends of the intervals."""
        upper = [self.at(x, e.high) for x, e in zip(places, estimates, strict=True)]
        lower = [self.at(x, e.low) for x, e in zip(places, estimates, strict=True)]
        self.canvas.path([*upper, *reversed(lower)], f"band {css}", closed=True)

    def curve(self, places: Sequence[float], estimates: Sequence[Estimate], css: str) -> None:
        """Draw a line through the estimates with a dot at each."""
        points = [self.at(x, e.value) for x, e in zip(places, estimates, strict=True)]
        self.canvas.path(points, f"curve {css}")
        for point in points:
            self.canvas.circle(point, 4, f"dot {css}")


def legend(canvas: Canvas, entries: Sequence[tuple[str, str, str]], y: float = 8.0, x: float = 0.0) -> None:
    """Write a key; each entry is (mark: line, dash, band, dot, square, diamond or bar; css; label)."""
    for mark, css, label in entries:
        _mark(canvas, mark, css, x, y)
        canvas.text((x + 24, y + 4.5), label, "key")
        x += 24 + len(label) * CHARACTER + 14


def _mark(canvas: Canvas, mark: str, css: str, x: float, y: float) -> None:
    if mark in ("line", "dash"):
        canvas.line((x, y), (x + 18, y), f"{'curve' if mark == 'line' else 'reference'} {css}".strip())
    if mark in ("line", "dot"):
        canvas.circle((x + 9, y), 4, f"dot {css}")
    elif mark == "band":
        canvas.rect((x, y - 6), 18, 12, f"band {css}", 2)
    elif mark == "bar":
        canvas.rect((x, y - 5), 18, 10, css, 2)
    elif mark == "diamond":
        canvas.diamond((x + 9, y), 5.5, f"dot {css}")
    elif mark == "square":
        canvas.rect((x + 4.5, y - 4.5), 9, 9, f"dot {css}", 1)
