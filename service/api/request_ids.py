"""A name for each request, in its answer and in every line that is logged while it is worked on."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.identifiers import new_id

HEADER = "X-Request-Id"
_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id(request: HTTPConnection) -> str:
    """The name of a request that `RequestIds` has let through."""
    name: str = request.scope["state"]["request_id"]
    return name


class RequestIds:
    """Middleware that names requests: as the caller does in X-Request-Id, if that is a plain word, or anew.
    What the application raises ends here, in the answer that `failed` makes."""

    def __init__(self, app: ASGIApp, failed: Callable[[Request], Response]) -> None:
        self._app = app
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = HTTPConnection(scope).headers.get(HEADER, "")
        name = given if _ALLOWED.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = name
        begun = False

        async def named(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name):
            try:
                await self._app(scope, receive, named)
            except Exception:
                response = self._failed(Request(scope))
                if begun:  # too late to say so
                    raise
                await response(scope, receive, named)
