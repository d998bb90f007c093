"""The page about what a tenant has used: a chart, a table, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from service.api_keys import Caller
from service.database import Database
from service.pages.charts import Column, columns
from service.pages.site import Site
from service.pages.words import number
from service.usage import usage

DAYS = 30
CHARTED = "proof"


def usage_pages(site: Site) -> APIRouter:
    """The page."""
    router = APIRouter(include_in_schema=False)
    member = Depends(site.member())

    @router.get("/usage")
    def shown(request: Request, caller: Caller = member) -> Response:
        today = datetime.now(UTC).date()
        days = [today - timedelta(days=DAYS - 1 - back) for back in range(DAYS)]
        found = daily(site.parts.database, caller.tenant, days[0])
        charts = []
        for (what, unit), by_day in sorted(found.items()):
            bars = [
                Column(
                    f"{day:%b} {day.day}",
                    f"{day}: {number(by_day.get(day, 0.0))} {unit}",
                    by_day.get(day, 0.0),
                )
                for day in days
            ]
            charts.append((what, unit, sum(by_day.values()), columns(bars, f"{what}, {unit} a day")))
        return site.render(request, "usage.html", charts=charts, days=DAYS)

    @router.get("/usage.csv")
    def as_csv(caller: Caller = member) -> Response:
        first = datetime.now(UTC).date() - timedelta(days=DAYS - 1)
        file = io.StringIO()
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["day", "what", "quantity", "unit"])
        for (what, unit), by_day in sorted(daily(site.parts.database, caller.tenant, first).items()):
            rows.writerows([str(day), what, f"{by_day[day]:.10g}", unit] for day in sorted(by_day))
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"', "Cache-Control": "no-store"}
        return Response(file.getvalue(), 200, headers, "text/csv")

    return router


def daily(database: Database, tenant: str, first: date) -> dict[tuple[str, str], dict[date, float]]:
    """How much of what, and in which unit, a tenant has used on each day (UTC) since the first one."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    found: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    for item in usage(database, tenant, begin, datetime.now(UTC) + timedelta(days=1), by_day=True):
        assert item.day is not None
        found[item.what, item.unit][item.day] = item.quantity
    return found
