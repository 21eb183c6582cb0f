"""Words on a command line arrive; calls of plain functions leave: what a school's FG does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import Command, Report

Folder = Annotated[Path, typer.Argument(metavar="NODE", help="The node's folder. / De map van de node.")]
Key = Annotated[Path | None, typer.Option(help="The FG's key; default: NODE/keys/fg.pem. / Sleutel van de FG.")]
Export = Annotated[Path | None, typer.Option(help="Write the bytes to sign elsewhere. / Elders tekenen.")]
Import = Annotated[Path | None, typer.Option("--import", help="Take what came back signed. / Neem de handtekening.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (approve, ledger, sign):
        app.command(cls=Command)(command)


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
    key: Key = None,
    export: Export = None,
    import_: Import = None,
    yes: Yes = False,
) -> Report:
    """Show what is asked and sign it: an experiment, a charter, a withdrawal. / Toon de vraag en teken."""
    from node import signing
    from node.signing import Hand, Terms

    hand = Hand(key, export, import_, yes)
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
    accept_head: Annotated[
        str | None, typer.Option(metavar="HEX", help="After a restore: the head you hold. / Na herstel.")
    ] = None,
    entries: Annotated[int, typer.Option(min=0, help="Newest entries to show. / Nieuwste regels.")] = 10,
    key: Key = None,
    export: Export = None,
    import_: Import = None,
    yes: Yes = False,
) -> Report:
    """Show every unit of privacy budget ever spent; copy or countersign it. / Toon het privacylogboek."""
    from node import bookkeeping
    from node.signing import Hand

    if accept_head is not None:
        return bookkeeping.accept_head(root, accept_head)
    if countersign:
        return bookkeeping.countersign(root, Hand(key, export, import_, yes))
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
    from node import signing

    return signing.sign_file(file, key, out, experiment, charter, yes)
