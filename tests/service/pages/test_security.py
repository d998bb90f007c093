"""What answers tell browsers to refuse, and what forms must carry."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from circuits.circuit import Circuit
from service.api.access import Access
from service.api.events import Streams
from service.api.inference import Inference
from service.api.uploads import Uploads
from service.api_keys import Scope
from service.application import application
from service.database import Job, Kind, Status
from service.descriptions import Descriptions
from service.destinations import Destinations
from service.event_feed import EventFeed
from service.handlers.compile import compile_limits
from service.jobs import Order
from service.ledger import Meter
from service.pages.routes import Tools, routers
from service.pages.security import DRAWING_POLICY, HEADERS
from service.pages.site import MAX_FORM_BYTES, Site
from service.parts import Parts
from service.quotes import Quotes
from service.submitting import Submitter
from service.verification import Verification
from service.webhooks import Webhooks
from tests.service.pages.conftest import House, housed
from tests.service.pages.visiting import Visitor
from tests.service.serving import add_model, opened

HOSTILE = "<script>alert(1)</script>\"'"


@pytest.fixture(scope="module")
def signed_in(keyed: House, circuit: Circuit) -> Visitor:
    """Somebody who may do all, with a model."""
    tenant, key = keyed.tenant("one")
    add_model(keyed.parts, tenant, circuit)
    return keyed.visitor(key)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/", "text/html"),
        ("/login", "text/html"),
        ("/models/digits", "text/html"),
        ("/nowhere", "text/html"),
        ("/nowhere", "application/json"),
        ("/models", "application/json"),
        ("/v2", "application/json"),
        ("/static/pages.css", "text/css"),
        ("/openapi.json", "application/json"),
    ],
)
def test_all_answers_carry_the_headers(signed_in: Visitor, path: str, accept: str) -> None:
    headers = signed_in.get(path, Accept=accept).headers
    for name, value in HEADERS.items():
        assert headers[name] == value
    assert headers["Strict-Transport-Security"] is None


def test_the_policy_lets_in_nothing_but_own_files() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy.pop("default-src") == policy.pop("frame-ancestors") == policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert "script" not in DRAWING_POLICY and "sandbox" in DRAWING_POLICY


def test_no_page_has_scripts_or_styles_in_its_text(signed_in: Visitor) -> None:
    for path in ("/", "/models", "/models/digits", "/models/digits/try", "/models/new", "/jobs", "/usage",
                 "/settings", "/verify", "/nowhere"):  # fmt: skip
        text = signed_in.get(path).text
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?! defer src=\"/static/)", text
        )
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)


def test_errors_of_ours_are_pages_too_and_carry_the_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with housed(tmp_path, works=False) as house:

        def broken(*_: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr("service.registry.Registry.list", broken)
        page = Visitor(house.address).get("/models")
        assert page.status == 500 and "text/html" in page.headers["Content-Type"]
        assert "secret" not in page.text and page.headers["X-Request-Id"] in page.text
        assert page.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def posts(parts: Parts) -> Iterator[str]:
    """The paths of all forms."""
    submit, quotes = Submitter(parts), Quotes(parts.database, 0, "")
    inference = Inference(parts.models, parts.signer, submit)
    webhooks = Webhooks(parts.database, Destinations((), False))
    streams = Streams(parts, EventFeed(parts.database), 1, 1)
    descriptions = Descriptions(parts, compile_limits(parts.settings))
    verification = Verification(parts, 1)
    uploads, meter = Uploads(1, 1), Meter(parts.database)
    tools = Tools(submit, streams, quotes, meter, webhooks, descriptions, verification, uploads, uploads)
    for router in routers(Site(parts, Access(parts, inference)), tools, None):
        for route in router.routes:
            if isinstance(route, APIRoute) and "POST" in route.methods:
                yield route.path


def test_each_form_is_refused_without_what_it_must_carry(
    keyed: House, signed_in: Visitor, tmp_path: Path
) -> None:
    with opened(tmp_path) as parts:
        paths = list(posts(parts))
    assert len(paths) >= 10
    other = keyed.visitor(keyed.tenant("other")[1]).get("/settings").csrf
    own = signed_in.get("/settings").csrf
    for path in paths:
        filled = re.sub(r"\{.*?\}", "digits", path)
        if path.startswith("/proofs/"):
            continue  # whether there is such a proof is looked up first
        for wrong in ("", other, own[:-1], own.upper(), "ü"):
            page = signed_in.post(filled, {"csrf": wrong, "name": "x", "scope": "infer"})
            assert (page.status, "out of date" in page.text) == (403, True), (path, wrong)


def test_forms_are_bounded(keyed: House, signed_in: Visitor) -> None:
    fields = {"csrf": signed_in.get("/settings").csrf, "name": "x" * MAX_FORM_BYTES}
    assert signed_in.post("/settings/keys", fields).status == 413
    lots = {f"f{k}": "" for k in range(100)} | {"csrf": fields["csrf"]}
    assert signed_in.post("/settings/keys", lots).status == 400
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Transfer-Encoding": "chunked"}
    page = signed_in.send("POST", "/settings/keys", b"5\r\ncsrf=\r\n0\r\n\r\n", headers)
    assert page.status == 400 and "how long" in page.text


def test_what_strangers_wrote_is_shown_as_text(keyed: House, circuit: Circuit) -> None:
    tenant, key = keyed.tenant("hostile")
    visitor = keyed.visitor(key)
    page = visitor.post("/models/none/try", {"csrf": visitor.get("/settings").csrf})
    assert page.status == 404
    job = keyed.parts.jobs.submit(tenant, Order(Kind.COMPILE, HOSTILE, {"model": HOSTILE, "source": HOSTILE}))
    with keyed.parts.database.write() as session:
        row = session.get_one(Job, job.id)
        row.error, row.execution, row.finished_at = HOSTILE, Status.FAILED, row.created_at
    for path in (
        "/jobs",
        f"/jobs/{job.id}",
        f"/models/{HOSTILE.replace('/', '')}",
        f"/jobs?status={HOSTILE}",
    ):
        page = visitor.get(path.replace("<", "%3C").replace('"', "%22"))
        assert "<script>alert" not in page.text and "&lt;script&gt;" in page.text, path


def test_names_that_no_database_takes_are_names_of_nothing(signed_in: Visitor) -> None:
    csrf = signed_in.get("/settings").csrf
    for word in ("%00", "x%00y", "%ff", "%ed%a0%80"):
        for path in (f"/jobs/{word}", f"/models/{word}", f"/models/digits?version={word}", f"/proofs/{word}",
                     f"/jobs?before={word}", f"/claims/{word}", f"/settings/webhooks/{word}"):  # fmt: skip
            assert signed_in.get(path).status < 500, path
            if "%00" in path:
                assert signed_in.get(path).status == 404, path
        assert signed_in.post(f"/settings/keys/{word}/revoke", {"csrf": csrf}).status == 404
    for name in ("a\0b", "\0"):
        fields = {"csrf": csrf, "name": name, "scope": "infer"}
        assert signed_in.post("/settings/keys", fields).status == 404


def test_models_of_tenants_with_odd_names_are_linked(keyed: House, circuit: Circuit) -> None:
    tenant, _ = keyed.tenant("what? #1 <b>")
    add_model(keyed.parts, tenant, circuit)
    keyed.parts.registry.publish(tenant, "digits", True)
    visitor = keyed.visitor(keyed.tenant("reader")[1])
    [link] = set(re.findall(r'href="(/models/digits@what[^"]*)/try"', visitor.get("/models").text))
    for path in (link, f"{link}/try"):
        page = visitor.get(path)
        assert page.status == 200 and "<b>" not in page.text
        assert link in page.text


def test_the_drawing_can_do_nothing(signed_in: Visitor) -> None:
    drawing = signed_in.get("/models/digits/graph.svg")
    assert drawing.headers["Content-Type"] == "image/svg+xml"
    assert drawing.headers["Content-Security-Policy"] == DRAWING_POLICY


def asked_by_https(parts: Parts, path: str) -> dict[str, str]:
    """The headers of an answer to who comes by https."""
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "https", "server": ("verinfer.example", 443),
        "client": ("127.0.0.1", 1), "headers": [(b"host", b"verinfer.example"), (b"accept", b"text/html")],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(parts)(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_by_https_cookies_and_browsers_are_kept_to_it(tmp_path: Path) -> None:
    with opened(tmp_path, access="keys") as parts:
        headers = asked_by_https(parts, "/login")
    assert headers["strict-transport-security"].startswith("max-age=")
    cookie = headers["set-cookie"]
    assert cookie.startswith("__Host-") and "Secure" in cookie and "Path=/" in cookie


def test_a_key_that_may_only_ask_does_nothing_else(keyed: House, circuit: Circuit) -> None:
    tenant, _ = keyed.tenant("asker")
    add_model(keyed.parts, tenant, circuit)
    visitor = keyed.visitor(keyed.tenant("asker", Scope.INFER)[1])
    csrf = visitor.get("/settings").csrf
    assert visitor.get("/models/digits/try").status == 200
    for path in ("/jobs", "/models/new"):
        assert visitor.get(path).status == 403
    for path in ("/models/digits/prove", "/models/digits/keys", "/settings/keys"):
        page = visitor.post(path, {"csrf": csrf, "name": "x", "scope": "models", "backend": "sumcheck"})
        assert page.status == 403, path


def test_another_tenants_things_look_like_none(keyed: House, signed_in: Visitor) -> None:
    tenant, key = keyed.tenant("third")
    job = keyed.parts.jobs.submit(tenant, Order(Kind.COMPILE, "", {"model": "theirs"}))
    digest = keyed.parts.artifacts.put(tenant, io.BytesIO(b"theirs"), "text/plain")
    csrf = signed_in.get("/settings").csrf
    for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/events", f"/proofs/{digest}", f"/proofs/{digest}/proof",
                 "/models/theirs", "/models/digits@third", "/models/digits@third/circuit"):  # fmt: skip
        assert signed_in.get(path).status == 404, path
    for action in ("cancel", "retry"):
        assert signed_in.post(f"/jobs/{job.id}/{action}", {"csrf": csrf}).status == 404
    assert keyed.parts.jobs.get(tenant, job.id).finished_at is None
    key_id = keyed.visitor(key).get("/settings").text.partition("/settings/keys/")[2][:36]
    assert signed_in.post(f"/settings/keys/{key_id}/revoke", {"csrf": csrf}).status == 404
    assert keyed.visitor(key).get("/models").status == 200
