"""A name for each request, in its answer and in every line that is logged while it is worked on."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.api.headers import header

HEADER = b"x-request-id"
GONE = 499
"""What servers say in their logs of those who went away without waiting for an answer."""
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# The system's randomness seeds it, once: each call of the system lets threads that compute have the
# interpreter, and the event loop waits for it. A name is no secret.
_random = random.Random()


def request_id(request: HTTPConnection) -> str:
    """The name of a request that `RequestIds` has let through."""
    name: str = request.scope["state"]["request_id"]
    return name


class RequestIds:
    """Middleware that names requests: as the caller does in X-Request-Id, if that is a plain word, or anew.
    `ended` is told of each request with its status and seconds."""

    def __init__(self, app: ASGIApp, ended: Callable[[Scope, int, float], None]) -> None:
        self._app = app
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header(scope, HEADER) or ""
        name = given if _ALLOWED.fullmatch(given) else f"{_random.getrandbits(128):032x}"
        scope.setdefault("state", {})["request_id"] = name
        began, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (HEADER, name.encode())]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=name)
        try:
            with tracing.span("request", _parent(scope)):
                await self._app(scope, receive, named)
        finally:
            # Without a status, whoever asked was gone before there was an answer.
            self._ended(scope, status or GONE, time.perf_counter() - began)
            structlog.contextvars.reset_contextvars(**bound)


def _parent(scope: Scope) -> str | None:
    """The caller's own trace, if traces are wanted."""
    if not tracing.on():
        return None
    given = header(scope, b"traceparent") or ""
    return given if _TRACE.fullmatch(given) else None
