"""Pages about jobs: the list, and one job with its stages, live."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from circuits.errors import InputError
from service.api.events import Streams
from service.api_keys import Caller, Scope
from service.database import Kind, Status
from service.job_views import Filter, list_jobs, show_job
from service.pages.site import Site
from service.pages.timeline import all_events, stages
from service.stages import CLAIM, POST

PAGE = 50
E = TypeVar("E", bound=StrEnum)
SHOWN_STATUSES = (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


def job_pages(site: Site, streams: Streams) -> APIRouter:
    """The pages."""
    router = APIRouter(include_in_schema=False)
    parts = site.parts
    member = Depends(site.member(Scope.JOBS))

    @router.get("/jobs")
    def listed(
        request: Request, status: str = "", kind: str = "", before: str | None = None, caller: Caller = member
    ) -> Response:
        wanted = Filter(_one_of(Status, status), _one_of(Kind, kind))
        found = list_jobs(parts.database, caller.tenant, wanted, before, PAGE + 1)
        page = found[:PAGE]
        return site.render(
            request,
            "jobs_part.html" if request.headers.get("HX-Target") == "jobs" else "jobs.html",
            jobs=page,
            wanted=wanted,
            statuses=SHOWN_STATUSES,
            kinds=list(Kind),
            first=before is None,
            more=page[-1].job.id if len(found) > PAGE else None,
            busy=before is None and any(one.job.finished_at is None for one in page),
        )

    def _show(request: Request, job_id: str, caller: Caller, template: str) -> Response:
        shown = show_job(parts.database, caller.tenant, job_id)
        events = all_events(parts.jobs, shown.job)
        waiting = shown.job.finished_at is None and shown.job.lease_owner is None
        put_back = [event for event in events if event.event == "put_back"] if waiting else []
        return site.render(
            request,
            template,
            shown=shown,
            job=shown.job,
            stages=stages(shown.job, events),
            last=events[-1].sequence,
            result=shown.job.result or {},
            claim=shown.results[CLAIM]["claim_id"] if POST in shown.results else None,
            may_cancel=CLAIM not in shown.results,
            put_back=put_back[-1].data.get("why") if put_back else None,
        )

    @router.get("/jobs/{job_id}")
    def one(request: Request, job_id: str, caller: Caller = member) -> Response:
        part = "HX-Request" in request.headers
        return _show(request, job_id, caller, "job_part.html" if part else "job.html")

    @router.get("/jobs/{job_id}/events")
    async def events(request: Request, job_id: str, after: str = "0", caller: Caller = member) -> Response:
        last = request.headers.get("Last-Event-ID", after)
        if not (last.isascii() and last.isdigit() and len(last) <= 15):
            raise InputError("that is no number of an event")
        await asyncio.to_thread(parts.jobs.get, caller.tenant, job_id)
        return streams.stream(caller.tenant, job_id, int(last))

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(request: Request, job_id: str, caller: Caller = member) -> Response:
        await site.form(request)
        await asyncio.to_thread(parts.jobs.cancel, caller.tenant, job_id)
        return RedirectResponse(f"/jobs/{job_id}", 303)

    @router.post("/jobs/{job_id}/retry")
    async def retry(request: Request, job_id: str, caller: Caller = member) -> Response:
        await site.access.admit(caller.tenant)
        await site.form(request)
        await asyncio.to_thread(parts.jobs.retry, caller.tenant, job_id)
        return RedirectResponse(f"/jobs/{job_id}", 303)

    return router


def _one_of(kind: type[E], text: str) -> E | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"there is no {kind.__name__.lower()} {text!r:.40}") from None
