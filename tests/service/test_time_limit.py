"""No job holds a worker for longer than it may: it ends, says so, and the worker goes on with others."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from circuits.compile import compile_file
from service import metrics
from service.database import Database, JobStage, Kind, Status
from service.embedded import Workers
from service.jobs import Jobs, Order
from service.leases import Lease, Leases
from service.stages import CLAIM, EXECUTE
from service.worker import Context, Handler, Result, Worker
from tests.service import endless_worker
from tests.service.serving import add_model, opened
from tests.service.test_worker import ended, soon
from tests.service.working import Provable

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.service.endless_worker"])
LIMIT = 0.5
LONG = Order(Kind.PROVE, "sumcheck", {"long": True})
SHORT = Order(Kind.PROVE, "sumcheck", {"long": False})
TOO_LONG = f"it took more than {LIMIT:g} s"


@contextmanager
def working(leases: Leases, handler: Handler) -> Iterator[Worker]:
    """A worker with a limit."""
    worker = Worker(leases, {Kind.PROVE: handler}, poll_seconds=0.02, job_seconds=LIMIT)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def leases_of(database: Database) -> Leases:
    return Leases(database, timedelta(seconds=30), backoff=timedelta(0))


def until_told(context: Context) -> Result:
    """Work, and tell of it, until told to end; or at once if the job is short."""
    context.stage(EXECUTE, dict)
    while context.lease.request["long"]:
        context.progress("at work")
        time.sleep(0.01)
    return {}


def counted(outcome: str) -> float:
    labels = {"kind": "prove", "tier": "sumcheck", "outcome": outcome}
    return metrics.WORK.get_sample_value("verinfer_jobs_total", labels) or 0.0


def test_a_job_that_takes_too_long_has_failed_and_is_not_tried_again(database: Database, tenant: str) -> None:
    jobs, overdue, lost = Jobs(database), counted("overdue"), counted("lost")
    with working(leases_of(database), until_told):
        long, short = jobs.submit(tenant, LONG).id, jobs.submit(tenant, SHORT).id
        failed = ended(jobs, tenant, long)
        assert ended(jobs, tenant, short).proof is Status.SUCCEEDED  # by the same worker
    assert (failed.execution, failed.proof) == (Status.SUCCEEDED, Status.FAILED)
    assert (failed.error, failed.attempts, failed.lease_owner) == (TOO_LONG, 1, None)
    last = jobs.events(tenant, long, limit=1000)[-1]
    assert (last.event, last.data) == ("finished", {"status": "failed", "error": TOO_LONG})
    assert (counted("overdue"), counted("lost")) == (overdue + 1, lost)


def test_its_tenant_may_try_it_again_and_has_the_whole_time_anew(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    quick = threading.Event()

    def handler(context: Context) -> Result:
        context.stage(EXECUTE, dict)
        return {} if quick.is_set() else until_told(context)

    with working(leases_of(database), handler):
        job = jobs.submit(tenant, LONG).id
        assert ended(jobs, tenant, job).error == TOO_LONG
        quick.set()
        jobs.retry(tenant, job)
        done = ended(jobs, tenant, job)
    assert (done.proof, done.error) == (Status.SUCCEEDED, None)


def test_a_handler_that_never_looks_keeps_its_job_no_longer(database: Database, tenant: str) -> None:
    """What it brings in the end is not taken."""
    jobs, go_on = Jobs(database), threading.Event()

    def deaf(context: Context) -> Result:
        go_on.wait()
        return {"late": True}

    with working(leases_of(database), deaf):
        job = jobs.submit(tenant, LONG).id
        try:
            failed = ended(jobs, tenant, job)  # while the handler still works
        finally:
            go_on.set()
    assert (failed.error, failed.attempts) == (TOO_LONG, 1)
    assert jobs.get(tenant, job).result is None
    assert [event.event for event in jobs.events(tenant, job)].count("finished") == 1


def test_jobs_that_were_slow_together_are_done_one_by_one(database: Database, tenant: str) -> None:
    """None of them fails for the time that the others took."""
    jobs = Jobs(database)
    ids = [jobs.submit(tenant, LONG).id for _ in range(3)]
    alone: list[str] = []

    def handler(context: Context) -> Result:
        if context.lease.attempt > 1:
            alone.append(context.lease.job_id)
            context.stage(EXECUTE, dict)
            return {}
        context.gather(2)
        while True:
            context.check()
            time.sleep(0.01)

    with working(leases_of(database), handler):
        done = [ended(jobs, tenant, job) for job in ids]
    assert [job.proof for job in done] == [Status.SUCCEEDED] * 3 and sorted(alone) == sorted(ids)
    for job in ids:
        assert TOO_LONG in [event.data.get("why") for event in jobs.events(tenant, job)]


def test_a_job_with_a_bond_at_stake_does_not_fail_of_one_slow_look(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    job = jobs.submit(tenant, LONG).id

    def handler(context: Context) -> Result:
        context.stage(EXECUTE, dict)
        context.stage(CLAIM, dict)
        return {} if context.lease.attempt > 1 else until_told(context)

    with working(leases_of(database), handler):
        done = ended(jobs, tenant, job)
    assert (done.proof, done.attempts) == (Status.SUCCEEDED, 2)
    with database.read() as session:
        assert session.get(JobStage, (job, CLAIM)) is not None


def test_a_database_that_is_away_when_the_time_is_over_is_asked_again(
    database: Database, tenant: str
) -> None:
    class Away(Leases):
        asked = 0

        def fail(self, lease: Lease, error: str) -> None:
            self.asked += 1
            if self.asked == 1:
                raise OperationalError("", None, Exception("no connection"))
            super().fail(lease, error)

    jobs, leases = Jobs(database), Away(database, timedelta(seconds=30))
    with working(leases, until_told):
        assert ended(jobs, tenant, jobs.submit(tenant, LONG).id).error == TOO_LONG
    assert leases.asked == 2


@pytest.mark.parametrize("keeps_interpreter", [False, True])
def test_native_code_that_never_ends_ends_with_its_process(
    keeps_interpreter: bool, url: str, database: Database, tenant: str
) -> None:
    """Where it keeps even our own threads from running, the job ends as if its worker had been killed."""
    jobs, attempts = Jobs(database), 2
    order = Order(Kind.PROVE, "sumcheck", {"keeps_interpreter": keeps_interpreter})
    job = jobs.submit(tenant, order).id
    worker = CONTEXT.Process(target=endless_worker.main, args=(url, attempts), daemon=True)
    worker.start()
    second = None
    try:
        worker.join(30)
        assert worker.exitcode == -signal.SIGALRM
        if keeps_interpreter:
            second = CONTEXT.Process(target=endless_worker.main, args=(url, attempts), daemon=True)
            second.start()
            second.join(30)
            assert second.exitcode == -signal.SIGALRM
            finder = Leases(database, endless_worker.LEASE, attempts)
            soon(lambda: (finder.recover(), jobs.get(tenant, job).finished_at is not None)[1])
    finally:
        for process in (worker, second):
            if process is not None and process.is_alive():
                process.kill()
    failed = jobs.get(tenant, job)
    if keeps_interpreter:
        assert (failed.attempts, failed.execution) == (2, Status.FAILED)
        assert failed.error is not None and failed.error.startswith("given up after ")
    else:
        limit = endless_worker.JOB_SECONDS
        assert (failed.attempts, failed.error) == (1, f"it took more than {limit:g} s")


def test_a_long_proof_ends_and_its_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, digits: Path
) -> None:
    """With the server's own worker and a real proof: of more samples than any machine proves in the time."""
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    with opened(tmp_path / "data", database=url, job_seconds=3) as parts:
        provable = Provable(parts, parts.tenant("one"))
        circuit = compile_file(digits / "cnn.onnx", digits / "calibration.npz").circuit
        version, _ = add_model(parts, provable.tenant, circuit, "long")
        image = [0] * 64
        digest = provable.put(json.dumps({"input_ints": [[image] * 4096]}).encode())
        order = Order(Kind.PROVE, "sumcheck", {"input": digest}, version)
        workers = Workers(parts.settings)
        workers.start()
        try:
            [failed] = provable.wait([parts.jobs.submit(provable.tenant, order).id])
            [following] = provable.submit(1)
            soon(lambda: provable.job(following).started_at is not None)
        finally:
            workers.stop()
    assert (failed.error, failed.attempts) == ("it took more than 3 s", 1)


def test_who_is_ended_for_a_long_job_is_replaced_at_once(tmp_path: Path, url: str) -> None:
    """Else whoever sends such jobs would have workers stand idle for ever longer."""
    with opened(tmp_path / "data", database=url) as parts:
        workers = Workers(parts.settings)
        workers.start()
        try:
            soon(lambda: len(workers.pids) == 1)
            began = time.monotonic()
            for _ in range(4):
                [pid] = workers.pids
                os.kill(pid, signal.SIGALRM)
                soon(lambda pid=pid: workers.pids not in ([], [pid]))  # type: ignore[misc]
            assert time.monotonic() - began < 12, "the waits grew"  # to 1 + 2 + 4 + 8 seconds
        finally:
            workers.stop()
