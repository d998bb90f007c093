"""The page about a tenant's API keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from circuits.errors import InputError
from service.api_keys import Caller, Forbidden, Scope, create_key, revoke_key
from service.database import ApiKey, Database, Tenant
from service.errors import NotFound
from service.pages.site import Site, text

SCOPES = {
    Scope.INFER: "ask models",
    Scope.JOBS: "submit and see jobs",
    Scope.MODELS: "add models, see and make their keys",
}


def settings_pages(site: Site) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)
    parts = site.parts
    member = Depends(site.member())

    def _page(request: Request, caller: Caller, secret: str | None, problem: str | None) -> Response:
        with parts.database.read() as session:
            tenant = session.get_one(Tenant, caller.tenant).name
        return site.render(
            request,
            "settings.html",
            200 if problem is None else 400,
            tenant=tenant,
            keys=[] if site.local else _keys(parts.database, caller.tenant),
            this_key=caller.key,
            may_manage=may_manage(caller),
            scopes=SCOPES,
            secret=secret,
            problem=problem,
            key_id=parts.signer.key_id,
        )

    @router.get("/settings")
    def shown(request: Request, caller: Caller = member) -> Response:
        return _page(request, caller, None, None)

    @router.post("/settings/keys")
    async def create(request: Request, caller: Caller = member) -> Response:
        form = await site.form(request)
        _require(site, caller)
        scopes = [str(scope) for scope in form.getlist("scope")]
        try:
            secret = await asyncio.to_thread(
                create_key, parts.database, caller.tenant, text(form, "name").strip(), scopes
            )
        except InputError as error:
            return await asyncio.to_thread(_page, request, caller, None, str(error))
        return await asyncio.to_thread(_page, request, caller, secret, None)

    @router.post("/settings/keys/{key_id}/revoke")
    async def revoke(request: Request, key_id: str, caller: Caller = member) -> Response:
        await site.form(request)
        _require(site, caller)
        await asyncio.to_thread(revoke_key, parts.database, caller.tenant, key_id)
        return RedirectResponse("/settings", 303)

    return router


def may_manage(caller: Caller) -> bool:
    """Whether a key may make and end others: none may give what it has not, so it needs all scopes."""
    return caller.scopes >= frozenset(Scope)


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
