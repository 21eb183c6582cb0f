"""Words on a command line arrive; calls of plain functions leave: the deliveries of a school."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import Command, Report

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (deliveries, withdraw, watch):
        app.command(cls=Command)(command)


def deliveries(root: Folder) -> Report:
    """List every delivery there was, and which of them count. / Toon alle leveringen en welke gelden."""
    from node import deliveries as shown

    return shown.listed(root)


def withdraw(
    root: Folder,
    layout: Annotated[str, typer.Argument(metavar="LAYOUT", help="Whose delivery. / Van welke indeling.")],
    yes: Yes = False,
) -> Report:
    """Withdraw a layout's delivery; its rows are removed, its numbers stay. / Trek een levering in."""
    from node import deliveries as shown

    return shown.withdraw(root, layout, yes)


def watch(
    root: Folder,
    once: Annotated[bool, typer.Option("--once", help="Look once, for cron. / Kijk één keer.")] = False,
    poll: Annotated[bool, typer.Option("--poll", help="For a share on the network. / Voor een netwerkschijf.")] = False,
    settle: Annotated[
        float, typer.Option(min=0.05, max=3600, help="Seconds without change before a file counts. / Rust in seconden.")
    ] = 5.0,
) -> Report:
    """Take in what appears complete in NODE/exports, until Ctrl-C. / Neem in wat compleet in de map verschijnt."""
    from node import watching

    return watching.watch(root, once, poll, settle)
