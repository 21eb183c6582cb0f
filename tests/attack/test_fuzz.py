"""A bounded fuzz of every wire message and every file that a node reads (METHODS §7, attacks 18, 19 and 21).

One process of its own, with bounds on memory and on the time of one input, feeds the same mutations in every run
(`tests/fuzz`): a reader raises an error of its declared tree or nothing, quotes no cell, and leaves nothing half
written. A finding prints the command that makes its input again; `python -m tests.fuzz MINUTES` goes on for longer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import harness, planted

ROOT = Path(__file__).parents[2]
EXAMPLES = 60
MESSAGES = (
    *("requests", "closing", "request-bytes", "replies", "signed-statements", "statements", "ledger-entries"),
    *("ledger-chains", "charters", "experiments", "frames", "parcels", "relay", "relay-settings"),
)
FILES = (
    *("policy", "mapping", "extension", "definition", "export-as-document", "pseudonym-key", "signing-key"),
    *(
        "own-card",
        "card",
        "held",
        "export-csv",
        "export-xlsx",
        "export-xml",
        "export-parquet",
        "delivery-manifest",
        "delivery-pointer",
    ),
    *("delivery-table", "pseudonym-table", "ledger-file", "counter"),
)
PLANTED = {
    "planted-key": "KeyError",
    "planted-cell": "an error that quotes a cell",
    "planted-memory": "too much memory",
}


@pytest.fixture(scope="module")
def report() -> dict[str, list[dict[str, Any]]]:
    """Subject -> what was found; every subject that was fed stands in it."""
    words = [sys.executable, "-m", "tests.fuzz", "--examples", str(EXAMPLES), "--planted", "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 1, done.stderr[-2000:]  # the planted faults are found, so never 0
    told = json.loads(done.stdout.splitlines()[-1])
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in told["seconds"]}
    for finding in told["findings"]:
        found[finding["subject"]].append(finding)
    return found


def test_every_subject_is_fed(report: dict[str, list[dict[str, Any]]]) -> None:
    """No reader is left out, a new one neither."""
    assert set(report) == {*MESSAGES, *FILES, *PLANTED}


@pytest.mark.parametrize("name", [*MESSAGES, *FILES])
def test_a_reader_keeps_its_promises(report: dict[str, list[dict[str, Any]]], name: str) -> None:
    """Declared errors only, without a cell in their words, within bounds; a valid input is taken."""
    assert not report[name], "\n".join(finding["text"] for finding in report[name])


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(report: dict[str, list[dict[str, Any]]], name: str) -> None:
    """Planted: a reader that raises `KeyError`, one that quotes a cell, one that takes a gigabyte."""
    assert [finding["kind"] for finding in report[name]] == [PLANTED[name]]


def test_a_reader_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: an endless loop, under a bound of a tenth of a second for this test."""
    monkeypatch.setattr(harness, "CPU_SECONDS", 0.1)
    with harness.limits():
        (finding,) = harness.run(planted.ENDLESS, seed=0, examples=1)
    assert finding.kind == "too much processor time"


def test_a_finding_can_be_made_again() -> None:
    """The numbers in a finding give the same input in another process, and the same fault."""
    (subject,) = (one for one in planted.SUBJECTS if one.name == "planted-key")
    (finding,) = harness.run(subject, seed=4, examples=EXAMPLES)
    words = [sys.executable, "-m", "tests.fuzz", "--planted", "--again", *str(finding).split("--again ")[1].split()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert "KeyError" in done.stderr and repr(harness.input_of(subject, 4, finding.number)) in done.stdout
