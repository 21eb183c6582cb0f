"""A team and who asks arrive; the page of the team's own students leaves, for somebody who may see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.reading.sheet import Cell, Grid, Mark, Part
from experiments.reading.words import Words
from node.errors import UnusableInput
from node.local import authorised, colours, marks, product
from node.local.marks import UNKNOWN
from node.local.product import Product, Value
from node.local.roster import Roster, file_name, names, roster
from node.local.rule import ASPECTS, apply

if TYPE_CHECKING:
    from experiments.terminal import Report
    from node.local.marks import Coloured
    from node.local.rule import Rule
    from node.local.school import School

NAME = "slb"
HEADS = ("student", "crebo", "leerweg", "cohort", "kleur", "kleur_vorige", "gesprek", "regel", "onvoldoende")


def put(
    school: School, team: str | None, asked_by: str | None, numbers: Path | None, xlsx: Path | None, csv: Path | None
) -> Report:
    """Write NODE/local/slb-TEAM.html: the students of one team who are here, the first years with their colours."""
    if team is None:
        rule, remedy = "An SLB'er sees the own team's students.", "Name the team: --team TEAM."
        raise UnusableInput("no_team", rule, "no team", remedy)
    found = roster(school)
    chosen = found.here & (found.team == team)
    if not chosen.any():
        raise product.no_team(sorted({str(name) for name in found.team[found.here] if name}))
    asker = authorised.leave(school, team, asked_by, NAME, int(chosen.sum()))
    made = page(school, found, chosen, team, numbers)
    return product.put(school, made, xlsx, csv, {"team": team, "asked_by": asker, "students": int(chosen.sum())})


def page(school: School, found: Roster, chosen: np.ndarray, team: str, numbers: Path | None) -> Product:
    """The page and its table; who needs a talk most stands first."""
    rule = apply(school, found)
    coloured = marks.colours(found.facts, marks.read_norms(school.folder.local / marks.FILE))
    first = found.first_years(school.running)
    period = colours.current_period(coloured, chosen & first)
    where = [int(place) for place in np.flatnonzero(chosen)]
    own = {place: str(found.facts.index[place]) for place in where}
    named = names(school, list(own.values()), numbers)
    rows = {place: _row(found, rule, coloured, period if first[place] else None, place) for place in where}
    order = sorted(where, key=lambda place: (-_concern(rule, coloured, period, place, first), named[own[place]]))
    lead = Words(
        "Eigen studenten die er nu zijn. Van eerstejaars de kleur in periode {period} en de vorige, en of de"
        " risicoregel geldt. Een aanleiding om te praten, geen oordeel.",
        "Own students who are here now. Of first-year students the colour in period {period} and the one before, and"
        " whether the risk rule holds. A reason to talk, not a verdict.",
    ).filled(period=period + 1)
    head = (
        Words("student", "student"), Words("crebo", "crebo"), Words("leerweg", "track"), Words("cohort", "cohort"),
        Words("kleur", "colour"), Words("vorige", "previous"), Words("gesprek", "talk"), Words("regel", "rule"),
        Words("onvoldoende", "insufficient"),
    )  # fmt: skip
    shown = tuple((named[own[place]], *rows[place][0]) for place in order)
    flat = [(named[own[place]], *rows[place][1]) for place in order]
    part = Part(Words("Studenten", "Students"), (), Grid(head, shown, "wide"))
    title = Words(f"Studenten van {team}", f"Students of {team}")
    return Product(file_name(NAME, team), title, lead, (part,), {"studenten": (HEADS, flat)})


def _concern(rule: Rule, coloured: Coloured, period: int, place: int, first: np.ndarray) -> int:
    if not first[place]:
        return -1
    return 10 * int(coloured.overall[period][place]) + sum(
        bool(mask[period][place]) for mask in rule.insufficient.values()
    )


def _row(
    found: Roster, rule: Rule, coloured: Coloured, period: int | None, place: int
) -> tuple[list[Cell], list[Value]]:
    """Cells of the page and of the export; of a student beyond the first year there are no colours."""
    year = found.year[place]
    cohort = "" if np.isnan(year) else str(int(year))
    track = str(found.main.text("programme_period", "leertraject")[place])
    begin = [str(found.crebo[place]), track, cohort]
    if period is None:
        return [*begin, *["–"] * 5], [*begin, *[None] * 5]
    now, talk = int(coloured.overall[period][place]), int(coloured.of["talk"][period][place])
    before = int(coloured.overall[period - 1][place]) if period else UNKNOWN
    met = bool(rule.meets[period][place])
    which = [aspect for aspect in ASPECTS if rule.insufficient[aspect][period][place]]
    holds: Cell = Mark(Words("ja", "yes"), "bad") if met else Words("nee", "no")
    marked: list[Cell] = [Mark(colours.WORDS[code], colours.TONES[code]) for code in (now, before, talk)]
    words = [colours.WORDS[code].nl for code in (now, before, talk)]
    return [*begin, *marked, holds, ", ".join(which) or "–"], [*begin, *words, met, ", ".join(which)]
