"""Arrives: a folder that `node.bulk.measuring` left. Leaves: as JSON on standard output, what changing its rows costs.

For `make bench` (experiments/benchmarks/bulk.py), which runs this as a process of its own: its peak of memory is that
of removing a person and of giving everybody another pseudonym.

    python -m node.people.measuring FOLDER     changes FOLDER/data
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from node.bulk.measuring import KEY, peak
from node.store import DELIVERIES, Store


def measure(folder: Path) -> dict[str, float]:
    """Remove a student who is there, then rotate; return seconds of both, rows removed, and the peak in MiB."""
    store = Store.open(folder / "data")
    someone = _someone(store)
    begun = time.perf_counter()
    rows = sum(found[someone] for found in store.rows_of({someone}).values())
    store.rewrite(lambda student: None if student == someone else student)
    removed = time.perf_counter()
    store.rewrite(KEY.with_fresh_layer().renewed)
    return {"remove": removed - begun, "rotate": time.perf_counter() - removed, "rows": rows, "peak": peak()}


def _someone(store: Store) -> str:
    import duckdb

    file = str(store.folder / DELIVERIES / store.current() / "person.parquet")
    return str(duckdb.read_parquet(file).select("student").limit(1).fetchall()[0][0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))) + "\n")
