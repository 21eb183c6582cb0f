"""Exports of a synthetic school as its system writes them, and faults put into them as they happen at schools."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.synthetic.sector import generate
from experiments.synthetic.writers import DEALT, write_exports
from node.conformance import Quality
from node.ingest import examine
from node.people.pseudonym_key import PseudonymKey
from node.quality.finding import Finding
from node.store import Store
from shared_schema import load_schema

SCHEMA = load_schema()
KEY = PseudonymKey(b"a key for this test only, 32 byte")
MAPPINGS = Path(__file__).parents[3] / "node" / "mappings"
STUDENTS = 1200

Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Text:
    """How a layout's text files are read and written back."""

    separator: str
    encoding: str


TEXTS: Mapping[str, Text] = {
    "eduarte": Text(";", "utf-8-sig"),
    "osiris": Text(";", "cp1252"),
    "duo_ro": Text("|", "utf-8"),
    "uitnodigingsregel_v4": Text("\t", "utf-8"),
}


def exported(folder: Path, layout: str, seed: int = 1, students: int = STUDENTS) -> Path:
    """Write one school's exports in a layout; every layout of a seed has a school of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write_exports(generate(len(DEALT), students, seed)[DEALT.index(layout)], layout, folder)
    return folder


def copied(folder: Path, place: Path) -> Path:
    """Return a copy of a folder of exports, to put a fault in."""
    return Path(shutil.copytree(folder, place))


def changed(folder: Path, layout: str, file: str, change: Change) -> None:
    """Put a CSV of the exports through `change`; every cell is text."""
    text, path = TEXTS[layout], folder / file
    frame = pd.read_csv(path, sep=text.separator, encoding=text.encoding, dtype=str, keep_default_na=False)
    change(frame).to_csv(path, sep=text.separator, encoding=text.encoding, index=False, lineterminator="\r\n")


def looked(folder: Path, layout: str, store: Store | None = None) -> Quality:
    """The quality of a folder of exports; store: with the last delivery to hold it against."""
    return examine(folder, MAPPINGS / f"{layout}.yaml", KEY, SCHEMA, store=store).quality


def findings(folder: Path, layout: str, store: Store | None = None) -> tuple[Finding, ...]:
    """What was seen in a folder of exports."""
    seen = looked(folder, layout, store).seen
    assert seen is not None
    return seen.findings


def halves(folder: Path, layout: str) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The tables of every other student, and those of the rest: two deliveries of one school without a fault."""
    tables = examine(folder, MAPPINGS / f"{layout}.yaml", KEY, SCHEMA).tables
    odd = {name: frame["student"].str[-1].isin(list("13579bdf")) for name, frame in tables.items()}
    return (
        {name: frame[odd[name]] for name, frame in tables.items()},
        {name: frame[~odd[name]] for name, frame in tables.items()},
    )


def places(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    """(rule, place) of each finding."""
    return {(one.rule, one.place) for one in found}
