"""Every endpoint of the OpenAPI document, asked for what is another tenant's: it looks like nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.api_keys import Scope
from service.application import application
from service.database import Kind
from service.handlers.prove import ProveHandler
from service.leases import Leases
from service.worker import Worker
from tests.service.serving import add_model, ask, compiled, images, opened, served
from tests.service.test_jobs_api import Client
from tests.service.test_worker import ended
from verifier.srs import SrsStore

OPERATIONS = {"get", "put", "post", "patch", "delete"}
NO_OWNER = {"/v2", "/v2/health/live", "/v2/health/ready", "/api/v1/receipt-key", "/api/v1/health"}
"""What says nothing of a tenant."""
STRANGERS = {"/api/v1/verify", "/api/v1/receipts/verify"}
"""What reads only what it is sent; their own tests have them."""
TENSOR = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": images(1).ravel().tolist()}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/v2/models/{name}/infer"): {"inputs": [TENSOR]},
    ("post", "/v2/models/{name}/versions/{number}/infer"): {"inputs": [TENSOR]},
    ("patch", "/api/v1/models/{name}"): {"public": True},
    ("patch", "/api/v1/webhooks/{webhook}"): {"enabled": False},
    ("put", "/api/v1/models/{name}/versions/{number}/card"): b"---\nlicense: mit\n---\nText\n",
}
"""What is sent so that nothing but the owner can be wrong."""


class Scene:
    """Tenant `one` has a model, a proved job and all that goes with it; tenant `two` has nothing."""

    def __init__(self, where: str, one: Client, two: Client, owned: dict[str, str]) -> None:
        self.where, self.one, self.two, self.owned = where, one, two, owned
        self.paths: dict[str, Any] = ask(where, "GET", "/openapi.json").json["paths"]

    def operations(self, owned: bool) -> Iterator[tuple[str, str]]:
        """Method and path of the operations that name something of a tenant's, or of those that do not."""
        for path, item in self.paths.items():
            if ("{" in path) is owned and path not in NO_OWNER | STRANGERS:
                yield from ((method, path) for method in item.keys() & OPERATIONS)

    def filled(self, path: str) -> str:
        """A path that names what is tenant one's. A KeyError: say in `scene` what the new name is."""
        return re.sub(r"\{(\w+)\}", lambda found: self.owned[found[1]], path)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("service")
    store = SrsStore(folder / "srs")
    store.generate(10)
    with opened(folder, access="keys") as parts, served(application(parts)) as where:
        scopes = tuple(scope.value for scope in Scope)
        one, two = (Client(where, parts, name, scopes) for name in ("one", "two"))
        add_model(parts, one.tenant, compiled(digits))
        job = one.submit()["id"]
        handler = ProveHandler(parts.database, parts.artifacts, store)
        worker = Worker(Leases(parts.database, timedelta(seconds=30)), {Kind.PROVE: handler}, 0.02)
        worker.start()
        assert ended(parts.jobs, one.tenant, job).error is None
        worker.stop()
        proof = one("GET", f"/{job}/result").json["result"]["proof"]
        hook = ask_as(one, "post", "/api/v1/webhooks", {"url": "https://hooks.invalid/"}).json["id"]
        message = ask_as(one, "post", f"/api/v1/webhooks/{hook}/test").json["id"]
        owned = {"name": "digits", "number": "1", "backend": "sumcheck", "job_id": job, "digest": proof}
        owned |= {"webhook": hook, "delivery": message}
        yield Scene(where, one, two, owned)


def test_the_owner_sees_what_is_asked_for(scene: Scene) -> None:
    """Else nothing below would say anything."""
    for method, path in scene.operations(owned=True):
        if method == "get" and not path.startswith("/api/v1/proofs/"):  # not shared yet
            assert ask_as(scene.one, method, scene.filled(path)).status < 300, path


@pytest.mark.parametrize("name", ["digits", "digits@one"])
def test_what_is_anothers_looks_like_nothing(scene: Scene, name: str) -> None:
    scene.owned["name"] = name
    try:
        for method, path in scene.operations(owned=True):
            reply = ask_as(scene.two, method, scene.filled(path), BODIES.get((method, path)))
            assert reply.status == 404, (method, path, reply.status, reply.body)
            nobody = ask(scene.where, method.upper(), scene.filled(path), BODIES.get((method, path)))
            assert nobody.status in (401, 404), (method, path, nobody.status)
    finally:
        scene.owned["name"] = "digits"


def test_nothing_of_anothers_is_listed(scene: Scene) -> None:
    secrets = [scene.owned["job_id"], scene.owned["digest"], '"digits', scene.one.tenant]
    for method, path in scene.operations(owned=False):
        if method == "get":
            reply = ask_as(scene.two, method, path)
            assert reply.status == 200, (path, reply.body)
            assert not [secret for secret in secrets if secret.encode() in reply.body], path
            assert ask(scene.where, "GET", path).status == 401 or path == "/api/v1/models", path


def test_jobs_and_quotes_cannot_name_anothers_model(scene: Scene) -> None:
    for path in ("/api/v1/jobs", "/api/v1/quotes"):
        for model in ("digits", "digits@one"):
            inputs = {"input_data": [images(1).ravel().tolist()]} if path.endswith("jobs") else {}
            assert ask_as(scene.two, "post", path, {"model": model, **inputs}).status == 404


def ask_as(client: Client, method: str, path: str, body: Any = None) -> Any:
    """Ask by a tenant's key."""
    key = {"Authorization": f"Bearer {client.key}"}
    if isinstance(body, bytes):
        key["Content_Type"] = "text/markdown"
    return ask(client.where, method.upper(), path, body, **key)
