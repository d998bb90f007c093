"""Workers are killed at random moments: every job ends, with one result, and no artifact is half-written."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.artifacts import Artifacts
from service.database import Database, Job, JobEvent, JobStage, Kind, Status
from service.jobs import Jobs, Order
from tests.service.crash_worker import LARGEST, LEASE, STAGES, bytes_of, main
from tests.service.patience import PATIENCE
from tests.service.processes import process

KILLS, WORKERS = 10, 2


class Crew:
    """Worker processes."""

    def __init__(self, url: str, folder: Path) -> None:
        self._arguments = (url, str(folder))
        self.workers: list[BaseProcess] = []

    def hire(self) -> BaseProcess:
        """Start one more."""
        worker = process(main, *self._arguments)
        worker.start()
        self.workers.append(worker)
        return worker

    def kill(self, worker: BaseProcess) -> None:
        """Kill one, whatever it does."""
        worker.kill()
        worker.join()
        self.workers.remove(worker)


@contextmanager
def crew(url: str, folder: Path) -> Iterator[Crew]:
    """Processes that do not outlive the block."""
    made = Crew(url, folder)
    try:
        yield made
    finally:
        for worker in list(made.workers):
            made.kill(worker)


def check_all(database: Database, artifacts: Artifacts, tenant: str, submitted: dict[str, int]) -> None:
    """Every job has its one right result, and the artifacts are those of the results, whole."""
    with database.read() as session:
        jobs = session.scalars(select(Job)).all()
        finished = select(JobEvent.job_id, func.count()).where(JobEvent.event == "finished")
        finishes = {row[0]: row[1] for row in session.execute(finished.group_by(JobEvent.job_id))}
        stages = {(stage.job_id, stage.stage) for stage in session.scalars(select(JobStage))}
    assert {job.id for job in jobs} == submitted.keys()
    assert finishes == dict.fromkeys(submitted, 1)
    assert stages == {(job, stage) for job in submitted for stage in STAGES}
    digests = set()
    for job in jobs:
        assert (job.execution, job.proof, job.lease_owner) == (Status.SUCCEEDED, Status.SUCCEEDED, None)
        for stage in STAGES:
            data = bytes_of(submitted[job.id], stage)
            digest = hashlib.sha256(data).hexdigest()
            assert job.result is not None and job.result[stage] == {"digest": digest}
            assert b"".join(artifacts.read(tenant, digest)) == data
            digests.add(digest)
    artifacts.delete_unreferenced(timedelta(seconds=-1))
    files = [Path(path) for path in artifacts._files.find(artifacts._root)]
    assert {path.name for path in files} == digests
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


@pytest.mark.parametrize("kills", [KILLS, pytest.param(50, marks=pytest.mark.long)])
def test_killed_workers(kills: int, url: str, database: Database, tenant: str, tmp_path: Path) -> None:
    chance = random.Random(kills)
    jobs, artifacts = Jobs(database), Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    submitted: dict[str, int] = {}

    def submit(count: int) -> None:
        for _ in range(count):
            seed = len(submitted)
            order = Order(Kind.PROVE, "sumcheck", {"seed": seed})
            submitted[jobs.submit(tenant, order, f"key {seed}").id] = seed

    with crew(url, tmp_path / "artifacts") as working:
        for _ in range(WORKERS):
            working.hire()
        for _ in range(kills):
            submit(2)
            time.sleep(chance.uniform(0.1, 0.6))
            working.kill(chance.choice(working.workers))
            working.hire()
        until = time.monotonic() + PATIENCE
        while any(job.finished_at is None for job in jobs.list(tenant, limit=1000)):
            assert time.monotonic() < until, "a job does not end"
            time.sleep(0.1)
        attempts = sum(job.attempts for job in jobs.list(tenant, limit=1000))
        check_all(database, artifacts, tenant, submitted)
    assert attempts > len(submitted), "no worker was killed while it worked"


def test_a_worker_that_stood_still_does_not_write(
    url: str, database: Database, tenant: str, tmp_path: Path
) -> None:
    """A process is stopped in the midst of a job, for longer than its lease, and then goes on."""
    jobs, artifacts = Jobs(database), Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    with crew(url, tmp_path / "artifacts") as working:
        paused = working.hire()
        job = jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {"seed": 1, "seconds": 0.3}))
        while jobs.get(tenant, job.id).stage is None:
            time.sleep(0.002)
        assert paused.pid is not None
        os.kill(paused.pid, signal.SIGSTOP)
        held = jobs.get(tenant, job.id).lease_owner
        assert held is not None, "the job had ended before the worker was stopped"
        other = working.hire()
        until = time.monotonic() + PATIENCE
        while (ended := jobs.get(tenant, job.id)).finished_at is None:
            assert time.monotonic() < until, "the job does not end"
            time.sleep(0.05)
        assert other.pid is not None and ended.attempts == 2
        events = len(jobs.events(tenant, job.id))
        os.kill(paused.pid, signal.SIGCONT)
        time.sleep(2 * LEASE.total_seconds())
        assert len(jobs.events(tenant, job.id)) == events
        check_all(database, artifacts, tenant, {job.id: 1})
        # It has noticed, and works on.
        working.kill(other)
        second = jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {"seed": 2}))
        while jobs.get(tenant, second.id).finished_at is None:
            assert time.monotonic() < until, "the worker does not go on"
            time.sleep(0.05)
        check_all(database, artifacts, tenant, {job.id: 1, second.id: 2})


def test_a_terminated_worker_gives_its_job_back(
    url: str, database: Database, tenant: str, tmp_path: Path
) -> None:
    jobs, artifacts = Jobs(database), Artifacts(database, str(tmp_path / "artifacts"), LARGEST)
    submitted = {
        jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {"seed": seed})).id: seed for seed in range(20)
    }
    with crew(url, tmp_path / "artifacts") as working:
        for _ in range(3):
            worker = working.hire()
            done = sum(job.finished_at is not None for job in jobs.list(tenant))
            while sum(job.finished_at is not None for job in jobs.list(tenant)) < done + 3:
                time.sleep(0.02)
            worker.terminate()
            worker.join()
            assert worker.exitcode == 0
            assert all(job.lease_owner is None for job in jobs.list(tenant))
        working.hire()
        until = time.monotonic() + PATIENCE
        while any(job.finished_at is None for job in jobs.list(tenant)):
            assert time.monotonic() < until, "a job does not end"
            time.sleep(0.05)
        check_all(database, artifacts, tenant, submitted)
    assert all(job.attempts == 1 for job in jobs.list(tenant))
