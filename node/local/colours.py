"""A school's colours arrive; the share red per team leaves, with the period before beside it, and a team's matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.reading.norms import Bar, bars_with_norms
from experiments.reading.sheet import Cell, Grid, Mark, Part
from experiments.reading.words import Words, share
from node.errors import UnusableInput
from node.local import authorised, figures, marks, product
from node.local.marks import GREEN, ORANGE, PERIODS, RED, SUBJECTS, UNKNOWN, Coloured
from node.local.product import Asked, Product
from node.local.roster import Roster, file_name, names, roster
from node.local.school import open_school
from shared_schema.norms import SMALLEST_DENOMINATOR, wilson

if TYPE_CHECKING:
    from experiments.reading.sheet import Tone
    from experiments.terminal import Report
    from node.local.school import School

NAME = "kleuren"
ENOUGH = 0.25  # a period counts as begun once so many first-year students have a colour in it
WORDS = {
    UNKNOWN: Words("–", "–"), GREEN: Words("groen", "green"), ORANGE: Words("oranje", "orange"),
    RED: Words("rood", "red"),
}  # fmt: skip
TONES: dict[int, Tone] = {UNKNOWN: "", GREEN: "good", ORANGE: "warn", RED: "bad"}
TITLES = {
    "absence": Words("verzuim", "absence"), "results": Words("resultaten", "results"), "talk": Words("gesprek", "talk"),
    "overall": Words("samen", "together"),
}  # fmt: skip


@dataclass(frozen=True)
class TeamColours:
    """How many of a team's first-year students with a colour are red, now and in the previous period."""

    team: str
    students: int
    red: int
    before: int
    red_before: int

    @property
    def shown(self) -> bool:
        """Twelve students or more."""
        return self.students >= SMALLEST_DENOMINATOR

    @property
    def value(self) -> float | None:
        """Share red in this period."""
        return self.red / self.students if self.shown else None

    @property
    def value_before(self) -> float | None:
        """Share red in the period before."""
        return self.red_before / self.before if self.shown and self.before >= SMALLEST_DENOMINATOR else None


def current_period(coloured: Coloured, chosen: np.ndarray) -> int:
    """The last period (0 to 3) in which a quarter of these students has a colour; 0 where there is none."""
    known = (coloured.overall[:, chosen] != UNKNOWN).mean(axis=1) if chosen.any() else np.zeros(PERIODS)
    return int(np.flatnonzero(known >= ENOUGH).max(initial=0))


def of_teams(found: Roster, coloured: Coloured, chosen: np.ndarray, period: int) -> tuple[TeamColours, ...]:
    """Share red per team of these students, in order of name."""
    overall = coloured.overall
    earlier = overall[period - 1] if period else np.full(len(chosen), UNKNOWN)
    made = []
    for team in sorted({str(name) for name in found.team[chosen]}, key=str.casefold):
        of_team = chosen & (found.team == team)
        now, before = overall[period][of_team], earlier[of_team]
        known, known_before = int((now != UNKNOWN).sum()), int((before != UNKNOWN).sum())
        made.append(TeamColours(team, known, int((now == RED).sum()), known_before, int((before == RED).sum())))
    return tuple(made)


def moves(coloured: Coloured, chosen: np.ndarray, period: int) -> np.ndarray:
    """Students by colour of the previous period (rows) and of this one (columns): green, orange, red [3, 3]."""
    table = np.zeros((3, 3), dtype=np.int64)
    if period:
        before, now = coloured.overall[period - 1][chosen], coloured.overall[period][chosen]
        for row, earlier in enumerate((GREEN, ORANGE, RED)):
            for column, later in enumerate((GREEN, ORANGE, RED)):
                table[row, column] = int(((before == earlier) & (now == later)).sum())
    return table


def run(root: Path, asked: Asked) -> Report:
    """Write NODE/local/kleuren.html, or a team's own colour matrix for somebody who may see it."""
    school = open_school(root, asked.as_of)
    found = roster(school)
    chosen = found.first_years(school.running)
    if not chosen.any():
        rule, remedy = "Colours are about students in their first year.", "Ingest a delivery of the running year."
        raise UnusableInput("no_first_years", rule, f"none of {school.running}-{school.running + 1}", remedy)
    coloured = marks.colours(found.facts, marks.read_norms(school.folder.local / marks.FILE))
    now = current_period(coloured, chosen) if asked.period is None else asked.period - 1
    if asked.team is None:
        return _summary(school, found, coloured, chosen, now, asked)
    of_team = chosen & (found.team == asked.team)
    if not of_team.any():
        raise product.no_team(sorted({str(name) for name in found.team[chosen] if name}))
    asker = authorised.leave(school, asked.team, asked.asked_by, NAME, int(of_team.sum()))
    made = matrix(school, found, coloured, of_team, now, asked)
    data = {"team": asked.team, "asked_by": asker, "period": now + 1, "students": int(of_team.sum())}
    return product.put(school, made, asked.xlsx, asked.csv, data)


def _summary(
    school: School, found: Roster, coloured: Coloured, chosen: np.ndarray, period: int, asked: Asked
) -> Report:
    teams = of_teams(found, coloured, chosen, period)
    title = Words(f"Kleuren in periode {period + 1}", f"Colours in period {period + 1}")
    lead = Words(
        "Verzuim, resultaten en gesprek van eerstejaars worden groen, oranje of rood volgens de normen van de school;"
        " samen telt de slechtste. Per team het deel rood, met de vorige periode ernaast.",
        "Absence, results and talk of first-year students become green, orange or red by the school's norms; together"
        " the worst counts. Per team the share red, with the previous period beside it.",
    )
    known = _known_part(coloured, chosen, period)
    parts = (_teams_part(teams), _moves_part(moves(coloured, chosen, period), period), known, _norms_part(school))
    rows = [(one.team, period + 1, one.students if one.shown else None, one.value, one.value_before) for one in teams]
    tables = {"teams": (("team", "periode", "studenten", "deel_rood", "deel_rood_vorige"), rows)}
    data = {"period": period + 1, "teams": [dict(zip(tables["teams"][0], row, strict=True)) for row in rows]}
    return product.put(school, Product(NAME, title, lead, parts, tables), asked.xlsx, asked.csv, data)


def _teams_part(teams: Sequence[TeamColours]) -> Part:
    bars = [Bar(one.team or figures.UNKNOWN, one.value, None, *_reach(one)) for one in teams]
    figure = bars_with_norms(
        "teams", Words("Deel rood per team", "Share red per team"),
        Words("De streep is het 95%-interval.", "The whisker is the 95% interval."), bars, upper=1.0,
    )  # fmt: skip
    head = (
        Words("team", "team"), Words("studenten", "students"), Words("rood nu", "red now"),
        Words("vorige periode", "previous period"),
    )  # fmt: skip
    rows = tuple(
        (
            one.team or figures.UNKNOWN,
            one.students if one.shown else figures.TOO_FEW,
            share(one.value) if one.value is not None else Words.same("–"),
            share(one.value_before) if one.value_before is not None else Words.same("–"),
        )
        for one in teams
    )
    return Part(Words("Teams", "Teams"), (), Grid(head, rows), figure)


def _reach(one: TeamColours) -> tuple[float | None, float | None]:
    return wilson(one.red, one.students) if one.shown else (None, None)


def _moves_part(table: np.ndarray, period: int) -> Part:
    title = Words("Van de vorige periode naar deze", "From the previous period to this one")
    if not period:
        return Part(title, (Words("Er is nog geen vorige periode.", "There is no previous period yet."),))
    head = (Words("vorige / nu", "previous / now"), *(WORDS[colour] for colour in (GREEN, ORANGE, RED)))
    rows = tuple(
        (Mark(WORDS[colour], TONES[colour]), *(_few(int(count)) for count in table[row]))
        for row, colour in enumerate((GREEN, ORANGE, RED))
    )
    return Part(title, (Words("Aantallen eerstejaars.", "Numbers of first-year students."),), Grid(head, rows))


def _known_part(coloured: Coloured, chosen: np.ndarray, period: int) -> Part:
    """What the colours of this period and the one before are from; with other subjects they do not compare."""
    of = [known_subjects(coloured, chosen, number) for number in (period, period - 1) if number >= 0]
    said = [_listed(subjects) for subjects in of]
    text = [Words("Bekend in deze periode: {now}.", "Known in this period: {now}.").filled(now=said[0])]
    if len(of) > 1:
        text.append(Words("In de vorige: {before}.", "In the one before: {before}.").filled(before=said[1]))
        if of[0] != of[1]:
            text.append(
                Words(
                    "De twee periodes zijn niet op dezelfde onderwerpen gekleurd: vergelijk ze per onderwerp.",
                    "The two periods are not coloured on the same subjects: compare them subject by subject.",
                )
            )
    return Part(Words("Waaruit de kleuren komen", "What the colours are from"), tuple(text))


def known_subjects(coloured: Coloured, chosen: np.ndarray, period: int) -> tuple[str, ...]:
    """The subjects of which a quarter of these students has a colour in a period."""
    return tuple(name for name in SUBJECTS if (coloured.of[name][period][chosen] != UNKNOWN).mean() >= ENOUGH)


def _listed(subjects: Sequence[str]) -> Words:
    if not subjects:
        return Words("niets", "nothing")
    return Words(", ".join(TITLES[name].nl for name in subjects), ", ".join(TITLES[name].en for name in subjects))


def _few(count: int) -> Cell:
    return count if count >= SMALLEST_DENOMINATOR or count == 0 else figures.TOO_FEW


def _norms_part(school: School) -> Part:
    norms = marks.read_norms(school.folder.local / marks.FILE)
    words = Words.of(
        lambda numbers: (
            f"{numbers.decimal(norms.absence_orange_from, 1)} / {numbers.decimal(norms.absence_red_from, 1)}; "
            f"{numbers.decimal(norms.results_orange_below, 1)} / {numbers.decimal(norms.results_red_below, 1)}"
        )
    )
    told = Words(
        "Oranje en rood: ongeoorloofd verzuim vanaf zoveel uur per week, gemiddeld cijfer onder: {words}. Het gesprek:"
        " twijfel is oranje, onvoldoende rood. De school legt eigen normen vast in NODE/local/kleuren.yaml.",
        "Orange and red: absence without leave from so many hours a week, mean mark below: {words}. The talk:"
        " doubtful is orange, insufficient red. The school sets its own norms in NODE/local/kleuren.yaml.",
    ).filled(words=words)
    return Part(Words("Normen", "Norms"), (told,))


def matrix(school: School, found: Roster, coloured: Coloured, chosen: np.ndarray, period: int, asked: Asked) -> Product:
    """A team's own students: each subject's colour in this period and in the previous one."""
    team = str(asked.team)
    where = np.flatnonzero(chosen)
    students = [str(found.facts.index[place]) for place in where]
    named = names(school, students, asked.numbers)
    order = sorted(
        zip(where, students, strict=True), key=lambda one: (-_worst(coloured, period, one[0]), named[one[1]])
    )
    head = (Words("student", "student"), Words("crebo", "crebo"), *_heads())
    rows = tuple(
        (named[student], str(found.crebo[place]), *_squares(coloured, period, int(place))) for place, student in order
    )
    title = Words(f"Kleuren van {team}, periode {period + 1}", f"Colours of {team}, period {period + 1}")
    lead = Words(
        "Eigen eerstejaars, de slechtste kleur bovenaan; achter elke kleur die van de vorige periode. De kleur is een"
        " aanleiding om te praten, geen oordeel over een student.",
        "Own first-year students, the worst colour on top; after each colour that of the previous period. A colour is a"
        " reason to talk, not a verdict on a student.",
    )
    flat = [
        (
            named[student],
            str(found.crebo[place]),
            *(WORDS[colour].nl for colour in _codes(coloured, period, int(place))),
        )
        for place, student in order
    ]
    columns = ["student", "crebo"]
    for subject in ("overall", *SUBJECTS):
        columns += [TITLES[subject].nl, f"{TITLES[subject].nl}_vorige"]
    part = Part(Words("Studenten", "Students"), (), Grid(head, rows, "wide"))
    return Product(file_name(NAME, team), title, lead, (part,), {"studenten": (columns, flat)})


def _worst(coloured: Coloured, period: int, place: np.signedinteger) -> int:
    return int(coloured.overall[period][place])


def _heads() -> tuple[Words, ...]:
    before = Words("vorige", "previous")
    return tuple(words for subject in ("overall", *SUBJECTS) for words in (TITLES[subject], before))


def _codes(coloured: Coloured, period: int, place: int) -> list[int]:
    layers = [coloured.overall, *(coloured.of[subject] for subject in SUBJECTS)]
    return [int(code) for layer in layers for code in (layer[period][place], layer[period - 1][place] if period else 0)]


def _squares(coloured: Coloured, period: int, place: int) -> list[Cell]:
    return [Mark(WORDS[code], TONES[code]) for code in _codes(coloured, period, place)]
