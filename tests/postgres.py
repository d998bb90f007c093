"""A PostgreSQL server of a test's own, on a socket in a temporary folder; it listens on no port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin")
STARTUP_SECONDS = 60.0


def binaries() -> Path | None:
    """The folder with the server's programs; None if there is none."""
    for pattern in FOLDERS:
        for folder in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True):
            if (folder / "initdb").exists() and (folder / "postgres").exists():
                return folder
    return None


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server for as long as the block lasts. Yields the URL of an empty database."""
    found = binaries()
    assert found is not None
    # Sockets have short paths, so the folder is not below pytest's.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user: dict[str, str | int] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": "postgres", "group": account.pw_gid}
    data = folder / "data"
    environment = {"PATH": f"{found}:/usr/bin:/bin", "LC_ALL": "C"}
    initialise = ["initdb", "-D", str(data), "-U", "verinfer", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(
        [found / initialise[0], *initialise[1:]],
        check=True, capture_output=True, cwd=folder, env=environment, **user,  # type: ignore[call-overload]
    )  # fmt: skip
    command = [found / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        **user,  # type: ignore[call-overload]
    )
    try:
        until = time.monotonic() + STARTUP_SECONDS
        while subprocess.run([found / "pg_isready", "-q", "-h", folder]).returncode != 0:
            assert server.poll() is None and time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.05)
        yield f"postgresql://verinfer@/postgres?host={folder}"
    finally:
        server.send_signal(2)  # "fast": it does not wait for connections to end
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)
