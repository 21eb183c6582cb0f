"""Ratios arrive; what people read of them leaves: names, percentages, intervals, marks, bars and rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from experiments.reading.norms import Bar
from experiments.reading.sheet import Cell, Grid, Mark
from experiments.reading.words import Words, share
from shared_schema.indicators import RULES
from shared_schema.norms import LESS_IS_BETTER, SMALLEST_DENOMINATOR

if TYPE_CHECKING:
    from node.local.overview import Ratio

JUDGEMENTS: Mapping[str, Words] = MappingProxyType(
    {
        "hoog": Words("hoog", "high"),
        "voldoende": Words("voldoende", "sufficient"),
        "onvoldoende": Words("onvoldoende", "insufficient"),
        "": Words("geen norm", "no norm"),
    }
)
CHANCE = Words("onvoldoende, kan toeval zijn", "insufficient, may be chance")
TOO_FEW = Words(f"minder dan {SMALLEST_DENOMINATOR}", f"fewer than {SMALLEST_DENOMINATOR}")
NOT_SHOWN = Words("niet getoond", "not shown")
"""Of a group that is large enough, and would give away the only one that is not."""
UNKNOWN = Words("(onbekend)", "(unknown)")
BY: Mapping[str, Words] = MappingProxyType(
    {
        "school": Words("school", "school"),
        "team": Words("team", "team"),
        "college": Words("college", "college"),
        "crebo": Words("opleiding", "programme"),
        "niveau": Words("niveau", "level"),
        "leertraject": Words("leerweg", "track"),
        "sector": Words("sector", "sector"),
        "location": Words("locatie", "location"),
    }
)
HEADS = (
    "indicator", "groep", "segment", "niveau", "teller", "noemer", "waarde", "van", "tot", "norm", "hoog", "oordeel",
)  # fmt: skip
"""Columns of an exported table of indicators: flat, one row a figure, as PowerBI wants them."""


def title(name: str) -> Words:
    """The indicator's name in both languages."""
    told = RULES[name].title
    return Words(told.nl, told.en)


def group(one: Ratio) -> str | Words:
    """The group's name; of a part of a team also its niveau and segment."""
    return one.group or UNKNOWN


def label(one: Ratio, split: bool) -> str | Words:
    """A group with what tells it from the others of the same name."""
    parts = [f"N{one.niveau}"] if split and one.niveau is not None else []
    parts += [one.segment] if one.segment in ("OVO", "ODT") else []
    if not parts:
        return group(one)
    name = group(one)
    words = name if isinstance(name, Words) else Words.same(name)
    return Words(*(f"{words.pick(language)} · {' · '.join(parts)}" for language in ("nl", "en")))


def percentage(value: float | None) -> Words:
    """A share, or that it is not shown."""
    return TOO_FEW if value is None else share(value)


def between(low: float, high: float) -> Words:
    """An interval as two percentages."""
    return Words.of(lambda numbers: f"{numbers.share(low)}–{numbers.share(high)}")


def interval(one: Ratio) -> Words:
    """Wilson's interval, empty where the figure is not shown."""
    return between(*one.interval) if one.interval else Words.same("")


def norm(one: Ratio) -> Words:
    """The norm with its direction, empty without one."""
    if one.norm is None:
        return Words.same("")
    sign = "≤" if one.indicator in LESS_IS_BETTER else "≥"
    return Words.of(lambda numbers: f"{sign}\N{NO-BREAK SPACE}{numbers.share(one.norm or 0.0)}")


def judgement(one: Ratio) -> Cell:
    """The judgement with its tone; a warning says that chance alone could make it insufficient."""
    if not one.shown:
        return Words.same("")
    words = CHANCE if one.tone == "warn" else JUDGEMENTS[one.judgement]
    return Mark(words, one.tone) if one.tone else words


def bar(one: Ratio, split: bool) -> Bar:
    """The ratio as a bar with its norm and interval."""
    low, high = one.interval or (None, None)
    tone = one.tone or "one"
    return Bar(label(one, split), one.value, one.norm, low, high, tone)


def grid(ratios: Iterable[Ratio], by: str, split: bool) -> Grid:
    """A table of one indicator: group, students, value, interval, norm, judgement."""
    head = (
        BY[by],
        Words("studenten", "students"),
        Words("waarde", "value"),
        Words("95%-interval", "95% interval"),
        Words("norm", "norm"),
        Words("oordeel", "judgement"),
    )
    return Grid(head, tuple(_row(one, split) for one in ratios))


def _row(one: Ratio, split: bool) -> tuple[Cell, ...]:
    students: Cell = one.denominator if one.shown else TOO_FEW if one.small else NOT_SHOWN
    value = share(one.value) if one.value is not None else Words.same("–")
    return label(one, split), students, value, interval(one), norm(one), judgement(one)


def flat(ratios: Iterable[Ratio]) -> list[tuple[str | int | float | None, ...]]:
    """Rows of an export under `HEADS`; what is not shown on the page is not in the export either."""
    return [
        (
            one.indicator,
            one.group,
            one.segment,
            one.niveau,
            one.numerator if one.shown else None,
            one.denominator if one.shown else None,
            one.value,
            *(one.interval or (None, None)),
            one.norm,
            one.high,
            one.judgement if one.shown else f"<{SMALLEST_DENOMINATOR}" if one.small else NOT_SHOWN.nl,
        )
        for one in ratios
    ]


def plain(one: Ratio) -> Mapping[str, object]:
    """The ratio for machines."""
    return {**dict(zip(HEADS, flat([one])[0], strict=True)), "getoond": one.shown}
