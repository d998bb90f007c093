"""Metrics, health, the log of requests and traces, of a served application."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from circuits.circuit import Circuit
from service import tracing
from service.api.health import Readiness
from service.api_keys import Scope, create_key
from service.application import application
from service.database import Kind
from service.embedded import Workers
from service.health import Health
from service.jobs import Order
from service.stages import EXECUTE
from service.worker import Context, Result, Worker
from tests.service.serving import add_model, compiled, images, opened, served
from tests.service.working import soon

TOKEN = "metrics-token-0123456789"


@pytest.fixture(scope="module")
def circuit(digits: Path) -> Circuit:
    return compiled(digits)


def get(url: str, path: str, **headers: str) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{url}{path}", headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def infer(url: str, name: str = "digits", **headers: str) -> bytes:
    """The answer to one image."""
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": images(1).ravel().tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    asked = urllib.request.Request(f"http://{url}/v2/models/{name}/infer", body, headers)
    with urllib.request.urlopen(asked) as answer:
        return answer.read()


def values(body: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples of an exposition, which must be one that Prometheus can read."""
    found = {}
    names = []
    for family in text_string_to_metric_families(body.decode()):
        names.append(family.name)
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    assert len(names) == len(set(names)), "a metric is there twice"
    return found


def value(body: bytes, name: str, **labels: str) -> float:
    return values(body)[name, frozenset(labels.items())]


def test_requests_and_jobs_are_counted(tmp_path: Path, circuit: Circuit) -> None:
    with opened(tmp_path, metrics_token=TOKEN) as parts, served(application(parts)) as url:
        tenant = parts.tenant("local")
        add_model(parts, tenant, circuit)
        parts.jobs.submit(tenant, Order(Kind.PROVE, "sumcheck", {}))
        for _ in range(3):
            infer(url)
        assert get(url, "/v2/models/other/ready")[0] == 404
        assert get(url, f"/{'x' * 50}")[0] == 404
        key = {"Authorization": f"Bearer {TOKEN}"}
        status, body = get(url, "/metrics", **key)
        assert status == 200
        route = {"method": "POST", "route": "/v2/models/{name}/infer"}
        assert value(body, "verinfer_requests_total", **route, status="200") == 3
        assert value(body, "verinfer_request_seconds_count", **route) == 3
        none = {"method": "GET", "route": "(none)", "status": "404"}
        assert value(body, "verinfer_requests_total", **none) == 1
        ready = {"method": "GET", "route": "/v2/models/{name}/ready", "status": "404"}
        assert value(body, "verinfer_requests_total", **ready) == 1
        assert b"xxxxx" not in body and b"digits" not in body, "names of tenants are labels"
        assert value(body, "verinfer_jobs_waiting", kind="prove") == 1
        assert value(body, "verinfer_jobs_oldest_seconds", kind="prove") > 0
        assert value(body, "verinfer_jobs_running", kind="prove") == 0
        assert value(body, "verinfer_artifact_bytes") > 1000
        assert b"# TYPE verinfer_deliveries_total counter" in body
        assert value(body, "process_resident_memory_bytes") > 1 << 20


def test_jobs_of_worker_processes_are_counted_by_their_parent(tmp_path: Path) -> None:
    with opened(tmp_path, metrics_token=TOKEN) as parts, served(application(parts)) as url:
        job = parts.jobs.submit(parts.tenant("local"), Order(Kind.PROVE, "of my own", {"input": "0"}))
        workers = Workers(parts.settings)
        workers.start()
        try:
            soon(lambda: parts.jobs.get(job.tenant_id, job.id).finished_at is not None, "it has ended")
            key = {"Authorization": f"Bearer {TOKEN}"}
            labels = {"kind": "prove", "tier": "other", "outcome": "failed"}

            def counted() -> bool:
                found = values(get(url, "/metrics", **key)[1])
                return found.get(("verinfer_jobs_total", frozenset(labels.items()))) == 1

            soon(counted, "the job is counted")
        finally:
            workers.stop()


def test_metrics_are_for_who_may_see_them(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as parts, served(application(parts)) as url:
        assert get(url, "/metrics")[0] == 200
    with opened(tmp_path / "b", metrics_token=TOKEN) as parts, served(application(parts)) as url:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            status, body = get(url, "/metrics", **header)
            assert status == 401 and b"verinfer_" not in body
        assert get(url, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    with opened(tmp_path / "c", access="keys") as parts, served(application(parts)) as url:
        key = create_key(parts.database, parts.tenant("one"), "k", [scope.value for scope in Scope])
        assert get(url, "/metrics")[0] == 401
        assert get(url, "/metrics", Authorization=f"Bearer {key}")[0] == 401


def test_health_says_what_is_wrong(tmp_path: Path) -> None:
    with opened(tmp_path) as parts, served(application(parts)) as url:
        assert get(url, "/v2/health/live") == (200, b'{"live":true}')
        assert get(url, "/v2/health/ready") == (200, b'{"ready":true}')
        status, body = get(url, "/api/v1/health")
        report = json.loads(body)
        assert status == 200 and report["ready"] and not report["stopping"]
        assert [check["name"] for check in report["checks"]] == ["database", "artifacts", "receipt_key"]
        assert all(check["ok"] for check in report["checks"])

    with opened(tmp_path / "broken") as parts, served(application(parts)) as url:
        with parts.database.write() as session:
            session.execute(text("ALTER TABLE tenants RENAME TO gone"))
        incoming = tmp_path / "broken" / "artifacts"
        incoming.write_text("a file where the folder should be")
        status, body = get(url, "/api/v1/health")
        found = {check["name"]: check for check in json.loads(body)["checks"]}
        assert status == 503 and not found["database"]["ok"] and not found["artifacts"]["ok"]
        assert "no such table" in found["database"]["detail"] and found["receipt_key"]["ok"]
        assert get(url, "/v2/health/ready") == (503, b'{"ready":false}')
        assert get(url, "/v2/health/live")[0] == 200


def test_health_in_detail_is_for_operators(tmp_path: Path) -> None:
    with opened(tmp_path, access="keys") as parts, served(application(parts)) as url:
        one = parts.tenant("one")
        user = create_key(parts.database, one, "k", ["infer", "jobs", "models"])
        operator = create_key(parts.database, one, "k", ["operate"])
        assert get(url, "/v2/health/ready")[0] == 200
        assert get(url, "/api/v1/health")[0] == 401
        assert get(url, "/api/v1/health", Authorization=f"Bearer {user}")[0] == 403
        assert get(url, "/api/v1/health", Authorization=f"Bearer {operator}")[0] == 200


def test_checks_are_made_once_for_all_who_ask_and_may_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as parts:
        go_on, calls = threading.Event(), []
        health = Health(parts)
        health._checks["artifacts"] = lambda: (calls.append(1), go_on.wait(30), "folder")[2]  # type: ignore[func-returns-value]
        monkeypatch.setattr("service.health.PATIENCE_SECONDS", 0.3)
        for _ in range(3):
            [finding] = health.findings()
            assert not finding.ok and "no answer" in finding.detail
        go_on.set()
        soon(lambda: all(finding.ok for finding in health.findings()), "all is well again")
        assert len(calls) == 1
        health.findings()
        assert len(calls) == 1
        health.close()


def test_a_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        health, taking = Health(parts), [True]
        readiness = Readiness(health, lambda: taking[0])
        assert asyncio.run(readiness.ready())
        taking[0] = False
        report = asyncio.run(readiness.report())
        assert not asyncio.run(readiness.ready()) and not report.ready and report.stopping
        assert all(check.ok for check in report.checks)
        health.close()


class Collector:
    """Takes traces as a collector does, by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    try:
        tracing.start(collector.url, "test")
        yield collector
    finally:
        tracing.stop()
        collector.server.shutdown()
        collector.server.server_close()


def test_a_trace_goes_from_the_request_through_the_job_to_its_stages(
    tmp_path: Path, circuit: Circuit
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    caller = f"00-{'ab' * 16}-{'cd' * 8}-01"
    with opened(tmp_path) as parts, collecting() as collector:
        add_model(parts, parts.tenant("local"), circuit)
        with served(application(parts)) as url:
            tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32"}
            inputs = [tensor | {"data": images(1).ravel().tolist()}]
            body = json.dumps({"inputs": inputs, "parameters": {"tier": "sumcheck"}}).encode()
            asked = urllib.request.Request(
                f"http://{url}/v2/models/digits/infer", body, {"traceparent": caller}
            )
            with urllib.request.urlopen(asked) as answer:
                job = json.load(answer)["parameters"]["job"]

        def handler(context: Context) -> Result:
            context.stage(EXECUTE, dict)
            return context.stage("prove", dict)

        worker = Worker(parts.leases, {Kind.PROVE: handler})
        assert worker.do_next() == "succeeded"
        tracing.stop()
    spans = {span.name: span for span in collector.spans}
    assert {span.trace_id.hex() for span in spans.values()} == {"ab" * 16}
    assert spans["request"].parent_span_id.hex() == "cd" * 8
    assert spans["job prove"].parent_span_id == spans["request"].span_id
    assert spans["stage prove"].parent_span_id == spans["job prove"].span_id
    attributes = {one.key: one.value.string_value for one in spans["job prove"].attributes}
    assert attributes["job"] == job


def test_the_framework_sends_no_traces_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would have the texts of errors in them."""
    pytest.importorskip("opentelemetry.sdk")
    with opened(tmp_path) as parts, collecting() as collector:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/v1/traces"))
        with served(application(parts)) as url, pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{url}/api/v1/jobs/none")
        tracing.stop()
    assert [span.name for span in collector.spans] == ["request"]


def test_nothing_of_a_trace_is_kept_where_there_are_none(tmp_path: Path) -> None:
    with opened(tmp_path) as parts:
        tenant = parts.tenant("local")
        job = parts.jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {}))
        assert job.trace is None and not tracing.on()
