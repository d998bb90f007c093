"""An S3-compatible server of a test's own: rclone, which serves a folder, on a port of this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

STARTUP_SECONDS = 60.0
KEY, SECRET = "test-key", "test-secret-0123456789"


@dataclass(frozen=True)
class Store:
    """Where it is, and what it takes to be let in."""

    endpoint: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """As every S3 client has it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def binary() -> str | None:
    """The program; None if it is not installed."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


@contextmanager
def running_s3() -> Iterator[Store]:
    """Run a server for as long as the block lasts, with an empty bucket called `bucket`; skip the test if
    none is installed."""
    found = binary()
    if found is None:
        pytest.skip("rclone is not installed")
    with tempfile.TemporaryDirectory(prefix="s3") as name:
        folder = Path(name)
        (folder / "bucket").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"127.0.0.1:{port}"
        command = [found, "serve", "s3", "--addr", address, "--auth-key", f"{KEY},{SECRET}", str(folder)]
        with subprocess.Popen([*command, "--config", ""], stderr=subprocess.DEVNULL) as server:
            try:
                until = time.monotonic() + STARTUP_SECONDS
                while not _answers(port):
                    assert server.poll() is None and time.monotonic() < until, "rclone did not start"
                    time.sleep(0.05)
                yield Store(f"http://{address}", folder)
            finally:
                server.kill()


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
