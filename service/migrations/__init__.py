"""How the service's tables came to be: Alembic revisions, run from here and never by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from circuits.errors import InputError
from service.database import Database

UPGRADE_LOCK = 0x766572736572766
"""Names PostgreSQL's lock on the making of tables."""


def upgrade(url: str) -> None:
    """Bring a database, new or old, to the tables of this program. Several processes may ask at a time.

    Raises
    ------
    InputError
        If it cannot be opened, a newer program made it, or it is another program's.
    """
    with _changing(url) as (connection, config, shown):
        found = revision_of(connection)
        if found is None and inspect(connection).get_table_names():
            raise InputError(f"{shown} is another program's database: give the service one of its own")
        if found is not None:
            _check_known(ScriptDirectory.from_config(config), found, shown)
        command.upgrade(config, "head")


def fill(url: str, revision: str, rows: Callable[[Connection], None]) -> None:
    """Make the tables of a revision in an empty database, fill them, and bring them to this program's; all of
    it or nothing.

    Parameters
    ----------
    revision
        What `revision_of` said of the database that the rows are from.
    rows
        What adds the rows.

    Raises
    ------
    InputError
        If the database cannot be opened or is not empty, or a newer program made the rows.
    """
    with _changing(url) as (connection, config, shown):
        if inspect(connection).get_table_names():
            raise InputError(f"the database {shown} is not empty: name one that is")
        _check_known(ScriptDirectory.from_config(config), revision, "the backup")
        command.upgrade(config, revision)
        rows(connection)
        command.upgrade(config, "head")


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's tables; None if the service did not make them."""
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _changing(url: str) -> Iterator[tuple[Connection, Config, str]]:
    """A transaction that changes tables, what runs revisions in it, and the database's name.

    One transaction for all: a crash leaves the old tables, and a second process waits for the first.
    """
    database = Database(url)
    shown = database.engine.url.render_as_string(hide_password=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    try:
        with _connected(database) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
            config.attributes["connection"] = connection
            yield connection, config, shown
            if (
                connection.dialect.name == "sqlite"
                and connection.execute(text("PRAGMA foreign_key_check")).all()
            ):
                raise RuntimeError("the new tables have rows that refer to none")
    except DBAPIError as error:
        cause = " ".join(str(error.orig).split())
        raise InputError(f"cannot open the database {shown}: {cause}") from None
    finally:
        database.close()


def _connected(database: Database) -> Connection:
    """A connection of its own for changing tables.

    SQLite changes a table by making it anew and dropping the old one, which must not count as deleting the
    rows that others refer to. It can be told so outside of a transaction only.
    """
    connection = database.engine.connect().execution_options(immediate=True)
    if connection.dialect.name == "sqlite":
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.close()
    return connection


def _check_known(scripts: ScriptDirectory, revision: str, shown: str) -> None:
    try:
        known = scripts.get_revision(revision)
    except Exception as error:
        if not isinstance(error.__cause__ or error, ResolutionError):
            raise
        known = None
    if known is None:
        raise InputError(
            f"{shown} was made by a newer program: its tables have the version {revision}, which this one "
            "does not know. Use the program that made it, or a newer one"
        )
