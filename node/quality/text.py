"""Arrives: a quality report as plain data. Leaves: the same report in words, Dutch with English beside it.

The first screen says what the verdict is, what is wrong and what to do first; files and tables follow. It is drawn
from the stored report, so `check` shows later exactly what `ingest` showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from node.quality.overview import Overview, Ranked, first_steps, verdict_in_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from experiments.catalogue.questions import Service
    from experiments.reading.words import Words

MARKS = {"pass": "[green]ok[/]", "warn": "[yellow]let op[/]", "fail": "[red]fout[/]"}
SHOWN = 12  # findings on the first screen; the page has them all
ANSWERS: Mapping[str, str] = {
    "yes": "ja / yes",
    "extension": "met uitbreiding / with extension",
    "public": "openbaar / public",
    "no": "nee / no",
}


def render(seen: Overview, console: Console) -> None:
    """Print verdict, findings and first steps, then tables, files and what became of identifiers."""
    render_verdict(seen, console)
    report = seen.report
    console.print(_tables(report["tables"]))
    console.print(_files(report["sources"]))
    for protection in report["protections"]:
        console.print(_plain(_protection(protection)), highlight=False)
    for source, columns in report["unread"].items():
        console.print(_plain(f"{source}: niet gelezen / not read: {', '.join(columns)}"), highlight=False)
    if absent := report.get("absent"):  # a report of before this key has none
        console.print(_plain(f"geen bestand / no file: {', '.join(absent)}"), highlight=False)


def render_verdict(seen: Overview, console: Console) -> None:
    """Print the first screen: the verdict, what is wrong, what to do first."""
    console.print(_plain(_pair(verdict_in_words(seen))), style="bold")
    if seen.to_act_on:
        console.print(_findings(seen.to_act_on[:SHOWN]))
        more = len(seen.to_act_on) - SHOWN
        if more > 0:
            console.print(f"En {more} meldingen meer op de pagina. / And {more} more on the page.")
        console.print("Eerst doen / Do first:")
        for number, step in enumerate(first_steps(seen), start=1):
            console.print(_plain(f"  {number}. {_pair(step)}"), highlight=False)


def render_questions(services: Sequence[Service], console: Console) -> None:
    """Print which of the forty questions the data serve, and what the others lack, those that lack least first."""
    console.print("Vragen / Questions", style="bold")
    for verdict in ("yes", "extension", "public"):
        numbers = [str(service.number) for service in services if service.verdict == verdict]
        console.print(_plain(f"  {ANSWERS[verdict]} ({len(numbers)}): {', '.join(numbers) or '-'}"), highlight=False)
    table = _empty("", "nr", f"{ANSWERS['no']}: vraag / question", "ontbreekt / lacking")
    lacking = [service for service in services if service.verdict == "no"]
    for service in sorted(lacking, key=lambda one: (len(one.lacking), one.number)):
        table.add_row(str(service.number), _plain(service.title_nl), _plain(", ".join(service.lacking)))
    if lacking:
        console.print(table)


def _findings(ranked: Iterable[Ranked]) -> Table:
    shown = _empty("Wat er mis is / What is wrong", "waar / where", "", "wat / what", "vragen / questions")
    for one in ranked:
        found = one.finding
        numbers = ", ".join(map(str, one.questions[:6])) + (", …" if len(one.questions) > 6 else "")
        shown.add_row(_plain(found.place or "-"), MARKS[found.severity], _plain(_pair(found.found)), numbers)
    return shown


def _files(sources: Iterable[Mapping[str, Any]]) -> Table:
    table = _empty(
        "Bestanden / Files", "bron / source", "bestand / file", "scheiding / separator", "codering / encoding",
        "decimaal / decimal", "datums / dates", "rijen / rows", "kolommen / columns",
    )  # fmt: skip
    for one in sources:
        dates = ", ".join(sorted(set(one["dates"].values()))) or "-"
        words = [one["source"], one["file"], one["separator"], one["encoding"], one["decimal"], dates]
        table.add_row(*map(_plain, words), f"{one['rows']:,}", f"{one['columns']:,}")
    return table


def _protection(one: Mapping[str, Any]) -> str:
    dropped = ", ".join(one["dropped"]) or "-"
    without = f"; {one['rows_without']} rijen zonder nummer / rows without number" if one["rows_without"] else ""
    if withheld := one.get("rows_withheld"):  # not in reports of an earlier version
        without += f"; {withheld} rijen van gewiste studenten of jaren / rows of erased students or years"
    replaced = ", ".join(one["replaced"]) or "-"
    return f"{one['source']}: vervangen / replaced: {replaced}; verwijderd / dropped: {dropped}{without}"


def _tables(tables: Iterable[Mapping[str, Any]]) -> Table:
    shown = _empty(
        "Tabellen / Tables", "tabel / table", "", "rijen / rows", "opzij / set aside", "studenten / students",
        "gevuld / filled",
    )  # fmt: skip
    for one in tables:
        shares = one["coverage"].values()
        filled = f"{sum(shares) / len(shares):.0%}" if shares else "-"
        counts = [f"{one[key]:,}" for key in ("kept", "set_aside")]
        students = f"{one['students']:,}" if one["students"] or not one["kept"] else "-"  # of tables about others: none
        shown.add_row(one["table"], MARKS[one["verdict"]], *counts, students, filled)
    return shown


def _pair(words: Words) -> str:
    return f"{words.nl} / {words.en}"


def _plain(text: str) -> str:
    """Text in which nothing is markup or moves a cursor: a column may be named `[red]` or hold an escape sequence."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


def _empty(title: str, *columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, title=title or None, title_justify="left", title_style="bold")
