"""A drawing arrives; a figure leaves: drawing, title, caption and the same facts as a table."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from experiments.reading.record import Estimate
from experiments.reading.text import Text


@dataclass(frozen=True)
class Table:
    """A figure in words and numbers; the first cell of each row names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """What the page shows in one card."""

    identifier: str
    title: str
    caption: str
    svg: Markup
    table: Table
    mark: str = ""  # a warning beside the title, such as "only in a rehearsal"
    wide: bool = False  # where there is room, the table stands beside the drawing


def interval(text: Text, estimate: Estimate | None, write: Callable[[float], str]) -> str:
    """Return "52% (47%–57%)", or a dash where nothing was released."""
    if estimate is None:
        return text("none")
    return f"{write(estimate.value)} ({write(estimate.low)}–{write(estimate.high)})"
