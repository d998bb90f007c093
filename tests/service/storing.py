"""What processes do that store artifacts in S3."""

from __future__ import annotations

import io
import os
import random
import time
from pathlib import Path

import s3fs  # noqa: F401 - imported before processes are forked

from service.artifacts import CHUNK_BYTES, Artifacts
from service.database import Database

LARGEST = 1 << 28
PART = 50 << 20
"""From here on s3fs sends bytes in parts."""


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


def put_for_ever(environment: dict[str, str], url: str, place: str, tenant: str, part_sent: Path) -> None:
    """What a process does that is going to be killed."""
    os.environ.update(environment)
    Artifacts(Database(url), place, 1 << 40).put(tenant, Endless(part_sent), "text/plain")


def put_all(environment: dict[str, str], url: str, place: str, tenant: str, seeds: list[int]) -> None:
    """What each of several writers does."""
    os.environ.update(environment)
    artifacts = Artifacts(Database(url), place, LARGEST)
    for seed in seeds:
        artifacts.put(tenant, io.BytesIO(random.Random(seed).randbytes(100_000)), "text/plain")
