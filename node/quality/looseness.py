"""Arrives: counts of rows that point nowhere and of lines that stand in a file twice. Leaves: findings about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from experiments.reading.words import Words, share
from node.quality.finding import Finding, Severity, rows_in_words
from node.quality.links import Loose
from node.quality.thresholds import DECLARED, Thresholds

LOOKS_BACK = frozenset({"diploma"})


def of_loose(loose: Iterable[Loose], tolerance: float) -> Iterator[Finding]:
    """A finding for every kind of loose row; grave where there are more than the mapping tolerates.

    Diplomas look back five years, at students who may be long gone: those are never grave.
    """
    for one in loose:
        part = one.rows / one.of
        severity = Severity.FAIL if part > tolerance and one.table not in LOOKS_BACK else Severity.WARN
        text, meaning, remedy = _LOOSE[one.rule]
        about = rows_in_words(one.rows)
        yield Finding(one.rule, severity, one.table, one.column, text.filled(rows=about), meaning, remedy)


def of_identical(identical: Mapping[str, tuple[int, int]], least: Thresholds = DECLARED) -> Iterator[Finding]:
    """A finding for every source in which lines stand twice; identical: source -> (surplus lines, all lines)."""
    for source, (surplus, lines) in identical.items():
        if surplus >= max(1.0, least.identical * lines):
            text = _TWICE.filled(source=source, part=share(round(surplus / lines, 2)))
            yield Finding("identical_lines", Severity.WARN, "", source, text, _TWICE_MEANING, _TWICE_REMEDY)


_SELECTION = Words(
    "Neem in elke export dezelfde studenten en cohorten op; controleer of het studentnummer overal gelijk is "
    "geschreven.",
    "Select the same students and cohorts in every export; check that the student number is written alike everywhere.",
)
_LOOSE = {
    "unknown_student": (
        Words(
            "{rows} rijen gaan over een student die bij personen noch inschrijvingen staat.",
            "{rows} rows are about a student who is neither among persons nor enrolments.",
        ),
        Words(
            "Deze rijen tellen nergens mee; wie wel een inschrijving heeft, kan rijen missen.",
            "These rows count nowhere; who does have an enrolment may lack rows.",
        ),
        _SELECTION,
    ),
    "without_enrolment": (
        Words("{rows} personen zonder inschrijving.", "{rows} persons without an enrolment."),
        Words(
            "Zonder inschrijving hoort een student bij geen cohort en telt niet mee.",
            "Without an enrolment a student belongs to no cohort and does not count.",
        ),
        _SELECTION,
    ),
    "without_person": (
        Words("{rows} inschrijvingen zonder persoon.", "{rows} enrolments without a person."),
        Words(
            "Van deze studenten zijn geslacht, vooropleiding en wijk onbekend.",
            "Gender, prior education and area of these students are unknown.",
        ),
        _SELECTION,
    ),
    "unknown_enrolment": (
        Words(
            "{rows} rijen horen bij een inschrijving die deze student niet heeft.",
            "{rows} rows belong to an enrolment that the student does not have.",
        ),
        Words(
            "Niveau, opleiding of diploma komt dan bij geen enkele inschrijving terecht.",
            "Level, programme or diploma then ends up with no enrolment.",
        ),
        Words(
            "Controleer of het volgnummer in alle exports hetzelfde betekent (per student, of over de hele school).",
            "Check that the sequence number means the same in every export (per student, or for the whole school).",
        ),
    ),
    "unknown_crebo": (
        Words(
            "{rows} rijen hebben een opleidingscode die niet in de lijst met opleidingen staat.",
            "{rows} rows have a programme code that is not in the list of programmes.",
        ),
        Words(
            "Naam, niveau of sector van die opleidingen is onbekend.",
            "Title, level or sector of those programmes is unknown.",
        ),
        Words(
            "Haal een nieuwere lijst met opleidingen op, of corrigeer de codes in de bron.",
            "Get a newer list of programmes, or correct the codes in the source.",
        ),
    ),
}
_TWICE = Words("In {source} is {part} van de regels een herhaling.", "In {source}, {part} of the lines are repeated.")
_TWICE_MEANING = Words(
    "Gelijke regels tellen één keer. Was een herhaling een tweede meting, dan is die nu weg.",
    "Identical lines count once. If a repetition was a second measurement, it is gone now.",
)
_TWICE_REMEDY = Words(
    "Kijk of de export (bijvoorbeeld uit Qlik) tabellen koppelt waardoor regels zich herhalen; maak hem zonder die "
    "koppeling, of met een kolom die de regels onderscheidt.",
    "See whether the export (from Qlik, say) joins tables so that lines repeat; make it without that join, or with a "
    "column that tells the lines apart.",
)
