"""What a long queue costs: `python -m bench.service_queue [DATABASE-URL]`.

Fills a new database with jobs of several tenants, and prints how long it takes to claim the next job, to end
it, to look at a page of the list, and to submit one more, with few and with many in the queue. Without a URL:
SQLite in a temporary folder. Each cell: the median, and in brackets the longest. Memory is this process's.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.database import Database, Kind, Tenant
from service.jobs import Jobs, Order
from service.leases import Leases
from service.migrations import upgrade

JOBS, TENANTS, CALLS = 10_000, 20, 100
ORDER = Order(Kind.VERIFY, "sumcheck", {})


def main(url: str) -> None:
    """Measure and print."""
    upgrade(url)
    database = Database(url)
    jobs, leases = Jobs(database), Leases(database)
    with database.write() as session:
        tenants = [Tenant(name=f"tenant {i}", created_at=datetime.now(UTC)) for i in range(TENANTS)]
        session.add_all(tenants)
        session.flush()
        names = [tenant.id for tenant in tenants]
    table = Table("queued", "claim", "end", "list", "page in the middle", "submit", "peak RSS")
    queued = 0
    for size in (CALLS, JOBS):
        while queued < size:
            jobs.submit(names[queued % TENANTS], ORDER)
            queued += 1
        middle = jobs.list(names[0], limit=queued // TENANTS // 2)[-1].id
        claimed = []

        def claim(claimed: list[object] = claimed) -> None:
            claimed.append(leases.claim("bench", [ORDER.kind]))

        def end(claimed: list[object] = claimed) -> None:
            leases.succeed(claimed.pop(), {})  # type: ignore[arg-type]

        def page(middle: str = middle) -> None:
            jobs.list(names[0], before=middle)

        row = [
            timed(claim),
            timed(end),
            timed(lambda: jobs.list(names[0])),
            timed(page),
            timed(lambda: jobs.submit(names[0], ORDER)),
        ]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        table.add_row(f"{queued}", *row, f"{peak} MiB")
    Console().print(table)
    database.close()


def timed(call: Callable[[], object]) -> str:
    """The median and the longest of many calls."""
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return f"{1000 * statistics.median(seconds):.1f} ({1000 * max(seconds):.0f}) ms"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1] if len(sys.argv) > 1 else str(Path(folder) / "service.db"))
