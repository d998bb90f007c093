"""Jobs as workers see them: one holder at a time, one result each, everybody's turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from service.database import Database, Job, Kind, Status, now
from service.errors import Conflict, LeaseLost
from service.fair import Candidate, in_turn
from service.jobs import Jobs, Order
from service.leases import Lease, Leases, Sort
from service.stages import EXECUTE
from tests.service.conftest import add_tenant
from tests.service.patience import PATIENCE

KINDS = list(Kind)
ORDER = Order(Kind.VERIFY, "sumcheck", {})
PROOF = Order(Kind.PROVE, "sumcheck", {})
SHORT = timedelta(milliseconds=50)


def claimed(leases: Leases, worker: str = "w") -> Lease:
    lease = leases.claim(worker, KINDS)
    assert lease is not None
    return lease


def claimed_soon(leases: Leases) -> Lease:
    until = time.monotonic() + PATIENCE
    while (lease := leases.claim("w", KINDS)) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return lease


def clock(database: Database) -> datetime:
    """What a database takes the time to be."""
    with database.read() as session:
        return now(session)


def set_job(database: Database, job_id: str, **moments: datetime) -> None:
    """Move moments in a job's row, so that none has to be waited for."""
    with database.write() as session:
        for name, moment in moments.items():
            setattr(session.get_one(Job, job_id), name, moment)


def test_jobs_are_taken_once_and_in_order(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    made = [jobs.submit(tenant, ORDER).id for _ in range(3)]
    assert [claimed(leases).job_id for _ in range(3)] == made
    assert leases.claim("w", KINDS) is None


def test_only_kinds_that_a_worker_can_do(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    jobs.submit(tenant, ORDER)
    wanted = jobs.submit(tenant, Order(Kind.COMPILE, "sumcheck", {}))
    lease = leases.claim("w", [Kind.COMPILE])
    assert lease is not None and lease.job_id == wanted.id
    assert leases.claim("w", [Kind.COMPILE]) is None


def test_many_workers_take_each_job_once(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    tenants = [tenant, add_tenant(database, "two")]
    made = {jobs.submit(tenants[i % 2], ORDER).id for i in range(60)}

    def work(worker: int) -> list[str]:
        taken = []
        while (lease := leases.claim(f"w{worker}", KINDS)) is not None:
            leases.succeed(lease, {"by": worker})
            taken.append(lease.job_id)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [job for part in pool.map(work, range(6)) for job in part]
    assert sorted(taken) == sorted(made)


def test_what_lost_its_lease_changes_nothing(database: Database, tenant: str) -> None:
    jobs = Jobs(database)
    leases = Leases(database, SHORT, backoff=timedelta(0))
    job = jobs.submit(tenant, PROOF)
    first = claimed(leases)
    leases.finish_stage(first, EXECUTE, {"output": 1})
    second = claimed_soon(leases)
    assert (second.job_id, second.attempt, second.done) == (job.id, 2, {EXECUTE: {"output": 1}})
    before = len(jobs.events(tenant, job.id))
    for write in (
        lambda: leases.heartbeat(first),
        lambda: leases.begin_stage(first, "prove"),
        lambda: leases.finish_stage(first, "prove", {}),
        lambda: leases.progress(first, "x"),
        lambda: leases.succeed(first, {"by": "first"}),
        lambda: leases.fail(first, "x"),
        lambda: leases.cancel(first),
        lambda: leases.try_again(first, "x"),
        lambda: leases.give_back(first),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert len(jobs.events(tenant, job.id)) == before
    leases.succeed(second, {"by": "second"})
    with pytest.raises(LeaseLost):
        leases.succeed(second, {"by": "second, again"})
    assert jobs.get(tenant, job.id).result == {"by": "second"}


def test_no_proof_succeeds_before_its_execution(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    job = jobs.submit(tenant, PROOF)
    lease = claimed(leases)
    with pytest.raises(Conflict, match=r"the proof of job .* is queued and cannot become succeeded"):
        leases.succeed(lease, {})
    assert jobs.get(tenant, job.id).result is None
    leases.finish_stage(lease, EXECUTE, {})
    leases.succeed(lease, {})


def test_heartbeats_keep_a_lease(database: Database, tenant: str) -> None:
    length = timedelta(minutes=1)
    leases = Leases(database, length, backoff=timedelta(0))
    job = Jobs(database).submit(tenant, ORDER)
    lease = claimed(leases)
    for _ in range(3):
        set_job(database, job.id, lease_until=clock(database) + timedelta(seconds=20))
        before = clock(database)
        leases.heartbeat(lease)
        until = Jobs(database).get(tenant, job.id).lease_until
        assert until is not None and before <= until - length <= clock(database)
        assert leases.claim("other", KINDS) is None
    leases.succeed(lease, {})


def test_a_job_is_given_up_after_so_many_attempts(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database, SHORT, most_attempts=3, backoff=timedelta(0))
    job = jobs.submit(tenant, PROOF)
    assert [claimed_soon(leases).attempt for _ in range(3)] == [1, 2, 3]
    time.sleep(0.1)
    assert leases.claim("w", KINDS) is None
    failed = jobs.get(tenant, job.id)
    assert failed.error == "given up after 3 attempts; the last: the worker was lost"
    assert (failed.execution, failed.proof, failed.lease_owner) == (Status.FAILED, Status.CANCELLED, None)


def test_attempts_wait_longer_and_longer(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database, backoff=timedelta(minutes=1))
    job = jobs.submit(tenant, ORDER)
    for attempt, minutes in enumerate((1, 2, 4), start=1):
        lease = claimed(leases)
        assert lease.attempt == attempt
        before = clock(database)
        leases.try_again(lease, "not now")
        assert leases.claim("w", KINDS) is None
        asked = jobs.get(tenant, job.id).not_before - timedelta(minutes=minutes)
        assert before <= asked <= clock(database)
        set_job(database, job.id, not_before=before)


def test_what_is_given_back_counts_no_attempt(database: Database, tenant: str) -> None:
    leases = Leases(database)
    Jobs(database).submit(tenant, ORDER)
    for _ in range(10):
        lease = claimed(leases)
        assert lease.attempt == 1
        leases.give_back(lease)


def test_a_cancelled_job_of_a_lost_worker_ends(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database, SHORT)
    job = jobs.submit(tenant, ORDER)
    claimed(leases)
    jobs.cancel(tenant, job.id)
    time.sleep(0.1)
    assert leases.claim("w", KINDS) is None
    assert jobs.get(tenant, job.id).execution is Status.CANCELLED


def test_a_thousand_jobs_do_not_starve_one(database: Database, tenant: str) -> None:
    jobs, leases = Jobs(database), Leases(database)
    for _ in range(1000 if database.engine.name == "sqlite" else 200):
        jobs.submit(tenant, ORDER)
    for _ in range(3):
        leases.succeed(claimed(leases), {})
    small = add_tenant(database, "small")
    mine = [jobs.submit(small, ORDER).id for _ in range(5)]
    order = []
    for _ in range(12):
        lease = claimed(leases)
        order.append(lease.job_id)
        leases.succeed(lease, {})
    assert [order.index(job) for job in mine] == [0, 2, 4, 6, 8]


def test_running_jobs_are_shared_out_by_weight(database: Database) -> None:
    jobs, leases = Jobs(database), Leases(database)
    names = {
        add_tenant(database, "light"): "light",
        add_tenant(database, "heavy", weight=3): "heavy",
        add_tenant(database, "capped", running_jobs=1): "capped",
    }
    for tenant in names:
        for _ in range(20):
            jobs.submit(tenant, ORDER)
    with ThreadPoolExecutor(4) as pool:
        running = list(pool.map(lambda i: claimed(leases, f"w{i}"), range(13)))
    shares = Counter(names[lease.tenant_id] for lease in running)
    assert shares == {"light": 3, "heavy": 9, "capped": 1}


def test_turns() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    new = Candidate("new", 0, 1, None, None)
    old = Candidate("old", 0, 1, None, at)
    late = Candidate("late", 0, 1, None, at + timedelta(seconds=1))
    busy = Candidate("busy", 1, 1, None, None)
    full = Candidate("full", 2, 10, 2, None)
    none = Candidate("none", 0, 1, 0, None)
    assert in_turn([busy, late, full, old, new, none]) == [new, old, late, busy]


def test_a_paused_worker_cannot_overwrite_the_result(database: Database, tenant: str) -> None:
    """The first worker sleeps past its lease just before it hands its result in."""
    jobs, leases = Jobs(database), Leases(database, SHORT, backoff=timedelta(0))
    job = jobs.submit(tenant, ORDER)
    paused, go_on, lost = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        lease = claimed(leases, "first")
        paused.set()
        go_on.wait()
        with pytest.raises(LeaseLost):
            leases.succeed(lease, {"by": "first"})
        lost.set()

    thread = threading.Thread(target=first)
    thread.start()
    paused.wait()
    second = claimed_soon(leases)
    go_on.set()
    thread.join()
    assert lost.is_set()
    leases.succeed(second, {"by": "second"})
    assert jobs.get(tenant, job.id).result == {"by": "second"}


def test_jobs_of_a_sort_are_counted_and_taken(database: Database, tenant: str) -> None:
    two = add_tenant(database, "two", running_jobs=1)
    leases, jobs = Leases(database), Jobs(database)
    kinds = list(Kind)
    for owner, kind, count in ((tenant, Kind.PROVE, 3), (two, Kind.PROVE, 2), (tenant, Kind.VERIFY, 1)):
        for number in range(count):
            jobs.submit(owner, Order(kind, "sumcheck", {"number": number}))
    proofs, checks = Sort(Kind.PROVE, "sumcheck", None), Sort(Kind.VERIFY, "sumcheck", None)
    # Of the second tenant only one may run.
    assert leases.waiting(kinds) == {proofs: 4, checks: 1} and leases.held("ray:1") == {}
    assert leases.claim("ray:1", kinds, [Sort(Kind.PROVE, "ezkl", None)]) is None
    assert leases.claim("ray:1", kinds, []) is None
    taken = [leases.claim(name, kinds, [proofs]) for name in ("ray:1", "ray:1", "ray:2")]
    assert {lease.tenant_id for lease in taken[:2] if lease} == {tenant, two}, "not in fair order"
    assert leases.held("ray:1") == {proofs: 2} and leases.held("ray:") == {proofs: 3}
    assert leases.held("ray_") == {}
    assert leases.waiting(kinds) == {proofs: 1, checks: 1}
    assert leases.waiting([Kind.VERIFY]) == {checks: 1}
    checked = leases.claim("other", kinds, [checks])
    assert checked is not None and checked.kind is Kind.VERIFY
