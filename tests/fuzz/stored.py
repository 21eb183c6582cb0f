"""A folder arrives; a subject leaves for every export and for what a node stored itself: deliveries, tables, ledger."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import openpyxl

from node.counter import Counter
from node.errors import NodeError
from node.ingest import ingest
from node.ledger_store import LedgerStore
from node.people.pseudonym_key import PseudonymKey
from node.people.pseudonyms import Pseudonyms
from node.store import Store
from shared_schema import load_schema
from tests.fuzz.harness import Broken, Subject
from tests.fuzz.mutations import (
    CSV_TOKENS,
    JSON_TOKENS,
    ODD_NUMBERS,
    ODD_TEXTS,
    ODD_TREES,
    bent_bytes,
    bent_lines,
    bent_text,
    bent_tree,
)
from tests.ledger_world import World, charge
from tests.unit.node.marked_school import COLUMNS, DECLARED, MAPPING, MARKERS, csv_text, rows

SCHEMA = load_schema()
SECRETS = (*MARKERS, DECLARED)
PLAIN = (*ODD_NUMBERS[:9], *ODD_TEXTS, *ODD_TREES)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def bent_json(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend a JSON file as text, or as a tree that is written again."""
    if chance.random() < 0.4:
        return bent_text(chance, data, others, JSON_TOKENS)
    return json.dumps(bent_tree(chance, json.loads(data), PLAIN[:2] + PLAIN[9:])).encode()


# ---- exports, through the whole of an intake


def exports(folder: Path) -> list[Subject]:
    school = Taking(folder / "taking")
    quoted = "".join('"' + '","'.join(line) + '"\n' for line in [COLUMNS, *(row.values() for row in rows(12))])
    texts = [csv_text(rows(12)), quoted, csv_text(rows(12), "\t")]
    csv = [text.encode(codec) for text, codec in zip(texts, ("utf-8", "cp1252", "utf-16"), strict=True)]
    return [
        Subject("export-csv", csv, _bent_csv, lambda data: school.take("dossiers.csv", data), (NodeError,), SECRETS),
        Subject(
            "export-xlsx",
            [_workbook()],
            _bent_workbook,
            lambda data: school.take("dossiers.xlsx", data),
            (NodeError,),
            SECRETS,
        ),
    ]


def _bent_csv(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    if chance.random() < 0.3:
        return bent_lines(chance, data)
    return bent_text(chance, data, others, CSV_TOKENS)


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for cells in [COLUMNS, *(row.values() for row in rows(12))]:
        book.active.append([float(cell) if cell.isdecimal() and len(cell) < 9 else cell for cell in cells])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _bent_workbook(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend the archive's bytes, or one of its members within a sound archive."""
    if chance.random() < 0.3:
        return bent_bytes(chance, data, others)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([*members, *["xl/worksheets/sheet1.xml"] * 6])
    tokens = [
        b'<c r="A1" t="n"><v>Geheim-4711</v></c>',
        b"<!ENTITY a 'x'>",
        b't="s"',
        b't="d"',
        b"</v>",
        b"<v>",
        b"1e400",
    ]
    tokens += [f"<v>{MARKERS[0]}</v>".encode(), b' r="ZZZZ99999999"', b"&amp;", b"&#0;"]
    members[name] = bent_xml(chance, members[name], tokens)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            if member != name or chance.random() < 0.9:
                archive.writestr(member, content)
    return out.getvalue()


def bent_xml(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """Put another word in an element or attribute, so that the document stays well-formed; or bend its bytes."""
    if chance.random() < 0.4:
        return bent_bytes(chance, data, [data], tokens)
    marks = [at for at in range(len(data)) if data[at : at + 1] in (b">", b'"')]
    at = chance.choice(marks)
    end = next((stop for stop in range(at + 1, len(data)) if data[stop : stop + 1] in b'<"'), len(data))
    words = (
        b"",
        b"-1",
        b"99999999",
        b"1e400",
        b"NaN",
        MARKERS[0].encode(),
        b"n",
        b"s",
        b"d",
        b"b",
        b"e",
        b"2099-02-31",
    )
    return data[: at + 1] + chance.choice(words) + data[end:]


def read_as(suffix: str) -> str:
    """The mapping for the same rows in a file of another kind."""
    if suffix != ".xml":
        return MAPPING.replace("dossiers*.csv", f"dossiers*{suffix}")
    kind = f"xml: {{ignore: [Bijlage], Dossier: {{fields: [{', '.join(COLUMNS)}]}}}}"
    named = MAPPING.replace('"dossiers*.csv"', f'"dossiers*.xml", {kind}')
    return named.replace("source: dossiers", 'source: "dossiers#Dossier"')


class Taking:
    """A school with one good delivery. A refused one leaves everything as it was; a stored one is whole."""

    def __init__(self, root: Path) -> None:
        self.exports, self.data, self.mapping = root / "exports", root / "data", root / "mapping.yaml"
        self.exports.mkdir(parents=True)
        self.mapping.write_text(MAPPING, encoding="utf-8")
        self.key = PseudonymKey(b"k" * 32)
        self.take("dossiers.csv", csv_text(rows()).encode())

    def take(self, name: str, data: bytes) -> None:
        for path in self.exports.iterdir():
            path.unlink()
        put(self.exports / name, data)
        mapping = put(self.mapping.with_name("used.yaml"), read_as(Path(name).suffix).encode())
        before = self._kept()
        try:
            taken = ingest(self.exports, mapping, self.data, self.key, SCHEMA)
        except Exception:
            if self._kept() != before:
                raise Broken("a refused delivery that left something behind") from None
            raise
        if said := [cell for cell in MARKERS if cell in json.dumps(taken.quality.plain(), ensure_ascii=False)]:
            raise Broken(f"a report that quotes the cell {said[0]!r}")
        Store.open(self.data).tables()

    def _kept(self) -> Mapping[str, bytes]:
        """Every file of the stored deliveries and where `current` points, as bytes."""
        files = sorted(path for path in self.data.rglob("*") if path.is_file() and "pseudonyms" not in path.name)
        return {str(path): path.read_bytes() for path in files}


# ---- what a node stored itself


def stores(folder: Path) -> list[Subject]:
    Taking(folder / "stored")
    data = folder / "stored" / "data"
    (delivery,) = (data / "deliveries").iterdir()
    files = {"manifest": delivery / "manifest.json", "pointer": data / "current", "table": delivery / "person.parquet"}
    bends = {"manifest": bent_json, "pointer": bent_bytes, "table": bent_bytes}

    def reading(path: Path, whole: bytes) -> Callable[[bytes], object]:
        def read(given: bytes) -> None:
            put(path, given)
            try:
                Store.open(data).tables()
                Store.open(data).report()
            finally:
                put(path, whole)

        return read

    subjects = [
        Subject(f"delivery-{name}", [whole], bends[name], reading(path, whole), (NodeError,), SECRETS)
        for name, path in files.items()
        for whole in [path.read_bytes()]
    ]
    return [*subjects, _pseudonyms(folder / "stored" / "bent", (data / "pseudonyms.sqlite").read_bytes())]


def _pseudonyms(folder: Path, whole: bytes) -> Subject:
    def read(data: bytes) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        put(folder / "pseudonyms.sqlite", data)
        with Pseudonyms.open(folder) as pseudonyms:
            pseudonyms.bind(PseudonymKey(b"k" * 32))
            pseudonyms.cohorts_of(pseudonyms.cohorts())

    return Subject("pseudonym-table", [whole], _bent_database, read, (NodeError,))


def _bent_database(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bend a page here and there; its header less often, since without it there is no database at all."""
    if chance.random() < 0.2:
        return bent_bytes(chance, data, others)
    return data[:100] + bent_bytes(chance, data[100:], others)[: chance.choice((len(data) - 100, 4096 * 3 - 100))]


def ledger(folder: Path) -> list[Subject]:
    world = World(folder / "ledger")
    store = world.ready()
    charge(store, world.run())
    whole, counter = world.path.read_bytes(), world.counter.path.read_bytes()
    bent = folder / "bent"
    bent.mkdir()

    def read(data: bytes) -> None:
        for path in bent.iterdir():
            path.unlink()
        put(bent / "counter", counter)
        ledger = LedgerStore.open(put(bent / "ledger.sqlite", data), world.node, Counter(bent / "counter"), world.clock)
        ledger.check()
        ledger.state(), ledger.entries(), ledger.charters(), ledger.now(), ledger.expired_runs(), ledger.next_epoch()
        ledger.replay(world.run(), 1, 0, b"c" * 32)

    def count(data: bytes) -> None:
        mark = Counter(put(folder / "counter", data)).read()
        Counter(folder / "counter").settle(mark.before if mark else store.head())

    return [
        Subject("ledger-file", [whole], _bent_database, read, (NodeError,)),
        Subject("counter", [counter], bent_bytes, count, (NodeError,)),
    ]
