"""One watcher for each database: two would give the same nonces to different moves."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from circuits.errors import InputError

ADVISORY_KEY = 0x766572696E666572
"""Names the lock in a PostgreSQL database: "verinfer"."""


class InUse(InputError):
    """Another process has the database."""


class Lock(Protocol):
    """A lock that its process holds until it ends, however it ends."""

    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises
        ------
        InputError
            If it is lost.
        """

    def release(self) -> None:
        """Let another process have it."""


class FileLock:
    """Locks a file beside an SQLite database. The system releases it when the process ends.

    Raises
    ------
    InUse
        If another process holds it.
    InputError
        If the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InputError(f"cannot open the lock file {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise InUse(
                f"another watcher uses this database: it holds {path}. Stop it, or give this one "
                "its own database"
            ) from None

    def check(self) -> None:
        """Nothing takes a file's lock away."""

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._handle)


class AdvisoryLock:
    """Locks a PostgreSQL database by a connection of its own, which is open for as long as the lock is held.

    Raises
    ------
    InUse
        If another process holds it.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        held = self._connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY})
        if not held:
            self._connection.close()
            raise InUse(
                "another watcher uses this database: it holds its lock. Stop it, or give this one "
                "its own database"
            )

    def check(self) -> None:
        """Make sure that the connection has not gone, and the lock with it."""
        try:
            held = self._connection.scalar(
                text(
                    "SELECT count(*) FROM pg_locks "
                    "WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
                )
            )
        except DBAPIError as error:
            raise InputError(
                f"the lock on the database is lost: {error.orig}. Start the watcher again"
            ) from None
        if not held:
            raise InputError("the lock on the database is lost. Start the watcher again")

    def release(self) -> None:
        """Let another process have it."""
        # Closed for good rather than kept for reuse: the lock belongs to the connection.
        self._connection.invalidate()
        self._connection.close()


class NoLock:
    """Of a database in this process's memory, which no other can open."""

    def check(self) -> None:
        """Nothing to lose."""

    def release(self) -> None:
        """Nothing to release."""
