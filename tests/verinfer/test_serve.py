"""`verinfer serve` as a process: it serves circuits, says where, and ends when told to."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.service.serving import compiled


@contextmanager
def serving(*options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server. Yields its process and its URL."""
    command = [sys.executable, "-m", "verinfer.cli", "serve", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, url_in(process.stdout)
        finally:
            process.kill()


def url_in(stream: IO[str]) -> str:
    """The URL in the line that says where it serves."""
    line = stream.readline()
    found = re.search(r"http://\S+", line)
    assert found, line
    return found[0]


def quickest(url: str, path: str) -> float:
    """The fewest seconds of a request over one connection. The first ones are left out: to them a client's
    system sends acknowledgements at once, later only after 40 ms or with what it sends anyway."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    seconds = []
    for _ in range(60):
        began = time.perf_counter()
        connection.request("GET", path)
        connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
    connection.close()
    return min(seconds[30:])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_a_circuit_until_told_to_stop(tmp_path: Path, digits: Path, number: signal.Signals) -> None:
    compiled(digits).save(tmp_path / "two.circuit")
    with serving(tmp_path / "two.circuit", "--data", tmp_path / "data") as (process, url):
        with urllib.request.urlopen(f"{url}/v2/models/two", timeout=30) as response:
            assert json.load(response)["versions"] == ["1"]
        assert quickest(url, "/v2/models/two") < 0.03
        process.send_signal(number)
        assert process.wait(60) == 0
        assert process.stderr is not None and "error" not in process.stderr.read()
    assert (tmp_path / "data" / "receipt-key.pem").stat().st_mode & 0o777 == 0o600


def refused(*options: object) -> str:
    """What a server that does not start says."""
    command = [sys.executable, "-m", "verinfer.cli", "serve", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "no.circuit").write_bytes(b"no circuit")
    data = ("--data", tmp_path / "data")
    assert "no.circuit" in refused(tmp_path / "no.circuit", *data)
    assert "its name" in refused(tmp_path / "my model.circuit", *data)
    assert "local access" in refused("--host", "0.0.0.0", *data)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in refused("--port", port, *data)


def test_the_effective_settings_are_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "verinfer.cli", "serve", "--show-config", "--port", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path)
    assert "port = 9\n" in done.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("proxies", "scheme"), [("127.0.0.1", "https"), ("192.0.2.1", "http"), ("", "http")])
def test_only_a_proxy_that_is_named_says_what_scheme_a_request_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxies: str, scheme: str
) -> None:
    """Strict-Transport-Security is sent by https alone."""
    monkeypatch.setenv("VERINFER_SERVICE_PROXIES", proxies)
    with serving("--data", tmp_path / "data") as (_, url):
        request = urllib.request.Request(f"{url}/v2/health/live", headers={"X-Forwarded-Proto": "https"})
        with urllib.request.urlopen(request, timeout=30) as response:
            assert ("Strict-Transport-Security" in response.headers) is (scheme == "https")
