"""A folder arrives; the coordinator's key, charter, schema and store leave, opened once and passed around.

DIR/coordinator.pem   the coordinator's private key, mode 0600
DIR/charter.cbor      the charter, to be carried to every FG
DIR/schema.yaml       the coalition's own columns, if it has any
DIR/store.sqlite      everything else (`coalition.store`)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coalition.errors import UsageFailed
from coalition.store import CoalitionStore
from experiments import definition, planning
from privacy.charter import Charter
from privacy.identity import SigningKey, write_private
from shared_schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.definition import Experiment
    from shared_schema import Schema

KEY, CHARTER, SCHEMA, STORE = "coordinator.pem", "charter.cbor", "schema.yaml", "store.sqlite"
SHORTEST_HASH = 8  # hex digits with which a person may name an experiment


@dataclass(frozen=True)
class Workspace:
    """The coordinator's folder, opened."""

    root: Path
    key: SigningKey
    charter: Charter
    schema: Schema
    store: CoalitionStore

    @classmethod
    def create(cls, root: Path, charter_document: Path, schema: Path | None = None) -> Workspace:
        """Make a workspace from charter.yaml (`coalition.charters`), with a fresh coordinator key."""
        from coalition import charters

        _refuse_existing(root)
        key = _coordinator_key(root)
        return cls.establish(root, key, charters.read(charter_document, key.public), schema)

    @classmethod
    def establish(cls, root: Path, key: SigningKey, charter: Charter, schema: Path | None = None) -> Workspace:
        """Make a workspace for a charter of this coordinator key; the charter leaves it as DIR/charter.cbor.

        Nothing is written until the schema holds, and the charter comes last, so that a folder with a charter is
        whole. Raises `UsageFailed` when DIR is a workspace already.
        """
        _refuse_existing(root)
        load_schema(schema)
        root.mkdir(parents=True, exist_ok=True)
        if not (root / KEY).exists():
            key.save(root / KEY)
        if schema is not None:
            shutil.copyfile(schema, root / SCHEMA)
        write_private(root / CHARTER, charter.to_bytes())
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open a workspace; `UsageFailed` when DIR is none."""
        if not (root / CHARTER).is_file():
            remedy = "Make one with: coalition init DIR --charter charter.yaml"
            raise UsageFailed("no_workspace", "DIR is a coalition's workspace.", str(root), remedy)
        key = SigningKey.from_file(root / KEY)
        charter = Charter.from_bytes((root / CHARTER).read_bytes())
        schema = load_schema(root / SCHEMA if (root / SCHEMA).is_file() else None)
        return cls(root, key, charter, schema, CoalitionStore(root / STORE, key))

    def plan(self, experiment: Experiment) -> planning.Plan:
        """The plan of an experiment under this charter and schema."""
        return planning.plan(experiment, self.charter, self.schema)

    def experiments(self) -> Iterator[Experiment]:
        """Every submitted experiment, by name."""
        found = (definition.thaw(self.store.get("experiment", name)) for name in self.store.names("experiment"))
        yield from sorted(found, key=lambda experiment: experiment.definition.experiment)

    def experiment(self, name: str) -> Experiment:
        """The submitted experiment with this name, or whose hash starts with these (at least 8) hex digits."""
        all_ = list(self.experiments())
        named = [one for one in all_ if one.definition.experiment == name]
        hashed = [one for one in all_ if len(name) >= SHORTEST_HASH and one.hash.hex().startswith(name)]
        found = hashed or named
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{one.definition.experiment} ({one.hash.hex()[:12]})" for one in all_) or "none yet"
        count = "none" if not found else f"{len(found)} of that name"
        raise UsageFailed(
            "which_experiment", f"'{name}' is one submitted experiment.", count, f"Name it, or its hash: {known}."
        )


def _refuse_existing(root: Path) -> None:
    if (root / CHARTER).exists():
        raise UsageFailed("workspace_exists", "A workspace is made once.", str(root), "Choose another folder.")


def _coordinator_key(root: Path) -> SigningKey:
    """The key that is there (a first attempt may have stopped after making it), or a fresh one."""
    return SigningKey.from_file(root / KEY) if (root / KEY).is_file() else SigningKey.generate()
