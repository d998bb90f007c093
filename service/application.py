"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from service.api.access import Access
from service.api.bodies import Bodies
from service.api.direct import DirectInfer
from service.api.document import describe_errors
from service.api.events import Streams, events_router
from service.api.failures import Failures
from service.api.front import Front
from service.api.health import Readiness, health_router
from service.api.inference import Inference, InferEndpoint, inference_router
from service.api.jobs import jobs_router
from service.api.metrics import Requests, metrics_router
from service.api.models import models_router
from service.api.observing import Observer
from service.api.origins import Origins
from service.api.problems import add_handlers, internal_error
from service.api.proofs import proofs_router
from service.api.quotes import quotes_router
from service.api.request_ids import RequestIds
from service.api.request_log import RequestLog
from service.api.uploads import Uploads
from service.api.usage import usage_router
from service.api.verify import UPLOAD_SECONDS, verify_router
from service.api.webhooks import webhooks_router
from service.api_keys import Scope
from service.deliveries import Deliverer
from service.descriptions import Descriptions
from service.destinations import Destinations
from service.event_feed import EventFeed
from service.handlers.compile import compile_limits
from service.health import Health
from service.housekeeping import Housekeeping
from service.ledger import Meter
from service.pages.routes import Tools, add_pages
from service.pages.security import SecurityHeaders
from service.parts import Parts
from service.quotes import Quotes
from service.settings import Settings
from service.submitting import Submitter
from service.verification import Verification
from service.webhooks import Webhooks

if TYPE_CHECKING:
    from service.claim_terms import ClaimQuotes


def application(parts: Parts, example: Path | None = None) -> FastAPI:
    """The service over HTTP. The parts stay open when it ends.

    Parameters
    ----------
    example
        The folder of the model that its pages offer to newcomers; None if there is none.
    """
    settings = parts.settings
    submit = Submitter(parts)
    inference = Inference(
        parts.models,
        parts.signer,
        submit,
        threads=settings.threads,
        max_waiting=settings.max_waiting,
        max_samples=settings.max_samples,
    )
    meter = Meter(parts.database)
    destinations = Destinations(settings.webhook_networks, settings.webhook_http)
    webhooks = Webhooks(parts.database, destinations, settings.limits)
    deliverer = Deliverer(parts.database, destinations)
    housekeeping = Housekeeping(parts.database, parts.artifacts, settings)
    access = Access(parts, inference)
    bodies = Bodies(settings.max_held_bytes, settings.max_body_bytes, settings.body_seconds)
    streams = Streams(parts, EventFeed(parts.database), settings.max_streams, settings.max_streams_of_tenant)
    jobs = access.tenant(Scope.JOBS)
    health = Health(parts)
    readiness = Readiness(health, lambda: inference.ready)
    requests = Requests()
    log = RequestLog() if settings.log_requests else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if log is not None:
            log.start()
        meter.start()
        deliverer.start()
        housekeeping.start()
        yield
        await asyncio.to_thread(inference.close)
        await asyncio.to_thread(meter.stop)
        await asyncio.to_thread(deliverer.stop)
        await asyncio.to_thread(housekeeping.stop)
        health.close()
        if log is not None:
            await asyncio.to_thread(log.stop)

    app = Front(
        title="Verinfer",
        version=version("verinfer"),
        lifespan=lifespan,
        docs_url=None,  # both would have browsers fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.streams = streams
    add_handlers(app)
    who = access.tenant(Scope.INFER)
    infer = InferEndpoint(inference, who, bodies, meter)
    app.include_router(inference_router(inference, infer, who, readiness.ready, version("verinfer")))
    app.include_router(jobs_router(parts, submit, jobs, bodies, settings.max_samples))
    app.include_router(events_router(parts, streams, jobs))
    uploads = Uploads(settings.uploads, settings.upload_seconds)
    # One of each for API and pages: they bound what is done at a time.
    descriptions = Descriptions(parts, compile_limits(settings))
    verification = Verification(parts, settings.verifications)
    proofs = Uploads(settings.uploads, UPLOAD_SECONDS)
    app.include_router(models_router(parts, access, uploads, descriptions))
    app.include_router(verify_router(parts, access, proofs, verification))
    app.include_router(proofs_router(parts, jobs))
    quotes = Quotes(parts.database, settings.price_per_second, settings.currency)
    app.include_router(quotes_router(parts, quotes, _claim_quotes(settings), jobs, settings.max_samples))
    app.include_router(usage_router(parts, access))
    app.include_router(webhooks_router(webhooks, access, settings.body_seconds))
    app.include_router(health_router(readiness, access.operator))
    app.include_router(metrics_router(parts, requests))
    tools = Tools(submit, streams, quotes, meter, webhooks, descriptions, verification, uploads, proofs)
    add_pages(app, parts, access, tools, example)
    describe_errors(app)
    app.add_middleware(Failures, failed=internal_error)
    observer = Observer(requests, log)
    app.put_behind(partial(DirectInfer, infer=infer))
    app.put_behind(partial(Origins, local=settings.access == "local"))
    app.put_behind(partial(RequestIds, ended=observer.ended))
    app.put_behind(SecurityHeaders)
    return app


def _claim_quotes(settings: Settings) -> ClaimQuotes | None:
    """What claims take on the settings' chain, if they have one."""
    if not settings.has_chain:
        return None
    # Loaded where there is a chain, as `service.claims` is.
    from service.claim_terms import ClaimQuotes

    return ClaimQuotes(settings)
