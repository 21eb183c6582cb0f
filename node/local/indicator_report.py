"""A node's folder and what is asked arrive; the school's indicators leave, with norm, interval and judgement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reading.sheet import Mark
from experiments.reading.words import Words
from experiments.terminal import Block, Grid, Report
from node.local import figures, product
from node.local.overview import Overview, Ratio, overview
from node.local.school import chosen_years, open_school
from shared_schema.indicators import RULES
from shared_schema.norms import SMALLEST_DENOMINATOR

if TYPE_CHECKING:
    from node.local.school import School

HEAD = ("groep / group", "studenten / students", "waarde / value", "95%", "norm", "oordeel / judgement")


def run(
    root: Path,
    by: str,
    years: str | None,
    only: Sequence[str],
    per_niveau: bool,
    as_of: str | None,
    xlsx: Path | None,
    csv: Path | None,
) -> Report:
    """Print every indicator, or those asked for, pooled over the years; export where asked."""
    school = open_school(root, as_of)
    found = overview(school, chosen_years(school, years), by, only or tuple(RULES), per_niveau)
    title = Words("Indicatoren", "Indicators")
    files = product.exported(school, title, {"indicatoren": (figures.HEADS, figures.flat(found.ratios))}, xlsx, csv)
    data = {
        **product.about(school),
        "years": list(found.years),
        "by": by,
        "indicators": [figures.plain(one) for one in found.ratios],
        "not_delivered": {name: list(columns) for name, columns in found.missing.items()},
        "files": [str(file) for file in files],
    }
    return Report(data, [*_blocks(school, found, per_niveau), *map(str, files)])


def _blocks(school: School, found: Overview, split: bool) -> list[Block]:
    blocks: list[Block] = [f"{school.name}, {product.span(found.years)}"]
    for name in RULES:
        if ratios := found.of(name):
            title = figures.title(name)
            blocks.append(Grid(f"{title.nl} / {title.en}", HEAD, [_row(one, split) for one in ratios]))
    blocks += missing(found)
    return [*blocks, *notes(school, found)]


def missing(found: Overview) -> list[str]:
    """Which indicators the delivery cannot serve, and what it lacks."""
    return [
        f"{figures.title(name).nl}: niet te berekenen zonder / cannot be computed without {', '.join(columns)}."
        for name, columns in found.missing.items()
    ]


def notes(school: School, found: Overview) -> list[str]:
    """What a reader must know of these figures."""
    told = [f"{product.stays(school).nl}\n{product.stays(school).en}", *product.nearly_over(school)]
    if found.years[0] <= min(school.years, default=found.years[0]):
        told.append(
            f"De levering begint op {school.since}: wie er daarvoor al was telt als nieuw in SR, en diploma's van"
            f" voor die dag tellen niet in DR. / The delivery begins on {school.since}: earlier students count as new"
            " in SR, earlier diplomas not in DR."
        )
    return told


def _row(one: Ratio, split: bool) -> tuple[str, ...]:
    """Numbers as Dutch readers write them; only the judgement is said in both languages."""
    name, _, value, between, norm, judgement = figures.grid([one], "school", split).rows[0]
    students = str(one.denominator) if one.shown else f"<{SMALLEST_DENOMINATOR}" if one.small else "–"
    said = _words(judgement)
    both = said.nl if said.nl == said.en else f"{said.nl} / {said.en}"
    return (_words(name).nl, students, _words(value).nl, _words(between).nl, _words(norm).nl, both)


def _words(cell: object) -> Words:
    text = cell.text if isinstance(cell, Mark) else cell
    return text if isinstance(text, Words) else Words.same(str(text))
