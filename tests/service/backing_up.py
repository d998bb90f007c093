"""Processes that make and restore backups, to be killed in the midst of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.backup import backup, restore
from service.settings import Settings


def slowed() -> None:
    """Each artifact takes a while."""
    read, put_back = Artifacts.bytes_of, Artifacts.restore

    def slow_read(self: Artifacts, digest: str, size: int) -> Iterator[bytes]:
        time.sleep(0.02)
        return read(self, digest, size)

    def slow_restore(self: Artifacts, digest: str, source: Any) -> None:
        time.sleep(0.02)
        put_back(self, digest, source)

    Artifacts.bytes_of, Artifacts.restore = slow_read, slow_restore  # type: ignore[method-assign]


def backing_up(settings: dict[str, Any], folder: str) -> None:
    """Make a backup, slowly."""
    slowed()
    backup(Settings(**settings), Path(folder))


def restoring(settings: dict[str, Any], folder: str) -> None:
    """Restore one, slowly."""
    slowed()
    restore(Settings(**settings), Path(folder))
