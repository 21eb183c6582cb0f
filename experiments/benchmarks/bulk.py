"""Ten million made-up rows of attendance arrive; what taking them in costs, beside a script for them, leaves.

30,000 students of five cohorts, 150,000 in all: for each of them 52 weeks, thirteen totals over four weeks and two over
half a year, as 67 lines in one CSV file (semicolons, decimal commas, dd-mm-yyyy, a byte order mark, names to be
dropped), and one line in another. The node walks its whole path: formats detected, identifiers replaced, rules of a
mapping carried out, every repair counted, accounts fixed, quality reported, Parquet written, features computed. The
script does casts, pseudonyms and Parquet only. Both run by turns, as processes of their own, several times: the middle
one of the ratios says something on any machine, also on one that is busy now and then. The part of the quality report
that holds years and tables against each other reads the Parquet files once more; no script has it, so that the ratio is
given with and without it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmarks import report

COMMAND = "python -m experiments.benchmarks bulk"
STUDENTS, CUTOFF_WEEK, RUNS = 150_000, 10, 3
MOST_TIMES, MOST_MIB = 2.0, 2048
SECRET = b"a key for benchmarks, of 32 bytes"
TABLES = ("person", "enrolment", "attendance")
MAPPING = """mapping: 1
layout: uren_per_week
title: {nl: Uren per week, en: Hours per week}
sources:
  studenten: {file: studenten.csv, dates: dd-mm-yyyy}
  uren: {file: uren.csv, decimal: ","}
identifier: {column: studentnummer}
tables:
  person:
    source: studenten
    columns:
      geslacht: {from: geslacht, recode: {man: M, vrouw: V}}
  enrolment:
    source: studenten
    columns:
      enrolment_id: {constant: "1"}
      cohort: {compute: school_year_of, date: begin}
      start_date: begin
      age_at_start: {compute: age_at, born: geboren, on: begin}
  attendance:
    source: uren
    columns:
      week: {compute: week_of, date: {from: datum, date: dd-mm-yyyy}, start: {from: start, date: dd-mm-yyyy}}
      weeks: weken
      hours_scheduled: rooster
      hours_absent: afwezig
      hours_absent_unauthorised: ongeoorloofd
"""
_BEGIN = "make_date(2019 + (s % 5)::INT, 8, 26) - (s % 5)::INT"
_STUDENTS = f"""
SELECT printf('%07d', 1000000 + s * 7) AS studentnummer, 'Zoë ' || s AS naam,
    CASE s % 2 WHEN 0 THEN 'man' ELSE 'vrouw' END AS geslacht,
    strftime({_BEGIN} - (5900 + s % 1500)::INT, '%d-%m-%Y') AS geboren, strftime({_BEGIN}, '%d-%m-%Y') AS begin
FROM range($students) AS made(s)"""
_HOURS = f"""
SELECT printf('%07d', 1000000 + s * 7) AS studentnummer, 'Zoë ' || s AS naam, strftime({_BEGIN}, '%d-%m-%Y') AS start,
    strftime({_BEGIN} + (7 * (week - 1) + h % 5)::INT, '%d-%m-%Y') AS datum, weeks AS weken,
    replace((20 * weeks + (h % 97) / 8.0)::VARCHAR, '.', ',') AS rooster,
    replace(round((h // 97 % 401) / 10.0, 1)::VARCHAR, '.', ',') AS afwezig,
    replace(round((h // 40000 % 101) / 10.0, 1)::VARCHAR, '.', ',') AS ongeoorloofd
FROM (
    SELECT s, week, weeks, hash(s * 10000 + week * 100 + weeks) % 1000000007 AS h
    FROM range($students) AS made(s), (
        SELECT unnest(range(1, 53)) AS week, 1 AS weeks
        UNION ALL SELECT unnest(range(4, 53, 4)), 4 UNION ALL SELECT unnest([26, 52]), 26
    )
)"""


@dataclass(frozen=True)
class Compared:
    """Both runs on the same exports. node, script: what each said of itself; equal: table -> whether they are equal."""

    node: dict[str, Any]
    script: dict[str, Any]
    equal: dict[str, bool]

    @property
    def walk(self) -> float:
        """Seconds from exports to features."""
        return float(self.node["ingest"] + self.node["features"])

    @property
    def ratio(self) -> float:
        """How many times the script's seconds the node takes, the report between years left out."""
        return float((self.walk - self.node["report"]) / self.script["seconds"])


def make_exports(folder: Path, students: int) -> int:
    """Write mapping and exports of so many students; return the bytes of the larger file."""
    import duckdb

    exports = folder / "exports"
    exports.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    connection = duckdb.connect(config={"threads": "2", "memory_limit": "1GB"})
    for name, query in (("studenten", _STUDENTS), ("uren", _HOURS)):
        plain = query.replace("$students", str(int(students)))
        rest = exports / f"{name}.rest"
        connection.execute(f"COPY ({plain}) TO '{rest}' (HEADER, DELIMITER ';', QUOTE '', FORMAT csv)")
        _with_mark(rest, exports / f"{name}.csv")
    return (exports / "uren.csv").stat().st_size


def _with_mark(rest: Path, whole: Path) -> None:
    """Put a byte order mark before a file, as exports from Windows have it."""
    with rest.open("rb") as source, whole.open("wb") as target:
        target.write(b"\xef\xbb\xbf")
        while piece := source.read(1 << 24):
            target.write(piece)
    rest.unlink()


def compare(folder: Path, week: int = CUTOFF_WEEK) -> Compared:
    """Run both on exports that `make_exports` wrote, each in a process of its own."""
    for made in ("script", "data"):
        shutil.rmtree(folder / made, ignore_errors=True)
    script = _run("experiments.benchmarks.bulk_script", str(folder), SECRET.hex())
    node = _run("node.bulk.measuring", str(folder), str(week))
    ours = Path(node["tables"])
    equal = {name: digest(ours / f"{name}.parquet") == digest(folder / "script" / f"{name}.parquet") for name in TABLES}
    return Compared(node, script, equal)


def _run(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def digest(file: Path) -> tuple[Any, ...]:
    """Return rows, and what all of them hash to in any order; whole numbers and dates of any width are one type."""
    import duckdb

    connection = duckdb.connect(config={"threads": "2", "memory_limit": "1GB"})
    rows = connection.read_parquet(str(file))
    cells = ", ".join(
        f'"{name}"::DOUBLE' if str(kind) in ("BIGINT", "INTEGER", "DOUBLE") else f'"{name}"::VARCHAR'
        for name, kind in sorted(zip(rows.columns, rows.types, strict=True))
    )
    found = connection.execute(f"SELECT count(*), sum(hash({cells})::HUGEINT) FROM read_parquet(?)", [str(file)])
    return tuple(found.fetchone() or ())


def main(students: int = STUDENTS) -> bool:
    """Print the benchmark; return whether the targets are met."""
    report.heading(f"Bulk: {students:,} students with 67 lines of attendance each", COMMAND)
    with tempfile.TemporaryDirectory() as place:
        size = make_exports(Path(place), students)
        runs = sorted((compare(Path(place)) for _ in range(RUNS)), key=lambda run: run.ratio)
        care = _run("node.people.measuring", place)
    ratios, found = ", ".join(f"{run.ratio:.2f}" for run in runs), runs[len(runs) // 2]
    node, script = found.node, found.script
    ratio, peak = found.ratio, max(care["peak"], *(run.node["peak"] for run in runs))
    equal = all(all(run.equal.values()) for run in runs)
    report.say(f"   {node['rows']['attendance']:,} rows of attendance from {size / 2**20:,.0f} MiB of CSV")
    report.say(f"   script (casts, pseudonyms, Parquet): {script['seconds']:.1f} s, peak {script['peak']:,.0f} MiB")
    report.say(
        f"   node, exports to features: {found.walk:.1f} s (taking in {node['ingest']:.1f}, features at week "
        f"{CUTOFF_WEEK} {node['features']:.1f}); of it the quality report between years {node['report']:.1f} s"
    )
    report.say(f"   node / script, quality report included: {found.walk / script['seconds']:.2f}")
    report.say(f"   node / script of each of {RUNS} runs, without that part: {ratios}; the middle one counts")
    changes = (care["remove"] + care["rotate"]) / found.walk
    report.say(
        f"   removing a student {care['remove']:.1f} s ({care['rows']:,.0f} rows), another key for all pseudonyms "
        f"{care['rotate']:.1f} s: together {changes:.2f} times the walk, peak {care['peak']:,.0f} MiB"
    )
    return report.show(
        [
            report.Figure("same tables", str(equal), "True", equal),
            report.Figure("node / script, without that part", f"{ratio:.2f}", f"<= {MOST_TIMES}", ratio <= MOST_TIMES),
            report.Figure("peak memory of the node, MiB", f"{peak:,.0f}", f"< {MOST_MIB}", peak < MOST_MIB),
        ]
    )
