"""All pages of a service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from service.api.access import Access
from service.api.events import Streams
from service.api.uploads import Uploads
from service.descriptions import Descriptions
from service.ledger import Meter
from service.pages.asking import asking_pages
from service.pages.claims import claim_pages
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
from service.verification import Verification
from service.webhooks import Webhooks

if TYPE_CHECKING:
    from service.claims import Claims

FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Tools:
    """What pages have in common with the API."""

    submit: Submitter
    streams: Streams
    quotes: Quotes
    meter: Meter
    webhooks: Webhooks
    descriptions: Descriptions
    verification: Verification
    models: Uploads
    """Where models are read."""
    proofs: Uploads
    """Where proofs are."""


def add_pages(
    app: FastAPI,
    parts: Parts,
    access: Access,
    tools: Tools,
    example: Path | None = None,
) -> None:
    """Have an application show pages, and errors as pages to browsers.

    Parameters
    ----------
    example
        The folder of a model that a newcomer can add by one button: `cnn.onnx` and `calibration.npz`.
    """
    site = Site(parts, access)
    app.state.problem_page = site.problem
    for router in routers(site, tools, example):
        app.include_router(router)


def routers(site: Site, tools: Tools, example: Path | None) -> list[APIRouter]:
    """Those of all pages."""
    return [
        home_pages(site, example),
        model_pages(site, tools.models, tools.descriptions, example),
        asking_pages(site, tools.submit, tools.quotes, tools.meter),
        job_pages(site, tools.streams),
        proof_pages(site, tools.proofs, tools.verification),
        claim_pages(site, _claims(site.parts)),
        usage_pages(site),
        settings_pages(site, tools.webhooks),
        login_pages(site),
        _static(site),
    ]


def _claims(parts: Parts) -> Claims | None:
    """The claims of the settings' chain, if they have one."""
    if not parts.settings.has_chain:
        return None
    # Loaded where there is a chain: what speaks to one takes longer to load than all else of a server.
    from service.claims import Claims

    return Claims(parts)


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
