"""Words on a command line arrive; calls of plain functions leave: what a school's FG does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.terminal import Command, Report
from node.commands import custody as cli_custody
from node.commands.custody import Export, Folder, Import, Key, Yes

if TYPE_CHECKING:
    import click


class LedgerCommand(Command):
    """`ledger countersign NODE` and `ledger export NODE FOLDER` are the options of those names, said as verbs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a verb in the form of the option that it stands for."""
        match args:
            case ["countersign", *rest]:
                args = [*rest, "--countersign"]
            case ["export", root, folder, *rest]:
                args = [root, "--safekeep", folder, *rest]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    app.command(cls=Command)(approve)
    app.command(cls=LedgerCommand)(ledger)
    cli_custody.register(app)
    app.command(cls=Command)(sign)


def approve(
    root: Folder,
    experiment: Annotated[Path | None, typer.Option(help="What the coordinator sent. / Het verzoek.")] = None,
    charter: Annotated[Path | None, typer.Option(help="Accept this charter.cbor. / Aanvaard dit charter.")] = None,
    withdraw: Annotated[int | None, typer.Option(metavar="SERIAL", help="Take an approval back. / Trek in.")] = None,
    cap_epsilon: Annotated[str | None, typer.Option(help="The most this run may cost. / Hoogste kosten.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day; default 90 days. / Tot en met.")
    ] = None,
    own_figures: Annotated[
        bool, typer.Option("--own-figures", help="Allow this school's own figures. / Eigen cijfers.")
    ] = False,
    voucher: Annotated[
        list[Path] | None,
        typer.Option(help="Old key lost: another FG's acceptance of this charter; repeat. / Sleutel kwijt."),
    ] = None,
    key: Key = None,
    export: Export = None,
    import_: Import = None,
    yes: Yes = False,
) -> Report:
    """Show what is asked and sign it: an experiment, a charter, a withdrawal. / Toon de vraag en teken."""
    from node.desk import signing
    from node.desk.signing import Hand, Terms

    hand = Hand(key, export, import_, yes, voucher or ())
    terms = Terms(cap_epsilon, expires, own_figures)
    return signing.approve(root, experiment, charter, withdraw, terms, hand)


def ledger(
    root: Folder,
    copy: Annotated[
        Path | None, typer.Option("--copy", help="Write a copy for an auditor. / Kopie voor controle.")
    ] = None,
    countersign: Annotated[
        bool, typer.Option("--countersign", help="Sign the present head. / Teken de stand.")
    ] = False,
    safekeep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write all that an FG keeps elsewhere. / Bewaarmap voor de FG."),
    ] = None,
    accept_head: Annotated[
        str | None, typer.Option(metavar="HEX", help="After a restore: the head you hold. / Na herstel.")
    ] = None,
    entries: Annotated[int, typer.Option(min=0, help="Newest entries to show. / Nieuwste regels.")] = 10,
    key: Key = None,
    export: Export = None,
    import_: Import = None,
    yes: Yes = False,
) -> Report:
    """Show every unit of privacy budget ever spent; countersign, copy or keep it. / Toon het privacylogboek.

    `ledger countersign NODE` and `ledger export NODE FOLDER` say the same as --countersign and --safekeep.
    """
    from node.desk import bookkeeping, custody
    from node.desk.signing import Hand

    if accept_head is not None:
        return bookkeeping.accept_head(root, accept_head)
    if countersign:
        return bookkeeping.countersign(root, Hand(key, export, import_, yes))
    if safekeep is not None:
        return custody.safekeep(root, safekeep)
    return bookkeeping.show(root, entries, copy)


def sign(
    file: Annotated[Path, typer.Argument(help="What `--export` wrote. / Het bestand om te tekenen.")],
    key: Annotated[Path, typer.Option(help="The FG's key. / Sleutel van de FG.")],
    out: Annotated[Path | None, typer.Option(help="Default: FILE.signed. / Uitvoer.")] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Show what its hash stands for. / Toon het experiment.")
    ] = None,
    charter: Annotated[Path | None, typer.Option(help="Show what its hash stands for. / Toon het charter.")] = None,
    yes: Yes = False,
) -> Report:
    """Sign an exported statement on a machine that holds nothing but the key. / Teken zonder netwerk."""
    from node.desk import signing

    return signing.sign_file(file, key, out, experiment, charter, yes)
