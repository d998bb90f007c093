"""Keeps web pages of others from driving the service by way of a visitor's browser.

A browser sends what any page asks it to send, from the visitor's machine and with the visitor's cookies. So
what changes something is refused unless it comes from the service's own pages, or from a program that is no
browser. With local access whoever reaches the service may do all, and then a name that another's DNS points
to this machine (DNS rebinding) must not reach it either: only this machine's own names are answered.
"""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem
from service.settings import is_loopback

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(rb"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::[0-9]{1,5})?")
_READ = frozenset({b"host", b"origin", b"sec-fetch-site"})


class Origins:
    """Middleware that refuses requests which a page of others has made.

    Parameters
    ----------
    local
        Whether only this machine's own names are answered.
    """

    def __init__(self, app: ASGIApp, local: bool) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            reason = self._refusal(scope)
            if reason is not None:
                await problem(Request(scope), 403, reason)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        """Why a request is refused; None if it is not."""
        found = {name: value.lower() for name, value in scope["headers"] if name in _READ}
        host = found.get(b"host", b"")
        if self._local and not _names_this_machine(host):
            return (
                "this service answers only on its own machine, by the name localhost or an address like "
                "127.0.0.1"
            )
        if scope["method"] not in SAFE and not _own(found, host):
            return "the request comes from a page of another site, and would change something here"
        return None


@lru_cache(1000)
def _names_this_machine(host: bytes) -> bool:
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback((found[1] or found[2]).decode())


def _own(headers: dict[bytes, bytes], host: bytes) -> bool:
    """Whether a request comes from a page of this service, or from no page at all."""
    if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        return False
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == host != b""
