"""Proofs for one recipient, asked for over HTTP: by a job, and by a request to infer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.circuit import Circuit
from service.api_keys import create_key
from service.application import application
from service.database import Kind, VersionKey
from service.handlers.prove import ProveHandler
from service.parts import Parts
from service.worker import Worker
from tests.service.serving import Reply, add_model, ask, compiled, images, opened, served
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

HERS, HIS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
REFUSED = [
    (HERS[:-1], "is not an address: 0x and 40 hexadecimal digits"),
    (HERS + "0", "is not an address: 0x and 40 hexadecimal digits"),
    (HERS[2:], "is not an address: 0x and 40 hexadecimal digits"),
    ("", "is not an address: 0x and 40 hexadecimal digits"),
    (HERS.replace("C8", "c8"), "a wrong checksum"),
    (HERS.replace("7", "8"), "a wrong checksum"),
    ("0x" + "0" * 40, "the zero address is nobody's"),
]


class Service:
    """A service with a model, and a tenant of it."""

    def __init__(self, where: str, parts: Parts, circuit: Circuit) -> None:
        self.where, self.parts = where, parts
        self.tenant = parts.tenant("one")
        self.key = create_key(parts.database, self.tenant, "one", ("infer", "jobs"))
        add_model(parts, self.tenant, circuit)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return ask(self.where, method, path, body, Authorization=f"Bearer {self.key}", **headers)

    def submit(self, recipient: Any = None, once: str | None = None, **changes: Any) -> Reply:
        """Ask for a proof by a job."""
        data = {"input_data": [images(1).reshape(1, -1).tolist()]}
        named = {} if recipient is None else {"recipient": recipient}
        headers = {} if once is None else {"Idempotency-Key": once}
        return self.ask("POST", "/api/v1/jobs", {"model": "digits", **data, **named, **changes}, **headers)

    def infer(self, once: str | None = None, **parameters: Any) -> Reply:
        """Ask for an answer, and for a proof of it."""
        values = images(1).reshape(-1).tolist()
        tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": values}
        headers = {} if once is None else {"Idempotency-Key": once}
        body = {"inputs": [tensor], "parameters": parameters}
        return self.ask("POST", "/v2/models/digits/infer", body, **headers)

    def job(self, job: str) -> dict[str, Any]:
        """A job as its tenant sees it."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/jobs/{job}").json
        return found

    def jobs(self) -> int:
        """How many there are."""
        return len(self.ask("GET", "/api/v1/jobs").json["items"])


def said(reply: Reply) -> str:
    """Why something was refused."""
    found: str = reply.json.get("detail") or reply.json["error"]
    return found


@pytest.fixture(scope="module")
def circuit(digits: Path) -> Circuit:
    return compiled(digits)


@pytest.fixture
def service(url: str, tmp_path: Path, circuit: Circuit) -> Iterator[Service]:
    with (
        opened(tmp_path, database=url, access="keys") as parts,
        served(application(parts)) as where,
    ):
        yield Service(where, parts, circuit)


def test_a_proof_that_is_asked_for_holds_for_its_recipient_alone(service: Service, tmp_path: Path) -> None:
    submitted = service.submit(HERS.lower())
    assert submitted.status == 202 and submitted.json["recipient"] == HERS
    inferred = service.infer(tier="sumcheck", recipient=HIS)
    assert inferred.status == 200
    for_anyone = service.submit()
    asked = {
        submitted.json["id"]: HERS,
        inferred.json["parameters"]["job"]: HIS,
        for_anyone.json["id"]: None,
    }
    # Whatever befalls a job on the way, whom it is for stays.
    for job in asked:
        assert service.ask("POST", f"/api/v1/jobs/{job}/cancel").status == 200
        assert service.ask("POST", f"/api/v1/jobs/{job}/retry", {"recipient": HERS}).status == 200
    store = SrsStore(tmp_path / "srs")
    store.generate(10)
    handler = ProveHandler(service.parts.database, service.parts.artifacts, store)
    worker = Worker(service.parts.leases, {Kind.PROVE: handler}, 0.02)
    worker.start()
    try:
        for job in asked:
            assert ended(service.parts.jobs, service.tenant, job).error is None
    finally:
        worker.stop()
    with service.parts.database.read() as session:
        digest = session.query(VersionKey.verifying_key).scalar()
    key = VerifyingKey.decode(b"".join(service.parts.artifacts.read(service.tenant, digest)))
    for job, recipient in asked.items():
        assert service.job(job)["recipient"] == recipient
        proof = Proof.decode(service.ask("GET", f"/api/v1/jobs/{job}/proof").body)
        verdict = verify(proof, key, recipient)
        assert verdict.valid and verdict.recipient == recipient
        for other in {HERS, HIS} - {recipient}:
            assert not verify(proof, key, other).valid
    shared = service.ask("POST", f"/api/v1/jobs/{submitted.json['id']}/share")
    assert shared.status == 200 and shared.json["recipient"] == HERS


def test_another_recipient_under_the_same_idempotency_key_is_another_request(service: Service) -> None:
    job = service.submit(HERS, once="k").json["id"]
    assert service.submit(HERS.lower(), once="k").json["id"] == job
    told = service.infer(once="k", tier="sumcheck", recipient="0x" + HERS[2:].upper())
    assert told.json["parameters"]["job"] == job
    for other in (HIS, None):
        assert service.submit(other, once="k").status == 409
    refused = service.infer(once="k", tier="sumcheck", recipient=HIS)
    assert refused.status == 409 and "another request" in said(refused)
    assert service.infer(once="k", tier="sumcheck").status == 409
    assert service.job(job)["recipient"] == HERS and service.jobs() == 1


@pytest.mark.parametrize(("recipient", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_address_is_refused(service: Service, recipient: str, message: str) -> None:
    for refused in (service.submit(recipient), service.infer(tier="sumcheck", recipient=recipient)):
        assert refused.status == 400 and message in said(refused)
    assert service.jobs() == 0


def test_a_recipient_that_cannot_be_bound_is_refused(service: Service) -> None:
    for tier in ("ezkl", "optimistic"):
        for refused in (service.submit(HERS, tier=tier), service.infer(tier=tier, recipient=HERS)):
            assert refused.status == 400 and f"{tier!r} binds no recipient" in said(refused)
    # Else who forgot the tier would believe the answer to be bound.
    for parameters in ({}, {"tier": "none"}):
        refused = service.infer(recipient=HERS, **parameters)
        assert refused.status == 400 and "'none' binds no recipient" in said(refused)
    for wrong in (7, [HERS], {"address": HERS}, True):
        assert service.submit(wrong).status == 422
        refused = service.infer(tier="sumcheck", recipient=wrong)
        assert refused.status == 400 and "must be text" in said(refused)
    assert service.jobs() == 0
