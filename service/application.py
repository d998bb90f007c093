"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request

from service.api_keys import KeyCheck, Scope, Unauthenticated
from service.database import Database
from service.inference import Inference, Submit, inference_router
from service.models import FolderModels, Models
from service.problems import add_handlers, internal_error
from service.receipts import ReceiptSigner
from service.request_ids import RequestIds
from service.settings import Settings

LOCAL_TENANT = "local"
"""Who asks, where there are no API keys."""


def application(settings: Settings, models: Models | None = None, submit: Submit | None = None) -> FastAPI:
    """The service, by its settings.

    Parameters
    ----------
    models
        What is served; by default the models in the settings' folder.
    submit
        Where jobs go; without it, answers are not settled.

    Raises
    ------
    InputError
        If the folder, the key or the database cannot be used.
    """
    database = None if settings.database is None else Database(settings.database.get_secret_value())
    inference = Inference(
        FolderModels(settings.models) if models is None else models,
        ReceiptSigner.load(settings.receipt_key),
        submit,
        threads=settings.threads,
        max_waiting=settings.max_waiting,
        max_samples=settings.max_samples,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(inference.close)
        if database is not None:
            database.close()

    app = FastAPI(title="Verinfer", version=version("verinfer"), lifespan=lifespan)
    add_handlers(app)
    tenant = _anyone if database is None else _by_key(KeyCheck(database), inference)
    app.include_router(inference_router(inference, tenant, version("verinfer"), settings.max_body_bytes))
    app.add_middleware(RequestIds, failed=internal_error)
    return app


async def _anyone() -> str:
    return LOCAL_TENANT


def _by_key(keys: KeyCheck, inference: Inference) -> Callable[..., Any]:
    async def tenant(request: Request) -> str:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("this needs an API key: Authorization: Bearer vk_...")
        caller = keys.remembered(key.strip())
        if caller is None:
            caller = await inference.in_thread(partial(keys.caller, key.strip()))
        caller.require(Scope.INFER)
        return caller.tenant

    return tenant
