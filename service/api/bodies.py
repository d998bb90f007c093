"""What is read of a request by hand: the name that makes it one, and its body.

Bodies are in memory: no more bytes at a time than the process may hold, nor for longer than told.
Room for a body is taken before any of it is read, so those that are let in are read to their end. One tenant
gets a part of the room at most: others' requests still fit while it sends its own slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from circuits.errors import InputError
from service.api.headers import header
from service.api.problems import Busy, TooSlow, Unsupported
from service.errors import TooLarge

MAX_IDEMPOTENCY_KEY = 255
SMALL_BYTES = 1 << 16
SHARE = 4
"""One part in so many of the room is what a tenant may take."""


def idempotency_key(request: Request) -> str | None:
    """The header Idempotency-Key. Raises InputError if it is empty or too long."""
    key = header(request.scope, b"idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
        raise InputError(f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters")
    return key


def media_type(request: Request) -> str:
    """What a request says that its body is, in lower case and without parameters; empty if nothing."""
    return (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()


def body_length(request: Request) -> int | None:
    """How many bytes a request says that its body has; None if nothing. Raises Unsupported if it is
    compressed: none is unpacked here, so its length would say nothing.
    """
    if header(request.scope, b"content-encoding") not in (None, "identity"):
        raise Unsupported("the body is compressed: send it as it is")
    length = header(request.scope, b"content-length") or ""
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def require_json(request: Request) -> None:
    """Raise Unsupported unless a request says that its body is JSON.

    Pages of other sites can have a browser send what it calls text, but not what it calls JSON.
    """
    if media_type(request) != "application/json":
        raise Unsupported("the body must be JSON, and say so: Content-Type: application/json")


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """A block in which a body is read. Raises TooSlow if that takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TooSlow(f"the request's body took longer than {seconds:g} seconds") from None


async def read_body(request: Request, limit: int, seconds: float) -> bytes:
    """All of a small body: nobody asks how many are held at a time.

    Raises
    ------
    TooLarge
        If it has more than `limit` bytes.
    TooSlow
        If it does not arrive within so many seconds.
    Unsupported
        If it is compressed.
    """
    if (body_length(request) or 0) > limit:
        raise TooLarge(f"the request has over {limit} bytes")
    async with in_time(seconds):
        return await _read(request, limit)


def small_bodies(seconds: float) -> type[APIRoute]:
    """Routes whose bodies FastAPI reads, which by itself reads any number of bytes for any time; here it gets
    a few, which must arrive within so many seconds.
    """

    class SmallBodies(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def bounded(request: Request) -> Response:
                unread: list[bytes] = [await read_body(request, SMALL_BYTES, seconds)]

                async def receive() -> Message:
                    if unread:
                        return {"type": "http.request", "body": unread.pop(), "more_body": False}
                    return await request.receive()

                return await handle(Request(request.scope, receive))

            return bounded

    return SmallBodies


class Bodies:
    """The room of one process, to be used in its event loop.

    Parameters
    ----------
    room
        How many bytes of bodies may be held.
    largest
        How many bytes one body may have.
    seconds
        How long a body may take to arrive.
    """

    def __init__(self, room: int, largest: int, seconds: float) -> None:
        self._left = room
        self._largest = largest
        self._seconds = seconds
        self._share = max(largest, room // SHARE)
        self._taken: dict[str, int] = {}

    @asynccontextmanager
    async def read(self, request: Request, tenant: str) -> AsyncIterator[bytes]:
        """All of a request's body. It counts as held for as long as the block lasts.

        Raises
        ------
        TooLarge
            If it has more bytes than it may.
        Busy
            If there is no room for it now.
        TooSlow
            If it does not arrive in time.
        Unsupported
            If it is compressed.
        """
        told = body_length(request)
        wanted = self._largest if told is None else told
        if wanted > self._largest:
            raise TooLarge(f"the request has over {self._largest} bytes")
        self._take(tenant, wanted)
        try:
            async with in_time(self._seconds):
                body = await _read(request, wanted)
            self._give_back(tenant, wanted - len(body))  # it may have been in chunks
            wanted = len(body)
            yield body
        finally:
            self._give_back(tenant, wanted)

    def _take(self, tenant: str, size: int) -> None:
        taken = self._taken.get(tenant, 0) + size
        if size > self._left or taken > self._share:
            raise Busy("too many bytes of requests are being read: come back in a moment")
        self._left -= size
        self._taken[tenant] = taken

    def _give_back(self, tenant: str, size: int) -> None:
        self._left += size
        taken = self._taken.pop(tenant, 0) - size
        if taken:
            self._taken[tenant] = taken


async def _read(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:  # even if the body says its length: one in chunks may say anything
            raise TooLarge(f"the request has over {limit} bytes")
        parts.append(part)
    return b"".join(parts)
