"""What a tenant has used, over HTTP."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from circuits.errors import InputError
from service.api.access import Access
from service.api_keys import Scope
from service.artifacts import stored_bytes
from service.parts import Parts
from service.usage import usage, usage_csv

BY_DEFAULT = timedelta(days=30)
LONGEST = timedelta(days=1000)
"""Of what is summed by day in one answer."""


class Group(StrEnum):
    """What is summed up: each day's, or all."""

    DAY = "day"
    WHAT = "what"


class UsageItem(BaseModel):
    """How much of something was used."""

    day: date | None = Field(description="in UTC; null where all days are summed up")
    what: str
    quantity: float
    unit: str


class UsageAnswer(BaseModel):
    """What a tenant has used."""

    begin: datetime = Field(serialization_alias="from", description="from then on")
    end: datetime = Field(serialization_alias="to", description="before then")
    stored_bytes: int = Field(description="bytes of all files that are kept now")
    items: list[UsageItem]


From = Annotated[
    AwareDatetime | date | None,
    Query(
        alias="from", description="from then on; a date is its first moment in UTC; by default 30 days before"
    ),
]
To = Annotated[
    AwareDatetime | date | None, Query(alias="to", description="before then; by default until now")
]


def usage_router(parts: Parts, access: Access) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1", tags=["usage"])
    who = access.tenant(Scope.ACCOUNT)

    @router.get("/usage")
    def used(
        begin: From = None, end: To = None, group: Group = Group.DAY, tenant: str = Depends(who)
    ) -> UsageAnswer:
        """What was used: requests, samples, bytes, proofs, seconds of workers."""
        since, until = _span(begin, end)
        if group is Group.DAY and until - since > LONGEST:
            raise InputError(
                f"from and to are over {LONGEST.days} days apart: ask for less, or by group=what"
            )
        found = usage(parts.database, tenant, since, until, group is Group.DAY)
        with parts.database.read() as session:
            stored = stored_bytes(session, tenant)
        items = [UsageItem(day=x.day, what=x.what, quantity=x.quantity, unit=x.unit) for x in found]
        return UsageAnswer(begin=since, end=until, stored_bytes=stored, items=items)

    @router.get(
        "/usage.csv",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def used_csv(begin: From = None, end: To = None, tenant: str = Depends(who)) -> StreamingResponse:
        """Every entry of the ledger, as CSV."""
        since, until = _span(begin, end)
        name = f"usage-{since:%Y-%m-%d}-{until:%Y-%m-%d}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        rows = usage_csv(parts.database, tenant, since, until)
        return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _span(begin: datetime | date | None, end: datetime | date | None) -> tuple[datetime, datetime]:
    """From when until when. Raises InputError."""
    try:
        until = datetime.now(UTC) + timedelta(seconds=1) if end is None else _moment(end)
        since = until - BY_DEFAULT if begin is None else _moment(begin)
    except OverflowError:
        raise InputError("from and to lie in the years 1 to 9999") from None
    if since > until:
        raise InputError("from lies behind to")
    return since, until


def _moment(given: datetime | date) -> datetime:
    if isinstance(given, datetime):
        return given.astimezone(UTC)
    return datetime.combine(given, time(), UTC)
