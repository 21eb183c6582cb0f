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
from node.policy import read_policy
from privacy.identity import SigningKey
from shared_schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable
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
    schema = open_schema(folder)
    return Node(
        school=state.school,
        charter=state.charter,
        schema=schema,
        policy=read_policy(folder.policy),
        ledger=ledger,
        key=SigningKey.from_file(folder.node_key),
        students=_students(folder, schema),
        incident=_incident_log(folder),
    )


def _students(folder: NodeFolder, schema: Schema) -> Callable[[Experiment], Students]:
    """Rows of the experiment asked last stay in memory, so that a run of many steps reads the tables once."""
    from node.pseudonyms import Pseudonyms
    from node.store import Store

    kept: dict[bytes, Students] = {}

    def students(experiment: Experiment) -> Students:
        if experiment.hash not in kept:
            tables = Store.open(folder.data).tables()
            everyone = {student for table in tables.values() for student in table["student"].unique()}
            with Pseudonyms.open(folder.data) as pseudonyms:
                cohorts = pseudonyms.cohorts_of(everyone)
            kept.clear()
            kept[experiment.hash] = selection.select(tables, cohorts, experiment, schema)
        return kept[experiment.hash]

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
