"""Words on a command line arrive; calls of plain functions leave: what a school gets back from its own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from experiments.terminal import Command, Report
from node.commands.custody import Folder

LEVELS = click.Choice(["quality", "programme", "slb"])
Team = Annotated[str | None, typer.Option(help="Only this team. / Alleen dit team.")]
AsOf = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="Data known until; default: the last date. / Peildatum.")
]
Years = Annotated[
    str | None, typer.Option(metavar="2022-2024", help="School years; default: the last three. / Schooljaren.")
]
Xlsx = Annotated[Path | None, typer.Option(metavar="FILE", help="Also to Excel. / Ook naar Excel.")]
Csv = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Also to CSV files. / Ook naar CSV-bestanden.")]
Period = Annotated[
    int | None, typer.Option(min=1, max=4, help="Period of ten weeks; default: the last begun. / Periode.")
]
AskedBy = Annotated[str | None, typer.Option(help="Who asks for students; default: this account. / Wie vraagt.")]
Numbers = Annotated[
    Path | None, typer.Option(metavar="EXPORT", help="Show student numbers from it. / Toon studentnummers.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (indicators, kwaliteitskaart, team, forecast, colours, risk):
        app.command(cls=Command)(command)


def indicators(
    root: Folder,
    by: Annotated[str, typer.Option(help="school, team, college, crebo, niveau, … / Per wat.")] = "school",
    years: Years = None,
    only: Annotated[list[str] | None, typer.Option(help="jaarresultaat, vsv_eigen, …; repeat. / Alleen.")] = None,
    per_niveau: Annotated[
        bool, typer.Option("--per-niveau/--together", help="Norms hold per level. / Normen gelden per niveau.")
    ] = True,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Show JR, DR, SR, vsv, switch, dropout and delay with norm and judgement. / Toon de indicatoren.

    Of this school, for this school: groups under twelve students are not shown, and nothing leaves.
    """
    from node.local import indicator_report

    return indicator_report.run(root, by, years, only or (), per_niveau, as_of, xlsx, csv)


def kwaliteitskaart(
    root: Folder,
    years: Years = None,
    team: Team = None,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Make the quality card: results, vsv and three satisfactions per team. / Maak de kwaliteitskaart.

    Own norms and PDCA notes of teams stand in NODE/local/kwaliteitskaart.yaml. Nothing leaves.
    """
    from node.local import card

    return card.run(root, years, team, as_of, xlsx, csv)


def colours(
    root: Folder,
    period: Period = None,
    team: Annotated[str | None, typer.Option(help="Show this team's own students. / Toon eigen studenten.")] = None,
    asked_by: AskedBy = None,
    numbers: Numbers = None,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Show who is green, orange or red on absence, results and talk. / Toon de kleuren van de normscores.

    Per team the share red, nobody named; with --team the students, for at most six people whom NODE/local/bevoegd.yaml
    names for that team. A colour is a reason to talk. Nothing leaves.
    """
    from node.local import colours as product
    from node.local.product import Asked

    return product.run(root, Asked(period, team, asked_by, numbers, as_of, xlsx, csv))


def risk(
    root: Folder,
    period: Period = None,
    team: Annotated[str | None, typer.Option(help="Show this team's own students. / Toon eigen studenten.")] = None,
    asked_by: AskedBy = None,
    numbers: Numbers = None,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Show what the risk rule was worth, and how many meet it now. / Toon wat de risicoregel waard was.

    Two or more of conduct, work placement, attendance and results insufficient; beside it the school's own model, which
    names as many. With --team the students who meet the rule, for at most six people whom NODE/local/bevoegd.yaml names
    for that team. A person decides; nothing leaves.
    """
    from node.local import risk as product
    from node.local.product import Asked

    return product.run(root, Asked(period, team, asked_by, numbers, as_of, xlsx, csv))


def forecast(
    root: Folder,
    round_: Annotated[
        int | None, typer.Option("--round", min=0, max=3, help="Team estimates up to this round. / Ronde.")
    ] = None,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Forecast JR, DR and next year's headcount from team estimates. / Voorspel JR, DR en de telling.

    Each earlier year is forecast from the years before it and laid beside what happened. Nothing leaves.
    """
    from node.local import forecast as product

    return product.run(root, round_, as_of, xlsx, csv)


def team(
    root: Folder,
    level: Annotated[
        str, typer.Option(click_type=LEVELS, help="Who looks: quality, programme or slb. / Voor wie.")
    ] = "quality",
    team: Team = None,
    asked_by: AskedBy = None,
    numbers: Numbers = None,
    years: Years = None,
    as_of: AsOf = None,
    xlsx: Xlsx = None,
    csv: Csv = None,
) -> Report:
    """Make the team dashboard for a quality manager, a programme manager or an SLB'er. / Maak het teamdashboard.

    Figures are of twelve students or more. An SLB'er sees the own team's students, if NODE/local/bevoegd.yaml names
    that person for that team. Nothing leaves.
    """
    from node.local import team as product

    return product.run(root, level, team, asked_by, numbers, years, as_of, xlsx, csv)
