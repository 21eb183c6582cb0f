"""Run a coordinator in a process of its own, so that a test can kill it: COORDINATOR_FOLDER holds what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

from coalition import rounds
from coalition.store import CoalitionStore
from coalition.transport import LocalSockets
from experiments import definition, planning
from privacy import canonical
from privacy.charter import Charter
from privacy.identity import SigningKey
from shared_schema import load_schema


def main(folder: Path) -> None:
    """Carry the run of the folder through, from wherever it is."""
    charter = Charter.from_bytes((folder / "charter.cbor").read_bytes())
    experiment = definition.thaw((folder / "experiment.cbor").read_bytes())
    serials = canonical.decode((folder / "serials.cbor").read_bytes(), max_bytes=10_000)
    assert isinstance(serials, list)
    key = SigningKey.from_file(folder / "coordinator.pem")
    plan = planning.plan(experiment, charter, load_schema())
    task = rounds.Assignment(charter, experiment, plan, tuple((s, n) for s, n in serials), key, 30.0)
    sockets = {school: folder / f"{school}.sock" for school in task.approved}
    rounds.run(task, CoalitionStore(folder / "store.sqlite", key), LocalSockets(sockets))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
