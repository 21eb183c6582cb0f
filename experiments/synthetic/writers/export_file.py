"""Columns of one export arrive; a text file as a school's system would write it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Export = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Dialect:
    """How one system writes text files: separator, encoding, decimal mark, and order of a date's parts."""

    separator: str
    encoding: str
    decimal: str
    date: str  # "dd-mm-yyyy", "yyyy-mm-dd" or "yyyymmdd"


def write_csv(path: Path, columns: Export, dialect: Dialect) -> None:
    """Write a header and one line per row; empty cells are missing. Columns have one length."""
    cells = [texts(values, dialect) for values in columns.values()]
    write_lines(path, [list(columns), *zip(*cells, strict=True)], dialect)


def write_lines(path: Path, rows: Iterable[Iterable[str]], dialect: Dialect) -> None:
    """Write rows of ready texts, none of which may hold the separator."""
    lines = (dialect.separator.join(row) for row in rows)
    path.write_text("\r\n".join(lines) + "\r\n", encoding=dialect.encoding, newline="")


def texts(values: NDArray[Any], dialect: Dialect) -> list[str]:
    """Return each value as the dialect writes it: one decimal for floats, J/N for booleans, "" for missing."""
    match values.dtype.kind:
        case "f":
            return [_decimal(value, dialect.decimal) for value in values.tolist()]
        case "M":
            return [_date(text, dialect.date) for text in np.datetime_as_string(values, unit="D").tolist()]
        case "b":
            return ["J" if value else "N" for value in values.tolist()]
        case _:
            return [str(value) for value in values.tolist()]


def _decimal(value: float, mark: str) -> str:
    return "" if value != value else f"{value:.1f}".replace(".", mark)  # only NaN differs from itself


def _date(text: str, order: str) -> str:
    if text == "NaT":
        return ""
    year, month, day = text.split("-")
    return {"dd-mm-yyyy": f"{day}-{month}-{year}", "yyyymmdd": year + month + day}.get(order, text)
