"""A node's folder arrives; what was delivered, what counts of it, and what was withdrawn leave as a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from experiments.terminal import Block, Grid, Report, confirm
from node.founding import existing
from node.people import withheld
from node.people.pseudonyms import Pseudonyms
from node.people.withheld import Event
from node.register import COUNTS, REPLACED, UNCOUNTED, WITHDRAWN, Entry
from node.store import Store

STATES = {
    COUNTS: "geldt / counts",
    REPLACED: "vervangen / replaced",
    WITHDRAWN: "ingetrokken / withdrawn",
}
VERDICTS = {"pass": "ok", "warn": "let op / look", "fail": "fout / wrong"}
ACTS = {
    "optout": "bezwaar / opted out",
    "optout lifted": "bezwaar ingetrokken / opt-out lifted",
    "erased": "gewist / erased",
    "erased lifted": "wissen opgeheven / erasure lifted",
    "forgotten": "cohort verwijderd / cohort removed",
    "forgotten lifted": "verwijderen opgeheven / removal lifted",
    "key rotated": "sleutel vernieuwd / key rotated",
}
NOTHING = "Er is nog niets ingenomen. / Nothing was taken in yet."


def listed(root: Path) -> Report:
    """Every delivery there was, oldest first, with what it held in numbers."""
    folder = existing(root)
    entries = Store.open(folder.data).register().entries
    with Pseudonyms.open(folder.data) as table:
        done = withheld.events(table)
    data = {"deliveries": [asdict(entry) for entry in entries], "care": [asdict(event) for event in done]}
    return Report(data, [_grid(entries) if entries else NOTHING, *([_log(done)] if done else [])])


def withdraw(root: Path, layout: str, yes: bool) -> Report:
    """Let a layout's delivery count no longer. Its rows go, its numbers stay; no earlier one comes in its place."""
    store = Store.open(existing(root).data)
    store.register().withdrawn(layout, "")  # refuses a layout of which none counts, before anything is asked
    going = store.register().of_layout(layout)
    preview: list[Block] = [
        _grid([going] if going else []),
        "De rijen worden verwijderd; wat er eerder was komt niet terug: neem die exports opnieuw in. Studenten houden "
        "hun plaats in het logboek. / The rows are removed; what was there earlier does not come back: take those "
        "exports in again. Students keep their accounts.",
    ]
    shown = confirm(preview, "Intrekken? / Withdraw?", yes)
    gone = store.withdraw(layout)
    return Report({"withdrawn": asdict(gone)}, [*shown, f"Ingetrokken / Withdrawn: {gone.layout} {gone.version}."])


def _grid(entries: Sequence[Entry]) -> Grid:
    columns = ("indeling / layout", "versie / version", "ingenomen / taken in", "oordeel / verdict", "rijen / rows", "")
    return Grid("Leveringen / Deliveries", columns, [_row(entry) for entry in entries])


def _log(done: Sequence[Event]) -> Grid:
    columns = ("wanneer / when", "wat / what", "personen / people", "cohort")
    rows = [(one.at[:16].replace("T", " "), ACTS[one.what], str(one.people), one.cohort or "-") for one in done]
    return Grid("Gedaan voor studenten en jaren / Done for students and years", columns, rows)


def _row(entry: Entry) -> tuple[str, ...]:
    rows = "\n".join(f"{table} {'?' if count == UNCOUNTED else f'{count:,}'}" for table, count in entry.rows.items())
    state = STATES[entry.state]
    if entry.state == REPLACED and entry.by:
        state += f" door / by {entry.by}"
    if entry.until:
        state += f" {entry.until[:10]}"
    verdict = VERDICTS.get(entry.verdict, "-")
    return entry.layout, str(entry.version), entry.taken[:16].replace("T", " ") or "-", verdict, rows or "-", state
