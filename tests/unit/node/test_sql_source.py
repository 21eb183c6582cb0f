"""Queries on a real PostgreSQL and on SQLite: cells as in a CSV, nothing written, no words of a database passed on."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql as composing
from sqlalchemy.engine import make_url

from node.errors import UnusableInput
from node.ingest import ingest
from node.mapping_document import Source, read_mapping
from node.people.pseudonym_key import PseudonymKey
from node.sources.connections import address_of
from node.sources.sql_source import Databases
from node.store import Store
from shared_schema import DocumentError, documents, load_schema
from tests.unit.node import marked_school
from tests.unit.node.marked_school import refused, type_in

MARKER = "Klaver-Marker"
MAPPING = """mapping: 1
layout: sis
title: {nl: t, en: t}
sources:
  s:
    sql:
      connection: sis
      query: >
        SELECT nummer, naam, volg, start, team FROM inschrijving
identifier: {column: nummer}
tables:
  enrolment:
    source: s
    columns: {enrolment_id: volg, start_date: start, team: team}
"""


@dataclass(frozen=True)
class Server:
    """A schema of its own in the real server, a role that may read it, and how to be its owner."""

    owner: psycopg.Connection
    schema: str
    reader: str  # the address of the reading role

    def run(self, statement: str) -> None:
        self.owner.execute(statement)  # type: ignore[call-overload]

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        return self.owner.execute(statement).fetchall()  # type: ignore[call-overload]


@pytest.fixture
def server(postgres_url: str) -> Iterator[Server]:
    """Made under a name that nobody else has, and dropped afterwards."""
    name, password = f"care_{secrets.token_hex(6)}", f"geheim-{secrets.token_hex(8)}"
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        named = composing.Identifier(name)
        owner.execute(composing.SQL("CREATE SCHEMA {}").format(named))
        owner.execute(composing.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(named, composing.Literal(password)))
        owner.execute(composing.SQL("ALTER ROLE {} SET search_path = {}").format(named, named))
        owner.execute(composing.SQL("SET search_path = {}").format(named))
        try:
            url = make_url(postgres_url).set(username=name, password=password)
            yield Server(owner, name, url.render_as_string(hide_password=False))
        finally:
            owner.execute(composing.SQL("DROP SCHEMA {} CASCADE").format(named))
            owner.execute(composing.SQL("DROP OWNED BY {}").format(named))
            owner.execute(composing.SQL("DROP ROLE {}").format(named))


def grant(server: Server) -> None:
    """As a careless school might: the role may also write, so that the transaction alone stands in its way."""
    server.run(f"GRANT USAGE, CREATE ON SCHEMA {server.schema} TO {server.schema}")
    server.run(f"GRANT ALL ON ALL TABLES IN SCHEMA {server.schema} TO {server.schema}")


@pytest.fixture
def connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a connections.yaml whose database `sis` stands in an environment variable."""

    def written(url: str, more: str = "") -> Path:
        monkeypatch.setenv("SIS_URL", url)
        path = tmp_path / "connections.yaml"
        path.write_text("connections: 1\ndatabases:\n  sis: {url_env: SIS_URL" + more + "}\n")
        return path

    return written


def asked(connections: Path, query: str) -> list[list[str]]:
    source = documents.read_data({"sql": {"connection": "sis", "query": query}}, Source)
    assert source.sql is not None
    with Databases(connections) as databases:
        return [row for _, row in databases.rows(source.sql)]


def fault(connections: Path, query: str) -> UnusableInput:
    with pytest.raises(UnusableInput) as found:
        asked(connections, query)
    error = found.value
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__), "its words hang on it"
    return found.value


def school_database(path: Path) -> str:
    """A SQLite database with three enrolments; its address."""
    with sqlite3.connect(path) as made:
        made.executescript(
            f"""CREATE TABLE inschrijving (nummer TEXT, naam TEXT, volg INTEGER, start TEXT, team TEXT);
            INSERT INTO inschrijving VALUES ('0012', '{MARKER}', 1, '2023-08-21', 'Zorg'),
            ('0013', '{MARKER}', 1, '2023-08-21', NULL), ('0013', '{MARKER}', 2, '2024-08-19', 'Zorg');"""
        )
    made.close()
    return f"sqlite:///{path}"


# ---- cells


TYPES = {
    "'0012'::text": "0012",
    "'  a,b\"c  '::varchar": '  a,b"c  ',
    "'100%'::text": "100%",
    "NULL::text": "",
    "DATE '2023-08-21'": "2023-08-21",
    "TIMESTAMP '2023-08-21 00:00:00'": "2023-08-21",
    "TIMESTAMP '2023-08-21 13:05:00'": "2023-08-21 13:05:00",
    "TIMESTAMPTZ '2023-08-21 13:05:00+00'": "2023-08-21 13:05:00+00:00",
    "1234567890123456789::bigint": "1234567890123456789",
    "0.10::numeric(9,2)": "0.10",
    "1e-7::numeric": "0.0000001",
    "123456789012345678.123456789::numeric": "123456789012345678.123456789",
    "1.0::double precision": "1",
    "0.1::double precision": "0.1",
    "true": "true",
    "false": "false",
    "TIME '08:30'": "08:30:00",
    "'3F2504E0-4F89-11D3-9A0C-0305E82C3301'::uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
}


@pytest.mark.postgres
def test_a_cell_is_what_a_csv_export_would_hold(server: Server, connections: Callable[..., Path]) -> None:
    """Dates ISO, decimals to the last digit, no leading zero lost, NULL empty; names of columns as the query says."""
    grant(server)
    path = connections(server.reader)
    query = "SELECT " + ", ".join(f'{value} AS "Kolom {place}"' for place, value in enumerate(TYPES))
    names, cells = asked(path, query)
    assert names == [f"Kolom {place}" for place in range(len(TYPES))]
    server.run("SET TIME ZONE 'UTC'")
    assert dict(zip(TYPES, cells, strict=True)) == TYPES


@pytest.mark.postgres
@pytest.mark.parametrize("value", ["ARRAY[1, 2]", """'{"a": 1}'::json""", "'\\x00'::bytea", "INTERVAL '1 day'"])
def test_what_is_no_cell_is_refused(server: Server, connections: Callable[..., Path], value: str) -> None:
    """With the column's name and its kind."""
    found = fault(connections(server.reader), f"SELECT {value} AS odd")
    assert found.code == "bad_query" and "column odd" in found.found


# ---- nothing is written


WRITES = (
    "WITH gone AS (DELETE FROM inschrijving RETURNING *) SELECT * FROM gone",
    "SELECT setval('teller', 7)",
    "SELECT schrijft()",
    "SELECT * INTO nieuw FROM inschrijving",
    "SELECT * FROM inschrijving FOR UPDATE",
)


@pytest.mark.postgres
def test_the_database_refuses_whatever_writes(server: Server, connections: Callable[..., Path]) -> None:
    """By a role that may: the transaction refuses. The control: the same statements do write without it."""
    server.run("CREATE TABLE inschrijving (nummer text); INSERT INTO inschrijving VALUES ('1')")
    server.run("CREATE SEQUENCE teller")
    server.run(
        "CREATE FUNCTION schrijft() RETURNS int LANGUAGE sql AS 'INSERT INTO inschrijving VALUES (2) RETURNING 1'"
    )
    grant(server)
    server.run(f"GRANT ALL ON SEQUENCE teller TO {server.schema}")
    path = connections(server.reader)
    for query in WRITES:
        found = fault(path, query)
        assert found.code == "bad_query" and ("writes" in found.found or "no SELECT" in found.found), found
    assert server.rows("SELECT count(*) FROM inschrijving") == [(1,)]
    with psycopg.connect(server.reader) as careless:
        careless.execute("SELECT schrijft()")
    assert server.rows("SELECT count(*) FROM inschrijving") == [(2,)]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM x",
        "SELECT 1; DROP TABLE x",
        "COPY x TO PROGRAM 'true'",
        "CALL p()",
        "selection",
        "EXPLAIN SELECT 1",
    ],
)
def test_a_query_is_one_select(query: str) -> None:
    """Refused in the mapping, before there is a connection."""
    with pytest.raises(DocumentError, match="one statement"):
        documents.read_data({"sql": {"connection": "sis", "query": query}}, Source)


@pytest.mark.postgres
def test_two_statements_get_nowhere_without_that_check(server: Server, connections: Callable[..., Path]) -> None:
    """The control: past that check, the cursor takes one statement and the transaction none that writes."""
    from node.mapping_document import Sql

    server.run("CREATE TABLE inschrijving (nummer text)")
    grant(server)
    twice = Sql.model_construct(connection="sis", query="SELECT 1; COMMIT; DROP TABLE inschrijving")
    with Databases(connections(server.reader)) as databases, pytest.raises(UnusableInput):
        list(databases.rows(twice))
    assert server.rows("SELECT count(*) FROM inschrijving") == [(0,)]


@pytest.mark.postgres
def test_a_role_that_may_do_everything_is_refused(postgres_url: str, connections: Callable[..., Path]) -> None:
    """A superuser reads the server's files in a read-only transaction too."""
    assert "may do everything" in fault(connections(postgres_url), "SELECT 1").found


@pytest.mark.postgres
def test_a_role_reads_what_was_granted(server: Server, connections: Callable[..., Path]) -> None:
    """A table without a grant: in words, without the database's."""
    server.run("CREATE TABLE inschrijving (nummer text)")
    server.run(f"GRANT USAGE ON SCHEMA {server.schema} TO {server.schema}")
    assert "may not read" in fault(connections(server.reader), "SELECT * FROM inschrijving").found


# ---- bounds


@pytest.mark.postgres
def test_time_and_rows_are_bounded(server: Server, connections: Callable[..., Path]) -> None:
    """A query that takes too long is ended by the server, one that gives too much is left."""
    found = fault(connections(server.reader, ", seconds: 1"), "SELECT pg_sleep(30)::text")
    assert "longer than allowed" in found.found
    found = fault(connections(server.reader, ", rows: 10"), "SELECT generate_series(1, 11)")
    assert "more than 10 rows" in found.found
    assert len(asked(connections(server.reader, ", rows: 10"), "SELECT generate_series(1, 10)")) == 11


@pytest.mark.postgres
def test_rows_stream(server: Server, connections: Callable[..., Path]) -> None:
    """The first row of an endless answer arrives: the server keeps the rest."""
    source = documents.read_data(
        {"sql": {"connection": "sis", "query": "SELECT generate_series(1, 10000000000)"}}, Source
    )
    assert source.sql is not None
    began = time.monotonic()
    with Databases(connections(server.reader)) as databases:
        rows = databases.rows(source.sql)
        assert [next(rows), next(rows)] == [(1, ["generate_series"]), (2, ["1"])]
    assert time.monotonic() - began < 60


@pytest.mark.postgres
def test_queries_of_one_intake_see_one_moment(server: Server, connections: Callable[..., Path]) -> None:
    """What is committed between two queries is in neither."""
    server.run("CREATE TABLE inschrijving (nummer text); INSERT INTO inschrijving VALUES ('1')")
    grant(server)
    source = documents.read_data({"sql": {"connection": "sis", "query": "SELECT * FROM inschrijving"}}, Source)
    assert source.sql is not None
    with Databases(connections(server.reader)) as databases:
        first = list(databases.rows(source.sql))
        server.run("INSERT INTO inschrijving VALUES ('2')")
        assert list(databases.rows(source.sql)) == first


@pytest.mark.postgres
def test_queries_of_one_delivery_see_one_moment(
    server: Server, connections: Callable[..., Path], tmp_path: Path
) -> None:
    """Somebody enrols while the second query is begun: that student is in neither table, not in one of the two."""
    server.run("CREATE TABLE inschrijving (nummer text, team text); INSERT INTO inschrijving VALUES ('1', 'Zorg')")
    grant(server)
    query = '{sql: {connection: sis, query: "SELECT nummer, team FROM inschrijving"}}'
    mapping = f"mapping: 1\nlayout: sis\ntitle: {{nl: t, en: t}}\nsources: {{s: {query}, t: {query}}}\n"
    mapping += "identifier: {column: nummer}\ntables:\n"
    mapping += "  person: {source: s, columns: {geslacht: {constant: V}}}\n"
    mapping += "  enrolment: {source: t, columns: {enrolment_id: {constant: '1'}, team: team}}\n"
    (tmp_path / "m.yaml").write_text(mapping)
    (tmp_path / "exports").mkdir()

    def enrolling(_stage: str, _done: int, _total: int, at_work: str = "") -> None:
        if at_work == "t":
            server.run("INSERT INTO inschrijving VALUES ('2', 'Zorg')")

    key, where = PseudonymKey(b"k" * 32), connections(server.reader)
    words = tmp_path / "exports", tmp_path / "m.yaml", tmp_path / "data", key, load_schema()
    for rows in (1, 2):
        done = ingest(*words, connections=where, progress=enrolling if rows == 1 else None)
        assert [table.kept for table in done.quality.tables] == [rows, rows]


# ---- addresses and words


@pytest.mark.postgres
def test_no_word_of_the_database_is_passed_on(server: Server, connections: Callable[..., Path]) -> None:
    """PostgreSQL quotes the cell that it cannot convert; here it does not come out, nor does the address."""
    server.run(f"CREATE TABLE inschrijving (naam text); INSERT INTO inschrijving VALUES ('{MARKER}')")
    grant(server)
    path, secret = connections(server.reader), str(make_url(server.reader).password)
    with psycopg.connect(server.reader) as control, pytest.raises(psycopg.Error, match=MARKER):
        control.execute("SELECT naam::int FROM inschrijving")
    for query in (
        "SELECT naam::int FROM inschrijving",
        "SELECT geen FROM inschrijving",
        "SELECT * FROM geen",
        "SELECT ((1",
    ):
        found = fault(path, query)
        assert MARKER not in str(found) and secret not in str(found) and server.schema not in str(found)
    assert "cannot convert" in fault(path, "SELECT naam::int FROM inschrijving").found
    assert "column that is not there, at character" in fault(path, "SELECT geen FROM inschrijving").found


@pytest.mark.postgres
def test_a_wrong_password_or_server_is_said_without_the_address(
    server: Server, connections: Callable[..., Path]
) -> None:
    """Neither the host, the role nor the password."""
    url = make_url(server.reader)
    for wrong in (url.set(port=1), url.set(username=f"x{server.schema}"), url.set(database="nergens")):
        found = fault(connections(wrong.render_as_string(hide_password=False)), "SELECT 1")
        assert not any(str(part) in str(found) for part in (url.password, url.host, url.username, "nergens"))


FILES = {
    "others can read it": (0o644, "sqlite:///x.db\n", "others can read"),
    "two lines": (0o600, "sqlite:///x.db\nsqlite:///y.db\n", "one line"),
    "no address": (0o600, "geheim\n", "another form"),
    "another kind": (0o600, "mysql://u:geheim@host/db\n", "another kind"),
    "in the clear over the network": (0o600, "postgresql://u:geheim@db.school.nl/sis\n", "not encrypted"),
    "a parameter leads elsewhere": (0o600, "postgresql://u:geheim@localhost/sis?host=db.school.nl\n", "not encrypted"),
    "prefer is no require": (0o600, "postgresql://u:geheim@db.school.nl/sis?sslmode=prefer\n", "not encrypted"),
}


@pytest.mark.parametrize("what", FILES)
def test_an_address_that_is_not_safe_is_refused(tmp_path: Path, what: str) -> None:
    """And never shown."""
    mode, text, said = FILES[what]
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "sis.url").write_text(text)
    (tmp_path / "keys" / "sis.url").chmod(mode)
    (tmp_path / "connections.yaml").write_text("connections: 1\ndatabases:\n  sis: {url_file: sis.url}\n")
    with pytest.raises(UnusableInput, match=said) as found:
        address_of(tmp_path / "connections.yaml", "sis")
    assert "geheim" not in str(found.value) and "school.nl" not in str(found.value)


def test_an_encrypted_way_is_taken(tmp_path: Path) -> None:
    """The control of the one above; and the address shows nothing of itself."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "sis.url").write_text("postgresql://u:geheim@db.school.nl/sis?sslmode=require")
    (tmp_path / "keys" / "sis.url").chmod(0o600)
    (tmp_path / "connections.yaml").write_text("connections: 1\ndatabases:\n  sis: {url_file: sis.url}\n")
    address = address_of(tmp_path / "connections.yaml", "sis")
    assert address.url.password == "geheim" and "geheim" not in repr(address) and "school.nl" not in repr(address)


@pytest.mark.parametrize(
    "database",
    ["{url: 'postgresql://u:p@h/d'}", "{url_env: 'postgresql://u:p@h/d'}", "{url_env: A_B, url_file: a}", "{}"],
)
def test_no_address_stands_in_the_document(tmp_path: Path, database: str) -> None:
    """A name of where it stands, and one of them."""
    (tmp_path / "connections.yaml").write_text(f"connections: 1\ndatabases:\n  sis: {database}\n")
    with pytest.raises(UnusableInput) as found:
        address_of(tmp_path / "connections.yaml", "sis")
    assert found.value.code == "bad_connection"


# ---- SQLite, and the whole way


def test_sqlite_is_read_and_not_written(tmp_path: Path, connections: Callable[..., Path]) -> None:
    """The same rules: rows as text, NULL empty, a write refused, a file that is not there not made."""
    path = connections(school_database(tmp_path / "school.db"))
    rows = asked(path, "SELECT nummer, volg, team FROM inschrijving ORDER BY nummer, volg")
    assert rows == [["nummer", "volg", "team"], ["0012", "1", "Zorg"], ["0013", "1", ""], ["0013", "2", "Zorg"]]
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    assert "longer than allowed" in fault(connections(f"sqlite:///{tmp_path}/school.db", ", seconds: 1"), endless).found
    assert "failed" in fault(path, "SELECT * FROM geen").found
    fault(connections(f"sqlite:///{tmp_path}/nergens.db"), "SELECT 1")
    assert not (tmp_path / "nergens.db").exists()


@pytest.mark.postgres
def test_a_query_is_taken_in_like_an_export(server: Server, connections: Callable[..., Path], tmp_path: Path) -> None:
    """From the database to stored tables: numbers pseudonyms, names dropped, the report says where it came from."""
    server.run("CREATE TABLE inschrijving (nummer text, naam text, volg int, start date, team text)")
    server.run(
        f"INSERT INTO inschrijving VALUES ('0012', '{MARKER}', 1, '2023-08-21', 'Zorg'), ('0013', '', 2, NULL, '')"
    )
    grant(server)
    (tmp_path / "m.yaml").write_text(MAPPING)
    (tmp_path / "exports").mkdir()
    key, data = PseudonymKey(b"k" * 32), tmp_path / "data"
    done = ingest(
        tmp_path / "exports", tmp_path / "m.yaml", data, key, load_schema(), connections=connections(server.reader)
    )
    table = Store.open(data).tables()["enrolment"]
    assert table["student"].tolist() == [key.pseudonym("0012"), key.pseudonym("0013")]
    assert table["start_date"].isna().tolist() == [False, True]
    (detected,) = done.quality.sources
    assert (detected.file, detected.separator, detected.dates["start"]) == ("sql:sis", "SQL", "yyyy-mm-dd")
    assert dict(done.quality.protections[0].dropped) == {"naam": "name"}
    assert not any(MARKER.encode() in path.read_bytes() for path in data.rglob("*") if path.is_file())


def test_a_node_takes_in_queries_by_its_own_connections(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By command: NODE/connections.yaml and NODE/keys; without them a remedy."""
    school = marked_school.found(tmp_path / "node", capfd)
    mapping = tmp_path / "sis.yaml"
    mapping.write_text(MAPPING)
    words = ("ingest", school.folder.root, "--mapping", mapping, "--replaces", "proef")
    assert refused(capfd, "coalition-node", *words)[0] == "bad_connection"
    (school.folder.root / "keys" / "sis.url").write_text(school_database(tmp_path / "school.db"))
    (school.folder.root / "keys" / "sis.url").chmod(0o600)
    school.folder.connections.write_text("connections: 1\ndatabases:\n  sis: {url_file: sis.url}\n")
    code, _, shown = type_in(capfd, "coalition-node", *words)
    assert code == 0, shown
    assert sorted(school.tables()["enrolment"]["team"], key=str) == [None, "Zorg", "Zorg"] or len(school.tables()) == 1
    assert "school.db" not in shown


@pytest.mark.parametrize("key", ["separator: ';'", "sheet: a", "columns: [a]", "file: a.csv", "header: false"])
def test_a_query_takes_no_settings_of_files(key: str) -> None:
    """Refused, not ignored."""
    with pytest.raises(DocumentError):
        read_mapping(MAPPING.replace("  s:\n", f"  s:\n    {key}\n"))
