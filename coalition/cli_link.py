"""Words on a command line arrive; calls of plain functions leave: the commands around the SuperLink."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import Command, Report

Dir = Annotated[
    Path, typer.Argument(metavar="DIR", help="The coordinator's workspace. / De werkmap van de coördinator.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    app.command(cls=Command)(tls)
    app.command(cls=Command, name="register-relay")(register_relay)


def tls(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="For all its files. / Map voor de bestanden.")],
    host: Annotated[list[str], typer.Option(help="Name or IP of the SuperLink; repeat. / Naam of IP-adres.")],
    days: Annotated[int, typer.Option(min=1, max=825, help="Days until renewal. / Dagen tot vernieuwing.")] = 397,
) -> Report:
    """Make or renew the SuperLink's certificate, and the authority for it. / Maak certificaten.

    Set DATACOALITIE_PASSPHRASE to keep the authority's key under a passphrase.
    """
    import os

    from coalition import presenting
    from experiments.keys import PASSPHRASE
    from privacy import tls as certificates

    secret, found = os.environ.get(PASSPHRASE), certificates.authority_at(folder)
    if not found.certificate.exists():
        found = certificates.make_authority(folder, "datacoalitie", passphrase=secret)
    return presenting.certificate(found, certificates.issue_server(folder, host, days, passphrase=secret))


def register_relay(
    folder: Dir,
    school: Annotated[str, typer.Argument(metavar="SCHOOL", help="A school of the charter. / Een school.")],
    public_key: Annotated[Path, typer.Argument(metavar="RELAY.pub", help="From its operator. / Van de beheerder.")],
    superlink: Annotated[str, typer.Option(metavar="HOST:PORT", help="A running SuperLink. / Een SuperLink.")],
    ca: Annotated[Path, typer.Option(help="The certificate behind it. / Het certificaat erachter.")],
) -> Report:
    """Let a school's relay in at the SuperLink. / Laat de relay van een school toe."""
    from coalition import presenting, reaching
    from coalition.workspace import Workspace

    reaching.register_relay(Workspace.open(folder), school, public_key, superlink, ca)
    return presenting.registered(school)
