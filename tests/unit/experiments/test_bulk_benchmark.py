"""The benchmark of large exports compares like with like: on a small size both sides give the same tables."""

from __future__ import annotations

from pathlib import Path

from experiments.benchmarks import bulk
from node.bulk import measuring


def test_node_and_script_give_the_same_tables(tmp_path: Path) -> None:
    """Equality only: how long it takes says nothing at this size."""
    students = 60
    bulk.make_exports(tmp_path, students)
    found = bulk.compare(tmp_path)
    assert found.equal == dict.fromkeys(bulk.TABLES, True)
    assert found.node["rows"] == {"person": students, "enrolment": students, "attendance": 67 * students}
    assert found.node["students"] == students


def test_a_difference_is_seen(tmp_path: Path) -> None:
    """One cell of ten thousand, and rows that only stand in another order."""
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]})
    for name, other in (("same", frame[::-1]), ("cell", frame.replace(3.0, 4.0)), ("rows", frame[:2])):
        other.to_csv(tmp_path / f"{name}.csv", index=False)
    digests = {}
    import duckdb

    for name in ("same", "cell", "rows"):
        duckdb.read_csv(str(tmp_path / f"{name}.csv")).write_parquet(str(tmp_path / f"{name}.parquet"))
        digests[name] = bulk.digest(tmp_path / f"{name}.parquet")
    frame.to_csv(tmp_path / "first.csv", index=False)
    duckdb.read_csv(str(tmp_path / "first.csv")).write_parquet(str(tmp_path / "first.parquet"))
    first = bulk.digest(tmp_path / "first.parquet")
    assert [name for name, digest in digests.items() if digest == first] == ["same"]


def test_both_sides_have_one_key() -> None:
    assert measuring.KEY.secret == bulk.SECRET
