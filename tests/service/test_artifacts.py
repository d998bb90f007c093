"""Artifacts: all bytes or none, under their digest, for their tenants only."""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from circuits.errors import InputError
from service.artifacts import CHUNK_BYTES, Artifacts
from service.database import Artifact, Database, Model, Version
from service.errors import DamagedArtifact, NotFound, TooLarge
from tests.service.conftest import add_tenant

LARGEST = 4 * CHUNK_BYTES
NO_TIME = timedelta(seconds=-1)


@pytest.fixture(params=["folder", "memory", "s3"])
def artifacts(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Artifacts:
    """A store of each kind: a folder, one that is none, in this process's memory, and one behind a server."""
    if request.param == "folder":
        return Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3").environment.items():
            monkeypatch.setenv(name, value)
        return Artifacts(database, f"s3://bucket/{random.getrandbits(64)}", LARGEST)
    return Artifacts(database, f"memory://{tmp_path.name}-{random.getrandbits(64)}", LARGEST)


def files(artifacts: Artifacts) -> set[str]:
    """The names of all files there are."""
    return {path.rsplit("/", 1)[-1] for path in artifacts._files.find(artifacts._root)}


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, LARGEST])
def test_what_was_put_is_read(artifacts: Artifacts, tenant: str, size: int, tmp_path: Path) -> None:
    data = random.Random(size).randbytes(size)
    digest = artifacts.put(tenant, io.BytesIO(data), "text/plain")
    assert digest == hashlib.sha256(data).hexdigest()
    assert b"".join(artifacts.read(tenant, digest)) == data
    described = artifacts.describe(tenant, digest)
    assert (described.size, described.media_type) == (size, "text/plain")
    assert artifacts.fetch(tenant, digest, tmp_path / "copy").read_bytes() == data
    assert files(artifacts) == {digest}
    assert artifacts.put(tenant, io.BytesIO(data), "text/plain") == digest
    assert files(artifacts) == {digest}


def test_too_much_is_refused(artifacts: Artifacts, tenant: str) -> None:
    with pytest.raises(TooLarge, match=f"more than {LARGEST} bytes"):
        artifacts.put(tenant, io.BytesIO(bytes(LARGEST + 1)), "text/plain")
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        artifacts.put(tenant, io.BytesIO(bytes(11)), "text/plain", largest=10)
    assert files(artifacts) == set()


def test_a_source_that_fails_leaves_nothing(artifacts: Artifacts, tenant: str) -> None:
    class Broken:
        calls = 0

        def read(self, size: int) -> bytes:
            self.calls += 1
            if self.calls == 3:
                raise ConnectionError
            return bytes(size)

    with pytest.raises(ConnectionError):
        artifacts.put(tenant, Broken(), "text/plain")
    assert files(artifacts) == set()


@pytest.mark.parametrize("damage", ["changed", "shorter", "longer", "gone"])
def test_damage_is_found_before_the_last_chunk(artifacts: Artifacts, tenant: str, damage: str) -> None:
    data = bytes(CHUNK_BYTES + 10)
    digest = artifacts.put(tenant, io.BytesIO(data), "text/plain")
    path = artifacts._path(digest)
    if damage == "gone":
        artifacts._files.rm_file(path)
    else:
        other = {"changed": data[:-1] + b"1", "shorter": data[:-1], "longer": data + b"0"}[damage]
        artifacts._files.pipe_file(path, other)
    read: list[bytes] = []
    with pytest.raises(DamagedArtifact, match=digest):
        for chunk in artifacts.read(tenant, digest):
            read.append(chunk)
    assert len(b"".join(read)) < len(data)


def test_another_tenants_artifact_looks_like_none(
    artifacts: Artifacts, database: Database, tenant: str
) -> None:
    other = add_tenant(database, "two")
    digest = artifacts.put(tenant, io.BytesIO(b"secret"), "text/plain")
    for call in (artifacts.describe, artifacts.read, artifacts.release):
        with pytest.raises(NotFound, match=f"no artifact {digest}"):
            call(other, digest)
    assert artifacts.put(other, io.BytesIO(b"secret"), "text/plain") == digest
    artifacts.release(tenant, digest)
    assert artifacts.delete_unreferenced(NO_TIME) == 0
    assert b"".join(artifacts.read(other, digest)) == b"secret"
    with pytest.raises(NotFound):
        artifacts.read(tenant, digest)


def test_only_what_nobody_needs_is_deleted(artifacts: Artifacts, database: Database, tenant: str) -> None:
    owned, named, free = (
        artifacts.put(tenant, io.BytesIO(name), "text/plain") for name in (b"owned", b"named", b"free")
    )
    with database.write() as session:
        model = Model(tenant_id=tenant, name="m", created_at=datetime.now(UTC))
        session.add(model)
        session.flush()
        at = datetime.now(UTC)
        session.add(Version(model_id=model.id, number=1, circuit_id="0x", circuit=named, created_at=at))
    artifacts.release(tenant, named)
    artifacts.release(tenant, free)
    assert artifacts.delete_unreferenced(timedelta(hours=1)) == 0
    assert artifacts.delete_unreferenced(NO_TIME) == 1
    assert files(artifacts) == {owned, named}
    assert artifacts.put(tenant, io.BytesIO(b"free"), "text/plain") == free
    assert b"".join(artifacts.read(tenant, free)) == b"free"


@pytest.mark.parametrize("point", ["before the row", "before the move", "after the move"])
def test_a_crash_leaves_only_what_is_deleted_later(
    artifacts: Artifacts, database: Database, tenant: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*arguments: object) -> None:
        if point == "after the move":
            move(*arguments)  # type: ignore[arg-type]
        raise Crash

    move = artifacts._move
    where = {"before the row": "service.artifacts._lock_row"}.get(point)
    with monkeypatch.context() as patch:
        if where is not None:
            patch.setattr(where, crash)
        else:
            patch.setattr(artifacts, "_move", crash)
        # A killed process does not tidy up behind itself.
        patch.setattr(artifacts._files, "rm_file", lambda path: None)
        with pytest.raises(Crash):
            artifacts.put(tenant, io.BytesIO(b"data"), "text/plain")
    assert files(artifacts) != set()
    digest = hashlib.sha256(b"data").hexdigest()
    with pytest.raises(NotFound):
        artifacts.read(tenant, digest)
    artifacts.delete_unreferenced(NO_TIME)
    assert files(artifacts) == set()
    with database.read() as session:
        assert session.get(Artifact, digest) is None


def test_putting_the_same_and_deleting_at_a_time(
    database: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    # What is being written here is not abandoned, though it is older than no time.
    monkeypatch.setattr(artifacts, "_delete_abandoned", lambda before: None)
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            artifacts.delete_unreferenced(NO_TIME)

    def put(worker: int) -> None:
        for _ in range(15):
            digest = artifacts.put(tenants[worker], io.BytesIO(b"the same"), "text/plain")
            assert b"".join(artifacts.read(tenants[worker], digest)) == b"the same"
            artifacts.release(tenants[worker], digest)

    tenants = [tenant, add_tenant(database, "two"), add_tenant(database, "three")]
    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(put, range(3)))
    finally:
        over.set()
        deleting.join()
    artifacts.delete_unreferenced(NO_TIME)
    assert files(artifacts) == set()


def test_a_folder_s_file_is_on_the_disk_before_it_has_its_name(
    database: Database, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    synced: list[set[str]] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(files(artifacts)), sync(handle)))
    digest = artifacts.put(tenant, io.BytesIO(b"data"), "text/plain")
    assert digest not in synced[0] and all(digest in names for names in synced[1:]) and len(synced) == 3


def test_an_unknown_kind_of_store_is_refused(database: Database) -> None:
    assert "nowhere" not in fsspec.available_protocols()
    with pytest.raises(InputError, match="cannot keep artifacts in nowhere"):
        Artifacts(database, "nowhere://x", LARGEST)
