"""The pages about a tenant's API keys and webhooks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from circuits.errors import InputError
from service.api_keys import TENANTS_SCOPES, Caller, Forbidden, Scope, create_key, revoke_key
from service.database import ApiKey, Database, Tenant
from service.errors import NotFound
from service.pages.site import Site, text
from service.webhooks import Event, Webhooks

MOST_DELIVERIES = 50
SCOPES = {
    Scope.INFER: "ask models",
    Scope.JOBS: "submit and see jobs",
    Scope.MODELS: "add models, see and make their keys",
    Scope.ACCOUNT: "see usage, manage webhooks",
}


@dataclass(frozen=True)
class Told:
    """What a page tells once: a new secret, or why there is none."""

    key: str | None = None
    problem: str | None = None
    webhook: str | None = None
    webhook_problem: str | None = None


NOTHING = Told()


def settings_pages(site: Site, webhooks: Webhooks) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)
    parts = site.parts
    member, account = Depends(site.member()), Depends(site.member(Scope.ACCOUNT))

    def _page(request: Request, caller: Caller, told: Told = NOTHING) -> Response:
        with parts.database.read() as session:
            tenant = session.get_one(Tenant, caller.tenant).name
        return site.render(
            request,
            "settings.html",
            200 if told.problem is None else 400,
            tenant=tenant,
            keys=[] if site.local else _keys(parts.database, caller.tenant),
            this_key=caller.key,
            may_manage=may_manage(caller),
            scopes=SCOPES,
            told=told,
            webhooks=webhooks.list(caller.tenant) if Scope.ACCOUNT in caller.scopes else [],
            may_webhooks=Scope.ACCOUNT in caller.scopes,
            events=list(Event),
            key_id=parts.signer.key_id,
        )

    @router.get("/settings")
    def shown(request: Request, caller: Caller = member) -> Response:
        return _page(request, caller)

    @router.post("/settings/keys")
    async def create(request: Request, caller: Caller = member) -> Response:
        form = await site.form(request)
        _require(site, caller)
        scopes = [str(scope) for scope in form.getlist("scope")]
        try:
            if Scope.OPERATE in set(scopes) - caller.scopes:
                raise InputError(f"a key without the scope {Scope.OPERATE.value!r} cannot give it")
            secret = await asyncio.to_thread(
                create_key, parts.database, caller.tenant, text(form, "name").strip(), scopes
            )
        except InputError as error:
            return await asyncio.to_thread(_page, request, caller, Told(problem=str(error)))
        return await asyncio.to_thread(_page, request, caller, Told(key=secret))

    @router.post("/settings/keys/{key_id}/revoke")
    async def revoke(request: Request, key_id: str, caller: Caller = member) -> Response:
        await site.form(request)
        _require(site, caller)
        await asyncio.to_thread(revoke_key, parts.database, caller.tenant, key_id)
        return RedirectResponse("/settings", 303)

    @router.post("/settings/webhooks")
    async def add(request: Request, caller: Caller = account) -> Response:
        form = await site.form(request)
        events = [str(event) for event in form.getlist("event")]
        try:
            made = await asyncio.to_thread(webhooks.add, caller.tenant, text(form, "url").strip(), events)
        except InputError as error:
            told = Told(webhook_problem=str(error))
            return await asyncio.to_thread(_page, request, caller, told)
        return await asyncio.to_thread(_page, request, caller, Told(webhook=made.secret))

    @router.post("/settings/webhooks/{webhook_id}/test")
    async def test(request: Request, webhook_id: str, caller: Caller = account) -> Response:
        await site.form(request)
        await asyncio.to_thread(webhooks.test, caller.tenant, webhook_id)
        return RedirectResponse(f"/settings/webhooks/{webhook_id}", 303)

    @router.post("/settings/webhooks/{webhook_id}/delete")
    async def delete(request: Request, webhook_id: str, caller: Caller = account) -> Response:
        await site.form(request)
        await asyncio.to_thread(webhooks.delete, caller.tenant, webhook_id)
        return RedirectResponse("/settings", 303)

    @router.get("/settings/webhooks/{webhook_id}")
    def one(request: Request, webhook_id: str, caller: Caller = account) -> Response:
        return site.render(
            request,
            "webhook.html",
            webhook=webhooks.get(caller.tenant, webhook_id),
            deliveries=webhooks.deliveries(caller.tenant, webhook_id, limit=MOST_DELIVERIES),
        )

    return router


def may_manage(caller: Caller) -> bool:
    """Whether a key may make and end others: none may give what it has not, so it needs all scopes."""
    return caller.scopes >= TENANTS_SCOPES


def _require(site: Site, caller: Caller) -> None:
    if site.local:
        raise NotFound("this service needs no keys")
    if not may_manage(caller):
        raise Forbidden("only a key with all scopes makes and ends keys")


def _keys(database: Database, tenant: str) -> list[ApiKey]:
    """A tenant's keys that hold, the newest first."""
    with database.read() as session:
        found = session.scalars(
            select(ApiKey)
            .where(ApiKey.tenant_id == tenant, ApiKey.revoked_at.is_(None))
            .order_by(ApiKey.id.desc())
        ).all()
    return [key for key in found if key.expires_at is None or key.expires_at > datetime.now(UTC)]
