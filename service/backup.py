"""Backups: a folder with all that a service knows, made while it runs.

    manifest.json            what there is, with digests; written last: without it there is no backup
    tables/NAME.jsonl        a table's rows, one JSON object a line
    artifacts/ab/abcdef...   the artifacts that rows name, by their SHA-256
    receipt-key.pem          the key that signs receipts, if it was asked for

The rows are those of one moment: of one transaction, which others' writing does not touch (on PostgreSQL with
the isolation level REPEATABLE READ; on SQLite every transaction is so). The artifacts are copied once before
that moment and once after it, so that one which is deleted meanwhile has been copied already. A backup knows
nothing of the kind of database that it is from: it can be restored into the other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Select,
    Table,
    exists,
    or_,
    select,
)

from circuits.atomic_write import write_atomically
from circuits.errors import InputError
from service.artifacts import Artifacts
from service.database import Database
from service.errors import DamagedArtifact
from service.migrations import fill, revision_of
from service.parts import check_there
from service.settings import Settings

MANIFEST, KEY = "manifest.json", "receipt-key.pem"
VERSIONS = "alembic_version"
ROWS = 1000
MAX_MANIFEST_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TABLE = re.compile(r"[a-z_]{1,60}", re.ASCII)


class TableEntry(BaseModel):
    """A table in a backup."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    rows: int
    sha256: str


class Manifest(BaseModel):
    """What a backup consists of."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    program: str
    made_at: str
    revision: str
    tables: list[TableEntry]
    artifacts: int
    artifact_bytes: int
    receipt_key: str | None
    """The SHA-256 of its file."""


def backup(settings: Settings, folder: Path, receipt_key: bool = False) -> Manifest:
    """Make a backup of a service, which may run meanwhile.

    Parameters
    ----------
    folder
        Where it goes: a folder that is empty, or not there yet. Nobody else may read it: there are secrets of
        webhooks in it.
    receipt_key
        Whether the key that signs receipts goes into it.

    Raises
    ------
    InputError
        If the folder cannot be written or is not empty, or there is no service.
    DamagedArtifact
        If an artifact's bytes are not those that were put there.
    """
    check_there(settings)
    database = Database(settings.database_url)
    try:
        artifacts = Artifacts(database, settings.artifacts_url, settings.max_artifact_bytes)
        _make_empty(folder)
        for name in ("tables", "artifacts"):
            (folder / name).mkdir(mode=0o700)
        with _snapshot(database) as connection:
            if revision_of(connection) is None:
                raise InputError("there is no service here: the database has no tables of one")
            early = _named_artifacts(connection)
        copied: set[str] = set()
        _copy(artifacts, early, folder, copied, may_be_gone=True)
        with _snapshot(database) as connection:
            revision = revision_of(connection)
            assert revision is not None
            tables = _tables(connection)
            entries = [_export(connection, table, tables, folder) for table in tables]
            named = _named_artifacts(connection)
        _copy(artifacts, named, folder, copied, may_be_gone=False)
        for digest in copied - dict(named).keys():
            _place(folder, digest).unlink()
        key = _copy_key(settings, folder) if receipt_key else None
    finally:
        database.close()
    manifest = Manifest(
        program=f"verinfer {version('verinfer')}",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=revision,
        tables=entries,
        artifacts=len(named),
        artifact_bytes=sum(size for _, size in named),
        receipt_key=key,
    )
    write_atomically(folder / MANIFEST, [manifest.model_dump_json(indent=1).encode()])
    return manifest


def restore(settings: Settings, folder: Path) -> Manifest:
    """Restore a backup to where the settings say, where there is no service yet.

    The database comes last, whole or not at all: an attempt that ends early leaves no service behind.

    Raises
    ------
    InputError
        If there is no whole backup, or it was altered, or something is there already.
    DamagedArtifact
        If an artifact in the backup is damaged.
    """
    manifest = _read_manifest(folder)
    _check_tables(folder, manifest)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url)
    artifacts = Artifacts(database, settings.artifacts_url, settings.max_artifact_bytes)
    database.close()
    if not artifacts.empty:
        raise InputError(f"there are artifacts in {settings.artifacts_url}: name an empty place")
    key = settings.receipt_key_path
    if manifest.receipt_key is not None and key.exists():
        raise InputError(f"there is a receipt key at {key}: move it away first")

    def rows(connection: Connection) -> None:
        _import(connection, folder, manifest)
        # Under the transaction that fills the tables: whatever fails, there is no service.
        for digest, _ in _named_artifacts(connection):
            _restore_artifact(artifacts, folder, digest)
        if manifest.receipt_key is not None:
            _restore_key(folder, key, manifest.receipt_key)

    fill(settings.database_url, manifest.revision, rows)
    return manifest


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    """A transaction that sees one moment."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection


def _tables(connection: Connection) -> list[Table]:
    """The tables that there are, those that others refer to before these; read from the database itself, so
    that a program can make backups of older ones, too.
    """
    found = MetaData()
    found.reflect(connection)
    tables = [table for table in found.sorted_tables if table.name != VERSIONS]
    for column in (column for table in tables for column in table.columns):
        if isinstance(column.type, JSON) and column.nullable:
            column.type = JSON(none_as_null=True)
    return tables


def _naming(tables: Sequence[Table]) -> Select[Any]:
    """The rows of artifacts that others name; the rest is about to be deleted, or not there yet."""
    [artifacts] = [table for table in tables if table.name == "artifacts"]
    columns = [
        key.parent for table in tables for key in table.foreign_keys if key.column is artifacts.c.digest
    ]
    return select(artifacts).where(or_(*[exists().where(column == artifacts.c.digest) for column in columns]))


def _named_artifacts(connection: Connection) -> list[tuple[str, int]]:
    """The digests and sizes of artifacts that are not to be lost."""
    named = _naming(_tables(connection))
    digest, size = named.selected_columns["digest"], named.selected_columns["size"]
    return [(row[0], row[1]) for row in connection.execute(named.with_only_columns(digest, size))]


def _export(connection: Connection, table: Table, tables: Sequence[Table], folder: Path) -> TableEntry:
    """Write a table's rows to a file."""
    rows = select(table) if table.name != "artifacts" else _naming(tables)
    hashed, count = hashlib.sha256(), 0
    streamed = connection.execution_options(stream_results=True, yield_per=ROWS)
    with _private(folder / "tables" / f"{table.name}.jsonl") as file:
        for row in streamed.execute(rows).mappings():
            line = json.dumps(dict(row), default=_encoded, separators=(",", ":")).encode() + b"\n"
            file.write(line)
            hashed.update(line)
            count += 1
    return TableEntry(name=table.name, rows=count, sha256=hashed.hexdigest())


def _encoded(value: object) -> str:
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"a column has a {type(value).__name__}, which backups do not know")


def _copy(
    artifacts: Artifacts, named: Sequence[tuple[str, int]], folder: Path, copied: set[str], may_be_gone: bool
) -> None:
    """Copy artifacts that are not copied yet, checking their bytes."""
    for digest, size in named:
        if digest in copied:
            continue
        place = _place(folder, digest)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            write_atomically(place, artifacts.bytes_of(digest, size))
        except DamagedArtifact:
            if not may_be_gone:
                raise
        else:
            copied.add(digest)


def _place(folder: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        raise InputError(f"the backup names an artifact {digest!r:.80}, which is no SHA-256")
    return folder / "artifacts" / digest[:2] / digest


def _copy_key(settings: Settings, folder: Path) -> str:
    path = settings.receipt_key_path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the receipt key {path}: {error.strerror or error}") from None
    with _private(folder / KEY) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"the folder {folder} is not empty: a backup goes into a new one")
        folder.chmod(0o700)
    except OSError as error:
        raise InputError(f"cannot write a backup to {folder}: {error.strerror or error}") from None


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner may read; it is on the disk when the block ends."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"there is no whole backup in {folder}: {MANIFEST}: {error.strerror or error}"
        ) from None
    try:
        manifest = Manifest.model_validate_json(data[:MAX_MANIFEST_BYTES])
    except ValidationError:
        raise InputError(f"{path} is no manifest of a backup that this program can read") from None
    names = [table.name for table in manifest.tables]
    if len(set(names)) < len(names) or not all(map(_TABLE.fullmatch, names)):
        raise InputError(f"{path} names tables that there cannot be")
    return manifest


def _check_tables(folder: Path, manifest: Manifest) -> None:
    """Raise InputError unless the rows are those that the manifest names."""
    for table in manifest.tables:
        path = folder / "tables" / f"{table.name}.jsonl"
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"the backup lacks {path}: {error.strerror or error}") from None
        if found != table.sha256:
            raise InputError(f"{path} is not as it was when the backup was made")


def _import(connection: Connection, folder: Path, manifest: Manifest) -> None:
    """Add all rows of a backup to empty tables."""
    tables = _tables(connection)
    if {table.name for table in tables} != {entry.name for entry in manifest.tables}:
        raise InputError("the backup has other tables than its revision")
    for table in tables:
        path = folder / "tables" / f"{table.name}.jsonl"
        with path.open("rb") as file:
            while lines := list(islice(file, ROWS)):
                connection.execute(table.insert(), [_decoded(table, line) for line in lines])


def _decoded(table: Table, line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    if row.keys() != {column.name for column in table.columns}:
        raise InputError(f"the backup's table {table.name} has other columns than its revision")
    for column in table.columns:
        value = row[column.name]
        if value is None:
            continue
        if isinstance(column.type, DateTime):
            at = datetime.fromisoformat(value)
            # SQLite keeps no time zone, so there it is written without one, as UTC.
            row[column.name] = at if column.type.timezone else at.replace(tzinfo=None)
        elif isinstance(column.type, LargeBinary):
            row[column.name] = base64.b64decode(value, validate=True)
    return row


def _restore_artifact(artifacts: Artifacts, folder: Path, digest: str) -> None:
    path = _place(folder, digest)
    try:
        with path.open("rb") as file:
            artifacts.restore(digest, file)
    except FileNotFoundError:
        raise DamagedArtifact(f"the backup lacks the artifact {digest}") from None


def _restore_key(folder: Path, path: Path, digest: str) -> None:
    data = (folder / KEY).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputError(f"{folder / KEY} is not as it was when the backup was made")
    with _private(path) as file:
        file.write(data)
