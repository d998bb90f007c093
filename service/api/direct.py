"""The short way to the endpoint that most requests are for.

Routing and the framework's own middleware take as long as an answer does. What there is, the routes say all
the same; only the way to it is shorter.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import handled, internal_error

INFER = re.compile(r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<number>[^/]+))?/infer")

TEMPLATE, VERSION_TEMPLATE = "/v2/models/{name}/infer", "/v2/models/{name}/versions/{number}/infer"

Infer = Callable[[Request, str, str | None], Awaitable[Response]]
"""The endpoint: it takes the model's name, and the version's number if one is named."""


class DirectInfer:
    """Middleware that gives requests to infer to their endpoint."""

    def __init__(self, app: ASGIApp, infer: Infer) -> None:
        self._app = app
        self._infer = infer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        found = None
        if scope["type"] == "http" and scope["method"] == "POST":
            found = INFER.fullmatch(scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["template"] = VERSION_TEMPLATE if found["number"] else TEMPLATE
        request = Request(scope, receive, send)
        try:
            response = await self._infer(request, found["name"], found["number"])
        except Exception as error:
            response = handled(request, error) or internal_error(request)
        await response(scope, receive, send)
