"""Jobs that wait at the same time are proved in one proof, and each ends by itself."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.tensor import IntArray
from prover.backend import Progress, Proven, Prover
from service.database import (
    Database,
    Job,
    JobEvent,
    JobStage,
    Kind,
    LedgerEntry,
    Status,
    Tenant,
    now,
)
from service.handlers import prove
from service.handlers.prove import ProveHandler
from service.jobs import Order, lock
from service.leases import Leases
from service.stages import PROVE
from service.worker import Worker
from tests.service import proving_worker
from tests.service.conftest import add_tenant
from tests.service.patience import PATIENCE
from tests.service.processes import process
from tests.service.test_proving import INPUT, Scene, made  # noqa: F401 - a fixture
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify

HERS, HIS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


@pytest.fixture
def scene(
    database: Database,
    tenant: str,
    tmp_path: Path,
    made: tuple[Circuit, VerifyingKey, SrsStore],  # noqa: F811
) -> Scene:
    """A scene whose workers do not run yet."""
    return Scene(database, tenant, tmp_path, made)


def submit(scene: Scene, tenant: str, *inputs: Sequence[int], **request: Any) -> str:
    """A job that waits, about some samples."""
    digest = scene.put(json.dumps({"input_ints": [list(map(list, inputs))]}).encode(), tenant)
    order = Order(Kind.PROVE, "sumcheck", {"input": digest, **request}, scene.version)
    return scene.jobs.submit(tenant, order).id


def sample(number: int) -> list[int]:
    return [number, *INPUT[1:]]


def check(scene: Scene, job: Job, *inputs: Sequence[int]) -> Proof:
    """A job has ended well, and its proof says its samples where it says that they are."""
    assert (job.execution, job.proof, job.error) == (Status.SUCCEEDED, Status.SUCCEEDED, None)
    assert job.result is not None and job.result["samples"] == len(inputs)
    proof = Proof.decode(b"".join(scene.artifacts.read(job.tenant_id, job.result["proof"])))
    output = json.loads(b"".join(scene.artifacts.read(job.tenant_id, job.result["output"])))["output_ints"]
    assert verify(proof, scene.key).valid
    first, total = job.result["first_sample"], job.result["proof_samples"]
    given, said = len(proof.inputs) // total, len(proof.outputs) // total
    assert list(proof.inputs[first * given :][: given * len(inputs)]) == [x for one in inputs for x in one]
    assert list(proof.outputs[first * said :][: said * len(inputs)]) == output
    return proof


class Pausing:
    """Has each proof call `paused` with how many samples it has, before it is made for real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, paused: Callable[[int], None]) -> None:
        load = prove._Proving._load_prover
        self.proofs: list[int] = []
        outer = self

        class Paused:
            def __init__(self, prover: Prover) -> None:
                self._prover = prover

            def prove(self, inputs: Sequence[IntArray], progress: Progress, *rest: Any) -> Proven:
                outer.proofs.append(inputs[0].shape[0])
                paused(inputs[0].shape[0])
                return self._prover.prove(inputs, progress, *rest)

        monkeypatch.setattr(prove._Proving, "_load_prover", lambda self, *given: Paused(load(self, *given)))


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each proof had."""
    return Pausing(monkeypatch, lambda samples: None).proofs


def run(scene: Scene, *jobs: tuple[str, str], workers: Sequence[Worker] = ()) -> Iterator[Job]:
    """Have workers do some jobs, given with their tenants."""
    crew = workers or scene.workers[:1]
    for worker in crew:
        worker.start()
    try:
        done = [ended(scene.jobs, tenant, job) for tenant, job in jobs]
    finally:
        for worker in crew:
            worker.stop()
    yield from done


def test_waiting_jobs_share_a_proof_within_their_tenant(
    scene: Scene, database: Database, proofs: list[int]
) -> None:
    one, two = scene.tenant, add_tenant(database, "two")
    samples = {
        submit(scene, one, *batch): batch for batch in ([sample(1)], [sample(2), sample(3)], [sample(4)])
    }
    alone, others = submit(scene, one, sample(5), alone=True), submit(scene, two, sample(6))
    ids = [(one, job) for job in samples] + [(one, alone), (two, others)]
    *shared, apart, foreign = run(scene, *ids)
    for job in shared:
        check(scene, job, *samples[job.id])
    assert len({job.result["proof"] for job in shared if job.result}) == 1
    assert apart.result is not None and apart.result["proof_samples"] == 1
    proof = check(scene, foreign, sample(6))
    check(scene, apart, sample(5))
    assert len(proof.inputs) == len(INPUT) and sorted(proofs) == [1, 1, 4]
    with database.read() as session:
        finished = session.scalars(select(JobEvent.job_id).where(JobEvent.event == "finished")).all()
        entries = session.scalars(select(LedgerEntry).where(LedgerEntry.job_id.is_not(None))).all()
        stages = {job.id: session.get_one(JobStage, (job.id, PROVE)).result for job in shared}
    assert Counter(finished) == dict.fromkeys((job for _, job in ids), 1)
    # Each has one proof to its account, and its share of what the one proof took.
    assert Counter(entry.job_id for entry in entries if entry.what == "proofs") == Counter(finished)
    for job in shared:
        share = stages[job.id]["seconds"] * len(samples[job.id]) / 4
        assert any(entry.quantity == pytest.approx(share) for entry in entries if entry.job_id == job.id)


def test_only_jobs_for_the_same_recipient_share_a_proof(scene: Scene, proofs: list[int]) -> None:
    recipients = [None, HERS, HIS, HERS, None, HIS, HERS]
    ids = [
        submit(scene, scene.tenant, sample(i), **({} if who is None else {"recipient": who}))
        for i, who in enumerate(recipients)
    ]
    digests: dict[str | None, set[str]] = {}
    for i, job in enumerate(run(scene, *[(scene.tenant, job) for job in ids])):
        proof, who = check(scene, job, sample(i)), recipients[i]
        assert job.result is not None and verify(proof, scene.key).recipient == who
        for other in (HERS, HIS):
            assert verify(proof, scene.key, other).valid == (other == who)
        digests.setdefault(who, set()).add(job.result["proof"])
    assert [len(each) for each in digests.values()] == [1, 1, 1] and sorted(proofs) == [2, 2, 3]


def test_a_proof_for_another_recipient_ends_no_job_well(scene: Scene, database: Database) -> None:
    """As if a worker had kept the wrong one."""
    theirs = submit(scene, scene.tenant, sample(1), recipient=HIS)
    [done] = run(scene, (scene.tenant, theirs))
    check(scene, done, sample(1))
    wrong = [submit(scene, scene.tenant, sample(1), **named) for named in ({"recipient": HERS}, {})]
    with database.write() as session:
        kept = session.get_one(JobStage, (theirs, PROVE))
        for job in wrong:
            stage = JobStage(job_id=job, stage=PROVE, result=kept.result, finished_at=kept.finished_at)
            session.add(stage)
    for failed in run(scene, *[(scene.tenant, job) for job in wrong], workers=scene.workers[1:]):
        assert failed.result is None and failed.proof is Status.FAILED


def test_each_ends_by_itself(scene: Scene, proofs: list[int]) -> None:
    one = scene.tenant
    good = [submit(scene, one, sample(x)) for x in (1, 2)]
    wrong = submit(scene, one, [1, 2])
    last = submit(scene, one, sample(3))
    *fine, failed = run(scene, *[(one, job) for job in (*good, last, wrong)])
    assert (failed.execution, failed.proof) == (Status.FAILED, Status.CANCELLED)
    assert failed.error is not None and failed.error.startswith("input.json: input")
    for number, job in enumerate(fine):
        check(scene, job, sample(number + 1))
    assert proofs == [3]


def test_what_failed_once_is_proved_by_itself(scene: Scene, database: Database, proofs: list[int]) -> None:
    first, second = (submit(scene, scene.tenant, sample(x)) for x in (1, 2))
    with database.write() as session:
        locked = lock(session, second)
        assert locked is not None
        locked.attempts = 1
    scene.leases._most_attempts = 5
    list(run(scene, (scene.tenant, first), (scene.tenant, second)))
    assert proofs == [1, 1]


def test_a_limit_on_running_jobs_is_one_on_jobs_that_are_proved_together(
    scene: Scene, database: Database, proofs: list[int]
) -> None:
    with database.write() as session:
        session.get_one(Tenant, scene.tenant).limits = {"running_jobs": 2}
    jobs = [(scene.tenant, submit(scene, scene.tenant, sample(x))) for x in range(5)]
    list(run(scene, *jobs))
    assert proofs == [2, 2, 1]


def test_no_more_samples_than_are_worth_it(
    scene: Scene, proofs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProveHandler, "most_together", lambda *_: 4)
    batches = [[sample(1)], [sample(2), sample(3), sample(4), sample(5)], [sample(6)], [sample(7), sample(8)]]
    jobs = {submit(scene, scene.tenant, *batch): batch for batch in batches}
    for job in run(scene, *[(scene.tenant, job) for job in jobs]):
        check(scene, job, *jobs[job.id])
        assert job.attempts == 1
    assert sorted(proofs) == [4, 4]


def test_one_by_one_where_one_proof_of_all_cannot_be_made(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(samples: int) -> None:
        if samples > 1:
            raise InputError("not enough memory")

    pausing = Pausing(monkeypatch, refuse)
    ids = [submit(scene, scene.tenant, sample(x)) for x in range(3)]
    for number, job in enumerate(run(scene, *[(scene.tenant, job) for job in ids])):
        check(scene, job, sample(number))
    assert sorted(pausing.proofs) == [1, 1, 1, 3]


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "another"])
def test_one_is_cancelled_while_all_are_proved(
    scene: Scene, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(scene, scene.tenant, sample(x)) for x in range(3)]
    beaten = threading.Event()

    class Watched(Leases):
        def heartbeat(self, lease: Any) -> bool:
            cancelled = super().heartbeat(lease)
            if cancelled:
                beaten.set()
            return cancelled

    def cancel(samples: int) -> None:
        scene.jobs.cancel(scene.tenant, ids[which])
        assert beaten.wait(PATIENCE)

    Pausing(monkeypatch, cancel)
    leases = Watched(scene.leases._database, timedelta(seconds=2), most_attempts=1)
    worker = Worker(leases, scene.workers[0]._handlers, poll_seconds=0.02)
    done = list(run(scene, *[(scene.tenant, job) for job in ids], workers=[worker]))
    gone = done.pop(which)
    assert (gone.execution, gone.proof, gone.result) == (Status.SUCCEEDED, Status.CANCELLED, None)
    for job in done:
        check(scene, job, sample(ids.index(job.id)))
        assert job.attempts == 1


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "another"])
def test_one_lease_is_lost_while_all_are_proved(
    scene: Scene, database: Database, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has that job by then; it is done once, and so are the others."""
    ids = [submit(scene, scene.tenant, sample(x)) for x in range(3)]

    def lose(samples: int) -> None:
        if samples > 1:
            with database.write() as session:
                locked = lock(session, ids[which])
                assert locked is not None
                locked.lease_until = now(session) - timedelta(seconds=1)
            scene.workers[1].start()
            ended(scene.jobs, scene.tenant, ids[which])

    pausing = Pausing(monkeypatch, lose)
    scene.leases._most_attempts, scene.leases._backoff = 5, timedelta(0)
    try:
        done = list(run(scene, *[(scene.tenant, job) for job in ids]))
    finally:
        scene.workers[1].stop()
    for number, job in enumerate(done):
        check(scene, job, sample(number))
    assert [job.attempts for job in done] == [2 if number == which else 1 for number in range(3)]
    assert pausing.proofs == [3, 1]
    with database.read() as session:
        finished = session.scalars(select(JobEvent.job_id).where(JobEvent.event == "finished")).all()
    assert Counter(finished) == dict.fromkeys(ids, 1)


def test_a_worker_is_killed_while_it_proves_several(
    scene: Scene,
    url: str,
    tmp_path: Path,
    made: tuple[Circuit, VerifyingKey, SrsStore],  # noqa: F811
) -> None:
    ids = [submit(scene, scene.tenant, sample(x)) for x in range(3)]
    arguments = (url, str(tmp_path / "artifacts"), str(made[2].folder), str(tmp_path))

    def hire() -> Any:
        worker = process(proving_worker.main, *arguments)
        worker.start()
        return worker

    first, until = hire(), time.monotonic() + PATIENCE
    try:
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < until and first.is_alive()
            time.sleep(0.01)
        assert [scene.jobs.get(scene.tenant, job).stage for job in ids] == ["prove"] * 3
    finally:
        first.kill()
        first.join()
    second = hire()
    try:
        done = []
        for job in ids:
            while (found := scene.jobs.get(scene.tenant, job)).finished_at is None:
                assert time.monotonic() < until + PATIENCE and second.is_alive()
                time.sleep(0.05)
            done.append(found)
    finally:
        second.kill()
        second.join()
    for number, job in enumerate(done):
        check(scene, job, sample(number))
        assert job.attempts == 2 and job.result is not None and job.result["proof_samples"] == 1
        events = [event.event for event in scene.jobs.events(scene.tenant, job.id)]
        assert events.count("finished") == 1
