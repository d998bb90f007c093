"""Wakes whoever waits for a job's next event. One query for all jobs that are watched, however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from service.database import Database, Job, JobEvent

POLL_SECONDS = 0.25
MAX_ASKED = 1000
"""How many jobs one query asks about."""

_log = structlog.get_logger(__name__)


class EventFeed:
    """The jobs that somebody in this process watches. All is done in one event loop.

    Parameters
    ----------
    poll_seconds
        How long an event may go unnoticed.
    """

    def __init__(self, database: Database, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._watched: dict[str, set[asyncio.Event]] = {}
        self._newest: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        """Whether nobody is woken any more for events, because the service is about to stop."""
        self.queries = 0
        """How often the database was asked."""

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job has a new one, or the feed is closed."""
        woken = asyncio.Event()
        self._watched.setdefault(job_id, set()).add(woken)
        # What happened before this one looked is new to it.
        self._newest.pop(job_id, None)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            yield woken
        finally:
            waiting = self._watched[job_id]
            waiting.remove(woken)
            if not waiting:
                del self._watched[job_id]
                self._newest.pop(job_id, None)

    def close(self) -> None:
        """Wake all, for good."""
        self.closed = True
        for waiting in self._watched.values():
            for woken in waiting:
                woken.set()

    async def _poll(self) -> None:
        while self._watched and not self.closed:
            jobs = list(self._watched)
            for start in range(0, len(jobs), MAX_ASKED):
                try:
                    newest = await asyncio.to_thread(self._ask, jobs[start : start + MAX_ASKED])
                except SQLAlchemyError as error:  # a pool without room for too long, too
                    _log.warning("the database failed", error=type(error).__name__)
                    continue
                for job_id, sequence in newest:
                    if self._newest.get(job_id) != sequence and job_id in self._watched:
                        self._newest[job_id] = sequence
                        for woken in self._watched[job_id]:
                            woken.set()
            await asyncio.sleep(self._poll_seconds)

    def _ask(self, jobs: Sequence[str]) -> list[tuple[str, int]]:
        """The number of the newest event of each."""
        self.queries += 1
        # A look at the end of an index for each job: grouping would read all of their events.
        newest = select(func.max(JobEvent.sequence)).where(JobEvent.job_id == Job.id).scalar_subquery()
        with self._database.read() as session:
            rows = session.execute(select(Job.id, func.coalesce(newest, 0)).where(Job.id.in_(jobs)))
            return [(row[0], row[1]) for row in rows]
