"""Jobs on a Ray cluster: Ray gives the places, and the leases stay in the database.

A dispatcher keeps as many tasks outstanding as jobs wait, up to a bound, and asks for each what jobs of its
sort take, so that Ray places it, and its autoscaler sees what is wanted. A task takes the job that is next of
its sort, in fair order, as any worker does, and does that one. So a task that is lost with its node is a
lease that runs out, and the job goes on elsewhere; and a dispatcher that is lost has lost nothing.

Each node has the service's settings by its own environment or file, as a worker there would: no secret goes
through Ray, whose control plane keeps and shows what tasks are given.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog

from challenger.logs import configure_logs
from circuits.errors import InputError
from service import tracing
from service.database import Kind
from service.handlers import handlers
from service.identifiers import new_id
from service.leases import Sort
from service.needs import Forecast, Needs
from service.parts import Parts
from service.settings import Settings, shown_url
from service.worker import Worker

POLL_SECONDS = 0.5
LONGEST_WAIT = 60.0
LOOK_SECONDS = 0.2
CONNECT_SECONDS = 10.0
log = structlog.get_logger()


class OtherService(InputError):
    """A node has the settings of another service."""


def do_next(service: str, worker: str, sort: Sort, threads: int, logs_as_json: bool) -> str | None:
    """What a task does: the job that is next of a sort. Returns what became of it; None if there is none.

    Asked to stop, it finishes the stage in hand and gives the job back.

    Parameters
    ----------
    service
        What `whereabouts` must say of this node's settings.
    worker
        What the lease is called after.

    Raises
    ------
    OtherService
        If this node has the settings of another service.
    """
    configure_logs(as_json=logs_as_json)
    parts = _parts(threads)
    if whereabouts(parts.settings) != service:
        raise OtherService(
            f"this node works for {whereabouts(parts.settings)}, and the dispatcher for {service}: give it "
            "the same settings, by its environment or its file"
        )
    limit = parts.settings.job_seconds
    doing = Worker(parts.leases, handlers(parts), name=worker, job_seconds=limit, owns_process=True)
    outcome: list[str | None] = []
    thread = threading.Thread(target=lambda: outcome.append(doing.do_next([sort])), name="worker")
    thread.start()
    while thread.is_alive():
        try:
            thread.join(LOOK_SECONDS)
        except KeyboardInterrupt:  # so Ray cancels a task
            doing.stop()
    if not outcome:
        raise RuntimeError("the job's thread failed; the node's log has why")
    return outcome[0]


def whereabouts(settings: Settings) -> str:
    """Where a service keeps what it has, without passwords: the same for all who work for it."""
    return " and ".join(
        shown_url(place) if "://" in place else str(Path(place).absolute())
        for place in (settings.database_url, settings.artifacts_url)
    )


@lru_cache(maxsize=4)
def _parts(threads: int) -> Parts:
    """This node's parts, for as long as its process lasts."""
    settings = Settings.load().model_copy(update={"job_threads": threads})
    tracing.start(settings.traces_url, "verinfer-worker")
    return Parts.open(settings)


def _reach(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would go on asking for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


class Dispatcher:
    """Keeps tasks outstanding for the jobs that wait.

    Parameters
    ----------
    most
        How many tasks may be outstanding at a time.
    logs_as_json
        How tasks log, into Ray's own files on their nodes.
    """

    def __init__(
        self, parts: Parts, kinds: Collection[Kind], most: int, *, logs_as_json: bool = False
    ) -> None:
        self._parts = parts
        self._kinds = list(kinds)
        self._most = most
        self._logs_as_json = logs_as_json
        self._name = f"ray:{new_id()}"
        self._forecast = Forecast(parts)
        self._tasks: dict[Any, Sort] = {}
        self._failures = 0
        self._not_before = 0.0

    def connect(self, address: str) -> None:
        """Join a cluster: `auto`, `host:port`, `ray://host:port`, or `local` for one of this machine's own.
        Ray then handles this process's signals in its own way.

        Raises
        ------
        InputError
            If Ray is not installed, or there is no cluster.
        """
        try:
            ray: Any = import_module("ray")
        except ModuleNotFoundError:
            raise InputError("Ray is not installed: pip install 'verinfer[ray]'") from None
        try:
            _reach(address)
            ray.init(
                address=address, namespace="verinfer", logging_level=logging.WARNING, log_to_driver=False
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"cannot join the Ray cluster at {address}: {error}") from None
        self._ray = ray
        self._remote = ray.remote(do_next)

    def step(self) -> None:
        """Look at what has ended, and submit what is missing."""
        self._collect()
        self._parts.leases.recover()
        if time.monotonic() < self._not_before:
            return
        outstanding, held = Counter(self._tasks.values()), self._parts.leases.held(self._name)
        # What is outstanding and holds no job is still going to take one.
        missing = {
            sort: count - (outstanding[sort] - held[sort])
            for sort, count in self._parts.leases.waiting(self._kinds).items()
        }
        # In turn, so that no sort that finds no place takes the places of all others.
        while missing := {sort: count for sort, count in missing.items() if count > 0}:
            for sort in missing:
                if len(self._tasks) == self._most:
                    return
                self._submit(sort)
                missing[sort] -= 1

    def close(self, patience: float) -> None:
        """Have tasks that run finish the stage in hand and give their jobs back; leave the cluster."""
        for task in self._tasks:
            self._ray.cancel(task, force=False)
        until = time.monotonic() + patience
        # A cancelled task counts as ended as soon as it is told, so the leases are asked.
        while self._parts.leases.held(self._name) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        self._ray.shutdown()

    def _submit(self, sort: Sort) -> None:
        needs = self._bounded(self._forecast.needs(sort))
        gpus = self._parts.settings.ray_gpus if sort.kind is Kind.PROVE else 0
        options = self._remote.options(
            num_cpus=needs.cpus,
            num_gpus=gpus,
            memory=needs.memory,
            max_retries=0,
            name=f"verinfer {sort.kind} {sort.tier}".strip(),
        )
        service = whereabouts(self._parts.settings)
        self._tasks[options.remote(service, self._name, sort, needs.cpus, self._logs_as_json)] = sort

    def _bounded(self, needs: Needs) -> Needs:
        """No more than the largest node has. A task that no node can take would wait for ever; on the largest
        one, a job that is too large fails, and says so.
        """
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cpus = max((int(node.get("CPU", 0)) for node in nodes), default=0) or needs.cpus
        memory = self._parts.settings.ray_node_bytes or max(
            (int(node.get("memory", 0)) for node in nodes), default=needs.memory
        )
        return Needs(max(1, min(needs.cpus, cpus)), min(needs.memory, memory))

    def _collect(self) -> None:
        ended, _ = (
            self._ray.wait([*self._tasks], num_returns=len(self._tasks), timeout=0)
            if self._tasks
            else ([], [])
        )
        for task in ended:
            sort = self._tasks.pop(task)
            try:
                self._ray.get(task)
                self._failures = 0
            except self._ray.exceptions.RayTaskError as error:
                self._failures += 1
                wait = min(POLL_SECONDS * 2**self._failures, LONGEST_WAIT)
                self._not_before = time.monotonic() + wait
                log.error(
                    "task failed",
                    kind=sort.kind,
                    tier=sort.tier,
                    reason=str(error.cause),
                    next_in_seconds=wait,
                )
            except self._ray.exceptions.RayError as error:
                # With its worker or node. The lease runs out, and the job is another's.
                log.warning("task lost", kind=sort.kind, tier=sort.tier, reason=type(error).__name__)
