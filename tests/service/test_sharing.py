"""Proofs that their tenants make public, and what others see of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from circuits.circuit import Circuit
from service.application import application
from service.database import Kind, Model
from service.handlers.prove import ProveHandler
from service.leases import Leases
from service.parts import Parts
from service.worker import Worker
from tests.service.serving import add_model, ask, compiled, opened, served
from tests.service.test_jobs_api import Client
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.srs import SrsStore
from verifier.verify import verify


@pytest.fixture(scope="module")
def circuit(digits: Path) -> Circuit:
    return compiled(digits)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SrsStore:
    made = SrsStore(tmp_path_factory.mktemp("srs"))
    made.generate(10)
    return made


class Scene:
    """A tenant with the digits, another without, and a service that both reach."""

    def __init__(self, where: str, parts: Parts, store: SrsStore) -> None:
        self.where, self.parts, self._store = where, parts, store
        self.one, self.two = Client(where, parts, "one"), Client(where, parts, "two")

    def prove(self, who: Client, counts: Sequence[int], model: str = "digits") -> list[str]:
        """Jobs that are done, about so many samples each; they are proved together."""
        ids: list[str] = [who.submit(count, model=model)["id"] for count in counts]
        handler = ProveHandler(self.parts.database, self.parts.artifacts, self._store)
        worker = Worker(Leases(self.parts.database, timedelta(seconds=30)), {Kind.PROVE: handler}, 0.02)
        worker.start()
        for job in ids:
            assert ended(self.parts.jobs, who.tenant, job).error is None
        worker.stop()
        return ids

    def publish(self, public: bool) -> None:
        with self.parts.database.write() as session:
            session.query(Model).update({"public": public})


@pytest.fixture
def scene(url: str, tmp_path: Path, circuit: Circuit, store: SrsStore) -> Iterator[Scene]:
    with (
        opened(tmp_path, database=url, access="keys") as parts,
        served(application(parts)) as where,
    ):
        made = Scene(where, parts, store)
        add_model(parts, made.one.tenant, circuit)
        yield made


def test_a_proof_is_public_from_sharing_to_its_end(scene: Scene, circuit: Circuit) -> None:
    [job] = scene.prove(scene.one, [2])
    assert scene.one("GET", f"/{job}").json["links"]["public"] is None
    digest = scene.one("GET", f"/{job}/result").json["result"]["proof"]
    path = f"/api/v1/proofs/{digest}"
    assert ask(scene.where, "GET", path).status == 404
    view = scene.one("POST", f"/{job}/share").json
    assert scene.one("POST", f"/{job}/share", {"with_others": False}).json == view
    assert scene.one("GET", f"/{job}").json["links"]["public"] == path == view["links"]["self"]
    # From here on without a key.
    assert ask(scene.where, "GET", path).json == view
    assert view["circuit_id"] == f"0x{circuit.circuit_id.hex()}" and view["samples"] == 2
    assert view["sentence"] == f"On these 2 inputs, the circuit {view['circuit_id']} gives these outputs."
    assert (view["model"], view["version"], view["insecure_srs"]) == (None, None, True)
    proof = ask(scene.where, "GET", view["links"]["proof"])
    assert len(proof.body) == view["proof_bytes"] == int(proof.headers["content-length"])
    assert proof.headers["content-disposition"].startswith("attachment")
    key = VerifyingKey.decode(ask(scene.where, "GET", view["links"]["verifying_key"]).body)
    decoded = Proof.decode(proof.body)
    assert verify(decoded, key).valid
    assert (view["inputs"], view["outputs"]) == (list(decoded.inputs), list(decoded.outputs))
    scene.parts.artifacts.delete_unreferenced(timedelta(seconds=-1))
    assert ask(scene.where, "GET", view["links"]["proof"]).body == proof.body
    # A public model is called by its name.
    scene.publish(True)
    named = ask(scene.where, "GET", path).json
    assert (named["model"], named["version"]) == ("digits@one", "1")
    assert named["sentence"] == "On these 2 inputs, digits@one, version 1, gives these outputs."
    assert scene.one("DELETE", f"/{job}/share").status == 204
    for gone in (path, view["links"]["proof"], view["links"]["verifying_key"]):
        assert ask(scene.where, "GET", gone).status == 404
    assert scene.one("DELETE", f"/{job}/share").status == 404


def test_a_proof_that_shows_others_is_not_shared_by_mistake(scene: Scene) -> None:
    first, second = scene.prove(scene.one, [1, 2])
    refused = scene.one("POST", f"/{first}/share")
    assert refused.status == 409 and "shows 3 samples, and 1 are this job's" in refused.json["detail"]
    view = scene.one("POST", f"/{first}/share", {"with_others": True}).json
    assert view["samples"] == 3 and len(view["inputs"]) == 3 * 64
    # The other job has the same proof: it stays public until neither shares it.
    assert scene.one("POST", f"/{second}/share", {"with_others": True}).json["digest"] == view["digest"]
    scene.one("DELETE", f"/{first}/share")
    assert ask(scene.where, "GET", view["links"]["self"]).status == 200
    scene.one("DELETE", f"/{second}/share")
    assert ask(scene.where, "GET", view["links"]["self"]).status == 404


def test_only_the_tenant_itself_shares(scene: Scene) -> None:
    [job] = scene.prove(scene.one, [1])
    for method in ("POST", "DELETE"):
        assert scene.two(method, f"/{job}/share").status == 404
        assert ask(scene.where, method, f"/api/v1/jobs/{job}/share").status == 401
    digest = scene.one("GET", f"/{job}/result").json["result"]["proof"]
    for path in ("", "/proof", "/verifying-key"):
        hidden = ask(scene.where, "GET", f"/api/v1/proofs/{digest}{path}")
        absent = ask(scene.where, "GET", f"/api/v1/proofs/{'0' * 64}{path}")
        assert hidden.status == absent.status == 404
        assert hidden.json["detail"].replace(digest, "") == absent.json["detail"].replace("0" * 64, "")
    for wrong in ("x", "0" * 63, "0" * 65, "0" * 63 + "G", "%00" * 64):
        assert ask(scene.where, "GET", f"/api/v1/proofs/{wrong}").status == 422


def test_a_public_models_user_shares_what_can_be_checked_without_the_model(scene: Scene) -> None:
    scene.publish(True)
    [job] = scene.prove(scene.two, [1], "digits@one")
    view = scene.two("POST", f"/{job}/share").json
    scene.publish(False)
    key = VerifyingKey.decode(ask(scene.where, "GET", view["links"]["verifying_key"]).body)
    assert verify(Proof.decode(ask(scene.where, "GET", view["links"]["proof"]).body), key).valid
    assert ask(scene.where, "GET", view["links"]["self"]).json["model"] is None


def test_without_a_proof_nothing_is_shared(scene: Scene) -> None:
    job = scene.one.submit()["id"]
    waiting = scene.one("POST", f"/{job}/share")
    assert waiting.status == 409 and waiting.json["detail"] == "the job has no proof to share yet"
    scene.one("POST", f"/{job}/cancel")
    assert scene.one("POST", f"/{job}/share").json["detail"] == "the job has no proof to share"
    assert scene.one("POST", f"/{job}/share", {"extra": 1}).status == 422
