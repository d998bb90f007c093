"""The service's database: its tables, and how they are reached. SQLite by default, PostgreSQL by URL.

The tables are made by `service.migrations` only. Rows are named by `service.identifiers`, and times are UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeDecorator

from challenger.connection import make_engine, parse_url
from circuits.errors import InputError
from service.identifiers import new_id

BUSY_SECONDS = 30


class UtcTime(TypeDecorator[datetime]):
    """A time. SQLite keeps no time zone, so there it is written without one, as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        known: datetime = value
        return known.replace(tzinfo=UTC) if known.tzinfo is None else known.astimezone(UTC)


class Status(StrEnum):
    """How far a job's execution or proof has come. NONE: the job is not about one."""

    NONE = "none"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What a job does."""

    COMPILE = "compile"
    SETUP = "setup"
    PROVE = "prove"
    VERIFY = "verify"


def _text(kind: type[StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, values_callable=lambda k: [str(x.value) for x in k], length=16)


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        bytes: LargeBinary,
        datetime: UtcTime,
        dict[str, Any]: JSON,
        float: Float,
        int: BigInteger,
        list[str]: JSON,
        str: Text,
        Kind: _text(Kind),
        Status: _text(Status),
    }


class Tenant(Base):
    """Who uses the service. `limits` are those of its own (`service.limits`); `served_at` is when a worker
    last began a job of the tenant's.
    """

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict)
    served_at: Mapped[datetime | None]


class ApiKey(Base):
    """A tenant's key, by the digest of its secret."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class PageSession(Base):
    """A browser that is signed in with an API key, by the digest of its cookie."""

    __tablename__ = "page_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Artifact(Base):
    """Bytes, named by their SHA-256 in hexadecimal; `service.artifacts` has them."""

    __tablename__ = "artifacts"

    digest: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    media_type: Mapped[str]
    created_at: Mapped[datetime]


class ArtifactOwner(Base):
    """A tenant that may read an artifact, and for which it is kept; `put_at` is when it last put it."""

    __tablename__ = "artifact_owners"

    digest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True, index=True)
    put_at: Mapped[datetime]


class Model(Base):
    """A tenant's model; everybody may use one that is public."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    public: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Version(Base):
    """A circuit of a model; versions count from 1. `made_by` is the job that added it; `summary`, `layers`
    and `drawing` are what `service.sandbox.describing` says of it.
    """

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]
    circuit_id: Mapped[str] = mapped_column(index=True)
    circuit: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    source: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    calibration: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    layers: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    drawing: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    made_by: Mapped[str | None] = mapped_column(unique=True)
    card: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class VersionKey(Base):
    """A backend's keys for a version, and how they were made (`service.key_choices`)."""

    __tablename__ = "version_keys"

    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    backend: Mapped[str] = mapped_column(primary_key=True)
    verifying_key: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    proving_key: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    choices: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Job(Base):
    """Something to be done, once. It waits while it has neither `lease_owner` nor `finished_at`; `memory` is
    how many bytes it takes, once a worker has found that to be more than it has.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index(
            "ix_jobs_waiting",
            "tenant_id",
            "not_before",
            "id",
            sqlite_where=text("finished_at IS NULL AND lease_owner IS NULL"),
            postgresql_where=text("finished_at IS NULL AND lease_owner IS NULL"),
        ),
        Index(
            "ix_jobs_leased",
            "tenant_id",
            "lease_until",
            sqlite_where=text("lease_owner IS NOT NULL"),
            postgresql_where=text("lease_owner IS NOT NULL"),
        ),
        Index("ix_jobs_listed", "tenant_id", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    version_id: Mapped[str | None] = mapped_column(ForeignKey("versions.id"), index=True)
    kind: Mapped[Kind]
    tier: Mapped[str]
    request: Mapped[dict[str, Any]]
    idempotency_key: Mapped[str | None]
    request_digest: Mapped[str]
    execution: Mapped[Status]
    proof: Mapped[Status]
    stage: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    memory: Mapped[int | None]
    not_before: Mapped[datetime]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    trace: Mapped[str | None]


class JobStage(Base):
    """A stage of a job that is done, and is not done again."""

    __tablename__ = "job_stages"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    result: Mapped[dict[str, Any]]
    finished_at: Mapped[datetime]


class JobEvent(Base):
    """Something that happened to a job; each job's events count from 1. Rows are only ever added."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str]
    data: Mapped[dict[str, Any]]


class SharedProof(Base):
    """A job's proof that its tenant has made public. `summary` is what it says."""

    __tablename__ = "shared_proofs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    proof: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    verifying_key: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    summary: Mapped[dict[str, Any]]
    shared_at: Mapped[datetime]


class Webhook(Base):
    """Where a tenant is told of events. An old secret signs, too, until its time has come; `failing_since` is
    when the first message of those that failed in a row was sent.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    url: Mapped[str]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    old_secret_until: Mapped[datetime | None]
    events: Mapped[list[str]]
    created_at: Mapped[datetime]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_why: Mapped[str | None]


class Delivery(Base):
    """One message to a webhook; `next_attempt` is empty when it needs no more."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_listed", "webhook_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    event: Mapped[str]
    body: Mapped[bytes]
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt: Mapped[datetime | None] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]


class LedgerEntry(Base):
    """What a tenant has used."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_account", "tenant_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    what: Mapped[str]
    quantity: Mapped[float]
    unit: Mapped[str]
    at: Mapped[datetime]


class Database:
    """An open database. Its tables must be there: `service.migrations.upgrade` makes them.

    Parameters
    ----------
    url
        A file's path, or a URL: `sqlite:///path` or `postgresql://user@host/name`.

    Raises
    ------
    InputError
        If the URL means no database of these kinds, or the driver is missing.
    """

    def __init__(self, url: str) -> None:
        parsed = _shared_url(url)
        try:
            self.engine = make_engine(parsed, BUSY_SECONDS, wal=True)
            if parsed.get_backend_name() == "postgresql":
                # Loaded here: its driver is not always installed.
                from service.watched_connection import watch

                watch(self.engine)
        except ModuleNotFoundError:
            raise InputError(
                f"cannot open {parsed.render_as_string(hide_password=True)}: its driver is missing. "
                "For PostgreSQL: pip install 'verinfer[postgres]'"
            ) from None
        except SQLAlchemyError as error:
            raise InputError(f"cannot open the database: {error}") from None
        self._reading = sessionmaker(self.engine, expire_on_commit=False)
        immediate = self.engine.execution_options(immediate=True)
        self._writing = sessionmaker(immediate, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with self._reading.begin() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that may write: committed at the end of the block, undone if it raises.

        On SQLite it is the only one from its beginning on; on PostgreSQL, who reads rows to change them must
        lock them.
        """
        with self._writing.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def is_away(error: SQLAlchemyError) -> bool:
    """Whether an error is that the database cannot be had now: it is down, full, or busy for too long. Others
    are mistakes in what it was asked."""
    if isinstance(error, TimeoutError):  # the pool has no connection
        return True
    if not isinstance(error, DBAPIError):
        return False
    # SQLite's driver has one class for both; its code tells them apart.
    mistake = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return error.connection_invalidated or (isinstance(error, OperationalError) and not mistake)


def now(session: Session) -> datetime:
    """The time by the clock that all who share the database have: PostgreSQL's, or this machine's."""
    if session.get_bind().dialect.name == "postgresql":
        at: datetime = session.scalars(select(func.clock_timestamp(type_=UtcTime))).one()
        return at
    return datetime.now(UTC)


def _shared_url(url: str) -> URL:
    """The URL of a database that processes can share. Raises InputError."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError("the service's database is shared between processes: give the path of a file")
    return parsed
