"""The next version of a charter arrives; what it changes, and who does what next, leaves for people and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.terminal import Block, Grid, Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from coalition.renewal import Renewal


def proposed(renewal: Renewal) -> list[Block]:
    """What changes, before anything does."""
    title = f"Charter version {renewal.charter.version}: what changes / wat er verandert"
    blocks: list[Block] = [Grid(title, ("wie / who", "wat / what", "was", "wordt / becomes"), renewal.changes)]
    if renewal.retired:
        names = ", ".join(one.definition.experiment for one in renewal.retired)
        blocks.append(f"To be submitted and approved again / opnieuw in te dienen en goed te keuren: {names}.")
    return blocks


def renewed(renewal: Renewal, path: Path, shown: Sequence[Block]) -> Report:
    """Where the new charter lies, and what every FG does with it."""
    data = {
        "charter": str(path),
        "charter_hash": renewal.charter.hash,
        "version": renewal.charter.version,
        "changes": [change._asdict() for change in renewal.changes],
        "submit_again": [one.definition.experiment for one in renewal.retired],
    }
    after = (
        f"Send {path} to every FG, who compares the keys that changed by another channel and accepts it "
        "(coalition-node approve NODE --charter FILE); then each school starts its node again. / "
        "Stuur dit bestand naar elke FG; daarna start elke school de node opnieuw."
    )
    return Report(data, [*shown, after])
