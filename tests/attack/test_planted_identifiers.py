"""Identifiers planted in every column of every kind of export, looked for in every byte a node keeps, says or sends.

Numbers, names, addresses, mail, telephone, bank account, date of birth and remarks stand in columns with names of their
own and in columns that are called something else. With the defences off they are found: in a table, a report, a log.
"""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd
import psycopg
import pytest

from coalition import running
from coalition.transport import InProcess
from node import identifiers, mapping
from node.answer import answer
from node.assembly import open_node
from node.folder import NodeFolder
from node.people.pseudonym_key import PseudonymKey
from node.sources import cells
from tests.unit.coalition.office import SIZE, office
from tests.unit.node.marked_school import type_in
from tests.unit.node.test_identifying import _bsn
from tests.unit.node.test_sql_source import Server, server

__all__ = ["server"]

STUDENTS = 40
NUMBERS = [_bsn(31_000_000 + 7_919 * index) for index in range(STUDENTS)]
OWN = [f"77{index:05d}31" for index in range(STUDENTS)]
MARKS = (
    *("Klaverina", "Markerstroem", "klaver.example", "Verzonnenlaan", "GEHEIM-4711", "1234ZZ", "1234 ZZ", "06987654"),
    *("NL91ABNA0417164300", "NL91 ABNA", "2006-03-", "-03-2006", *NUMBERS, *OWN),
)
BORN = re.compile(rb"(?<![0-9a-f])200603(\d\d)?(?![0-9a-f])")
"""A day or month of birth without hyphens; within the hex digits of pseudonyms these six stand by chance."""

Row = Mapping[str, str]


def rows(count: int = STUDENTS) -> list[Row]:
    """One row a student; every column but the last five names somebody."""
    made = []
    for index in range(count):
        name, bsn, day = f"Klaverina Markerstroem{chr(97 + index % 26)}{index}", NUMBERS[index], 1 + index % 28
        somebody = {
            "nummer": OWN[index],
            "naam": name,
            "bsn": bsn,
            "e_mail": f"s{index}@klaver.example",
            "telefoonnr": f"06987654{index:02d}",
            "adres": f"Verzonnenlaan {index}",
            "geboortedatum": f"2006-03-{day:02d}",
            "opmerkingen": f"GEHEIM-4711 van {name}",
            "kolom_a": name,
            "kolom_b": bsn,
            "kolom_c": f"s{index}@klaver.example",
            "kolom_d": "NL91 ABNA 0417 1643 00",
            "kolom_e": f"1234 ZZ {index}",
            "kolom_f": f"06987654{index:02d}",
            "kolom_g": f"GEHEIM-4711: belde op dag {index}",
            "kolom_h": f"Verzonnenlaan {index}",
            "postcode": f"{1100 + index} AB",
        }
        nobody = {"geslacht": "MV"[index % 2], "dossier": f"D{index}", "start": f"{2022 + index % 2}-08-22"}
        end = f"{2023 + index % 2}-01-15" if index % 3 == 0 else ""
        made.append({**somebody, **nobody, "eind": end, "uren": f"{index % 13}", "team": _team(index)})
    return made


def _team(index: int) -> str:
    """A team; in one of fifty cells somebody wrote something else."""
    return f"Zorg (vraag s{index}@klaver.example, BSN {NUMBERS[index]})" if index == 17 else "Team-Oost"


HEADER = tuple(rows(1)[0])
TABLES = """\
tables:
  person:
    source: s{kind}
    columns: {geslacht: geslacht, postcode4: {from: postcode, first: 4}}
  enrolment:
    source: s{kind}
    columns:
      enrolment_id: dossier
      start_date: start
      end_date: eind
      age_at_start: {compute: age_at, born: geboortedatum, on: start}
      team: team
  attendance:
    source: s{kind}
    spans: [{week: 10, weeks: 10, columns: {hours_absent: uren}}]
"""
HEADING = "mapping: 1\nlayout: proef\ntitle: {nl: t, en: t}\nidentifier: {column: nummer}\n"


def as_text(separator: str, lines: Sequence[Row], kind: str = "") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    if not kind:
        writer.writerow(HEADER)
    for row in lines:
        writer.writerow([*([kind] if kind else []), *row.values()])
    return out.getvalue()


# ---- one writer for each reader; it returns what stands under `sources`


def _csv(folder: NodeFolder, lines: Sequence[Row]) -> str:
    (folder.exports / "s.csv").write_text(as_text(";", lines), encoding="cp1252")
    return "{file: s.csv}"


def _tsv(folder: NodeFolder, lines: Sequence[Row]) -> str:
    (folder.exports / "s.tsv").write_text(as_text("\t", lines), encoding="utf-16")
    return "{file: s.tsv}"


def _records(folder: NodeFolder, lines: Sequence[Row]) -> str:
    (folder.exports / "s.txt").write_text(as_text("|", lines, "ISG"), encoding="utf-8")
    return "{file: s.txt, separator: '|', records: {field: 0, ISG: [" + ", ".join(HEADER) + "]}}"


def _xlsx(folder: NodeFolder, lines: Sequence[Row]) -> str:
    pd.DataFrame(list(lines)).to_excel(folder.exports / "s.xlsx", index=False)
    return "{file: s.xlsx}"


def _parquet(folder: NodeFolder, lines: Sequence[Row]) -> str:
    with duckdb.connect() as connection:
        connection.from_df(pd.DataFrame(list(lines))).write_parquet(str(folder.exports / "s.parquet"))
    return "{file: s.parquet}"


def _xml(folder: NodeFolder, lines: Sequence[Row]) -> str:
    body = "".join("<D>" + "".join(f"<{key}>{cell}</{key}>" for key, cell in row.items()) + "</D>" for row in lines)
    (folder.exports / "s.xml").write_text(f"<?xml version='1.0'?><R>{body}</R>", encoding="utf-8")
    return "{file: s.xml, xml: {D: {fields: [" + ", ".join(HEADER) + "]}}}"


def _create(lines: Sequence[Row]) -> tuple[str, str, list[tuple[str, ...]]]:
    columns = ", ".join(f"{name} text" for name in HEADER)
    return f"CREATE TABLE s ({columns})", ", ".join(HEADER), [tuple(row.values()) for row in lines]


QUERY = "{sql: {connection: sis, query: 'SELECT * FROM s'}}"


def _address(folder: NodeFolder, url: str) -> str:
    folder.connections.write_text("connections: 1\ndatabases: {sis: {url_file: sis.url}}\n")
    place = folder.root / "keys" / "sis.url"
    place.write_text(url)
    place.chmod(0o600)
    return QUERY


def _sqlite(folder: NodeFolder, lines: Sequence[Row]) -> str:
    create, _, values = _create(lines)
    path = folder.root.parent / f"{folder.root.name}.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(create)
        made.executemany(f"INSERT INTO s VALUES ({', '.join('?' * len(HEADER))})", values)
    return _address(folder, f"sqlite:///{path}")


def _postgres(folder: NodeFolder, lines: Sequence[Row], there: Server) -> str:
    create, _, values = _create(lines)
    there.run("DROP TABLE IF EXISTS s")
    there.run(create)
    with there.owner.cursor() as cursor:
        cursor.executemany(f"INSERT INTO s VALUES ({', '.join(['%s'] * len(HEADER))})", values)  # type: ignore[arg-type]
    there.run(f"GRANT USAGE ON SCHEMA {there.schema} TO {there.schema}")
    there.run(f"GRANT SELECT ON s TO {there.schema}")
    assert isinstance(there.owner, psycopg.Connection)
    return _address(folder, there.reader)


WRITERS: Mapping[str, Callable[[NodeFolder, Sequence[Row]], str]] = {
    "csv": _csv,
    "tsv": _tsv,
    "records": _records,
    "xlsx": _xlsx,
    "parquet": _parquet,
    "xml": _xml,
    "sqlite": _sqlite,
}
KINDS = {"records": "#ISG", "xml": "#D"}


# ---- where they are looked for


def found_in(said: str, folder: NodeFolder) -> set[str]:
    """Where a mark stands: every file of the node, unpacked, but the drop folder's; and all that was said."""
    places = {"said": said.encode()}
    places |= {str(path.relative_to(folder.root)): raw for path, raw in kept(folder)}
    return {f"{name}: {mark}" for name, raw in places.items() for mark in marks_in(raw)}


def marks_in(raw: bytes) -> list[str]:
    """Every mark that stands in these bytes."""
    born = ["200603"] if BORN.search(raw) else []
    return [*(mark for mark in MARKS if mark.encode() in raw), *born]


def kept(folder: NodeFolder) -> Iterator[tuple[Path, bytes]]:
    """Every file's bytes, a Parquet file's cells and a database's rows as text as well."""
    for path in sorted(folder.root.rglob("*")):
        if not path.is_file() or folder.exports in path.parents:
            continue
        raw = path.read_bytes()
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                raw += connection.read_parquet(str(path)).df().to_csv().encode()
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as connection:
                raw += "\n".join(connection.iterdump()).encode()
        yield path, raw


@pytest.fixture
def node(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> NodeFolder:
    words = ("--school", "noord", "--name", "Noord", "--size", "2022=60", "--size", "2023=60")
    assert type_in(capfd, "coalition-node", "init", tmp_path / "node", *words)[0] == 0
    return NodeFolder(tmp_path / "node")


def put(node: NodeFolder, reader: str, write: Callable[[NodeFolder, Sequence[Row]], str], tables: str = TABLES) -> None:
    """The export, and a mapping that reads it."""
    source = write(node, rows())
    mapped = tables.replace("{kind}", KINDS.get(reader, ""))
    node.mapping.write_text(f"{HEADING}sources: {{s: {source}}}\n{mapped}")


def used(node: NodeFolder, capfd: pytest.CaptureFixture[str]) -> str:
    """All that is said while the node is used: taken in, looked at, cared for, and given something bad."""
    numbers = node.root.with_name("numbers.txt")
    said = []

    def say(*words: object) -> int:
        ways = (False, True) if words[0] in ("check", "deliveries") or not said else (len(said) % 2 == 0,)
        for as_json in ways:  # in words and as JSON, by turns
            code, _, both = type_in(capfd, "coalition-node", words[0], node.root, *words[1:], as_json=as_json)
            said.append(both)
        return code

    assert say("ingest") == 0, said[-1]
    for words in (("check",), ("deliveries",), ("features",), ("invite",), ("indicators",), ("ledger",), ("policy",)):
        say(*words)
    say("watch", "--once", "--settle", "0.05")
    numbers.write_text(OWN[3])
    assert say("optout", "--add", "--file", numbers) == 0
    numbers.write_text(f"{OWN[4]}\n")
    assert say("erase", "--file", numbers, "--yes") in (0, 2)  # the second time there is nobody left of that number
    numbers.write_text(f"{OWN[5]} {OWN[6]}\n{NUMBERS[7]} {NUMBERS[8]}\n")
    say("link", "--file", numbers)
    numbers.write_text("\n".join(f"{number} Klaverina {index}" for index, number in enumerate(NUMBERS)))
    say("optout", "--add", "--file", numbers)
    for path in node.exports.iterdir():  # cut off, of other columns, and with a header that is a student
        whole = path.read_bytes()
        for bad in (whole[: len(whole) // 2], whole[len(whole) // 2 :], whole + whole[:100]):
            path.write_bytes(bad)
            say("ingest")
            say("check", "--exports", node.exports)
        path.write_bytes(whole)
    good = node.mapping.read_text()
    for old, new in (
        ("team: team", "team: kolom_c"),
        ("start_date: start", "start_date: geboortedatum"),
        ("uren", "naam"),
    ):
        node.mapping.write_text(good.replace(old, new))
        assert say("ingest") == 2
    node.mapping.write_text(good)
    return "".join(said)


# ---- nowhere


@pytest.mark.parametrize("reader", WRITERS)
def test_no_planted_identifier_is_kept_or_said(
    node: NodeFolder, capfd: pytest.CaptureFixture[str], reader: str
) -> None:
    """By every reader: not in a table, a report, a page, the permanent table, a log, an error or an answer."""
    put(node, reader, WRITERS[reader])
    said = used(node, capfd)
    assert found_in(said, node) == set()
    assert "Team-Oost" in "".join(str(raw) for _, raw in kept(node))  # the control: what is nobody's is there


@pytest.mark.postgres
def test_no_planted_identifier_comes_out_of_a_database(
    node: NodeFolder, capfd: pytest.CaptureFixture[str], server: Server
) -> None:
    """The same from a real PostgreSQL."""
    put(node, "postgres", partial(_postgres, there=server))
    said = used(node, capfd)
    assert found_in(said, node) == set()
    assert "Team-Oost" in "".join(str(raw) for _, raw in kept(node))


def test_no_planted_identifier_is_in_a_reply(tmp_path: Path) -> None:
    """A whole run over these rows, and requests that hold the marks themselves: not one is in any byte that leaves."""
    made = office(tmp_path)
    made.accept_charter()
    folder = made.node_folder("school-0")
    put(folder, "csv", _csv)
    from node.delivering import ingest

    assert ingest(folder.root, None, None).error is None
    experiment = made.submit()
    made.approve(experiment)
    nodes = {school: made.node(school, experiment, SIZE) for school in made.schools}
    nodes["school-0"] = open_node(folder)
    replies: list[bytes] = []

    def heard(school: str, data: bytes) -> bytes:
        replies.append(answer(nodes[school], data))
        return replies[-1]

    transport = InProcess({school: partial(heard, school) for school in nodes})
    running.carry_out(made.workspace, experiment, transport, lambda *_: None)
    assert len(nodes["school-0"].students(experiment)) > STUDENTS / 2  # the control: they were counted
    replies += [answer(nodes["school-0"], mark.encode() * times) for mark in MARKS for times in (1, 50)]
    assert len(replies) > 24
    assert found_in("", folder) == set()
    assert [mark for reply in replies for mark in marks_in(reply)] == []


# ---- the defences off: found


READING = TABLES.replace("team: team", "team: kolom_a\n      college: kolom_g")
OFF = {
    "the whole column": lambda patch: [
        patch.setattr(identifiers, "_why_drop", lambda *_: ""),
        patch.setattr(mapping, "is_known_identifier", lambda _: False),
    ],
    "a single cell": lambda patch: patch.setattr(cells, "points_at_somebody", lambda _: False),
    "the date of birth": lambda patch: patch.setattr(mapping, "is_birth_date", lambda _: False),
}
CONTROLS = {
    "the whole column": (READING, "Klaverina"),
    "a single cell": (TABLES, "klaver.example"),
    "the date of birth": (TABLES.replace("start_date: start", "start_date: geboortedatum"), "2006-03-"),
}


@pytest.mark.parametrize("what", OFF)
def test_with_a_defence_off_they_are_found(
    node: NodeFolder, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Each one by itself; with it on, the same mapping stores none, or is refused."""
    tables, mark = CONTROLS[what]
    put(node, "csv", _csv, tables)
    code, _, said = type_in(capfd, "coalition-node", "ingest", node.root)
    assert code in (0, 2) and found_in(said, node) == set()
    OFF[what](monkeypatch)
    code, _, said = type_in(capfd, "coalition-node", "ingest", node.root)
    assert code == 0, said
    assert any(mark in place for place in found_in(said, node))


def test_a_number_in_place_of_a_pseudonym_is_stored_by_nobody(
    node: NodeFolder, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were numbers not hashed, the schema's form of a pseudonym would refuse the delivery, and say no number."""
    put(node, "csv", _csv)
    monkeypatch.setattr(PseudonymKey, "pseudonym", lambda self, number, about=None: number)
    code, _, said = type_in(capfd, "coalition-node", "ingest", node.root)
    assert code == 2 and "pattern" in said and found_in(said, node) == set()


def test_what_is_looked_through_is_really_read(node: NodeFolder) -> None:
    """A mark inside a compressed Parquet file and one in a database are found."""
    for name in ("a.parquet", "b.sqlite"):
        (node.data / name).unlink(missing_ok=True)
    with duckdb.connect() as connection:
        cells_of = pd.DataFrame({"x": ["Klaverina"] * 1000})
        connection.from_df(cells_of).write_parquet(str(node.data / "a.parquet"), compression="zstd")
    with closing(sqlite3.connect(node.data / "b.sqlite")) as made, made:
        made.execute("CREATE TABLE t (x)")
        made.execute("INSERT INTO t VALUES ('Markerstroem')")
    assert found_in("", node) == {"data/a.parquet: Klaverina", "data/b.sqlite: Markerstroem"}
