"""Errors as answers. Under /v2 they are what the Open Inference Protocol wants, {"error": "..."}; everywhere
else they are RFC 9457 problems:

    {"type": "urn:verinfer:problem:not-found", "title": "Not Found", "status": 404, "detail": "...",
     "request_id": "..."}

A mistake of the caller's is told as it is. A mistake of our own is logged, and told by its request id only.
While the database is away, whoever needs it is told to come back (503).
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from circuits.errors import InputError, VerinferError
from service.api.request_ids import request_id
from service.api_keys import Forbidden, Unauthenticated
from service.database import is_away
from service.errors import Conflict, NotFound, QuotaExceeded, RateLimited, TooLarge

PROTOCOL_PATH = "/v2"
DATA_PATHS = (PROTOCOL_PATH, "/api", "/metrics", "/static", "/openapi.json")
"""Below these are no pages, so errors are none either."""
Page = Callable[[Request, int, str], Response]
"""An error as a page, where the application has pages: its status, and what is wrong."""
STATUSES: tuple[tuple[type[VerinferError], HTTPStatus], ...] = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (QuotaExceeded, HTTPStatus.TOO_MANY_REQUESTS),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InputError, HTTPStatus.BAD_REQUEST),
)
"""What each error answers with; the first that fits counts."""
AWAY_SECONDS = 5
"""When whoever needs the database is to come back."""
_log = structlog.get_logger(__name__)


class Unsupported(InputError):
    """The body is encoded in a way that the service does not read."""


class TooSlow(InputError):
    """The body did not arrive in time."""


class Busy(VerinferError):
    """As many requests wait as may, or the service is about to stop. Nothing was done."""


def add_handlers(app: FastAPI) -> None:
    """Have an application answer with problems."""
    for kind, handler in _handlers().items():
        app.add_exception_handler(kind, handler)


def handled(request: Request, error: Exception) -> Response | None:
    """The problem that an application with these handlers answers an error with; None if it has no such."""
    for kind, handler in _handlers().items():
        if isinstance(error, kind):
            return handler(request, error)
    return None


def problem(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says what is wrong."""
    title = HTTPStatus(status).phrase
    page: Page | None = getattr(request.app.state, "problem_page", None)
    if page is not None and _wants_page(request):
        response = page(request, status, detail)
        response.headers.update(headers or {})
        return response
    media_type = "application/json"
    if _is_protocol(request.url.path):
        content: dict[str, object] = {"error": detail}
    else:
        media_type = "application/problem+json"
        content = {
            "type": f"urn:verinfer:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": int(status),
            "detail": detail,
            "request_id": request_id(request),
        }
    return Response(to_json(content), status, headers, media_type)


def internal_error(request: Request) -> Response:
    """The answer to a request that a mistake of ours has ended; call it while handling the exception."""
    # Without the values of variables, which a renderer might show: there may be keys among them.
    _log.error("request failed", path=request.url.path, traceback=traceback.format_exc())
    return problem(request, 500, f"an error of the service's own; its log has it as {request_id(request)}")


def _refused(request: Request, error: Exception) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "1"})
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.seconds))
        return problem(request, HTTPStatus.TOO_MANY_REQUESTS, str(error), headers)
    if isinstance(error, TooSlow):
        # What is left of the body would be taken for the next request.
        headers["Connection"] = "close"
        return problem(request, HTTPStatus.REQUEST_TIMEOUT, str(error), headers)
    if isinstance(error, Unsupported):
        return problem(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error))
    for kind, status in STATUSES:
        if isinstance(error, kind):
            if status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = "Bearer"
            return problem(request, status, _clean(str(error)), headers)
    return internal_error(request)


def _http(request: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    return problem(request, known.status_code, str(known.detail), dict(known.headers or {}))


def _invalid(request: Request, error: Exception) -> Response:
    mistakes = cast(RequestValidationError, error).errors()
    detail = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in mistakes[:5])
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, _clean(detail))


def _away(request: Request, error: Exception) -> Response:
    known = cast(SQLAlchemyError, error)
    if not is_away(known):
        raise error
    # What the driver says, not the error itself: that has the values that were to be written.
    cause = str(getattr(known, "orig", None) or type(known).__name__)
    _log.warning("the database failed", path=request.url.path, error=cause)
    detail = "the database does not answer: come back in a moment"
    return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(AWAY_SECONDS)})


def _gone(request: Request, error: Exception) -> Response:
    return problem(request, HTTPStatus.BAD_REQUEST, "the connection ended before the request did")


def _handlers() -> dict[type[Exception], Callable[[Request, Exception], Response]]:
    return {
        VerinferError: _refused,
        HTTPException: _http,
        RequestValidationError: _invalid,
        ClientDisconnect: _gone,
        SQLAlchemyError: _away,
    }


def _wants_page(request: Request) -> bool:
    """Whether a browser asks for something that is no data."""
    if any(request.url.path == path or request.url.path.startswith(path + "/") for path in DATA_PATHS):
        return False
    return "text/html" in request.headers.get("Accept", "") or "HX-Request" in request.headers


def _is_protocol(path: str) -> bool:
    return path == PROTOCOL_PATH or path.startswith(PROTOCOL_PATH + "/")


def _clean(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode(errors="replace").decode()
