"""The headings of one source arrive; what belongs together leaves: weeks side by side, periods, totals, flags.

`Total_verzuimW1_unap` to `W10` is one measure over ten weeks; `VooroplNiveau_HAVO`, `VooroplNiveau_MBO`, … is one
category written as flags. Only columns whose cells fit are taken.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from node.assistant.reading import Sample
from node.assistant.words import letters, words
from node.sources.formats import read_boolean, read_number
from shared_schema import CodeList, Schema
from shared_schema.spellings import SPELLINGS

WEEK_WORDS = frozenset({"w", "wk", "week", "lesweek", "weeknr"})
PERIOD_WEEKS = {4: 10, 2: 20}
"""Periods in a school year of forty teaching weeks -> weeks of each."""
PERIOD_WORDS = frozenset({"periode", "period", "blok", "kwartaal", "term"})
_MEASURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("percent", ("pct", "percentage", "perc", "proc")),
    ("hours_absent_unauthorised", ("ongeoorloofd", "ongeo", "unap", "unauthor", "truan", "spijbel")),
    ("hours_absent_authorised", ("geoorloofd", "author", "=ap", "=geo")),
    ("hours_scheduled", ("rooster", "scheduled", "gepland", "ingepland")),
    ("hours_present", ("aanw", "present", "presence")),
    ("hours_absent", ("verzuim", "afwezig", "absen")),
    ("score", ("cijfer", "gemiddelde", "grade", "mark", "score")),
)
_NUMBERED = re.compile(r"(.*?)(?<![0-9])([0-9]{1,2})(?![0-9])(.*)", re.DOTALL)
FLAG_SHARE = 0.99
FEWEST_FLAGS = 3


@dataclass(frozen=True)
class Wide:
    """One measure over several weeks. template: heading with {week}; members: number -> heading.

    unit: `week`, `period`, `total` (through week n) or `""` where the numbers say nothing about time.
    """

    measure: str
    template: str
    unit: str
    members: Mapping[int, str]


@dataclass(frozen=True)
class Flags:
    """Flags that together are one category. members: heading -> code, None for `not known`; several: rows with two."""

    codes: str
    members: Mapping[str, str | None]
    several: float


def measure_of(heading: str) -> str:
    """Return what a heading measures by its words, or ""."""
    parts = words(heading)
    for measure, marks in _MEASURES:
        if any(mark[1:] in parts if mark[0] == "=" else any(mark in part for part in parts) for mark in marks):
            return measure
    return ""


def wide_families(sample: Sample) -> list[Wide]:
    """Return every measure that stands side by side over at least two numbers, in the order of the file."""
    groups: dict[str, dict[int, str]] = {}
    for heading in sample.headings:
        match = _NUMBERED.fullmatch(heading)
        if (
            match
            and heading not in sample.direct
            and not sample.shapes[heading].number < FLAG_SHARE * bool(sample.shapes[heading].distinct)
        ):
            groups.setdefault(f"{match[1]}{{week}}{match[3]}", {})[int(match[2])] = heading
    found = [_wide(template, members, sample) for template, members in groups.items() if len(members) > 1]
    return [one for one in found if one.measure and one.unit]


def _wide(template: str, members: Mapping[int, str], sample: Sample) -> Wide:
    ordered = dict(sorted(members.items()))
    numbers = list(ordered)
    parts = set(words(template.replace("{week}", " ")))
    unit = ""
    if parts & WEEK_WORDS and min(numbers) >= 1 and max(numbers) <= 52:
        unit = "week"
    elif parts & PERIOD_WORDS and numbers == list(range(1, len(numbers) + 1)):
        unit = "period"
    elif numbers != list(range(numbers[0], numbers[0] + len(numbers))) and _rises(list(ordered.values()), sample):
        unit = "total"
    return Wide(measure_of(template.replace("{week}", " ")), template, unit, ordered)


def _rises(headings: Sequence[str], sample: Sample) -> bool:
    """Whether in nearly every row no later total is smaller: totals through a week, not hours of a block."""
    rows = list(zip(*(sample.frame[name].str.strip() for name in headings), strict=True))
    full = [row for row in rows if all(row)]
    numbers = [[read_number(text.replace(",", ".")) for text in row] for row in full]
    good = sum(all(a is not None and b is not None and a <= b for a, b in itertools.pairwise(row)) for row in numbers)
    return measure_of(headings[0]) == "percent" or (bool(full) and good >= 0.95 * len(full))


# Flags ------------------------------------------------------------------------------------------------------------


def flag_groups(sample: Sample, schema: Schema) -> list[Flags]:
    """Return every group of at least three flags whose headings end in codes of one list."""
    binary = [name for name in sample.headings if name not in sample.direct and _is_flag(sample, name)]
    found: list[tuple[CodeList, dict[str, str | None]]] = []
    for codes in schema.codes.values():
        groups: dict[str, dict[str, str | None]] = {}
        for name in binary:
            for prefix, code in _code_at_end(name, codes):
                groups.setdefault(prefix, {})[name] = code
        best = max(groups.values(), key=len, default={})
        if len(set(best.values())) >= FEWEST_FLAGS:
            found.append((codes, best))
    kept = _without_overlap(found)
    taken = {name for _, members in kept for name in members}
    free = [name for name in binary if name not in taken]
    whole = [(codes, _with_unknown(members, codes, sample, free)) for codes, members in kept]
    return [Flags(codes.name, members, _several(sample, list(members))) for codes, members in whole]


def _is_flag(sample: Sample, name: str) -> bool:
    shape = sample.shapes[name]
    return shape.distinct in (1, 2) and shape.boolean >= FLAG_SHARE


def _code_at_end(name: str, codes: CodeList) -> Iterator[tuple[str, str]]:
    """The code that a heading ends in, and what stands before it; of several the longest."""
    spelled = {letters(code): code for code in codes}
    for family in SPELLINGS.get(codes.name, ()):
        spelled = {letters(word): code for word, code in family.items() if len(letters(word)) > 1} | spelled
    text = letters(name)
    ends = [word for word in spelled if word and text.endswith(word)]
    if ends:
        word = max(ends, key=len)
        yield text.removesuffix(word), spelled[word]


def _with_unknown(
    members: Mapping[str, str | None], codes: CodeList, sample: Sample, free: Sequence[str]
) -> dict[str, str | None]:
    """Add a flag for `not known` that stands beside the group."""
    places = [sample.headings.index(name) for name in members]
    around = [sample.headings[at] for at in (min(places) - 1, max(places) + 1) if 0 <= at < len(sample.headings)]
    unknown = [
        name
        for name in around
        if name in free and words(name)[-1:] and words(name)[-1] in ("nan", "onbekend", "unknown")
    ]
    return {**members, **dict.fromkeys(unknown, "nan" if "nan" in codes else None)}


def _several(sample: Sample, names: Sequence[str]) -> float:
    """Share of rows in which more than one flag is set."""
    total = sum(
        sample.frame[name].str.strip().map(lambda text: read_boolean(text) is True).astype(int) for name in names
    )
    return float((total > 1).mean())


def _without_overlap(
    groups: Sequence[tuple[CodeList, dict[str, str | None]]],
) -> list[tuple[CodeList, dict[str, str | None]]]:
    """A column belongs to the largest group only."""
    kept: list[tuple[CodeList, dict[str, str | None]]] = []
    for codes, members in sorted(groups, key=lambda one: -len(one[1])):
        if not any(set(members) & set(other) for _, other in kept):
            kept.append((codes, members))
    return kept
