"""A text in two languages, or a number, arrives; what a Dutch or an English reader reads leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from experiments.reading.numbers import Numbers

DUTCH, ENGLISH = Numbers("nl"), Numbers("en")


@dataclass(frozen=True)
class Words:
    """One text in Dutch and in English. It is text: whatever it holds, a page shows it letter by letter."""

    nl: str
    en: str

    def pick(self, language: str) -> str:
        """Return the text in `language`."""
        return self.nl if language == "nl" else self.en

    @classmethod
    def same(cls, text: str) -> Words:
        """Return a text that reads alike in both languages: a name, a code."""
        return cls(text, text)

    @classmethod
    def of(cls, write: Callable[[Numbers], str]) -> Words:
        """Return what `write` makes of each language's way of writing numbers."""
        return cls(write(DUTCH), write(ENGLISH))

    def filled(self, **values: object) -> Words:
        """Return the text with its {places} filled in; a value that is Words gives each language its own."""
        return Words(*(self._filled(language, values) for language in ("nl", "en")))

    def _filled(self, language: str, values: dict[str, object]) -> str:
        chosen = {name: value.pick(language) if isinstance(value, Words) else value for name, value in values.items()}
        return self.pick(language).format_map(chosen)


def whole(value: float) -> Words:
    """A whole number, its thousands grouped: 12.345 and 12,345."""
    return Words.of(lambda numbers: numbers.whole(value))


def decimal(value: float, digits: int = 1) -> Words:
    """A number with `digits` decimals: 7,4 and 7.4."""
    return Words.of(lambda numbers: numbers.decimal(value, digits))


def share(value: float) -> Words:
    """A share between 0 and 1 as a percentage, with one decimal only where a whole number would mislead."""
    return Words.of(lambda numbers: numbers.share(value))


def day(value: date) -> Words:
    """A day: 22 november 2026 and 22 November 2026."""
    moment = datetime(value.year, value.month, value.day)
    return Words.of(lambda numbers: numbers.day(moment))


def joined(items: list[str]) -> Words:
    """Names in a row: "a, b en c" and "a, b and c"."""
    return Words.of(lambda numbers: numbers.joined(items))
