"""Quotes over HTTP: what a proof will about take and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from circuits.errors import InputError
from service.api.bodies import small_bodies
from service.api.jobs import MODEL_PATTERN, NUMBER_PATTERN
from service.parts import Parts
from service.quotes import Quotes
from service.submitting import Tier


class QuoteRequest(BaseModel):
    """The job that is thought of."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(pattern=MODEL_PATTERN)
    version: str | None = Field(None, pattern=NUMBER_PATTERN)
    tier: Tier = Tier.SUMCHECK
    samples: int = Field(1, ge=1, le=4096)


class RangeView(BaseModel):
    """A quantity that is not known yet: nine times in ten it lies between `low` and `high`."""

    low: float
    likely: float
    high: float


class QuoteView(BaseModel):
    """What the job will about take: times in seconds, memory and length in bytes. `measured_jobs` says on how
    many jobs of the version it rests; with 0, it is an estimate only."""

    tier: Tier
    samples: int
    measured_jobs: int
    jobs_ahead: int
    workers: int
    wait: RangeView
    seconds: RangeView
    peak_bytes: RangeView
    proof_bytes: int | None
    cost: RangeView
    currency: str


def quotes_router(parts: Parts, quotes: Quotes, who: Callable[..., Any], max_samples: int) -> APIRouter:
    """The endpoint; `who` is a FastAPI dependency that gives the id of the tenant that asks, or raises."""
    router = APIRouter(
        prefix="/api/v1/quotes", tags=["jobs"], route_class=small_bodies(parts.settings.body_seconds)
    )

    @router.post("")
    def quote(asked: QuoteRequest, tenant: str = Depends(who)) -> QuoteView:
        """What a proof will about take and cost. Nothing is begun."""
        if asked.tier not in (Tier.SUMCHECK, Tier.EZKL):
            raise InputError(f"the tier {asked.tier.value!r} makes no proof: there is nothing to quote")
        if asked.samples > max_samples:
            raise InputError(f"a job has at most {max_samples} samples")
        model = parts.models.find(tenant, asked.model, asked.version)
        return QuoteView(**asdict(quotes.quote(tenant, model, asked.tier, asked.samples)))

    return router
