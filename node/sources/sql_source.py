"""Arrives: a query of a mapping and where its database is. Leaves: rows of text, as a CSV export would have them.

The database itself is told to refuse every change: a read-only transaction, for all queries of one intake the same, so
that they see one moment. Rows are streamed by a cursor on the server, within the time and number that the school set.
What goes wrong is said in words of our own: a database's messages quote cells, and addresses hold passwords.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from node.errors import UnusableInput
from node.sources.connections import Address, address_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.mapping_document import Sql

CHUNK = 5_000
CONNECT_SECONDS = 10
STATES = {  # SQLSTATE, or its class, in words: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "25006": ("a query that writes", "Only read: the transaction is read-only."),
    "0A000": ("a query that writes, or does what a reading cursor cannot", "Write it as one SELECT that reads."),
    "42501": ("something that the role may not read", "Grant the role SELECT on what the query names."),
    "42P01": ("a table that is not there", "Correct the query."),
    "42703": ("a column that is not there", "Correct the query."),
    "42601": ("a query that is no SELECT, or not well formed", "Correct the query; it is one SELECT."),
    "57014": ("a query that took longer than allowed", "Make it lighter, or raise `seconds` in connections.yaml."),
    "22": ("a cell that the query cannot convert", "Leave conversions out of the query: cells arrive as text."),
    "08": ("no connection", "Check the address, its role and password, the network, and whether the database runs."),
    "28": ("a role or password that is not accepted", "Check the address where connections.yaml says it stands."),
    "42": ("a query that the database does not understand", "Correct the query."),
}


class Databases:
    """The databases of one intake, each opened once; everything is let go at the end of `with`."""

    def __init__(self, connections: Path | None) -> None:
        self._connections, self._stack = connections, ExitStack()
        self._open: dict[str, tuple[Address, Connection]] = {}

    def __enter__(self) -> Databases:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def rows(self, sql: Sql) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number, cells as text), the names of the columns first; numbers from 1.

        Raises UnusableInput: no such database, a query that writes, fails, takes too long or gives too many rows, a
        column that is no text, number, date or truth value.
        """
        if sql.connection not in self._open:
            address = address_of(self._connections, sql.connection)
            self._open[sql.connection] = address, self._stack.enter_context(_connected(address))
        address, connection = self._open[sql.connection]
        yield from _streamed(address, connection, sql.query)


@contextmanager
def _connected(address: Address) -> Iterator[Connection]:
    with _in_words(address):
        engine, connection = _postgres(address) if address.url.drivername != "sqlite" else _sqlite(address)
    try:
        yield connection
    finally:
        connection.close()
        engine.dispose()


def _postgres(address: Address) -> tuple[Any, Connection]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        address.url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "coalition-node"},
    )
    connection = engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{address.seconds}s'")
    if connection.exec_driver_sql("SELECT current_setting('is_superuser')").scalar() != "off":
        connection.close()
        raise _bad(address, "a role that may do everything", "Make a role that has SELECT on these tables, no more.")
    return engine, connection


def _sqlite(address: Address) -> tuple[Any, Connection]:
    import sqlite3
    from urllib.parse import quote

    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def opened() -> sqlite3.Connection:
        made = sqlite3.connect(f"file:{quote(str(address.url.database))}?mode=ro", uri=True)
        made.execute("PRAGMA query_only = ON")
        deadline = time.monotonic() + address.seconds
        made.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
        return made

    engine = create_engine("sqlite://", creator=opened, poolclass=NullPool, hide_parameters=True)
    return engine, engine.connect()


def _streamed(address: Address, connection: Connection, query: str) -> Iterator[tuple[int, list[str]]]:
    deadline = time.monotonic() + address.seconds
    with _in_words(address):
        streaming = {"stream_results": True, "max_row_buffer": CHUNK, "no_parameters": True}  # % is a letter
        result = connection.exec_driver_sql(query, execution_options=streaming)
        names = list(result.keys())
    yield 1, names
    number = 1
    while chunk := _chunk(address, result):
        if time.monotonic() > deadline:
            raise _bad(address, *STATES["57014"])
        for row in chunk:
            number += 1
            if number > address.rows + 1:
                raise _bad(address, f"more than {address.rows} rows", "Raise `rows` in connections.yaml, or ask less.")
            yield number, [_text(address, name, value) for name, value in zip(names, row, strict=True)]


def _chunk(address: Address, result: Any) -> Sequence[Any]:
    with _in_words(address):
        return list(result.fetchmany(CHUNK))


def _text(address: Address, column: str, value: Any) -> str:
    """A cell as a CSV export writes it."""
    write = WRITTEN.get(type(value))
    if write is None:
        found = f"column {column[:63]} holds {type(value).__name__}"
        raise _bad(address, found, "Let the query make text of it, or leave it out.")
    return write(value)


def _of_float(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _of_moment(value: dt.datetime) -> str:
    whole_day = value.time() == dt.time() and value.tzinfo is None
    return value.strftime("%Y-%m-%d") if whole_day else value.isoformat(sep=" ")


WRITTEN: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _of_float,
    Decimal: lambda value: format(value, "f"),
    dt.datetime: _of_moment,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    uuid.UUID: str,
}


@contextmanager
def _in_words(address: Address) -> Iterator[None]:
    """Whatever a driver raises becomes one error; theirs may quote a cell or the address, so it ends here."""
    try:
        yield
    except UnusableInput:
        raise
    except Exception as error:
        _raise(address, error)


def _raise(address: Address, error: Exception) -> NoReturn:
    original = getattr(error, "orig", None) or error
    state = str(getattr(original, "sqlstate", None) or _state_of_sqlite(original))
    found, remedy = STATES.get(state) or STATES.get(state[:2]) or ("a query that failed", "Try it in another program.")
    position = getattr(getattr(original, "diag", None), "statement_position", None)
    place = f", at character {position}" if position else ""
    raise _bad(address, f"{found}{place} ({state or type(original).__name__})", remedy) from None


def _state_of_sqlite(error: Exception) -> str:
    """What PostgreSQL would call it; "" for what SQLite does not tell apart."""
    code = getattr(error, "sqlite_errorname", "")
    if type(error).__name__ == "OperationalError" and not code:
        return "08000"  # of psycopg: no server, no such role, a wrong password
    return {"SQLITE_READONLY": "25006", "SQLITE_INTERRUPT": "57014", "SQLITE_CANTOPEN": "08001"}.get(code, "")


def _bad(address: Address, found: str, remedy: str) -> UnusableInput:
    rule = f"A query on database {address.name} only reads, within {address.seconds} seconds and {address.rows} rows."
    return UnusableInput("bad_query", rule, found, remedy)
