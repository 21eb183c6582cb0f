"""Words on a command line arrive; calls of plain functions leave. `coalition`: for analysts, reviewers, coordinators.

Thin on purpose: every command opens what it needs, calls one function and returns a `Report`; `experiments.terminal`
prints it, as text or as one JSON object, and turns every error into an exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coalition import cli_charter, cli_link, cli_runs
from experiments import terminal
from experiments.terminal import Command, Report

ABOUT = (
    "Schools answer one question together, and no student's data leaves a school. / "
    "Scholen beantwoorden samen één vraag; geen gegeven van een student verlaat een school."
)
app = terminal.application(ABOUT)

Dir = Annotated[
    Path, typer.Argument(metavar="DIR", help="The coordinator's workspace. / De werkmap van de coördinator.")
]
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Name, or first digits of its hash. / Naam of hash.")]
As = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who you are in the charter. / Wie u bent.")]
Key = Annotated[Path, typer.Option(help="Your key, made by `coalition key`. / Uw sleutel.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. / Niet vragen.")]


@app.command(cls=Command)
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make. / Nieuwe werkmap.")],
    charter: Annotated[Path, typer.Option(help="charter.yaml with members and thresholds. / De afspraken.")],
    schema: Annotated[Path | None, typer.Option(help="The coalition's own columns. / Eigen kolommen.")] = None,
) -> Report:
    """Make a workspace: coordinator's key, charter, store. / Maak een werkmap voor de coördinator."""
    from coalition import presenting
    from coalition.workspace import Workspace

    return presenting.charter(Workspace.create(folder, charter, schema).charter, folder)


@app.command(cls=Command)
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key is written. / Bestand voor de sleutel.")],
) -> Report:
    """Make a personal key and print its public half for the charter. / Maak een persoonlijke sleutel.

    Set DATACOALITIE_PASSPHRASE to keep it under a passphrase.
    """
    from experiments import keys
    from privacy.identity import fingerprint

    public = keys.make_key(file).public
    lines = [f"Public key for charter.yaml: {public.hex()}", f"Fingerprint to read out: {fingerprint(public)}"]
    return Report({"file": str(file), "public": public.hex(), "fingerprint": fingerprint(public)}, lines)


@app.command(cls=Command)
def submit(
    folder: Dir,
    definition: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The definition. / De definitie.")],
    person: As,
    key: Key,
    yes: Yes = False,
) -> Report:
    """Show what an experiment costs, then submit it, signed. / Toon de kosten en dien het experiment in."""
    from coalition import submission
    from coalition.workspace import Workspace
    from experiments import costs, keys

    workspace = Workspace.open(folder)
    experiment = submission.freeze(workspace, definition)
    described = submission.describe(workspace, experiment)
    preview = [f"Experiment {described['experiment']}, hash {experiment.hash.hex()}", *costs.grids(described["plan"])]
    blocks = terminal.confirm(preview, "Submit this experiment? / Dit experiment indienen?", yes)
    path = submission.submit(workspace, experiment, person, keys.open_key(key))
    after = f"Submitted. Send {path} to the FG of every school. / Ingediend; stuur dit bestand naar elke FG."
    return Report({**described, "submitter": person, "for_schools": str(path)}, [*blocks, after])


@app.command(cls=Command)
def approve(
    folder: Dir,
    file: Annotated[Path, typer.Argument(help="What an FG signed. / Wat een FG heeft getekend.")],
) -> Report:
    """Take an FG's approval, withdrawal or countersigned head. / Verwerk wat een FG heeft getekend."""
    from coalition import approvals
    from coalition.workspace import Workspace

    statement = approvals.accept(Workspace.open(folder), file.read_bytes())
    data = {"kind": type(statement).__name__, **vars(statement)}
    return Report(data, [f"{data['kind']} of {data['school']} taken. / Verwerkt."])


@app.command(cls=Command)
def status(folder: Dir) -> Report:
    """Show what waits for whom. / Toon wat op wie wacht."""
    from coalition import presenting
    from coalition.workspace import Workspace

    return presenting.status(Workspace.open(folder))


@app.command(cls=Command)
def review(
    folder: Dir,
    experiment: Name,
    person: As,
    key: Key,
    reject: Annotated[bool, typer.Option("--reject", help="Reject instead of accept. / Afkeuren.")] = False,
) -> Report:
    """Sign a drafted finding; two people of two schools are needed. / Beoordeel een bevinding."""
    from coalition import review as reviewing
    from coalition.workspace import Workspace
    from experiments import keys

    workspace = Workspace.open(folder)
    chosen = workspace.experiment(experiment)
    given = reviewing.review(workspace, chosen, person, keys.open_key(key), accept=not reject)
    waiting = reviewing.missing(reviewing.reviews_of(workspace, reviewing.drafted(workspace, chosen)))
    data = {**vars(given), "status": workspace.store.status(chosen.hash), "waiting_for": waiting}
    return Report(
        data, [f"{person}: {given.verdict}. {waiting or 'It may be published. / Het mag worden gepubliceerd.'}"]
    )


cli_charter.register(app)
cli_runs.register(app)
cli_link.register(app)


def main() -> int:
    """Entry point of the console script `coalition`."""
    return terminal.run(app, "coalition")
