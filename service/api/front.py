"""FastAPI, behind middleware that it does not put behind its own.

What FastAPI and Starlette put around an application (their telemetry, their page for errors, their limit of
bodies) takes as long as all of the service's own middleware, and does nothing that the service does not do
itself. So the service's middleware comes first, and what it answers itself gets no further.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Front(FastAPI):
    """An application. Its telemetry is off, whatever the environment says: the service's own is
    `service.tracing`, and FastAPI's would send the text of errors, which may be a tenant's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, telemetry={"tracing": False, "metrics": False, "logs": False})
        self._outermost: ASGIApp = super().__call__

    def put_behind(self, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put middleware around all that there is so far."""
        self._outermost = layer(self._outermost)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        scope["app"] = self
        await self._outermost(scope, receive, send)
