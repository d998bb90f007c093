"""Pages about claims: answers with a bond on the settings' chain, their disputes, and each descent drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from circuits.errors import ChainError
from contracts.claim_status import ClaimStatus
from service.api.problems import Busy
from service.api_keys import Caller
from service.errors import NotFound
from service.pages.security import DRAWING_POLICY
from service.pages.site import Site

if TYPE_CHECKING:
    from challenger.history import ClaimHistory
    from service.claims import Claims

STATUSES = {
    ClaimStatus.PROVISIONAL: ("open to dispute", "busy"),
    ClaimStatus.FINAL: ("final", "good"),
    ClaimStatus.REVOKED: ("revoked", "bad"),
}
"""What pages call each status, and its colour."""
WEI = 10**18
MOST_OUTPUT_BYTES = 256
_CLAIM = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
T = TypeVar("T")


def claim_pages(site: Site, claims: Claims | None) -> APIRouter:
    """The pages.

    Parameters
    ----------
    claims
        Those of the settings' chain; None if the settings have none.
    """
    router = APIRouter(include_in_schema=False)
    member = Depends(site.member())

    @router.get("/claims")
    def listed(request: Request, caller: Caller = member) -> Response:
        board = None if claims is None else _asked(claims.board)
        return site.render(
            request, "claims.html", board=board, statuses=STATUSES, wei=WEI, now=datetime.now(UTC)
        )

    @router.get("/claims/{claim_id}")
    def shown(request: Request, claim_id: str, caller: Caller = member) -> Response:
        history = _history(claim_id)
        return site.render(
            request,
            "claim.html",
            history=history,
            claim_id=claim_id,
            statuses=STATUSES,
            wei=WEI,
            output=history.output[:MOST_OUTPUT_BYTES].hex(),
            cut=len(history.output) > MOST_OUTPUT_BYTES,
        )

    @router.get("/claims/{claim_id}/disputes/{challenger}.svg")
    def drawing(claim_id: str, challenger: str, caller: Caller = member) -> Response:
        if not _ADDRESS.fullmatch(challenger):
            raise NotFound("a dispute is named by its challenger's address")
        found = _asked(lambda: on_chain().drawing(_identifier(claim_id), challenger, caller.tenant))
        headers = {"Content-Security-Policy": DRAWING_POLICY, "Cache-Control": "no-store"}
        return Response(found, 200, headers, "image/svg+xml")

    def _history(claim_id: str) -> ClaimHistory:
        return _asked(lambda: on_chain().history(_identifier(claim_id)))

    def on_chain() -> Claims:
        if claims is None:
            raise NotFound("this service has no chain, and so no claims")
        return claims

    return router


def _identifier(text: str) -> bytes:
    if not _CLAIM.fullmatch(text):
        raise NotFound(f"{text!r:.80} is no claim's id: it is 0x and 64 digits")
    return bytes.fromhex(text[2:])


def _asked(question: Callable[[], T]) -> T:
    """The answer of the chain. Raises Busy if it has none now."""
    try:
        return question()
    except ChainError as error:
        raise Busy(f"the chain does not answer: {error}") from None
