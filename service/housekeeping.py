"""What is deleted when its time has come. Any number of processes may do so at a time.

    progress, stages' beginnings, attempts of ended jobs      after `keep_progress_days`
    messages to webhooks that were delivered or given up      after `keep_messages_days`
    inputs of ended proofs, if `keep_inputs_days` is set      after so many days
    what was sent in and became no version, likewise          after so many days
    artifacts that nobody owns and no version names           after a day

Jobs, their results, proofs, and the ledger stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import and_, delete, exists, func, or_, select, tuple_, union_all

from service.artifacts import Artifacts
from service.database import (
    Artifact,
    ArtifactOwner,
    Database,
    Delivery,
    Job,
    JobEvent,
    JobStage,
    Kind,
    Model,
    Version,
    VersionKey,
    Webhook,
    now,
)
from service.handlers.prove import PROOF_TYPE
from service.repeating import Repeating
from service.settings import Settings
from service.stages import COMPILE

BATCH = 1000
"""How many rows a transaction deletes at most: nobody waits for it for long."""
PASSING = ("progress", "stage", "put_back")
"""Events that mean nothing any more when the job has ended."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Purged:
    """How many of what were deleted."""

    events: int
    messages: int
    inputs: int
    artifacts: int


class Housekeeping:
    """Deletes what may go, every so often, in a thread."""

    def __init__(self, database: Database, artifacts: Artifacts, settings: Settings) -> None:
        self._database = database
        self._artifacts = artifacts
        self._settings = settings
        self._thread = Repeating("housekeeping", self.run, settings.housekeeping_seconds)

    def start(self) -> None:
        """Begin; the first time is after the first pause."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._thread.stop()

    def run(self) -> Purged:
        """Delete what may go now."""
        settings = self._settings
        inputs = 0
        if settings.keep_inputs_days is not None:
            inputs = self._release_inputs(timedelta(days=settings.keep_inputs_days))
        purged = Purged(
            events=self._purge_events(timedelta(days=settings.keep_progress_days)),
            messages=self._purge_messages(timedelta(days=settings.keep_messages_days)),
            inputs=inputs,
            artifacts=self._artifacts.delete_unreferenced(),
        )
        log.info("housekeeping", **vars(purged))
        return purged

    def _purge_events(self, age: timedelta) -> int:
        def old(before: datetime) -> Any:
            return (
                select(JobEvent.job_id, JobEvent.sequence)
                .join(Job, Job.id == JobEvent.job_id)
                .where(Job.finished_at < before, JobEvent.event.in_(PASSING))
                .order_by(JobEvent.job_id, JobEvent.sequence)
                .with_for_update(skip_locked=True, of=JobEvent)
            )

        key = tuple_(JobEvent.job_id, JobEvent.sequence)
        return self._purge(age, old, lambda rows: delete(JobEvent).where(key.in_(rows)))

    def _purge_messages(self, age: timedelta) -> int:
        def old(before: datetime) -> Any:
            done = and_(Delivery.next_attempt.is_(None), Delivery.created_at < before)
            return (
                select(Delivery.id)
                .join(Webhook, Webhook.id == Delivery.webhook_id)
                .where(or_(done, Webhook.disabled_at < before))
                .order_by(Delivery.id)
                .with_for_update(skip_locked=True, of=Delivery)
            )

        return self._purge(
            age, old, lambda rows: delete(Delivery).where(Delivery.id.in_([row[0] for row in rows]))
        )

    def _purge(
        self,
        age: timedelta,
        old: Callable[[datetime], Any],
        removal: Callable[[Sequence[tuple[Any, ...]]], Any],
    ) -> int:
        """Delete what `old` selects, a batch at a time. Returns how much that was."""
        deleted = 0
        while True:
            with self._database.write() as session:
                found = session.execute(old(now(session) - age).limit(BATCH)).all()
                if found:
                    session.execute(removal([tuple(row) for row in found]))
            deleted += len(found)
            if len(found) < BATCH:
                return deleted

    def _release_inputs(self, age: timedelta) -> int:
        """Keep no longer what only jobs need that ended long ago."""
        read = _read_by_jobs().subquery()
        with self._database.read() as session:
            before = now(session) - age
            ended = (
                select(read.c.digest, read.c.tenant_id)
                .group_by(read.c.digest, read.c.tenant_id)
                .having(func.count() == func.count(read.c.finished_at), func.max(read.c.finished_at) < before)
                .subquery()
            )
            owned = and_(ArtifactOwner.digest == ended.c.digest, ArtifactOwner.tenant_id == ended.c.tenant_id)
            candidates = (
                select(ArtifactOwner.digest, ArtifactOwner.tenant_id)
                .join(ended, owned)
                .join(Artifact, Artifact.digest == ArtifactOwner.digest)
                # Somebody may have sent in a proof as if it were a model: proofs stay.
                .where(Artifact.media_type != PROOF_TYPE, ~_named_by_versions())
            )
            found = [tuple(row) for row in session.execute(candidates.where(ArtifactOwner.put_at < before))]
        released = 0
        key = tuple_(ArtifactOwner.digest, ArtifactOwner.tenant_id)
        for start in range(0, len(found), BATCH):
            with self._database.write() as session:
                # Not what was put again since: there is to be a new job about it.
                chosen = key.in_(found[start : start + BATCH]), ArtifactOwner.put_at < before
                kept = select(ArtifactOwner).where(*chosen).order_by(*key).with_for_update(skip_locked=True)
                for owner in session.scalars(kept).all():
                    session.delete(owner)
                    released += 1
        return released


def _read_by_jobs() -> Any:
    """What jobs were given, and the circuits that compiling made: digest, tenant, when the job ended."""
    given = [
        select(Job.request[name].as_string().label("digest"), Job.tenant_id, Job.finished_at).where(
            Job.kind == kind
        )
        for kind, name in ((Kind.PROVE, "input"), (Kind.COMPILE, "source"), (Kind.COMPILE, "calibration"))
    ]
    made = (
        select(JobStage.result["circuit"].as_string(), Job.tenant_id, Job.finished_at)
        .join(Job, Job.id == JobStage.job_id)
        .where(Job.kind == Kind.COMPILE, JobStage.stage == COMPILE)
    )
    return union_all(*given, made)


def _named_by_versions() -> Any:
    """Whether a version of the owner's has an artifact."""
    files = [Version.circuit, Version.source, Version.calibration, Version.layers, Version.drawing]
    keys = [VersionKey.verifying_key, VersionKey.proving_key]
    own = Model.tenant_id == ArtifactOwner.tenant_id
    version = exists().where(
        Model.id == Version.model_id, own, or_(*[column == ArtifactOwner.digest for column in files])
    )
    key = exists().where(
        Version.id == VersionKey.version_id,
        Model.id == Version.model_id,
        own,
        or_(*[column == ArtifactOwner.digest for column in keys]),
    )
    return or_(version, key)
