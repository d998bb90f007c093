"""Models over HTTP, by a real server: uploading, looking, changing, deleting; by tenants and by strangers."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from circuits.file import load
from service.api_keys import create_key
from service.application import application
from service.database import ArtifactOwner, Job, Kind, Status, Tenant, Version
from service.handlers import handlers
from service.leases import Leases
from service.parts import Parts
from service.settings import Settings
from service.worker import Worker
from tests.service.conftest import add_tenant
from tests.service.patience import PATIENCE
from tests.service.serving import add_model, compiled, served
from verifier.key import VerifyingKey
from verifier.srs import SrsStore


@dataclass
class Client:
    """Somebody who asks, with a key or without."""

    url: str
    tenant: str | None
    headers: dict[str, str]

    def __call__(self, method: str, path: str, **given: Any) -> requests.Response:
        """A request to what is below /api/v1."""
        headers = self.headers | given.pop("headers", {})
        return requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=60, **given)

    def json(self, path: str, **given: Any) -> Any:
        """What there is."""
        answer = self("GET", path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, model: bytes, name: str = "digits", **fields: Any) -> requests.Response:
        """Send a model."""
        files = {"model": ("m.onnx", model)}
        if "calibration" in fields:
            files["calibration"] = ("c.npz", fields.pop("calibration"))
        headers = fields.pop("headers", {})
        return self("POST", "/models", files=files, data={"name": name, **fields}, headers=headers)


class Service:
    """A server with a worker, two tenants and a stranger."""

    def __init__(self, url: str, parts: Parts) -> None:
        self.parts = parts
        self.ada, self.bob = (self._client(url, name) for name in ("ada", "bob"))
        self.stranger = Client(url, None, {})

    def _client(self, url: str, name: str) -> Client:
        tenant = add_tenant(self.parts.database, name)
        key = create_key(self.parts.database, tenant, "key", ["models", "jobs", "infer"])
        return Client(url, tenant, {"Authorization": f"Bearer {key}"})

    def done(self, client: Client, answer: requests.Response) -> Job:
        """The job of an answer, when it has ended."""
        assert answer.status_code == 202, answer.text
        assert client.tenant is not None
        until = time.monotonic() + PATIENCE
        while (job := self.parts.jobs.get(client.tenant, answer.json()["job"])).finished_at is None:
            assert time.monotonic() < until, "the job does not end"
            time.sleep(0.02)
        return job


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a reference string."""
    home = tmp_path_factory.mktemp("home")
    SrsStore(home / "srs").generate(13)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERINFER_HOME", str(home))
        yield home


@pytest.fixture
def service(tmp_path: Path, url: str, home: Path) -> Iterator[Service]:
    """A service on each database."""
    settings = Settings(data=tmp_path / "data", database=url, access="keys", max_upload_bytes=100_000)
    with Parts.open(settings) as parts, served(application(parts)) as address:
        worker = Worker(Leases(parts.database, most_attempts=1), handlers(parts), poll_seconds=0.02)
        worker.start()
        yield Service(f"http://{address}", parts)
        worker.stop()


@pytest.fixture(scope="module")
def mlp(digits: Path) -> bytes:
    """The digits MLP."""
    return (digits / "mlp.onnx").read_bytes()


@pytest.fixture(scope="module")
def calibration(digits: Path) -> bytes:
    """Its calibration."""
    return (digits / "calibration.npz").read_bytes()


def test_from_an_upload_to_a_public_model(
    service: Service, mlp: bytes, calibration: bytes, tmp_path: Path
) -> None:
    ada, bob, stranger = service.ada, service.bob, service.stranger
    card = "---\nlicense: mit\ntags: [digits]\n---\nThe digits."
    answer = ada.upload(mlp, calibration=calibration, card=card, options='{"bits": 10}')
    assert answer.headers["Location"] == answer.json()["url"]
    job = service.done(ada, answer)
    assert job.error is None and job.result is not None
    assert list(job.result["setup"]) == ["sumcheck"]

    model = ada.json("/models/digits")
    assert (model["name"], model["owner"], model["full_name"]) == ("digits", "ada", "digits@ada")
    assert (model["mine"], model["public"]) == (True, False)
    version = model["version"]
    assert version["number"] == 1 and version["summary"]["bits"] == 10
    assert version["circuit_id"] == "0x" + job.result["circuit_id"]
    assert version["summary"]["fidelity"] == job.result["fidelity"]
    assert ada.json("/models")["items"] == [model]
    assert ada.json("/models/digits/versions")["items"] == [version]
    assert ada.json("/models/digits/versions/1") == ada.json("/models/digits/versions/newest") == version

    # Until it is public, it is nothing to others.
    for path in (
        "",
        "/versions",
        "/versions/1",
        "/versions/1/card",
        "/versions/1/circuit",
        "/versions/1/layers",
    ):
        for client, name in (
            (bob, "digits"),
            (bob, "digits@ada"),
            (stranger, "digits@ada"),
            (stranger, "digits"),
        ):
            found = client("GET", f"/models/{name}{path}")
            assert found.status_code == 404, (path, name)
            assert found.json()["detail"].startswith("there is no model")
    assert bob.json("/models") == bob.json("/models?public=true") == stranger.json("/models") == {
        "items": [], "next": None,
    }  # fmt: skip

    assert ada("PATCH", "/models/digits", json={"public": True}).json()["public"] is True
    for client in (bob, stranger):
        assert [m["full_name"] for m in client.json("/models?public=true")["items"]] == ["digits@ada"]
        assert client.json("/models/digits@ada")["mine"] is False
        read = client.json("/models/digits@ada/versions/1/card")
        assert (read["card"], read["body"]) == (card, "The digits.")
        assert read["metadata"]["license"] == "mit" and read["metadata"]["tags"] == ["digits"]

    circuit = stranger("GET", "/models/digits@ada/versions/1/circuit")
    assert circuit.headers["Content-Disposition"] == 'attachment; filename="digits-1.circuit"'
    assert circuit.headers["ETag"] == f'"{version["circuit_digest"]}"'
    (tmp_path / "m.circuit").write_bytes(circuit.content)
    assert "0x" + load(tmp_path / "m.circuit").circuit_id.hex() == version["circuit_id"]
    again = {"If-None-Match": circuit.headers["ETag"]}
    unchanged = stranger("GET", "/models/digits@ada/versions/1/circuit", headers=again)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    key = VerifyingKey.decode(stranger("GET", "/models/digits@ada/versions/1/keys/sumcheck").content)
    assert "0x" + key.circuit_id.hex() == version["circuit_id"]
    assert stranger("GET", "/models/digits@ada/versions/1/keys/ezkl").status_code == 404

    layers = stranger.json("/models/digits@ada/versions/1/layers")
    assert layers["fidelity"] == version["summary"]["fidelity"]
    assert sum(layer["macs"] for layer in layers["layers"]) == version["summary"]["macs"]
    witness = sum(layer["witness_elements"] for layer in layers["layers"])
    assert witness == version["summary"]["witness_elements"]
    assert any(layer["cost"]["sumcheck"] > 0 for layer in layers["layers"])
    assert layers["estimates"]["sumcheck"]["prove_seconds"] > 0
    drawing = stranger("GET", "/models/digits@ada/versions/1/graph.svg")
    assert drawing.headers["Content-Type"] == "image/svg+xml" and drawing.text.startswith("<svg")
    assert "sandbox" in drawing.headers["Content-Security-Policy"]

    # Looking is all that others may do.
    for client, expected in ((bob, 404), (stranger, 401)):
        assert client("PATCH", "/models/digits@ada", json={"public": False}).status_code == expected
        assert client("PUT", "/models/digits@ada/versions/1/card", data="mine").status_code == expected
        assert client("POST", "/models/digits@ada/versions/1/setup/sumcheck").status_code == expected
        assert client("DELETE", "/models/digits@ada").status_code == expected
    assert ada.json("/models/digits")["version"] == version


def test_versions_and_cards(service: Service, mlp: bytes, calibration: bytes) -> None:
    ada = service.ada
    service.done(ada, ada.upload(mlp, card="One.", setup="", options='{"bits": 8}'))
    service.done(ada, ada.upload(mlp, setup="", options='{"bits": 9}'))
    same = service.done(ada, ada.upload(mlp, setup="", options='{"bits": 9}'))
    assert same.result is not None and same.result["number"] == "2"
    page = ada.json("/models/digits/versions?limit=1")
    assert [version["number"] for version in page["items"]] == [2] and page["next"] == "2"
    page = ada.json("/models/digits/versions?limit=1&before=2")
    assert [version["number"] for version in page["items"]] == [1]
    assert ada.json("/models/digits/versions?before=1") == {"items": [], "next": None}
    assert ada.json("/models/digits/versions/2/card")["card"] == "One."
    changed = ada("PUT", "/models/digits/versions/2/card", data="---\nlicense: mit\n---\nZwei Ä".encode())
    assert changed.json()["body"] == "Zwei Ä"
    assert ada.json("/models/digits/versions/1/card")["card"] == "One."
    assert ada.json("/models/digits/versions/newest/card")["metadata"]["license"] == "mit"
    for body, why in (("---\nlicense: [1]\n---", "license"), (b"\xff", "UTF-8"), ("x" * 70_000, "over")):
        refused = ada("PUT", "/models/digits/versions/2/card", data=body)
        assert refused.status_code in (400, 413) and why in refused.json()["detail"]
    assert ada("GET", "/models/digits/versions/3").status_code == 404
    assert ada("GET", "/models/digits/versions/0").status_code == 422
    key = service.done(ada, ada("POST", "/models/digits/versions/1/setup/sumcheck"))
    assert key.result is not None, key.error
    assert ada.json("/models/digits/versions/1")["keys"] == {"sumcheck": key.result["verifying_key"]}
    again = service.done(ada, ada("POST", "/models/digits/versions/1/setup/sumcheck"))
    assert again.result == key.result
    assert ada("POST", "/models/digits/versions/1/setup/magic").status_code == 400


def test_lists_are_pages(service: Service, digits: Path, tmp_path: Path, mlp: bytes) -> None:
    ada, circuit = service.ada, compiled(digits)
    assert ada.tenant is not None
    for i in range(5):
        add_model(service.parts, ada.tenant, circuit, f"m{i}")
    names, before = [], ""
    while True:
        page = ada.json(f"/models?limit=2{before}")
        names += [model["name"] for model in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert names == ["m4", "m3", "m2", "m1", "m0"]
    # A version that no job has made is described when somebody asks.
    assert ada.json("/models/m0/versions/1/layers")["layers"]
    assert ada("GET", "/models/m0/versions/1/graph.svg").text.startswith("<svg")


WRONG = (
    ({"name": "../etc"}, "no name for a model"),
    ({"name": "a b"}, "no name for a model"),
    ({"public": "yes"}, "true or false"),
    ({"options": "{"}, "options"),
    ({"options": '{"bits": 99}'}, "bits"),
    ({"options": '{"bits": "8"}'}, "bits"),
    ({"options": '{"bits_for": {"x": 99}}'}, "99 bits for 'x'"),
    ({"options": '{"external": "/etc/passwd"}'}, "external"),
    ({"options": '{"return": "all"}'}, "argmax"),
    ({"card": "---\nlicense: {}\n---"}, "license"),
    ({"setup": "magic"}, "no backend 'magic'"),
    ({"choices": "{"}, "choices"),
    ({"choices": '{"sumcheck": {"commit_inputs": 1}}'}, "commit_inputs"),
    ({"choices": '{"sumcheck": {"device": "cuda:0"}}'}, "device"),
    ({"choices": '{"ezkl": {}}'}, "no key is made for it"),
    ({"setup": "ezkl", "choices": '{"ezkl": {"commit_inputs": true}}'}, "cannot commit"),
    ({"path": "/etc/passwd"}, "the form has the field 'path'"),
    ({"card": "x" * 300_000}, "maximum size"),
    ({"options": "[" * 100_000}, "options"),
)


def test_wrong_uploads_are_refused(service: Service, mlp: bytes) -> None:
    for fields, why in WRONG:
        answer = service.ada.upload(mlp, **fields)
        assert answer.status_code == 400 and why in answer.json()["detail"], answer.text
    with service.parts.database.read() as session:
        assert session.query(ArtifactOwner).count() == 0
        assert session.query(Job).count() == 0


def test_other_bodies_are_refused(service: Service, mlp: bytes) -> None:
    ada = service.ada
    assert ada("POST", "/models", json={"name": "x"}).status_code == 415
    assert ada("POST", "/models", data={"name": "x"}).status_code == 415
    assert ada("POST", "/models", files={"name": (None, "x")}).status_code == 400
    assert ada("POST", "/models", files={"model": ("m", mlp)}).status_code == 400
    twice = [("name", (None, "a")), ("name", (None, "b")), ("model", ("m", mlp))]
    assert "twice" in ada("POST", "/models", files=twice).json()["detail"]
    form = {"Content-Type": "multipart/form-data"}
    assert ada("POST", "/models", data=b"nothing", headers=form).status_code == 400
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert ada("POST", "/models", data=b"--y\r\n\r\n", headers=form).status_code == 400
    large = ada.upload(bytes(2_000_000))
    assert large.status_code == 413 and "100000" in large.json()["detail"]
    assert ada.upload(bytes(150_000)).status_code == 413

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'
        for _ in range(100):
            yield bytes(100_000)

    with contextlib.suppress(requests.ConnectionError):  # it does not wait for the rest
        assert ada("POST", "/models", data=endless(), headers=form).status_code == 413
    refused = service.stranger.upload(mlp)
    assert refused.status_code == 401
    assert ada("PATCH", "/models/digits", json={"public": 1}).status_code == 400
    assert ada("PATCH", "/models/digits", data=b"x" * 5000).status_code == 413


def test_odd_names_are_no_models(service: Service, mlp: bytes) -> None:
    names = (
        "%00",
        "a%00b",
        "a@%00",
        "a@%F0",
        "%ED%A0%80",
        "a" * 500,
        "..%2F..",
        "a@",
        "@a",
        "a@b@c",
        "%C3%A4",
    )
    paths = ("", "/versions", "/versions/1", "/versions/1/card", "/versions/1/circuit", "/versions/1/keys/x")
    for name in names:
        for client in (service.ada, service.stranger):
            for path in paths:
                assert client("GET", f"/models/{name}{path}").status_code in (404, 422), (name, path)
    for number in ("0", "-1", "1.0", "%00", "99999999999", "newest%00"):
        assert service.ada("GET", f"/models/a/versions/{number}").status_code == 422
    for before in ("%00", "x", "0"):
        assert service.ada("GET", f"/models?before={before}").status_code == 422
    for field in ("name", "card", "options", "setup", "public"):
        refused = service.ada.upload(mlp, **{field: "a\0b"})
        assert refused.status_code == 400, (field, refused.text)


def test_scopes(service: Service, mlp: bytes) -> None:
    ada = service.ada
    assert ada.tenant is not None
    key = create_key(service.parts.database, ada.tenant, "other", ["jobs", "infer"])
    weak = Client(ada.url, ada.tenant, {"Authorization": f"Bearer {key}"})
    assert weak.upload(mlp).status_code == 403
    assert weak.json("/models") == {"items": [], "next": None}
    wrong = Client(ada.url, None, {"Authorization": "Bearer vk_wrong"})
    assert wrong("GET", "/models").status_code == 401


def test_the_same_upload_under_one_key_is_one_job(service: Service, mlp: bytes) -> None:
    ada, key = service.ada, {"Idempotency-Key": "one"}
    first = ada.upload(mlp, setup="", headers=key)
    second = ada.upload(mlp, setup="", headers=key)
    assert first.json() == second.json()
    other = ada.upload(mlp, setup="", options='{"bits": 8}', headers=key)
    assert other.status_code == 409
    assert service.done(ada, first).error is None
    assert ada.json("/models/digits/versions")["items"][0]["number"] == 1


def test_limits_of_a_tenant(service: Service, mlp: bytes, calibration: bytes) -> None:
    ada = service.ada
    assert ada.tenant is not None

    def limit(**limits: int) -> None:
        with service.parts.database.write() as session:
            session.get_one(Tenant, ada.tenant).limits = limits

    limit(max_upload_bytes=5000)
    assert ada.upload(mlp).status_code == 413
    limit(models=1)
    assert service.done(ada, ada.upload(mlp, "one", setup="")).error is None
    assert ada.upload(mlp, "two").status_code == 429
    again = service.done(ada, ada.upload(mlp, "one", setup="", options='{"bits": 8}'))
    assert again.result is not None and again.result["number"] == "2"
    limit(open_jobs=0)
    before = owned(service, ada)
    refused = ada.upload(mlp + b" ", "one", calibration=calibration)
    assert refused.status_code == 429
    assert owned(service, ada) == before, "what a refused upload brought is kept"


def owned(service: Service, client: Client) -> set[str]:
    """The artifacts of a tenant."""
    with service.parts.database.read() as session:
        return {row.digest for row in session.query(ArtifactOwner).filter_by(tenant_id=client.tenant)}


def test_deleting(service: Service, mlp: bytes, calibration: bytes) -> None:
    ada = service.ada
    assert ada.tenant is not None
    service.done(ada, ada.upload(mlp, "a", calibration=calibration))
    service.done(ada, ada.upload(mlp, "b", setup=""))
    needed = owned(service, ada)
    with service.parts.database.read() as session:
        version = session.query(Version).filter(Version.calibration.is_not(None)).one().id

    def prove(**changes: Any) -> str:
        at = datetime.now(UTC)
        values = {
            "tenant_id": service.bob.tenant, "version_id": version, "kind": Kind.PROVE, "tier": "sumcheck",
            "request": {"input": "0" * 64}, "request_digest": "", "execution": Status.SUCCEEDED,
            "proof": Status.SUCCEEDED, "not_before": at, "created_at": at, "finished_at": at,
        }  # fmt: skip
        with service.parts.database.write() as session:
            job = Job(**(values | changes))
            session.add(job)
            session.flush()
            return job.id

    proved = prove()
    refused = ada("DELETE", "/models/a")
    assert refused.status_code == 409 and "1 proofs were made" in refused.json()["detail"]
    failed = {"execution": Status.FAILED, "proof": Status.CANCELLED}
    with service.parts.database.write() as session:
        session.get_one(Job, proved).execution, session.get_one(Job, proved).proof = failed.values()
    waiting = prove(finished_at=None, lease_owner="somebody", lease_until=datetime(2100, 1, 1, tzinfo=UTC))
    assert "1 jobs wait or run" in ada("DELETE", "/models/a").json()["detail"]
    with service.parts.database.write() as session:
        session.get_one(Job, waiting).finished_at = datetime.now(UTC)
        session.get_one(Job, waiting).proof = Status.FAILED
    assert ada("DELETE", "/models/a").status_code == 204
    assert ada("GET", "/models/a").status_code == 404 and ada("DELETE", "/models/a").status_code == 404
    left = owned(service, ada)
    with service.parts.database.read() as session:
        remaining = session.query(Version).one()
        assert session.get_one(Job, proved).version_id is None
    # The source is that of the other model, too; the calibration and the circuit were this one's alone.
    assert left == {remaining.source, remaining.circuit, remaining.layers, remaining.drawing} < needed
    assert ada.json("/models/b/versions/1/layers")["layers"]
    assert io.BytesIO(ada("GET", "/models/b/versions/1/circuit").content).read(1)
