"""A job that compiles leaves a version if it has succeeded, and only then, whenever it ends otherwise."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from service.database import Job, JobStage, Kind, Model, Status, Version, VersionKey
from service.jobs import Order
from service.leases import Lease, Leases
from service.parts import Parts
from service.registry import Addition
from tests.service.conftest import add_tenant
from tests.service.serving import opened

COMPILE = Order(Kind.COMPILE, "none", {"model": "m"})
STAGES = ("compile", "read")


class Scene:
    """A tenant's jobs that compile, done by hand."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.jobs = parts, parts.jobs
        self.tenant = parts.tenant("one")

    def put(self, data: bytes) -> str:
        return self.parts.artifacts.put(self.tenant, io.BytesIO(data), "application/octet-stream")

    def begun(self) -> tuple[Job, Lease]:
        """A job in a worker's hands that has compiled and read a model."""
        job = self.jobs.submit(self.tenant, COMPILE)
        lease = self.parts.leases.claim("w", [Kind.COMPILE])
        assert lease is not None and lease.job_id == job.id
        for stage in STAGES:
            self.parts.leases.finish_stage(lease, stage, {})
        return job, lease

    def add(self, job: Job, circuit: bytes) -> str:
        digest = self.put(circuit)
        new = Addition(circuit=digest, circuit_id=digest, made_by=job.id, public=True)
        return self.parts.registry.add(self.tenant, "m", new)[0]

    def registered(self, circuit: bytes = b"circuit") -> tuple[Job, Lease]:
        """A job that has registered its version, with a key."""
        job, lease = self.begun()
        version = self.add(job, circuit)
        with self.parts.database.write() as session:
            key = self.put(b"key")
            session.add(VersionKey(version_id=version, backend="sumcheck", verifying_key=key))
        self.parts.leases.finish_stage(lease, "register", {"version_id": version})
        self.parts.leases.finish_stage(lease, "setup sumcheck", {})
        return job, lease

    def versions(self) -> list[str | None]:
        """By which jobs the versions that there are were made."""
        with self.parts.database.read() as session:
            return list(session.scalars(select(Version.made_by).order_by(Version.number)))


@pytest.fixture
def scene(url: str, tmp_path: Path) -> Iterator[Scene]:
    with opened(tmp_path, database=url) as parts:
        yield Scene(parts)


def cancelled_at_work(scene: Scene, job: Job, lease: Lease) -> None:
    scene.jobs.cancel(scene.tenant, job.id)
    scene.parts.leases.cancel(lease)


def cancelled_while_it_waits(scene: Scene, job: Job, lease: Lease) -> None:
    scene.parts.leases.give_back(lease)
    scene.jobs.cancel(scene.tenant, job.id)


def cancelled_with_its_worker_lost(scene: Scene, job: Job, lease: Lease) -> None:
    scene.jobs.cancel(scene.tenant, job.id)
    with scene.parts.database.write() as session:
        held = session.get_one(Job, job.id)
        held.lease_until = held.created_at
    scene.parts.leases.recover()


def failed(scene: Scene, job: Job, lease: Lease) -> None:
    scene.parts.leases.fail(lease, "it took more than 1 s")


ENDS = (cancelled_at_work, cancelled_while_it_waits, cancelled_with_its_worker_lost, failed)


@pytest.mark.parametrize("end", ENDS)
def test_what_was_registered_goes_with_the_job_and_comes_back_with_it(
    scene: Scene, end: Callable[[Scene, Job, Lease], None]
) -> None:
    job, lease = scene.registered()
    end(scene, job, lease)
    how = Status.FAILED if end is failed else Status.CANCELLED
    assert scene.jobs.get(scene.tenant, job.id).execution is how
    assert scene.versions() == []
    with scene.parts.database.read() as session:
        assert session.scalars(select(Model.id)).all() == []
        assert session.scalars(select(VersionKey.version_id)).all() == []
        assert set(session.scalars(select(JobStage.stage))) == set(STAGES)
    scene.jobs.retry(scene.tenant, job.id)
    again = scene.parts.leases.claim("w", [Kind.COMPILE])
    assert again is not None and set(again.done) == set(STAGES)
    scene.add(job, b"circuit")
    scene.parts.leases.succeed(again, {})
    assert scene.versions() == [job.id]


def test_a_job_that_has_succeeded_is_cancelled_in_vain(scene: Scene) -> None:
    job, lease = scene.registered()
    scene.jobs.cancel(scene.tenant, job.id)
    scene.parts.leases.succeed(lease, {})  # before the worker has learnt of it
    assert scene.jobs.cancel(scene.tenant, job.id).execution is Status.SUCCEEDED
    assert scene.versions() == [job.id]


def test_a_job_that_is_cancelled_before_has_nothing_to_undo(scene: Scene) -> None:
    first, lease = scene.registered()
    scene.parts.leases.succeed(lease, {})
    cancelled_at_work(scene, *scene.begun())
    assert scene.versions() == [first.id]


def test_other_versions_stay(scene: Scene) -> None:
    first, lease = scene.registered(b"one")
    scene.parts.leases.succeed(lease, {})
    cancelled_at_work(scene, *scene.registered(b"two"))
    assert scene.versions() == [first.id]
    # One that finds its circuit there has made no version.
    job, lease = scene.begun()
    scene.add(job, b"one")
    cancelled_at_work(scene, job, lease)
    assert scene.versions() == [first.id]


def test_a_version_that_somebody_uses_stays(scene: Scene) -> None:
    """Else whoever cancels would take it from under the others' jobs."""
    job, lease = scene.registered()
    version = scene.parts.registry.find(scene.tenant, "m")[1].id
    other = add_tenant(scene.parts.database, "other")
    used = scene.jobs.submit(other, Order(Kind.PROVE, "sumcheck", {}, version))
    cancelled_at_work(scene, job, lease)
    assert scene.versions() == [job.id]
    assert scene.jobs.get(other, used.id).version_id == version


def test_another_version_comes_while_one_goes(scene: Scene) -> None:
    """The model goes with its last version only."""
    for number in range(5):
        job, lease = scene.registered(b"cancelled %d" % number)
        second = scene.jobs.submit(scene.tenant, COMPILE)
        errors: list[BaseException] = []

        def attempt(work: Callable[[], object], errors: list[BaseException] = errors) -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        scene.jobs.cancel(scene.tenant, job.id)
        works = (
            lambda lease=lease: Leases(scene.parts.database).cancel(lease),
            lambda second=second, number=number: scene.add(second, b"added %d" % number),
        )
        threads = [threading.Thread(target=attempt, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [] and job.id not in scene.versions() and second.id in scene.versions()
        scene.jobs.cancel(scene.tenant, second.id)
        assert scene.versions() == []
