"""GET /metrics, and what a server counts for it.

Requests and deliveries are counted by this server alone: sum them over servers. What is read from the
database (jobs that wait and run, deliveries that wait, artifacts) is of the whole service, and every server
says the same: take the largest.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from service import metrics
from service.api_keys import Unauthenticated
from service.database import Artifact, Database, Delivery, Job, Kind, now
from service.parts import Parts

QUEUE_SECONDS, STORE_SECONDS = 2.0, 60.0
"""How old what is read from the database may be."""
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
T = TypeVar("T")


class Requests:
    """Counts requests, by the route's template: paths themselves have names of tenants in them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "verinfer_request_seconds", "How long requests took", ("method", "route"), buckets=_SHORT,
            registry=self.registry,
        )  # fmt: skip
        self._answers = Counter(
            "verinfer_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._known: dict[tuple[str, str, int], tuple[Histogram, Counter]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one."""
        key = (method, route, status)
        found = self._known.get(key)
        if found is None:
            found = self._seconds.labels(method, route), self._answers.labels(method, route, str(status))
            self._known[key] = found
        found[0].observe(seconds)
        found[1].inc()


class Remembered(Collector):
    """What a query gave a moment ago, so that nobody makes work for the database by asking."""

    def __init__(self, ask: Callable[[], list[Metric]], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until = 0.0
        self._answer: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        """Nothing: to say more, the database would have to be asked."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What there is; nothing while the database does not answer."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._answer = self._ask()
                except DBAPIError:
                    self._answer = []
                self._until = time.monotonic() + self._seconds
            return self._answer


def metrics_router(parts: Parts, requests: Requests) -> APIRouter:
    """The endpoint. With local access it is open to those who reach the service; else it has a token of its
    own, which is no tenant's, or is not there.
    """
    router = APIRouter()
    token = parts.settings.metrics_token
    shown = metrics.registry(
        _Of(requests.registry),
        _Of(metrics.DELIVERIES),
        Remembered(lambda: _queue(parts.database), QUEUE_SECONDS),
        Remembered(lambda: _store(parts.database), STORE_SECONDS),
    )

    def allow(request: Request) -> None:
        if token is None:
            if parts.settings.access == "local":
                return
            raise Unauthenticated("there are no metrics to be had: the setting metrics_token is not set")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = token.get_secret_value().encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), right):
            raise Unauthenticated("the metrics need their token: Authorization: Bearer ...")

    @router.get("/metrics", include_in_schema=False)
    def show(request: Request) -> Response:
        """The service's metrics, for Prometheus."""
        allow(request)
        return Response(metrics.text(shown), media_type=CONTENT_TYPE_LATEST)

    return router


class _Of(Collector):
    """What another registry has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """All of it."""
        return self._registry.collect()


def _queue(database: Database) -> list[Metric]:
    waiting = GaugeMetricFamily("verinfer_jobs_waiting", "Jobs that wait for a worker", labels=["kind"])
    oldest = GaugeMetricFamily(
        "verinfer_jobs_oldest_seconds", "For how long the job has waited that waits longest", labels=["kind"]
    )
    running = GaugeMetricFamily("verinfer_jobs_running", "Jobs that a worker has", labels=["kind"])
    unsent = GaugeMetricFamily("verinfer_deliveries_waiting", "Messages to webhooks that are to be sent")
    with database.read() as session:
        at = now(session)
        open_jobs = Job.finished_at.is_(None)
        queued = select(Job.kind, func.count(), func.min(Job.not_before)).where(
            open_jobs, Job.lease_owner.is_(None)
        )
        found = {kind: (count, first) for kind, count, first in session.execute(queued.group_by(Job.kind))}
        leased = select(Job.kind, func.count()).where(Job.lease_owner.is_not(None)).group_by(Job.kind)
        busy = {row[0]: row[1] for row in session.execute(leased)}
        pending = session.scalar(select(func.count()).where(Delivery.next_attempt.is_not(None)))
    for kind in Kind:
        count, first = found.get(kind, (0, at))
        waiting.add_metric([kind], count)
        oldest.add_metric([kind], max(0.0, (at - first).total_seconds()))
        running.add_metric([kind], busy.get(kind, 0))
    unsent.add_metric([], pending or 0)
    return [waiting, oldest, running, unsent]


def _store(database: Database) -> list[Metric]:
    count = GaugeMetricFamily("verinfer_artifacts", "Artifacts that are kept")
    size = GaugeMetricFamily("verinfer_artifact_bytes", "What they take")
    with database.read() as session:
        number, total = session.execute(select(func.count(), func.coalesce(func.sum(Artifact.size), 0))).one()
    count.add_metric([], number)
    size.add_metric([], float(total))
    return [count, size]
