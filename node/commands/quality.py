"""Words on a command line arrive; calls of plain functions leave. How good are the data, and are they ready?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import Command, Report

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the node's command line."""
    app.command(cls=Command)(check)
    app.command(cls=Command)(ready)


def check(
    root: Folder,
    exports: Annotated[Path | None, typer.Option(help="Look at these, store nothing. / Alleen bekijken.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="LAYOUT|FILE", help="Default: NODE/mapping.yaml. / Indeling of bestand.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Default: NODE/local/quality.html. / Waar de bladzijde komt."),
    ] = None,
) -> Report:
    """Show how good the data are, and which questions they serve; write the page. / Toon de kwaliteit van de data."""
    from node.quality import checking

    return checking.check(root, exports, mapping, html, date.today())


def ready(
    root: Folder,
    yes: Annotated[
        bool | None, typer.Option("--yes/--no", help="Set the switch; without it: look. / Zet de schakelaar om.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says so. / Wie dit zegt.")] = None,
) -> Report:
    """Say that the data are ready, or no longer; the verdict is shown first. / Zeg of de data klaar zijn."""
    from node.quality import ready as switch

    return switch.ready(root, yes, by)
