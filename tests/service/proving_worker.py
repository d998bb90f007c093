"""A worker process that proves for real, and waits in the midst of each proof of several samples until a file
is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from circuits.tensor import IntArray
from prover.backend import Progress, Proven, Prover
from service.artifacts import Artifacts
from service.database import Database, Kind
from service.handlers import prove
from service.leases import Leases
from service.worker import Worker
from verifier.srs import SrsStore

LEASE = timedelta(seconds=1.5)


class Waiting:
    """A prover that says that it has begun, and waits until it may go on."""

    def __init__(self, prover: Prover, folder: Path) -> None:
        self._prover, self._folder = prover, folder

    def prove(self, inputs: Sequence[IntArray], progress: Progress, *rest: Any) -> Proven:
        if inputs[0].shape[0] > 1:
            (self._folder / "begun").touch()
            while not (self._folder / "go on").exists():
                time.sleep(0.01)
        return self._prover.prove(inputs, progress, *rest)


def main(url: str, artifacts: str, srs: str, folder: str) -> None:
    """Work until killed."""
    load = prove._Proving._load_prover

    def waiting(self: Any, *arguments: Any) -> Prover:
        return Waiting(load(self, *arguments), Path(folder))

    prove._Proving._load_prover = waiting  # type: ignore[method-assign]
    database = Database(url)
    handler = prove.ProveHandler(database, Artifacts(database, artifacts, 1 << 24), SrsStore(srs), threads=1)
    leases = Leases(database, LEASE, most_attempts=10, backoff=timedelta(0))
    Worker(leases, {Kind.PROVE: handler}, poll_seconds=0.05).serve()
