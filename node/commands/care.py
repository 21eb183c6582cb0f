"""Words on a command line arrive; calls of plain functions leave: care for the data of single students and years."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from experiments import terminal
from experiments.terminal import Command, Report

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]
Numbers = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Numbers, one a line; default: standard input. / Nummers.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")]
Lift = Annotated[bool, typer.Option("--lift", help="Undo it for what is delivered next. / Hef op.")]
PEOPLE = click.Choice(["student", "applicant", "staff"])
ABOUT_KEY = "The key of the pseudonyms. / De sleutel van de pseudoniemen."


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (optout, erase, forget, link):
        app.command(cls=Command)(command)
    group = terminal.application(ABOUT_KEY)
    group.command(cls=Command)(rotate)
    group.callback()(lambda: None)  # so that a single command keeps its name
    app.add_typer(group, name="key")


def optout(
    root: Folder,
    add: Annotated[bool, typer.Option("--add", help="Leave these students out. / Laat hen weg.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="No longer. / Niet langer.")] = False,
    file: Numbers = None,
) -> Report:
    """Keep students who object (AVG art. 21) out of the next run and of lists. / Houd bezwaarmakers buiten."""
    from node.people import caring

    return caring.opt_out(root, add, remove, file)


def erase(
    root: Folder,
    file: Numbers = None,
    about: Annotated[str, typer.Option(click_type=PEOPLE, help="Whose numbers. / Wiens nummers.")] = "student",
    lift: Lift = False,
    yes: Yes = False,
) -> Report:
    """Remove every row of the people with these numbers; the account stays. / Wis de rijen van personen."""
    from node.people import caring

    return caring.erase(root, file, about, lift, yes)


def forget(
    root: Folder,
    cohort: Annotated[str, typer.Option(metavar="YEAR", help="Year they began, or unknown. / Jaar van begin.")],
    lift: Lift = False,
    yes: Yes = False,
) -> Report:
    """Remove every row of a year of students; the ledger stays. / Verwijder de rijen van een cohort."""
    from node.people import caring

    return caring.forget(root, cohort, lift, yes)


def link(root: Folder, file: Numbers = None) -> Report:
    """Say that a new number is somebody known: lines `old new`. / Koppel nieuwe aan oude nummers."""
    from node.people import caring

    return caring.link(root, file)


def rotate(root: Folder, yes: Yes = False) -> Report:
    """Give everybody another pseudonym; accounts stay. / Vernieuw de sleutel; ieder houdt de eigen plaats."""
    from node.people import caring

    return caring.rotate(root, yes)
