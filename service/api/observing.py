"""What is said of each request when it has ended: a line in the log, and a count for the metrics."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from service.api.metrics import Requests
from service.api.request_log import RequestLog

UNKNOWN = "(none)"
"""The route of requests for what there is not."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Observer:
    """Takes note of requests.

    Parameters
    ----------
    log
        Where each gets a line, if anywhere: its path without its query, and whose key was used; no key, no
        body.
    """

    def __init__(self, requests: Requests, log: RequestLog | None) -> None:
        self._requests = requests
        self._log = log

    def ended(self, scope: Scope, status: int, seconds: float) -> None:
        """A request has ended, after so many seconds, with this status."""
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._requests.count(method, route_of(scope), status, seconds)
        if self._log is not None:
            state: dict[str, Any] = scope["state"]
            self._log.add(
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
