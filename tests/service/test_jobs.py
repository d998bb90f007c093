"""Jobs as tenants see them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from service.database import Artifact, Database, Job, Kind, Model, Status, Version
from service.errors import Conflict, NotFound, QuotaExceeded
from service.jobs import MOVES, Jobs, Order, lock, move
from service.leases import Leases
from service.stages import EXECUTE
from tests.service.conftest import add_tenant

ORDER = Order(Kind.PROVE, "sumcheck", {"input": "x"})
KINDS = list(Kind)


def test_a_job_is_accepted_and_found(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    job = jobs.submit(tenant, ORDER)
    found = jobs.get(tenant, job.id)
    assert (found.execution, found.proof, found.kind) == (Status.QUEUED, Status.QUEUED, Kind.PROVE)
    assert found.created_at.tzinfo is UTC and abs(found.created_at - datetime.now(UTC)).total_seconds() < 60
    assert jobs.submit(tenant, Order(Kind.COMPILE, "sumcheck", {})).proof is Status.NONE
    assert [(event.sequence, event.event) for event in jobs.events(tenant, job.id)] == [(1, "submitted")]


def test_the_same_request_is_the_same_job(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    job = jobs.submit(tenant, ORDER, "key")
    assert jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {"input": "x"}), "key").id == job.id
    for other in (
        Order(Kind.PROVE, "sumcheck", {"input": "y"}),
        Order(Kind.PROVE, "ezkl", {"input": "x"}),
        Order(Kind.SETUP, "sumcheck", {"input": "x"}),
    ):
        with pytest.raises(Conflict, match="used for another request"):
            jobs.submit(tenant, other, "key")
    assert jobs.submit(add_tenant(database, "two"), ORDER, "key").id != job.id
    assert jobs.submit(tenant, ORDER).id != jobs.submit(tenant, ORDER).id


def test_the_same_request_many_times_at_once_is_one_job(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda i: jobs.submit(tenant, ORDER, f"key {i % 5}").id, range(40)))
    assert len(ids) == 5
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 5


def test_a_tenant_has_no_more_jobs_than_its_limit(database: Database) -> None:
    tenant, jobs = add_tenant(database, "limited", open_jobs=3), Jobs(database)

    def submit(_: int) -> bool:
        try:
            jobs.submit(tenant, ORDER)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(submit, range(12))) == 3
    first = jobs.list(tenant)[-1]
    jobs.cancel(tenant, first.id)
    jobs.submit(tenant, ORDER)
    with pytest.raises(QuotaExceeded, match="3 jobs wait or run already"):
        jobs.retry(tenant, first.id)


def test_another_tenants_job_looks_like_none(database: Database, tenant: str) -> None:
    jobs, other = Jobs(database), add_tenant(database, "two")
    job = jobs.submit(tenant, ORDER)
    for call in (jobs.get, jobs.events, jobs.cancel, jobs.retry):
        with pytest.raises(NotFound) as foreign:
            call(other, job.id)
        with pytest.raises(NotFound) as absent:
            call(other, job.id[:-1] + "z")
        assert str(foreign.value)[:-1] == str(absent.value)[:-1]
    assert list(jobs.list(other)) == []


def test_another_tenants_version_cannot_be_used(database: Database, tenant: str) -> None:
    jobs, other, at = Jobs(database), add_tenant(database, "two"), datetime.now(UTC)
    with database.write() as session:
        session.add(Artifact(digest="d", size=0, media_type="", created_at=at))
        session.add(Model(id="m", tenant_id=tenant, name="m", created_at=at))
        session.flush()
        session.add(Version(id="v", model_id="m", number=1, circuit_id="0x", circuit="d", created_at=at))
    order = Order(Kind.PROVE, "sumcheck", {}, "v")
    assert jobs.submit(tenant, order).version_id == "v"
    with pytest.raises(NotFound, match="no version v"):
        jobs.submit(other, order)
    with database.write() as session:
        session.get_one(Model, "m").public = True
    assert jobs.submit(other, order).version_id == "v"


def test_pages_hold_each_job_once(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    made = [jobs.submit(tenant, ORDER).id for _ in range(10)]
    jobs.submit(add_tenant(database, "two"), ORDER)
    pages, before = [], None
    while page := jobs.list(tenant, before, 4):
        pages.append([job.id for job in page])
        before = page[-1].id
        jobs.submit(tenant, ORDER)  # newer ones move nothing
    assert list(itertools.chain(*pages)) == made[::-1] and [len(page) for page in pages] == [4, 4, 2]


def test_a_waiting_job_is_cancelled_at_once_and_can_be_tried_again(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, ORDER)
    cancelled = jobs.cancel(tenant, job.id)
    assert (cancelled.execution, cancelled.proof) == (Status.CANCELLED, Status.CANCELLED)
    assert cancelled.finished_at is not None and leases.claim("w", KINDS) is None
    assert jobs.cancel(tenant, job.id).finished_at == cancelled.finished_at
    again = jobs.retry(tenant, job.id)
    assert (again.execution, again.proof, again.finished_at) == (Status.QUEUED, Status.QUEUED, None)
    with pytest.raises(Conflict, match="only a job that failed or was cancelled"):
        jobs.retry(tenant, job.id)
    lease = leases.claim("w", KINDS)
    assert lease is not None and lease.job_id == job.id


def test_a_running_job_is_cancelled_by_its_worker(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, ORDER)
    lease = leases.claim("w", KINDS)
    assert lease is not None and not leases.heartbeat(lease)
    assert jobs.cancel(tenant, job.id).execution is Status.RUNNING
    assert leases.heartbeat(lease)
    leases.cancel(lease)
    assert jobs.get(tenant, job.id).execution is Status.CANCELLED


def test_a_failed_proof_is_tried_again_without_the_execution(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, ORDER)
    lease = leases.claim("w", KINDS)
    assert lease is not None and lease.done == {}
    leases.begin_stage(lease, EXECUTE)
    leases.finish_stage(lease, EXECUTE, {"output": "y"})
    running = jobs.get(tenant, job.id)
    assert (running.execution, running.proof) == (Status.SUCCEEDED, Status.RUNNING)
    leases.fail(lease, "no")
    failed = jobs.get(tenant, job.id)
    assert (failed.execution, failed.proof, failed.error) == (Status.SUCCEEDED, Status.FAILED, "no")
    again = jobs.retry(tenant, job.id)
    assert (again.execution, again.proof, again.error) == (Status.SUCCEEDED, Status.QUEUED, None)
    lease = leases.claim("w", KINDS)
    assert lease is not None and lease.done == {EXECUTE: {"output": "y"}} and lease.attempt == 1
    leases.succeed(lease, {"proof": "p"})
    ended = jobs.get(tenant, job.id)
    assert (ended.proof, ended.result, ended.lease_owner) == (Status.SUCCEEDED, {"proof": "p"}, None)
    with pytest.raises(Conflict):
        jobs.retry(tenant, job.id)


def test_a_failed_execution_leaves_no_proof(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, ORDER)
    lease = leases.claim("w", KINDS)
    assert lease is not None
    leases.fail(lease, "the input does not fit")
    failed = jobs.get(tenant, job.id)
    assert (failed.execution, failed.proof) == (Status.FAILED, Status.CANCELLED)
    again = jobs.retry(tenant, job.id)
    assert (again.execution, again.proof) == (Status.QUEUED, Status.QUEUED)


def test_events_are_read_on_from_any_of_them(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {}))
    lease = leases.claim("w", KINDS)
    assert lease is not None
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: leases.progress(lease, f"{i}"), range(30)))
    leases.succeed(lease, {})
    events = jobs.events(tenant, job.id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    names = [event.event for event in events]
    assert names == ["submitted", "execution"] + ["progress"] * 30 + ["execution", "finished"]
    read, after = [], 0
    while page := jobs.events(tenant, job.id, after, 7):
        read += [event.sequence for event in page]
        after = read[-1]
    assert read == [event.sequence for event in events]


@pytest.mark.parametrize("which", ["execution", "proof"])
def test_only_legal_moves_are_made(database: Database, tenant: str, which: str) -> None:
    jobs = Jobs(database)
    for before, after in itertools.product(Status, Status):
        job = jobs.submit(tenant, ORDER)
        with database.write() as session:
            locked = lock(session, job.id)
            assert locked is not None
            setattr(locked, which, before)
            if after in MOVES[before]:
                move(session, locked, which, after)
                continue
            with pytest.raises(Conflict, match=f"is {before} and cannot become {after}"):
                move(session, locked, which, after)
            assert getattr(locked, which) is before


def test_orders_with_equal_digests_are_equal() -> None:
    assert Order(Kind.PROVE, "a", {"x": 1, "y": 2}).digest == Order(Kind.PROVE, "a", {"y": 2, "x": 1}).digest
    assert Order(Kind.PROVE, "a", {}).digest != Order(Kind.PROVE, "a", {}, "v").digest


def test_nothing_of_a_refused_job_is_kept(database: Database, tenant: str) -> None:
    def refuse(*_: object) -> None:
        raise QuotaExceeded("no")

    with pytest.raises(QuotaExceeded):
        Jobs(database, refuse).submit(tenant, ORDER, "key")
    assert list(Jobs(database).list(tenant)) == []
    Jobs(database).submit(tenant, Order(Kind.VERIFY, "sumcheck", {}), "key")
