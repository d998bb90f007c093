"""The page about what a tenant has used: a chart, a table, and the same as CSV."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from service.api_keys import Caller, Scope
from service.ledger import What
from service.pages.charts import Column, columns
from service.pages.site import Site
from service.pages.words import number, seconds, size
from service.usage import usage, usage_csv

DAYS = 30
ORDER = {what.value: place for place, what in enumerate(What)}
"""The order in which they are shown."""


def usage_pages(site: Site) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)
    member = Depends(site.member(Scope.ACCOUNT))

    @router.get("/usage")
    def shown(request: Request, caller: Caller = member) -> Response:
        today = datetime.now(UTC).date()
        days = [today - timedelta(days=DAYS - 1 - back) for back in range(DAYS)]
        begin, end = (datetime.combine(day, time(), UTC) for day in (days[0], today + timedelta(days=1)))
        found: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
        for one in usage(site.parts.database, caller.tenant, begin, end, by_day=True):
            assert one.day is not None
            found[one.what, one.unit][one.day] = one.quantity
        charts = []
        for (what, unit), by_day in sorted(found.items(), key=_place):
            bars = [
                Column(
                    f"{day:%b} {day.day}",
                    f"{day}: {number(by_day.get(day, 0.0))} {unit}",
                    by_day.get(day, 0.0),
                )
                for day in days
            ]
            charts.append(
                (what.replace("_", " "), _whole(sum(by_day.values()), unit), columns(bars, f"{unit}s a day"))
            )
        return site.render(request, "usage.html", charts=charts, days=DAYS)

    @router.get("/usage.csv")
    def as_csv(caller: Caller = member) -> Response:
        until = datetime.now(UTC) + timedelta(seconds=1)
        rows = usage_csv(site.parts.database, caller.tenant, until - timedelta(days=DAYS), until)
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"', "Cache-Control": "no-store"}
        return StreamingResponse(rows, 200, headers, "text/csv; charset=utf-8")

    return router


def _whole(quantity: float, unit: str) -> str:
    """A sum over the days, with its unit."""
    if unit == What.SECONDS.unit:
        return seconds(quantity)
    if unit == What.BYTES_STORED.unit:
        return size(int(quantity))
    return f"{number(quantity)} {unit}{'' if quantity == 1 else 's'}"


def _place(item: tuple[tuple[str, str], object]) -> int:
    return ORDER.get(item[0][0], len(ORDER))
