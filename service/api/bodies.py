"""What is read of a request by hand: its body, as much of it as may be, and the name that makes it one."""

from __future__ import annotations

from fastapi import Request

from circuits.errors import InputError
from service.api.problems import Unsupported
from service.errors import TooLarge

MAX_IDEMPOTENCY_KEY = 255


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises InputError if it is empty or too long."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
        raise InputError(f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters")
    return key


async def read_json(request: Request, limit: int) -> bytes:
    """A body that says it is JSON. Raises as `read_body`, and Unsupported if it says otherwise.

    Pages of other sites can have a browser send what it calls text, but not what it calls JSON.
    """
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        raise Unsupported("the body must be JSON, and say so: Content-Type: application/json")
    return await read_body(request, limit)


async def read_body(request: Request, limit: int) -> bytes:
    """All of a request's body.

    Raises
    ------
    TooLarge
        If it has more than `limit` bytes.
    Unsupported
        If it is compressed.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Unsupported("the body is compressed: send it as it is")
    length = request.headers.get("Content-Length", "0")
    too_large = TooLarge(f"the request has over {limit} bytes")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)
