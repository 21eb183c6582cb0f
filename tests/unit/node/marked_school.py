"""A school whose exports are full of markers, for tests that then give it something bad and look where markers turn up.

Every row names a person, a BSN, an address and a remark; the mapping reads none of them. `refused` types a command as
a person would and holds what was shown against the house rule: rule, found, remedy, no traceback, no marker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import coalition.cli
import node.cli
from experiments import terminal
from node.folder import NodeFolder
from node.people.pseudonyms import Pseudonyms
from node.store import Store

PROGRAMS = {"coalition": coalition.cli.app, "coalition-node": node.cli.app}
NAME, BSN, MAIL, ODD = "Klaver-Marker", "123456782", "klaver@marker.example", "GEHEIM-4711"
NUMBER, FIGURE, DAY = "S-99123", "987654,321", "31-02-2099"
MARKERS = (NAME, BSN, MAIL, ODD, NUMBER, FIGURE, FIGURE.replace(",", "."), DAY)
DECLARED = "Team-Oost"  # a cell that the mapping does read and the schema keeps
MAPPING = """\
mapping: 1
layout: proef
title: {nl: proef, en: trial}
sources:
  dossiers: {file: "dossiers*.csv"}
identifier: {column: nummer}
drop: [naam]
tables:
  person:
    source: dossiers
    columns:
      geslacht: {from: geslacht, recode: {M: M, V: V}}
      vooropleiding: vooropleiding
  enrolment:
    source: dossiers
    columns: {enrolment_id: dossier, start_date: start, age_at_start: leeftijd, team: team}
  attendance:
    source: dossiers
    spans: [{week: 10, weeks: 10, columns: {hours_absent: uren}}]
"""
Row = dict[str, str]


def rows(count: int = 40) -> list[Row]:
    """Rows of an export, one a student, every one with all markers."""
    return [
        {
            "nummer": f"{NUMBER}{index:03d}",
            "naam": NAME,
            "bsn": BSN,
            "e_mail": MAIL,
            "geslacht": "MV"[index % 2],
            "vooropleiding": "HAVO",
            "dossier": str(index),
            "start": f"2{index % 8}-08-{2022 + index % 2}",
            "leeftijd": str(16 + index % 8),
            "team": DECLARED,
            "uren": f"{index % 13},5",
            "kenmerk": ODD,
        }
        for index in range(count)
    ]


COLUMNS = tuple(rows(1)[0])


def csv_text(lines: Iterable[Row], separator: str = ";", header: Iterable[str] = COLUMNS) -> str:
    """The export as a file, without quotes."""
    return "".join(separator.join(cells) + "\n" for cells in [header, *(line.values() for line in lines)])


@dataclass(frozen=True)
class School:
    """The node's folder; what is put in `exports` replaces what was there."""

    folder: NodeFolder

    def put(self, content: str | bytes | None, name: str = "dossiers.csv") -> None:
        """Put one export in the drop folder; None leaves it empty."""
        for path in self.folder.exports.iterdir():
            path.unlink()
        if content is not None:
            (self.folder.exports / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def map(self, old: str = "", new: str = "") -> None:
        """Write the mapping with one change."""
        assert old in MAPPING
        self.folder.mapping.write_text(MAPPING.replace(old, new, 1), encoding="utf-8")

    def tables(self) -> Mapping[str, Any]:
        """Every table of the delivery that counts, as plain values."""
        return {name: frame.to_dict("list") for name, frame in Store.open(self.folder.data).tables().items()}

    def kept(self) -> tuple[Any, ...]:
        """What must not change when something is refused: the delivery that counts, and every student's cohort."""
        with Pseudonyms.open(self.folder.data) as pseudonyms:
            cohorts = pseudonyms.cohorts()
        return Store.open(self.folder.data).current(), str(self.tables()), cohorts

    def traces(self) -> list[str]:
        """Places in the node's folder, exports left out, where a marker stands: bytes of files and stored cells."""
        return sorted({*_in_files(self.folder), *_in_cells(self.tables())})


def _in_files(folder: NodeFolder) -> Iterator[str]:
    for path in sorted(folder.root.rglob("*")):
        if path.is_file() and folder.exports not in path.parents:
            raw = path.read_bytes()
            yield from (f"{path.name}: {marker}" for marker in MARKERS if marker.encode() in raw)


def _in_cells(tables: Mapping[str, Any]) -> Iterator[str]:
    for name, columns in tables.items():
        for column, cells in columns.items():
            yield from (f"{name}.{column}: {marker}" for marker in MARKERS if any(marker in str(c) for c in cells))


def found(folder: Path, capfd: pytest.CaptureFixture[str]) -> School:
    """A node with one good delivery in it."""
    words = ("--school", "noord", "--name", "Noord", "--size", "2022=60", "--size", "2023=60")
    assert type_in(capfd, "coalition-node", "init", folder, *words)[0] == 0
    school = School(NodeFolder(folder))
    school.map()
    school.put(csv_text(rows()))
    code, shown, _ = type_in(capfd, "coalition-node", "ingest", folder)
    assert code == 0, shown
    return school


def type_in(
    capfd: pytest.CaptureFixture[str], program: str, *words: object, as_json: bool = True
) -> tuple[int, str, str]:
    """Type one command; return exit code, stdout, and both streams together."""
    capfd.readouterr()
    given = [str(word) for word in words] + (["--format", "json"] if as_json else [])
    code = terminal.run(PROGRAMS[program], program, given)
    shown = capfd.readouterr()
    return code, shown.out, shown.out + shown.err


def refused(capfd: pytest.CaptureFixture[str], program: str, *words: object) -> tuple[str, dict[str, Any]]:
    """Type a command that is refused, in words and as JSON; return its code and data once both hold the house rule."""
    exit_code, _, in_words = type_in(capfd, program, *words, as_json=False)
    again, out, both = type_in(capfd, program, *words)
    document = json.loads(out)
    assert document["exit_code"] == again == exit_code and 2 <= exit_code <= 6, in_words
    assert document["status"] == "error"
    _check_words(in_words + both)
    _check_parts(document["data"])
    return document["error_code"], document["data"]


def _check_words(shown: str) -> None:
    assert "Traceback" not in shown, "a traceback is shown"
    leaks = [marker for marker in MARKERS if marker in shown]
    assert leaks == [], f"markers are shown: {leaks}"


def _check_parts(data: Mapping[str, Any]) -> None:
    """Rule, value found and remedy; a document's problems have each their rule and line, and one remedy for all."""
    assert data["rule"], "no rule"
    assert data["remedy"], "no remedy"
    assert data["found"] or data.get("problems"), "no value found"
    for problem in data.get("problems", []):
        assert problem["rule_en"] and problem["line"], f"no rule or line: {problem}"
