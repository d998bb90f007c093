"""A job that takes more memory than a worker may use is left to one that may use more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from circuits.circuit import Circuit
from circuits.compile import compile_file
from prover.backends import backend
from prover.memory import whole_bytes
from service.application import application
from service.database import Database, Kind, Status
from service.embedded import Workers
from service.handlers.prove import ProveHandler
from service.handlers.setup import SetupHandler
from service.jobs import Order
from service.leases import Leases
from service.settings import Settings
from service.worker import Worker
from service.worker_process import Start
from tests.service.serving import add_model, ask, opened, served
from tests.service.test_proving import Scene, made  # noqa: F401 - a fixture
from tests.service.test_proving_together import check, run, sample, submit
from tests.service.working import Provable, soon
from verifier.key import VerifyingKey
from verifier.srs import SrsStore

LARGE = [sample(x) for x in range(32)]


@pytest.fixture
def scene(
    database: Database,
    tenant: str,
    tmp_path: Path,
    made: tuple[Circuit, VerifyingKey, SrsStore],  # noqa: F811
) -> Iterator[Scene]:
    """A scene whose workers do not run."""
    yield Scene(database, tenant, tmp_path, made)


def worker_with(scene: Scene, memory: int | None) -> Worker:
    """A worker whose jobs may take so many bytes."""
    leases = Leases(scene.leases._database, timedelta(seconds=30), backoff=timedelta(0), memory=memory)
    return Worker(leases, scene.workers[0]._handlers, poll_seconds=0.02)


def needed(circuit: Circuit, samples: int) -> int:
    return backend("sumcheck").estimate(circuit, samples=samples).peak_rss_bytes


@pytest.fixture
def little(made: tuple[Circuit, VerifyingKey, SrsStore]) -> int:  # noqa: F811
    """Memory that eight samples' proof fits into, and no larger one."""
    assert needed(made[0], 8) < needed(made[0], 16) < needed(made[0], len(LARGE))
    return needed(made[0], 8)


def test_a_small_worker_leaves_what_does_not_fit_and_a_larger_one_takes_it(
    scene: Scene,
    made: tuple[Circuit, VerifyingKey, SrsStore],  # noqa: F811
    little: int,
) -> None:
    job, small = submit(scene, scene.tenant, *LARGE), worker_with(scene, little)
    assert small.do_next() == "left"
    left = scene.jobs.get(scene.tenant, job)
    most = needed(made[0], len(LARGE))
    assert (left.execution, left.proof, left.attempts) == (Status.SUCCEEDED, Status.QUEUED, 0)
    assert left.memory == most and left.finished_at is None
    last = scene.jobs.events(scene.tenant, job)[-1]
    assert last.event == "put_back" and "it waits for a worker with more" in last.data["why"]
    assert f"{most / 1e6:,.0f} MB" in last.data["why"] and f"{little / 1e6:,.0f} MB" in last.data["why"]
    # It does not stand in the way of what fits, and is not looked at again.
    fits = submit(scene, scene.tenant, sample(1))
    assert [small.do_next() for _ in range(3)] == ["succeeded", None, None]
    assert worker_with(scene, most - 1).do_next() is None
    assert worker_with(scene, most).do_next() == "succeeded"
    check(scene, scene.jobs.get(scene.tenant, fits), sample(1))
    done = scene.jobs.get(scene.tenant, job)
    check(scene, done, *LARGE)
    assert done.attempts == 1


def test_a_worker_without_a_bound_takes_what_was_left(scene: Scene, little: int) -> None:
    job = submit(scene, scene.tenant, *LARGE)
    assert worker_with(scene, little).do_next() == "left"
    assert worker_with(scene, None).do_next() == "succeeded"
    check(scene, scene.jobs.get(scene.tenant, job), *LARGE)


def test_what_was_left_can_be_cancelled_and_tried_again(scene: Scene, little: int) -> None:
    job, small = submit(scene, scene.tenant, *LARGE), worker_with(scene, little)
    assert small.do_next() == "left"
    assert scene.jobs.cancel(scene.tenant, job).proof is Status.CANCELLED
    scene.jobs.retry(scene.tenant, job)
    assert small.do_next() is None  # what it takes has not changed
    assert worker_with(scene, None).do_next() == "succeeded"


def test_jobs_are_joined_as_far_as_they_fit(
    scene: Scene,
    made: tuple[Circuit, VerifyingKey, SrsStore],  # noqa: F811
) -> None:
    """Each fits; all in one proof would not. One that does not fit by itself is not joined either."""
    two = needed(made[0], 2)
    assert two < needed(made[0], 4)
    large, small = submit(scene, scene.tenant, *LARGE), worker_with(scene, two)
    assert small.do_next() == "left"
    jobs = {submit(scene, scene.tenant, sample(x)): sample(x) for x in range(4)}
    for job in run(scene, *[(scene.tenant, job) for job in jobs], workers=[small]):
        check(scene, job, jobs[job.id])
        assert job.result is not None and job.result["proof_samples"] == 2
        assert job.attempts == 1
    left = scene.jobs.get(scene.tenant, large)
    assert left.proof is Status.QUEUED and left.attempts == 0
    assert [event.event for event in scene.jobs.events(scene.tenant, large)].count("put_back") == 1


def test_the_dispatcher_of_a_cluster_does_not_ask_for_what_it_would_leave(scene: Scene, little: int) -> None:
    submit(scene, scene.tenant, *LARGE)
    small = worker_with(scene, little)
    assert sum(small._leases.waiting([Kind.PROVE]).values()) == 1
    assert small.do_next() == "left"
    assert sum(small._leases.waiting([Kind.PROVE]).values()) == 0
    assert sum(worker_with(scene, None)._leases.waiting([Kind.PROVE]).values()) == 1


def test_api_and_page_say_what_a_job_that_was_left_takes(tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        provable = Provable(parts, parts.tenant("local"))
        (job,) = provable.submit()
        leases = Leases(parts.database, memory=1 << 20)
        small = Worker(leases, {Kind.PROVE: ProveHandler(parts.database, parts.artifacts)})
        with served(application(parts)) as where:
            assert ask(where, "GET", f"/api/v1/jobs/{job}").json["memory"] is None
            assert small.do_next() == "left"
            view = ask(where, "GET", f"/api/v1/jobs/{job}").json
            quoted = ask(where, "POST", "/api/v1/quotes", {"model": "m"}).json
            page = ask(where, "GET", f"/jobs/{job}", Accept="text/html").body.decode()
    assert view["status"] == "queued" and view["memory"] == quoted["peak_bytes"]["likely"]
    assert "It waits for a larger worker" in page and f"about {view['memory'] / 1e6:,.0f} MB" in page


def test_keys_are_left_to_a_larger_worker_too(tmp_path: Path, digits: Path) -> None:
    circuit = compile_file(digits.parent / "sequence" / "transformer.onnx").circuit
    with opened(tmp_path) as parts:
        tenant = parts.tenant("local")
        version, _ = add_model(parts, tenant, circuit)
        job = parts.jobs.submit(tenant, Order(Kind.SETUP, "ezkl", {}, version)).id
        small = Worker(Leases(parts.database, memory=1 << 30), {Kind.SETUP: SetupHandler(parts)})
        assert [small.do_next(), small.do_next()] == ["left", None]
        left = parts.jobs.get(tenant, job)
    assert left.execution is Status.QUEUED and left.memory is not None and left.memory > 1 << 33


def test_processes_of_two_sizes_share_a_queue(url: str, tmp_path: Path) -> None:
    """Each as `verinfer worker` starts it, by its settings."""
    with opened(tmp_path, database=url) as parts:
        provable = Provable(parts, parts.tenant("local"))
        (job,) = provable.submit()
        small, large = (
            Workers(parts.settings.model_copy(update={"job_memory": memory}), [Kind.PROVE])
            for memory in (1 << 20, 1 << 30)
        )
        small.start()
        try:
            soon(lambda: provable.job(job).memory is not None, "the small worker has left it")
            pids = small.pids
            large.start()
            try:
                provable.check([job])
            finally:
                large.stop()
            assert small.pids == pids  # and has not died of it
        finally:
            small.stop()


@pytest.mark.parametrize("workers", [1, 3])
def test_by_default_jobs_share_what_the_machine_has(workers: int, tmp_path: Path) -> None:
    whole = whole_bytes()
    assert whole is not None
    settings = Settings(data=tmp_path, workers=workers, device="cpu")
    assert Start.read(Workers(settings)._line).settings["job_memory"] == whole // workers
    chosen = settings.model_copy(update={"job_memory": 5 << 30})
    assert Start.read(Workers(chosen)._line).settings["job_memory"] == 5 << 30


def test_proofs_on_a_gpu_have_no_bound_by_default(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, device="cuda:1")
    assert Start.read(Workers(settings)._line).settings["job_memory"] is None
    assert json.loads(Workers(settings)._line)["settings"]["device"] == "cuda:1"
