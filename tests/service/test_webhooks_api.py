"""Webhooks over HTTP: a receiver's view, each tenant's own, and no secret but once."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from standardwebhooks import Webhook as Signature

from service.api.bodies import SMALL_BYTES
from service.api_keys import create_key
from service.application import application
from service.database import Kind
from service.jobs import Order
from service.parts import Parts
from tests.service.conftest import add_tenant
from tests.service.receiver import receiving, status
from tests.service.serving import opened, served
from tests.service.test_access import ask

HOOKS = "/api/v1/webhooks"


def call(where: str, key: str, method: str, path: str = "", body: Any = None) -> tuple[int, dict[str, Any]]:
    """One request about webhooks."""
    connection = http.client.HTTPConnection(where, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request(method, HOOKS + path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data else {}
    finally:
        connection.close()


def key_of(parts: Parts, name: str, *scopes: str) -> str:
    """The key of a new tenant."""
    return create_key(parts.database, add_tenant(parts.database, name), "key", scopes or ["account"])


def test_from_making_to_deleting(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"access": "keys", "webhook_http": True, "webhook_networks": ["127.0.0.0/8"]}
    with (
        opened(tmp_path, database=url, **settings) as parts,
        served(application(parts)) as where,
        receiving(status(500), status(204)) as receiver,
        structlog.testing.capture_logs() as logs,
    ):
        key = key_of(parts, "one")
        code, made = call(where, key, "POST", "", {"url": receiver.url, "events": ["job.cancelled"]})
        assert code == 201 and made["enabled"] and made["secret"].startswith("whsec_")
        path = f"/{made['id']}"
        seen = [call(where, key, "GET", path), call(where, key, "GET")]
        assert seen[0][1]["url"] == receiver.url and seen[1][1]["items"] == [seen[0][1]]
        code, message = call(where, key, "POST", f"{path}/test")
        assert code == 202 and (message["event"], message["state"], message["attempts"]) == (
            "test",
            "waiting",
            0,
        )
        receiver.wait()
        one = f"{path}/deliveries/{message['id']}"
        while (found := call(where, key, "GET", one))[1]["error"] is None:
            time.sleep(0.02)
        seen.append(found)
        assert (found[1]["response_status"], found[1]["error"]) == (500, "it answered 500")
        assert found[1]["state"] == "waiting" and found[1]["body"]["type"] == "test"
        assert call(where, key, "POST", f"{one}/replay")[0] == 202
        receiver.wait(2)
        while (found := call(where, key, "GET", one))[1]["state"] != "delivered":
            time.sleep(0.02)
        code, replaced = call(where, key, "POST", f"{path}/secret")
        assert code == 200 and replaced["secret"] != made["secret"]
        for received in receiver.received:
            Signature(made["secret"]).verify(received.body, received.headers)
        listed = call(where, key, "GET", f"{path}/deliveries")
        assert [item["id"] for item in listed[1]["items"]] == [message["id"]] and listed[1]["next"] is None
        code, changed = call(where, key, "PATCH", path, {"enabled": False})
        assert code == 200 and (changed["enabled"], changed["disabled_why"]) == (False, "by its owner")
        assert call(where, key, "POST", f"{path}/test")[0] == 409
        seen += [listed, found, (code, changed)]
        assert call(where, key, "DELETE", path) == (204, {})
        assert call(where, key, "GET", path)[0] == 404
    shown = json.dumps(seen) + str(logs) + "".join(capsys.readouterr())
    for secret in (made["secret"], replaced["secret"], key):
        assert secret not in shown and secret.removeprefix("whsec_") not in shown
    assert any(line["event"] == "webhook" for line in logs)


def test_another_tenant_finds_none_of_it(tmp_path: Path) -> None:
    with opened(tmp_path, access="keys") as parts, served(application(parts)) as where:
        mine, theirs = key_of(parts, "one"), key_of(parts, "two")
        _, made = call(where, mine, "POST", "", {"url": "https://hooks.invalid/"})
        tenant = parts.tenant("one")
        parts.jobs.cancel(tenant, parts.jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {})).id)
        [message] = call(where, mine, "GET", f"/{made['id']}/deliveries")[1]["items"]
        own = call(where, theirs, "POST", "", {"url": "https://hooks.invalid/"})[1]
        for webhook in (made["id"], own["id"]):
            one = f"/{webhook}/deliveries/{message['id']}"
            assert call(where, theirs, "GET", one)[0] == 404
            assert call(where, theirs, "POST", f"{one}/replay")[0] == 404
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"url": "https://evil.example/"}),
            ("DELETE", "", None),
            ("POST", "/secret", None),
            ("POST", "/test", None),
            ("GET", "/deliveries", None),
        ):
            assert call(where, theirs, method, f"/{made['id']}{path}", body)[0] == 404, path
        assert [item["id"] for item in call(where, theirs, "GET")[1]["items"]] == [own["id"]]
        assert call(where, mine, "GET", f"/{made['id']}")[1]["url"] == "https://hooks.invalid/"


def test_who_may_not(tmp_path: Path) -> None:
    with opened(tmp_path, access="keys") as parts, served(application(parts)) as where:
        other = key_of(parts, "one", "infer", "jobs", "models")
        assert call(where, other, "POST", "", {"url": "https://hooks.invalid/"})[0] == 403
        assert call(where, other, "GET")[0] == 403
        assert ask(where, HOOKS)[0] == 401


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"url": "http://example.org/"}),
        (400, {"url": "https://127.0.0.1/"}),
        (400, {"url": "https://user:pass@example.org/"}),
        (422, {"url": "https://\ud800/"}),
        (422, {"url": "https://example.org/" + "x" * 3000}),
        (422, {"url": 5}),
        (422, {"url": "https://example.org/", "events": []}),
        (422, {"url": "https://example.org/", "events": ["job.began"]}),
        (422, {"url": "https://example.org/", "secret": "whsec_mine"}),
        (422, {"events": ["job.failed"]}),
        (422, []),
    ],
    ids=range(11),
)
def test_what_is_no_webhook(local: str, status: int, body: Any) -> None:
    found, answer = call(local, "", "POST", "", body)
    assert found == status and answer["title"] and answer["detail"]
    assert "pass@" not in answer["detail"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service without keys."""
    with opened(tmp_path_factory.mktemp("service")) as parts, served(application(parts)) as where:
        yield where


def test_bodies_are_small_and_json(local: str) -> None:
    connection = http.client.HTTPConnection(local, timeout=30)
    hook = json.dumps({"url": "https://hooks.invalid/"}).encode()
    for path in (HOOKS, "/api/v1/quotes"):
        for body, kind, expected in (
            (b" " * (SMALL_BYTES + 1), "application/json", 413),
            (iter([b" " * 40_000] * 2), "application/json", 413),
            (b" " * SMALL_BYTES, "application/json", 422),
            (hook, "text/plain", 422),
        ):
            chunked = not isinstance(body, bytes)
            connection.request("POST", path, body, {"Content-Type": kind}, encode_chunked=chunked)
            response = connection.getresponse()
            response.read()
            assert response.status == expected, (path, kind)
            connection.close()


def test_pages(local: str) -> None:
    made = [call(local, "", "POST", "", {"url": f"https://example.org/{i}"})[1]["id"] for i in range(5)]
    found, before = [], ""
    while True:
        _, page = call(local, "", "GET", f"?limit=2{before}")
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert found == made[::-1]
    for query in ("?limit=0", "?limit=101", "?before=x", "?before=%00"):
        assert call(local, "", "GET", query)[0] == 422
    for webhook in ("x", "%00", "../usage", "0" * 36):
        assert call(local, "", "GET", f"/{webhook}/deliveries")[0] in (404, 422)
