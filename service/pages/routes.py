"""All pages of a service."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from service.api.events import Streams
from service.descriptions import Descriptions
from service.handlers.compile import compile_limits
from service.pages.asking import asking_pages
from service.pages.home import home_pages
from service.pages.jobs import job_pages
from service.pages.login import login_pages
from service.pages.models import model_pages
from service.pages.proofs import proof_pages
from service.pages.settings import settings_pages
from service.pages.site import Site
from service.pages.usage import usage_pages
from service.parts import Parts
from service.quotes import Quotes
from service.submitting import Submitter

FOREVER = "public, max-age=31536000, immutable"


def add_pages(
    app: FastAPI,
    parts: Parts,
    submit: Submitter,
    streams: Streams,
    quotes: Quotes,
    example: Path | None = None,
) -> None:
    """Have an application show pages, and errors as pages to browsers.

    Parameters
    ----------
    example
        The folder of a model that a newcomer can add by one button: `cnn.onnx` and `calibration.npz`.
    """
    site = Site(parts)
    app.state.problem_page = site.problem
    for router in routers(site, submit, streams, quotes, example):
        app.include_router(router)


def routers(
    site: Site, submit: Submitter, streams: Streams, quotes: Quotes, example: Path | None
) -> list[APIRouter]:
    """Those of all pages."""
    return [
        home_pages(site, example),
        model_pages(site, Descriptions(site.parts, compile_limits(site.parts.settings)), example),
        asking_pages(site, submit, quotes),
        job_pages(site, streams),
        proof_pages(site),
        usage_pages(site),
        settings_pages(site),
        login_pages(site),
        _static(site),
    ]


def _static(site: Site) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        file = site.files.get(name)
        known = request.query_params.get("v") == file.tag
        return Response(
            file.content, 200, {"Cache-Control": FOREVER if known else "no-cache"}, file.media_type
        )

    return router
