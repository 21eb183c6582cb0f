"""A finished run in the store, or an evidence folder, arrives; the same frozen `Evidence` leaves.

Everything an auditor needs to re-open each sum and re-derive the chain of states, and nothing that is secret: what
the coordinator saw and no more. On disk, all but the schema's extension is canonical CBOR:

    charter.cbor  experiment.cbor  schema.cbor  submission.cbor
    approvals/SCHOOL.cbor  reviews/PERSON.cbor  heads/SCHOOL.cbor
    exchanges/ROUND-SCHOOL.cbor   [round, step, attempt, school, request, reply or null]
    states/STEP.cbor              [step, attempt, state]
    log.cbor                      the coordinator's signed log of changes of status
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from coalition import approvals
from coalition.errors import NotVerified
from coalition.store import Exchanged
from experiments.frames import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from privacy import canonical
from privacy.errors import CanonicalError
from privacy.identity import write_private
from privacy.statements import parse, run_id
from shared_schema.schema import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from coalition.workspace import Workspace
    from experiments.definition import Experiment

LARGEST_FILE = MAX_REQUEST_BYTES + MAX_REPLY_BYTES + 4096
READABLE = 0o644


@dataclass(frozen=True)
class Evidence:
    """The signed bytes behind one finding, as they came in.

    states: (step, attempt, state bytes) of every step that opened; log: (entry, signature), oldest first.
    """

    charter: bytes
    experiment: bytes
    extension: bytes
    submission: bytes
    approvals: tuple[bytes, ...]
    heads: tuple[bytes, ...]
    exchanges: tuple[Exchanged, ...]
    states: tuple[tuple[int, int, bytes], ...]
    log: tuple[tuple[bytes, bytes], ...]
    reviews: tuple[bytes, ...] = ()

    def reviewed(self, reviews: tuple[bytes, ...]) -> Evidence:
        """The same with these reviews beside it."""
        return replace(self, reviews=reviews)


def from_store(workspace: Workspace, experiment: Experiment, drafted: Mapping[str, Any] | None = None) -> Evidence:
    """Collect what the store holds about an experiment's run.

    The newest countersigned heads go with it; with a `drafted` finding, those that were the newest when it was drafted.
    """
    store, name = workspace.store, experiment.hash.hex()
    serials = approvals.approved_serials(workspace, experiment)
    run = run_id(experiment.hash, dict(serials))
    return Evidence(
        charter=workspace.charter.to_bytes(),
        experiment=store.get("experiment", name),
        extension=_ordered_json(plain(workspace.schema.extension)),
        submission=store.get("submission", name),
        approvals=tuple(store.get("approval", approvals.document_name(*pair)) for pair in serials),
        heads=_newest_heads(workspace, {school for school, _ in serials})
        if drafted is None
        else _heads(workspace, drafted),
        exchanges=tuple(store.exchanges(run)),
        states=tuple(store.states(run)),
        log=tuple(store.log()),
    )


def _ordered_json(value: Any) -> bytes:
    """JSON, since the order of a code list is part of its meaning and canonical CBOR sorts keys."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _newest_heads(workspace: Workspace, roster: set[str]) -> tuple[bytes, ...]:
    newest: dict[str, bytes] = {}
    for name in workspace.store.names("head"):  # ascending entry numbers: the last of a school stays
        school = name.partition("/")[0]
        if school in roster:
            newest[school] = workspace.store.get("head", name)
    return tuple(newest[school] for school in sorted(newest))


def _heads(workspace: Workspace, drafted: Mapping[str, Any]) -> tuple[bytes, ...]:
    named = drafted["evidence"]["heads"]
    return tuple(workspace.store.get("head", approvals.head_name(row["school"], row["seq"])) for row in named)


def write(evidence: Evidence, folder: Path) -> None:
    """Write the evidence folder; it must not exist yet."""
    folder.mkdir(parents=True)
    for name, data in _files(evidence):
        write_private(folder / name, data)
        (folder / name).chmod(READABLE)


def _files(evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    yield "charter.cbor", evidence.charter
    yield "experiment.cbor", evidence.experiment
    yield "schema.json", evidence.extension
    yield "submission.cbor", evidence.submission
    yield from _by_signer("approvals", evidence.approvals)
    yield from _by_signer("reviews", evidence.reviews)
    yield from _by_signer("heads", evidence.heads)
    for said in evidence.exchanges:
        fields: list[Any] = [said.round, said.step, said.attempt, said.school, said.request, said.reply]
        yield f"exchanges/{said.round:03d}-{said.school}.cbor", canonical.encode(fields)
    for step, attempt, state in evidence.states:
        yield f"states/{step:03d}.cbor", canonical.encode([step, attempt, state])
    yield "log.cbor", canonical.encode([list(entry) for entry in evidence.log])


def _by_signer(folder: str, signed: tuple[bytes, ...]) -> Iterator[tuple[str, bytes]]:
    for data in signed:
        envelope: Any = canonical.decode(data, max_bytes=LARGEST_FILE)
        statement: Any = parse(envelope[1])
        signer = statement.reviewer if folder == "reviews" else statement.school
        yield f"{folder}/{signer}.cbor", data


def read(folder: Path) -> Evidence:
    """Read an evidence folder; `NotVerified` for a missing file, or one that is not what it should be."""
    return Evidence(
        charter=_bytes(folder / "charter.cbor"),
        experiment=_bytes(folder / "experiment.cbor"),
        extension=_bytes(folder / "schema.json"),
        submission=_bytes(folder / "submission.cbor"),
        approvals=_each(folder / "approvals"),
        heads=_each(folder / "heads"),
        exchanges=tuple(_exchanged(path, fields) for path, fields in _rows(folder, "exchanges", 6)),
        states=tuple((step, attempt, state) for _, (step, attempt, state) in _rows(folder, "states", 3)),
        log=tuple((entry, signature) for entry, signature in _decoded(folder / "log.cbor")),
        reviews=_each(folder / "reviews"),
    )


def _exchanged(path: Path, fields: list[Any]) -> Exchanged:
    round_, step, attempt, school, request, reply = fields
    numbers = all(type(number) is int for number in (round_, step, attempt))
    if not (numbers and isinstance(school, str) and isinstance(request, bytes) and isinstance(reply, bytes | None)):
        raise _unreadable(path)
    return Exchanged(step, attempt, school, round_, request, reply)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _unreadable(path)
        return path.read_bytes()
    except OSError as error:
        rule = "A finding's evidence is complete."
        raise NotVerified(
            "evidence_missing", rule, f"{path.name}: {error.strerror}", "Ask for the whole bundle."
        ) from error


def _each(folder: Path) -> tuple[bytes, ...]:
    return tuple(_bytes(path) for path in sorted(folder.glob("*.cbor")))


def _rows(folder: Path, name: str, width: int) -> Iterator[tuple[Path, list[Any]]]:
    for path in sorted((folder / name).glob("*.cbor")):
        fields = _decoded(path)
        if not isinstance(fields, list) or len(fields) != width:
            raise _unreadable(path)
        yield path, fields


def _decoded(path: Path) -> Any:
    try:
        return canonical.decode(_bytes(path), max_bytes=LARGEST_FILE)
    except CanonicalError as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> NotVerified:
    rule = "Every file of the evidence is canonical CBOR of its own shape."
    return NotVerified("evidence_unreadable", rule, f"{path.parent.name}/{path.name}", "Ask for the bundle again.")
