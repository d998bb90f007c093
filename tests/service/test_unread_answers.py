"""Who asks for much and reads nothing neither fills the server's memory nor holds its end."""

from __future__ import annotations

import io
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.database import JobEvent, Kind, now
from service.jobs import Order
from service.stages import EXECUTE
from tests.service.patience import PATIENCE
from tests.service.serving import opened
from tests.verinfer.test_serve import serving

OUTPUT_BYTES = 64 << 20
EVENTS, EVENT_BYTES = 4000, 4000
DRAIN_SECONDS = 2
CLIENTS = 4


@pytest.fixture
def job(tmp_path: Path) -> str:
    """A job with a large output and with many events, in a service's folder."""
    with opened(tmp_path) as parts:
        tenant = parts.tenant("local")
        made = parts.jobs.submit(tenant, Order(Kind.VERIFY, "sumcheck", {})).id
        lease = parts.leases.claim("w", [Kind.VERIFY])
        assert lease is not None
        output = parts.artifacts.put(tenant, io.BytesIO(bytes(OUTPUT_BYTES)), "application/json")
        parts.leases.finish_stage(lease, EXECUTE, {"output": output})
        with parts.database.write() as session:
            at = now(session)
            session.add_all(
                JobEvent(
                    job_id=made, sequence=100 + i, at=at, event="progress", data={"text": "x" * EVENT_BYTES}
                )
                for i in range(EVENTS)
            )
    return made


def held_bytes(pid: int) -> int:
    """How much memory a process has; nothing once it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next((line for line in lines if line.startswith("VmRSS:")), "VmRSS: 0").split()[1])


@contextmanager
def unread(url: str, path: str, accept: str) -> Iterator[None]:
    """A request whose answer has begun, and is not read further for as long as the block lasts."""
    address = urlsplit(url)
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect((address.hostname, address.port))
        request = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: {accept}\r\n\r\n"
        client.sendall(request.encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        yield


@pytest.mark.parametrize(("what", "accept"), [("output", "*/*"), ("events", "text/event-stream")])
def test_answers_that_nobody_reads(
    what: str, accept: str, job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERINFER_SERVICE_WORKERS", "0")
    monkeypatch.setenv("VERINFER_SERVICE_DRAIN_SECONDS", str(DRAIN_SECONDS))
    with serving("--data", tmp_path, "--log", "json") as (process, url), ExitStack() as clients:
        before = held_bytes(process.pid)
        for _ in range(CLIENTS):
            clients.enter_context(unread(url, f"/api/v1/jobs/{job}/{what}", accept))
        held, began = 0, time.monotonic()
        process.send_signal(signal.SIGTERM)
        while process.poll() is None and time.monotonic() < began + PATIENCE:
            held = max(held, held_bytes(process.pid) - before)
            time.sleep(0.05)
        taken = time.monotonic() - began
    assert process.returncode == 0
    assert held < OUTPUT_BYTES // 2, "it holds what is not read"
    assert taken < DRAIN_SECONDS + 15, "it has waited for who reads nothing"
