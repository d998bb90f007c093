"""Jobs of the optimistic tier on a real chain: claims posted once, defended, followed to their end."""

from __future__ import annotations

import io
import json
import multiprocessing
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from challenger.history import posted_claims
from circuits.circuit import Circuit
from circuits.errors import InputError
from contracts.claim_status import ClaimStatus
from contracts.dispute_tier import Turn
from service.database import Job, Kind, Status
from service.errors import Conflict
from service.handlers import settling
from service.job_views import show_job
from service.jobs import Order
from service.leases import Leases
from service.parts import LOCAL_TENANT, Parts
from service.settings import Settings
from service.submitting import Settlement, Submitter, Tier
from service.worker import Worker
from tests.challenger.chains import dev_chain
from tests.challenger.lies import chain as chained
from tests.challenger.scene import PARAMETERS, Scene
from tests.circuits.random_circuits import random_sample
from tests.service import claiming_worker
from tests.service.serving import add_model, opened

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.service.claiming_worker"])
PATIENCE = 60.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A chain with a tier and a model, for all tests of this module."""
    with dev_chain() as dev:
        yield Scene.on(dev, tmp_path_factory.mktemp("stage"), chained(5))


class Desk:
    """A service with a chain, a worker of it, and its tenant's jobs."""

    def __init__(self, stage: Scene, parts: Parts, circuit: Circuit) -> None:
        self.stage, self.parts, self.circuit = stage, parts, circuit
        self.tenant = parts.tenant(LOCAL_TENANT)
        self.version, _ = add_model(parts, self.tenant, circuit, "chained")

    def submit(self, seed: int = 0) -> str:
        flat = [x.reshape(-1).tolist() for x in random_sample(self.circuit, seed)]
        data = io.BytesIO(json.dumps({"input_ints": flat}).encode())
        digest = self.parts.artifacts.put(self.tenant, data, "application/json")
        order = Order(Kind.PROVE, "optimistic", {"input": digest}, self.version)
        return self.parts.jobs.submit(self.tenant, order).id

    def get(self, job: str) -> Job:
        return self.parts.jobs.get(self.tenant, job)

    @contextmanager
    def working(self) -> Iterator[None]:
        worker = Worker(Leases(self.parts.database), {Kind.PROVE: settling(self.parts)}, 0.05)
        worker.start()
        try:
            yield
        finally:
            worker.stop()

    def stages(self, job: str) -> dict[str, dict[str, Any]]:
        return show_job(self.parts.database, self.tenant, job).results

    def posted(self, job: str) -> bytes:
        """A job's claim, once it is on the chain."""
        soon(lambda: "post" in self.stages(job))
        return bytes.fromhex(self.stages(job)["claim"]["claim_id"][2:])

    def told(self, job: str) -> list[str]:
        events = self.parts.jobs.events(self.tenant, job)
        return [event.data["text"] for event in events if event.event == "progress"]

    def later(self, seconds: int) -> None:
        self.stage.dev.later(seconds)
        self.stage.dev.mine(3)


def soon(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def settings_of(stage: Scene, folder: Path, url: str, ether: float = 100, **changes: Any) -> dict[str, Any]:
    account = Account.create()
    stage.dev.rpc("anvil_setBalance", account.address, hex(int(ether * 10**18)))
    return {
        "database": url,
        "chain_rpc": stage.dev.url,
        "chain_tier": stage.tier.address,
        "chain_key": account.key.hex(),
        "chain_database": str(folder / "claims.db"),
        "chain_confirmations": 1,
        "chain_from_block": stage.start,
        "chain_poll_seconds": 0.3,
        **changes,
    }


@contextmanager
def desk_of(stage: Scene, folder: Path, settings: dict[str, Any]) -> Iterator[Desk]:
    with opened(folder / "data", **settings) as parts:
        yield Desk(stage, parts, stage.circuit)


@pytest.fixture
def settings(stage: Scene, url: str, tmp_path: Path) -> dict[str, Any]:
    """Those of a service whose account has funds."""
    return settings_of(stage, tmp_path, url)


@pytest.fixture
def desk(stage: Scene, tmp_path: Path, settings: dict[str, Any]) -> Iterator[Desk]:
    with desk_of(stage, tmp_path, settings) as made:
        yield made


def test_a_claim_is_posted_once_and_followed_until_it_is_final(desk: Desk) -> None:
    first, second = desk.submit(), desk.submit()  # the same question: two claims, of bonds that differ
    with desk.working():
        claims = [desk.posted(job) for job in (first, second)]
        soon(lambda: desk.get(first).lease_owner is None)
        waiting = desk.get(first)
        assert (waiting.execution, waiting.proof, waiting.stage) == (
            Status.SUCCEEDED, Status.RUNNING, "follow",
        )  # fmt: skip
        assert [desk.stage.tier.status(claim) for claim in claims] == [ClaimStatus.PROVISIONAL] * 2
        assert claims[0] != claims[1]
        with pytest.raises(Conflict, match="cannot be taken back"):
            desk.parts.jobs.cancel(desk.tenant, first)
        events = len(desk.parts.jobs.events(desk.tenant, first))
        time.sleep(2)
        assert len(desk.parts.jobs.events(desk.tenant, first)) == events  # looking tells nothing new
        desk.later(PARAMETERS.min_window + 60)
        for job, claim in zip((first, second), claims, strict=True):
            soon(lambda job=job: (desk.stage.dev.mine(), desk.get(job).finished_at is not None)[1])  # type: ignore[misc]
            done = desk.get(job)
            assert (done.proof, done.error) == (Status.SUCCEEDED, None) and done.result is not None
            assert done.result["claim"]["status"] == "FINAL"
            assert done.result["claim"]["claim_id"] == f"0x{claim.hex()}"
            assert desk.stage.tier.status(claim) is ClaimStatus.FINAL
    [posted] = [
        event for event in posted_claims(desk.stage.tier, desk.stage.start) if event.claim_id == claims[0]
    ]
    trace = desk.stage.truth(0)
    assert posted.output == bytes(trace.output) and posted.claim.trace == trace.root


def test_a_dispute_is_answered(desk: Desk) -> None:
    job = desk.submit(1)
    rich, tier = desk.stage.dev.rich, desk.stage.tier
    assert rich.signer is not None
    with desk.working():
        claim_id = desk.posted(job)
        [posted] = [event for event in posted_claims(tier, desk.stage.start) if event.claim_id == claim_id]
        desk.stage.send(tier.open(posted.claim, tier.challenger_bond()))
        desk.stage.dev.mine(3)
        soon(lambda: tier.game(claim_id, rich.signer.address).turn is Turn.CHOOSE)
        soon(lambda: "disputes about the claim that are open: 1" in desk.told(job))
        # The challenger does not go on, and loses.
        desk.later(PARAMETERS.challenger_time + 60)
        soon(lambda: (desk.stage.dev.mine(), tier.game(claim_id, rich.signer.address).turn is Turn.CLOSED)[1])
        desk.later(2 * PARAMETERS.min_window)
        soon(lambda: (desk.stage.dev.mine(), desk.get(job).finished_at is not None)[1])
    assert desk.get(job).proof is Status.SUCCEEDED


def test_a_claim_that_nobody_defends_is_lost_and_so_is_the_job(desk: Desk) -> None:
    job = desk.submit(2)
    rich, tier = desk.stage.dev.rich, desk.stage.tier
    assert rich.signer is not None
    with desk.working():
        claim_id = desk.posted(job)
    [posted] = [event for event in posted_claims(tier, desk.stage.start) if event.claim_id == claim_id]
    desk.stage.send(tier.open(posted.claim, tier.challenger_bond()))
    desk.later(PARAMETERS.asserter_time + 60)
    desk.stage.send(tier.expire(posted.claim, rich.signer.address))
    desk.stage.dev.mine(3)
    with desk.working():
        soon(lambda: desk.get(job).finished_at is not None)
    lost = desk.get(job)
    assert (lost.execution, lost.proof) == (Status.SUCCEEDED, Status.FAILED)
    assert lost.error is not None and "disputed and lost" in lost.error


def test_workers_that_are_killed_post_one_claim(desk: Desk, stage: Scene, url: str) -> None:
    chance = random.Random(url[:6])
    settings = desk.parts.settings
    assert settings.chain_key is not None
    me = Account.from_key(settings.chain_key.get_secret_value()).address
    job = desk.submit(3)

    def hire() -> Any:
        process = CONTEXT.Process(target=claiming_worker.main, args=(settings,), daemon=True)
        process.start()
        return process

    for _ in range(6):
        worker = hire()
        time.sleep(chance.uniform(0.5, 2.5))
        worker.kill()
        worker.join()
    worker = hire()
    try:
        desk.posted(job)
        desk.later(PARAMETERS.min_window + 60)
        soon(lambda: (stage.dev.mine(), desk.get(job).finished_at is not None)[1])
    finally:
        worker.kill()
        worker.join()
    own = [event for event in posted_claims(stage.tier, stage.start) if event.claim.asserter == me]
    assert len(own) == 1 and own[0].claim_id == desk.posted(job)
    assert desk.get(job).proof is Status.SUCCEEDED


def test_what_may_pass_is_waited_for(stage: Scene, url: str, tmp_path: Path) -> None:
    """An account without funds, and a chain that does not answer: neither ends a job with a bond at stake."""
    with desk_of(stage, tmp_path, settings_of(stage, tmp_path, url, ether=0)) as desk:
        job, parts = desk.submit(4), desk.parts
        assert parts.settings.chain_key is not None
        account = Account.from_key(parts.settings.chain_key.get_secret_value())
        with desk.working():
            soon(lambda: any("lacks funds" in text for text in desk.told(job)))
            assert desk.get(job).finished_at is None
            stage.dev.rpc("anvil_setBalance", account.address, hex(10**20))
            desk.posted(job)
        with socket.create_server(("127.0.0.1", 0)) as nothing:
            port = nothing.getsockname()[1]
        changed = parts.settings.model_dump() | {"chain_rpc": f"http://127.0.0.1:{port}/secret"}
        with Parts.open(Settings(**changed)) as cut:
            worker = Worker(Leases(cut.database), {Kind.PROVE: settling(cut)}, 0.05)
            worker.start()
            time.sleep(3)
            worker.stop()
        waiting = desk.get(job)
        assert waiting.finished_at is None and waiting.proof is not Status.FAILED
        told = json.dumps([event.data for event in parts.jobs.events(desk.tenant, job)])
        assert account.key.hex() not in told and "secret" not in told


def test_a_circuit_that_is_not_registered_is_told(desk: Desk, stage: Scene) -> None:
    desk = Desk(stage, desk.parts, chained(4))
    job = desk.submit()
    with desk.working():
        soon(lambda: desk.get(job).finished_at is not None)
    failed = desk.get(job)
    assert (failed.execution, failed.proof) == (Status.SUCCEEDED, Status.FAILED)
    assert failed.error is not None and "is not registered" in failed.error


def test_a_mistake_in_the_settings_is_the_operators(
    stage: Scene, url: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """A database that belongs to another account: the job waits, and its tenant reads nothing of it."""
    with desk_of(stage, tmp_path, settings) as desk, desk.working():
        desk.posted(desk.submit(5))
    other = settings | {"chain_key": settings_of(stage, tmp_path, url)["chain_key"]}
    with desk_of(stage, tmp_path, other) as desk:
        job = desk.submit(6)
        with desk.working():
            soon(lambda: desk.get(job).stage == "post" and desk.get(job).lease_owner is None)
        waiting = desk.get(job)
        assert (waiting.error, waiting.finished_at) == (None, None)
        told = json.dumps([event.data for event in desk.parts.jobs.events(desk.tenant, job)])
        assert str(tmp_path) not in told


def test_a_job_is_cancelled_before_it_claims_anything(desk: Desk) -> None:
    job = desk.submit()
    assert desk.parts.jobs.cancel(desk.tenant, job).execution is Status.CANCELLED


def test_one_sample_a_claim(desk: Desk) -> None:
    model = desk.parts.models.find(desk.tenant, "chained")
    two = [x.repeat(2, 0) for x in random_sample(desk.circuit, 0)]
    submit = Submitter(desk.parts)
    with pytest.raises(InputError, match="2 samples, and the tier 'optimistic' settles one"):
        submit(Settlement(desk.tenant, model, Tier.OPTIMISTIC, two))
    job = submit(Settlement(desk.tenant, model, Tier.OPTIMISTIC, random_sample(desk.circuit, 0)))
    assert desk.get(job).tier == "optimistic"


def test_the_key_is_in_no_file_and_in_no_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: Scene
) -> None:
    key = "11" * 32
    file = tmp_path / "service.toml"
    file.write_text(f'chain_key = "{key}"\n')
    with pytest.raises(InputError, match="keep it out of files") as refused:
        Settings.load(file)
    monkeypatch.setenv("VERINFER_SERVICE_CHAIN_KEY", key)
    with pytest.raises(InputError, match="come together") as alone:
        Settings.load()
    monkeypatch.setenv("VERINFER_SERVICE_CHAIN_RPC", "https://node.example/apikey")
    monkeypatch.setenv("VERINFER_SERVICE_CHAIN_TIER", stage.tier.address)
    settings = Settings.load()
    for text in (str(refused.value), str(alone.value), settings.effective(), repr(settings)):
        assert key not in text and "apikey" not in text
    assert 'chain_key = "hidden"' in settings.effective()
    with pytest.raises(InputError, match="set chain_database"):
        Settings.load(database="postgresql://db/service")
