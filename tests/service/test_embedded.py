"""Workers as processes below another: they do jobs, are replaced when they die, and never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.embedded import Workers
from service.settings import Settings
from tests.service.conftest import furnished
from tests.service.serving import opened
from tests.service.working import Provable, soon, tell

LEASE = 2.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Processes start and stop alike with each kind of database; `test_crashes` has both, and is quicker."""
    return furnished(request, tmp_path)


@pytest.fixture
def provable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[Provable]:
    """A model on a database of each kind, and reference strings in a store of the test's own."""
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    with opened(tmp_path / "data", database=url, lease_seconds=LEASE, workers=2) as parts:
        yield Provable(parts, parts.tenant("one"))


@contextmanager
def working(settings: Settings, **options: float) -> Iterator[Workers]:
    """Workers for as long as the block lasts."""
    workers = Workers(settings, **options)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()
    assert workers.pids == []


def leased(provable: Provable, ids: list[str]) -> list[str]:
    """The jobs that some worker has."""
    return [one for one in ids if provable.job(one).lease_owner is not None]


def test_jobs_are_done_by_several_processes_and_given_back_at_the_end(provable: Provable) -> None:
    with working(provable.parts.settings) as workers:
        ids = provable.freeze_at_work(lambda: workers.pids, 2)
        assert len(workers.pids) == 2 and os.getpid() not in workers.pids
        tell(workers.pids, signal.SIGTERM, signal.SIGCONT)
    assert leased(provable, ids) == []
    jobs = [provable.job(one) for one in ids]
    assert all(job.attempts == (0 if job.finished_at is None else 1) for job in jobs)
    assert any(job.finished_at is None for job in jobs), "nothing was left to give back"
    with working(provable.parts.settings):
        provable.check(ids)


def test_a_killed_worker_is_replaced_and_its_job_ends_once(provable: Provable) -> None:
    with working(provable.parts.settings) as workers:
        ids = provable.freeze_at_work(lambda: workers.pids, 2)
        first = set(workers.pids)
        tell(workers.pids, signal.SIGKILL)
        provable.check(ids)
        assert not first & set(workers.pids)
    assert sum(provable.job(one).attempts for one in ids) > len(ids)


def test_workers_that_are_told_of_a_job_do_not_wait_to_look(provable: Provable) -> None:
    with working(provable.parts.settings, poll_seconds=3600) as workers:
        provable.check(provable.submit())  # it may have been there when they looked for the first time
        provable.parts.jobs.wake_by(workers.wake)
        provable.check(provable.submit())


def test_nobody_waits_for_a_worker_that_does_not_listen(provable: Provable) -> None:
    with working(provable.parts.settings, poll_seconds=3600) as workers:
        provable.check(provable.submit())
        pids = list(workers.pids)
        tell(pids, signal.SIGSTOP)
        for _ in range(100_000):  # more than a pipe holds
            workers.wake()
        ids = provable.submit()
        tell(pids, signal.SIGCONT)
        provable.check(ids)
        assert workers.pids == pids


PARENT = """
import sys, time
from service.embedded import Workers
from service.settings import Settings
workers = Workers(Settings(data=sys.argv[1], database=sys.argv[2], lease_seconds=2))
workers.start()
while not workers.pids: time.sleep(0.01)
print(*workers.pids, flush=True)
time.sleep(600)
"""


def test_workers_do_not_outlive_who_started_them(provable: Provable) -> None:
    settings = provable.parts.settings
    command = [sys.executable, "-c", PARENT, str(settings.data), settings.database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        ids = provable.submit(20)
        soon(lambda: bool(leased(provable, ids)), "it works")
        parent.kill()
    soon(lambda: not alive(pid), "the worker has ended")
    assert leased(provable, ids) == [], "it has not given its job back"


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended may wait for somebody to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ctrl_c_and_repeated_signals_to_all_processes_lose_no_stage(provable: Provable) -> None:
    """A terminal sends SIGINT, and a service manager SIGTERM, to every process there is."""
    with working(provable.parts.settings) as workers:
        ids = provable.freeze_at_work(lambda: workers.pids, 2)
        tell(workers.pids, signal.SIGINT, signal.SIGTERM, signal.SIGCONT, signal.SIGTERM)
    assert leased(provable, ids) == []
    assert all(job.attempts <= 1 for job in map(provable.job, ids))


def test_secrets_are_neither_arguments_nor_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_SERVICE_DATABASE", "postgresql://u:hunter2@db/x")
    settings = Settings(data=tmp_path, database="postgresql://u:hunter2@127.0.0.1:9/x")  # type: ignore[arg-type]
    with working(settings) as workers:
        soon(lambda: bool(workers.pids), "one runs")
        [pid] = workers.pids
        for name in ("cmdline", "environ"):
            assert b"hunter2" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_who_cannot_start_is_tried_again_ever_more_seldom(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=tmp_path, database="postgresql://u:hunter2@127.0.0.1:9/x")  # type: ignore[arg-type]
    text = ""

    def tried() -> bool:
        nonlocal text
        text += "".join(capfd.readouterr())
        return text.count("worker cannot start") >= 2

    with working(settings):
        soon(tried, "it was tried twice")
    assert "hunter2" not in text and "exit_code=2" in text.replace(" ", "")


def test_who_works_too_long_is_killed_in_the_end(provable: Provable) -> None:
    settings = provable.parts.settings.model_copy(update={"drain_seconds": 0.0})
    with working(settings) as workers:
        ids = provable.freeze_at_work(lambda: workers.pids, 2)
        began = time.monotonic()
        workers.stop()
        assert time.monotonic() - began < 20
    assert len(leased(provable, ids)) == 2
    with working(provable.parts.settings):
        provable.check(ids)
