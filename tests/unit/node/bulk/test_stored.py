"""From a large delivery to features: the same bits as from tables in memory, and nothing left on the disk."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import pandas as pd
import pytest

from node.bulk.workshop import PREFIX, Workshop
from node.errors import UnusableInput
from node.ingest import ingest
from node.store import Store
from privacy import canonical
from shared_schema import features
from tests.unit.node.bulk.both_ways import KEY, NEVER, SCHEMA
from tests.unit.node.bulk.test_both_ways import HEADING, case

MAPPING = f"""{HEADING}sources: {{h: {{file: "h*.csv"}}}}
identifier: {{column: nr}}
tables:
  enrolment: {{source: h, columns: {{enrolment_id: {{constant: "1"}}, start_date: begin}}}}
  attendance:
    source: h
    columns:
      week: week
      weeks: weken
      hours_absent: uren
      hours_absent_unauthorised: zonder
      hours_scheduled: rooster
"""
WEEKS = (3, 10, 52)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node that took in forty students, some of whom in overlapping blocks and with two rows for one week."""
    folder = tmp_path_factory.mktemp("node")
    rows = [
        f"{nr};2023-08-21;{week};{weeks};{(nr * week) % 41}.{week % 10};{nr % 7}.5;{20 + nr % 20}"
        for nr in range(40)
        for week, weeks in [*((week, 1) for week in range(1 + nr % 3, 30)), (3, 3), (6, 6), (52, 26)]
    ]
    body = "nr;begin;week;weken;uren;zonder;rooster\n" + "\n".join(rows) + "\n"
    exports, mapping = case(folder, {"h.csv": body.encode()}, MAPPING)
    ingest(exports, mapping, folder / "data", KEY, SCHEMA, bulk_from=0)
    return folder


@pytest.mark.parametrize("week", WEEKS)
def test_attendance_until_a_week_gives_the_very_features(node: Path, week: int) -> None:
    """Bit for bit what all attendance gives: later weeks mean nothing to a feature."""
    store = Store.open(node / "data")
    declared = features.available(SCHEMA, week)
    whole, part = (features.build(store.tables(until), declared, week, SCHEMA) for until in (None, week))
    assert whole.to_numpy().tobytes() == part.to_numpy().tobytes()
    assert whole.index.equals(part.index)
    assert len(part) == 40 and part["absence_per_week"].nunique() > 5


def test_only_the_weeks_that_count_are_read(node: Path) -> None:
    whole, part = (Store.open(node / "data").tables(until)["attendance"] for until in (None, 3))
    assert part["week"].max() == 3 and whole["week"].max() == 52
    assert isinstance(part["student"].dtype, pd.CategoricalDtype)
    assert part.columns.equals(whole.columns)


def test_nothing_but_the_delivery_stays_on_the_disk(node: Path) -> None:
    assert not list((node / "data").glob(f"{PREFIX}*"))


def test_a_refusal_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    exports, mapping = case(tmp_path, {"h.csv": b"nr;begin\n1;x;y\n"}, MAPPING)
    with pytest.raises(UnusableInput):
        ingest(exports, mapping, tmp_path / "data", KEY, SCHEMA, bulk_from=0)
    assert not list((tmp_path / "data").glob(f"{PREFIX}*"))


def test_what_a_kill_left_is_swept_and_what_lives_stays(tmp_path: Path) -> None:
    dead, living = tmp_path / f"{PREFIX}999999999-x", tmp_path / f"{PREFIX}{os.getppid()}-x"
    dead.mkdir()
    living.mkdir()
    shop = Workshop(tmp_path)
    assert (dead.exists(), living.exists()) == (False, True)
    assert shop.folder.stat().st_mode & 0o077 == 0
    shop.close()
    assert not shop.folder.exists()


def test_while_identifiers_are_read_nothing_may_stand_on_disk(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    assert shop.one("SELECT current_setting('temp_directory')") == ""
    shop.may_spill()
    assert shop.one("SELECT current_setting('temp_directory')").startswith(str(shop.folder))


def test_a_pseudonym_is_of_the_canonical_bytes() -> None:
    """The head of the message is made once; the bytes are those of `canonical.tagged`."""
    for number in ("", "12", "ë" * 30):
        message = canonical.tagged("datacoalitie/pseudonym/1", number)
        assert KEY.pseudonym(number) == hmac.new(KEY.secret, message, "sha256").hexdigest()


def test_an_export_becomes_large_by_its_bytes(tmp_path: Path) -> None:
    body = b"nr;begin;week;weken;uren;zonder;rooster\n1;2023-08-21;1;1;2;1;30\n"
    exports, mapping = case(tmp_path, {"h.csv": body}, MAPPING)
    for bulk_from in (len(body), len(body) + 1, NEVER):
        done = ingest(exports, mapping, tmp_path / "data", KEY, SCHEMA, bulk_from=bulk_from)
        assert [table.kept for table in done.quality.tables] == [1, 1]


def test_long_work_tells_how_far_it_is(tmp_path: Path) -> None:
    body = b"nr;begin;week;weken;uren;zonder;rooster\n1;2023-08-21;1;1;2;1;30\n"
    exports, mapping = case(tmp_path, {"h.csv": body}, MAPPING)
    told: list[tuple[int, int, str]] = []

    def progress(stage: str, done: int, total: int, waiting: str = "") -> None:
        told.append((done, total, waiting))

    ingest(exports, mapping, tmp_path / "data", KEY, SCHEMA, bulk_from=0, progress=progress)
    assert told == [(0, 3, "h"), (1, 3, "enrolment"), (2, 3, "attendance")]
