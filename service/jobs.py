"""Jobs as their tenants see them: submitting, looking, cancelling, trying again, and what happened.

A job has two statuses, of its execution and of its proof. Each moves only as `MOVES` has it, and each move
adds an event in the same transaction. What workers do to jobs is in `service.leases`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service import tracing
from service.database import Database, Job, JobEvent, JobStage, Kind, Model, Status, Tenant, Version, now
from service.errors import Conflict, NotFound, QuotaExceeded
from service.ledger import record_success
from service.limits import DEFAULTS, Limits
from service.registry import withdraw
from service.stages import CLAIM
from service.webhooks import announce

MOVES = {
    Status.NONE: set[Status](),
    Status.QUEUED: {Status.RUNNING, Status.CANCELLED, Status.FAILED},
    Status.RUNNING: {Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED},
    Status.SUCCEEDED: set[Status](),
    Status.FAILED: {Status.QUEUED},
    Status.CANCELLED: {Status.QUEUED},
}
"""Where each status may go. Back to QUEUED: a lease was lost, or the tenant asked to try again."""
OPEN = {Status.QUEUED, Status.RUNNING}
FINISHED = "finished"
"""The last event of a job, unless it is tried again."""
PAGE = 100


@dataclass(frozen=True)
class Order:
    """What a tenant wants done.

    Parameters
    ----------
    kind
        What to do; `prove` alone has a proof.
    tier
        The backend.
    request
        What the kind's handler reads, as JSON.
    version_id
        The version that it is about, if there is one already.
    """

    kind: Kind
    tier: str
    request: dict[str, Any]
    version_id: str | None = None

    @property
    def digest(self) -> str:
        """Equal for equal orders only."""
        parts = [self.kind, self.tier, self.version_id, self.request]
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


Quota = Callable[[Session, str, Order], None]
"""Called in the transaction that adds a tenant's job; raises QuotaExceeded to refuse it."""


def open_jobs_quota(defaults: Limits = DEFAULTS) -> Quota:
    """What refuses a job over the limit `open_jobs`."""

    def check(session: Session, tenant_id: str, order: Order) -> None:
        # The tenant's row is locked: of two orders at a time, one sees the other.
        tenant = session.get_one(
            Tenant, tenant_id, with_for_update={"key_share": True}, populate_existing=True
        )
        most = defaults.overlaid(tenant.limits).open_jobs
        if most is None:
            return
        unfinished = select(func.count()).where(Job.tenant_id == tenant_id, Job.finished_at.is_(None))
        if session.scalars(unfinished).one() >= most:
            raise QuotaExceeded(
                f"{most} jobs wait or run already, which is this tenant's limit: wait for one"
            )

    return check


class Jobs:
    """The jobs of all tenants. Each call names the tenant, and another's job looks like none."""

    def __init__(self, database: Database, quota: Quota | None = None) -> None:
        self._database = database
        self._quota = quota or open_jobs_quota()
        self._wake: Callable[[], None] = lambda: None

    def wake_by(self, wake: Callable[[], None]) -> None:
        """Have something called whenever a job was put into the queue, so that no worker of this machine
        waits for its next look. It must not raise, nor wait.
        """
        self._wake = wake

    def submit(self, tenant_id: str, order: Order, idempotency_key: str | None = None) -> Job:
        """Accept a job. It is never lost from here on.

        Parameters
        ----------
        idempotency_key
            The same order under the same key is the same job, however often it is submitted.

        Raises
        ------
        NotFound
            If the order is about a version that the tenant may not use.
        Conflict
            If the key was used for another order.
        QuotaExceeded
            If the tenant may not have another job.
        """
        with self._database.write() as session:
            job = self._submitted(session, tenant_id, order, idempotency_key)
            if job is None:
                try:
                    with session.begin_nested():
                        job = self._add(session, tenant_id, order, idempotency_key)
                except IntegrityError:
                    # The same key was submitted at the same time.
                    job = self._submitted(session, tenant_id, order, idempotency_key)
                    if job is None:
                        raise
        self._wake()
        return job

    def get(self, tenant_id: str, job_id: str) -> Job:
        """A tenant's job. Raises NotFound."""
        with self._database.read() as session:
            return _owned(session, tenant_id, job_id)

    def list(self, tenant_id: str, before: str | None = None, limit: int = PAGE) -> Sequence[Job]:
        """A tenant's jobs, the newest first: the first page, or the one that follows the job `before`."""
        page = select(Job).where(Job.tenant_id == tenant_id).order_by(Job.id.desc()).limit(limit)
        if before is not None:
            page = page.where(Job.id < before)
        with self._database.read() as session:
            return session.scalars(page).all()

    def events(self, tenant_id: str, job_id: str, after: int = 0, limit: int = PAGE) -> Sequence[JobEvent]:
        """What happened to a job after the event numbered `after`, in order. Raises NotFound."""
        page = (
            select(JobEvent)
            .where(JobEvent.job_id == job_id, JobEvent.sequence > after)
            .order_by(JobEvent.sequence)
            .limit(limit)
        )
        with self._database.read() as session:
            _owned(session, tenant_id, job_id)
            return session.scalars(page).all()

    def cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel a job: at once if it waits, else when its worker next asks. An ended one stays as it is.

        Raises
        ------
        NotFound
            If the tenant has no such job.
        Conflict
            If it has done what cannot be taken back.
        """
        with self._database.write() as session:
            job = _owned(session, tenant_id, job_id, lock=True)
            if job.finished_at is None and not job.cancel_requested:
                if session.get(JobStage, (job.id, CLAIM)) is not None:
                    raise Conflict("the job has posted a claim, with a bond, which cannot be taken back")
                job.cancel_requested = True
                if job.lease_owner is None:
                    end(session, job, Status.CANCELLED)
                else:
                    add_event(session, job, "cancel_requested", {})
            return job

    def retry(self, tenant_id: str, job_id: str) -> Job:
        """Put a failed or cancelled job into the queue again. Stages that are done are kept.

        Raises
        ------
        NotFound
            If the tenant has no such job.
        Conflict
            If it has not failed and was not cancelled.
        QuotaExceeded
            If the tenant may not have another open job.
        """
        with self._database.write() as session:
            job = _owned(session, tenant_id, job_id, lock=True)
            again = {Status.FAILED, Status.CANCELLED}
            if not {job.execution, job.proof} & again:
                raise Conflict("only a job that failed or was cancelled can be tried again")
            order = Order(job.kind, job.tier, job.request, job.version_id)
            self._quota(session, tenant_id, order)
            for which in ("execution", "proof"):
                if getattr(job, which) in again:
                    move(session, job, which, Status.QUEUED)
            job.attempts, job.error, job.finished_at, job.cancel_requested = 0, None, None, False
            job.not_before = now(session)
        self._wake()
        return job

    def _submitted(self, session: Session, tenant_id: str, order: Order, key: str | None) -> Job | None:
        if key is None:
            return None
        found = session.scalar(select(Job).where(Job.tenant_id == tenant_id, Job.idempotency_key == key))
        if found is not None and found.request_digest != order.digest:
            raise Conflict("the idempotency key was used for another request: take a new one")
        return found

    def _add(self, session: Session, tenant_id: str, order: Order, key: str | None) -> Job:
        if order.version_id is not None:
            _check_version(session, tenant_id, order.version_id)
        self._quota(session, tenant_id, order)
        at = now(session)
        job = Job(
            tenant_id=tenant_id,
            version_id=order.version_id,
            kind=order.kind,
            tier=order.tier,
            request=order.request,
            idempotency_key=key,
            request_digest=order.digest,
            execution=Status.QUEUED,
            proof=Status.QUEUED if order.kind is Kind.PROVE else Status.NONE,
            not_before=at,
            created_at=at,
            trace=tracing.current(),
        )
        session.add(job)
        session.flush()
        add_event(session, job, "submitted", {"execution": job.execution, "proof": job.proof})
        return job


def move(session: Session, job: Job, which: str, to: Status) -> None:
    """Change one status of a locked job, `execution` or `proof`, and add the event that says so.

    Raises
    ------
    Conflict
        If the status cannot become that one.
    """
    before: Status = getattr(job, which)
    if to not in MOVES[before]:
        raise Conflict(f"the {which} of job {job.id} is {before} and cannot become {to}")
    setattr(job, which, to)
    add_event(session, job, which, {"status": to})


def end(session: Session, job: Job, how: Status, error: str | None = None) -> None:
    """End a locked job: what is open of it succeeds, fails or is cancelled. Nobody holds it any more.

    Where the execution fails, no proof was tried, so that is cancelled. A model is compiled if its job has
    succeeded, and only then: else its version goes, too.
    """
    failed_early = how is Status.FAILED and job.execution in OPEN
    for which in ("execution", "proof"):
        if getattr(job, which) in OPEN:
            move(session, job, which, Status.CANCELLED if which == "proof" and failed_early else how)
    job.lease_owner = job.lease_until = job.stage = None
    job.error, job.finished_at = error, now(session)
    if how is Status.SUCCEEDED:
        record_success(session, job)
    elif job.kind is Kind.COMPILE:
        withdraw(session, job)
    announce(session, job)
    add_event(session, job, FINISHED, {"status": how} | ({} if error is None else {"error": error}))


def add_event(session: Session, job: Job, event: str, data: dict[str, Any]) -> None:
    """Add an event to a job, whose row the transaction has locked or made."""
    last = session.scalar(select(func.max(JobEvent.sequence)).where(JobEvent.job_id == job.id)) or 0
    session.add(JobEvent(job_id=job.id, sequence=last + 1, at=now(session), event=event, data=data))
    session.flush()


def lock(session: Session, job_id: str) -> Job | None:
    """The job as it is now, which no other transaction changes before this one ends."""
    return session.get(Job, job_id, with_for_update=True, populate_existing=True)


def _check_version(session: Session, tenant_id: str, version_id: str) -> None:
    usable = (
        select(Version.id)
        .join(Model, Model.id == Version.model_id)
        .where(Version.id == version_id, or_(Model.tenant_id == tenant_id, Model.public))
    )
    if session.scalar(usable) is None:
        raise NotFound(f"there is no version {version_id}")


def _owned(session: Session, tenant_id: str, job_id: str, lock: bool = False) -> Job:
    job = session.get(Job, job_id, with_for_update=True if lock else None)
    if job is None or job.tenant_id != tenant_id:
        raise NotFound(f"there is no job {job_id}")
    return job
