"""What a proof, or a claim, will about take, before it is asked for.

Time and memory follow from the backend's own estimate, which is of two cores of a common server. What this
service has measured of the version's last jobs corrects it: how many times the estimate its proofs took, and
how long all else of a job took. Where it has measured none, the range is wide.

The wait follows from the jobs ahead: the tenant's own, and as many of each other tenant's, since tenants take
turns; from how long this one would take; and from the workers that work now.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from circuits.circuit import Circuit
from prover.backend import Estimate
from prover.backends import backend
from service.database import Database, Job, JobStage, Kind, Status, now
from service.key_choices import KeyChoices
from service.models import Served
from service.stages import POST, PROVE
from service.version_keys import find_subject, require_key, require_samples
from service.worker import POLL_SECONDS

MEASURED_JOBS, ENOUGH_JOBS = 50, 3
"""How many of the last jobs are looked at, and how many there must be to say anything."""
UNMEASURED = (0.5, 1.0, 4.0)
"""How many times the estimate an unmeasured proof takes: at best, likely and at worst."""
OTHER_SECONDS = (0.3, 1.5, 10.0)
"""How long all else of an unmeasured job takes, loading and checking above all."""
MEMORY_SPREAD = 1.5
TRACE_LEAF_SECONDS = 5e-6
"""What executing a circuit and hashing its trace takes for each leaf of the trace
(`bench/results/dispute-2026-11.md`)."""
BLOCK_SECONDS = (0.3, 15.0, 90.0)
"""From an unmeasured claim's trace until its transaction is in a block."""
PROOF_HEADER_BYTES, VALUE_BYTES = 400, 8
"""What a proof's file has besides the argument: names and digests, and each input and output."""
MAX_CACHED = 1000


@dataclass(frozen=True)
class Range:
    """A quantity that is not known yet: nine times in ten it lies between `low` and `high`."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True)
class Quote:
    """What a job will about take.

    Parameters
    ----------
    measured_jobs
        How many jobs of the version this rests on; with 0, it is an estimate only.
    jobs_ahead, workers
        How many jobs are likely to begin before it, and how many workers work now.
    wait, seconds
        Until it begins, and from then to its end, in seconds.
    peak_bytes, proof_bytes
        The prover's memory, and the length of the proof; None where only the proof tells, or there is none.
    cost
        In `currency`: seconds at the service's price.
    """

    tier: str
    samples: int
    measured_jobs: int
    jobs_ahead: int
    workers: int
    wait: Range
    seconds: Range
    peak_bytes: Range | None
    proof_bytes: int | None
    cost: Range
    currency: str


class Quotes:
    """Says what jobs will take.

    Parameters
    ----------
    price_per_second, currency
        What a second of a job costs.
    estimate
        How a backend estimates.
    """

    def __init__(
        self,
        database: Database,
        price_per_second: float,
        currency: str,
        estimate: Callable[[Circuit, str, int, KeyChoices], Estimate] | None = None,
    ) -> None:
        self._database = database
        self._price, self._currency = price_per_second, currency
        self._estimate = estimate or _estimate
        self._lock = threading.Lock()
        self._estimates: OrderedDict[tuple[bytes, str, int, KeyChoices], Estimate] = OrderedDict()

    def quote(self, tenant: str, model: Served, tier: str, samples: int) -> Quote:
        """What a job of a tenant's will about take.

        Parameters
        ----------
        tier
            A backend.

        Raises
        ------
        InputError
            If the tier, or the version's key of it, does not prove so many samples in one proof, or not this
            circuit, or the version has no key of it and cannot get one on the way.
        """
        circuit = model.circuit
        subject = find_subject(self._database, model.version_id, tier)
        require_key(tier, subject.verifying_key)
        require_samples(subject, samples)
        choices = subject.choices
        estimate = self._estimated(circuit, tier, samples, choices)
        with self._database.read() as session:
            past = _measured(session, model.version_id, tier)
            ahead, workers = _queue(session, tenant)
        factors, others = Range(*UNMEASURED), Range(*OTHER_SECONDS)
        if len(past) >= ENOUGH_JOBS:
            ratios = [
                one.prove / self._estimated(circuit, tier, one.samples, choices).prove_seconds for one in past
            ]
            factors, others = _spread(ratios), _spread([one.other for one in past])
        else:
            past = []
        seconds = factors * estimate.prove_seconds + others
        stated = circuit.outputs if choices.commit_inputs else (*circuit.inputs, *circuit.outputs)
        values = sum(circuit.nodes[port.node].size for port in stated)
        return Quote(
            tier,
            samples,
            len(past),
            ahead,
            workers,
            _wait(ahead, workers, seconds.likely),
            seconds,
            Range(1, 1, MEMORY_SPREAD) * estimate.peak_rss_bytes,
            None
            if estimate.proof_bytes is None
            else estimate.proof_bytes + PROOF_HEADER_BYTES + VALUE_BYTES * samples * values,
            seconds * self._price,
            self._currency,
        )

    def quote_claim(self, tenant: str, model: Served, tier: str) -> Quote:
        """What a tenant's job will about take that claims one answer, until the claim is posted: from then on
        it holds no worker for long."""
        with self._database.read() as session:
            past = _posted(session, model.version_id)
            ahead, workers = _queue(session, tenant)
        if len(past) >= ENOUGH_JOBS:
            seconds = _spread(past)
        else:
            past = []
            leaves = model.circuit.identity.plan.trace_leaves
            seconds = Range(*UNMEASURED) * (leaves * TRACE_LEAF_SECONDS) + Range(*BLOCK_SECONDS)
        wait, cost = _wait(ahead, workers, seconds.likely), seconds * self._price
        return Quote(tier, 1, len(past), ahead, workers, wait, seconds, None, None, cost, self._currency)

    def _estimated(self, circuit: Circuit, tier: str, samples: int, choices: KeyChoices) -> Estimate:
        key = (circuit.circuit_id, tier, samples, choices)
        with self._lock:
            if key in self._estimates:
                self._estimates.move_to_end(key)
                return self._estimates[key]
        found = self._estimate(circuit, tier, samples, choices)
        with self._lock:
            self._estimates[key] = found
            if len(self._estimates) > MAX_CACHED:
                self._estimates.popitem(last=False)
        return found


@dataclass(frozen=True)
class _Measured:
    """A job that was done: how many samples its proof has, and the seconds of the proof and of all else."""

    samples: int
    prove: float
    other: float


def _estimate(circuit: Circuit, tier: str, samples: int, choices: KeyChoices) -> Estimate:
    return backend(tier).estimate(circuit, choices.of_setup, samples)


def _measured(session: Session, version_id: str, tier: str) -> list[_Measured]:
    """The last jobs of a version that were done at the first attempt."""
    done = (
        select(Job.started_at, Job.finished_at, JobStage.result)
        .join(JobStage, (JobStage.job_id == Job.id) & (JobStage.stage == PROVE))
        .where(
            Job.version_id == version_id,
            Job.kind == Kind.PROVE,
            Job.tier == tier,
            Job.proof == Status.SUCCEEDED,
            Job.attempts == 1,
        )
        .order_by(Job.id.desc())
        .limit(MEASURED_JOBS)
    )
    found = []
    for started, finished, place in session.execute(done):
        taken = (finished - started).total_seconds()
        found.append(_Measured(place["proof_samples"], place["seconds"], max(0.0, taken - place["seconds"])))
    return found


def _posted(session: Session, version_id: str) -> list[float]:
    """How many seconds the last claims of a version took until they were posted."""
    done = (
        select(Job.started_at, JobStage.finished_at)
        .join(JobStage, (JobStage.job_id == Job.id) & (JobStage.stage == POST))
        .where(Job.version_id == version_id, Job.kind == Kind.PROVE)
        .order_by(Job.id.desc())
        .limit(MEASURED_JOBS)
    )
    found = session.execute(done)
    return [(posted - started).total_seconds() for started, posted in found if started is not None]


def _queue(session: Session, tenant: str) -> tuple[int, int]:
    """How many jobs are ahead of a tenant's next one, and how many workers work."""
    at = now(session)
    waiting = (
        select(Job.tenant_id, func.count())
        .where(Job.finished_at.is_(None), Job.lease_owner.is_(None), Job.not_before <= at)
        .group_by(Job.tenant_id)
    )
    counts = {row[0]: row[1] for row in session.execute(waiting)}
    own = counts.pop(tenant, 0)
    ahead = own + sum(min(count, own + 1) for count in counts.values())
    owners = session.scalars(select(Job.lease_owner).where(Job.lease_owner.is_not(None))).all()
    workers = len({str(owner).partition(" ")[0] for owner in owners})
    return ahead, workers


def _wait(ahead: int, workers: int, seconds: float) -> Range:
    """Until a job begins. Each worker has something in hand, half of it done; others may stand by, or go."""
    if workers == 0:
        return Range(0.0, POLL_SECONDS, POLL_SECONDS + (ahead + 1) * seconds)
    likely = (ahead + 0.5) * seconds / workers
    return Range(0.0, likely, POLL_SECONDS + 3 * likely)


def _spread(values: Sequence[float]) -> Range:
    """The range of what comes next, by what there was; the fewer, the wider."""
    low, likely, high = (float(x) for x in np.quantile(values, (0.05, 0.5, 0.95)))
    slack = 1 + 1 / len(values)
    return Range(low / slack, likely, high * slack)
