"""A language arrives; every sentence of the page in that language leaves (the catalogue is text.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

import yaml

from experiments.reading.errors import CatalogueError
from experiments.reading.numbers import Numbers

Language = Literal["nl", "en"]
LANGUAGES: tuple[Language, ...] = ("nl", "en")
CATALOGUE = Path(__file__).with_name("text.yaml")


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return key -> {"nl": text, "en": text}; read once, since it is part of the program.

    Raises
    ------
    CatalogueError: a key without exactly both languages, or with an empty text.
    """
    entries = yaml.safe_load(CATALOGUE.read_text("utf-8"))
    for key, entry in entries.items():
        if set(entry) != set(LANGUAGES) or not all(isinstance(v, str) and v.strip() for v in entry.values()):
            raise CatalogueError("every text stands in Dutch and in English", key, "write both languages in text.yaml")
    return cast("Mapping[str, Mapping[str, str]]", entries)


@dataclass(frozen=True)
class Text:
    """The catalogue in one language, with that language's way of writing numbers."""

    language: Language
    texts: Mapping[str, str]
    numbers: Numbers

    @classmethod
    def of(cls, language: str) -> "Text":
        """Return the texts of `language`: "nl" or "en".

        Raises
        ------
        CatalogueError: another language.
        """
        if language not in LANGUAGES:
            raise CatalogueError("a page is Dutch or English", repr(language)[:20], "ask for 'nl' or 'en'")
        texts = {key: entry[language] for key, entry in catalogue().items()}
        return cls(language, texts, Numbers(language))

    def __call__(self, key: str, **values: object) -> str:
        """Return the text under `key` with its {places} filled in; values are inserted as plain text.

        Raises
        ------
        CatalogueError: no such text, or a place that nobody fills.
        """
        try:
            return self.texts[key].format_map(values)
        except KeyError as error:
            raise CatalogueError("every text and each of its places exist", str(error), f"mend {key}") from None

    def known(self, family: str, code: str) -> str:
        """Return the text of `family.code`, or the code itself where the catalogue has no words for it."""
        return self.texts.get(f"{family}.{code}", code)
