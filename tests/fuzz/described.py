"""A folder arrives; a subject leaves for exports that say of themselves how they are written: XML and Parquet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import duckdb

from node.errors import NodeError
from tests.fuzz.harness import Subject
from tests.fuzz.mutations import INTERESTING, bent_bytes
from tests.fuzz.stored import SECRETS, Taking, bent_xml
from tests.unit.node.marked_school import COLUMNS, MARKERS, rows

XML_TOKENS = (
    *(b"<!DOCTYPE a>", b"<!ENTITY a 'x'>", b"<!DOCTYPE a [<!ENTITY b 'x'>]>", b"&b;", b"&#0;", b"&#x110000;", b"&amp;"),
    *(b"<?xml version='1.0' encoding='utf-7'?>", b"encoding='utf-16'", b"encoding='windows-1252'", b"<?x y?>"),
    *(b"<Dossier>", b"</Dossier>", b"<nummer>", b"<Dossier/>", b"<Bijlage>", b"</Bijlage>", b"<a>" * 300, b"<a:b>"),
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b" nil='true'", f"<naam>{MARKERS[0]}</naam>".encode(), b"x" * 200_000),
)


def exports(folder: Path) -> list[Subject]:
    """Two subjects, each through the whole of an intake."""
    school = Taking(folder / "described")
    return [
        Subject("export-xml", _xml(), _bent, lambda data: school.take("dossiers.xml", data), (NodeError,), SECRETS),
        Subject(
            "export-parquet",
            [_parquet(folder)],
            _bent_parquet,
            lambda data: school.take("dossiers.parquet", data),
            (NodeError,),
            SECRETS,
        ),
    ]


def _xml() -> list[bytes]:
    cells = ["".join(f"<{name}>{escape(cell)}</{name}>" for name, cell in row.items()) for row in rows(12)]
    body = "".join(f"<Dossier>{row}</Dossier><Bijlage><x>1</x></Bijlage>" for row in cells)
    text = f'<?xml version="1.0" encoding="{{}}"?>\n<Alles>{body}</Alles>\n'
    return [text.format(name).encode(codec) for name, codec in (("utf-8", "utf-8-sig"), ("utf-16", "utf-16"))]


def _bent(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend the bytes, or put something of XML between two elements or in one."""
    if chance.random() < 0.5:
        return bent_xml(chance, data, XML_TOKENS)
    marks = [at + 1 for at in range(len(data)) if data[at : at + 1] == b">"]
    at = chance.choice(marks)
    return data[:at] + chance.choice(XML_TOKENS) + data[at:]


def _parquet(folder: Path) -> bytes:
    path = folder / "dossiers.parquet"
    lines = ", ".join("(" + ", ".join(f"'{cell}'" for cell in row.values()) + ")" for row in rows(12))
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * FROM (VALUES {lines}) AS t({', '.join(COLUMNS)})) TO '{path}' (FORMAT parquet)"
        )
    return path.read_bytes()


def _bent_parquet(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend anywhere, or in the footer, where sizes, types and offsets stand."""
    if chance.random() < 0.4:
        return bent_bytes(chance, data, others)
    footer = int.from_bytes(data[-8:-4], "little")
    start = max(4, len(data) - 8 - footer)
    at = chance.randrange(start, len(data) - 8)
    return data[:at] + chance.choice((*INTERESTING, bytes([chance.randrange(256)]))) + data[at + 1 :]
