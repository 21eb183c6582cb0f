"""Arrives: a node's connections.yaml, which holds no password. Leaves: the address of a database, for one reader.

    connections: 1
    databases:
      sis: {url_env: SIS_URL}                       the environment variable that holds the address
      archive: {url_file: archive.url, seconds: 60} a file in NODE/keys, readable by its owner only

An address is as SQLAlchemy writes it: postgresql://reader:password@host/name?sslmode=require. It is never shown: not in
an error, a log or a report, nor is any part of it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from node.errors import UnusableInput
from node.mapping_document import DATABASE_NAME
from shared_schema import SchemaError, documents

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

HERE = ("", "localhost", "127.0.0.1", "::1")
ENCRYPTED = ("require", "verify-ca", "verify-full")
DRIVERS = {"postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg", "sqlite": "sqlite"}
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_FILE = re.compile(r"[\w][\w.-]{0,63}")


class Where(documents.StrictModel):
    """Where the address of one database stands, and how much a query may take. seconds and rows: of one query."""

    url_env: str | None = None
    url_file: str | None = None
    seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    rows: Annotated[int, Field(ge=1, le=500_000_000)] = 20_000_000

    @field_validator("url_env", "url_file")
    @classmethod
    def _a_name(cls, value: str | None, info: object) -> str | None:
        pattern = _VARIABLE if getattr(info, "field_name", "") == "url_env" else _FILE
        if value is not None and not pattern.fullmatch(value):
            raise ValueError("url_env names a variable (SIS_URL), url_file a file in NODE/keys (sis.url); no address")
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> Where:
        if (self.url_env is None) == (self.url_file is None):
            raise ValueError("a database has one of url_env and url_file")
        return self


class Document(documents.StrictModel):
    """The whole file."""

    connections: Literal[1]
    databases: dict[Annotated[str, Field(pattern=DATABASE_NAME)], Where] = Field(min_length=1)


@dataclass(frozen=True)
class Address:
    """Where one database is, and what a query may take there; its text form shows nothing."""

    name: str
    url: URL = field(repr=False)
    seconds: int
    rows: int


def address_of(connections: Path | None, name: str) -> Address:
    """Return the address of the database that a mapping calls `name`.

    connections: the node's connections.yaml; its keys stand in the folder `keys` beside it. Raises UnusableInput: no
    such file or name, no address where it should stand, one that others can read, another kind of database than
    PostgreSQL or SQLite, a way over the network that is not encrypted.
    """
    if connections is None or not connections.is_file():
        raise _bad(name, "no connections.yaml", "Write NODE/connections.yaml (docs/mapping.md).")
    try:
        document = documents.read(connections, Document)
    except SchemaError as error:
        raise _bad(name, str(error), "Correct the lines named.") from None
    if name not in document.databases:
        raise _bad(name, f"databases: {', '.join(document.databases)}", "Add it, or correct the mapping.")
    where = document.databases[name]
    text = _of_variable(name, where) if where.url_env else _of_file(name, connections.parent / "keys", where)
    return Address(name, _url(name, text), where.seconds, where.rows)


def _of_variable(name: str, where: Where) -> str:
    text = os.environ.get(str(where.url_env), "").strip()
    if not text:
        raise _bad(name, f"the environment variable {where.url_env} is not set", "Set it for this program.")
    return text


def _of_file(name: str, keys: Path, where: Where) -> str:
    path = keys / str(where.url_file)
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(name, f"{path.name}: {type(error).__name__}", "Write the address into NODE/keys.") from None
    if mode & 0o077:
        raise _bad(name, f"{path.name}, which others can read", "Run `chmod 600` on it.")
    if not text or "\n" in text:
        raise _bad(name, f"{path.name}, which does not hold one line", "Write the address as one line.")
    return text


def _url(name: str, text: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    remedy = "Write it as postgresql://reader:password@host/name?sslmode=require, or export to a file."
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _bad(name, "an address of another form", remedy) from None
    if url.drivername not in DRIVERS:
        raise _bad(name, "a database of another kind than PostgreSQL or SQLite", remedy)
    if url.drivername != "sqlite" and _over_the_network(url) and url.query.get("sslmode") not in ENCRYPTED:
        raise _bad(name, "a way over the network that is not encrypted", "Add ?sslmode=require to the address.")
    return url.set(drivername=DRIVERS[url.drivername])


def _over_the_network(url: URL) -> bool:
    """Whether any host, in its place or among the parameters, is another machine; a path is a local socket."""
    named = url.query.get("host", ()) or ()
    hosts = [url.host or "", *((named,) if isinstance(named, str) else named), str(url.query.get("hostaddr", ""))]
    return any(host not in HERE and not host.startswith("/") for text in hosts for host in text.split(","))


def _bad(name: str, found: str, remedy: str) -> UnusableInput:
    rule = f"The mapping reads database {name}, whose address stands outside it."
    return UnusableInput("bad_connection", rule, found, remedy)
