"""Artifacts: bytes named by their SHA-256, in a folder or any other store that fsspec can reach by URL.

    incoming/<id>          what is being written
    sha256/ab/abcdef...    what is complete

Bytes get their final name only when all of them are there, so nobody ever reads half an artifact. A final
name is made, and taken away, only while the artifact's row is locked, and exists only while the row does: a
crash at any point leaves a row that no tenant owns, which `delete_unreferenced` finds.

In a folder the final name is given by a rename; in an object store, which has none, by a copy within the
store, which is there wholly or not at all, and is as good.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from circuits.atomic_write import write_atomically
from circuits.errors import InputError
from service.database import (
    Artifact,
    ArtifactOwner,
    Database,
    SharedProof,
    Tenant,
    Version,
    VersionKey,
    now,
)
from service.errors import DamagedArtifact, NotFound, QuotaExceeded, TooLarge
from service.identifiers import new_id
from service.ledger import What, record
from service.limits import DEFAULTS, Limits

CHUNK_BYTES = 1 << 20
ABANDONED = timedelta(days=1)
"""What has been incoming for so long is nobody's any more."""


class Source(Protocol):
    """What bytes are read from, a file or a request's body."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        ...


class Artifacts:
    """The artifacts of a service.

    Parameters
    ----------
    database
        Has a row for each.
    url
        A folder, or fsspec's URL of one: `s3://bucket/folder`.
    largest
        How many bytes one artifact may have.
    defaults
        The limits of tenants that have none of their own.

    Raises
    ------
    InputError
        If fsspec cannot open the URL, or does not know its kind.
    """

    def __init__(self, database: Database, url: str, largest: int, defaults: Limits = DEFAULTS) -> None:
        self._database = database
        self._largest = largest
        self._defaults = defaults
        try:
            # What other processes put and delete must be seen, so no listing is remembered.
            found, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            missing = f"{error}. For S3: pip install 'verinfer[s3]'"
            raise InputError(f"cannot keep artifacts in {url}: {missing}") from None
        except (ValueError, OSError) as error:
            raise InputError(f"cannot keep artifacts in {url}: {error}") from None
        self._files: Any = found
        self._root: str = root.rstrip("/")
        self._local = isinstance(found, LocalFileSystem)
        self._folders: set[str] = set()

    def put(self, tenant_id: str, source: Source, media_type: str, largest: int | None = None) -> str:
        """Keep bytes for a tenant, all of them or none. The same bytes are kept once.

        Parameters
        ----------
        largest
            How many bytes these may have, where that is less than others may.

        Returns
        -------
        str
            Their digest.

        Raises
        ------
        TooLarge
            If there are more. Nothing is kept.
        QuotaExceeded
            If the tenant would have more bytes than it may. Nothing is kept.
        """
        limit = self._largest if largest is None else min(largest, self._largest)
        incoming = f"{self._root}/incoming/{new_id()}"
        try:
            digest, size = self._write(incoming, source, limit)
            # The row is there before the final name is, whatever happens between the two.
            with self._database.write() as session:
                _lock_row(session, digest, size, media_type)
            with self._database.write() as session:
                _lock_row(session, digest, size, media_type)
                owner = session.get(ArtifactOwner, (digest, tenant_id), with_for_update=True)
                if owner is None:
                    self._check_quota(session, tenant_id, size)
                if not self._files.exists(self._path(digest)):
                    self._move(incoming, self._path(digest))
                if owner is None:
                    owner = ArtifactOwner(digest=digest, tenant_id=tenant_id)
                    record(session, tenant_id, What.BYTES_STORED, size)
                owner.put_at = now(session)
                session.add(owner)
        finally:
            if self._files.exists(incoming):
                self._files.rm_file(incoming)
        return digest

    def try_out(self) -> str:
        """Write and delete a few bytes. Returns what kind of store there is; raises what the store raises."""
        probe = f"{self._root}/incoming/{new_id()}"
        self._write(probe, io.BytesIO(b"health"), self._largest)
        self._files.rm_file(probe)
        protocol = self._files.protocol
        return str(protocol if isinstance(protocol, str) else protocol[0])

    def describe(self, tenant_id: str, digest: str) -> Artifact:
        """An artifact of a tenant's. Raises NotFound."""
        with self._database.read() as session:
            owned = session.get(ArtifactOwner, (digest, tenant_id))
            found = None if owned is None else session.get(Artifact, digest)
        if found is None:
            raise NotFound(f"there is no artifact {digest}")
        return found

    def read(self, tenant_id: str, digest: str) -> Iterator[bytes]:
        """The bytes of a tenant's artifact, in chunks. The last one comes only if all are as they were put.

        Raises
        ------
        NotFound
            If the tenant has no such artifact.
        DamagedArtifact
            If the stored bytes are others, or gone.
        """
        size = self.describe(tenant_id, digest).size
        return self._read(digest, size)

    def fetch(self, tenant_id: str, digest: str, path: Path) -> Path:
        """Write a tenant's artifact to a file, wholly or not at all. Returns the path; raises as `read`."""
        write_atomically(path, self.read(tenant_id, digest))
        return path

    def keep_for(self, tenant_id: str, owner_id: str, digest: str) -> None:
        """Keep one tenant's artifact for another as well. Raises NotFound if the owner has no such one."""
        with self._database.write() as session:
            locked = session.get(Artifact, digest, with_for_update=True)
            if locked is None or session.get(ArtifactOwner, (digest, owner_id)) is None:
                raise NotFound(f"there is no artifact {digest}")
            if session.get(ArtifactOwner, (digest, tenant_id)) is None:
                session.add(ArtifactOwner(digest=digest, tenant_id=tenant_id, put_at=now(session)))

    def bytes_of(self, digest: str, size: int) -> Iterator[bytes]:
        """The bytes of anybody's artifact, as `read` gives them; for backups. Raises DamagedArtifact."""
        return self._read(digest, size)

    @property
    def empty(self) -> bool:
        """Whether nothing is kept, not even what no row names."""
        return not self._files.exists(self._root) or not self._files.find(self._root)

    def restore(self, digest: str, source: Source) -> None:
        """Put bytes back where artifacts have none, before their rows are there; for restoring a backup.

        Raises
        ------
        DamagedArtifact
            If they are not those that the digest names. Nothing is kept.
        """
        incoming = f"{self._root}/incoming/{new_id()}"
        try:
            found, _ = self._write(incoming, source, self._largest)
            if found != digest:
                raise DamagedArtifact(f"the bytes of artifact {digest} are not those that were put there")
            self._move(incoming, self._path(digest))
        finally:
            if self._files.exists(incoming):
                self._files.rm_file(incoming)

    def release(self, tenant_id: str, digest: str) -> None:
        """Keep an artifact no longer for a tenant. Raises NotFound if the tenant has no such artifact."""
        self.describe(tenant_id, digest)
        with self._database.write() as session:
            session.execute(delete(ArtifactOwner).filter_by(digest=digest, tenant_id=tenant_id))

    def delete_unreferenced(self, older_than: timedelta = ABANDONED) -> int:
        """Delete artifacts made long ago that no tenant owns and no version names, and abandoned writing.

        Returns
        -------
        int
            How many artifacts were deleted.
        """
        deleted = 0
        with self._database.read() as session:
            before = now(session) - older_than
            candidates = session.scalars(_unreferenced().where(Artifact.created_at <= before)).all()
        for digest in candidates:
            with self._database.write() as session:
                locked = session.get(Artifact, digest, with_for_update=True)
                # Looked at again: somebody may have put the same bytes since.
                if locked is None or session.scalar(_unreferenced().where(Artifact.digest == digest)) is None:
                    continue
                if self._files.exists(self._path(digest)):
                    self._files.rm_file(self._path(digest))
                session.delete(locked)
                deleted += 1
        begun_before = datetime.now(UTC) - older_than
        self._delete_abandoned(begun_before)
        self._delete_abandoned_uploads(begun_before)
        return deleted

    def _check_quota(self, session: Session, tenant_id: str, size: int) -> None:
        tenant = session.get_one(Tenant, tenant_id)
        most = self._defaults.overlaid(tenant.limits).stored_bytes
        if most is None:
            return
        # The tenant's row is locked: of two artifacts at a time, one sees the other.
        session.get_one(Tenant, tenant_id, with_for_update={"key_share": True})
        if stored_bytes(session, tenant_id) + size > most:
            raise QuotaExceeded(f"the tenant may have {most} bytes stored, and this would be more")

    def _delete_abandoned(self, before: datetime) -> None:
        incoming = f"{self._root}/incoming"
        try:
            paths = self._files.ls(incoming, detail=False, refresh=True)
        except FileNotFoundError:  # in an object store a folder is there for as long as something is in it
            return
        for path in paths:
            # The name says when it was begun: UUIDs of version 7 begin with the time in milliseconds.
            begun = int(path.rsplit("/", 1)[-1].replace("-", "")[:12], 16) / 1000
            if begun <= before.timestamp():
                with suppress(FileNotFoundError):  # another process deletes, too
                    self._files.rm_file(path)

    def _delete_abandoned_uploads(self, before: datetime) -> None:
        """What was sent to an S3-compatible store in parts, and never completed: no listing shows it."""
        if not hasattr(self._files, "list_multipart_uploads"):
            return
        bucket, _, folder = self._root.partition("/")
        try:
            uploads = self._files.list_multipart_uploads(bucket)
        except FileNotFoundError:  # what some servers say where nothing was ever sent in parts
            return
        for upload in uploads:
            if upload["Key"].startswith(f"{folder}/incoming/".lstrip("/")) and upload["Initiated"] <= before:
                self._files.call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    def _path(self, digest: str) -> str:
        return f"{self._root}/sha256/{digest[:2]}/{digest}"

    def _write(self, path: str, source: Source, limit: int) -> tuple[str, int]:
        hashed, size = hashlib.sha256(), 0
        self._make_folder(path.rsplit("/", 1)[0])
        with self._files.open(path, "wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"there are more than {limit} bytes")
                hashed.update(chunk)
                file.write(chunk)
            if self._local:
                file.flush()
                os.fsync(file.fileno())
        return hashed.hexdigest(), size

    def _move(self, incoming: str, final: str) -> None:
        folder = final.rsplit("/", 1)[0]
        self._make_folder(folder)
        if not self._local:
            self._files.mv(incoming, final)
            return
        Path(incoming).replace(final)
        for changed in (folder, os.path.dirname(folder)):  # noqa: PTH120
            handle = os.open(changed, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _make_folder(self, path: str) -> None:
        """Once for each where folders are only names: such a store would be asked in vain."""
        if self._local or path not in self._folders:
            self._files.makedirs(path, exist_ok=True)
            self._folders.add(path)

    def _read(self, digest: str, size: int) -> Iterator[bytes]:
        hashed, seen, held = hashlib.sha256(), 0, b""
        try:
            with self._files.open(self._path(digest), "rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    if held:
                        yield held
                    hashed.update(chunk)
                    seen, held = seen + len(chunk), chunk
                    if seen > size:
                        break
        except FileNotFoundError:
            raise DamagedArtifact(f"the bytes of artifact {digest} are gone") from None
        if hashed.hexdigest() != digest:
            raise DamagedArtifact(f"the bytes of artifact {digest} are not those that were put there")
        yield held


def stored_bytes(session: Session, tenant_id: str) -> int:
    """How many bytes are kept for a tenant."""
    owned = select(func.coalesce(func.sum(Artifact.size), 0)).join(ArtifactOwner)
    return int(session.scalars(owned.where(ArtifactOwner.tenant_id == tenant_id)).one())


def _lock_row(session: Session, digest: str, size: int, media_type: str) -> None:
    values = {"digest": digest, "size": size, "media_type": media_type, "created_at": now(session)}
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    # A row found by the one statement may be deleted before the other locks it: then there is none again.
    while True:
        session.execute(insert(Artifact).values(values).on_conflict_do_nothing())
        if session.get(Artifact, digest, with_for_update=True) is not None:
            return


def _unreferenced() -> Any:
    used = [ArtifactOwner.digest, Version.circuit, Version.source, Version.calibration]
    used += [Version.layers, Version.drawing, VersionKey.verifying_key, VersionKey.proving_key]
    used += [SharedProof.proof, SharedProof.verifying_key]
    return select(Artifact.digest).where(*[~exists().where(column == Artifact.digest) for column in used])
