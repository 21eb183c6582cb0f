"""A finding arrives; one self-contained HTML page per language leaves: no scripts, no requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.reading import evidence, figures, palette, sentences
from experiments.reading.audit_words import tried
from experiments.reading.finding import Finding, read
from experiments.reading.flow import flow
from experiments.reading.shell import HERE, Other, filled, replace
from experiments.reading.text import LANGUAGES, Text

FILES: Mapping[str, str] = {"nl": "index.html", "en": "index.en.html"}
SECTIONS = ("numbers", "meaning", "figures", "privacy", "evidence", "limits", "glossary")
TERMS = (
    *("auc", "precision", "recall", "lift", "brier", "odds", "interval", "cohort"),
    *("epsilon", "lower", "delta", "rho", "noise", "pld", "ledger", "fg", "charter"),
)


@dataclass(frozen=True)
class Fact:
    """One line of about whom the finding speaks."""

    term: str
    text: str
    wide: bool = False


def render(finding: Mapping[str, Any], language: str) -> str:
    """Return the whole page in `language` ("nl" or "en").

    Everything from the finding is escaped; equal input gives equal bytes.

    Raises
    ------
    FindingError: the finding does not have the shape of version 1 or contradicts itself.
    CatalogueError: another language.
    """
    return _page(read(finding), Text.of(language))


def write(finding: Mapping[str, Any], folder: Path) -> Path:
    """Write the Dutch page (index.html) and the English one (index.en.html); return the Dutch page's path.

    Each file appears whole or not at all: it is written beside its place and then renamed. Both
    pages are made before either is written, so a finding that is refused leaves the folder as it was.
    """
    pages = {language: render(finding, language) for language in LANGUAGES}
    folder.mkdir(parents=True, exist_ok=True)
    for language in reversed(LANGUAGES):
        replace(folder / FILES[language], pages[language])
    return folder / FILES["nl"]


def _page(finding: Finding, text: Text) -> str:
    language = "en" if text.language == "nl" else "nl"
    style = palette.stylesheet() + (HERE / "page.css").read_text("utf-8")
    content = {
        "finding": finding,
        "t": text,
        "n": text.numbers,
        "language": text.language,
        "other": Other(language, FILES[language]),
        "sections": SECTIONS,
        "glossary": TERMS,
    }
    return filled("page.html.j2", style, content | _content(finding, text))


def _content(finding: Finding, text: Text) -> dict[str, object]:
    limits = [limit.pick(text.language) for limit in finding.limits]
    return {
        "answer": sentences.answer(finding, text),
        "keys": sentences.key_numbers(finding, text),
        "facts": _facts(finding, text),
        "schools": [school.name for school in finding.population.schools],
        "reading": sentences.reading(finding, text),
        "noise": sentences.noise(finding, text),
        "outcome": sentences.outcome(finding, text),
        "quality": figures.quality(finding, text),
        "price_figures": figures.price(finding, text),
        "flow": flow(finding, text),
        "price": evidence.price(finding, text),
        "tried": tried(finding, text),
        "proof": evidence.proof(finding, text),
        "limits": [*limits, text("limits.fixed")],
    }


def _facts(finding: Finding, text: Text) -> tuple[Fact, ...]:
    people, week = finding.population, finding.cutoff_week
    sizes = [("students", people.students), ("held_out", people.held_out)]
    return (
        Fact(text("fact.schools"), str(len(people.schools))),
        Fact(text("fact.cohorts"), text.numbers.joined([str(cohort) for cohort in people.cohorts])),
        *(Fact(text(f"fact.{name}"), text.numbers.whole(size.value)) for name, size in sizes if size),
        Fact(text("fact.moment"), text("fact.moment.week", week=week) if week else text("fact.moment.start")),
        Fact(text("fact.purpose"), finding.purpose.pick(text.language), wide=True),
    )
