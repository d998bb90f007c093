"""Looking up a header of a request."""

from __future__ import annotations

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """A request's header, the first if there are several; None if there is none.

    Starlette's own way takes ten times as long, and a request to infer asks for eight.

    Parameters
    ----------
    name
        In lower case, as ASGI has the names.
    """
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return None
