"""Arrives: numbers of people on standard input or in a file. Leaves: their pseudonyms; no number is kept or shown.

Numbers never stand on a command line, where other users and the shell's history would see them. What is said of a
number afterwards is how many there were, or on which line one stood.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.errors import UnusableInput
from node.folder import NodeFolder
from node.mapping_document import Identifier, read_mapping
from node.people.pseudonym_key import PseudonymKey
from shared_schema import About, SchemaError

MOST_BYTES = 10_000_000
LONGEST = 64
_CELLS = re.compile(r"[;,\t ]+")


@dataclass(frozen=True)
class Reader:
    """How this school's numbers become pseudonyms. widths: those its mappings pad numbers to."""

    key: PseudonymKey
    widths: tuple[int, ...]
    about: About = About.STUDENT

    @classmethod
    def of(cls, folder: NodeFolder, about: About = About.STUDENT) -> Reader:
        """Return the reader of a node: its key, and the widths of all mappings in its folder."""
        return cls(PseudonymKey.load(folder.pseudonym_key), tuple(sorted(set(_widths(folder)))), about)

    def pseudonyms(self, number: str) -> tuple[str, ...]:
        """Return the pseudonyms that a number may have: as it is written, and padded as the mappings pad."""
        written = dict.fromkeys((number, *(number.zfill(width) for width in self.widths)))
        return tuple(self.key.pseudonym(text, self.about) for text in written)


def read(file: Path | None, columns: int = 1) -> list[list[str]]:
    """Return the numbers, line by line, each line `columns` of them; from standard input where no file is named.

    Raises UnusableInput for lines with more or fewer, for none at all, and for what is no list of numbers.
    """
    lines = [_CELLS.split(line.strip(" ;,\t\ufeff")) for line in _text(file).splitlines() if line.strip(" ;,\t\ufeff")]
    odd = [number for number, cells in enumerate(lines, 1) if len(cells) != columns or max(map(len, cells)) > LONGEST]
    if odd or not lines:
        what = "one number" if columns == 1 else "the old number and the new one"
        raise UnusableInput(
            "bad_numbers",
            f"Each line holds {what}, without a heading.",
            f"{len(odd)} other lines, the first is line {odd[0]}" if odd else "no line",
            "Give them on standard input, or in a file with --file.",
        )
    return lines


def _text(file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        sys.stderr.write("Eén per regel; eindig met Ctrl-D. / One a line; end with Ctrl-D.\n")
    try:
        text = sys.stdin.read(MOST_BYTES) if file is None else file.read_bytes()[:MOST_BYTES].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableInput(
            "bad_numbers",
            "Numbers are read from standard input or from a text file.",
            type(error).__name__,
            "Name a file of text with --file, or give the numbers on standard input.",
        ) from None
    return text


def _widths(folder: NodeFolder) -> Iterator[int]:
    for path in folder.mappings():
        try:
            document = read_mapping(path)
        except SchemaError:
            continue
        found = [document.identifier, *(source.identifier for source in document.sources.values())]
        yield from (one.width for one in found if isinstance(one, Identifier) and one.width)
