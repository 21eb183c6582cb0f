"""Arrives: the columns that a school's data fill. Leaves: which of the forty questions they can serve, and what lacks.

The list is `questions.yaml` beside this module; a question that names a column the schema does not have is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from shared_schema import Schema, documents
from shared_schema.documents import Bilingual, StrictModel

FILE = Path(__file__).with_name("questions.yaml")


class Question(StrictModel):
    """One question: what it asks, how it would be released, and the `table.column` names it needs."""

    number: int = Field(ge=1)
    title: Bilingual
    release: str
    needs: list[str] = Field(default_factory=list)
    one_of: list[list[str]] = Field(default_factory=list)
    beyond: Bilingual | None = None
    public: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Every `table.column` that serves this question."""
        return (*self.needs, *(name for names in self.one_of for name in names))


class Catalogue(StrictModel):
    """Every question, by number from 1."""

    questions: Literal[1]
    items: list[Question]


@dataclass(frozen=True)
class Service:
    """Whether a school's data can serve one question.

    verdict: `yes`; `no` (columns lack); `extension` (the columns are there, and the coalition still has to declare what
    the shared schema does not hold); `public` (no rows of a school are needed). release: the types of release of
    `questions.yaml`. lacking: names, alternatives with `or`. beyond: what an extension has to declare.
    """

    number: int
    title_nl: str
    title_en: str
    verdict: Literal["yes", "no", "extension", "public"]
    lacking: tuple[str, ...]
    release: str = ""
    beyond_nl: str = ""
    beyond_en: str = ""


def load_questions(schema: Schema) -> tuple[Question, ...]:
    """Return the questions in order. Raises UnknownTable or UnknownColumn for a column that the schema lacks."""
    items = documents.read(FILE, Catalogue).items
    for question in items:
        for name in question.columns:
            table, _, column = name.partition(".")
            schema.column(table, column)
    return tuple(sorted(items, key=lambda question: question.number))


def served(present: Collection[str], schema: Schema) -> tuple[Service, ...]:
    """Say of every question whether the columns `present` (`table.column`, with at least one filled cell) serve it."""
    return tuple(_service(question, present) for question in load_questions(schema))


def _service(question: Question, present: Collection[str]) -> Service:
    lacking = [name for name in question.needs if name not in present]
    lacking += [" or ".join(names) for names in question.one_of if not set(names) & set(present)]
    verdict: Literal["yes", "no", "extension", "public"] = "no" if lacking else "yes"
    if question.public:
        verdict = "public"
    elif not lacking and question.beyond is not None:
        verdict = "extension"
    beyond = (question.beyond.nl, question.beyond.en) if question.beyond else ("", "")
    title = question.title
    return Service(question.number, title.nl, title.en, verdict, tuple(lacking), question.release, *beyond)
