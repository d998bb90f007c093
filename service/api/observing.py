"""What is said of each request when it has ended: a line in the log, and a count for the metrics."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.types import Scope

from service.api.metrics import Requests

UNKNOWN = "(none)"
"""The route of requests for what there is not."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Observer:
    """Takes note of requests.

    Parameters
    ----------
    log_requests
        Whether each gets a line. It has the path without its query, and whose key was used; no key, no body.
    """

    def __init__(self, requests: Requests, log_requests: bool) -> None:
        self._requests = requests
        # Bound once: putting a logger together takes longer than a line.
        self._log = structlog.get_logger().bind() if log_requests else None

    def ended(self, scope: Scope, status: int, seconds: float) -> None:
        """A request has ended, after so many seconds, with this status."""
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._requests.count(method, route_of(scope), status, seconds)
        if self._log is not None:
            state: dict[str, Any] = scope["state"]
            self._log.info(
                "request",
                request_id=state["request_id"],
                method=method,
                path=scope["path"],
                status=status,
                milliseconds=round(1000 * seconds, 2),
                tenant=state.get("tenant"),
                caller=state.get("caller"),
            )


def route_of(scope: Scope) -> str:
    """The template of the route that served a request, with the prefixes of all routers around it."""
    if "template" in scope:  # it went past routing
        return str(scope["template"])
    whole = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(whole or scope.get("route"), "path", UNKNOWN)
    return path
