"""Arrives: the stored report of a delivery. Leaves: verdict, findings in the order in which to act, questions.

Text, page and JSON are drawn from the one `Overview`, so that they cannot say different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.catalogue.questions import Question, Service, load_questions, served
from experiments.reading.words import Words, whole
from node.quality.finding import Finding, Severity
from node.quality.notes import of_notes
from node.quality.numbers import NO_YEAR, Numbers
from node.quality.thresholds import DECLARED
from shared_schema import Schema

FIRST_STEPS = 5


@dataclass(frozen=True)
class Ranked:
    """A finding, and the numbers of the questions that use what it is about."""

    finding: Finding
    questions: tuple[int, ...]

    def plain(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**self.finding.plain(), "questions": list(self.questions)}


@dataclass(frozen=True)
class Overview:
    """What a person has to know of a delivery. numbers: None for a report from before they were kept."""

    report: Mapping[str, Any]
    findings: tuple[Ranked, ...]
    services: tuple[Service, ...]
    numbers: Numbers | None

    @property
    def verdict(self) -> str:
        """The report's own: pass, warn or fail."""
        return str(self.report["verdict"])

    @property
    def to_act_on(self) -> tuple[Ranked, ...]:
        """Findings that are more than good to know."""
        return tuple(ranked for ranked in self.findings if ranked.finding.severity is not Severity.NOTE)

    @property
    def students(self) -> int:
        """Students in all tables together, as far as the report knows."""
        own = max((table["students"] for table in self.report["tables"]), default=0)
        return self.numbers.students if self.numbers else own

    def of(self, verdict: str) -> tuple[Service, ...]:
        """The questions with one verdict: yes, extension, public or no."""
        return tuple(service for service in self.services if service.verdict == verdict)


def overview(report: Mapping[str, Any], schema: Schema) -> Overview:
    """Return the overview of a report (`Quality.plain()`, or the stored copy of it)."""
    questions = load_questions(schema)
    findings = [*of_notes(report["tables"]), *map(Finding.of_plain, report.get("findings", ()))]
    ranked = [Ranked(finding, _touched(finding, questions)) for finding in findings]
    order = list(Severity)[::-1]
    ranked.sort(key=lambda one: (order.index(one.finding.severity), -len(one.questions), one.finding.place))
    services = served(present(report), schema)
    return Overview(report, tuple(ranked), services, Numbers.of_plain(report.get("numbers")))


def present(report: Mapping[str, Any]) -> frozenset[str]:
    """Return `table.column` of every column with at least one filled cell."""
    return frozenset(
        f"{table['table']}.{name}"
        for table in report["tables"]
        for name, share in table["coverage"].items()
        if share > 0
    )


def _touched(finding: Finding, questions: Iterable[Question]) -> tuple[int, ...]:
    """The questions that need the finding's column, or any column of its table."""
    if not finding.table:
        return ()
    start = finding.place if finding.column else f"{finding.table}."
    return tuple(
        question.number
        for question in questions
        if any(name == start or (not finding.column and name.startswith(start)) for name in question.columns)
    )


def verdict_in_words(seen: Overview) -> Words:
    """The verdict as a sentence, with how much there is to look at."""
    grave = sum(ranked.finding.severity is Severity.FAIL for ranked in seen.findings)
    kept = seen.report.get("stored", seen.verdict != Severity.FAIL)
    sentence = _VERDICTS[seen.verdict] if kept else _NOT_STORED
    notes = len(seen.to_act_on)
    return sentence.filled(
        faults=_ONE_FAULT if grave == 1 else _FAULTS.filled(n=whole(grave)),
        notes=_ONE_NOTE if notes == 1 else _NOTES.filled(n=whole(notes)),
    )


def first_steps(seen: Overview) -> tuple[Words, ...]:
    """What to do first: the remedies of the gravest findings, those that touch most questions first, each once."""
    steps: dict[Words, list[str]] = {}
    for ranked in seen.to_act_on:
        steps.setdefault(ranked.finding.remedy, []).append(ranked.finding.place)
    return tuple(_step(remedy, places) for remedy, places in list(steps.items())[:FIRST_STEPS])


def _step(remedy: Words, places: list[str]) -> Words:
    named = list(dict.fromkeys(place for place in places if place))
    shown = ", ".join(named[:3]) + (", …" if len(named) > 3 else "")
    return Words(*(f"{shown}: {text}" if shown else text for text in (remedy.nl, remedy.en)))


def plain(seen: Overview) -> dict[str, Any]:
    """Everything for machines: the report, every finding ranked, filled shares by year, and the forty questions.

    Distributions stay in the store: they hold cells of a few students.
    """
    kept = {name: value for name, value in seen.report.items() if name not in ("numbers", "findings")}
    return {
        "quality": kept,
        "findings": [ranked.plain() for ranked in seen.findings],
        "first_steps": [vars(step) for step in first_steps(seen)],
        "years": _years(seen.numbers) if seen.numbers else {},
        "questions": [vars(service) for service in seen.services],
    }


def _years(numbers: Numbers) -> dict[str, Any]:
    """table -> school year -> rows, students and filled shares; a year with few students is left out."""
    return {
        table: {
            year: {
                "rows": one.rows,
                "students": one.students,
                "coverage": {name: round(filled / one.rows, 4) for name, filled in one.filled.items()},
            }
            for year, one in found.years.items()
            if year != NO_YEAR and one.students >= DECLARED.few
        }
        for table, found in numbers.tables.items()
    }


_ONE_FAULT, _FAULTS = Words("1 fout", "1 fault"), Words("{n} fouten", "{n} faults")
_ONE_NOTE, _NOTES = Words("1 melding", "1 note"), Words("{n} meldingen", "{n} notes")
_VERDICTS = {
    "pass": Words("De data zijn bruikbaar zoals zij zijn.", "The data are usable as they are."),
    "warn": Words("De data zijn bruikbaar; kijk eerst naar {notes}.", "The data are usable; look at {notes} first."),
    "fail": Words(
        "De data zijn nog niet bruikbaar: los eerst {faults} op.",
        "The data are not usable yet: mend {faults} first.",
    ),
}
_NOT_STORED = Words(
    "De levering is niet bruikbaar en niet bewaard: los eerst {faults} op.",
    "The delivery is not usable and was not stored: mend {faults} first.",
)
