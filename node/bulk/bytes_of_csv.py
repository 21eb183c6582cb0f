"""Arrives: a file. Leaves: whether its cells can be told apart in one way only, and how many lines it has.

Two programs may read one CSV file differently: at a quote after a space, at a lone carriage return, at line ends of
two kinds. Files in which none of these stands are read by DuckDB; all others are walked by Python's csv module, as
small files are. So both ways of reading give the same cells, because they are never asked where they would differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
FEED = ord("\n")
ZIP = b"PK\x03\x04"  # a workbook or archive under another name
AMBIGUOUS = (b' "', b'" ', b'\t"', b'"\t')


@dataclass(frozen=True)
class Bytes:
    """plain: no two readings are possible; quotes: whether a quote stands in it; lines: how many there are."""

    plain: bool
    quotes: bool
    lines: int


def look_at(path: Path, separator: str) -> Bytes:
    """Read the file once as bytes."""
    import numpy as np

    quotes, ambiguous, returns, feeds, both, before = False, False, 0, 0, 0, b"\n"
    doubtful = [mark for mark in AMBIGUOUS if not separator or separator.encode() not in mark]
    with path.open("rb") as file:
        ambiguous = file.read(len(ZIP)) == ZIP
        file.seek(0)
        while chunk := file.read(CHUNK):
            seam = before[-1:] + chunk
            quotes = quotes or b'"' in chunk
            ambiguous = ambiguous or b"\0" in chunk or (quotes and any(mark in seam for mark in doubtful))
            feeds += int(np.count_nonzero(np.frombuffer(chunk, dtype=np.uint8) == FEED))
            if b"\r" in chunk or before[-1:] == b"\r":
                returns, both = returns + chunk.count(b"\r"), both + seam.count(b"\r\n")
            before = chunk
    uniform = returns in (0, feeds) and both == returns
    return Bytes(uniform and not ambiguous, quotes, feeds + (before[-1:] != b"\n"))
