"""A finding arrives; one self-contained HTML page per language leaves: no scripts, no requests."""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from experiments.reading import evidence, figures, palette, sentences
from experiments.reading.finding import Finding, read
from experiments.reading.flow import flow
from experiments.reading.text import LANGUAGES, Text

HERE = Path(__file__).parent
FILES: Mapping[str, str] = {"nl": "index.html", "en": "index.en.html"}
SECTIONS = ("numbers", "meaning", "figures", "privacy", "evidence", "limits", "glossary")
TERMS = (
    *("auc", "precision", "recall", "lift", "brier", "odds", "interval", "cohort"),
    *("epsilon", "delta", "rho", "noise", "pld", "ledger", "fg", "charter"),
)


@dataclass(frozen=True)
class Other:
    """The page in the other language."""

    language: str
    file: str


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
        _replace(folder / FILES[language], pages[language])
    return folder / FILES["nl"]


def _replace(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _page(finding: Finding, text: Text) -> str:
    language = "en" if text.language == "nl" else "nl"
    style = palette.stylesheet() + (HERE / "page.css").read_text("utf-8")
    return _template().render(
        finding=finding,
        t=text,
        n=text.numbers,
        language=text.language,
        other=Other(language, FILES[language]),
        style=Markup(style),
        policy=_policy(style),
        sections=SECTIONS,
        glossary=TERMS,
        **_content(finding, text),
    )


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


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _policy(style: str) -> str:
    """Return a policy that allows this one stylesheet and nothing else: no script, image, font or form."""
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
