"""A school and its notes arrive; the kwaliteitskaart leaves: five figures per team, with band, norm and note.

De Leijgraaf's "big 5": the results (JR, DR, SR), early leaving, and the satisfaction of students, staff and companies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reading.norms import Bar, bars_with_norms
from experiments.reading.sheet import Cell, Grid, Key, Mark, Part
from experiments.reading.words import Words, decimal
from node.local import card_notes, figures, product
from node.local.overview import Overview, Ratio, overview
from node.local.product import Product, Table
from node.local.satisfaction import SUBJECTS, Satisfaction, satisfactions
from node.local.school import chosen_years, open_school

if TYPE_CHECKING:
    from experiments.reading.sheet import Tone
    from experiments.terminal import Report
    from node.local.card_notes import CardNotes, PdcaNote
    from node.local.school import School

RESULTS = ("jaarresultaat", "diplomaresultaat", "startersresultaat", "vsv_eigen")
NAME = "kwaliteitskaart"


@dataclass(frozen=True)
class Card:
    """The card of one team: ratios per niveau, satisfactions, and the team's notes by what they are about."""

    team: str
    ratios: tuple[Ratio, ...]
    satisfactions: tuple[Satisfaction, ...]
    notes: dict[str, PdcaNote]


def cards(school: School, notes: CardNotes, years: Sequence[int]) -> tuple[Overview, tuple[Card, ...]]:
    """Return the overview the cards are from, and a card per team that has any figure, in order of name."""
    found = overview(school, years, "team", RESULTS, per_niveau=True)
    happy = satisfactions(school)
    teams = sorted({one.group for one in found.ratios} | {one.group for one in happy if one.group}, key=str.casefold)
    return found, tuple(
        Card(
            team,
            tuple(one for one in found.ratios if one.group == team),
            tuple(one for one in happy if one.group == team),
            dict(notes.of(team)),
        )
        for team in teams
        if team
    )


def tone(one: Satisfaction, norm: float | None) -> Tone:
    """good or bad against the school's own norm; a warning while chance could explain the difference."""
    if norm is None or not one.shown:
        return ""
    if one.mean >= norm:
        return "good"
    return "warn" if one.high is not None and one.high >= norm else "bad"


def run(
    root: Path, years: str | None, team: str | None, as_of: str | None, xlsx: Path | None, csv: Path | None
) -> Report:
    """Write NODE/local/kwaliteitskaart.html; export where asked."""
    school = open_school(root, as_of)
    document = school.folder.local / card_notes.FILE
    card_notes.begin(document)
    notes = card_notes.read(document)
    found, made = cards(school, notes, chosen_years(school, years))
    chosen = tuple(one for one in made if team in (None, one.team))
    if team is not None and not chosen:
        raise product.no_team([one.team for one in made])
    told = page(school, found, chosen, notes)
    lacking = {name: list(columns) for name, columns in found.missing.items()}
    data = {"years": list(found.years), "teams": [one.team for one in chosen], "not_delivered": lacking}
    where = f"Eigen normen en PDCA-notities / own norms and PDCA notes: {document}"
    return product.put(school, told, xlsx, csv, data, [*_lacking(found), where])


def _lacking(found: Overview) -> list[str]:
    from node.local.indicator_report import missing

    return missing(found)


def page(school: School, found: Overview, made: Sequence[Card], notes: CardNotes) -> Product:
    """The page and its tables."""
    title = Words("Kwaliteitskaart", "Quality card")
    lead = Words(
        "De vijf van de kwaliteitskaart per team over {years}: rendement, voortijdig schoolverlaten en drie keer"
        " tevredenheid. De kleur is het oordeel bij de norm; de streep is wat toeval alleen al kan doen (95%).",
        "The five of the quality card per team over {years}: results, early leaving and three satisfactions. The"
        " colour is the judgement against the norm; the whisker is what chance alone can do (95%).",
    ).filled(years=product.span(found.years))
    parts = tuple(_part(card, notes, index) for index, card in enumerate(made))
    return Product(NAME, title, lead, parts or (_empty(),), _tables(made, notes))


def _empty() -> Part:
    return Part(
        Words("Geen teams", "No teams"),
        (
            Words(
                "De levering kent geen teams: vertaal enrolment.team.", "The delivery has no teams: map enrolment.team."
            ),
        ),
    )


def _part(card: Card, notes: CardNotes, index: int) -> Part:
    keys = tuple(Key(figures.percentage(one.value), _short(one), figures.norm(one), one.tone) for one in card.ratios
                 if one.shown and one.segment == "regulier")  # fmt: skip
    bars = [_bar(one) for one in card.ratios]
    figure = bars_with_norms(
        f"team-{_letters(index)}",
        Words(f"Rendement en vsv van {card.team}", f"Results and early leaving of {card.team}"),
        Words("Per indicator en niveau, met norm en interval.", "Per indicator and level, with norm and interval."),
        bars,
        upper=1.0,
    )
    rows = (*(_ratio_row(one, card) for one in card.ratios), *_happy_rows(card, notes))
    text = tuple(_told(note) for note in card.notes.values())
    return Part(Words.same(card.team), text, Grid(HEAD, rows), figure if bars else None, keys[:6])


HEAD = (
    Words("figuur", "figure"), Words("mensen", "people"), Words("waarde", "value"),
    Words("95%-interval", "95% interval"), Words("norm", "norm"), Words("oordeel", "judgement"),
)  # fmt: skip


def _letters(index: int) -> str:
    """A name of letters for a drawing: a, b, …, aa."""
    first, second = divmod(index, 26)
    return (chr(96 + first) if first else "") + chr(97 + second)


def _short(one: Ratio) -> Words:
    return Words(
        f"{figures.title(one.indicator).nl} N{one.niveau or '?'}",
        f"{figures.title(one.indicator).en} N{one.niveau or '?'}",
    )


def _bar(one: Ratio) -> Bar:
    drawn = figures.bar(one, split=True)
    return Bar(_short(one), drawn.value, drawn.norm, drawn.low, drawn.high, drawn.tone)


def _ratio_row(one: Ratio, card: Card) -> tuple[Cell, ...]:
    _, *cells = figures.grid([one], "team", True).rows[0]
    return _short(one), *cells


def _happy_rows(card: Card, notes: CardNotes) -> Iterator[tuple[Cell, ...]]:
    for subject, (_, name) in SUBJECTS.items():
        of_subject = [one for one in card.satisfactions if one.subject == subject]
        norm = notes.norms.get(subject)  # type: ignore[call-overload]
        named = Words(f"Tevredenheid {name.nl}", f"Satisfaction of {name.en}")
        if not of_subject:
            none = Words("niet geleverd", "not delivered")
            yield named, none, Words.same("–"), Words.same(""), Words.same(""), Words.same("")
        for one in of_subject:
            yield _happy_row(one, named, norm)


def _happy_row(one: Satisfaction, name: Words, norm: float | None) -> tuple[Cell, ...]:
    of_year = Words(f"{name.nl}, {one.year}", f"{name.en}, {one.year}")
    held = (
        Words.same("") if norm is None else Words.of(lambda numbers: f"≥\N{NO-BREAK SPACE}{numbers.decimal(norm, 1)}")
    )
    if not one.shown:
        return of_year, figures.TOO_FEW, Words.same("–"), Words.same(""), held, Words.same("")
    between = Words.same("")
    if one.low is not None and one.high is not None:
        low, high = one.low, one.high
        between = Words.of(lambda numbers: f"{numbers.decimal(low, 1)}–{numbers.decimal(high, 1)}")
    found = tone(one, norm)
    words = {"good": "voldoende", "bad": "onvoldoende", "warn": "onvoldoende"}.get(found, "")
    said = figures.CHANCE if found == "warn" else figures.JUDGEMENTS[words]
    judged: Cell = Mark(said, found) if found else said
    return of_year, one.people, decimal(one.mean), between, held, judged


def _told(note: PdcaNote) -> Words:
    steps = (("Plan", note.plan), ("Do", note.do), ("Check", note.check), ("Act", note.act))
    said = " ".join(f"{name}: {text.rstrip('. ')}." for name, text in steps if text)
    when = f" ({note.date.isoformat()})" if note.date else ""
    about = (
        figures.title(note.about)
        if note.about in RESULTS
        else SUBJECTS.get(note.about, ("", Words.same(note.about)))[1]
    )
    return Words(f"Notitie van het team, {about.nl}{when}. {said}", f"The team's note, {about.en}{when}. {said}")


def _tables(made: Sequence[Card], notes: CardNotes) -> dict[str, Table]:
    ratios = [one for card in made for one in card.ratios]
    happy = [
        (
            one.subject, one.group, one.year, one.people if one.shown else None, one.mean if one.shown else None,
            one.low if one.shown else None, one.high if one.shown else None, notes.norms.get(one.subject),  # type: ignore[call-overload]
            tone(one, notes.norms.get(one.subject)),  # type: ignore[call-overload]
        )
        for card in made
        for one in card.satisfactions
    ]  # fmt: skip
    written = [
        (note.team, note.about, note.plan, note.do, note.check, note.act, note.date.isoformat() if note.date else "")
        for card in made
        for note in card.notes.values()
    ]
    return {
        "rendement": (figures.HEADS, figures.flat(ratios)),
        "tevredenheid": (
            ("enquete", "team", "jaar", "mensen", "gemiddelde", "van", "tot", "norm", "kleur"), happy,
        ),
        "pdca": (("team", "over", "plan", "do", "check", "act", "datum"), written),
    }  # fmt: skip
