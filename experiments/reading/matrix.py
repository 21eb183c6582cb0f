"""Rows by columns of short judgements arrive; a drawing leaves: a square for each, colour and text saying the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.reading.figure import Figure, Table
from experiments.reading.svg import BOLD, WIDTH, Canvas, shorten, wrap
from experiments.reading.text import Text
from experiments.reading.words import Words

LEFT, TOP, PITCH = 160.0, 44.0, 30.0
MOST_COLUMNS = 12  # more squares than this are too narrow to write in; a wide Grid shows them


@dataclass(frozen=True)
class Square:
    """One judgement: a word or number of at most a few letters, and its tone; "" is for what is not known."""

    text: str | Words
    tone: Literal["", "good", "warn", "bad"] = ""


def squares(
    identifier: str,
    title: Words,
    caption: Words,
    columns: Sequence[Words],
    rows: Sequence[tuple[str | Words, Sequence[Square]]],
) -> Callable[[Text], Figure]:
    """Return a drawing of one row of squares per name, one square per column (at most 12).

    identifier: letters and hyphens, one of a kind on its page. A row has a square for every column.
    """
    if len(columns) > MOST_COLUMNS or any(len(marks) != len(columns) for _, marks in rows):
        raise ValueError(f"a matrix has at most {MOST_COLUMNS} columns, and each row a square for every column")

    def draw(text: Text) -> Figure:
        language = text.language
        canvas = Canvas(TOP + PITCH * len(rows) + 8)
        width = (WIDTH - LEFT) / max(1, len(columns))
        for column, words in enumerate(columns):
            lines = [shorten(line, width) for line in wrap(words.pick(language), width - 8)[:2]]
            canvas.lines((LEFT + width * (column + 0.5), TOP - 9 - 17 * (len(lines) - 1)), lines, "tick", "middle")
        for row, (name, marks) in enumerate(rows):
            _row(canvas, text, row, _pick(name, language), marks, width)
        table = Table(
            (text("head.what"), *(words.pick(language) for words in columns)),
            tuple(
                (_pick(name, language), *(_said(mark, text) or text("none") for mark in marks)) for name, marks in rows
            ),
        )
        heading, about = title.pick(language), caption.pick(language)
        return Figure(identifier, heading, about, canvas.document(identifier, heading, about), table, wide=True)

    return draw


def _row(canvas: Canvas, text: Text, row: int, name: str, marks: Sequence[Square], width: float) -> None:
    y = TOP + PITCH * row
    canvas.text((LEFT - 10, y + PITCH / 2 + 4.5), shorten(name, LEFT - 40), "row", "end")
    for column, mark in enumerate(marks):
        tone = mark.tone or "none"
        canvas.rect((LEFT + width * column, y), width, PITCH, f"square {tone}", 4)
        label = shorten(_pick(mark.text, text.language), max(BOLD * 3, width - 4))
        middle = (LEFT + width * (column + 0.5), y + PITCH / 2 + 4.5)
        canvas.text(middle, label, f"in-square {tone}", "middle")


def _said(mark: Square, text: Text) -> str:
    """What a square says, in words: its text, and its tone where it has one."""
    shown = _pick(mark.text, text.language)
    return f"{shown} ({text(f'tone.{mark.tone}')})" if mark.tone else shown


def _pick(name: str | Words, language: str) -> str:
    return name.pick(language) if isinstance(name, Words) else name
