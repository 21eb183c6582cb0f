"""Arrives: a folder with exports and a mapping. Leaves: as JSON on standard output, what taking them in costs.

For `make bench` (experiments/benchmarks/bulk.py), which runs this as a process of its own: its peak of memory is that
of the whole walk, from exports to features.

    python -m node.bulk.measuring FOLDER WEEK     FOLDER/exports, FOLDER/mapping.yaml; makes FOLDER/data
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from node.ingest import ingest
from node.people.pseudonym_key import PseudonymKey
from node.quality.look import look
from node.store import DELIVERIES, Store
from shared_schema import features, load_schema

KEY = PseudonymKey(b"a key for benchmarks, of 32 bytes")


def measure(folder: Path, week: int) -> dict[str, object]:
    """Take in, compute every feature at `week`, and return seconds, peak MiB, rows and where the tables are."""
    schema = load_schema()
    begun = time.perf_counter()
    done = ingest(folder / "exports", folder / "mapping.yaml", folder / "data", KEY, schema, bulk_from=0)
    stored, peaks = time.perf_counter(), [peak()]
    store = Store.open(folder / "data")
    built = features.build(store.tables(week), features.available(schema, week), week, schema)
    finished = time.perf_counter()
    peaks.append(peak())
    files = {path.stem: path for path in (store.folder / DELIVERIES / done.delivery).glob("*.parquet")}
    look(files, schema, done.quality.tolerance, {}, None)
    return {
        "ingest": stored - begun,
        "features": finished - stored,
        "report": time.perf_counter() - finished,
        "peak": peaks[-1],
        "peak_of_ingest": peaks[0],
        "rows": {table.table: table.kept for table in done.quality.tables},
        "students": len(built),
        "tables": str(store.folder / DELIVERIES / done.delivery),
    }


def peak() -> float:
    """The most memory this process had at once, in MiB (`getrusage` would give that of the parent)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
