"""Quotes over HTTP: what a proof will about take and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from circuits.errors import ChainError, CheckFailed, InputError
from service.api.bodies import small_bodies
from service.api.jobs import MODEL_PATTERN, NUMBER_PATTERN
from service.api.problems import Busy
from service.models import Served
from service.parts import Parts
from service.quotes import Quotes
from service.submitting import Tier

if TYPE_CHECKING:
    from service.claim_terms import ClaimQuotes


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


class ClaimView(BaseModel):
    """What a claim takes, and on what terms it stands. Amounts of wei are decimal numbers, as text."""

    model_config = ConfigDict(protected_namespaces=())

    chain_id: int
    tier: str = Field(description="the contract's address")
    model_id: str
    first: bool = Field(description="whether it would be the first of its model, which takes more gas")
    gas: int = Field(description="to post it, at most; the service's account pays it")
    gas_price_wei: str = Field(description="what the chain asks for a unit of gas now")
    gas_wei: str = Field(description="the gas at that price")
    bond_wei: str = Field(description="held until the claim is final, and lost if it is disputed and lost")
    window_seconds: int = Field(description="until it is final, if nobody disputes it")
    longest_seconds: int = Field(description="until it is final, if disputes take as long as they can")


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
    peak_bytes: RangeView | None = Field(description="null for a claim")
    proof_bytes: int | None
    cost: RangeView
    currency: str
    claim: ClaimView | None = Field(
        None, description="of the tier `optimistic`; `seconds` ends when it is posted"
    )


def quotes_router(
    parts: Parts,
    quotes: Quotes,
    claims: ClaimQuotes | None,
    who: Callable[..., Any],
    max_samples: int,
) -> APIRouter:
    """The endpoint.

    Parameters
    ----------
    claims
        What claims take on the settings' chain; None if the settings have none.
    who
        A FastAPI dependency that gives the id of the tenant that asks, or raises.
    """
    router = APIRouter(
        prefix="/api/v1/quotes", tags=["jobs"], route_class=small_bodies(parts.settings.body_seconds)
    )

    @router.post("")
    def quote(asked: QuoteRequest, tenant: str = Depends(who)) -> QuoteView:
        """What a proof, or a claim, will about take and cost. Nothing is begun."""
        if asked.tier is Tier.NONE:
            raise InputError("the tier 'none' settles nothing: there is nothing to quote")
        if asked.samples > max_samples:
            raise InputError(f"a job has at most {max_samples} samples")
        model = parts.models.find(tenant, asked.model, asked.version)
        if asked.tier is Tier.OPTIMISTIC:
            return claimed(tenant, model, asked.samples)
        return QuoteView(**asdict(quotes.quote(tenant, model, asked.tier, asked.samples)))

    def claimed(tenant: str, model: Served, samples: int) -> QuoteView:
        if claims is None:
            raise InputError(
                "this service has no chain to post claims to: its operator sets chain_rpc, chain_tier and "
                "chain_key to offer the tier 'optimistic'"
            )
        if samples != 1:
            raise InputError(f"there are {samples} samples, and a claim is about one")
        try:
            terms = claims.terms(model.circuit)
        except ChainError as error:
            raise Busy(f"the chain does not answer: {error}") from None
        except CheckFailed as error:
            raise InputError(f"there is nothing to claim: {error}") from None
        view = asdict(terms) | {
            "gas_price_wei": str(terms.gas_price_wei),
            "gas_wei": str(terms.gas * terms.gas_price_wei),
            "bond_wei": str(terms.bond_wei),
        }
        return QuoteView(
            **asdict(quotes.quote_claim(tenant, model, Tier.OPTIMISTIC)), claim=ClaimView(**view)
        )

    return router
