"""A school's forecasts arrive; the rendemententool's page leaves: this year's, and how those of earlier years did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.reading.periods import Series, over_periods
from experiments.reading.sheet import Cell, Drawing, Grid, Key, Mark, Part, Tone
from experiments.reading.words import Words, share, whole
from node.errors import UnusableInput
from node.local import figures, product
from node.local.product import Product
from node.local.prognosis import Actual, Forecast, Interval, Year, actual, forecast, latest_round, years
from node.local.school import open_school
from shared_schema.stays import first_stays

if TYPE_CHECKING:
    from experiments.terminal import Report
    from node.local.school import School

NAME = "prognose"
MANY_STRANGERS = 0.1
"""From this share of students without history on, the figures are marked."""

HEADS = (
    "schooljaar", "groep", "ronde", "studenten", "zonder_voorgeschiedenis", "jr", "jr_van", "jr_tot", "jr_werkelijk",
    "dr", "dr_van", "dr_tot", "dr_werkelijk", "blijft", "blijft_van", "blijft_tot", "blijft_werkelijk", "telling",
    "telling_van", "telling_tot", "telling_werkelijk",
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """A forecast of a year from the years before it, beside what happened; `was` is None while the year runs."""

    forecast: Forecast
    was: Actual | None


def run(root: Path, round_: int | None, as_of: str | None, xlsx: Path | None, csv: Path | None) -> Report:
    """Write NODE/local/prognose.html: the running year from all before it, and each earlier year from those before."""
    school = open_school(root, as_of)
    start = first_stays(school.facts).start
    chosen = latest_round(school.facts, start, school.running) if round_ is None else round_
    seen = years(school, chosen)
    if len(seen) < 2 or seen[-1].outcome is not None:
        rule, remedy = "A forecast needs a running year and one that is over.", "Ingest a delivery of several years."
        raise UnusableInput("no_earlier_year", rule, f"{len(school.years)} years that are over", remedy)
    now = [Held(one, None) for one in forecast(seen[:-1], seen[-1], _teams(seen[-1]))]
    before = [Held(one, actual(year)) for year in seen[:-1] for one in forecast(seen, year)]
    told = page(school, chosen, now, before)
    data = {"round": chosen, "forecasts": [_plain(one, chosen) for one in (*before, *now)]}
    return product.put(school, told, xlsx, csv, data)


def _teams(year: Year) -> list[str]:
    there = np.array([one is not None for one in year.classes])
    return sorted({str(team) for team in year.team[there] if team}, key=str.casefold)


def page(school: School, round_: int, now: Sequence[Held], before: Sequence[Held]) -> Product:
    """The page and its table."""
    whole_school = now[0].forecast
    span = f"{whole_school.year}-{whole_school.year + 1}"
    title = Words(f"Prognose {span}", f"Forecast {span}")
    lead = Words(
        "Wat er van vergelijkbare studenten werd in eerdere jaren, op dezelfde dag van het jaar gezien, zegt wat er nu"
        " kan gebeuren. Vergelijkbaar: de inschatting van het team, het niveau, of de nominale duur afloopt, en of de"
        " student er nog is.",
        "What became of similar students in earlier years, seen on the same day of the year, says what may happen now."
        " Similar: the team's estimate, the level, whether the nominal duration ends, and whether the student is"
        " still here.",
    )
    parts = (_now_part(whole_school, round_), _before_part(before), _teams_part(now[1:]))
    rows = [_flat(one, round_) for one in (*before, *now)]
    return Product(NAME, title, lead, parts, {"prognose": (HEADS, rows)})


def _now_part(one: Forecast, round_: int) -> Part:
    tone: Tone = "warn" if one.strangers > MANY_STRANGERS * one.students else ""
    keys = (
        Key(_middle(one.jaarresultaat), figures.title("jaarresultaat"), _reach(one.jaarresultaat), tone),
        Key(_middle(one.diplomaresultaat), figures.title("diplomaresultaat"), _reach(one.diplomaresultaat), tone),
        Key(whole(one.stays.middle), Words("blijft na 1 oktober", "stays after 1 October"), _count(one.stays)),
        Key(
            whole(one.headcount.middle) if one.headcount else Words.same("–"),
            Words("studenten volgend jaar op 1 oktober", "students next year on 1 October"),
            _count(one.headcount) if one.headcount else None,
        ),
    )
    used = Words(
        "Gebruikt: de inschattingen tot en met ronde {round}."
        if round_
        else "Er zijn geen inschattingen van dit jaar.",
        "Used: the estimates up to round {round}." if round_ else "There are no estimates of this year.",
    ).filled(round=round_)
    text = [used, _strangers(one)] if one.strangers else [used]
    return Part(Words("Dit jaar", "This year"), tuple(text), keys=keys)


def _strangers(one: Forecast) -> Words:
    return Words(
        "{n} van de {all} studenten zijn in een situatie die de levering uit eerdere jaren niet kent, zoals een"
        " opleiding die nu voor het eerst afloopt; voor hen telt wat er op alle niveaus samen gebeurde.",
        "{n} of the {all} students are in a situation that the delivery does not know from earlier years, such as a"
        " programme that ends for the first time; for them what happened at all levels together counts.",
    ).filled(n=whole(one.strangers), all=whole(one.students))


def _middle(one: Interval | None) -> Words:
    return figures.TOO_FEW if one is None else share(one.middle)


def _reach(one: Interval | None) -> Words | None:
    return None if one is None else figures.between(one.low, one.high)


def _count(one: Interval) -> Words:
    return Words.of(lambda numbers: f"{numbers.whole(one.low)}–{numbers.whole(one.high)}")


def _before_part(before: Sequence[Held]) -> Part:
    title = Words("Prognose en werkelijkheid", "Forecast and reality")
    held = [one for one in before if one.was]
    if not held:
        none = Words(
            "Er is nog geen jaar dat uit eerdere jaren te voorspellen was.",
            "There is no year yet that earlier years could forecast.",
        )
        return Part(title, (none,))
    head = (
        Words("schooljaar", "school year"), Words("figuur", "figure"), Words("prognose", "forecast"),
        Words("95%-interval", "95% interval"), Words("werkelijk", "actual"), Words("oordeel", "judgement"),
        Words("nieuw voor de levering", "new to the delivery"),
    )  # fmt: skip
    rows = tuple(row for one in held for row in _rows(one))
    return Part(title, (), Grid(head, rows), _drawing(held) if len(held) > 1 else None)


def _drawing(held: Sequence[Held]) -> Drawing:
    periods = [Words.same(f"{one.forecast.year}-{one.forecast.year + 1}") for one in held]
    series = (
        Series(Words("prognose JR", "forecast JR"), [_of(one.forecast.jaarresultaat) for one in held]),
        Series(Words("werkelijke JR", "actual JR"), [one.was.jaarresultaat if one.was else None for one in held]),
    )
    caption = Words("Elk jaar uit de jaren ervoor.", "Each year from the years before it.")
    return over_periods("forecasts", Words("Jaarresultaat", "Year result"), caption, periods, series)


def _of(one: Interval | None) -> float | None:
    return None if one is None else one.middle


def _rows(one: Held) -> list[tuple[Cell, ...]]:
    assert one.was is not None
    year = Words.same(f"{one.forecast.year}-{one.forecast.year + 1}")
    made: list[tuple[Cell, ...]] = []
    for name, guess, was in (
        ("jaarresultaat", one.forecast.jaarresultaat, one.was.jaarresultaat),
        ("diplomaresultaat", one.forecast.diplomaresultaat, one.was.diplomaresultaat),
    ):
        if guess is not None and was is not None:
            cells = (share(guess.middle), figures.between(guess.low, guess.high), share(was))
            made.append((year, figures.title(name), *cells, _hit(guess, was), one.forecast.strangers))
    for words, guess, count in (
        (Words("blijft", "stays"), one.forecast.stays, one.was.stays),
        (Words("telling 1 oktober", "count 1 October"), one.forecast.headcount, one.was.headcount),
    ):
        if guess is not None:
            made.append(
                (year, words, whole(guess.middle), _count(guess), count, _hit(guess, count), one.forecast.strangers)
            )
    return made


def _hit(guess: Interval, was: float) -> Cell:
    if guess.low <= was <= guess.high:
        return Mark(Words("binnen het interval", "within the interval"), "good")
    return Mark(Words("erbuiten", "outside"), "warn")


def _teams_part(now: Sequence[Held]) -> Part:
    head = (
        Words("team", "team"), Words("studenten", "students"), Words("JR", "JR"), Words("DR", "DR"),
        Words("blijft", "stays"), Words("nieuw voor de levering", "new to the delivery"),
    )  # fmt: skip
    rows = tuple(
        (
            one.forecast.group,
            one.forecast.students,
            _both(one.forecast.jaarresultaat),
            _both(one.forecast.diplomaresultaat),
            Words.of(lambda numbers, one=one: f"{numbers.whole(one.forecast.stays.middle)}"),  # type: ignore[misc]
            one.forecast.strangers,
        )
        for one in now
    )
    about = Words(
        "Met de ervaring van de hele school; teams met minder dan twaalf studenten staan er niet bij.",
        "From the experience of the whole school; teams with fewer than twelve students are not listed.",
    )
    return Part(Words("Per team", "Per team"), (about,), Grid(head, rows))


def _both(one: Interval | None) -> Words:
    if one is None:
        return Words.same("–")
    return Words.of(
        lambda numbers: f"{numbers.percent(one.middle)} ({numbers.percent(one.low)}–{numbers.percent(one.high)})"
    )


def _flat(one: Held, round_: int) -> tuple[str | int | float | None, ...]:
    guess, was = one.forecast, one.was
    return (
        f"{guess.year}-{guess.year + 1}", guess.group, round_, guess.students, guess.strangers,
        *_three(guess.jaarresultaat), was.jaarresultaat if was else None,
        *_three(guess.diplomaresultaat), was.diplomaresultaat if was else None,
        *_three(guess.stays), was.stays if was else None,
        *_three(guess.headcount), was.headcount if was else None,
    )  # fmt: skip


def _three(one: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if one is None else (one.middle, one.low, one.high)


def _plain(one: Held, round_: int) -> dict[str, str | int | float | None]:
    return dict(zip(HEADS, _flat(one, round_), strict=True))
