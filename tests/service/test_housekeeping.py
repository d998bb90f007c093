"""What is deleted in time, and what is not."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from service.artifacts import Artifacts
from service.database import (
    Artifact,
    ArtifactOwner,
    Base,
    Database,
    Delivery,
    Job,
    JobEvent,
    Kind,
    LedgerEntry,
    Webhook,
)
from service.handlers.prove import PROOF_TYPE
from service.housekeeping import Housekeeping, Purged
from service.jobs import Jobs, Order
from service.leases import Lease, Leases
from service.registry import Addition, Registry
from service.settings import Settings
from service.stages import EXECUTE
from service.webhooks import Webhooks
from tests.service.conftest import add_tenant
from tests.service.destinations import LOCAL


class House:
    """A database and artifacts, and what is kept for how long."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.database = database
        self.artifacts = Artifacts(database, str(folder), 1 << 20)
        self.jobs, self.leases = Jobs(database), Leases(database)
        self.housekeeping = Housekeeping(
            database, self.artifacts, Settings(keep_progress_days=30, keep_messages_days=10, **settings)
        )

    def put(self, tenant: str, data: bytes) -> str:
        return self.artifacts.put(tenant, io.BytesIO(data), "application/json")

    def job(self, tenant: str, digest: str, ended_days_ago: float | None = None) -> str:
        """A job about an input; ended so long ago, or not at all."""
        job = self.jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {"input": digest}))
        if ended_days_ago is not None:
            lease = self.leases.claim("worker", [Kind.PROVE])
            assert lease is not None and lease.job_id == job.id
            self.leases.begin_stage(lease, EXECUTE)
            self.leases.progress(lease, "half")
            self.leases.finish_stage(lease, EXECUTE, {})
            self.leases.succeed(lease, {"output": digest})
            self.age(Job, Job.id == job.id, finished_at=ended_days_ago)
        return job.id

    def age(self, table: type[Base], which: Any, **days: float) -> None:
        """Make it so many days ago."""
        at = datetime.now(UTC)
        with self.database.write() as session:
            values = {name: at - timedelta(days=ago) for name, ago in days.items()}
            session.execute(update(table).where(which).values(values))

    def count(self, table: type[Base]) -> int:
        with self.database.read() as session:
            return session.scalars(select(func.count()).select_from(table)).one()


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "artifacts")


def test_progress_of_jobs_that_ended_long_ago(house: House, tenant: str) -> None:
    digest = house.put(tenant, b"x")
    old, new = house.job(tenant, digest, 31), house.job(tenant, digest, 29)
    house.job(tenant, digest)
    before = [event.event for event in house.jobs.events(tenant, new)]
    assert house.housekeeping.run() == Purged(events=3, messages=0, inputs=0, artifacts=0)
    kept = house.jobs.events(tenant, old)
    assert [event.event for event in kept] == [
        "submitted",
        "execution",
        "execution",
        "proof",
        "proof",
        "finished",
    ]
    assert [event.event for event in house.jobs.events(tenant, new)] == before
    assert {"progress", "stage"} <= set(before)
    assert house.housekeeping.run() == Purged(0, 0, 0, 0)
    assert house.jobs.get(tenant, old).result == {"output": digest}


def test_many_events_go_a_batch_at_a_time(house: House, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.housekeeping.BATCH", 2)
    digest = house.put(tenant, b"x")
    for _ in range(3):
        house.job(tenant, digest, 40)
    assert house.housekeeping.run().events == 9


def test_messages(house: House, tenant: str) -> None:
    webhooks = Webhooks(house.database, LOCAL)
    webhook = webhooks.add(tenant, "http://127.0.0.1:1/")
    digest = house.put(tenant, b"x")
    for days in (11, 9, 11):
        job = house.job(tenant, digest, 0)
        house.age(Delivery, Delivery.job_id == job, created_at=days)
    with house.database.write() as session:
        waiting, recent, done = session.scalars(select(Delivery).order_by(Delivery.id))
        recent.next_attempt = done.next_attempt = None
    assert house.housekeeping.run().messages == 1
    assert [found.id for found in webhooks.deliveries(tenant, webhook.id)] == [recent.id, waiting.id]
    house.age(Webhook, Webhook.id == webhook.id, disabled_at=9)
    assert house.housekeeping.run().messages == 0
    house.age(Webhook, Webhook.id == webhook.id, disabled_at=11)
    assert house.housekeeping.run().messages == 2


def test_inputs_stay_unless_it_is_said_how_long(house: House, tenant: str) -> None:
    digest = house.put(tenant, b"x")
    house.job(tenant, digest, 9000)
    house.age(ArtifactOwner, ArtifactOwner.digest == digest, put_at=9000)
    assert house.housekeeping.run().inputs == 0
    assert b"".join(house.artifacts.read(tenant, digest)) == b"x"


def test_inputs_of_proofs_that_ended_long_ago(database: Database, tenant: str, tmp_path: Path) -> None:
    house, other = House(database, tmp_path / "artifacts", keep_inputs_days=7), add_tenant(database, "two")
    names = ("old", "new", "also open", "put again", "theirs", "no input")
    digests = {name: house.put(tenant, name.encode()) for name in names}
    house.put(other, b"theirs")
    for name, days in (("old", 8), ("old", 9), ("new", 6), ("new", 8), ("also open", 8), ("put again", 8)):
        house.job(tenant, digests[name], days)
    house.job(tenant, digests["theirs"], 8)
    house.job(tenant, digests["also open"])
    house.age(ArtifactOwner, ArtifactOwner.tenant_id != "", put_at=8)
    house.put(tenant, b"put again")
    assert house.housekeeping.run().inputs == 2
    with database.read() as session:
        left = session.execute(select(ArtifactOwner.digest, ArtifactOwner.tenant_id)).all()
    kept = {(digests[name], tenant) for name in ("new", "also open", "put again", "no input")}
    assert {tuple(row) for row in left} == kept | {(digests["theirs"], other)}
    # The bytes go when nobody owns them, a day after they came.
    assert house.count(Artifact) == 6
    house.age(Artifact, Artifact.digest != "", created_at=2)
    assert house.housekeeping.run() == Purged(0, 0, 0, 1)
    assert b"".join(house.artifacts.read(other, digests["theirs"])) == b"theirs"


def test_what_was_sent_in_and_became_no_version(database: Database, tenant: str, tmp_path: Path) -> None:
    house = House(database, tmp_path / "artifacts", keep_inputs_days=7)
    registry = Registry(database)
    names = ("bad", "samples", "half", "good", "good samples", "circuit", "new", "open", "open samples")
    digests = {name: house.put(tenant, name.encode()) for name in names}
    proof = house.artifacts.put(tenant, io.BytesIO(b"proof"), PROOF_TYPE)

    def compiling(source: str, calibration: str | None = None) -> Lease:
        request = {"model": "x", "source": source, "calibration": calibration, "setup": []}
        job = house.jobs.submit(tenant, Order(Kind.COMPILE, "none", request))
        lease = house.leases.claim("worker", [Kind.COMPILE])
        assert lease is not None and lease.job_id == job.id
        return lease

    def failed(lease: Lease, days: float) -> None:
        house.leases.fail(lease, "no model")
        house.age(Job, Job.id == lease.job_id, finished_at=days)

    failed(compiling(digests["bad"], digests["samples"]), 8)
    failed(compiling(digests["new"]), 6)
    failed(compiling(proof), 8)
    failed(compiling(digests["good"], digests["open samples"]), 8)
    late = compiling(digests["bad"])
    house.leases.begin_stage(late, "compile")
    house.leases.finish_stage(late, "compile", {"circuit": digests["half"]})
    failed(late, 8)
    good = compiling(digests["good"], digests["good samples"])
    new = Addition(
        digests["circuit"], "00", {}, digests["good"], digests["good samples"], None, None, good.job_id
    )
    registry.add(tenant, "x", new)
    house.leases.succeed(good, {})
    house.age(Job, Job.id == good.job_id, finished_at=8)
    compiling(digests["open"], digests["open samples"])
    house.age(ArtifactOwner, ArtifactOwner.tenant_id != "", put_at=8)
    assert house.housekeeping.run().inputs == 3
    with database.read() as session:
        left = set(session.scalars(select(ArtifactOwner.digest)))
    assert left == {proof, *digests.values()} - {digests[name] for name in ("bad", "samples", "half")}


def test_the_ledger_and_the_jobs_stay(database: Database, tenant: str, tmp_path: Path) -> None:
    house = House(database, tmp_path / "artifacts", keep_inputs_days=7)
    job = house.job(tenant, house.put(tenant, b"x"), 9000)
    house.age(LedgerEntry, LedgerEntry.tenant_id == tenant, at=9000)
    before = house.count(LedgerEntry)
    house.housekeeping.run()
    assert house.count(LedgerEntry) == before > 0 and house.jobs.get(tenant, job).result is not None


def test_several_at_a_time_while_jobs_end(database: Database, tenant: str, tmp_path: Path) -> None:
    house = House(database, tmp_path / "artifacts", keep_inputs_days=7)
    for number in range(30):
        house.job(tenant, house.put(tenant, b"%d" % number), 40)
    house.age(ArtifactOwner, ArtifactOwner.tenant_id == tenant, put_at=40)
    found: list[Purged] = []
    failed: list[BaseException] = []

    def keep_house() -> None:
        try:
            found.append(house.housekeeping.run())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=keep_house) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        house.job(tenant, house.put(tenant, b"%d" % number), 0)
    for thread in threads:
        thread.join()
    assert failed == []
    house.housekeeping.run()
    assert house.count(JobEvent) == 30 * 6 + 30 * 9
    for number in range(30):  # each was put again for a new job, or was not released
        digest = house.put(tenant, b"%d" % number)
        assert b"".join(house.artifacts.read(tenant, digest)) == b"%d" % number
