"""A school's risk rule arrives; what it was worth in earlier years leaves, and a team's own students who meet it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Cell, Grid, Mark, Part
from experiments.reading.words import Words
from node.errors import UnusableInput
from node.local import authorised, figures, product
from node.local.marks import PERIODS
from node.local.product import Asked, Product, Table
from node.local.roster import Roster, file_name, names, roster
from node.local.rule import ASPECTS, Rule, Score, apply, current_period, scores
from node.local.school import open_school
from shared_schema.norms import SMALLEST_DENOMINATOR

if TYPE_CHECKING:
    from experiments.terminal import Report
    from node.local.school import School

NAME = "risicoregel"
TITLES = {
    "houding": Words("houding", "conduct"), "bpv": Words("bpv", "work placement"),
    "aanwezigheid": Words("aanwezigheid", "attendance"), "resultaten": Words("resultaten", "results"),
}  # fmt: skip
SOURCES = {
    "oordeel": Words("oordeel van de docent", "the teacher's judgement"),
    "norm": Words("norm van de school", "the school's norm"),
    "": Words("niet geleverd", "not delivered"),
}
BESIDE = Words(
    "Naast de regel staat het eigen model van de school, geleerd van de jaren ervoor, dat evenveel studenten noemt:"
    " wie het hoogst staat aan het eind van dezelfde periode. Een streepje: te weinig eerdere studenten om van te"
    " leren.",
    "Beside the rule stands the school's own model, learned from the years before, which names as many students:"
    " those who stand highest at the end of the same period. A dash: too few earlier students to learn from.",
)
HEADS = (
    "cohort", "periode", "studenten", "vertrokken", "genoemd", "terecht", "precisie", "precisie_van", "precisie_tot",
    "bereik", "bereik_van", "bereik_tot", "vergelijk_loting", "precisie_eigen_model",
)  # fmt: skip


def run(root: Path, asked: Asked) -> Report:
    """Write NODE/local/risicoregel.html, or a team's own students who meet the rule for somebody who may see them."""
    school = open_school(root, asked.as_of)
    found = roster(school)
    rule = apply(school, found)
    if not rule.judged.any():
        rule_text = "The rule needs at least two of conduct, work placement, attendance and results."
        raise UnusableInput("no_judgements", rule_text, "fewer in this delivery", "Map estimate, attendance or result.")
    chosen = found.first_years(school.running)
    now = current_period(rule, chosen) if asked.period is None else asked.period - 1
    if asked.team is None:
        made = scores(school, found, rule)
        told = summary(found, rule, made, chosen, now)
        return product.put(school, told, asked.xlsx, asked.csv, {"period": now + 1, "scores": _plain(made)})
    of_team = chosen & (found.team == asked.team)
    if not of_team.any():
        raise product.no_team(sorted({str(name) for name in found.team[chosen] if name}))
    asker = authorised.leave(school, asked.team, asked.asked_by, NAME, int(of_team.sum()))
    listed = students(school, found, rule, of_team, now, asked)
    named = int((of_team & rule.meets[now]).sum())
    data = {"team": asked.team, "asked_by": asker, "period": now + 1, "students": named}
    return product.put(school, listed, asked.xlsx, asked.csv, data)


def summary(found: Roster, rule: Rule, made: Sequence[Score], chosen: np.ndarray, period: int) -> Product:
    """How the rule did in earlier years (`made`), and how many meet it now per team; nobody is named."""
    lead = Words(
        "Twee of meer onvoldoende van houding, bpv, aanwezigheid en resultaten, vier keer per jaar. Hieronder wat de"
        " regel in eerdere jaren waard was: hoeveel genoemden vertrokken, en hoeveel vertrekkers waren genoemd.",
        "Two or more of conduct, work placement, attendance and results insufficient, four times a year. Below what the"
        " rule was worth in earlier years: how many of those named left, and how many who left had been named.",
    )
    counts = of_teams(found, rule, chosen, period)
    parts = (_scores_part(made), _teams_part(counts, period), _sources_part(rule))
    tables: dict[str, Table] = {
        "regel": (HEADS, [_flat(one) for one in made]),
        "teams": (("team", "periode", "studenten", "genoemd"), [(team, period + 1, *few) for team, few in counts]),
    }
    return Product(NAME, Words("Risicoregel", "Risk rule"), lead, parts, tables)


def of_teams(
    found: Roster, rule: Rule, chosen: np.ndarray, period: int
) -> list[tuple[str, tuple[int | None, int | None]]]:
    """First-year students judged and named per team; None for both under twelve judged."""
    made: list[tuple[str, tuple[int | None, int | None]]] = []
    for team in sorted({str(name) for name in found.team[chosen]}, key=str.casefold):
        of_team = chosen & (found.team == team) & rule.judged[period]
        judged, named = int(of_team.sum()), int((of_team & rule.meets[period]).sum())
        made.append((team, (judged, named) if judged >= SMALLEST_DENOMINATOR else (None, None)))
    return made


def _scores_part(made: Sequence[Score]) -> Part:
    title = Words("Wat de regel waard was", "What the rule was worth")
    if not made:
        return Part(title, (Words("Nog van geen jaar is de uitkomst bekend.", "No year's outcome is known yet."),))
    cohorts = sorted({one.cohort for one in made})[-1:]
    latest = {one.period: one for one in made if one.cohort == cohorts[-1]}
    of = [latest.get(period) for period in range(1, PERIODS + 1)]
    series = (
        Series(Words("precisie", "precision"), [one.precision if one else None for one in of]),
        Series(Words("eigen model", "own model"), [one.precision_of_model if one else None for one in of]),
        Series(Words("loting", "by lot"), [one.base_rate if one else None for one in of]),
    )
    figure = over_periods(
        "rule",
        Words(f"De regel in {cohorts[-1]}-{cohorts[-1] + 1}", f"The rule in {cohorts[-1]}-{cohorts[-1] + 1}"),
        Words("Precisie: van wie genoemd is, vertrok. Eigen model: idem van evenveel namen. Loting: wat toeval vindt.",
              "Precision: of those named left. Own model: the same of as many names. By lot: what chance finds."),
        [Words.same(str(period)) for period in range(1, PERIODS + 1)],
        series,
    )  # fmt: skip
    head = (
        Words("jaar en periode", "year and period"), Words("studenten", "students"), Words("vertrokken", "left"),
        Words("genoemd", "named"), Words("precisie", "precision"), Words("bereik", "recall"),
        Words("eigen model, evenveel namen", "own model, as many names"),
        Words("loting", "by lot"),
    )  # fmt: skip
    return Part(title, (BESIDE,), Grid(head, tuple(_row(one) for one in made)), figure)


def _row(one: Score) -> tuple[Cell, ...]:
    precision, recall = one.intervals
    return (
        Words.same(f"{one.cohort}-{one.cohort + 1} · {one.period}"),
        one.students if one.students >= SMALLEST_DENOMINATOR else figures.TOO_FEW,
        one.left if one.left >= SMALLEST_DENOMINATOR else figures.TOO_FEW,
        one.flagged if one.flagged >= SMALLEST_DENOMINATOR else figures.TOO_FEW,
        _with(one.precision, precision),
        _with(one.recall, recall),
        _with(one.precision_of_model, one.interval_of_model),
        figures.percentage(one.base_rate),
    )


def _with(value: float | None, interval: tuple[float, float] | None) -> Words:
    if value is None or interval is None:
        return Words.same("–")
    low, high = interval
    return Words.of(lambda numbers: f"{numbers.share(value)} ({numbers.percent(low)}–{numbers.percent(high)})")


def _flat(one: Score) -> tuple[int | float | None, ...]:
    """A row of the export; what the page does not show is empty here too."""
    precision, recall = one.intervals
    counts = [count if count >= SMALLEST_DENOMINATOR else None for count in (one.students, one.left, one.flagged)]
    hits = one.hits if one.precision is not None or one.recall is not None else None
    return (
        one.cohort, one.period, *counts, hits, one.precision, *(precision or (None, None)), one.recall,
        *(recall or (None, None)), one.base_rate, one.precision_of_model,
    )  # fmt: skip


def _plain(made: Sequence[Score]) -> list[dict[str, int | float | None]]:
    return [dict(zip(HEADS, _flat(one), strict=True)) for one in made]


def _teams_part(counts: Sequence[tuple[str, tuple[int | None, int | None]]], period: int) -> Part:
    head = (Words("team", "team"), Words("beoordeeld", "judged"), Words("voldoet aan de regel", "meets the rule"))
    rows = tuple((team or figures.UNKNOWN, *_shown(few)) for team, few in counts)
    title = Words(f"Nu, periode {period + 1}", f"Now, period {period + 1}")
    return Part(
        title, (Words("Eerstejaars die er nog zijn.", "First-year students who are still here."),), Grid(head, rows)
    )


def _shown(few: tuple[int | None, int | None]) -> tuple[Cell, Cell]:
    judged, named = few
    if judged is None or named is None:
        return figures.TOO_FEW, Words.same("–")
    return judged, Words.of(lambda numbers: f"{named} ({numbers.share(named / judged)})")


def _sources_part(rule: Rule) -> Part:
    head = (Words("aspect", "aspect"), Words("volgt uit", "follows from"))
    rows = tuple((TITLES[aspect], SOURCES[rule.source[aspect]]) for aspect in ASPECTS)
    return Part(Words("Waaruit de regel volgt", "What the rule follows from"), (), Grid(head, rows))


def students(school: School, found: Roster, rule: Rule, chosen: np.ndarray, period: int, asked: Asked) -> Product:
    """A team's own students who meet the rule, with the aspects that are insufficient, and the periods before."""
    team = str(asked.team)
    where = [int(place) for place in np.flatnonzero(chosen & rule.meets[period])]
    own = {place: str(found.facts.index[place]) for place in where}
    named = names(school, list(own.values()), asked.numbers)
    order = sorted(where, key=lambda place: (-_count(rule, period, place), named[own[place]]))
    head = (
        Words("student", "student"), Words("crebo", "crebo"), *(TITLES[aspect] for aspect in ASPECTS),
        Words("vorige periode", "previous period"),
    )  # fmt: skip
    rows = tuple((named[own[place]], str(found.crebo[place]), *_cells(rule, period, place)) for place in order)
    title = Words(f"Risicoregel van {team}, periode {period + 1}", f"Risk rule of {team}, period {period + 1}")
    lead = Words(
        "Eigen eerstejaars met twee of meer onvoldoende. De regel is een aanleiding om te praten; wie hier niet staat"
        " kan ook hulp nodig hebben.",
        "Own first-year students with two or more insufficient. The rule is a reason to talk; who is not here may need"
        " help as well.",
    )
    flat: list[tuple[str | bool, ...]] = [
        (
            named[own[place]], str(found.crebo[place]),
            *(bool(rule.insufficient[aspect][period][place]) for aspect in ASPECTS),
            bool(period and rule.meets[period - 1][place]),
        )
        for place in order
    ]  # fmt: skip
    table = (("student", "crebo", *ASPECTS, "vorige_periode"), flat)
    part = Part(Words("Studenten", "Students"), (), Grid(head, rows, "wide"))
    return Product(file_name(NAME, team), title, lead, (part,), {"studenten": table})


def _count(rule: Rule, period: int, place: int) -> int:
    return sum(bool(mask[period][place]) for mask in rule.insufficient.values())


def _cells(rule: Rule, period: int, place: int) -> list[Cell]:
    insufficient = Mark(Words("onvoldoende", "insufficient"), "bad")
    cells: list[Cell] = [
        insufficient if rule.insufficient[aspect][period][place] else Words.same("–") for aspect in ASPECTS
    ]
    before = bool(period and rule.meets[period - 1][place])
    return [*cells, Mark(Words("ook", "also"), "warn") if before else Words.same("–")]
