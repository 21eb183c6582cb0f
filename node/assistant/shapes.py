"""The cells of one column arrive; what they look like leaves: shares and public words, never a cell.

A `Shape` says how many cells read as a date, number, truth value, crebo, postcode, and how many different cells are
codes of a list of the schema. What it shows are words of the vocabulary; the cells themselves it only counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.sources.formats import date_formats, decimal_marks, read_boolean, read_date, read_number, read_whole
from shared_schema import CodeList
from shared_schema.spellings import MISSING_WORDS, OUTCOME_WORDS, SPELLINGS

if TYPE_CHECKING:
    import pandas as pd

_CREBO = re.compile(r"[0-9]{5}")
_POSTCODE = re.compile(r"[1-9][0-9]{3}(?:\s?[A-Za-z]{2})?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_YEARS = re.compile(r"((?:19|20)[0-9]{2})\s?[-/]\s?(?:(?:19|20)?[0-9]{2})")
_NINE = re.compile(r"[0-9]{9}")
STYLES: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper, str.capitalize, str.title)


@dataclass(frozen=True)
class Coded:
    """How far a column's cells are codes of one list.

    share: of the different cells, those that are known; rows: the same share of filled cells; others: different
    cells that are not known; recode: word -> code, whole families of the vocabulary; plain: the cells are the codes
    themselves, so that nothing needs recoding.
    """

    share: float
    rows: float
    others: int
    recode: Mapping[str, str | bool | None]
    plain: bool


@dataclass(frozen=True)
class Shape:
    """What the cells of one column look like. Shares are of filled cells, 0 to 1; distinct counts different cells."""

    rows: int
    filled: float
    distinct: int
    missing_words: tuple[str, ...] = ()
    date: float = 0.0
    date_form: str = ""
    whole: float = 0.0
    number: float = 0.0
    mark: str = ""
    boolean: float = 0.0
    true_words: tuple[str, ...] = ()
    crebo: float = 0.0
    postcode: float = 0.0
    postcode_letters: bool = False
    year: float = 0.0
    school_year: float = 0.0
    nine: float = 0.0
    coded: Mapping[str, Coded] = field(default_factory=dict)
    outcome: Coded | None = None
    counts: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def empty(self) -> bool:
        """No filled cell in what was read."""
        return self.distinct == 0

    def within(self, low: float, high: float) -> float:
        """Share of filled cells that are a number from `low` to `high`."""
        mark = self.mark or "."
        return _share(self.counts, lambda text: (n := read_number(text, mark)) is not None and low <= n <= high)

    def listed(self, texts: Iterable[str]) -> float:
        """Share of filled cells that are one of these texts."""
        known = set(texts)
        return _share(self.counts, known.__contains__)

    def matching(self, pattern: str) -> float:
        """Share of filled cells that match a column's pattern whole."""
        compiled = re.compile(pattern)
        return _share(self.counts, lambda text: bool(compiled.fullmatch(text)))


def shape_of(cells: pd.Series, lists: Mapping[str, CodeList]) -> Shape:
    """Return the shape of a column of text; words that stand for an empty cell are left out and named."""
    stripped = cells.str.strip()
    counted = {str(text): int(number) for text, number in stripped[stripped != ""].value_counts().items()}
    gone = tuple(word for word in MISSING_WORDS if word in counted and not _is_code(word, lists))
    counts = {text: number for text, number in counted.items() if text not in gone}
    filled = sum(counts.values()) / len(cells) if len(cells) else 0.0
    if not counts:
        return Shape(len(cells), filled, 0, gone)
    texts = list(counts)
    forms = date_formats(texts)
    form = next(iter(forms)) if len(forms) == 1 else "mixed" if forms else ""
    marks = decimal_marks(texts)
    mark = next(iter(marks)) if len(marks) == 1 else "mixed" if marks else "."
    return Shape(
        rows=len(cells),
        filled=filled,
        distinct=len(counts),
        missing_words=gone,
        date=_share(counts, lambda text: any(read_date(text, one) for one in forms)),
        date_form=form,
        whole=_share(counts, lambda text: read_whole(text) is not None),
        number=_share(counts, lambda text: read_number(text, "," if "," in text else ".") is not None),
        mark=mark,
        boolean=_share(counts, lambda text: read_boolean(text) is not None),
        true_words=tuple(text for text in texts if read_boolean(text) is True),
        crebo=_share(counts, lambda text: bool(_CREBO.fullmatch(text))),
        postcode=_share(counts, lambda text: bool(_POSTCODE.fullmatch(text))),
        postcode_letters=any(_POSTCODE.fullmatch(text) and text[-1].isalpha() for text in texts),
        year=_share(counts, lambda text: bool(_YEAR.fullmatch(text))),
        school_year=_share(counts, lambda text: bool(_YEARS.fullmatch(text))),
        nine=_share(counts, lambda text: bool(_NINE.fullmatch(text))),
        coded={name: found for name, codes in lists.items() if (found := _coded(counts, codes))},
        outcome=_outcome(counts),
        counts=counts,
    )


def _share(counts: Mapping[str, int], holds: Callable[[str], bool]) -> float:
    total = sum(counts.values())
    return sum(number for text, number in counts.items() if holds(text)) / total if total else 0.0


def _is_code(word: str, lists: Mapping[str, CodeList]) -> bool:
    return any(word in codes for codes in lists.values()) and word != "nan"


# Codes ------------------------------------------------------------------------------------------------------------


def _families(codes: CodeList) -> list[Mapping[str, str]]:
    labels = {label.nl: code for code, label in codes.labels.items()}
    english = {label.en: code for code, label in codes.labels.items()}
    return [{code: code for code in codes}, *SPELLINGS.get(codes.name, ()), labels, english]


def _styled(family: Mapping[str, str | bool | None]) -> list[dict[str, str | bool | None]]:
    """A family in every style of capitals; of words that become the same the first counts."""
    styled: list[dict[str, str | bool | None]] = []
    for style in STYLES:
        words: dict[str, str | bool | None] = {}
        for word, code in family.items():
            words.setdefault(style(word), code)
        styled.append(words)
    return styled


def _coded(counts: Mapping[str, int], codes: CodeList) -> Coded | None:
    return _by_families(counts, [styled for family in _families(codes) for styled in _styled(family)], set(codes))


def _outcome(counts: Mapping[str, int]) -> Coded | None:
    found = _by_families(counts, [styled for family in OUTCOME_WORDS for styled in _styled(family)], set())
    return found if found and found.share == 1.0 else None


def _by_families(
    counts: Mapping[str, int], families: Sequence[Mapping[str, str | bool | None]], plain: set[str]
) -> Coded | None:
    """Fewest whole families that together know the most cells, taken greedily; the first of equals."""
    left, chosen = set(counts), dict[str, str | bool | None]()
    while left:
        best = max(families, key=lambda family: len(left & set(family)))
        known = left & set(best)
        if not known:
            break
        chosen = {**best, **chosen}
        left -= known
    if not chosen:
        return None
    rows = 1 - sum(counts[text] for text in left) / sum(counts.values())
    share = (len(counts) - len(left)) / len(counts)
    return Coded(share, rows, len(left), chosen, plain=set(counts) - left <= plain)
