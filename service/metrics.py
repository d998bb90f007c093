"""What workers count, for Prometheus, and how it is shown.

Each process counts what it did itself. Workers below another process keep their counts in files, which that
process shows together with its own (prometheus_client's multiprocess mode); so they survive a worker that is
killed. What is counted for the whole service, from its database, is in `service.api.metrics`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from circuits.errors import InputError
from prover.backends import BACKENDS

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells a process to keep its counts in files of this folder."""
WORK = CollectorRegistry()
"""What workers count."""
_KINDS = ("kind", "tier")
_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800, 3600)
_jobs = Counter("verinfer_jobs", "Attempts at jobs, by how they ended", (*_KINDS, "outcome"), registry=WORK)
_job_seconds = Histogram(
    "verinfer_job_seconds", "How long attempts took", (*_KINDS, "outcome"), buckets=_LONG, registry=WORK
)
_stage_seconds = Histogram(
    "verinfer_stage_seconds", "How long stages took", (*_KINDS, "stage"), buckets=_LONG, registry=WORK
)
_lost = Counter(
    "verinfer_leases_expired", "Jobs taken from workers without a sign of life", ("kind",), registry=WORK
)
DELIVERIES = CollectorRegistry()
"""What a server counts of the messages that it sends to webhooks."""
_deliveries = Counter(
    "verinfer_deliveries",
    "Attempts to send messages to webhooks, by outcome",
    ("outcome",),
    registry=DELIVERIES,
)


def delivery_tried(status: int | None, delivered: bool) -> None:
    """Count an attempt to send a message: its receiver took it, answered otherwise, or gave no answer."""
    outcome = "delivered" if delivered else "unanswered" if status is None else "refused"
    _deliveries.labels(outcome).inc()


def job_ended(kind: str, tier: str, outcome: str, seconds: float) -> None:
    """Count an attempt at a job."""
    _jobs.labels(kind, _tier(tier), outcome).inc()
    _job_seconds.labels(kind, _tier(tier), outcome).observe(seconds)


def stage_ended(kind: str, tier: str, stage: str, seconds: float) -> None:
    """Count a stage that was done."""
    _stage_seconds.labels(kind, _tier(tier), stage).observe(seconds)


def lease_expired(kind: str) -> None:
    """Count a job whose worker was lost."""
    _lost.labels(kind).inc()


def _tier(name: str) -> str:
    """A tenant may ask for any tier; labels are few."""
    return name if not name or name in BACKENDS or name == "optimistic" else "other"


class Files(Collector):
    """The counts of the worker processes below this one."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="verinfer-metrics-")

    def collect(self) -> Iterable[Metric]:
        """What they have counted, with those that have ended."""
        collector: Collector = MultiProcessCollector(None, path=self.folder.name)  # type: ignore[no-untyped-call]
        return collector.collect()


_files: list[Files] = []


def keep_files(files: Files) -> None:
    """Show these counts, too, from now on."""
    _files.append(files)


def drop_files(files: Files) -> None:
    """Show these counts no longer; they are gone."""
    if files in _files:
        _files.remove(files)
    files.folder.cleanup()


class Work(Collector):
    """What was counted by this process, if it works itself, or by those below it."""

    def collect(self) -> Iterable[Metric]:
        """All there is."""
        for source in _files or (WORK,):
            yield from source.collect()


def registry(*collectors: Collector) -> CollectorRegistry:
    """What a process shows: its own needs, its workers' counts, and what the collectors give."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    for collector in (Work(), *collectors):
        made.register(collector)
    return made


def text(shown: CollectorRegistry) -> bytes:
    """In Prometheus's text format."""
    return generate_latest(shown)


def serve(port: int, address: str) -> int:
    """Serve a worker's metrics over HTTP, at /metrics. Returns the port, which the system chooses for 0.

    Raises
    ------
    InputError
        If the port cannot be had.
    """
    try:
        server, _ = start_http_server(port, address, registry())
    except OSError as error:
        raise InputError(f"cannot serve metrics on port {port}: {error.strerror}") from None
    return int(server.server_port)


def environment(files: Files) -> dict[str, str]:
    """What a process's environment needs for its counts to be in these files."""
    return {FOLDER: files.folder.name}
