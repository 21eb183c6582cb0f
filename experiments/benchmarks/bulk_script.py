"""Arrives: a folder of exports. Leaves: the same tables as Parquet files, by a script for these files alone.

What somebody who knows DuckDB would write in an hour: the same casts, pseudonyms and files, and nothing else. No
format is detected, nothing is counted, no row is compared with another, no fault is told.

    python -m experiments.benchmarks.bulk_script FOLDER SECRET_HEX     FOLDER/exports; makes FOLDER/script
"""

from __future__ import annotations

import hmac
import json
import sys
import time
from pathlib import Path

HEAD = b"\x82\x78\x18datacoalitie/pseudonym/1"  # a CBOR array of two texts, of which this is the first
READ = "read_csv('{}', delim = ';', header = true, all_varchar = true, quote = '\"', escape = '\"')"
DAY = "strptime(trim({}), '%d-%m-%Y')"
NUMBER = "least(greatest(replace(trim({}), ',', '.')::DOUBLE, 0), 40 * trim(weken)::BIGINT)"


def run(folder: Path, secret: bytes) -> dict[str, float]:
    """Write person, enrolment and attendance; return seconds and peak MiB."""
    import duckdb
    import pandas as pd

    begun = time.perf_counter()
    (folder / "script").mkdir()
    connection = duckdb.connect(config={"threads": "2", "memory_limit": "1GB"})
    hours, students = (READ.format(folder / "exports" / name) for name in ("uren.csv", "studenten.csv"))
    numbers = connection.execute(
        f"SELECT DISTINCT trim(studentnummer) FROM {hours} UNION SELECT DISTINCT trim(studentnummer) FROM {students}"
    ).fetchall()
    pairs = [(number, _pseudonym(number, secret)) for (number,) in numbers]
    connection.register("known", pd.DataFrame(pairs, columns=["number", "student"]))
    born, start = DAY.format("geboren"), DAY.format("begin")
    tables = {
        "person": f"SELECT student, CASE trim(geslacht) WHEN 'man' THEN 'M' WHEN 'vrouw' THEN 'V' END AS geslacht "
        f"FROM {students}",
        "enrolment": f"SELECT student, '1' AS enrolment_id, year({start}) - (month({start}) < 8)::INT AS cohort, "
        f"{start}::TIMESTAMP AS start_date, "
        f"year({start}) - year({born}) - (strftime({start}, '%m%d') < strftime({born}, '%m%d'))::INT AS age_at_start "
        f"FROM {students}",
        "attendance": f"SELECT student, ({DAY.format('datum')}::DATE - {DAY.format('start')}::DATE) // 7 + 1 AS week, "
        f"trim(weken)::BIGINT AS weeks, {NUMBER.format('rooster')} AS hours_scheduled, "
        f"{NUMBER.format('afwezig')} AS hours_absent, {NUMBER.format('ongeoorloofd')} AS hours_absent_unauthorised "
        f"FROM {hours}",
    }
    for name, query in tables.items():
        joined = f"{query} JOIN known ON number = trim(studentnummer)"
        connection.execute(f"COPY ({joined}) TO '{folder / 'script' / name}.parquet' (FORMAT parquet)")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {"seconds": time.perf_counter() - begun, "peak": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def _pseudonym(number: str, secret: bytes) -> str:
    text = number.encode()
    return hmac.digest(secret, HEAD + bytes([0x60 + len(text)]) + text, "sha256").hex()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]))) + "\n")
