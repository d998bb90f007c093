"""A run of a server and its worker with all secrets there are: none is in the logs, whatever goes wrong."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from service.api_keys import create_key
from service.database import Kind, Webhook, now
from service.jobs import Order
from tests.service.serving import opened
from tests.service.test_embedded import alive
from tests.service.working import Provable, soon
from tests.verinfer.test_serve import url_in
from tests.verinfer.test_worker_command import children

TOKEN = "metrics-token-7f3a9c"


def ask(url: str, body: bytes | None = None, **headers: str) -> None:
    """Ask, and take any answer."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30).read()


def test_no_secret_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERINFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VERINFER_SERVICE_ACCESS", "keys")
    monkeypatch.setenv("VERINFER_SERVICE_METRICS_TOKEN", TOKEN)
    with opened(tmp_path / "data", access="keys", metrics_token=TOKEN) as parts:
        provable = Provable(parts, parts.tenant("one"))
        key = create_key(parts.database, provable.tenant, "k", ["infer", "jobs", "models", "account"])
        with parts.database.write() as session:
            secret = "whsec_" + "c2VjcmV0" * 4
            hook = Webhook(
                tenant_id=provable.tenant, url="https://192.0.43.7/", secret=secret, events=["job.failed"]
            )
            hook.created_at = now(session)
            session.add(hook)
        private = parts.settings.receipt_key_path.read_text() if parts.signer else ""
        command = [sys.executable, "-m", "verinfer.cli", "serve", "--port", "0", "--log", "json"]
        command += ["--data", str(tmp_path / "data")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None and server.stderr is not None
                url = url_in(server.stdout)
                bearer = {"Authorization": f"Bearer {key}"}
                body = json.dumps({"inputs": [{"name": "unheard-of"}], "note": key}).encode()
                ask(f"{url}/v2/models/m/infer", body, **bearer)
                ask(f"{url}/api/v1/jobs?status={key}&key={key}", **bearer)
                ask(f"{url}/v2/models/{key}/ready", **bearer)
                ask(f"{url}/metrics", Authorization=f"Bearer {TOKEN}")
                ask(f"{url}/v2/models/m", Authorization=f"Basic {key}")
                ids = provable.submit(1)
                order = Order(Kind.PROVE, "sumcheck", {"input": key, "alone": True}, provable.version)
                ids.append(parts.jobs.submit(provable.tenant, order).id)
                provable.wait(ids)
                below = children(server.pid)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(60)
            log = server.stderr.read()
    soon(lambda: not any(map(alive, below)), "all have ended")
    assert "job ends" in log and '"request"' in log and "(not logged)" in log
    for word in (key, key.rpartition("_")[2], TOKEN, secret, *private.splitlines()[1:-1]):
        assert word and word not in log
