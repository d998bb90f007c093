"""A worker: takes one job after another and runs its kind's handler, in a process of its own or in a thread.

A handler does its work in stages, whose results are kept. Whatever ends a worker, another goes on with the
first stage that is not done. Asked to stop, a worker finishes the stage in hand and gives the job back.

A job that a worker holds for too long ends as failed, and its handler is told at its next check, as if the
lease were lost. Native code may never check, nor let any Python run: then the kernel ends the process.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from circuits.errors import InputError
from service import metrics, tracing
from service.database import Kind
from service.errors import LeaseLost
from service.leases import Lease, Leases, Sort
from service.own_thread import OwnThread
from service.stages import CLAIM
from service.stop_signals import StopSignals

Result = dict[str, Any]
POLL_SECONDS = 0.5
HEARTBEATS = 4
"""How many heartbeats go into a lease's length: a few may fail before the lease is lost."""
PROGRESS_SECONDS = 0.5
"""How far apart a job's messages of progress are; of those between, the last is told."""
PATIENCE_SECONDS = 10.0
"""How long a handler has to notice that its job took too long, before its process is ended."""
OVERDUE = "overdue"
"""The outcome of an attempt that took too long."""

log = structlog.get_logger()


class Interrupted(Exception):
    """The job is not to be gone on with here. Handlers let it pass."""


class _Cancelled(Interrupted):
    """The tenant wants the job cancelled."""


class _Stopping(Interrupted):
    """The worker was asked to stop."""


class Postponed(Interrupted):
    """The job waits for something, and may be looked at again after a while."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"postponed by {delay}")
        self.delay = delay


class TooLarge(Interrupted):
    """The job takes more memory than it may take here."""

    def __init__(self, memory: int, most: int) -> None:
        super().__init__(
            f"it takes about {memory / 1e6:,.0f} MB of memory, and a job may take {most / 1e6:,.0f} MB here"
        )
        self.memory = memory


class Context:
    """What a handler is given: the job, and how to say what was done."""

    def __init__(
        self, leases: Leases, lease: Lease, stopping: threading.Event, held: list[Context] | None = None
    ) -> None:
        self.lease = lease
        self._leases = leases
        self._stopping = stopping
        self._held = [] if held is None else held
        self._held.append(self)
        self._done = dict(lease.done)
        self._lost = threading.Event()
        self._cancelled = threading.Event()
        self._telling = threading.Lock()
        self._told_at = -PROGRESS_SECONDS
        self._untold: str | None = None
        self._begun = 0.0
        self.ended = False
        """Whether the job is out of this worker's hands."""
        self.outcome = "lost"
        """What became of it here."""

    @property
    def cancelled(self) -> bool:
        """Whether the work is in vain: the tenant cancelled the job, or another worker has it."""
        return self._cancelled.is_set() or self._lost.is_set()

    @property
    def stopping(self) -> bool:
        """Whether the worker was asked to stop."""
        return self._stopping.is_set()

    def stage(self, name: str, work: Callable[[], Result]) -> Result:
        """The result of a stage: of an earlier attempt, or of `work`, called now.

        A stage may be worked on more than once, if a worker ends in the midst of it; one result is kept.
        """
        done = self.done(name)
        if done is None:
            self.begin(name)
            with tracing.span(f"stage {name}"):
                done = work()
            self.finish(name, done)
        return done

    def done(self, name: str) -> Result | None:
        """The result of a stage that was done already."""
        return self._done.get(name)

    def begin(self, name: str) -> None:
        """Begin a stage that is not done; `stage` does so by itself."""
        self.check()
        if self._stopping.is_set():
            raise _Stopping
        self._leases.begin_stage(self.lease, name)
        self._begun = time.monotonic()

    def finish(self, name: str, result: Result, seconds: float | None = None) -> None:
        """Keep the result of a stage that was begun.

        Parameters
        ----------
        seconds
            What it took of a worker's time; by default the time since the stage began.
        """
        taken = time.monotonic() - self._begun if seconds is None else seconds
        self.check()
        self.tell_last()
        self._leases.finish_stage(self.lease, name, result, taken)
        metrics.stage_ended(self.lease.kind, self.lease.tier, name, taken)
        self._done[name] = result

    def progress(self, text: str) -> None:
        """Tell the tenant what is being done: now, or a moment later if this comes often."""
        self.check()
        with self._telling:
            self._untold = text
        self._tell()

    @property
    def memory(self) -> int | None:
        """How many bytes the job may take; None is any number."""
        return self._leases.memory

    def require_memory(self, needed: int) -> None:
        """Leave the job to a worker that has so many bytes for it, if this one does not: let it pass."""
        if self.memory is not None and needed > self.memory:
            raise TooLarge(needed, self.memory)

    def gather(self, most: int) -> list[Context]:
        """More jobs like this one, to be done together with it; see `Leases.gather`.

        What is done for them goes through their `attempt`, and `succeed` ends them. Those that have not ended
        when the handler returns are put back.
        """
        if most < 1 or self._stopping.is_set():
            return []
        leases = self._leases.gather(self.lease, most)
        return [Context(self._leases, lease, self._stopping, self._held) for lease in leases]

    def attempt(self, work: Callable[[], None]) -> None:
        """Do something for the job, unless it has ended. Whatever `work` raises ends the job, or puts it
        back, as it deserves."""
        if self.ended:
            return
        try:
            self._attempt(work)
        except LeaseLost:
            self.ended = True
            log.warning("lease lost", job=self.lease.job_id)

    def succeed(self, result: Result) -> None:
        """End the job with its result."""
        self.tell_last()
        self._leases.succeed(self.lease, result)
        self.ended, self.outcome = True, "succeeded"

    def put_back(self) -> None:
        """Put the job back undone: as if it had not been taken if the worker stops, else after a while."""

        def work() -> None:
            if self._stopping.is_set():
                raise _Stopping
            self._leases.try_again(self.lease, "the job that it was done with failed")
            self.ended, self.outcome = True, "put back"

        self.attempt(work)

    def give_back(self) -> None:
        """Put the job back as if it had not been taken."""

        def work() -> None:
            raise _Stopping

        self.attempt(work)

    def _attempt(self, work: Callable[[], None]) -> None:
        lease = self.lease
        try:
            try:
                work()
            finally:
                if not self.ended:
                    self.tell_last()
            return
        except _Cancelled:
            self._leases.cancel(lease)
            self.outcome = "cancelled"
        except _Stopping:
            self._leases.give_back(lease)
            self.outcome = "given back"
        except TooLarge as large:
            self._leases.leave(lease, large.memory, f"{large}: it waits for a worker with more")
            self.outcome = "left"
        except Postponed as wait:
            self._leases.postpone(lease, wait.delay)
            self.outcome = "postponed"
        except LeaseLost:
            raise
        except InputError as error:
            self._leases.fail(lease, str(error))
            self.outcome = "failed"
        except Exception as error:
            # As text: what would show the values of variables would show a tenant's data.
            trace = traceback.format_exc()
            log.error("job failed", job=lease.job_id, attempt=lease.attempt, trace=trace)
            self._leases.try_again(lease, f"an internal error ({type(error).__name__})")
            self.outcome = "put back"
        self.ended = True

    def note(self, seconds: float) -> None:
        """Say in the log and in the metrics what became of the job here."""
        lease = self.lease
        metrics.job_ended(lease.kind, lease.tier, self.outcome, seconds)
        log.info("job ends", job=lease.job_id, outcome=self.outcome, seconds=round(seconds, 3))

    def tell_last(self) -> None:
        """Tell what progress was not told yet."""
        self._tell(at_once=True)

    def _tell(self, at_once: bool = False) -> None:
        """Tell what was not told yet, if it is time to."""
        with self._telling:
            text, at = self._untold, time.monotonic()
            if text is None or not (at_once or at >= self._told_at + PROGRESS_SECONDS):
                return
            self._untold, self._told_at = None, at
            self._leases.progress(self.lease, text)

    def check(self) -> None:
        """Raise what ends the work, if it is in vain: let it pass."""
        if self._lost.is_set():
            raise LeaseLost(f"job {self.lease.job_id} is not this worker's any more")
        if self._cancelled.is_set():
            raise _Cancelled

    def check_now(self) -> None:
        """The same as `check`, by the database's latest word."""
        self._beat()
        self.check()

    def _beat(self) -> None:
        """Send a heartbeat."""
        try:
            if self._leases.heartbeat(self.lease):
                self._cancelled.set()
        except LeaseLost:
            self._lost.set()

    def keep(self, ended: threading.Event, most_seconds: float | None = None) -> None:
        """Send heartbeats for this job and those gathered, until it has ended, and what progress was not told
        at once. A database that does not answer is asked again: the leases may last until it does.

        Parameters
        ----------
        most_seconds
            After how long all of them are taken from the handler; None is never.
        """
        interval = self._leases.length.total_seconds() / HEARTBEATS
        began = time.monotonic()
        due = began + interval
        while not ended.wait(min(PROGRESS_SECONDS, max(0.0, due - time.monotonic()))):
            beats = time.monotonic() >= due
            overdue = most_seconds is not None and time.monotonic() >= began + most_seconds
            if beats:
                due = time.monotonic() + interval
            taken: list[Context] = []
            for context in [one for one in self._held if not one.ended and not one._lost.is_set()]:
                try:
                    if overdue:
                        context._end_overdue(most_seconds or 0.0)
                        taken.append(context)
                        continue
                    if beats:
                        context._beat()
                    context._tell()
                except LeaseLost:
                    context._lost.set()
                except SQLAlchemyError as error:  # a pool without room for too long, too
                    log.warning("heartbeat failed", job=context.lease.job_id, error=_cause(error))
            # Told once all have ended: a handler that is told of one puts back the others for another reason.
            for context in taken:
                context._lost.set()

    def _end_overdue(self, seconds: float) -> None:
        """End the job though its handler goes on, which learns of it as of a lost lease."""
        why = f"it took more than {seconds:g} s"
        if len(self._held) > 1 or CLAIM in self._done:
            # The time was that of several jobs, of which each may be quick; or a bond is lost with the job.
            self._leases.try_again(self.lease, why)
        else:
            self._leases.fail(self.lease, why)
        self.outcome = OVERDUE
        self.note(seconds)  # now: the process may not live to do so


def _cause(error: SQLAlchemyError) -> str:
    """What the database said: the statement, which SQLAlchemy tells, may hold a tenant's data."""
    return str(getattr(error, "orig", None) or type(error).__name__)


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
    name
        What its leases are called after; by default the machine and the process.
    job_seconds
        How long it may hold a job, counted anew each time that it takes it; None is for ever.
    owns_process
        Whether the process is this worker's own, to be ended where a handler does not let go of a job.
    """

    def __init__(
        self,
        leases: Leases,
        handlers: Mapping[Kind, Handler],
        poll_seconds: float = POLL_SECONDS,
        name: str | None = None,
        job_seconds: float | None = None,
        owns_process: bool = False,
    ) -> None:
        self._leases = leases
        self._handlers = dict(handlers)
        self._poll_seconds = poll_seconds
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._job_seconds = job_seconds
        self._owns_process = owns_process
        self._thread = OwnThread("worker", self.run)
        self._look = threading.Event()

    def run(self) -> None:
        """Do jobs until `stop` is called."""
        while True:
            # In this order: who stops or wakes it in between is heard.
            self._look.clear()
            if self._thread.stopping.is_set():
                return
            try:
                if self.do_next() is not None:
                    continue
            except SQLAlchemyError as error:
                log.warning("the database failed", error=_cause(error))
            self._look.wait(self._poll_seconds)

    def wake(self) -> None:
        """Look at once whether there is something to do."""
        self._look.set()

    def do_next(self, sorts: Collection[Sort] | None = None) -> str | None:
        """Do the job that is next, of some sorts or any, and say what became of it; None if there is none."""
        lease = self._leases.claim(self._name, self._handlers.keys(), sorts)
        return None if lease is None else self._do(lease)

    def serve(self) -> None:
        """Do jobs until SIGTERM or SIGINT, in a process's main thread. A second signal ends it at once."""
        with StopSignals() as signals:
            self.start()
            signals.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the thread that `start` began does."""
        return self._thread.running

    def start(self) -> None:
        """Do jobs in a thread of this process."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the stage in hand, give the job back, and end; waits for the thread that `start` began."""
        self._thread.stopping.set()
        self.wake()
        self._thread.stop()

    def _do(self, lease: Lease) -> str:
        held: list[Context] = []
        context = Context(self._leases, lease, self._thread.stopping, held)
        ended = threading.Event()
        heart = threading.Thread(
            target=context.keep, args=(ended, self._job_seconds), name="heartbeat", daemon=True
        )
        heart.start()
        self._set_alarm(None if self._job_seconds is None else self._job_seconds + PATIENCE_SECONDS)
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(
            job=lease.job_id, tenant=lease.tenant_id, worker=self._name
        ):
            log.info("job begins", kind=lease.kind, tier=lease.tier, attempt=lease.attempt)
            try:
                with tracing.span(f"job {lease.kind}", lease.trace, job=lease.job_id, attempt=lease.attempt):
                    context.attempt(lambda: context.succeed(self._handlers[lease.kind](context)))
                for gathered in held:
                    gathered.put_back()
            finally:
                self._set_alarm(None)
                ended.set()
                heart.join()
                seconds = time.monotonic() - began
                for one in held:
                    if one.outcome != OVERDUE:
                        one.note(seconds)
        return context.outcome

    def _set_alarm(self, seconds: float | None) -> None:
        """Have the kernel end this process after a while; None: no more. A thread of ours could not: native
        code may keep the interpreter to itself."""
        if self._owns_process:
            signal.setitimer(signal.ITIMER_REAL, seconds or 0.0)
