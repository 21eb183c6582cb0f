"""Text cells arrive; dates, numbers and truth values leave. What fits no format becomes missing and is countable.

Everything is read as text first, so no leading zero is lost. Each distinct text is converted once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from node.column_rules import DateFormat

if TYPE_CHECKING:
    import pandas as pd

_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_DATES: Mapping[DateFormat, tuple[re.Pattern[str], tuple[int, int, int]]] = MappingProxyType(
    {
        "dd-mm-yyyy": (re.compile(rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_TIME}", re.ASCII), (3, 2, 1)),
        "yyyy-mm-dd": (re.compile(rf"(\d{{4}})[-/](\d{{1,2}})[-/](\d{{1,2}}){_TIME}", re.ASCII), (1, 2, 3)),
        "yyyymmdd": (re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII), (1, 2, 3)),
        "yyyymm": (re.compile(r"(\d{4})(\d{2})()", re.ASCII), (1, 2, 3)),  # the first day of the month
    }
)
_RECOGNISED: tuple[DateFormat, ...] = ("dd-mm-yyyy", "yyyy-mm-dd", "yyyymmdd")
"""Formats that a column is seen to have; six digits may be anything: a month is read only where a mapping says so."""
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:([.,])\d{1,15})?", re.ASCII)
_WHOLE = re.compile(r"([+-]?\d{1,15})(?:[.,]0{1,2})?", re.ASCII)  # not 1.000, which may be a thousand
_TRUE = frozenset({"1", "1.0", "1,0", "true", "waar", "ja", "j", "yes", "y", "x"})
_FALSE = frozenset({"0", "0.0", "0,0", "false", "onwaar", "nee", "n", "no"})
FIRST_YEAR, LAST_YEAR = 1900, 3000  # 3000-01-01 stands for "current" in CAMBO


def read_date(text: str, form: DateFormat) -> dt.datetime | None:
    """Return the day that `text` names in this format (a time of day is dropped), or None."""
    pattern, order = _DATES[form]
    if not (match := pattern.fullmatch(text)):
        return None
    year, month, day = (int(match.group(index) or 1) for index in order)
    try:
        return dt.datetime(year, month, day) if FIRST_YEAR <= year <= LAST_YEAR else None
    except ValueError:  # 31 February
        return None


def date_formats(texts: Iterable[str]) -> Counter[DateFormat]:
    """Count how many of the texts are a date, by format; the formats exclude each other."""
    found: Counter[DateFormat] = Counter()
    for text in texts:
        found.update(form for form in _RECOGNISED if read_date(text, form) is not None)
    return found


def decimal_marks(texts: Iterable[str]) -> Counter[str]:
    """Count how many of the texts are a number with a decimal mark, by mark."""
    matches = (_NUMBER.fullmatch(text) for text in texts)
    return Counter(match.group(1) for match in matches if match and match.group(1))


def read_number(text: str, mark: str = ".") -> float | None:
    """Return the number that `text` writes with this decimal mark, or None; no exponent, infinity or NaN."""
    match = _NUMBER.fullmatch(text)
    if not match or match.group(1) not in (None, mark):
        return None
    return float(text.replace(mark, "."))


def read_whole(text: str) -> int | None:
    """Return the whole number that `text` writes (`12`, `12.0` or `12,0`), or None."""
    match = _WHOLE.fullmatch(text)
    return int(match.group(1)) if match else None


def read_boolean(text: str) -> bool | None:
    """Return what a Dutch or English yes or no means, or None."""
    folded = text.casefold()
    return True if folded in _TRUE else False if folded in _FALSE else None


def cell_text(value: Any) -> str:
    """Return what a typed cell (of a workbook or a Parquet file) says, as a text export would write it.

    A whole number loses the `.0` that some systems keep it with, a day has no time of day, true is 1, missing is "".
    """
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case float():
            return _float_text(value)
        case dt.datetime():
            return value.strftime("%Y-%m-%d") if value.time() == dt.time() else value.isoformat(sep=" ")
        case Decimal():
            return _without_zeros(format(value, "f"))
        case _:
            return str(value).strip()


def _float_text(value: float) -> str:
    if value != value:
        return ""  # not a number is how pandas writes a missing one
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _without_zeros(text: str) -> str:
    """2.50 is 2.5 and 3.00 is 3: how many digits a file keeps says nothing about the value."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def per_distinct(texts: pd.Series, convert: Callable[[str], Any], dtype: str) -> pd.Series:
    """Apply `convert` once to each distinct text; missing stays missing. Result: same index, the given dtype."""
    import numpy as np
    import pandas as pd

    codes, distinct = pd.factorize(texts)
    values = np.empty(len(distinct) + 1, dtype=object)  # the last one answers code -1: missing
    values[:-1] = [convert(text) for text in distinct.tolist()]
    return pd.Series(pd.array(values[codes].tolist(), dtype=dtype), index=texts.index)


def distinct_texts(texts: pd.Series, limit: int | None = None) -> list[str]:
    """Return the different filled texts of a column, of its first `limit` rows if given."""
    head = texts if limit is None else texts.iloc[:limit]
    return [stripped for text in head.dropna().unique() if (stripped := text.strip())]
