"""A worker: takes one job after another and runs its kind's handler, in a process of its own or in a thread.

A handler does its work in stages, whose results are kept. Whatever ends a worker, another goes on with the
first stage that is not done. Asked to stop, a worker finishes the stage in hand and gives the job back.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from circuits.errors import InputError
from service.database import Kind
from service.errors import LeaseLost
from service.leases import Lease, Leases

Result = dict[str, Any]
POLL_SECONDS = 0.5
HEARTBEATS = 4
"""How many heartbeats go into a lease's length: a few may fail before the lease is lost."""

log = structlog.get_logger()


class _Cancelled(Exception):
    """The tenant wants the job cancelled."""


class _Stopping(Exception):
    """The worker was asked to stop."""


class Context:
    """What a handler is given: the job, and how to say what was done."""

    def __init__(self, leases: Leases, lease: Lease, stopping: threading.Event) -> None:
        self.lease = lease
        self._leases = leases
        self._stopping = stopping
        self._done = dict(lease.done)
        self._lost = threading.Event()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether the work is in vain: the tenant cancelled the job, or another worker has it."""
        return self._cancelled.is_set() or self._lost.is_set()

    def stage(self, name: str, work: Callable[[], Result]) -> Result:
        """The result of a stage: of an earlier attempt, or of `work`, called now.

        A stage may be worked on more than once, if a worker ends in the midst of it; one result is kept.
        """
        if name in self._done:
            return self._done[name]
        self.check()
        if self._stopping.is_set():
            raise _Stopping
        self._leases.begin_stage(self.lease, name)
        result = work()
        self.check()
        self._leases.finish_stage(self.lease, name, result)
        self._done[name] = result
        return result

    def progress(self, text: str) -> None:
        """Tell the tenant what is being done."""
        self.check()
        self._leases.progress(self.lease, text)

    def check(self) -> None:
        """Raise what ends the work, if it is in vain: let it pass."""
        if self._lost.is_set():
            raise LeaseLost(f"job {self.lease.job_id} is not this worker's any more")
        if self._cancelled.is_set():
            raise _Cancelled

    def keep(self, ended: threading.Event) -> None:
        """Send heartbeats until the job has ended. A database that does not answer is asked again: the lease
        may last until it does.
        """
        interval = self._leases.length.total_seconds() / HEARTBEATS
        while not ended.wait(interval):
            try:
                if self._leases.heartbeat(self.lease):
                    self._cancelled.set()
            except LeaseLost:
                self._lost.set()
                return
            except DBAPIError as error:
                log.warning("heartbeat failed", job=self.lease.job_id, error=str(error.orig))


Handler = Callable[[Context], Result]
"""Does a job of one kind and returns its result. After an InputError, no other attempt is made."""


class Worker:
    """Takes and does jobs until it is stopped.

    Parameters
    ----------
    handlers
        What to do for each kind. Jobs of other kinds are left to others.
    poll_seconds
        How long to wait before looking again when there is nothing to do.
    """

    def __init__(
        self,
        leases: Leases,
        handlers: Mapping[Kind, Handler],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._leases = leases
        self._handlers = dict(handlers)
        self._poll_seconds = poll_seconds
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Do jobs until `stop` is called."""
        while not self._stopping.is_set():
            try:
                lease = self._leases.claim(self._name, self._handlers.keys())
                if lease is not None:
                    self._do(lease)
                    continue
            except DBAPIError as error:
                log.warning("the database failed", error=str(error.orig))
            self._stopping.wait(self._poll_seconds)

    def serve(self) -> None:
        """Do jobs until SIGTERM or SIGINT, in a process's main thread. A second signal ends it at once."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            signal.signal(number, signal.SIG_DFL)
            self._stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        self.run()

    def start(self) -> None:
        """Do jobs in a thread of this process."""
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the stage in hand, give the job back, and end; waits for the thread that `start` began."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _do(self, lease: Lease) -> None:
        context = Context(self._leases, lease, self._stopping)
        ended = threading.Event()
        heart = threading.Thread(target=context.keep, args=(ended,), name="heartbeat", daemon=True)
        heart.start()
        try:
            self._handle(context)
        except LeaseLost:
            log.warning("lease lost", job=lease.job_id)
        finally:
            ended.set()
            heart.join()

    def _handle(self, context: Context) -> None:
        lease = context.lease
        try:
            self._leases.succeed(lease, self._handlers[lease.kind](context))
        except _Cancelled:
            self._leases.cancel(lease)
        except _Stopping:
            self._leases.give_back(lease)
        except LeaseLost:
            raise
        except InputError as error:
            self._leases.fail(lease, str(error))
        except Exception as error:
            # As text: what would show the values of variables would show a tenant's data.
            trace = traceback.format_exc()
            log.error("job failed", job=lease.job_id, attempt=lease.attempt, trace=trace)
            self._leases.try_again(lease, f"an internal error ({type(error).__name__})")
