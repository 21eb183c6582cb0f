"""Arrives: a quality report as plain data. Leaves: the same report in words, Dutch with English beside it.

It is drawn from the stored report, so `check` shows later exactly what `ingest` showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from experiments.catalogue.questions import Service

MARKS = {"pass": "[green]ok[/]", "warn": "[yellow]let op[/]", "fail": "[red]fout[/]"}
VERDICTS = {
    "pass": "De levering is bruikbaar zoals zij is. / The delivery is usable as it is.",
    "warn": "De levering is bruikbaar; kijk naar de meldingen. / The delivery is usable; look at the notes.",
    "fail": "De levering is niet bruikbaar en niet bewaard. / The delivery is not usable and was not stored.",
}


def render(report: Mapping[str, Any], console: Console) -> None:
    """Print a report (`Quality.plain()`, or the stored copy of it): files, tables, notes, verdict."""
    console.print(_files(report["sources"]))
    for protection in report["protections"]:
        console.print(_plain(_protection(protection)), highlight=False)
    for source, columns in report["unread"].items():
        console.print(_plain(f"{source}: niet gelezen / not read: {', '.join(columns)}"), highlight=False)
    console.print(_tables(report["tables"]))
    notes = [(table["table"], note) for table in report["tables"] for note in table["notes"]]
    if notes:
        console.print(_notes(notes))
    console.print(VERDICTS[report["verdict"]])


def render_questions(services: Iterable[Service], console: Console) -> None:
    """Print which of the forty questions the data serve, and what the others lack."""
    table = _empty("Vragen / Questions", "nr", "vraag / question", "", "ontbreekt / lacking")
    marks = {
        "yes": "ja / yes",
        "no": "nee / no",
        "extension": "met uitbreiding / with extension",
        "public": "openbaar / public",
    }
    for service in services:
        table.add_row(
            str(service.number), _plain(service.title_nl), marks[service.verdict], _plain(", ".join(service.lacking))
        )
    console.print(table)


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
        counts = [f"{one[key]:,}" for key in ("kept", "set_aside", "students")]
        shown.add_row(one["table"], MARKS[one["verdict"]], *counts, filled)
    return shown


def _notes(notes: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    shown = _empty("Meldingen / Notes", "kolom / column", "", "rijen / rows", "wat / what", "wat te doen / what to do")
    for table, note in notes:
        place = f"{table}.{note['column']}" if note["column"] else table
        what, remedy = (_plain(_pair(note[nl], note[en])) for nl, en in (("nl", "en"), ("remedy_nl", "remedy_en")))
        shown.add_row(_plain(place), MARKS[note["verdict"]], f"{note['rows']:,}", what, remedy)
    return shown


def _pair(nl: str, en: str) -> str:
    return f"{nl} / {en}" if nl or en else ""


def _plain(text: str) -> str:
    """Text in which nothing is markup or moves a cursor: a column may be named `[red]` or hold an escape sequence."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


def _empty(title: str, *columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, title=title, title_justify="left", title_style="bold")
