"""How databases are reached: SQLite by path, PostgreSQL by URL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from circuits.errors import InputError


def parse_url(url: str) -> URL:
    """A path or URL of a database as SQLAlchemy has it.

    Raises
    ------
    InputError
        If it is neither, or of another kind than SQLite and PostgreSQL.
    """
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except (ArgumentError, ValueError):
        raise InputError(
            "the database is neither a path nor a URL: sqlite:///PATH or postgresql://..."
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(f"databases of {parsed.get_backend_name()} are not supported: SQLite or PostgreSQL")
    return parsed


def make_engine(url: URL, busy_seconds: int, *, wal: bool = False) -> Engine:
    """What connects to a database. Transactions with the execution option `immediate` take SQLite's write
    lock as they begin. Errors do not say which values were to be written: they go into logs.

    Parameters
    ----------
    busy_seconds
        How long to wait for a connection, or for SQLite's lock.
    wal
        Whether SQLite keeps a write-ahead log: readers and the one writer do not wait for each other then.
    """
    if url.get_backend_name() != "sqlite":
        waiting = {"connect_timeout": busy_seconds}
        return create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=waiting)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": busy_seconds})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        # Transactions begin where SQLAlchemy says: left to itself, the driver makes tables outside of any.
        connection.isolation_level = None
        cursor = connection.cursor()
        if wal:
            cursor.execute("PRAGMA journal_mode=WAL")  # stays in the file
        # What was committed is on the disk, even if the power goes.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
