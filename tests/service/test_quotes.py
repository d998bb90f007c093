"""What a job will take: by estimate at first, then by what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from circuits.circuit import Circuit
from prover.backends import backend
from service.application import application
from service.database import Job, Kind
from service.handlers.prove import ProveHandler
from service.jobs import Order
from service.leases import Leases
from service.parts import Parts
from service.quotes import Quote, Quotes
from service.stages import EXECUTE
from service.worker import Worker
from tests.service.conftest import add_tenant
from tests.service.serving import add_model, ask, compiled, images, opened, served
from tests.service.test_worker import ended
from verifier.srs import SrsStore


@pytest.fixture(scope="module")
def circuit(digits: Path) -> Circuit:
    return compiled(digits)


@pytest.fixture
def parts(url: str, tmp_path: Path) -> Iterator[Parts]:
    with opened(tmp_path, database=url, price_per_second=0.5, currency="EUR") as parts:
        yield parts


class Scene:
    """A tenant with the digits, and jobs that took as long as one says."""

    def __init__(self, parts: Parts, circuit: Circuit) -> None:
        self.parts, self.tenant = parts, parts.tenant("local")
        self.version, _ = add_model(parts, self.tenant, circuit)
        self.estimate = backend("sumcheck").estimate(circuit)
        self.quotes = Quotes(parts.database, 0.5, "EUR")

    def quote(self, samples: int = 1, tier: str = "sumcheck", tenant: str = "") -> Quote:
        tenant = tenant or self.tenant
        return self.quotes.quote(tenant, self.parts.models.find(self.tenant, "digits"), tier, samples)

    def submit(self) -> str:
        order = Order(Kind.PROVE, "sumcheck", {}, self.version)
        return self.parts.jobs.submit(self.tenant, order).id

    def wait(self, tenant: str) -> None:
        """Have a tenant submit a job of another kind."""
        self.parts.jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {}))

    def done(self, prove: float, taken: float, samples: int = 1) -> None:
        job, leases = self.submit(), self.parts.leases
        lease = leases.claim("w", list(Kind))
        assert lease is not None and lease.job_id == job
        leases.finish_stage(lease, EXECUTE, {})
        leases.finish_stage(lease, "prove", {"proof_samples": samples, "seconds": prove})
        leases.succeed(lease, {})
        at = datetime(2026, 1, 1, tzinfo=UTC)
        with self.parts.database.write() as session:
            session.execute(
                update(Job)
                .where(Job.id == job)
                .values(started_at=at, finished_at=at + timedelta(seconds=taken))
            )


@pytest.fixture
def scene(parts: Parts, circuit: Circuit) -> Scene:
    return Scene(parts, circuit)


def test_an_estimate_says_that_it_is_one(scene: Scene) -> None:
    quote = scene.quote()
    assert (quote.measured_jobs, quote.jobs_ahead, quote.workers, quote.currency) == (0, 0, 0, "EUR")
    assert quote.seconds.low < quote.seconds.likely < quote.seconds.high
    assert quote.seconds.high > 4 * quote.seconds.low and quote.peak_bytes.low >= 60e6
    assert quote.cost == quote.seconds * 0.5
    more = scene.quote(8)
    assert more.seconds.likely > quote.seconds.likely and (more.proof_bytes or 0) > (quote.proof_bytes or 0)


def test_what_was_measured_corrects_it(scene: Scene) -> None:
    for _ in range(2):
        scene.done(prove=30 * scene.estimate.prove_seconds, taken=30 * scene.estimate.prove_seconds + 7)
    assert scene.quote().measured_jobs == 0
    for _ in range(8):
        scene.done(prove=30 * scene.estimate.prove_seconds, taken=30 * scene.estimate.prove_seconds + 7)
    quote = scene.quote()
    expected = 30 * scene.estimate.prove_seconds + 7
    assert quote.measured_jobs == 10 and quote.seconds.likely == pytest.approx(expected)
    assert expected / 1.2 < quote.seconds.low < expected < quote.seconds.high < expected * 1.2
    # Of jobs that were proved together, the proof's own size counts.
    eight = backend("sumcheck").estimate(scene.parts.models.find(scene.tenant, "digits").circuit, samples=8)
    for _ in range(50):
        scene.done(prove=3 * eight.prove_seconds, taken=3 * eight.prove_seconds + 1, samples=8)
    quote = scene.quote()
    assert quote.seconds.likely == pytest.approx(3 * scene.estimate.prove_seconds + 1)


def test_the_wait_counts_who_goes_before(scene: Scene) -> None:
    others = [add_tenant(scene.parts.database, name) for name in ("two", "three")]
    for _ in range(20):
        scene.wait(others[0])
    for _ in range(2):
        scene.wait(others[1])
    # Tenants take turns: one of each goes before a first job, two of each before a second.
    assert scene.quote().jobs_ahead == 2
    scene.wait(scene.tenant)
    assert scene.quote().jobs_ahead == 1 + 2 + 2
    idle = scene.quote().wait
    for worker in ("a", "a", "b"):
        assert scene.parts.leases.claim(worker, list(Kind)) is not None
    busy = scene.quote()
    assert busy.workers == 2 and busy.wait.likely > idle.likely and busy.wait.low == 0
    assert busy.wait.high >= 3 * busy.wait.likely


def test_a_real_job_lies_within_its_quote(scene: Scene, tmp_path: Path) -> None:
    """With a wide margin: this machine does other things, too."""
    store = SrsStore(tmp_path / "srs")
    store.generate(10)
    with served(application(scene.parts)) as where:
        quote = ask(where, "POST", "/api/v1/quotes", {"model": "digits", "samples": 2}).json
        body = {"model": "digits", "input_data": [images(2).reshape(2, -1).tolist()]}
        job = ask(where, "POST", "/api/v1/jobs", body).json["id"]
        handler = ProveHandler(scene.parts.database, scene.parts.artifacts, store)
        worker = Worker(Leases(scene.parts.database), {Kind.PROVE: handler}, 0.02)
        worker.start()
        ended(scene.parts.jobs, scene.tenant, job)
        worker.stop()
        taken = ask(where, "GET", f"/api/v1/jobs/{job}").json["timings"]["taken"]
        proof = ask(where, "GET", f"/api/v1/jobs/{job}/proof").body
    assert quote["seconds"]["low"] / 3 < taken < 3 * quote["seconds"]["high"]
    assert abs(len(proof) - quote["proof_bytes"]) < 200


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (404, {"model": "nothing"}),
        (404, {"version": "2"}),
        (400, {"tier": "none"}),
        (400, {"tier": "optimistic"}),
        (400, {"tier": "ezkl"}),
        (400, {"samples": 257}),
        (422, {"samples": 0}),
        (422, {"samples": 10**9}),
        (422, {"tier": "magic"}),
        (422, {"extra": 1}),
    ],
    ids=range(10),
)
def test_what_cannot_be_quoted_is_refused(scene: Scene, status: int, change: dict[str, Any]) -> None:
    with served(application(scene.parts)) as where:
        reply = ask(
            where, "POST", "/api/v1/quotes", {"model": "digits", **change}, Content_Type="application/json"
        )
    assert reply.status == status, reply.body
