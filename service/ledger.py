"""The ledger: what each tenant has used. Rows are added, never taken away.

What is tied to a job is written in the transaction that ends the job or one of its stages, and so exactly
once, however often the job was begun. Requests are counted in memory by a `Meter`, which writes the counts
down every few seconds: serving waits for no database, and goes on when there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.database import Database, Job, Kind, LedgerEntry, now
from service.identifiers import new_id
from service.repeating import Repeating

FLUSH_SECONDS = 5.0
"""A process that is killed loses the counts of so many seconds at most."""
LAST_TRIES = 3
log = structlog.get_logger()


class What(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    SAMPLES = "samples"
    BYTES_IN = "bytes_in"
    BYTES_OUT = "bytes_out"
    BYTES_STORED = "bytes_stored"
    PROOFS = "proofs"
    CLAIMS = "claims"
    COMPILATIONS = "compilations"
    SETUPS = "setups"
    VERIFICATIONS = "verifications"
    SECONDS = "seconds"

    @property
    def unit(self) -> str:
        """In what it is counted."""
        return UNITS[self]


UNITS = {
    What.REQUESTS: "request",
    What.SAMPLES: "sample",
    What.BYTES_IN: "byte",
    What.BYTES_OUT: "byte",
    What.BYTES_STORED: "byte",
    What.PROOFS: "proof",
    What.CLAIMS: "claim",
    What.COMPILATIONS: "job",
    What.SETUPS: "job",
    What.VERIFICATIONS: "job",
    What.SECONDS: "second",
}
DONE = {
    Kind.PROVE: What.PROOFS,
    Kind.COMPILE: What.COMPILATIONS,
    Kind.SETUP: What.SETUPS,
    Kind.VERIFY: What.VERIFICATIONS,
}
"""What a job that has succeeded counts as, but for one that posted a claim in place of a proof."""
CLAIMING = "optimistic"
"""The tier of such jobs."""


def record(session: Session, tenant_id: str, what: What, quantity: float, job_id: str | None = None) -> None:
    """Write down what a tenant has used, in the caller's transaction."""
    session.add(
        LedgerEntry(
            tenant_id=tenant_id,
            job_id=job_id,
            what=what.value,
            quantity=quantity,
            unit=what.unit,
            at=now(session),
        )
    )


def record_success(session: Session, job: Job) -> None:
    """Write down that a job has succeeded, in the transaction that ends it."""
    claimed = job.kind is Kind.PROVE and job.tier == CLAIMING
    record(session, job.tenant_id, What.CLAIMS if claimed else DONE[job.kind], 1, job.id)


@dataclass
class _Row:
    """A row that a meter has in the ledger: what it counted in an hour."""

    tenant: str
    what: What
    at: datetime
    total: int = 0
    id: str = field(default_factory=new_id)


class Meter:
    """Counts the requests that one process answers.

    A count has a row for each hour, which is written again and again, with all that was counted in the hour:
    a write of which nobody knows whether it was done is done again, and counts once.
    """

    def __init__(self, database: Database, seconds: float = FLUSH_SECONDS) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, What], int] = {}
        self._flushing = threading.Lock()
        self._rows: dict[tuple[str, What], _Row] = {}
        self._unwritten: dict[str, _Row] = {}
        self._thread = Repeating("meter", self.flush, seconds)

    def count(self, tenant: str, quantities: Mapping[What, int]) -> None:
        """Count something of a tenant's; this waits for nothing."""
        with self._lock:
            for what, quantity in quantities.items():
                key = tenant, what
                self._counts[key] = self._counts.get(key, 0) + quantity

    def flush(self) -> None:
        """Write down what was counted. If it fails, nothing is lost, and the next call writes it."""
        with self._flushing:
            if not self._counts and not self._unwritten:
                return
            with self._database.write() as session:
                self._assign(now(session))
                for row in self._unwritten.values():
                    written = LedgerEntry(id=row.id, tenant_id=row.tenant, what=row.what.value, at=row.at)
                    written.quantity, written.unit = row.total, row.what.unit
                    session.merge(written)
            self._unwritten.clear()

    def start(self) -> None:
        """Write every few seconds, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write for the last time."""
        self._thread.stop()
        for left in reversed(range(LAST_TRIES)):
            try:
                self.flush()
                return
            except DBAPIError as error:
                log.warning("counts could not be written", error=str(error.orig), tries_left=left)

    def _assign(self, at: datetime) -> None:
        """Add what was counted to the rows of this hour."""
        with self._lock:
            counts, self._counts = self._counts, {}
        for key, quantity in counts.items():
            row = self._rows.get(key)
            if row is None or _hour(row.at) != _hour(at):
                row = self._rows[key] = _Row(*key, at)
            row.total += quantity
            self._unwritten[row.id] = row


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
