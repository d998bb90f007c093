"""What an owner chooses of a version's keys over HTTP, and the proofs that come of it, checked outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from circuits.circuit import Circuit
from circuits.data import inputs_of
from circuits.executor import execute
from prover.backend import Choices
from prover.backends import backend
from prover.progress import silent
from prover.sumcheck.backend import SumcheckBackend
from service.application import application
from service.database import Job, VersionKey
from service.handlers import handlers
from service.handlers.prove import KEY_TYPE
from service.key_choices import KeyChoices
from service.parts import LOCAL_TENANT, Parts
from service.version_keys import find_subject, keep_key
from service.worker import Worker
from tests.prover.circuits_to_prove import build
from tests.service.serving import Reply, add_model, ask, opened, served
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.statement import named_input
from verifier.verify import verify

INPUTS = ([0, 17, 255, 128], [1, 2, 3, 4])
SETUP = "/api/v1/models/layer/versions/1/setup"


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return build("a layer")


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SrsStore]:
    """A user's folder with a development string."""
    home = tmp_path_factory.mktemp("home")
    store = SrsStore(home / "srs")
    store.generate(13)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERINFER_HOME", str(home))
        yield store


class House:
    """A service with a model, and its worker."""

    def __init__(self, parts: Parts, where: str, circuit: Circuit) -> None:
        self.parts, self.where = parts, where
        self.tenant = parts.tenant(LOCAL_TENANT)
        self.version, _ = add_model(parts, self.tenant, circuit, "layer")

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        return ask(self.where, method, path, body)

    def choose(self, choices: Any, name: str = "sumcheck") -> Reply:
        return self.ask("POST", f"{SETUP}/{name}", choices)

    def submit(self, *samples: list[int]) -> Reply:
        data = list(samples) if len(samples) == 1 else [list(samples)]
        return self.ask("POST", "/api/v1/jobs", {"model": "layer", "input_ints": data})

    def done(self, reply: Reply) -> Job:
        assert reply.status == 202, reply.body
        return ended(self.parts.jobs, self.tenant, reply.json.get("job") or reply.json["id"])

    @contextmanager
    def working(self) -> Iterator[None]:
        worker = Worker(self.parts.leases, handlers(self.parts), poll_seconds=0.02)
        worker.start()
        try:
            yield
        finally:
            worker.stop()


@pytest.fixture
def house(tmp_path: Path, circuit: Circuit) -> Iterator[House]:
    with opened(tmp_path) as parts, served(application(parts)) as where:
        yield House(parts, where, circuit)


def test_from_the_choice_to_proofs_that_commit_to_their_inputs(
    house: House, circuit: Circuit, store: SrsStore
) -> None:
    chosen = {"commit_inputs": True, "target": "evm"}
    with house.working():
        made = house.done(house.choose(chosen))
    assert made.error is None
    version = house.ask("GET", "/api/v1/models/layer/versions/1").json
    assert version["choices"] == {"sumcheck": chosen}
    key = VerifyingKey.decode(house.ask("GET", "/api/v1/models/layer/versions/1/keys/sumcheck").body)
    expected = SumcheckBackend().setup(circuit, store.find, silent, Choices("evm", None, True)).key
    assert key == expected

    # They wait at the same time, and are yet not proved together: such a proof is of one sample.
    submitted = [house.submit(sample) for sample in INPUTS]
    with house.working():
        jobs = [house.done(reply) for reply in submitted]
    named = []
    for job, sample in zip(jobs, INPUTS, strict=True):
        assert job.error is None and job.result is not None and job.result["proof_samples"] == 1
        data = house.ask("GET", f"/api/v1/jobs/{job.id}/proof").body
        proof = Proof.decode(data)
        verdict = verify(proof, key)
        inputs = inputs_of(circuit, {"input_ints": [sample]}, "the test")
        own = SumcheckBackend().commit_inputs(key, inputs, store.find, silent)
        assert verdict.valid and proof.committed == own and not proof.inputs
        assert list(verdict.outputs) == [int(x) for y in execute(circuit, inputs) for x in y.ravel()]
        named.append(named_input(proof.statement, key.circuit))
    assert None not in named and len(set(named)) == 2


def test_a_proof_that_commits_to_its_input_can_be_for_one_recipient(house: House) -> None:
    recipient, other = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x" + "11" * 20
    with house.working():
        assert house.done(house.choose({"commit_inputs": True})).error is None
        request = {"model": "layer", "input_ints": [INPUTS[0]], "recipient": recipient}
        job = house.done(house.ask("POST", "/api/v1/jobs", request))
    assert job.error is None
    key = VerifyingKey.decode(house.ask("GET", "/api/v1/models/layer/versions/1/keys/sumcheck").body)
    proof = Proof.decode(house.ask("GET", f"/api/v1/jobs/{job.id}/proof").body)
    assert proof.committed and verify(proof, key, recipient).valid
    assert not verify(proof, key, other).valid
    # Nor does it hold for another if its header says so.
    assert not verify(replace(proof, recipient=bytes.fromhex(other[2:])), key, other).valid


def test_by_such_a_key_one_sample_is_proved_at_a_time(house: House) -> None:
    quote = {"model": "layer", "samples": 2}
    assert house.ask("POST", "/api/v1/quotes", quote).status == 200
    open_key = house.ask("POST", "/api/v1/quotes", quote | {"samples": 1}).json
    with house.working():
        assert house.done(house.choose({"commit_inputs": True})).error is None
    for refused in (house.ask("POST", "/api/v1/quotes", quote), house.submit(*INPUTS)):
        assert refused.status == 400 and "commits to inputs" in refused.json["detail"]
    committed = house.ask("POST", "/api/v1/quotes", quote | {"samples": 1}).json
    assert committed["proof_bytes"] != open_key["proof_bytes"]
    with house.working():
        job = house.done(house.submit(INPUTS[0]))
    proof = house.ask("GET", f"/api/v1/jobs/{job.id}/proof").body
    assert abs(len(proof) - committed["proof_bytes"]) < 200


def test_a_key_stays_as_it_was_made(house: House) -> None:
    with house.working():
        first = house.done(house.choose({"target": "evm"}))
        again = house.done(house.choose({"target": "evm"}))
        any_key = house.done(house.choose(None))
    assert first.result == again.result == any_key.result and first.error is None
    for other in ({}, {"commit_inputs": True, "target": "evm"}):
        refused = house.choose(other)
        assert refused.status == 409 and "another name" in refused.json["detail"]


def test_a_key_that_a_proof_brought_meanwhile_is_not_taken_for_the_chosen_one(
    house: House, circuit: Circuit, store: SrsStore
) -> None:
    waiting = house.choose({"commit_inputs": True})
    subject = find_subject(house.parts.database, house.version, "sumcheck")
    key = backend("sumcheck").setup(circuit, store.find, silent).key.encode()
    digest = keep_key(
        subject, house.parts.database, house.parts.artifacts.put(house.tenant, BytesIO(key), KEY_TYPE)
    )
    with house.working():
        failed = house.done(waiting)
    assert failed.error is not None and "other choices" in failed.error
    assert house.ask("GET", "/api/v1/models/layer").json["version"]["keys"] == {"sumcheck": digest}


REFUSED: list[tuple[str, Any, str]] = [
    ("ezkl", {"commit_inputs": True}, "cannot commit"),
    ("ezkl", {"target": "evm"}, "the same for every target"),
    ("magic", {"target": "evm"}, "no backend"),
    ("sumcheck", {"target": "gpu"}, "target"),
    ("sumcheck", {"commit_inputs": 1}, "commit_inputs"),
    ("sumcheck", {"commit_inputs": None}, "commit_inputs"),
    ("sumcheck", {"chunk_bits": 3}, "chunk_bits"),
    ("sumcheck", {"device": "cuda"}, "device"),
    ("sumcheck", {"srs": "/etc/passwd"}, "srs"),
    ("sumcheck", [], "choices"),
    ("sumcheck", b"{", "choices"),
    ("sumcheck", b"\xff", "choices"),
]


def test_what_cannot_be_chosen_is_refused(house: House) -> None:
    for name, choices, why in REFUSED:
        refused = house.choose(choices, name)
        assert refused.status == 400 and why in refused.json["detail"], (name, choices, refused.body)
    with house.parts.database.read() as session:
        assert session.query(Job).count() == 0


def test_a_version_of_an_upload_has_the_keys_that_were_chosen(
    house: House, circuit: Circuit, tmp_path: Path
) -> None:
    circuit.save(tmp_path / "layer.circuit")
    chosen = {"sumcheck": {"commit_inputs": True}}
    sent = requests.post(
        f"http://{house.where}/api/v1/models",
        data={"name": "other", "choices": json.dumps(chosen)},
        files={"model": (tmp_path / "layer.circuit").open("rb")},
        timeout=60,
    )
    with house.working():
        job = ended(house.parts.jobs, house.tenant, sent.json()["job"])
    assert job.error is None and job.result is not None and "error" not in job.result["setup"]["sumcheck"]
    version = house.ask("GET", "/api/v1/models/other").json["version"]
    assert version["choices"] == {"sumcheck": {"target": "cpu", "commit_inputs": True}}


def test_keys_of_older_programs_were_made_with_nothing_chosen(house: House) -> None:
    with house.working():
        house.done(house.choose(None))
    with house.parts.database.write() as session:
        session.get_one(VersionKey, (house.version, "sumcheck")).choices = {}
    assert find_subject(house.parts.database, house.version, "sumcheck").choices == KeyChoices()
    assert house.ask("GET", "/api/v1/models/layer").json["version"]["choices"] == {
        "sumcheck": KeyChoices().model_dump()
    }
