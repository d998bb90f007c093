"""Signing in with an API key, and out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api_keys import KeyCheck, Unauthenticated
from service.errors import NotFound
from service.pages.site import Site, cookie_name, give_cookie, local_path, text

ATTEMPT = 10
"""As how many requests of a visitor an attempt to sign in counts."""


def login_pages(site: Site) -> APIRouter:
    """The pages. Where there are no keys, there are none of these."""
    router = APIRouter(include_in_schema=False)
    keys = KeyCheck(site.parts.database)

    @router.get("/login")
    def ask(request: Request, next: str = "/") -> Response:
        if site.visitor(request).caller is not None:
            return RedirectResponse(local_path(next), 303)
        return site.render(request, "login.html", next=local_path(next), problem=None)

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        await asyncio.to_thread(site.visitor, request)
        if site.local:
            raise NotFound("there is nothing to sign in to: this service needs no keys")
        site.access.count_visitor(request, ATTEMPT)
        form = await site.form(request)
        following = local_path(text(form, "next"))
        try:
            caller = await asyncio.to_thread(keys.caller, text(form, "key").strip())
        except Unauthenticated as error:
            return site.render(request, "login.html", 401, next=following, problem=str(error))
        # Another cookie than before: whoever knew that one is not signed in with it.
        token = await asyncio.to_thread(site.sessions.begin, caller)
        response = RedirectResponse(following, 303)
        give_cookie(request, response, token)
        return response

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        visitor = await asyncio.to_thread(site.visitor, request)
        await site.form(request)
        await asyncio.to_thread(site.sessions.end, visitor.token)
        response = RedirectResponse("/", 303)
        response.delete_cookie(cookie_name(request))
        return response

    return router
