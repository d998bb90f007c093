"""Artifacts in an S3-compatible store: uploads in parts, killed writers, and many writers at a time."""

from __future__ import annotations

import hashlib
import io
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from service.artifacts import Artifacts
from service.database import Database
from tests.s3 import Store
from tests.service.conftest import add_tenant
from tests.service.processes import process
from tests.service.storing import LARGEST, PART, put_all, put_for_ever
from tests.service.tables import make_sqlite

NO_TIME = timedelta(seconds=-1)


@pytest.fixture
def place(s3: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty folder in the store."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{random.getrandbits(64):x}"


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of a database, where all kinds are the same."""
    make_sqlite(tmp_path / "service.db")
    return f"sqlite:///{tmp_path / 'service.db'}"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database with the service's tables."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def test_a_killed_upload_leaves_nothing(place: str, s3: Store, sqlite: str, tmp_path: Path) -> None:
    with opened(sqlite) as database:
        tenant, artifacts = add_tenant(database, "one"), Artifacts(database, place, LARGEST)
        writer = process(put_for_ever, s3.environment, sqlite, place, tenant, tmp_path / "sent")
        writer.start()
        until = time.monotonic() + 120
        while not (tmp_path / "sent").exists():
            assert writer.is_alive() and time.monotonic() < until
            time.sleep(0.05)
        writer.kill()
        writer.join()
        folder = place.removeprefix("s3://bucket/")
        uploads = artifacts._files.list_multipart_uploads("bucket")
        assert [upload["Key"] for upload in uploads if upload["Key"].startswith(folder)], (
            "nothing was under way"
        )
        assert not artifacts._files.exists(f"{artifacts._root}/sha256"), "half an artifact can be seen"
        assert not artifacts._files.exists(f"{artifacts._root}/incoming"), "half an upload can be seen"
        artifacts.delete_unreferenced(timedelta(hours=1))
        assert artifacts._files.list_multipart_uploads("bucket"), "what may still be written was deleted"
        artifacts.delete_unreferenced(NO_TIME)
        uploads = artifacts._files.list_multipart_uploads("bucket")
        assert [upload["Key"] for upload in uploads if upload["Key"].startswith(folder)] == []
        assert list((s3.folder / "bucket" / folder).rglob("*.*")) == []


def test_what_is_sent_in_parts_is_whole(place: str, sqlite: str, tmp_path: Path) -> None:
    with opened(sqlite) as database:
        tenant, artifacts = add_tenant(database, "one"), Artifacts(database, place, LARGEST)
        data = random.Random(1).randbytes(PART + 12_345)
        digest = artifacts.put(tenant, io.BytesIO(data), "text/plain")
        assert digest == hashlib.sha256(data).hexdigest()
        assert artifacts.fetch(tenant, digest, tmp_path / "copy").read_bytes() == data


def test_many_writers_put_the_same(place: str, s3: Store, url: str) -> None:
    """Processes put the same bytes for their tenants, while one deletes what nobody owns."""
    with opened(url) as database:
        artifacts = Artifacts(database, place, LARGEST)
        tenants = [add_tenant(database, name) for name in ("one", "two", "three")]
        orders = [random.Random(number).sample(range(8), 8) for number in range(len(tenants))]
        writers = [
            process(put_all, s3.environment, url, place, tenant, order)
            for tenant, order in zip(tenants, orders, strict=True)
        ]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            artifacts.delete_unreferenced(timedelta(minutes=5))
            time.sleep(0.1)
        assert [writer.exitcode for writer in writers] == [0] * len(writers)
        for seed in range(8):
            data = random.Random(seed).randbytes(100_000)
            for tenant in tenants:
                assert b"".join(artifacts.read(tenant, hashlib.sha256(data).hexdigest())) == data
        assert len(artifacts._files.find(artifacts._root)) == 8


def test_what_others_delete_is_seen(place: str, sqlite: str) -> None:
    """A listing that was remembered would say that deleted bytes are still there."""
    with opened(sqlite) as database:
        tenant = add_tenant(database, "one")
        first, second = (Artifacts(database, place, LARGEST) for _ in range(2))
        digest = first.put(tenant, io.BytesIO(b"data"), "text/plain")
        second._files.ls(second._path(digest).rpartition("/")[0])
        first.release(tenant, digest)
        assert first.delete_unreferenced(NO_TIME) == 1
        assert second.put(tenant, io.BytesIO(b"data"), "text/plain") == digest
        assert b"".join(second.read(tenant, digest)) == b"data"
