"""Words on a command line arrive; calls of plain functions leave: the commands that run, publish and verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments import terminal
from experiments.terminal import Command, Report

Dir = Annotated[
    Path, typer.Argument(metavar="DIR", help="The coordinator's workspace. / De werkmap van de coördinator.")
]
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Name, or first digits of its hash. / Naam of hash.")]


def register(app: typer.Typer) -> None:
    """Add these commands to a command line."""
    for command in (run, publish, verify, rehearse):
        app.command(cls=Command)(command)


def run(
    folder: Dir,
    experiment: Name,
    superlink: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The SuperLink of the schools' relays. / De SuperLink.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="The certificate that vouches for it. / Het certificaat dat ervoor instaat.")
    ] = None,
    meeting: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Shared with the SuperLink. / Gedeeld met de SuperLink.")
    ] = None,
    socket: Annotated[
        list[str] | None, typer.Option(metavar="SCHOOL=PATH", help="Or: nodes of this machine; repeat. / Of: sockets.")
    ] = None,
    wait: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="Per school and exchange. / Per school en ronde.")
    ] = 120,
) -> Report:
    """Run an approved experiment, or resume it, and draft its finding. / Voer een experiment uit."""
    from coalition import presenting, reaching, running
    from coalition.workspace import Workspace

    workspace = Workspace.open(folder)
    chosen = workspace.experiment(experiment)
    with (
        terminal.progress_bars() as progress,
        reaching.reaching(workspace, socket or [], superlink, ca, meeting, progress) as transport,
    ):
        found = running.carry_out(workspace, chosen, transport, progress, wait)
    return presenting.finding(found, chosen)


def publish(
    folder: Dir,
    experiment: Name,
    out: Annotated[Path, typer.Option(help="Folder for the bundle; made here. / Map voor de bevinding.")],
) -> Report:
    """Publish a reviewed finding with all its evidence. / Publiceer een beoordeelde bevinding."""
    from coalition import publication
    from coalition.workspace import Workspace

    workspace = Workspace.open(folder)
    page = publication.publish(workspace, workspace.experiment(experiment), out)
    data = {"finding": str(page), "bundle": str(out)}
    return Report(data, [f"Published: {page}", f"Anyone can check it: coalition verify {out}"])


def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A published bundle. / Een gepubliceerde bevinding.")
    ],
    ledger: Annotated[
        list[Path] | None, typer.Option(help="A school's ledger; repeat. / Logboek van een school.")
    ] = None,
    expected_head: Annotated[
        list[str] | None,
        typer.Option(metavar="SCHOOL=HEX", help="A ledger head that an FG holds; repeat. / Kop die een FG bewaarde."),
    ] = None,
) -> Report:
    """Check a finding from its evidence: signatures, sums, states, cost, figures. / Controleer een bevinding."""
    from coalition import presenting, verification

    heads = verification.expected_heads(expected_head or [])
    return presenting.verification(verification.verify(folder, ledger or [], heads))


def rehearse(
    schools: Annotated[int, typer.Option(min=3, max=200, help="Synthetic schools. / Verzonnen scholen.")] = 5,
    students: Annotated[int, typer.Option(min=200, help="Students per school. / Studenten per school.")] = 4000,
    epsilon: Annotated[
        str | None, typer.Option(help="Privacy budget; default: the definition's. / Privacybudget.")
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="Definition; default: dropout in year 1. / Definitie.")
    ] = None,
    schools_dir: Annotated[
        Path | None, typer.Option(help="A folder per school with exports of your own. / Eigen exports.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="One process (local), or many (flower). / Eén proces (local) of veel (flower).")
    ] = "local",
    seed: Annotated[int, typer.Option(help="Of the synthetic data only, never of the noise. / Van de data.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for everything. / Map voor alles.")] = Path("rehearsal"),
) -> Report:
    """Run a whole coalition on this machine, from exports to finding. / Oefen met een hele coalitie."""
    from coalition import presenting, rehearsal

    asked = rehearsal.Options(
        out=out,
        schools=schools,
        students=students,
        epsilon=None if epsilon is None else presenting.decimal(epsilon),
        experiment=experiment,
        schools_dir=schools_dir,
        engine=engine,
        seed=seed,
    )
    with terminal.progress_bars() as progress:
        found = rehearsal.rehearse(asked, progress)
    return presenting.rehearsed(found)
