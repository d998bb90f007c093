"""A PostgreSQL server of a test's own, on a socket in a temporary folder; it listens on no port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scratch import scratch

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin")
STARTUP_SECONDS = 60.0


def binaries() -> Path | None:
    """The folder with the server's programs; None if there is none."""
    for pattern in FOLDERS:
        for folder in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True):
            if (folder / "initdb").exists() and (folder / "postgres").exists():
                return folder
    return None


@dataclass
class Server:
    """A server that can be stopped, as when it fails, and started again with what it had."""

    programs: Path
    folder: Path
    user: dict[str, str | int]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its first database, which is empty."""
        return f"postgresql://verinfer@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder]
        server = self.process = subprocess.Popen(
            [*command, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=environment(self.programs),
            **self.user,  # type: ignore[call-overload]
        )
        until = time.monotonic() + STARTUP_SECONDS
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", self.folder]).returncode != 0:
            assert server.poll() is None and time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        server, self.process = self.process, None
        if server is None:
            return
        server.send_signal(signal.SIGINT)  # "fast": it does not wait for connections to end
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in (self.process.pid, *map(int, children.split())):
            os.kill(pid, number)


@contextmanager
def stoppable_postgres() -> Iterator[Server]:
    """Run a server of a test's own for as long as the block lasts; skip the test if none is installed."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    # Sockets have short paths, so the folder is not below pytest's.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=scratch()))
    user: dict[str, str | int] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": "postgres", "group": account.pw_gid}
    initialise = ["-D", folder / "data", "-U", "verinfer", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(
        [found / "initdb", *initialise],
        check=True, capture_output=True, cwd=folder, env=environment(found), **user,  # type: ignore[call-overload]
    )  # fmt: skip
    server = Server(found, folder, user)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """As `stoppable_postgres`. Yields the URL of an empty database."""
    with stoppable_postgres() as server:
        yield server.url


def environment(programs: Path) -> dict[str, str]:
    """That of the server's programs."""
    return {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C"}
