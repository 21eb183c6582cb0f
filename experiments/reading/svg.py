"""Points and texts arrive; one accessible SVG element leaves, byte for byte the same for equal input.

Colours come from the page's stylesheet through classes, so one drawing serves light, dark and paper.
No style attributes: the page's content security policy forbids them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH = 440.0  # drawn at this width; on a phone it shrinks to about 355 px, with larger type
CHARACTER = 7.5  # px an average character takes at most, at the 14.5 px of a phone
BOLD = 8.3  # the same for semi-bold type

Point = tuple[float, float]


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    rounded = round(value, 1) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return f"{rounded:.1f}".removesuffix(".0")


def shorten(text: str, width: float) -> str:
    """Return `text`, its middle left out where it would be wider than `width` px.

    The middle, since schools' names are alike at their beginning and campuses at their end.
    """
    room = max(3, int(width / BOLD))
    if len(text) <= room:
        return text
    head = (room - 1) * 3 // 5
    return f"{text[:head].rstrip()}…{text[len(text) - (room - 1 - head) :].lstrip()}"


def wrap(text: str, width: float) -> list[str]:
    """Return `text` in lines of at most about `width` px."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if len(candidate) * CHARACTER > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = candidate
    return lines


@dataclass
class Canvas:
    """A drawing under construction; coordinates in px, y grows downward."""

    height: float
    width: float = WIDTH
    parts: list[str] = field(default_factory=list)

    def element(self, name: str, css: str = "", **attributes: float | str) -> None:
        """Add an empty element; underscores in attribute names become hyphens."""
        pairs = [("class", css)] if css else []
        pairs += [
            (key.replace("_", "-"), value if isinstance(value, str) else number(value))
            for key, value in attributes.items()
        ]
        written = "".join(f' {key}="{escape(value)}"' for key, value in pairs)
        self.parts.append(f"<{name}{written}/>")

    def line(self, start: Point, end: Point, css: str) -> None:
        """Draw a straight line."""
        self.element("line", css, x1=start[0], y1=start[1], x2=end[0], y2=end[1])

    def rect(self, corner: Point, width: float, height: float, css: str, radius: float = 0.0) -> None:
        """Draw a rectangle from its top left corner; a negative width counts as zero."""
        self.element("rect", css, x=corner[0], y=corner[1], width=max(0.0, width), height=max(0.0, height), rx=radius)

    def circle(self, centre: Point, radius: float, css: str) -> None:
        """Draw a circle."""
        self.element("circle", css, cx=centre[0], cy=centre[1], r=radius)

    def path(self, points: Iterable[Point], css: str, closed: bool = False) -> None:
        """Draw straight lines through `points`."""
        d = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + ("Z" if closed else "")
        self.element("path", css, d=d)

    def diamond(self, centre: Point, radius: float, css: str) -> None:
        """Draw a square on its point."""
        x, y = centre
        self.path([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], css, closed=True)

    def whisker(self, low: Point, high: Point, css: str = "whisker", cap: float = 4.0) -> None:
        """Draw an interval, upright or lying, with caps."""
        upright = low[0] == high[0]
        across = (cap, 0.0) if upright else (0.0, cap)
        self.line(low, high, css)
        for x, y in (low, high):
            self.line((x - across[0], y - across[1]), (x + across[0], y + across[1]), css)

    def text(self, at: Point, text: str, css: str = "", anchor: str = "start") -> None:
        """Write one line of text; `at` is its baseline."""
        attributes = f'x="{number(at[0])}" y="{number(at[1])}"'
        attributes += f' class="{css}"' if css else ""
        attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(f"<text {attributes}>{escape(text)}</text>")

    def lines(self, at: Point, texts: Sequence[str], css: str = "", anchor: str = "start") -> None:
        """Write several lines of text, 17 px apart."""
        for row, text in enumerate(texts):
            self.text((at[0], at[1] + 17 * row), text, css, anchor)

    def document(self, identifier: str, title: str, description: str, css: str = "figure") -> Markup:
        """Return the SVG element with an accessible name and description."""
        head = (
            f'<svg class="{css}" role="img" viewBox="0 0 {number(self.width)} {number(self.height)}" '
            f'aria-labelledby="{identifier}-name" aria-describedby="{identifier}-about">'
            f'<title id="{identifier}-name">{escape(title)}</title>'
            f'<desc id="{identifier}-about">{escape(description)}</desc>'
        )
        return Markup(head + "".join(self.parts) + "</svg>")
