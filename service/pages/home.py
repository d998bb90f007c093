"""The first page: what to do next, step by step, until there is a verified proof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from service.database import Database, Job, Kind, Model, Status, Version
from service.job_views import list_jobs
from service.pages.site import Site

RECENT = 5


def home_pages(site: Site, example: Path | None) -> APIRouter:
    """The first page.

    Parameters
    ----------
    example
        The folder of an example that a newcomer can add by one button; None if there is none.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def home(request: Request) -> Response:
        caller = site.visitor(request).caller
        if caller is None:
            return site.render(request, "welcome.html")
        shown = _progress(site.parts.database, caller.tenant)
        return site.render(request, "home.html", example=example is not None, **shown)

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
