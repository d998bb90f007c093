"""What a server, its workers and its administration are made of, opened by the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

from sqlalchemy import select

from challenger.connection import parse_url
from circuits.errors import InputError
from service.artifacts import Artifacts
from service.database import Database, Tenant, now
from service.jobs import Jobs, open_jobs_quota
from service.leases import Leases
from service.migrations import upgrade
from service.models import Models
from service.receipts import ReceiptSigner
from service.registry import Registry
from service.settings import Settings

LOCAL_TENANT = "local"
"""The name of the tenant that asks where there are no API keys."""


@dataclass(frozen=True)
class Parts:
    """The parts of one service. Close them when done, or use them in a `with` block."""

    settings: Settings
    database: Database
    artifacts: Artifacts
    registry: Registry
    models: Models
    jobs: Jobs
    leases: Leases

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open all parts. What is not there yet, folder and tables, is made.

        Raises
        ------
        InputError
            If one of them can be neither used nor made.
        """
        database = open_database(settings, make=True)
        artifacts = Artifacts(database, settings.artifacts_url, settings.max_artifact_bytes, settings.limits)
        return cls(
            settings,
            database,
            artifacts,
            Registry(database, settings.limits),
            Models(database, artifacts, defaults=settings.limits),
            Jobs(database, open_jobs_quota(settings.limits)),
            Leases(
                database,
                timedelta(seconds=settings.lease_seconds),
                defaults=settings.limits,
                memory=settings.job_memory,
            ),
        )

    @cached_property
    def signer(self) -> ReceiptSigner:
        """Who signs receipts. Its key is made if there is none; workers have no need of one.

        Raises
        ------
        InputError
            If the key can be neither used nor made.
        """
        if self.settings.receipt_key is None:
            _make_folder(self.settings.data)
        return _signer(self.settings.receipt_key_path)

    def tenant(self, name: str) -> str:
        """The id of a tenant, which is made if there is none of that name."""
        with self.database.write() as session:
            found = session.scalar(select(Tenant).where(Tenant.name == name))
            if found is None:
                found = Tenant(name=name, created_at=now(session))
                session.add(found)
                session.flush()
            return found.id

    def close(self) -> None:
        """Close what is open."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_database(settings: Settings, make: bool) -> Database:
    """A service's database, with the tables of this program.

    Parameters
    ----------
    make
        Whether it may be made, with the folder for the service's data, if it is not there.

    Raises
    ------
    InputError
        If it can be neither opened nor made.
    """
    if make:
        if settings.database is None or settings.artifacts is None:
            _make_folder(settings.data)
    else:
        check_there(settings)
    upgrade(settings.database_url)
    return Database(settings.database_url)


def check_there(settings: Settings) -> None:
    """Raise InputError if the database is a file that does not exist: opening it would make it."""
    url = parse_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise InputError(f"there is no service here: the database {url.database} does not exist")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror or error}") from None


def _signer(path: Path) -> ReceiptSigner:
    if not path.exists():
        try:
            return ReceiptSigner.create(path)
        except InputError:
            if not path.exists():  # else another process has just made it
                raise
    return ReceiptSigner.load(path)
