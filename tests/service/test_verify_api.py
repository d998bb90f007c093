"""Checking proofs and receipts over HTTP, by tenants and by strangers; and `verify` jobs."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import requests
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from circuits.circuit import Circuit
from circuits.errors import InputError
from prover.ezkl.backend import EzklBackend
from prover.keys import KeyCache
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from service.api_keys import create_key
from service.application import application
from service.database import Kind, Status, VersionKey
from service.handlers import handlers
from service.jobs import Order
from service.leases import Leases
from service.parts import Parts
from service.receipt_check import key_id
from service.settings import Settings
from service.verification import TooMany, Verification
from service.worker import Worker
from tests.prover.circuits_to_prove import build
from tests.service.conftest import add_tenant
from tests.service.serving import add_model, served
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore

INPUT = [0, 17, 255, 128]


class Proven:
    """A circuit, its key, and a proof of one answer."""

    def __init__(self, store: SrsStore, name: str, inputs: list[int]) -> None:
        self.circuit: Circuit = build(name)
        backend = SumcheckBackend(threads=1)
        self.key = backend.setup(self.circuit, store.generate, silent).key
        prover = backend.load(self.circuit, self.key, store.generate, silent)
        shape = self.circuit.nodes[self.circuit.inputs[0].node].shape
        self.proof = prover.prove([np.array(inputs, np.int64).reshape(1, *shape)], silent).proof


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Proven:
    """One of a circuit with four inputs."""
    return Proven(SrsStore(tmp_path_factory.mktemp("srs")), "a layer", INPUT)


class Service:
    """A server with a tenant's model, which has the proven circuit and its key."""

    def __init__(self, url: str, parts: Parts, proven: Proven) -> None:
        self.url, self.parts = f"{url}/api/v1", parts
        self.tenant = add_tenant(parts.database, "ada")
        key = create_key(parts.database, self.tenant, "key", ["models", "jobs", "infer"])
        self.headers = {"Authorization": f"Bearer {key}"}
        version, _ = add_model(parts, self.tenant, proven.circuit, "layer")
        with parts.database.write() as session:
            digest = self.put(proven.key.encode())
        with parts.database.write() as session:
            session.add(VersionKey(version_id=version, backend="sumcheck", verifying_key=digest))

    def put(self, data: bytes) -> str:
        """An artifact of the tenant's."""
        return self.parts.artifacts.put(self.tenant, io.BytesIO(data), "application/octet-stream")

    def verify(
        self, proof: bytes | Proof, key: bytes | VerifyingKey | None = None, mine: bool = False
    ) -> Any:
        """Ask for a check."""
        files = {"proof": proof if isinstance(proof, bytes) else proof.encode()}
        if key is not None:
            files["key"] = key if isinstance(key, bytes) else key.encode()
        headers = self.headers if mine else {}
        return requests.post(f"{self.url}/verify", files=files, headers=headers, timeout=60)


@pytest.fixture
def service(tmp_path: Path, url: str, proven: Proven) -> Iterator[Service]:
    """A service on each database."""
    settings = Settings(data=tmp_path / "data", database=url, access="keys")
    with Parts.open(settings) as parts, served(application(parts)) as address:
        yield Service(f"http://{address}", parts, proven)


def altered(proof: Proof, **changes: Any) -> Proof:
    """A proof with other fields."""
    fields = {name: getattr(proof, name) for name in proof.__dataclass_fields__}
    return Proof(**(fields | changes))


def test_a_proof_with_its_key(service: Service, proven: Proven) -> None:
    answer = service.verify(proven.proof, proven.key)
    assert answer.status_code == 200
    verdict = answer.json()
    circuit_id = "0x" + proven.circuit.circuit_id.hex()
    assert verdict == {
        "valid": True,
        "says": f"The proof holds: the circuit {circuit_id} gives these outputs on the inputs that it "
        "states; but somebody may know the secret of its reference string, so it convinces nobody else.",
        "reason": "",
        "circuit_id": circuit_id,
        "backend": "sumcheck",
        "model": None,
        "outputs": list(proven.proof.outputs),
        "output_count": len(proven.proof.outputs),
        "inputs": "public",
        "input_commitment": verdict["input_commitment"],
        "recipient": None,
        "insecure_srs": True,
    }
    assert len(verdict["input_commitment"]) == 66


def test_what_does_not_hold(service: Service, proven: Proven, tmp_path: Path) -> None:
    outputs = (proven.proof.outputs[0] + 1, *proven.proof.outputs[1:])
    lie = service.verify(altered(proven.proof, outputs=outputs), proven.key).json()
    assert lie["valid"] is False and lie["says"].startswith("The proof does not hold: ")
    assert lie["reason"].removeprefix("the proof is invalid: ") in lie["says"]
    store = SrsStore(tmp_path / "srs")
    other = SumcheckBackend(threads=1).setup(build("table"), store.generate, silent).key
    wrong = service.verify(proven.proof, other).json()
    assert wrong["valid"] is False and "the key for" in wrong["reason"]


def test_a_proof_alone_is_checked_by_a_model_here(service: Service, proven: Proven) -> None:
    hidden = service.verify(proven.proof)
    assert hidden.status_code == 404 and "send the verifying key too" in hidden.json()["detail"]
    mine = service.verify(proven.proof, mine=True).json()
    assert mine["valid"] is True and mine["model"] == {"name": "layer@ada", "version": 1}
    assert mine["says"].startswith("The proof holds: version 1 of layer@ada, the circuit 0x")
    service.parts.registry.publish(service.tenant, "layer", True)
    assert service.verify(proven.proof).json() == mine
    # Another's copy of the model does not take its name.
    other = add_tenant(service.parts.database, "other")
    version, _ = add_model(service.parts, other, proven.circuit, "better")
    digest = service.parts.artifacts.put(other, io.BytesIO(proven.key.encode()), "x")
    with service.parts.database.write() as session:
        session.add(VersionKey(version_id=version, backend="sumcheck", verifying_key=digest))
    service.parts.registry.publish(other, "better", True)
    assert service.verify(proven.proof).json()["model"]["name"] == "layer@ada"


def test_what_is_no_proof(service: Service, proven: Proven) -> None:
    proof, key = proven.proof.encode(), proven.key.encode()
    for given, status, why in (
        ((b"noise", key), 400, "proof"),
        ((proof[:-1], key), 400, "digest"),
        ((proof, b"noise"), 400, "key"),
        ((key, proof), 400, "is not a Verinfer proof"),
        ((b"", None), 400, "proof"),
        ((b"noise", None), 400, "proof"),
    ):
        answer = service.verify(*given)
        assert answer.status_code == status and why in answer.json()["detail"], answer.text
        assert "/" not in answer.json()["detail"]
    url = f"{service.url}/verify"
    assert requests.post(url, files={"key": key}, timeout=60).status_code == 400
    assert requests.post(url, files={"proof": proof, "more": proof}, timeout=60).status_code == 400
    assert requests.post(url, json={}, timeout=60).status_code == 415
    bad = {"Authorization": "Bearer nonsense"}
    assert requests.post(url, files={"proof": proof}, headers=bad, timeout=60).status_code == 401


def test_a_proof_by_ezkl(tmp_path: Path) -> None:
    """Its library, in a process of its own, works in the sandbox."""
    store, circuit = SrsStore(tmp_path / "srs"), build("a layer")
    backend = EzklBackend(KeyCache("ezkl", tmp_path / "cache"))
    key = backend.setup(circuit, store.generate, silent).key
    prover = backend.load(circuit, key, store.generate, silent)
    proof = prover.prove([np.array(INPUT, np.int64).reshape(1, 1, 4)], silent).proof
    lie = altered(proof, outputs=(proof.outputs[0] + 1, *proof.outputs[1:]))
    with Parts.open(Settings(data=tmp_path / "data")) as parts:
        verification = Verification(parts, 1)
        for given, valid in ((proof, True), (lie, False)):
            checked = verification.check(None, io.BytesIO(given.encode()), io.BytesIO(key.encode()))
            assert (checked.verdict["valid"], checked.verdict["backend"]) == (valid, "ezkl")


class Slow(io.BytesIO):
    """A file whose reading waits."""

    def __init__(self) -> None:
        super().__init__(b"noise")
        self.reading, self.go_on = threading.Event(), threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        """Wait, and then read."""
        self.reading.set()
        assert self.go_on.wait(30)
        return super().read(size)


def test_so_many_at_a_time(tmp_path: Path, proven: Proven) -> None:
    def file(data: bytes) -> BinaryIO:
        return io.BytesIO(data)

    with Parts.open(Settings(data=tmp_path)) as parts:
        verification, slow = Verification(parts, 1), Slow()
        failed: list[BaseException] = []

        def check() -> None:
            try:
                verification.check(None, slow, file(proven.key.encode()))
            except InputError as error:
                failed.append(error)

        thread = threading.Thread(target=check)
        thread.start()
        assert slow.reading.wait(30)
        with pytest.raises(TooMany):
            verification.check(None, file(proven.proof.encode()), file(proven.key.encode()))
        slow.go_on.set()
        thread.join()
        assert len(failed) == 1  # and its place is free again
        checked = verification.check(None, file(proven.proof.encode()), file(proven.key.encode()))
        assert checked.verdict["valid"] is True


def test_verify_jobs(service: Service, proven: Proven) -> None:
    worker = Worker(
        Leases(service.parts.database, most_attempts=1), handlers(service.parts), poll_seconds=0.02
    )
    worker.start()
    jobs = service.parts.jobs
    request = {"proof": service.put(proven.proof.encode()), "key": service.put(proven.key.encode())}
    good = jobs.submit(service.tenant, Order(Kind.VERIFY, "none", request))
    bad = jobs.submit(service.tenant, Order(Kind.VERIFY, "none", request | {"proof": service.put(b"noise")}))
    stolen = jobs.submit(add_tenant(service.parts.database, "thief"), Order(Kind.VERIFY, "none", request))
    result = ended(jobs, service.tenant, good.id).result
    assert result is not None and result["valid"] is True
    assert result["circuit_id"] == proven.circuit.circuit_id.hex()
    failed = ended(jobs, service.tenant, bad.id)
    assert failed.execution is Status.FAILED and "proof" in str(failed.error)
    refused = ended(jobs, stolen.tenant_id, stolen.id)
    assert refused.error == f"there is no artifact {request['proof']}"
    worker.stop()


def test_receipts(service: Service, proven: Proven) -> None:
    published = requests.get(f"{service.url}/receipt-key", timeout=60).json()
    raw = bytes.fromhex(published["public_key"])
    assert published["key_id"] == key_id(raw) == service.parts.signer.key_id
    assert load_pem_public_key(published["pem"].encode()).public_bytes_raw() == raw  # type: ignore[union-attr]
    tensor = {
        "name": proven.circuit.inputs[0].name, "shape": [1, 4], "datatype": "INT64", "data": INPUT,
        "parameters": {"integers": True},
    }  # fmt: skip
    url = service.url.replace("/api/v1", "/v2/models/layer/infer")
    answer = requests.post(url, json={"inputs": [tensor]}, headers=service.headers, timeout=60)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()["parameters"]["receipt"]

    def check(data: str | bytes) -> Any:
        found = requests.post(f"{service.url}/receipts/verify", data=data, timeout=60)
        assert found.status_code == 200, found.text
        return found.json()

    good = check(receipt)
    assert (good["valid"], good["model"], good["version"], good["tier"]) == (True, "layer", "1", "none")
    assert good["circuit_id"] == "0x" + proven.circuit.circuit_id.hex() and len(good["samples"]) == 1
    envelope = json.loads(receipt)
    payload = base64.b64decode(envelope["payload"]).replace(b'"layer"', b'"lawyer"')
    envelope["payload"] = base64.b64encode(payload).decode()
    forged = check(json.dumps(envelope, sort_keys=True, separators=(",", ":")))
    assert forged["valid"] is False and "signature" in forged["reason"]
    for data in (b"", b"{}", b"\xff", b"[" * 10_000):
        assert check(data)["valid"] is False
    large = requests.post(f"{service.url}/receipts/verify", data=bytes(5 << 20), timeout=60)
    assert large.status_code == 413
