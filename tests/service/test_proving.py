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
from service.leases import EXECUTE, Leases
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
    """A version in the database, and a worker that proves."""

    def __init__(
        self, database: Database, tenant: str, folder: Path, made: tuple[Circuit, VerifyingKey, SrsStore]
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
            session.add(VersionKey(version_id=version.id, backend="sumcheck", verifying_key=key))
            self.version = version.id
        self.leases = Leases(database, timedelta(seconds=30), most_attempts=1)
        handler = ProveHandler(database, self.artifacts, store, threads=1)
        self.worker = Worker(self.leases, {Kind.PROVE: handler}, poll_seconds=0.02)

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
    scene.worker.start()
    yield scene
    scene.worker.stop()


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
