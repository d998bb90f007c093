"""What a job is going to take, known before it begins."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from circuits.errors import VerinferError
from circuits.file import load
from prover.backends import backend
from service.database import Kind, Model, Version
from service.leases import Sort
from service.parts import Parts

BASE_BYTES = 512 << 20
"""What a worker takes without a job, and with one that is small."""
COMPILE_BYTES = 2 << 30
MAX_KNOWN = 10_000


@dataclass(frozen=True)
class Needs:
    """What a job takes: processors, and bytes of memory at the most."""

    cpus: int
    memory: int


class Forecast:
    """Tells what jobs of a sort take. What has been found out is remembered: a version never changes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: dict[Sort, Needs] = {}

    def needs(self, sort: Sort) -> Needs:
        """What a job of this sort takes. One that cannot be looked into will fail, and takes little."""
        if sort not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[sort] = Needs(self._parts.settings.job_threads or 1, BASE_BYTES + self._memory(sort))
        return self._known[sort]

    def _memory(self, sort: Sort) -> int:
        if sort.kind is Kind.COMPILE:
            return COMPILE_BYTES
        if sort.kind not in (Kind.PROVE, Kind.SETUP) or sort.version_id is None:
            return 0
        with self._parts.database.read() as session:
            found = session.execute(
                select(Model.tenant_id, Version.circuit)
                .join(Version, Version.model_id == Model.id)
                .where(Version.id == sort.version_id)
            ).one_or_none()
        if found is None:
            return 0
        try:
            with tempfile.TemporaryDirectory(prefix="verinfer-") as folder:
                circuit = load(
                    self._parts.artifacts.fetch(found[0], found[1], Path(folder) / "model.circuit")
                )
            return backend(sort.tier).estimate(circuit).peak_rss_bytes
        except VerinferError:
            return 0
