"""Databases with the service's tables: the revisions make one of each kind, and tests have copies of it."""

from __future__ import annotations

import itertools
import tempfile
from functools import cache
from pathlib import Path

import psycopg

from service.migrations import upgrade

_names = itertools.count()


@cache
def _sqlite_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "service.db"
        upgrade(str(path))
        return path.read_bytes()


def make_sqlite(path: Path) -> None:
    """Make a file with the tables."""
    path.write_bytes(_sqlite_file())


@cache
def _postgres_template(server: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE service_tables")
    upgrade(server.replace("/postgres?", "/service_tables?"))
    return "service_tables"


def make_postgres(server: str) -> str:
    """Make a database with the tables on a server, which is given by its URL. Returns the database's."""
    template, name = _postgres_template(server), f"service{next(_names)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")
