"""The worker's loop: stages, cancelling, draining, and whatever handlers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from circuits.errors import InputError
from service.database import Database, Job, Kind, Status
from service.jobs import Jobs, Order
from service.leases import Leases
from service.stages import EXECUTE
from service.worker import Context, Handler, Result, Worker
from tests.service.patience import PATIENCE

ORDER = Order(Kind.VERIFY, "sumcheck", {"x": 20})
PROOF = Order(Kind.PROVE, "sumcheck", {"x": 20})
QUICK = timedelta(seconds=0.4)


def quick(database: Database) -> Leases:
    return Leases(database, QUICK, most_attempts=3, backoff=timedelta(0))


@contextmanager
def working(leases: Leases, handler: Handler) -> Iterator[Worker]:
    worker = Worker(leases, {ORDER.kind: handler, PROOF.kind: handler}, poll_seconds=0.02)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def soon(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def ended(jobs: Jobs, tenant: str, job_id: str) -> Job:
    soon(lambda: jobs.get(tenant, job_id).finished_at is not None)
    return jobs.get(tenant, job_id)


def test_who_is_woken_looks_at_once_and_ends_at_once(database: Database, tenant: str) -> None:
    tried = []

    def handler(context: Context) -> Result:
        tried.append(context.lease.job_id)
        if len(tried) == 1:
            raise InputError("not this time")
        return {}

    jobs = Jobs(database)
    worker = Worker(quick(database), {ORDER.kind: handler}, poll_seconds=3600)
    jobs.wake_by(worker.wake)
    worker.start()
    try:
        job = jobs.submit(tenant, ORDER)
        assert ended(jobs, tenant, job.id).execution is Status.FAILED
        jobs.retry(tenant, job.id)
        assert ended(jobs, tenant, job.id).execution is Status.SUCCEEDED
    finally:
        began = time.monotonic()
        worker.stop()
    assert time.monotonic() - began < PATIENCE


def test_a_job_is_done_in_its_stages(database: Database, tenant: str) -> None:
    def handler(context: Context) -> Result:
        executed = context.stage(EXECUTE, lambda: {"y": context.lease.request["x"] + 1})
        context.progress("half way")
        proved = context.stage("prove", lambda: {"y": 2 * executed["y"]})
        assert context.stage("prove", lambda: pytest.fail("done twice")) == proved
        return proved

    jobs = Jobs(database)
    with working(quick(database), handler):
        job = ended(jobs, tenant, jobs.submit(tenant, PROOF).id)
    assert (job.execution, job.proof, job.result) == (Status.SUCCEEDED, Status.SUCCEEDED, {"y": 42})
    told = [(event.event, *event.data.values()) for event in jobs.events(tenant, job.id)]
    assert told == [
        ("submitted", "queued", "queued"),
        ("execution", "running"),
        ("stage", "execute", "running"),
        ("stage", "execute", "succeeded"),
        ("execution", "succeeded"),
        ("proof", "running"),
        ("progress", "half way"),
        ("stage", "prove", "running"),
        ("stage", "prove", "succeeded"),
        ("proof", "succeeded"),
        ("finished", "succeeded"),
    ]


def test_another_attempt_goes_on_where_one_failed(database: Database, tenant: str) -> None:
    done: list[str] = []

    def handler(context: Context) -> Result:
        def once(name: str) -> Result:
            done.append(name)
            if name == "b" and context.lease.attempt == 1:
                raise OSError("the disk was full")
            return {}

        for name in ("a", "b", "c"):
            context.stage(name, lambda name=name: once(name))  # type: ignore[misc]
        return {}

    jobs = Jobs(database)
    with working(quick(database), handler):
        job = ended(jobs, tenant, jobs.submit(tenant, ORDER).id)
    assert job.execution is Status.SUCCEEDED and done == ["a", "b", "b", "c"]


def test_a_wrong_input_ends_the_job_and_a_bug_does_after_some_attempts(
    database: Database, tenant: str
) -> None:
    attempts: list[int] = []

    def handler(context: Context) -> Result:
        attempts.append(context.lease.attempt)
        if context.lease.request["x"] == 1:
            raise InputError("x must not be 1")
        raise ZeroDivisionError("secret")

    jobs = Jobs(database)
    with working(quick(database), handler):
        wrong = ended(jobs, tenant, jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {"x": 1})).id)
        broken = ended(jobs, tenant, jobs.submit(tenant, ORDER).id)
    assert (wrong.execution, wrong.error) == (Status.FAILED, "x must not be 1")
    assert broken.execution is Status.FAILED and attempts == [1, 1, 2, 3]
    assert broken.error == "given up after 3 attempts; the last: an internal error (ZeroDivisionError)"


def test_a_result_that_is_none_fails_the_job_and_not_the_worker(database: Database, tenant: str) -> None:
    """A proof without an execution, and a result that is no JSON."""
    jobs = Jobs(database)
    with working(
        quick(database), lambda context: {"x": object()} if context.lease.kind is Kind.VERIFY else {}
    ):
        assert ended(jobs, tenant, jobs.submit(tenant, ORDER).id).execution is Status.FAILED
        assert ended(jobs, tenant, jobs.submit(tenant, PROOF).id).execution is Status.FAILED


def test_long_work_keeps_its_lease_and_is_cancelled(database: Database, tenant: str) -> None:
    began = threading.Event()

    def handler(context: Context) -> Result:
        def work() -> Result:
            began.set()
            while not context.cancelled:
                time.sleep(0.01)
            return {}

        return context.stage("work", work)

    jobs = Jobs(database)
    job = jobs.submit(tenant, ORDER)
    with working(quick(database), handler):
        began.wait()
        time.sleep(3 * QUICK.total_seconds())
        assert jobs.get(tenant, job.id).attempts == 1
        jobs.cancel(tenant, job.id)
        assert ended(jobs, tenant, job.id).execution is Status.CANCELLED
    assert jobs.get(tenant, job.id).attempts == 1


def test_a_stopping_worker_finishes_its_stage_and_gives_the_job_back(database: Database, tenant: str) -> None:
    began, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def handler(context: Context) -> Result:
        def first() -> Result:
            began.set()
            go_on.wait()
            done.append("first")
            return {}

        def second() -> Result:
            done.append("second")
            return {}

        context.stage("first", first)
        return context.stage("second", second)

    jobs = Jobs(database)
    job = jobs.submit(tenant, ORDER)
    with working(quick(database), handler) as worker:
        began.wait()
        threading.Timer(0.1, go_on.set).start()
        worker.stop()
    given_back = jobs.get(tenant, job.id)
    assert (given_back.execution, given_back.attempts, done) == (Status.QUEUED, 0, ["first"])
    with working(quick(database), handler):
        assert ended(jobs, tenant, job.id).execution is Status.SUCCEEDED
    assert done == ["first", "second"]


def test_a_worker_that_lost_its_lease_stops_at_the_next_step(database: Database, tenant: str) -> None:
    """The heart of the first worker stands still; the second does the job once, and its result stays."""
    leases, jobs = quick(database), Jobs(database)
    began, go_on = threading.Event(), threading.Event()

    def slow(context: Context) -> Result:
        def work() -> Result:
            began.set()
            go_on.wait()
            return {"by": "slow"}

        return context.stage("work", work)

    class Heartless(Leases):
        def heartbeat(self, lease: object) -> bool:
            raise OperationalError("", None, Exception("no connection"))

    job = jobs.submit(tenant, ORDER)
    with working(Heartless(database, QUICK, most_attempts=3, backoff=timedelta(0)), slow) as first:
        began.wait()
        first._thread.stopping.set()
        with working(leases, lambda context: context.stage("work", lambda: {"by": "quick"})):
            assert ended(jobs, tenant, job.id).result == {"by": "quick"}
        go_on.set()
    assert jobs.get(tenant, job.id).result == {"by": "quick"}
    assert [event.event for event in jobs.events(tenant, job.id)].count("finished") == 1


def test_a_database_that_fails_for_a_while_stops_no_worker(database: Database, tenant: str) -> None:
    class Flaky(Leases):
        failures = 5

        def claim(self, *arguments: object) -> object:  # type: ignore[override]
            if self.failures:
                self.failures -= 1
                raise OperationalError("", None, Exception("no connection"))
            return super().claim(*arguments)  # type: ignore[arg-type]

    jobs = Jobs(database)
    with working(Flaky(database), lambda context: {}):
        assert ended(jobs, tenant, jobs.submit(tenant, ORDER).id).execution is Status.SUCCEEDED


def test_progress_is_told_now_and_then_and_the_last_of_it_always(database: Database, tenant: str) -> None:
    waits = threading.Event()

    def handler(context: Context) -> Result:
        for number in range(200):
            context.progress(f"first {number}")
        context.stage("work", dict)
        for number in range(200):
            context.progress(f"second {number}")
        soon(lambda: told()[-1] == "second 199")  # though nothing more is said
        waits.set()
        for number in range(200):
            context.progress(f"third {number}")
        return {}

    def told() -> list[str]:
        events = jobs.events(tenant, job.id, limit=1000)
        return [event.data["text"] for event in events if event.event == "progress"]

    jobs = Jobs(database)
    job = jobs.submit(tenant, ORDER)
    began = time.monotonic()
    with working(quick(database), handler):
        ended(jobs, tenant, job.id)
    assert waits.is_set()
    found = told()
    assert {"first 0", "first 199", "second 199", "third 199"} <= set(found)
    # Two a second, and one more at the end of each of two stages.
    assert len(found) <= 2 * (time.monotonic() - began) + 4
