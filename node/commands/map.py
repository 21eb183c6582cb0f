"""Words on a command line arrive; calls of the mapping assistant leave: `coalition-node map suggest|explain|diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments import terminal
from experiments.terminal import Command, Report

ABOUT = (
    "Propose a mapping for exports, read one aloud, compare two. / Stel een mapping voor, lees haar voor, vergelijk."
)

Mapping = Annotated[Path, typer.Argument(metavar="MAPPING", help="A mapping file. / Een mappingbestand.")]


def register(app: typer.Typer) -> None:
    """Add `map` and its commands to a command line."""
    group = terminal.application(ABOUT)
    for command in (suggest, explain, diff):
        group.command(cls=Command)(command)
    app.add_typer(group, name="map")


def suggest(
    exports: Annotated[Path, typer.Argument(metavar="EXPORT", help="A file, or a folder of exports. / Export of map.")],
    out: Annotated[Path | None, typer.Option(help="Write the mapping here. / Schrijf de mapping hier.")] = None,
    schema: Annotated[Path | None, typer.Option(help="The coalition's schema.yaml. / Schema-uitbreiding.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do not look for a shipped layout. / Zoek geen bekende indeling.")
    ] = False,
) -> Report:
    """Propose a mapping from names and shapes, with open points. / Stel een mapping voor, met open punten."""
    from node.assistant import reporting

    return reporting.suggested(exports, out, schema, fresh)


def explain(
    mapping: Mapping,
    schema: Annotated[Path | None, typer.Option(help="The coalition's schema.yaml. / Schema-uitbreiding.")] = None,
) -> Report:
    """Say in sentences what each table and column gets. / Zeg in zinnen wat elke tabel en kolom krijgt."""
    from node.assistant import reporting

    return reporting.explained(mapping, schema)


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A mapping. / Een mapping.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another mapping. / Een andere mapping.")],
) -> Report:
    """Show what changes for which column; exit code 1 when anything does. / Toon wat er voor welke kolom verandert."""
    from node.assistant import reporting

    return reporting.compared(old, new)
