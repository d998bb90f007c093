"""A small model that can be proved within a second, and jobs that prove it."""

from __future__ import annotations

import io
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from service.database import Job, JobEvent, Kind, Status, VersionKey
from service.jobs import Order
from service.parts import Parts
from tests.prover.circuits_to_prove import build
from tests.service.patience import PATIENCE
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

INPUT = [0, 17, 255, 128]


def soon(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, f"not so in time: {what}"
        time.sleep(0.05)


def tell(pids: list[int], *signals: signal.Signals) -> None:
    """Send signals to processes."""
    for number in signals:
        for pid in pids:
            os.kill(pid, number)


@dataclass
class Provable:
    """A tenant's model with a key. Reference strings come from this user's store, which workers share."""

    parts: Parts
    tenant: str

    def __post_init__(self) -> None:
        circuit = build("a layer")
        self.key = SumcheckBackend().setup(circuit, SrsStore().generate, silent).key
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.circuit"
            circuit.save(path)
            self.version, _ = self.parts.models.add(self.tenant, "m", path)
        digest = self.put(self.key.encode())
        with self.parts.database.write() as session:
            session.add(VersionKey(version_id=self.version, backend="sumcheck", verifying_key=digest))

    def put(self, data: bytes) -> str:
        """An artifact's digest."""
        return self.parts.artifacts.put(self.tenant, io.BytesIO(data), "application/octet-stream")

    def submit(self, count: int = 1) -> list[str]:
        """Submit jobs, each with an input of its own; returns their ids."""
        ids = []
        for number in range(count):
            digest = self.put(json.dumps({"input_ints": [[number % 256, *INPUT[1:]]]}).encode())
            order = Order(Kind.PROVE, "sumcheck", {"input": digest, "alone": True}, self.version)
            ids.append(self.parts.jobs.submit(self.tenant, order).id)
        return ids

    def freeze_at_work(self, processes: Callable[[], list[int]], count: int) -> list[str]:
        """Submit jobs until each of some worker processes works on one, and stop them all in the midst of it,
        as SIGSTOP does: a job here is done before a test has looked twice. Returns the jobs' ids.
        """
        ids: list[str] = []

        def at_work() -> bool:
            found = processes()
            if len(found) < count:
                return False
            tell(found, signal.SIGSTOP)
            unfinished = [job for job in map(self.job, ids) if job.finished_at is None]
            owners = [job.lease_owner for job in unfinished if job.lease_owner is not None]
            if set(found) <= {int(owner.split()[0].rpartition(":")[2]) for owner in owners}:
                return True
            tell(found, signal.SIGCONT)
            if len(unfinished) - len(owners) < count:
                ids.extend(self.submit(count))
            return False

        soon(at_work, f"{count} processes work")
        return ids

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return self.parts.jobs.get(self.tenant, job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        """All that happened to a job."""
        return list(self.parts.jobs.events(self.tenant, job_id, limit=10_000))

    def wait(self, ids: Sequence[str]) -> list[Job]:
        """The jobs once all have ended."""
        soon(lambda: all(self.job(one).finished_at is not None for one in ids), "all jobs have ended")
        return [self.job(one) for one in ids]

    def check(self, ids: Sequence[str]) -> None:
        """Every job has succeeded, has ended once, and has the right proof; one is checked in full."""
        for job in self.wait(ids):
            assert (job.execution, job.proof, job.error) == (Status.SUCCEEDED, Status.SUCCEEDED, None)
            assert [event.event for event in self.events(job.id)].count("finished") == 1
            assert job.result is not None
            proof = Proof.decode(b"".join(self.parts.artifacts.read(self.tenant, job.result["proof"])))
            output = json.loads(b"".join(self.parts.artifacts.read(self.tenant, job.result["output"])))
            assert list(proof.outputs) == output["output_ints"]
            assert job.id != ids[0] or verify(proof, self.key).valid
