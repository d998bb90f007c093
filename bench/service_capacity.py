"""What a service has to have room for: streams that are open, and rows that are kept.

    python -m bench.service_capacity -o bench/results/service-capacity-YYYY-MM [--database postgresql://...]

Streams: each follows a job of its own that waits. Rows: what the database grows by with each job that waits,
and with each that has then been done, in two stages and with ten messages of progress.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from bench.keeping import keep, machine
from bench.service_process import Server, running
from service.database import Database, Kind
from service.jobs import Order
from service.parts import LOCAL_TENANT, Parts
from service.settings import Settings
from service.stages import EXECUTE, PROVE

STREAMS, JOBS, PROGRESS = 1000, 200, 10
OPENING, IDLE_SECONDS = 50, 20.0
STAGES = (EXECUTE, PROVE)


async def follow(url: str, job: str, count: Counter[str], gate: asyncio.Semaphore) -> float:
    """Open a stream, and wait for its end. Returns when that was."""
    where = urlsplit(url)
    async with gate:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        head = (
            f"GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
        )
        writer.write(head.encode())
        await reader.readuntil(b"submitted")
        count["open"] += 1
    while await reader.read(1 << 16):
        pass
    writer.close()
    return time.monotonic()


async def streams(server: Server, jobs: list[str]) -> dict[str, Any]:
    """Open a stream for each job, leave them open for a while, and stop the server."""
    count, gate = Counter[str](), asyncio.Semaphore(OPENING)
    memory, used = server.rss_bytes, server.cpu_seconds
    following = [asyncio.create_task(follow(server.url, job, count, gate)) for job in jobs]
    while count["open"] < len(jobs):
        await asyncio.sleep(0.05)
    opened = server.cpu_seconds
    await asyncio.sleep(IDLE_SECONDS)
    idle, grown = server.cpu_seconds, server.rss_bytes - memory
    began = time.monotonic()
    os.kill(server.pid, 15)
    ended = max(await asyncio.gather(*following))
    return {
        "streams": len(jobs),
        "open_cpu_ms": round(1e3 * (opened - used) / len(jobs), 1),
        "idle_cpu_percent": round(100 * (idle - opened) / IDLE_SECONDS, 1),
        "kib": round(grown / len(jobs) / 1024, 1),
        "end_seconds": round(ended - began, 1),
    }


def size(database: Database) -> int:
    """What a database takes on the disk, in bytes."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        return int(pages * connection.execute(text("PRAGMA page_size")).scalar_one())


def rows(parts: Parts, tenant: str) -> tuple[dict[str, Any], list[str]]:
    """What jobs take that wait, and that are done; and the jobs that wait again then."""
    order = Order(Kind.VERIFY, "sumcheck", {"input": "0" * 64})
    empty = size(parts.database)
    for _ in range(JOBS):
        parts.jobs.submit(tenant, order)
    waiting = size(parts.database)
    for _ in range(JOBS):
        lease = parts.leases.claim("bench", [Kind.VERIFY])
        assert lease is not None
        for number in range(PROGRESS):
            parts.leases.progress(lease, f"step {number} of {PROGRESS}")
        for stage in STAGES:
            parts.leases.begin_stage(lease, stage)
            parts.leases.finish_stage(lease, stage, {"output": "0" * 64}, 1.0)
        parts.leases.succeed(lease, {"output": "0" * 64, "proof": "0" * 64})
    done = size(parts.database)
    jobs = [parts.jobs.submit(tenant, order).id for _ in range(STREAMS)]
    return {
        "jobs": JOBS,
        "waiting_bytes": round((waiting - empty) / JOBS),
        "done_bytes": round((done - empty) / JOBS),
    }, jobs


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    open_, kept = found["streams"], found["rows"]
    return f"""# What a service has to have room for

`python -m bench.service_capacity` on {found["machine"]}, with {found["database"]}.
Other work shared the processors: read times as upper bounds.

| {open_["streams"]:,} streams, each of a job of its own that waits | |
|---|---:|
| processor time to open one, ms | {open_["open_cpu_ms"]} |
| of one processor while nothing happens, all together | {open_["idle_cpu_percent"]} % |
| server's memory for each, KiB | {open_["kib"]} |
| until the last has ended when the server stops, s | {open_["end_seconds"]} |

| what a job takes in the database, with its events and indices | bytes |
|---|---:|
| while it waits | {kept["waiting_bytes"]:,} |
| done, with {len(STAGES)} stages and {PROGRESS} messages of progress | {kept["done_bytes"]:,} |
"""


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, help="write NAME.json and NAME.md")
    parser.add_argument("--database", help="an empty database; by default a file for SQLite")
    given = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.database is not None:
            os.environ["VERINFER_SERVICE_DATABASE"] = given.database
        settings = Settings.load(data=folder / "data", workers=0, lease_seconds=600)
        with Parts.open(settings) as parts:
            found["database"] = parts.database.engine.dialect.name
            found["rows"], jobs = rows(parts, parts.tenant(LOCAL_TENANT))
        config = folder / "service.toml"
        config.write_text("workers = 0\nlog_requests = false\n")
        serve = ("serve", "--config", str(config), "--port", "0", "--data", str(folder / "data"))
        with running(folder, "verinfer.cli", *serve) as server:
            found["streams"] = asyncio.run(streams(server, jobs))
    text_ = page(found)
    print(text_)
    if given.output is not None:
        keep(given.output, found, text_)


if __name__ == "__main__":
    main()
