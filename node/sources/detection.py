"""Arrives: a file, or the texts of a column. Leaves: its encoding, separator, decimal mark or date format.

What a mapping pins is checked against the file instead of believed.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from node.errors import UnusableInput
from node.mapping_document import Source
from node.sources.formats import date_formats, decimal_marks, read_number

SEPARATORS = (";", "\t", "|", ",")
SEPARATOR_NAMES = {";": "semicolon", "\t": "tab", "|": "pipe", ",": "comma", "": "none"}
SNIFF_LINES = 50
CHUNK = 1 << 20


def bad_file(code: str, path: Path, rule: str, found: str, remedy: str) -> UnusableInput:
    """Return the error about one file: its name and what was found in it, never a cell."""
    return UnusableInput(code, rule, f"{path.name}: {found}", remedy)


# Encoding ---------------------------------------------------------------------------------------------------------


def encoding_of(path: Path, pinned: str | None) -> str:
    """Return the Python codec that reads the whole file without one bad byte: the pinned one, or the detected.

    Raises UnusableInput for binary data and for bytes that the codec does not know.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        found = "utf-16"
    elif start[:4] == b"PK\x03\x04" or b"\x00" in start:
        raise bad_file(
            "not_text", path, "A CSV file is text.", "binary data", "Save it as CSV, or name it .xlsx or .parquet."
        )
    else:
        found = "utf-8" if decodes(path, "utf-8") else "cp1252"
        if found == "cp1252" and pinned is None and holds_utf8(path):
            rule, remedy = "A file is text in one encoding.", "Export again as UTF-8, or pin `encoding` in the mapping."
            raise bad_file("mixed_encoding", path, rule, "single bytes of cp1252 among letters of UTF-8", remedy)
    return _pinned_encoding(path, pinned, found)


def _pinned_encoding(path: Path, pinned: str | None, found: str) -> str:
    wanted = pinned or found
    codec = "utf-8-sig" if wanted == "utf-8" else wanted
    if (wanted == "utf-16") == (found == "utf-16") and (wanted == found == "utf-8" or decodes(path, codec)):
        return codec
    raise bad_file(
        "wrong_encoding",
        path,
        f"Every byte is text in {wanted}.",
        f"bytes that are not; the file looks like {found}",
        "Export again as UTF-8, or correct `encoding` in the mapping.",
    )


_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def holds_utf8(path: Path) -> bool:
    """Whether letters of UTF-8 beyond ASCII stand in the file: one stray byte must not decide how others are read."""
    with path.open("rb") as file:
        return any(_UTF8.search(line) for line in file)


def decodes(path: Path, codec: str) -> bool:
    """Whether every byte of the file is text in this codec."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# Separator --------------------------------------------------------------------------------------------------------


def separator_of(path: Path, source: Source, encoding: str) -> str:
    """Return the pinned separator if the file has it, else the one that cuts the first lines most evenly.

    The empty text stands for a file of one column. Raises UnusableInput for a pinned separator that the file lacks.
    """
    with path.open(encoding=encoding, newline="") as file:
        lines = [line for line, _ in zip(file, range(SNIFF_LINES), strict=False)]
    widths = {mark: _widths(lines, mark) for mark in SEPARATORS}
    evenness = {mark: _evenness(widths[mark], records=source.records is not None) for mark in SEPARATORS}
    best = max(SEPARATORS, key=evenness.__getitem__)
    best = best if evenness[best] > (0.0, 1) else ""  # the first line stays whole: no mark separates columns
    if source.separator is None:
        return best
    # The first line decides: in a header no mark stands but the separator, in rows a decimal comma may.
    if widths[source.separator][:1] in ([], [1]) and best:
        raise bad_file(
            "wrong_separator",
            path,
            f"The mapping says that a {SEPARATOR_NAMES[source.separator]} separates the columns.",
            f"no such mark in the first line; a {SEPARATOR_NAMES[best]} would give {widths[best][0]} columns",
            "Correct `separator` in the mapping, or leave it out to have it detected.",
        )
    return source.separator


def no_separator(file: str) -> UnusableInput:
    """Return the error about a file that none of the four marks cuts into columns, while it needs more than one."""
    return UnusableInput(
        "wrong_separator",
        "A semicolon, comma, tab or pipe separates the columns.",
        f"{file}: none of these in the first line",
        "Export again with one of them.",
    )


def _widths(lines: Sequence[str], mark: str) -> list[int]:
    reader = csv.reader(lines, delimiter=mark)
    try:
        return [len(row) for row in reader if row]
    except csv.Error:
        return []


def _evenness(widths: Sequence[int], records: bool) -> tuple[float, int]:
    """Share of lines as wide as the first, then the width; records differ in width, so only width counts there."""
    if not widths or max(widths) == 1:
        return (0.0, 0)
    share = 1.0 if records else sum(width == widths[0] for width in widths) / len(widths)
    return (share if widths[0] > 1 else 0.0, widths[0])


# What the report shows ----------------------------------------------------------------------------------------------


def shown_mark(columns: Iterable[Sequence[str]]) -> str:
    """Return the decimal mark of the columns that hold numbers: comma, point, none, or mixed."""
    numeric = (values for values in columns if values and _is_number(values[0]))
    marks = {
        mark
        for values in numeric
        if all(read_number(text, "," if "," in text else ".") is not None for text in values)
        for mark in decimal_marks(values)
    }
    return {"": "none", ",": "comma", ".": "point", ",.": "mixed"}["".join(sorted(marks))]


def _is_number(text: str) -> bool:
    return read_number(text, "," if "," in text else ".") is not None


def shown_dates(values: Sequence[str]) -> str:
    """Return the format of a column whose every filled cell is a date, `mixed` for several, "" for no dates."""
    if not values or not date_formats(values[:1]):
        return ""
    found = date_formats(values)
    if sum(found.values()) < len(values):
        return ""
    return next(iter(found)) if len(found) == 1 else "mixed"
