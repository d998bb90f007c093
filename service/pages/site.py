"""What all pages share: templates, who visits, forms, and errors as pages."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from circuits.errors import InputError
from service.api.access import Access
from service.api.bodies import body_length, in_time
from service.api.request_ids import request_id
from service.api.uploads import Uploads
from service.api_keys import Caller, Forbidden, Scope, Unauthenticated
from service.errors import NotFound, TooLarge
from service.pages.files import StaticFiles
from service.pages.sessions import Sessions, new_token
from service.pages.words import FILTERS
from service.parts import LOCAL_TENANT, Parts

COOKIE = "verinfer"
CSRF = "csrf"
"""The form field that shows that a form is ours."""
MAX_FORM_BYTES = 4 << 20
MAX_FIELDS, MAX_FILES = 40, 4
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*", re.ASCII)


@dataclass(frozen=True)
class Visitor:
    """A browser, by its cookie.

    Parameters
    ----------
    new
        Whether the cookie is yet to be given.
    caller
        Who has signed in; with local access, the tenant `local`.
    """

    token: str
    new: bool
    caller: Caller | None

    @property
    def csrf(self) -> str:
        """What this visitor's forms carry: it follows from the cookie, which no other page can read."""
        return hmac.new(self.token.encode(), b"form", hashlib.sha256).hexdigest()


class Site:
    """The pages of a service. Its templates and files are read once."""

    def __init__(self, parts: Parts, access: Access) -> None:
        self.parts = parts
        self.access = access
        self.local = parts.settings.access == "local"
        self.sessions = Sessions(parts.database)
        self.files = StaticFiles.read()
        self._caller = (
            Caller(parts.tenant(LOCAL_TENANT), LOCAL_TENANT, frozenset(Scope)) if self.local else None
        )
        self._templates = Environment(
            loader=PackageLoader("service.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(FILTERS)
        self._templates.globals.update(
            static=self.files.url, local=self.local, has_chain=parts.settings.has_chain
        )

    def visitor(self, request: Request) -> Visitor:
        """Who visits. A FastAPI dependency; it reads the database."""
        _check_words((*request.path_params.values(), *request.query_params.values()))
        token = request.cookies.get(cookie_name(request), "")
        new = _TOKEN.fullmatch(token) is None
        token = new_token() if new else token
        caller = self._caller
        if not self.local and not new:
            caller = self.sessions.find(token)
        visitor = Visitor(token, new, caller)
        request.state.visitor = visitor
        return visitor

    def member(self, scope: Scope | None = None) -> Callable[[Request], Caller]:
        """A FastAPI dependency: who has signed in, if the key has a scope.

        It raises Unauthenticated, and Forbidden.
        """

        def signed_in(request: Request) -> Caller:
            caller = self.visitor(request).caller
            if caller is None:
                raise Unauthenticated("sign in first")
            if scope is not None:
                caller.require(scope)
            return caller

        return signed_in

    def render(self, request: Request, template: str, code: int = 200, **shown: object) -> Response:
        """A page, or a part of one."""
        visitor: Visitor = request.state.visitor
        text = self._templates.get_template(template).render(
            visitor=visitor, path=request.url.path, csrf_field=CSRF, **shown
        )
        response = HTMLResponse(text, code, {"Cache-Control": "no-store"})
        if visitor.new:
            give_cookie(request, response, visitor.token)
        return response

    async def form(
        self, request: Request, largest: int = MAX_FORM_BYTES, seconds: float | None = None
    ) -> FormData:
        """The fields and files of a form of ours.

        Parameters
        ----------
        largest
            How many bytes all of it may have.
        seconds
            How long it may take to arrive; by default as long as any request.

        Raises
        ------
        TooLarge
            If it has more.
        TooSlow
            If it takes longer.
        InputError
            If it does not say how many.
        Unsupported
            If it is compressed.
        Forbidden
            If it is not from a page that this visitor was given.
        """
        length = body_length(request)
        if length is None:
            raise InputError("the request does not say how long it is")
        if length > largest:
            raise TooLarge(f"this is too large: at most {largest:,} bytes are taken")
        async with in_time(self.parts.settings.body_seconds if seconds is None else seconds):
            data = await request.form(
                max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=MAX_FORM_BYTES
            )
        _check_words(value for value in data.values() if isinstance(value, str))
        visitor: Visitor = request.state.visitor
        if not hmac.compare_digest(text(data, CSRF).encode(), visitor.csrf.encode()):
            raise Forbidden("this form is out of date, or not from here: go back, reload the page, try again")
        return data

    @asynccontextmanager
    async def upload(self, request: Request, uploads: Uploads, largest: int) -> AsyncIterator[FormData]:
        """As `form`, for one with large files: it takes one of the places for uploads until the block ends,
        and then its files are gone. Raises Busy as well, if there is no place.
        """
        with uploads.place():
            data = await self.form(request, largest, uploads.seconds)
            try:
                yield data
            finally:
                await data.close()

    def problem(self, request: Request, status: int, detail: str) -> Response:
        """An error as a page; whoever must sign in is led there."""
        if not hasattr(request.state, "visitor"):
            # Without asking the database, which may be what failed.
            request.state.visitor = Visitor(new_token(), False, self._caller)
        part = "HX-Request" in request.headers
        if status == HTTPStatus.UNAUTHORIZED and request.method == "GET" and not part:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
        if part:
            return self.render(request, "problem_part.html", status, detail=detail)
        return self.render(
            request,
            "problem.html",
            status,
            status=status,
            title=HTTPStatus(status).phrase,
            detail=detail,
            request_id=request_id(request),
        )


def cookie_name(request: Request) -> str:
    """The cookie's name. By https it is one that no other host can set."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


def give_cookie(request: Request, response: Response, token: str) -> None:
    """Give a visitor a token, until the browser is closed."""
    https = request.url.scheme == "https"
    response.set_cookie(cookie_name(request), token, httponly=True, samesite="lax", secure=https)


def _check_words(texts: Iterable[str]) -> None:
    """Raise NotFound if one of some texts is none that databases take: there can be nothing of that name."""
    for one in texts:
        if "\0" in one or one.encode(errors="ignore").decode() != one:
            raise NotFound("there can be nothing of that name")


def text(form: FormData, name: str) -> str:
    """A field of a form; empty if there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def upload(form: FormData, name: str) -> UploadFile | None:
    """A file of a form; None if none was chosen."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def local_path(path: str) -> str:
    """A path on this service to go on to; the home page where a link names another place."""
    return path if _LOCAL_PATH.fullmatch(path) else "/"
