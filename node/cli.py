"""Words on a command line arrive; calls of plain functions leave. `coalition-node`: for operator and FG of one school.

Thin on purpose, like `coalition.cli`. The FG's commands (approve, ledger, sign) stand in `node.commands.fg`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments import terminal
from experiments.terminal import Command, Report
from node.commands import care as cli_care
from node.commands import data as cli_data
from node.commands import fg as cli_fg
from node.commands import invite as cli_invite
from node.commands import local as cli_local
from node.commands import map as cli_map
from node.commands import quality as cli_quality

ABOUT = (
    "A school's own node: it sees the data, decides what may be asked, and keeps the privacy ledger. / "
    "De node van de school: ziet de data, beslist wat gevraagd mag worden en houdt het privacylogboek bij."
)
app = terminal.application(ABOUT)

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]


@app.command(cls=Command)
def init(
    root: Annotated[Path, typer.Argument(metavar="NODE", help="Folder to make. / Nieuwe map.")],
    school: Annotated[str, typer.Option(help="The school's id in the coalition. / Kenmerk van de school.")],
    name: Annotated[str, typer.Option(help="The school's name. / Naam van de school.")],
    policy: Annotated[Path | None, typer.Option(help="policy.yaml; else a careful one is written. / Beleid.")] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(metavar="COHORT=STUDENTS", help="Published size, without --policy; repeat. / Openbare omvang."),
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="A layout (osiris, …) or a file. / Indeling of bestand.")] = None,
    schema: Annotated[Path | None, typer.Option(help="The coalition's schema.yaml. / Schema-uitbreiding.")] = None,
    fg_public: Annotated[
        str | None, typer.Option(metavar="HEX", help="The FG's public key, kept elsewhere. / Sleutel FG.")
    ] = None,
) -> Report:
    """Make a node: keys, policy, ledger, and the card for the coordinator. / Maak een node."""
    from node import founding, presenting

    return presenting.founded(founding.found(root, school, name, policy, size or [], mapping, schema, fg_public))


@app.command(cls=Command, name="relay-key")
def relay_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key is written. / Bestand.")],
) -> Report:
    """Make the key with which this school's relay reports to the SuperLink. / Maak de sleutel van de relay."""
    from privacy import tls

    line = tls.make_relay_key(file)
    public = f"{file}.pub"
    words = f"Send {public} to the coordinator, who lets this relay in. / Stuur dit bestand naar de coördinator."
    return Report({"file": str(file), "public_file": public, "public": line}, [words, line])


@app.command(cls=Command)
def ingest(
    root: Folder,
    exports: Annotated[Path | None, typer.Option(help="Folder or file; default: NODE/exports. / Exports.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="LAYOUT|FILE", help="Default: NODE/mapping.yaml. / Indeling of bestand.")
    ] = None,
    replaces: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYOUT", help="Take this layout's place as well; repeat. / Neem ook diens plaats in."),
    ] = None,
) -> Report:
    """Take in exports; identifiers are replaced before anything is stored. / Neem exports in."""
    from node import delivering

    return delivering.ingest(root, exports, mapping, replaces or [])


@app.command(cls=Command)
def features(
    root: Folder,
    cutoff_week: Annotated[int, typer.Option(min=0, max=52, help="School week. / Lesweek.")] = 10,
) -> Report:
    """List every feature with its public bounds, and how well the data fill it. / Toon de kenmerken."""
    from node import delivering

    return delivering.features(root, cutoff_week)


@app.command(cls=Command)
def policy(
    root: Folder,
    card: Annotated[bool, typer.Option("--card", help="Write card.json again after a change. / Nieuwe kaart.")] = False,
) -> Report:
    """Show the school's rules in words. / Toon de regels van de school."""
    from node import presenting

    return presenting.policy(root, card)


@app.command(cls=Command)
def serve(
    root: Folder,
    socket: Annotated[Path, typer.Option(help="Local socket for the relay. / Socket voor de relay.")],
) -> Report:
    """Answer requests on a local socket until stopped. / Beantwoord vragen op een lokale socket."""
    from node import serving

    return serving.serve(root, socket)


cli_data.register(app)
cli_care.register(app)
cli_fg.register(app)
cli_invite.register(app)
cli_local.register(app)
cli_map.register(app)
cli_quality.register(app)


def main() -> int:
    """Entry point of the console script `coalition-node`."""
    return terminal.run(app, "coalition-node")
