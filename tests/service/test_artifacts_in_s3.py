"""Artifacts in an S3-compatible store: uploads in parts, killed writers, and many writers at a time."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from service.artifacts import CHUNK_BYTES, Artifacts
from service.database import Database
from service.migrations import upgrade
from tests.s3 import Store
from tests.service.conftest import add_tenant

LARGEST = 1 << 28
PART = 50 << 20
"""From here on s3fs sends bytes in parts."""
NO_TIME = timedelta(seconds=-1)
CONTEXT = multiprocessing.get_context("spawn")


@pytest.fixture
def place(s3: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty folder in the store."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{random.getrandbits(64):x}"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database with the service's tables."""
    upgrade(url)
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


class Endless:
    """Bytes that come slowly, and for ever; it says so when enough for a part have come."""

    def __init__(self, part_sent: Path) -> None:
        self._part_sent = part_sent
        self._given = 0

    def read(self, size: int) -> bytes:
        self._given += size
        if self._given > PART + 2 * CHUNK_BYTES:
            self._part_sent.touch()
            time.sleep(0.05)
        return bytes(size)


def put_for_ever(url: str, place: str, tenant: str, part_sent: Path) -> None:
    """What a process does that is going to be killed."""
    Artifacts(Database(url), place, 1 << 40).put(tenant, Endless(part_sent), "text/plain")


def put_all(url: str, place: str, tenant: str, seeds: list[int]) -> None:
    """What each of several writers does."""
    artifacts = Artifacts(Database(url), place, LARGEST)
    for seed in seeds:
        artifacts.put(tenant, io.BytesIO(random.Random(seed).randbytes(100_000)), "text/plain")


def test_a_killed_upload_leaves_nothing(place: str, s3: Store, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'service.db'}"
    with opened(url) as database:
        tenant, artifacts = add_tenant(database, "one"), Artifacts(database, place, LARGEST)
        process = CONTEXT.Process(target=put_for_ever, args=(url, place, tenant, tmp_path / "sent"))
        process.start()
        until = time.monotonic() + 120
        while not (tmp_path / "sent").exists():
            assert process.is_alive() and time.monotonic() < until
            time.sleep(0.05)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
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


def test_what_is_sent_in_parts_is_whole(place: str, tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'service.db'}") as database:
        tenant, artifacts = add_tenant(database, "one"), Artifacts(database, place, LARGEST)
        data = random.Random(1).randbytes(PART + 12_345)
        digest = artifacts.put(tenant, io.BytesIO(data), "text/plain")
        assert digest == hashlib.sha256(data).hexdigest()
        assert artifacts.fetch(tenant, digest, tmp_path / "copy").read_bytes() == data


def test_many_writers_put_the_same(place: str, tmp_path: Path, url: str) -> None:
    """Processes put the same bytes for their tenants, while one deletes what nobody owns."""
    with opened(url) as database:
        artifacts = Artifacts(database, place, LARGEST)
        tenants = [add_tenant(database, name) for name in ("one", "two", "three")]
        orders = [random.Random(number).sample(range(8), 8) for number in range(len(tenants))]
        writers = [
            CONTEXT.Process(target=put_all, args=(url, place, tenant, order))
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


def test_what_others_delete_is_seen(place: str, tmp_path: Path) -> None:
    """A listing that was remembered would say that deleted bytes are still there."""
    with opened(f"sqlite:///{tmp_path / 'service.db'}") as database:
        tenant = add_tenant(database, "one")
        first, second = (Artifacts(database, place, LARGEST) for _ in range(2))
        digest = first.put(tenant, io.BytesIO(b"data"), "text/plain")
        second._files.ls(second._path(digest).rpartition("/")[0])
        first.release(tenant, digest)
        assert first.delete_unreferenced(NO_TIME) == 1
        assert second.put(tenant, io.BytesIO(b"data"), "text/plain") == digest
        assert b"".join(second.read(tenant, digest)) == b"data"
