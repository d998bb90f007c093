"""Jobs on a real Ray cluster of this machine: done, drained, and resumed when a task is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from service.database import Kind
from service.executors.ray import OtherService, do_next, whereabouts
from service.leases import Sort
from service.needs import BASE_BYTES, Forecast
from service.settings import Settings
from tests.service.serving import opened
from tests.service.working import Provable, soon

LEASE = 3.0


@pytest.fixture
def provable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provable]:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_SERVICE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VERINFER_SERVICE_LEASE_SECONDS", str(LEASE))
    with opened(tmp_path / "data", lease_seconds=LEASE) as parts:
        yield Provable(parts, parts.tenant("one"))


@contextmanager
def cluster() -> Iterator[str]:
    """A cluster of one node with two processors. Yields its address."""
    # Sockets have short paths, so the folder is not below pytest's.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        port = free_port()
        small = ("--object-store-memory", 80 << 20, "--num-cpus", 2, "--include-dashboard", "false")
        options = ("--port", port, *small, "--temp-dir", folder, "--disable-usage-stats", "--block")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *map(str, options)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                soon(lambda: answers(port), "the cluster answers")
                yield f"127.0.0.1:{port}"
            finally:
                process.terminate()
                try:
                    process.wait(60)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def dispatching(address: str, *options: object) -> Iterator[subprocess.Popen[str]]:
    """A dispatcher's process."""
    command = [sys.executable, "-m", "verinfer.cli", "worker", "--ray", address, *map(str, options)]
    with subprocess.Popen(command, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def at_work(provable: Provable, ids: list[str]) -> list[str]:
    """The owners of the jobs that are being done."""
    return [owner for one in ids if (owner := provable.job(one).lease_owner) is not None]


def tasks(home: Path) -> list[int]:
    """The processes that do tasks now: Ray renames them. Others' clusters are not this test's."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            mine = f"VERINFER_HOME={home}\0".encode() in (entry / "environ").read_bytes()
            if mine and (entry / "cmdline").read_bytes().startswith(b"ray::verinfer"):
                found.append(int(entry.name))
    return found


@pytest.mark.long
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_jobs_are_done_resumed_and_drained(provable: Provable, tmp_path: Path) -> None:
    with cluster() as address, dispatching(address, "--jobs", 3) as dispatcher:
        provable.check(provable.submit(4))

        # A process of the cluster is killed in the midst of a job, which goes on in another.
        ids = provable.submit(2)
        soon(lambda: bool(at_work(provable, ids)) and bool(tasks(tmp_path / "home")), "a task works")
        for pid in tasks(tmp_path / "home"):
            os.kill(pid, signal.SIGKILL)
        provable.check(ids)
        assert sum(provable.job(one).attempts for one in ids) > len(ids)

        # Told to stop, it has the tasks give their jobs back, and leaves the others alone.
        ids = provable.submit(8)
        soon(lambda: any(provable.job(one).finished_at is not None for one in ids), "one has ended")
        dispatcher.terminate()
        assert dispatcher.wait(90) == 0
        assert at_work(provable, ids) == []
        left = [job for job in map(provable.job, ids) if job.finished_at is None]
        assert left and all(job.attempts == 0 for job in left)

        # A dispatcher that is killed has lost nothing: another goes on.
        with dispatching(address) as second:
            soon(lambda: bool(at_work(provable, ids)), "the second works")
            second.kill()
        with dispatching(address):
            provable.check(ids)


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_who_cannot_join_says_so(provable: Provable) -> None:
    command = [sys.executable, "-m", "verinfer.cli", "worker", "--ray", "127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "cannot join the Ray cluster at 127.0.0.1:9" in done.stderr


def test_a_node_with_other_settings_takes_nothing(provable: Provable) -> None:
    [job] = provable.submit()
    sort = Sort(Kind.PROVE, "sumcheck", provable.version)
    with pytest.raises(OtherService, match="the same settings"):
        do_next("elsewhere", "ray:x", sort, 1, False)
    assert provable.job(job).attempts == 0
    here = whereabouts(provable.parts.settings)
    assert do_next(here, "ray:x", Sort(Kind.PROVE, "ezkl", provable.version), 1, False) is None
    assert do_next(here, "ray:x", sort, 1, False) == "succeeded"
    provable.check([job])


def test_whereabouts_are_absolute_and_without_passwords(tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@db/x"
    said = whereabouts(Settings(database=url, data=Path("here")))  # type: ignore[arg-type]
    assert "hunter2" not in said and "db/x" in said and str(Path("here/artifacts").absolute()) in said


def test_what_jobs_take_is_known_before(provable: Provable) -> None:
    forecast = Forecast(provable.parts)
    proof = forecast.needs(Sort(Kind.PROVE, "sumcheck", provable.version))
    assert proof.cpus == 1 and BASE_BYTES < proof.memory < 4 << 30
    for odd in (Sort(Kind.PROVE, "none", provable.version), Sort(Kind.PROVE, "sumcheck", "gone")):
        assert forecast.needs(odd).memory == BASE_BYTES
    assert forecast.needs(Sort(Kind.COMPILE, "", None)).memory > BASE_BYTES
