"""Words on a command line arrive; calls of plain functions leave: the command that replaces a charter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments import terminal
from experiments.terminal import Command, Report


def register(app: typer.Typer) -> None:
    """Add this command to a command line."""
    app.command(cls=Command)(charter)


def charter(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The coordinator's workspace. / De werkmap van de coördinator.")
    ],
    document: Annotated[
        Path, typer.Argument(metavar="CHARTER.yaml", help="The agreements as they are now. / De nieuwe afspraken.")
    ],
    abandon: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPERIMENT", help="Give up its run or finding; repeat. / Zie ervan af."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")] = False,
) -> Report:
    """Make the next version of the charter, between runs. / Maak de volgende versie van het charter.

    Every FG accepts it again; experiments that wait are submitted and approved again.
    """
    from coalition import presenting_charter, renewal
    from coalition.workspace import Workspace

    workspace = Workspace.open(folder)
    proposed = renewal.propose(workspace, document, abandon or ())
    question = "Put this charter in force here? / Dit charter hier laten gelden?"
    blocks = terminal.confirm(presenting_charter.proposed(proposed), question, yes)
    return presenting_charter.renewed(proposed, renewal.renew(workspace, proposed), blocks)
