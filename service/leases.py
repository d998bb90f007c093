"""Jobs as workers see them: taking one, keeping it by heartbeats, and ending it.

A lease is the right to work on a job until a time, which heartbeats put off. Each has an owner's name of its
own, and all that a worker writes is written only while the job's row still has that name: when a lease runs
out and another worker takes the job, the first one cannot change it any more. So each job gets one result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from service import metrics
from service.database import Database, Job, JobStage, Kind, Status, Tenant, now
from service.errors import LeaseLost
from service.fair import Candidate, in_turn
from service.identifiers import new_id
from service.jobs import add_event, end, lock, move
from service.ledger import What, record
from service.limits import DEFAULTS, Limits
from service.stages import EXECUTE

MAX_BACKOFF = timedelta(minutes=10)


class _Overtaken(Exception):
    """Another worker served the tenant meanwhile, so it may be another's turn."""


@dataclass(frozen=True)
class Sort:
    """Jobs that take about the same: of one kind, by one backend, about one version."""

    kind: Kind
    tier: str
    version_id: str | None


@dataclass(frozen=True)
class Lease:
    """A job in a worker's hands.

    Parameters
    ----------
    owner
        The lease's name, which no other has.
    attempt
        How many times the job was taken, this one included.
    trace
        What submitted it, for `service.tracing`.
    done
        The results of the stages that earlier attempts have finished.
    """

    job_id: str
    tenant_id: str
    owner: str
    kind: Kind
    tier: str
    version_id: str | None
    request: dict[str, Any]
    attempt: int
    trace: str | None
    done: dict[str, dict[str, Any]]


class Leases:
    """Takes jobs for workers and writes down what they do.

    Parameters
    ----------
    length
        How long a lease lasts without a heartbeat.
    most_attempts
        How often a job is begun before it is given up.
    backoff
        How long a job waits after its first failed attempt; after each further one, twice as long.
    defaults
        The limits of tenants that have none of their own.
    memory
        How many bytes a job may take here; jobs known to take more are left to others. None is any number.
    """

    def __init__(
        self,
        database: Database,
        length: timedelta = timedelta(seconds=30),
        most_attempts: int = 5,
        backoff: timedelta = timedelta(seconds=1),
        defaults: Limits = DEFAULTS,
        memory: int | None = None,
    ) -> None:
        self._database = database
        self.length, self.memory = length, memory
        self._most_attempts = most_attempts
        self._backoff = backoff
        self._defaults = defaults

    def claim(
        self, worker: str, kinds: Collection[Kind], sorts: Collection[Sort] | None = None
    ) -> Lease | None:
        """Take the job that is next, of some kinds; None if none can begin now.

        Parameters
        ----------
        worker
            Who takes it; the lease's owner begins with this.
        sorts
            Take a job of these sorts only.
        """
        self.recover()
        while True:
            with self._database.read() as session:
                candidates = in_turn(self._candidates(session, kinds, sorts))
            try:
                for candidate in candidates:
                    # A transaction for each: who held two tenants' rows could wait for who holds them too.
                    with self._database.write() as session:
                        lease = self._claim_from(session, candidate, worker, kinds, sorts)
                    if lease is not None:
                        return lease
                return None
            except _Overtaken:
                continue

    def gather(self, lease: Lease, most: int) -> list[Lease]:
        """Take waiting jobs of a lease's tenant, kind, tier, version and recipient, to be done together with
        its own.

        Only jobs that were never begun are taken, and none whose request says `alone`: what has failed once
        is done by itself from then on.
        """
        with self._database.write() as session:
            tenant = session.get_one(Tenant, lease.tenant_id, with_for_update={"key_share": True})
            cap = self._defaults.overlaid(tenant.limits).running_jobs
            if cap is not None:
                leased = select(func.count()).where(Job.tenant_id == tenant.id, Job.lease_owner.is_not(None))
                most = min(most, cap - session.scalars(leased).one())
            if most < 1:
                return []
            at = now(session)
            waiting = (
                select(Job)
                .where(
                    Job.tenant_id == tenant.id,
                    self._waiting(at, [lease.kind], None),
                    Job.tier == lease.tier,
                    Job.version_id == lease.version_id,
                    Job.attempts == 0,
                    Job.request["alone"].as_boolean().is_not(True),
                    # A proof is for one recipient, or for anyone.
                    Job.request["recipient"].as_string().is_not_distinct_from(lease.request.get("recipient")),
                )
                .order_by(Job.not_before, Job.id)
                .limit(most)
                .with_for_update(skip_locked=True)
            )
            worker = lease.owner.partition(" ")[0]
            return [self._take(session, job, worker, at) for job in session.scalars(waiting).all()]

    def waiting(self, kinds: Collection[Kind]) -> Counter[Sort]:
        """How many jobs of each sort could begin now, if there were workers: of each tenant, as many as its
        limits allow; of the first tenant in line first.
        """
        columns = (Job.tenant_id, Job.kind, Job.tier, Job.version_id)
        found: Counter[Sort] = Counter()
        with self._database.read() as session:
            counted = select(*columns, func.count()).where(self._waiting(now(session), kinds, None))
            rows = session.execute(counted.group_by(*columns)).all()
            for candidate in in_turn(self._candidates(session, kinds, None)):
                room = candidate.room
                for tenant, kind, tier, version, count in rows:
                    if tenant == candidate.tenant_id and room > 0:
                        found[Sort(kind, tier, version)] += int(min(count, room))
                        room -= count
        return found

    def held(self, worker: str) -> Counter[Sort]:
        """How many jobs of each sort are in the hands of those whose name begins so."""
        columns = (Job.kind, Job.tier, Job.version_id)
        mine = Job.lease_owner.startswith(worker, autoescape=True)
        counted = select(*columns, func.count()).where(Job.lease_owner.is_not(None), mine)
        with self._database.read() as session:
            rows = session.execute(counted.group_by(*columns)).all()
        return Counter({Sort(kind, tier, version): count for kind, tier, version, count in rows})

    def heartbeat(self, lease: Lease) -> bool:
        """Keep a lease for its whole length from now on.

        Returns
        -------
        bool
            Whether the tenant wants the job cancelled.

        Raises
        ------
        LeaseLost
            If the job is not this lease's any more.
        """
        with self._database.write() as session:
            job = _held(session, lease)
            job.lease_until = now(session) + self.length
            return job.cancel_requested

    def begin_stage(self, lease: Lease, stage: str) -> None:
        """Say which stage is being worked on. Raises LeaseLost."""
        with self._database.write() as session:
            job = _held(session, lease)
            job.stage = stage
            add_event(session, job, "stage", {"stage": stage, "status": Status.RUNNING})

    def finish_stage(self, lease: Lease, stage: str, result: dict[str, Any], seconds: float = 0.0) -> None:
        """Keep a stage's result, and what it took: no attempt does the stage again. Raises LeaseLost."""
        with self._database.write() as session:
            job = _held(session, lease)
            at = now(session)
            session.add(JobStage(job_id=job.id, stage=stage, result=result, finished_at=at))
            record(session, job.tenant_id, What.SECONDS, seconds, job.id)
            add_event(session, job, "stage", {"stage": stage, "status": Status.SUCCEEDED})
            if stage == EXECUTE and job.proof is Status.QUEUED:
                move(session, job, "execution", Status.SUCCEEDED)
                move(session, job, "proof", Status.RUNNING)

    def progress(self, lease: Lease, text: str) -> None:
        """Tell the tenant what is being done. Raises LeaseLost."""
        with self._database.write() as session:
            add_event(session, _held(session, lease), "progress", {"text": text})

    def succeed(self, lease: Lease, result: dict[str, Any]) -> None:
        """End a job with its result. Raises LeaseLost, and then the result is not taken."""
        with self._database.write() as session:
            job = _held(session, lease)
            job.result = result
            end(session, job, Status.SUCCEEDED)

    def fail(self, lease: Lease, error: str) -> None:
        """End a job that cannot succeed. Raises LeaseLost."""
        with self._database.write() as session:
            end(session, _held(session, lease), Status.FAILED, error)

    def cancel(self, lease: Lease) -> None:
        """End a job as its tenant wanted. Raises LeaseLost."""
        with self._database.write() as session:
            end(session, _held(session, lease), Status.CANCELLED)

    def try_again(self, lease: Lease, error: str) -> None:
        """Put a job back after a failure that may pass, or end it after too many. Raises LeaseLost."""
        with self._database.write() as session:
            self._put_back(session, _held(session, lease), error)

    def give_back(self, lease: Lease) -> None:
        """Put a job back unfinished: the attempt does not count. Raises LeaseLost."""
        with self._database.write() as session:
            job = _held(session, lease)
            job.attempts -= 1
            _queue(session, job, timedelta(0), "the worker stops")

    def leave(self, lease: Lease, memory: int, why: str) -> None:
        """Put a job back that takes more memory than there is here: the attempt does not count, and only who
        has so much takes it from now on. Raises LeaseLost."""
        with self._database.write() as session:
            job = _held(session, lease)
            job.attempts -= 1
            job.memory = memory
            _queue(session, job, timedelta(0), why)

    def postpone(self, lease: Lease, delay: timedelta) -> None:
        """Let go of a job that waits for something, until after a while. It runs on, in nobody's hands.

        Raises LeaseLost.
        """
        with self._database.write() as session:
            job = _held(session, lease)
            # It has got somewhere: what failed before does not count any more.
            job.attempts = 0
            job.lease_owner = job.lease_until = None
            job.not_before = now(session) + delay

    def recover(self) -> None:
        """Put back the jobs whose workers were lost."""
        with self._database.read() as session:
            lost = session.scalars(_lost(now(session))).all()
        if not lost:
            return
        with self._database.write() as session:
            locked = _lost(now(session)).with_only_columns(Job).with_for_update(skip_locked=True)
            for job in session.scalars(locked).all():
                if job.cancel_requested:
                    end(session, job, Status.CANCELLED)
                else:
                    self._put_back(session, job, "the worker was lost")
                metrics.lease_expired(job.kind)

    def _claim_from(
        self,
        session: Session,
        candidate: Candidate,
        worker: str,
        kinds: Collection[Kind],
        sorts: Collection[Sort] | None,
    ) -> Lease | None:
        # The tenant's row is locked, so that workers take its jobs one after another, by one order.
        tenant = session.get_one(Tenant, candidate.tenant_id, with_for_update={"key_share": True})
        if tenant.served_at != candidate.served_at:
            raise _Overtaken
        at = now(session)
        waiting = (
            select(Job)
            .where(Job.tenant_id == tenant.id, self._waiting(at, kinds, sorts))
            .order_by(Job.not_before, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        job = session.scalar(waiting)
        if job is None:
            return None
        tenant.served_at = at
        return self._take(session, job, worker, at)

    def _candidates(
        self, session: Session, kinds: Collection[Kind], sorts: Collection[Sort] | None
    ) -> list[Candidate]:
        waiting = self._waiting(now(session), kinds, sorts)
        waits = select(Job.id).where(Job.tenant_id == Tenant.id, waiting).exists()
        # The tenants come first: a claim made in between changes `served_at` after it was read, and is
        # noticed.
        tenants = session.scalars(select(Tenant).where(waits)).all()
        leased = select(Job.tenant_id, func.count()).where(Job.lease_owner.is_not(None))
        running = {row[0]: row[1] for row in session.execute(leased.group_by(Job.tenant_id))}
        candidates = []
        for tenant in tenants:
            limits = self._defaults.overlaid(tenant.limits)
            count = running.get(tenant.id, 0)
            candidates.append(
                Candidate(tenant.id, count, limits.weight, limits.running_jobs, tenant.served_at)
            )
        return candidates

    def _waiting(
        self, at: Any, kinds: Collection[Kind], sorts: Collection[Sort] | None
    ) -> ColumnElement[bool]:
        of_a_sort = [] if sorts is None else [or_(false(), *map(_is_of, sorts))]
        fits = [] if self.memory is None else [or_(Job.memory.is_(None), Job.memory <= self.memory)]
        return and_(
            Job.finished_at.is_(None),
            Job.lease_owner.is_(None),
            Job.not_before <= at,
            Job.kind.in_(kinds),
            *fits,
            *of_a_sort,
        )

    def _take(self, session: Session, job: Job, worker: str, at: datetime) -> Lease:
        """Give a worker a locked job that waits."""
        job.lease_owner, job.lease_until = f"{worker} {new_id()}", at + self.length
        job.attempts += 1
        job.started_at = job.started_at or at
        for which in ("execution", "proof"):
            if getattr(job, which) is Status.QUEUED:
                move(session, job, which, Status.RUNNING)
                break
        stages = session.scalars(select(JobStage).where(JobStage.job_id == job.id))
        return Lease(
            job.id,
            job.tenant_id,
            job.lease_owner,
            job.kind,
            job.tier,
            job.version_id,
            job.request,
            job.attempts,
            job.trace,
            {stage.stage: stage.result for stage in stages},
        )

    def _put_back(self, session: Session, job: Job, why: str) -> None:
        if job.attempts >= self._most_attempts:
            end(session, job, Status.FAILED, f"given up after {job.attempts} attempts; the last: {why}")
            return
        # The exponent is bounded for the sake of the integers in a timedelta.
        delay = min(self._backoff * 2 ** min(job.attempts - 1, 30), MAX_BACKOFF)
        _queue(session, job, delay, why)


def _queue(session: Session, job: Job, delay: timedelta, why: str) -> None:
    for which in ("execution", "proof"):
        if getattr(job, which) is Status.RUNNING:
            move(session, job, which, Status.QUEUED)
    job.lease_owner = job.lease_until = job.stage = None
    job.not_before = now(session) + delay
    add_event(session, job, "put_back", {"attempts": job.attempts, "why": why})


def _held(session: Session, lease: Lease) -> Job:
    job = lock(session, lease.job_id)
    if job is None or job.lease_owner != lease.owner:
        raise LeaseLost(f"job {lease.job_id} is not this worker's any more")
    return job


def _is_of(sort: Sort) -> ColumnElement[bool]:
    return and_(
        Job.kind == sort.kind, Job.tier == sort.tier, Job.version_id.is_not_distinct_from(sort.version_id)
    )


def _lost(at: Any) -> Any:
    return select(Job.id).where(Job.lease_owner.is_not(None), Job.lease_until < at).limit(100)
