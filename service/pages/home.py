"""The first page: what to do next, step by step, until there is a verified proof."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from service.api_keys import Caller, Scope
from service.database import Database, Job, Kind, Model, Status, Version
from service.errors import NotFound
from service.job_views import list_jobs
from service.pages.site import Site
from verifier.srs import SrsStore

RECENT = 5
DEVELOPMENT_K = 13
"""The development string that a page makes has 2^13 points: a few seconds' work, enough for small models."""


def home_pages(site: Site, example: Path | None) -> APIRouter:
    """The first page.

    Parameters
    ----------
    example
        The folder of an example that a newcomer can add by one button; None if there is none.
    """
    router = APIRouter(include_in_schema=False)
    author = Depends(site.member(Scope.MODELS))
    making = asyncio.Lock()

    @router.get("/")
    def home(request: Request) -> Response:
        caller = site.visitor(request).caller
        if caller is None:
            return site.render(request, "welcome.html")
        shown = _progress(site.parts.database, caller.tenant)
        # Where there are keys, reference strings are the operator's affair.
        missing = site.local and not SrsStore().info()
        return site.render(
            request,
            "home.html",
            example=example is not None,
            string_missing=missing,
            string_done=site.local and not missing and shown["proven"] is None,
            **shown,
        )

    @router.post("/reference-string")
    async def make_string(request: Request, caller: Caller = author) -> Response:
        await site.form(request)
        if not site.local:
            raise NotFound("the operator of this service sees to its reference strings")
        async with making:
            if not await asyncio.to_thread(SrsStore().info):
                await asyncio.to_thread(SrsStore().generate, DEVELOPMENT_K)
        return RedirectResponse("/", 303)

    return router


def _progress(database: Database, tenant: str) -> dict[str, Any]:
    """How far a tenant has come, and what was done lately."""
    with database.read() as session:
        model = session.scalar(
            select(Model.name)
            .join(Version, Version.model_id == Model.id)
            .where(Model.tenant_id == tenant)
            .order_by(Version.id.desc())
            .limit(1)
        )
        proven = session.scalar(
            select(Job)
            .where(Job.tenant_id == tenant, Job.kind == Kind.PROVE, Job.proof == Status.SUCCEEDED)
            .order_by(Job.id.desc())
            .limit(1)
        )
        making = session.scalar(
            select(Job)
            .where(
                Job.tenant_id == tenant,
                Job.kind.in_([Kind.COMPILE, Kind.SETUP]),
                Job.finished_at.is_(None),
            )
            .order_by(Job.id.desc())
            .limit(1)
        )
    return {
        "model": model,
        "making": making,
        "proven": proven,
        "recent": list_jobs(database, tenant, limit=RECENT),
    }
