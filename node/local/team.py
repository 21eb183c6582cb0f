"""A school arrives; the team dashboard leaves at three levels: quality manager, programme manager, and SLB.

Quality managers see teams, programme managers programmes over the years; both see figures of twelve students or more.
An SLB'er sees the own team's students, if the school named that person for that team (`node.local.authorised`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.reading.sheet import Cell, Grid, Mark, Part, Tone
from experiments.reading.words import Words, decimal, share
from node.errors import UnusableInput
from node.local import card_notes, figures, marks, product, risk, rule, team_students
from node.local.card import tone
from node.local.colours import current_period, of_teams
from node.local.overview import Overview, Ratio, overview
from node.local.product import Product, Table
from node.local.programmes import LINES, SHORT, SHOWN, by_year, lines, marked, of_niveaus, programmes, said, yearly_of
from node.local.roster import Roster, roster
from node.local.satisfaction import SUBJECTS, satisfactions
from node.local.school import chosen_years, open_school

if TYPE_CHECKING:
    from experiments.terminal import Report
    from node.local.school import School

LEVELS = ("quality", "programme", "slb")
WORST: tuple[Tone, ...] = ("bad", "warn", "good")


def run(
    root: Path,
    level: str,
    team: str | None,
    asked_by: str | None,
    numbers: Path | None,
    years: str | None,
    as_of: str | None,
    xlsx: Path | None,
    csv: Path | None,
) -> Report:
    """Write the dashboard of one level into NODE/local."""
    if level not in LEVELS:
        rule, remedy = "The dashboard has three levels.", f"Use one of {', '.join(LEVELS)}."
        raise UnusableInput("no_level", rule, "another word", remedy)
    school = open_school(root, as_of)
    if level == "slb":
        return team_students.put(school, team, asked_by, numbers, xlsx, csv)
    chosen = chosen_years(school, years)
    made = quality(school, chosen) if level == "quality" else programmes(school, chosen, team)
    return product.put(school, made, xlsx, csv, {"level": level, "years": list(chosen)})


def quality(school: School, years: Sequence[int]) -> Product:
    """Teams beside each other on every figure, and the school over the years."""
    together = overview(school, years, "team", SHOWN)
    split = overview(school, years, "team", SHOWN, per_niveau=True)
    before = overview(school, [year - 1 for year in years], "team", SHOWN)
    lead = Words(
        "Teams naast elkaar over {years}. De kleur is het slechtste oordeel over de niveaus van het team, waar een norm"
        " is; daarnaast de waarde van een jaar eerder.",
        "Teams beside each other over {years}. The colour is the worst judgement over the team's levels, where there is"
        " a norm; beside it the value a year earlier.",
    ).filled(years=product.span(years))
    known, yearly = [name for name in SHOWN if name not in together.missing], yearly_of(school, "school")
    rows = tuple((team or figures.UNKNOWN, *_cells(known, together, split, before, team)) for team in together.groups)
    heads = [cell for name in known for cell in (SHORT[name], Words("eerder", "earlier"))]
    parts = (
        Part(Words("Teams", "Teams"), (), Grid((Words("team", "team"), *heads), rows, "wide")),
        _other_part(school, together.groups),
        _years_part(yearly, known),
    )
    tables: dict[str, Table] = {
        "teams": (figures.HEADS, figures.flat(together.ratios)),
        "teams_per_niveau": (figures.HEADS, figures.flat(split.ratios)),
        "jaren": (("schooljaar", *figures.HEADS), by_year(yearly)),
    }
    return Product("team-kwaliteit", Words("Teams naast elkaar", "Teams side by side"), lead, parts, tables)


def _cells(known: Sequence[str], now: Overview, split: Overview, before: Overview, team: str) -> list[Cell]:
    cells: list[Cell] = []
    for name in known:
        one = of_niveaus(now.of(name, team))
        worst = _worst([part for part in split.of(name, team) if part.segment == "regulier"])
        cells += [marked(one, worst), said(of_niveaus(before.of(name, team)))]
    return cells


def _worst(ratios: Sequence[Ratio]) -> Tone:
    return next((worst for worst in WORST if any(one.tone == worst for one in ratios)), "")


def _other_part(school: School, teams: Sequence[str]) -> Part:
    """Colours of first-year students, who meets the risk rule, and satisfactions per team."""
    found = roster(school)
    chosen = found.first_years(school.running)
    coloured = marks.colours(found.facts, marks.read_norms(school.folder.local / marks.FILE))
    red = {one.team: one.value for one in of_teams(found, coloured, chosen, current_period(coloured, chosen))}
    met = _rule_shares(school, found, chosen)
    norms = card_notes.read(school.folder.local / card_notes.FILE).norms
    happy = {(one.subject, one.group): one for one in satisfactions(school)}
    head = (
        Words("team", "team"), Words("rood nu", "red now"), Words("risicoregel", "risk rule"),
        *(Words.same(subject) for subject in SUBJECTS),
    )  # fmt: skip
    rows = []
    for team in teams:
        cells: list[Cell] = [_share(red.get(team)), _share(met.get(team))]
        for subject in SUBJECTS:
            one = happy.get((subject, team))
            if one is None or not one.shown:
                cells.append(Words.same("–"))
                continue
            judged = tone(one, norms.get(subject))  # type: ignore[call-overload]
            cells.append(Mark(decimal(one.mean), judged) if judged else decimal(one.mean))
        rows.append((team or figures.UNKNOWN, *cells))
    about = Words(
        "Van eerstejaars in de laatste periode het deel rood en het deel dat aan de risicoregel voldoet; en de drie"
        " tevredenheden (1 tot 5).",
        "Of first-year students in the last period the share red and the share that meets the risk rule; and the three"
        " satisfactions (1 to 5).",
    )
    return Part(Words("Kleuren en tevredenheid", "Colours and satisfaction"), (about,), Grid(head, tuple(rows)))


def _rule_shares(school: School, found: Roster, chosen: np.ndarray) -> dict[str, float]:
    """Per team of twelve judged or more the share that meets the rule in its last period."""
    applied = rule.apply(school, found)
    counts = risk.of_teams(found, applied, chosen, rule.current_period(applied, chosen))
    return {team: met / judged for team, (judged, met) in counts if judged and met is not None}


def _share(value: float | None) -> Words:
    return Words.same("–") if value is None else share(value)


def _years_part(yearly: Mapping[int, Overview], known: Sequence[str]) -> Part:
    title, names = Words("De school over de jaren", "The school over the years"), [n for n in LINES if n in known]
    caption = Words("Niveau 2 tot en met 4.", "Levels 2 to 4.")
    return Part(title, (), None, lines(yearly, "school", "years", title, caption, names))
