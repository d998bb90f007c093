"""Uploads: forms with files, which go to temporary files as they come, so many at a time and bytes of each.

Forms are read here and not by FastAPI, which reads all of a body before it asks who sends it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from circuits.errors import InputError
from service.api.bodies import body_length, in_time, media_type
from service.api.problems import Busy, Unsupported
from service.errors import TooLarge

MAX_TEXT_BYTES = 1 << 18
"""Of a field that is no file."""
OVERHEAD_BYTES = 1 << 16
"""What the form itself takes."""
FORM = "multipart/form-data"


@dataclass(frozen=True)
class Form:
    """What was sent: fields by name. The files are gone when the request is done."""

    texts: Mapping[str, str]
    files: Mapping[str, BinaryIO]

    def text(self, name: str) -> str:
        """A field that must be there. Raises InputError."""
        if name not in self.texts:
            raise InputError(f"the form has no field {name!r}")
        return self.texts[name]

    def file(self, name: str) -> BinaryIO:
        """A file that must be there. Raises InputError."""
        if name not in self.files:
            raise InputError(f"the form has no file {name!r}")
        return self.files[name]


class Uploads:
    """Reads forms, in an event loop.

    Parameters
    ----------
    at_a_time
        How many are read at a time; others are told to come back.
    seconds
        How long one may take.
    """

    def __init__(self, at_a_time: int, seconds: float) -> None:
        self._left = at_a_time
        self.seconds = seconds

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place until the block ends. Raises Busy if as many forms are being read as may."""
        if self._left == 0:
            raise Busy("as many uploads are being read as may: come back in a moment")
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1

    @asynccontextmanager
    async def read(
        self, request: Request, limit: int, texts: frozenset[str], files: frozenset[str]
    ) -> AsyncIterator[Form]:
        """A request's form. Its place is taken, and its files are there, until the block ends.

        Parameters
        ----------
        limit
            How many bytes its files may have together.
        texts, files
            The fields that it may have.

        Raises
        ------
        InputError
            If it is no such form.
        TooLarge
            If its files have more bytes.
        Unsupported
            If it is no form at all, or compressed.
        Busy
            If as many forms are being read as may.
        TooSlow
            If it takes too long.
        """
        told = body_length(request) or 0
        if media_type(request) != FORM:
            raise Unsupported(f"this takes a form: {FORM}")
        most = limit + (len(texts) + 1) * MAX_TEXT_BYTES + OVERHEAD_BYTES
        if told > most:
            raise _too_large(limit)
        with self.place():
            parser = MultiPartParser(
                request.headers,
                _bounded(request, most, limit),
                max_files=len(files),
                max_fields=len(texts),
                max_part_size=MAX_TEXT_BYTES,
            )
            try:
                async with in_time(self.seconds):
                    parsed = await parser.parse()
            except MultiPartException as error:
                raise InputError(f"the form cannot be read: {error.message}") from None
            try:
                yield _form(parsed.multi_items(), texts, files, limit)
            finally:
                await parsed.close()


def _form(items: list[tuple[str, Any]], texts: frozenset[str], files: frozenset[str], limit: int) -> Form:
    found_texts: dict[str, str] = {}
    found_files: dict[str, BinaryIO] = {}
    size = 0
    for name, value in items:
        if name in found_texts or name in found_files:
            raise InputError(f"the form has the field {name!r:.80} twice")
        if isinstance(value, UploadFile) and name in files:
            found_files[name] = value.file
            size += value.size or 0
        elif isinstance(value, str) and name in texts:
            found_texts[name] = value
        else:
            known = ", ".join([*sorted(texts), *(f"{file} (a file)" for file in sorted(files))])
            raise InputError(f"the form has the field {name!r:.80}; it may have {known}")
    if size > limit:
        raise _too_large(limit)
    return Form(found_texts, found_files)


async def _bounded(request: Request, most: int, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(limit)
        yield part


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the files have over {limit} bytes, which is the limit")


def form_schema(fields: Mapping[str, str], files: Mapping[str, str], required: list[str]) -> dict[str, Any]:
    """What a form takes, for the OpenAPI document: the meaning of each field and file."""
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text} for name, text in fields.items()
    }
    for name, text in files.items():
        properties[name] = {"type": "string", "format": "binary", "description": text}
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}
