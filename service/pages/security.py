"""What every answer tells browsers to refuse: scripts and styles from elsewhere or in the page's own text,
frames, guesses at a file's type, and telling others where a visitor came from.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy of all but drawings."""
DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""That of an SVG document, which carries its own style and can do nothing."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STRICT_TRANSPORT = "max-age=31536000"
"""For a year browsers come by https only; told to those who have come by https."""
_HTTP = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_HTTPS = [*_HTTP, (b"strict-transport-security", STRICT_TRANSPORT.encode())]


class SecurityHeaders:
    """Middleware that adds `HEADERS` to each answer that has not its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        ours = _HTTPS if scope["scheme"] == "https" else _HTTP

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                own = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *(pair for pair in ours if pair[0] not in own)]
            await send(message)

        await self._app(scope, receive, secured)
