"""A node's folder arrives; a `Node` ready to answer leaves: files are opened here and nowhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from experiments import selection
from node.answer import Node
from node.counter import Counter
from node.errors import UnusableInput
from node.folder import NodeFolder, create
from node.ledger_store import LedgerStore
from node.peers import RememberedPeers
from node.policy import Policy, read_policy
from privacy.identity import SigningKey
from shared_schema import SchemaError, load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from experiments.definition import Experiment
    from experiments.students import Students
    from shared_schema import Schema


def create_node(
    root: Path,
    school: str,
    name: str,
    public_size: dict[int, int],
    fg_public: bytes | None = None,
    pseudonym_key: bytes | None = None,
) -> NodeFolder:
    """Make a node: folder, keys, card, and a ledger whose genesis names the school and both public keys."""
    folder = create(root, school, name, public_size, fg_public, pseudonym_key)
    key = SigningKey.from_file(folder.node_key)
    fg_key = fg_public or SigningKey.from_file(folder.fg_key).public
    LedgerStore.create(folder.ledger, key, Counter(folder.counter), school, fg_key)
    return folder


def open_ledger(folder: NodeFolder) -> LedgerStore:
    """Open the ledger with the node's key; every change checks the counter beside the folder."""
    return LedgerStore.open(folder.ledger, SigningKey.from_file(folder.node_key), Counter(folder.counter))


def open_schema(folder: NodeFolder) -> Schema:
    """The shared schema, with the coalition's extension when the folder holds one."""
    return load_schema(folder.schema if folder.schema.is_file() else None)


def open_node(folder: NodeFolder) -> Node:
    """Open everything an answer needs.

    The charter is the one this school's FG signed into the ledger. Raises `UnusableInput` when there is none,
    and whatever makes ledger, policy or schema unusable.
    """
    ledger = open_ledger(folder)
    ledger.check()
    state = ledger.state()
    if state.charter is None:
        raise UnusableInput(
            "no_charter",
            "A node answers under a charter its FG accepted.",
            "none",
            "Run: coalition-node approve --charter.",
        )
    for overdue in ledger.expired_runs():
        ledger.close(overdue)
    schema = open_schema(folder)
    return Node(
        school=state.school,
        charter=state.charter,
        schema=schema,
        policy=_policy(folder),
        ledger=ledger,
        key=SigningKey.from_file(folder.node_key),
        students=_students(folder, schema, state.charter.school(state.school).enrolments),
        incident=_incident_log(folder),
        peers=RememberedPeers(folder.peers, state.charter, ledger),
    )


def _policy(folder: NodeFolder) -> Callable[[], Policy]:
    """The rules in the FG's own document, read whenever they are asked for; one that cannot be read refuses all."""
    read_policy(folder.policy)

    def rules() -> Policy:
        try:
            return read_policy(folder.policy)
        except SchemaError as error:
            rule, remedy = "A node obeys its policy.yaml as it stands.", "Correct the lines named."
            raise UnusableInput("bad_policy", rule, str(error), remedy) from error

    return rules


def _students(folder: NodeFolder, schema: Schema, sizes: Mapping[int, int]) -> Callable[[Experiment], Students]:
    """What forms a run's rows: from the delivery that counts and the pseudonym table as they are at that moment.

    A student of a cohort without a declared public size (`sizes`: cohort -> students, of the charter) has no row: such
    a cohort was never shown to be large enough. Who opted out has none either. A run
    that is prepared keeps the rows it has.
    """
    from node.people import by_person
    from shared_schema.facts import of_students

    def students(experiment: Experiment) -> Students:
        found = by_person.read(folder.data, experiment.definition.features.cutoff_week)
        declared = {
            student: cohort
            for student, cohort in found.cohorts.items()
            if cohort and sizes.get(cohort, 0) > 0 and student not in found.left_out
        }
        return selection.select(of_students(found.tables), declared, experiment, schema)

    return students


def _incident_log(folder: NodeFolder) -> Callable[[str], None]:
    """Lines for eyes inside the school; the time is whole seconds, the words never hold a row's value."""

    def incident(words: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            with folder.incidents.open("a", encoding="utf-8") as log:
                log.write(f"{stamp} {words}\n")
        except OSError:  # on a full disk the refusal leaves all the same, and the operator sees why
            sys.stderr.write(f"{stamp} {words}\n")

    return incident
