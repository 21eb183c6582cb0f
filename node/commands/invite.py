"""Words on a command line arrive; calls of plain functions leave: the invitation list, and exports to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from experiments.terminal import Command, Report, progress_bars
from node.commands.custody import Folder

RANKINGS = click.Choice(["local", "joint", "teacher", "combined"])


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    app.command(cls=Command)(invite)
    app.command(cls=Command, name="demo-export")(demo_export)


def invite(
    root: Folder,
    top: Annotated[str, typer.Option(metavar="20%|25", help="How many: a share or a number. / Hoeveel.")] = "20%",
    cohort: Annotated[int | None, typer.Option(help="Default: the newest. / Standaard het nieuwste.")] = None,
    week: Annotated[
        int | None, typer.Option(min=0, max=52, help="0, 3, 6 or 10; default: the last one known. / Lesweek.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FINDING", help="A published bundle; compare with it. / Bevinding.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(click_type=RANKINGS, help="Which ranking decides. / Welke volgorde beslist.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="Default: dropout_year_1, or the finding's. / Uitkomst.")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Data known until; default: the last date. / Peildatum.")
    ] = None,
    numbers: Annotated[
        Path | None, typer.Option(metavar="EXPORT", help="Show student numbers from it. / Toon studentnummers.")
    ] = None,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Also to Excel. / Ook naar Excel.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also to CSV. / Ook naar CSV.")] = None,
    team: Annotated[str | None, typer.Option(help="Only this team's, for who may see them. / Alleen dit team.")] = None,
    asked_by: Annotated[
        str | None, typer.Option(help="Who asks, for the record; default: this account. / Wie vraagt.")
    ] = None,
) -> Report:
    """Make the invitation list: who might be helped by a talk, and why. / Maak de uitnodigingslijst.

    Nothing leaves the school. A person decides; each list is recorded in NODE/local/lists.jsonl.
    """
    from node.local import invite as making

    asked = making.Asked(top, cohort, week, by, outcome, as_of, model, numbers, asked_by, team)
    with progress_bars() as progress:
        return making.run(root, asked, xlsx, csv, progress)


def demo_export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder. / Nieuwe map.")],
    layout: Annotated[str, typer.Option(help="uitnodigingsregel_v4, osiris, … / Indeling.")] = "uitnodigingsregel_v4",
    students: Annotated[
        int, typer.Option(min=30, max=100_000, help="Over three cohorts. / Over drie cohorten.")
    ] = 1500,
    year: Annotated[int, typer.Option(min=1990, max=2100, help="The running school year. / Lopend schooljaar.")] = 2025,
    week: Annotated[int, typer.Option(min=0, max=40, help="Its last teaching week known. / Laatste lesweek.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Another school for another seed. / Andere school.")] = 1,
) -> Report:
    """Write an invented school's exports, to try everything on. / Schrijf exports van een verzonnen school."""
    from node.local import demo_export as demo

    return demo.write(folder, layout, students, year, week, seed)
