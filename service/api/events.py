"""What happens to a job: as JSON pages, or as server-sent events while it happens.

    id: 7
    event: stage
    data: {"sequence": 7, "at": "2026-01-01T00:00:00Z", "event": "stage", "data": {"stage": "prove", ...}}

A stream begins after the event that the header Last-Event-ID names, and ends after `finished`; asked again
then, the answer is 204, at which browsers stop asking. It ends, too, after some minutes, or when the service
is about to stop: browsers come back by themselves, and miss nothing.

Specification: the HTML standard, section 9.2, server-sent events.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from circuits.errors import InputError
from service.api.jobs import JobId
from service.api.problems import Busy
from service.database import JobEvent, is_away
from service.errors import QuotaExceeded
from service.event_feed import EventFeed
from service.jobs import FINISHED, PAGE
from service.parts import Parts

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
AWAY_SECONDS = 1.0
"""How often a database that is away is asked again."""
STREAM_SECONDS = 900.0
"""How long a stream lasts at most: whoever comes back shows its key again."""
RETRY_MILLISECONDS = 2000
"""How long browsers wait before they come back."""


class EventView(BaseModel):
    """Something that happened to a job; its events count from 1."""

    sequence: int
    at: datetime
    event: str
    data: dict[str, Any]


class EventPage(BaseModel):
    """Some events, in order, and what `after` must be for those that follow; null if there are none yet."""

    items: list[EventView]
    next: str | None


class Streams:
    """The streams that are open in this process.

    Parameters
    ----------
    most, most_of_tenant
        How many there may be, and how many of one tenant's.
    """

    def __init__(self, parts: Parts, feed: EventFeed, most: int, most_of_tenant: int) -> None:
        self._jobs = parts.jobs
        self.feed = feed
        self._most, self._most_of_tenant = most, most_of_tenant
        self.open: Counter[str] = Counter()
        """How many each tenant has."""

    def close(self) -> None:
        """End them all: the service is about to stop."""
        self.feed.close()

    def stream(self, tenant: str, job_id: str, after: int) -> Response:
        """An answer that lasts.

        Raises
        ------
        QuotaExceeded
            If the tenant has as many as it may.
        Busy
            If there are as many as may be, or the service is about to stop.
        """
        if self.open[tenant] >= self._most_of_tenant:
            raise QuotaExceeded(f"{self.open[tenant]} streams are open, which is the limit: end one")
        if self.feed.closed or self.open.total() >= self._most:
            raise Busy("the service has no room for another stream")
        return _Stream(self, tenant, self._events(tenant, job_id, after))

    async def _events(self, tenant: str, job_id: str, after: int) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ends, last = loop.time() + STREAM_SECONDS, ""
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        with self.feed.watch(job_id) as woken:
            while not self.feed.closed and loop.time() < ends:
                woken.clear()
                patience = HEARTBEAT_SECONDS
                try:
                    while page := await run_in_threadpool(self._page, tenant, job_id, after):
                        yield "".join(map(_message, page))
                        after, last = page[-1].sequence, page[-1].event
                except SQLAlchemyError as error:
                    if not is_away(error):
                        raise
                    # Browsers come back after an end, but not after the refusal that they would meet then.
                    patience = AWAY_SECONDS
                if last == FINISHED:
                    return
                try:
                    await asyncio.wait_for(woken.wait(), patience)
                except TimeoutError:
                    yield ":\n\n"

    def _page(self, tenant: str, job_id: str, after: int) -> Sequence[JobEvent]:
        """What comes next; nothing once the streams are to end: many may wait here for their turn."""
        return () if self.feed.closed else self._jobs.events(tenant, job_id, after)


class _Stream(StreamingResponse):
    """A stream that is counted for as long as it lasts."""

    def __init__(self, streams: Streams, tenant: str, events: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, 200, headers, EVENT_STREAM)
        self._streams, self._tenant = streams, tenant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.open[self._tenant] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open[self._tenant] -= 1
            if not self._streams.open[self._tenant]:
                del self._streams.open[self._tenant]


def events_router(parts: Parts, streams: Streams, who: Callable[..., Any]) -> APIRouter:
    """The endpoint; `who` is a FastAPI dependency that gives the id of the tenant that asks, or raises."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

    def page(tenant: str, job_id: str, after: int, limit: int) -> EventPage:
        found = parts.jobs.events(tenant, job_id, after, limit + 1)
        more = len(found) > limit
        return EventPage(
            items=[_view(event) for event in found[:limit]],
            next=str(found[limit - 1].sequence) if more else None,
        )

    def ended(tenant: str, job_id: str, after: int) -> bool:
        job = parts.jobs.get(tenant, job_id)
        return job.finished_at is not None and not parts.jobs.events(tenant, job_id, after, 1)

    @router.get(
        "/{job_id}/events",
        response_model=EventPage,
        responses={
            200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
            204: {"description": "as a stream: the job has ended, and nothing follows"},
        },
    )
    async def events(
        request: Request,
        job_id: JobId,
        after: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
        tenant: str = Depends(who),
    ) -> Any:
        """What has happened to a job after the event numbered `after`; with `Accept: text/event-stream`, what
        happens from then on, too."""
        if EVENT_STREAM not in request.headers.get("Accept", ""):
            return await run_in_threadpool(page, tenant, job_id, after, limit)
        begin = max(after, _last_event(request))
        if await run_in_threadpool(ended, tenant, job_id, begin):
            return Response(status_code=204)
        return streams.stream(tenant, job_id, begin)

    return router


def _last_event(request: Request) -> int:
    text = request.headers.get("Last-Event-ID", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InputError("Last-Event-ID is no number of an event")
    return int(text)


def _view(event: JobEvent) -> EventView:
    return EventView(sequence=event.sequence, at=event.at, event=event.event, data=event.data)


def _message(event: JobEvent) -> str:
    return f"id: {event.sequence}\nevent: {event.event}\ndata: {_view(event).model_dump_json()}\n\n"
