"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.api.access import Access
from service.api.inference import Inference, inference_router
from service.api.problems import add_handlers, internal_error
from service.api.request_ids import RequestIds
from service.api_keys import Scope
from service.parts import Parts
from service.submitting import Submitter


def application(parts: Parts) -> FastAPI:
    """The service over HTTP. The parts stay open when it ends."""
    settings = parts.settings
    inference = Inference(
        parts.models,
        parts.signer,
        Submitter(parts),
        threads=settings.threads,
        max_waiting=settings.max_waiting,
        max_samples=settings.max_samples,
    )
    access = Access(parts, inference)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(inference.close)

    app = FastAPI(title="Verinfer", version=version("verinfer"), lifespan=lifespan)
    add_handlers(app)
    app.include_router(
        inference_router(inference, access.tenant(Scope.INFER), version("verinfer"), settings.max_body_bytes)
    )
    app.add_middleware(RequestIds, failed=internal_error)
    return app
