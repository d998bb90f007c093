"""What a long queue costs: the calls that workers and tenants make, and the pages, with few jobs and many.

Each figure: the median and the longest, in milliseconds. Jobs of several tenants wait; most are of the tenant
whose pages are looked at.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.service_process import Server, running
from service.database import Kind
from service.jobs import Jobs, Order
from service.parts import LOCAL_TENANT, Parts
from service.settings import Settings

JOBS, TENANTS, CALLS = 10_000, 20, 100
ORDER = Order(Kind.VERIFY, "sumcheck", {})


def measure(sizes: tuple[int, ...] = (CALLS, JOBS)) -> list[dict[str, Any]]:
    """A row for each length of the queue."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Parts.open(Settings(data=folder / "data", workers=0)) as parts:
            others = [parts.tenant(f"tenant-{i}") for i in range(TENANTS)]
            mine = parts.tenant(LOCAL_TENANT)
            config = folder / "service.toml"
            config.write_text("workers = 0\nlog_requests = false\n")
            serve = ("serve", "--config", str(config), "--port", "0", "--data", str(folder / "data"))
            queued = 0
            with running(folder, "verinfer.cli", *serve) as server:
                for size in sizes:
                    while queued < size:
                        parts.jobs.submit(others[queued % TENANTS] if queued % 4 == 0 else mine, ORDER)
                        queued += 1
                    rows.append({"queued": queued, **calls(parts, mine), **pages(server, parts.jobs, mine)})
    return rows


def calls(parts: Parts, tenant: str) -> dict[str, Any]:
    """What workers and tenants ask of the database."""
    claimed: list[Any] = []
    return {
        "claim": timed(lambda: claimed.append(parts.leases.claim("bench", [ORDER.kind]))),
        "end": timed(lambda: parts.leases.succeed(claimed.pop(), {})),
        "submit": timed(lambda: parts.jobs.submit(tenant, ORDER)),
    }


def pages(server: Server, jobs: Jobs, tenant: str) -> dict[str, Any]:
    """The pages and lists that a tenant looks at, over HTTP."""
    middle = jobs.list(tenant, limit=100)[-1].id
    found = {
        name: timed(lambda path=path: get(server.url + path))  # type: ignore[misc]
        for name, path in {
            "page of jobs": "/jobs",
            "page of a job": f"/jobs/{middle}",
            "list": "/api/v1/jobs",
            "list, further": f"/api/v1/jobs?before={middle}",
            "job": f"/api/v1/jobs/{middle}",
        }.items()
    }
    return {**found, "server_rss_mb": round(server.rss_bytes / 1e6)}


def get(url: str) -> bytes:
    """An answer, which must be good."""
    with urllib.request.urlopen(url, timeout=60) as response:
        data: bytes = response.read()
    return data


def timed(call: Callable[[], object]) -> list[float]:
    """The median and the longest of many calls, in milliseconds."""
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return [round(1000 * statistics.median(seconds), 1), round(1000 * max(seconds), 1)]
