"""A worker process for the crash tests: its jobs write artifacts in three stages, some milliseconds each."""

from __future__ import annotations

import io
import random
import time
from datetime import timedelta

from service.artifacts import Artifacts
from service.database import Database, Kind
from service.leases import Leases
from service.stages import EXECUTE, PROVE, VERIFY
from service.worker import Context, Result, Worker

LARGEST = 1 << 22
LEASE = timedelta(seconds=0.6)
STAGES = (EXECUTE, PROVE, VERIFY)


def bytes_of(seed: int, stage: str) -> bytes:
    """What a stage writes."""
    return random.Random(f"{seed} {stage}").randbytes(300_000)


def main(url: str, folder: str) -> None:
    """Work until killed, or until SIGTERM."""
    database = Database(url)
    artifacts = Artifacts(database, folder, LARGEST)

    def handler(context: Context) -> Result:
        seed = context.lease.request["seed"]

        def work(stage: str) -> Result:
            time.sleep(context.lease.request.get("seconds", 0.02))
            data = io.BytesIO(bytes_of(seed, stage))
            return {"digest": artifacts.put(context.lease.tenant_id, data, "application/octet-stream")}

        return {stage: context.stage(stage, lambda stage=stage: work(stage)) for stage in STAGES}  # type: ignore[misc]

    leases = Leases(database, LEASE, most_attempts=1000, backoff=timedelta(milliseconds=10))
    Worker(leases, {Kind.PROVE: handler}, poll_seconds=0.05).serve()
