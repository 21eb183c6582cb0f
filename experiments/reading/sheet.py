"""What a school's own command found arrives; one self-contained page per language leaves, for eyes inside the school.

The page looks and behaves as a finding's page: no script, no request, one stylesheet allowed by its hash, light, dark
and paper, readable by keyboard, screen reader and at 390 px. Every text is shown letter by letter: a programme may be
named `<script>`. Unlike a finding it is about this school's own rows, so it says on top that it stays there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from experiments.reading import palette
from experiments.reading.errors import SheetError
from experiments.reading.figure import Figure
from experiments.reading.shell import HERE, PRIVATE, Other, filled, replace
from experiments.reading.text import LANGUAGES, Text
from experiments.reading.words import Words, day

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PRIVATE_FOLDER = 0o700
KEPT = "\n\N{NO-BREAK SPACE}"  # not printable by Python's book, and harmless
SYMBOLS: Mapping[str, str] = {"good": "✓", "warn": "▲", "bad": "✗"}

Tone = Literal["", "good", "warn", "bad"]
Drawing = Callable[[Text], Figure]
"""A figure in the language asked for; `norms`, `matrix` and `periods` make such drawings."""


@dataclass(frozen=True)
class Mark:
    """A cell with a judgement: shown by colour and symbol, and said in words to a screen reader."""

    text: str | Words
    tone: Tone


Cell = str | int | Words | Mark
"""A name or code, a whole number, a text in two languages, or one of these with a judgement."""


@dataclass(frozen=True)
class Grid:
    """A table; the first cell of a row names the row. Every row has one cell per head.

    shape: on a phone a row of `cards` becomes one figure per line, a row of `prose` one sentence per line, and a
    `wide` table scrolls with its first column in sight. fold: behind one click.
    """

    head: tuple[Words, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shape: Literal["cards", "prose", "wide"] = "cards"
    fold: bool = False


@dataclass(frozen=True)
class Key:
    """One number that is read first, with what it is and what it is held against."""

    value: str | Words
    label: Words
    note: Words | None = None
    tone: Tone = ""


@dataclass(frozen=True)
class Part:
    """One section: text, then key numbers, steps to take, a figure and a table, whichever there are."""

    title: Words
    text: tuple[Words, ...] = ()
    table: Grid | None = None
    figure: Drawing | None = None
    keys: tuple[Key, ...] = ()
    steps: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A page about one school, for that school. made: the day of the data or of the run, as the page will say."""

    school: str
    title: Words
    lead: Words
    made: date
    notice: Words | None
    parts: tuple[Part, ...]


def render(sheet: Sheet, language: str, name: str) -> str:
    """Return the page in `language` ("nl" or "en"); `name` is its file's, for the link to the other language.

    Equal input gives equal bytes. Raises SheetError for a row of another length than the head, or a name that is no
    file name; CatalogueError for another language.
    """
    text, other = Text.of(language), "en" if language == "nl" else "nl"
    style = palette.stylesheet() + palette.tones() + "".join(_style(part) for part in ("page", "sheet"))
    content = {
        "t": text,
        "language": language,
        "other": Other(other, file_name(name, other)),
        "school": sheet.school,
        "title": sheet.title.pick(language),
        "lead": sheet.lead.pick(language),
        "made": day(sheet.made).pick(language),
        "notice": sheet.notice.pick(language) if sheet.notice else "",
        "parts": [_part(part, number, text) for number, part in enumerate(sheet.parts, start=1)],
    }
    return _shown(filled("sheet.html.j2", style, content))


def write(sheet: Sheet, folder: Path, name: str) -> Path:
    """Write NAME.html (Dutch) and NAME.en.html into `folder`, readable by their owner only; return the Dutch one.

    Both are made before either is written, and each appears whole or not at all. name: small letters, digits, - and _.
    """
    pages = {language: render(sheet, language, name) for language in LANGUAGES}
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    for language in reversed(LANGUAGES):
        replace(folder / file_name(name, language), pages[language], PRIVATE)
    return folder / file_name(name, "nl")


def file_name(name: str, language: str) -> str:
    """Return the page's file in one language."""
    if not NAME.fullmatch(name):
        raise SheetError("a page's name is small letters, digits, - and _", repr(name)[:80], "choose such a name")
    return f"{name}.html" if language == "nl" else f"{name}.{language}.html"


def _style(name: str) -> str:
    return (HERE / f"{name}.css").read_text("utf-8")


def _part(part: Part, number: int, text: Text) -> dict[str, object]:
    title = part.title.pick(text.language)
    return {
        "identifier": f"part-{number}",
        "title": title,
        "text": [words.pick(text.language) for words in part.text],
        "keys": [_key(key, text.language) for key in part.keys],
        "steps": [step.pick(text.language) for step in part.steps],
        "figure": part.figure(text) if part.figure else None,
        "table": _table(part.table, title, text) if part.table else None,
    }


def _key(key: Key, language: str) -> dict[str, object]:
    note = key.note.pick(language) if key.note else ""
    return {
        "value": _plain(key.value, language),
        "label": key.label.pick(language),
        "note": note,
        "tone": key.tone,
    }


def _table(grid: Grid, title: str, text: Text) -> dict[str, object]:
    if any(len(row) != len(grid.head) for row in grid.rows):
        raise SheetError("a table's rows have one cell per head", title, "give every row a cell for each head")
    return {
        "name": title,
        "head": [words.pick(text.language) for words in grid.head],
        "rows": [[_cell(cell, text) for cell in row] for row in grid.rows],
        "wide": grid.shape == "wide",
        "prose": grid.shape == "prose",
        "fold": grid.fold,
    }


def _cell(cell: Cell, text: Text) -> str:
    if not isinstance(cell, Mark):
        return _plain(cell, text.language)
    shown = _plain(cell.text, text.language)
    if not cell.tone:
        return shown
    return Markup(
        '<span class="mark {}"><span aria-hidden="true">{}</span> <span class="hidden-label">{}: </span>{}</span>'
    ).format(cell.tone, SYMBOLS[cell.tone], text(f"tone.{cell.tone}"), shown)


def _plain(cell: str | int | Words, language: str) -> str:
    if isinstance(cell, int):
        return Words.of(lambda numbers: numbers.whole(cell)).pick(language)
    return cell.pick(language) if isinstance(cell, Words) else cell


def _shown(page: str) -> str:
    """The page with a mark for every letter that steers rather than shows: a name may turn the line's direction."""
    return "".join(letter if letter.isprintable() or letter in KEPT else "\N{REPLACEMENT CHARACTER}" for letter in page)
