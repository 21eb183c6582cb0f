"""Words on a command line arrive; calls of plain functions leave: an FG's keys, and what other schools signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from experiments.terminal import Command, Report

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]
Key = Annotated[Path | None, typer.Option(help="The FG's key; default: NODE/keys/fg.pem. / Sleutel van de FG.")]
Export = Annotated[Path | None, typer.Option(help="Write the bytes to sign elsewhere. / Elders tekenen.")]
Import = Annotated[Path | None, typer.Option("--import", help="Take what came back signed. / Neem de handtekening.")]
LANGUAGES = click.Choice(["nl", "en"])
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (audit, deputy):
        app.command(cls=Command)(command)
    app.command(cls=Command, name="fg-key")(fg_key)


def audit(
    root: Annotated[Path, typer.Argument(metavar="NODE|LEDGER", help="A folder or a ledger. / Map of logboek.")],
    receipts: Annotated[
        list[Path] | None,
        typer.Option(help="A published bundle, or another FG's export; repeat. / Bevinding of export."),
    ] = None,
    ledger: Annotated[
        list[Path] | None, typer.Option(help="A copy of another school's ledger; repeat. / Kopie van een logboek.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Write what is held, for another FG. / Geef door.")] = None,
    expected_head: Annotated[
        str | None, typer.Option(metavar="HEX|FILE", help="A head that you kept. / Een kop die u bewaarde.")
    ] = None,
    charter: Annotated[Path | None, typer.Option(help="A charter that you accepted. / Een aanvaard charter.")] = None,
    papers: Annotated[
        list[Path] | None, typer.Option(help="An experiment or submission; repeat. / Experiment of indiening.")
    ] = None,
    language: Annotated[str, typer.Option(click_type=LANGUAGES, help="Of the report. / Van het verslag.")] = "nl",
) -> Report:
    """Check a ledger file with the stand-alone verifier, or what schools signed. / Controleer een logboek.

    LEDGER: everything in the file, as `python privacy/verify.py` does. NODE: what other schools signed is held against
    each other and against ledgers, to find a second ledger of one school.
    """
    if root.is_file():
        from node.desk import bookkeeping

        return bookkeeping.verified(root, expected_head, charter, papers or [], language)
    from node.desk import custody

    return custody.audit(root, receipts or [], ledger or [], export)


def deputy(
    root: Folder,
    name: Annotated[str | None, typer.Option(help="An id for the deputy. / Kenmerk van de plaatsvervanger.")] = None,
    public: Annotated[str | None, typer.Option(metavar="HEX", help="Their public key. / Openbare sleutel.")] = None,
    until: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day. / Tot en met.")] = None,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="End the term now. / Beëindig.")] = False,
    key: Key = None,
    export: Export = None,
    import_: Import = None,
    yes: Yes = False,
) -> Report:
    """Name who approves and countersigns while the FG is away, or end it. / Wijs een plaatsvervanger aan."""
    from node.desk import signing
    from node.desk.signing import Hand

    return signing.deputy(root, name, public, until, dismiss, Hand(key, export, import_, yes))


def fg_key(
    root: Folder,
    public: Annotated[str, typer.Argument(metavar="HEX", help="The new public key. / Nieuwe openbare sleutel.")],
) -> Report:
    """Put the FG's new key on the card, for the next charter. / Zet de nieuwe sleutel van de FG op de kaart."""
    from node.desk import signing

    return signing.new_key(root, public)
