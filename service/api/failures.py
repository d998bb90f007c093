"""Answers to requests that a mistake of ours has ended."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Failures:
    """Middleware that answers by `failed` where the application raises. It is put within Starlette's own for
    this, which would answer first.
    """

    def __init__(self, app: ASGIApp, failed: Callable[[Request], Response]) -> None:
        self._app = app
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            response = self._failed(Request(scope))
            if begun:  # too late to say so
                raise
            await response(scope, receive, send)
