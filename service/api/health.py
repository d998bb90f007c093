"""GET /api/v1/health: how the service's parts are, for whoever runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from service.health import Health


class Check(BaseModel):
    """One part."""

    name: str
    ok: bool
    detail: str = Field(description="what it is, or what is wrong")
    seconds: float


class Report(BaseModel):
    """How the service is."""

    ready: bool
    stopping: bool = Field(description="whether it takes no more requests because it is about to end")
    version: str
    checks: list[Check]


class Readiness:
    """Whether requests should be sent here.

    Parameters
    ----------
    taking
        Whether the server takes requests, or is about to stop.
    """

    def __init__(self, health: Health, taking: Callable[[], bool]) -> None:
        self._health = health
        self._taking = taking

    async def ready(self) -> bool:
        """Whether all is well."""
        return self._taking() and (await self.report()).ready

    async def report(self) -> Report:
        """How all is."""
        findings = await asyncio.to_thread(self._health.findings)
        checks = [Check(name=f.name, ok=f.ok, detail=f.detail, seconds=round(f.seconds, 6)) for f in findings]
        taking = self._taking()
        return Report(
            ready=taking and all(check.ok for check in checks),
            stopping=not taking,
            version=version("verinfer"),
            checks=checks,
        )


def health_router(readiness: Readiness, who: Callable[..., Awaitable[Any]]) -> APIRouter:
    """The endpoint.

    Parameters
    ----------
    who
        A FastAPI dependency that raises unless whoever asks may know.
    """
    router = APIRouter(prefix="/api/v1", tags=["operation"], dependencies=[Depends(who)])

    @router.get("/health", responses={503: {"model": Report}})
    async def health(response: Response) -> Report:
        """How the service and what it rests on are."""
        report = await readiness.report()
        response.status_code = 200 if report.ready else 503
        return report

    return router
