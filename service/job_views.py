"""Jobs as they are shown: with their model's name, one status for both, timings, and what they have made.

A job's `status` sums its two statuses up: `queued` or `running` until it ends; then `failed` or `cancelled`
if one of the two is, else `succeeded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from service.database import (
    Database,
    Job,
    JobEvent,
    JobStage,
    Kind,
    Model,
    SharedProof,
    Status,
    Tenant,
    Version,
)
from service.errors import NotFound
from service.jobs import PAGE
from service.stages import EXECUTE

PROGRESS = "progress"


@dataclass(frozen=True)
class Listed:
    """A job in a list.

    Parameters
    ----------
    model, version
        What it is about, called as its tenant calls it; None for jobs that have no version yet.
    """

    job: Job
    status: Status
    model: str | None
    version: str | None


@dataclass(frozen=True)
class Shown(Listed):
    """A job by itself.

    Parameters
    ----------
    stages
        When each stage that is done was done, in order.
    results
        What each of them gave.
    progress
        What is being done now, in words.
    public
        Whether its proof is public.
    """

    stages: dict[str, datetime]
    results: dict[str, dict[str, Any]]
    progress: str | None
    public: bool

    @property
    def output(self) -> str | None:
        """The digest of the outputs, which are there before the proof is."""
        return self.results.get(EXECUTE, {}).get("output")

    @property
    def proof(self) -> str | None:
        """The digest of the proof, once the job has ended well."""
        return None if self.job.result is None else self.job.result.get("proof")


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; None takes all."""

    status: Status | None = None
    kind: Kind | None = None
    model: str | None = None


def show_job(database: Database, tenant: str, job_id: str) -> Shown:
    """A tenant's job. Raises NotFound."""
    with database.read() as session:
        row = session.execute(_jobs(tenant).where(Job.id == job_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no job {job_id!r:.80}")
        listed = _listed(tenant, row)
        stages = session.scalars(
            select(JobStage).where(JobStage.job_id == job_id).order_by(JobStage.finished_at)
        ).all()
        progress = _progress(session, listed.job)
        public = session.get(SharedProof, job_id) is not None
    return Shown(
        listed.job,
        listed.status,
        listed.model,
        listed.version,
        {stage.stage: stage.finished_at for stage in stages},
        {stage.stage: stage.result for stage in stages},
        progress,
        public,
    )


def list_jobs(
    database: Database,
    tenant: str,
    wanted: Filter = Filter(),
    before: str | None = None,
    limit: int = PAGE,
) -> Sequence[Listed]:
    """A tenant's jobs, the newest first: the first page, or the one that follows the job `before`."""
    page = _jobs(tenant).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        page = page.where(Job.id < before)
    if wanted.kind is not None:
        page = page.where(Job.kind == wanted.kind)
    if wanted.status is not None:
        page = page.where(_has_status(wanted.status))
    if wanted.model is not None:
        own, _, owner = wanted.model.partition("@")
        page = page.where(
            Model.name == own, Tenant.name == owner if "@" in wanted.model else Model.tenant_id == tenant
        )
    with database.read() as session:
        return [_listed(tenant, row) for row in session.execute(page)]


def status_of(job: Job) -> Status:
    """A job's two statuses in one."""
    if job.finished_at is None:
        return Status.RUNNING if Status.RUNNING in (job.execution, job.proof) else Status.QUEUED
    for status in (Status.FAILED, Status.CANCELLED):
        if status in (job.execution, job.proof):
            return status
    return Status.SUCCEEDED


def _has_status(status: Status) -> ColumnElement[bool]:
    def either(one: Status) -> ColumnElement[bool]:
        return or_(Job.execution == one, Job.proof == one)

    ended = Job.finished_at.is_not(None)
    conditions: dict[Status, list[ColumnElement[bool]]] = {
        Status.NONE: [Job.id.is_(None)],
        Status.QUEUED: [~ended, ~either(Status.RUNNING)],
        Status.RUNNING: [~ended, either(Status.RUNNING)],
        Status.FAILED: [ended, either(Status.FAILED)],
        Status.CANCELLED: [ended, either(Status.CANCELLED), ~either(Status.FAILED)],
        Status.SUCCEEDED: [ended, ~either(Status.FAILED), ~either(Status.CANCELLED)],
    }
    return and_(*conditions[status])


def _jobs(tenant: str) -> Select[Job, Model, Version, str]:
    return (
        select(Job, Model, Version, Tenant.name)
        .outerjoin(Version, Version.id == Job.version_id)
        .outerjoin(Model, Model.id == Version.model_id)
        .outerjoin(Tenant, Tenant.id == Model.tenant_id)
        .where(Job.tenant_id == tenant)
    )


def _listed(tenant: str, row: Row[Job, Model, Version, str]) -> Listed:
    job, model, version, owner = row
    if version is None:
        return Listed(job, status_of(job), job.request.get("model"), None)
    name = model.name if model.tenant_id == tenant else f"{model.name}@{owner}"
    return Listed(job, status_of(job), name, str(version.number))


def _progress(session: Session, job: Job) -> str | None:
    """What a running job's worker last said, if it has said it of the present stage."""
    if job.lease_owner is None:
        return None
    newest = select(func.max(JobEvent.sequence)).where(JobEvent.job_id == job.id)
    event = session.get(JobEvent, (job.id, session.scalar(newest)))
    return event.data.get("text") if event is not None and event.event == PROGRESS else None
