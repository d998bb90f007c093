"""A `prove` job by the real prover, from its submission to a proof that verifies."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from circuits.circuit import Circuit
from circuits.file import save
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from service.artifacts import Artifacts
from service.database import Database, Job, Kind, Model, Status, Version, VersionKey
from service.errors import NotFound
from service.handlers.prove import ProveHandler
from service.jobs import Jobs, Order
from service.leases import Leases
from service.stages import EXECUTE
from service.worker import Worker
from tests.prover.circuits_to_prove import build
from tests.service.conftest import add_tenant
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

INPUT = [0, 17, 255, 128]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Circuit, VerifyingKey, SrsStore]:
    """A circuit with its key."""
    circuit, store = build("a layer"), SrsStore(tmp_path_factory.mktemp("srs"))
    return circuit, SumcheckBackend().setup(circuit, store.generate, silent).key, store


class Scene:
    """A version in the database, with its key or without, and a worker that proves."""

    def __init__(
        self,
        database: Database,
        tenant: str,
        folder: Path,
        made: tuple[Circuit, VerifyingKey, SrsStore],
        with_key: bool = True,
    ) -> None:
        circuit, self.key, store = made
        self.tenant, self.jobs = tenant, Jobs(database)
        self.artifacts = Artifacts(database, str(folder / "artifacts"), 1 << 24)
        save(circuit, folder / "model.circuit")
        file = self.put((folder / "model.circuit").read_bytes())
        key = self.put(self.key.encode())
        at = datetime.now(UTC)
        with database.write() as session:
            model = Model(tenant_id=tenant, name="m", public=True, created_at=at)
            session.add(model)
            session.flush()
            name = circuit.circuit_id.hex()
            version = Version(model_id=model.id, number=1, circuit_id=name, circuit=file, created_at=at)
            session.add(version)
            session.flush()
            if with_key:
                session.add(VersionKey(version_id=version.id, backend="sumcheck", verifying_key=key))
            self.version = version.id
        self.leases = Leases(database, timedelta(seconds=30), most_attempts=1)
        handler = ProveHandler(database, self.artifacts, store, threads=1)
        self.workers = [Worker(self.leases, {Kind.PROVE: handler}, poll_seconds=0.02) for _ in range(2)]

    def put(self, data: bytes, tenant: str | None = None) -> str:
        """An artifact of a tenant's."""
        return self.artifacts.put(tenant or self.tenant, io.BytesIO(data), "application/octet-stream")

    def prove(self, tenant: str, input: str, tier: str = "sumcheck") -> Job:
        """A job that has ended."""
        order = Order(Kind.PROVE, tier, {"input": input}, self.version)
        return ended(self.jobs, tenant, self.jobs.submit(tenant, order).id)


@pytest.fixture
def scene(
    database: Database, tenant: str, tmp_path: Path, made: tuple[Circuit, VerifyingKey, SrsStore]
) -> Iterator[Scene]:
    """A scene whose worker runs."""
    scene = Scene(database, tenant, tmp_path, made)
    scene.workers[0].start()
    yield scene
    scene.workers[0].stop()


def test_a_proof_is_made_kept_and_verifies(scene: Scene, database: Database) -> None:
    user = add_tenant(database, "user")  # uses the other's public model, and reads none of its files
    job = scene.prove(user, scene.put(json.dumps({"input_ints": [INPUT]}).encode(), user))
    assert (job.execution, job.proof, job.error) == (Status.SUCCEEDED, Status.SUCCEEDED, None)
    assert job.result is not None
    proof = Proof.decode(b"".join(scene.artifacts.read(user, job.result["proof"])))
    output = json.loads(b"".join(scene.artifacts.read(user, job.result["output"])))
    verdict = verify(proof, scene.key)
    assert verdict.valid and list(verdict.outputs) == output["output_ints"]
    with pytest.raises(NotFound):
        scene.artifacts.read(scene.tenant, job.result["proof"])
    stages = [event.data for event in scene.jobs.events(user, job.id) if event.event == "stage"]
    begun = [stage["stage"] for stage in stages if stage["status"] == "running"]
    assert begun == [EXECUTE, "prove", "verify"]


def test_a_missing_sumcheck_key_is_made_once(
    database: Database, tenant: str, tmp_path: Path, made: tuple[Circuit, VerifyingKey, SrsStore]
) -> None:
    scene, user = Scene(database, tenant, tmp_path, made, with_key=False), add_tenant(database, "user")
    submitted = []
    for who in (user, tenant):
        input = scene.put(json.dumps({"input_ints": [INPUT]}).encode(), who)
        order = Order(Kind.PROVE, "sumcheck", {"input": input}, scene.version)
        submitted.append((who, scene.jobs.submit(who, order).id))
    for worker in scene.workers:
        worker.start()
    try:
        jobs = [ended(scene.jobs, who, job) for who, job in submitted]
    finally:
        for worker in scene.workers:
            worker.stop()
    with database.read() as session:
        key = session.get_one(VersionKey, (scene.version, "sumcheck"))
    # It is its model's owner's, whoever asked first.
    assert VerifyingKey.decode(b"".join(scene.artifacts.read(tenant, key.verifying_key))) == scene.key
    for who, job in zip((user, tenant), jobs, strict=True):
        assert (job.proof, job.error) == (Status.SUCCEEDED, None)
        assert job.result is not None and job.result["verifying_key"] == key.verifying_key
        proof = Proof.decode(b"".join(scene.artifacts.read(who, job.result["proof"])))
        assert verify(proof, scene.key).valid


def test_without_a_reference_string_the_tenant_is_told_no_paths(
    database: Database, tenant: str, tmp_path: Path, made: tuple[Circuit, VerifyingKey, SrsStore]
) -> None:
    circuit, key, _ = made
    scene = Scene(database, tenant, tmp_path, (circuit, key, SrsStore(tmp_path / "none")), with_key=False)
    scene.workers[0].start()
    try:
        job = scene.prove(tenant, scene.put(json.dumps({"input_ints": [INPUT]}).encode()))
    finally:
        scene.workers[0].stop()
    assert (job.execution, job.proof) == (Status.SUCCEEDED, Status.FAILED)
    assert job.error is not None and "no reference string" in job.error and str(tmp_path) not in job.error


def test_what_cannot_be_proved_is_told(scene: Scene, database: Database, tmp_path: Path) -> None:
    wrong = scene.prove(scene.tenant, scene.put(b'{"input_ints": [[1, 2]]}'))
    assert (wrong.execution, wrong.proof) == (Status.FAILED, Status.CANCELLED)
    assert wrong.error is not None and "input.json" in wrong.error and "/" not in wrong.error
    assert scene.prove(scene.tenant, scene.put(b"no JSON")).execution is Status.FAILED
    absent = scene.prove(scene.tenant, "0" * 64)
    assert absent.error == f"there is no artifact {'0' * 64}"
    other = scene.put(json.dumps({"input_ints": [INPUT]}).encode(), add_tenant(database, "other"))
    assert scene.prove(scene.tenant, other).error == f"there is no artifact {other}"
    keyless = scene.prove(scene.tenant, scene.put(b"{}"), tier="ezkl")
    assert keyless.error == "the model's version has no key for ezkl: set it up first"
