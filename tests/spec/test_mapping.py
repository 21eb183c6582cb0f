"""The mapping language by example: every example of docs/mapping.md, carried out from files to tables."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from node.bulk.table import BulkTable, Table
from node.ingest import examine
from node.people.pseudonym_key import PseudonymKey
from shared_schema import load_schema

MANUAL = Path(__file__).parents[2] / "docs" / "mapping.md"
FENCE = re.compile(r"^```(\w+)(?: ([\w.]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{2,3} (.*)$", re.MULTILINE)
KEY = PseudonymKey(b"k" * 32)
FILES = ("csv", "xml", "sql")


@dataclass
class Example:
    """One example of the manual: files, a mapping, and the tables that must come out (table -> lines of words)."""

    title: str
    files: dict[str, str] = field(default_factory=dict)
    mapping: str = ""
    connections: str = ""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)


def examples(text: str) -> list[Example]:
    """Gather fences into examples: a file after a result begins a new one."""
    found = [Example("")]
    for match in FENCE.finditer(text):
        kind, name, body = match.groups()
        if kind in FILES and found[-1].tables:
            found.append(Example(""))
        found[-1].title = HEADING.findall(text[: match.start()])[-1]
        if kind in FILES:
            found[-1].files[name if kind != "sql" else f"{name}.sql"] = body
        elif kind == "connections":
            found[-1].connections = body
        elif kind == "yaml":
            found[-1].mapping = body
        elif kind == "table":
            found[-1].tables[name] = [line.split() for line in body.splitlines()]
    return found


def completed(mapping: str) -> str:
    """The mapping with the heading that the manual leaves out."""
    heading = "mapping: 1\nlayout: example\ntitle: {nl: voorbeeld, en: example}\n"
    sources = "" if "\nsources:" in f"\n{mapping}" else "sources: {s: {file: s.csv}}\n"
    identifier = "" if "\nidentifier:" in f"\n{mapping}" else "identifier: {column: nr}\n"
    return mapping if mapping.startswith("mapping:") else heading + sources + identifier + mapping


def as_words(frame: pd.DataFrame) -> list[list[str]]:
    """A table as the manual writes it: names, then rows in the order of the export."""
    own = frame.drop(columns="student")
    return [list(own.columns), *([word(value) for value in row] for row in own.itertuples(index=False))]


def word(value: object) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    return (
        str(value).lower()
        if str(value) in ("True", "False")
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def made_database(folder: Path, name: str, statements: str) -> None:
    """A database in a file, and its address where the manual's connections.yaml says it stands."""
    with closing(sqlite3.connect(folder / f"{name}.db")) as made:
        made.executescript(statements)
    (folder / "keys").mkdir()
    (folder / "keys" / "sis.url").write_text(f"sqlite:///{folder / name}.db")
    (folder / "keys" / "sis.url").chmod(0o600)


def carried_out(example: Example, folder: Path) -> dict[str, list[list[str]]]:
    for name, body in example.files.items():
        if name.endswith(".sql"):
            (folder / "connections.yaml").write_text(example.connections, encoding="utf-8")
            made_database(folder, name, body)
        else:
            (folder / name).write_text(body, encoding="utf-8")
    mapping = folder / "mapping.yaml"
    mapping.write_text(completed(example.mapping), encoding="utf-8")
    examined = examine(folder, mapping, KEY, load_schema(), connections=folder / "connections.yaml")
    return {name: as_words(in_memory(table)) for name, table in examined.tables.items()}


def in_memory(table: Table) -> pd.DataFrame:
    """The rows of a query stay on disk, in no order; the manual's are alike."""
    return table.frame(list(table.dtypes)) if isinstance(table, BulkTable) else table


def columns_as_written(words: list[list[str]], order: list[str]) -> list[list[str]]:
    """Reorder columns: the schema has an order of its own, the manual follows the mapping."""
    places = [words[0].index(name) for name in order]
    return [[row[place] for place in places] for row in words]


@pytest.mark.parametrize("example", examples(MANUAL.read_text(encoding="utf-8")), ids=lambda one: one.title)
def test_every_example_of_the_manual_gives_the_table_it_shows(example: Example, tmp_path: Path) -> None:
    """The manual cannot drift from the engine: each export and mapping give exactly the tables written there."""
    made = carried_out(example, tmp_path)
    assert set(made) == set(example.tables)
    for name, words in example.tables.items():
        assert columns_as_written(made[name], words[0]) == words


def test_a_wrong_table_in_the_manual_is_noticed(tmp_path: Path) -> None:
    """Planted fault: one word of one result is changed, and the comparison above fails."""
    example = examples(MANUAL.read_text(encoding="utf-8"))[0]
    example.tables["person"][1] = ["V"]
    made = carried_out(example, tmp_path)
    assert columns_as_written(made["person"], ["geslacht"]) != example.tables["person"]


def test_the_manual_shows_every_kind_of_rule() -> None:
    """Nothing of the language is undocumented: each computation and each key of a rule stands in the manual."""
    from node import column_rules, mapping_document

    text = MANUAL.read_text(encoding="utf-8")
    source = Path(column_rules.__file__).read_text(encoding="utf-8")
    computations = [
        name for names in re.findall(r"compute: Literal\[(.*?)\]", source) for name in names.split('"')[1::2]
    ]
    assert len(computations) == 11
    keys = {
        fields.alias or name
        for model in (
            column_rules.FromRule,
            column_rules.OneHotRule,
            mapping_document.Source,
            mapping_document.Identifier,
            mapping_document.Element,
            mapping_document.TableRule,
        )
        for name, fields in model.model_fields.items()
    }
    missing = [name for name in (*computations, *sorted(keys)) if f"`{name}`" not in text and f"{name}:" not in text]
    assert missing == []
