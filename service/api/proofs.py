"""Public proofs over HTTP: making one public, and looking at one without an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from service.api.bodies import small_bodies
from service.api.downloads import download
from service.api.jobs import JobId
from service.errors import NotFound
from service.handlers.prove import KEY_TYPE, PROOF_TYPE
from service.parts import Parts
from service.sharing import Shared, share, shared, unshare

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="the proof's SHA-256")]
BINARY = {"schema": {"type": "string", "format": "binary"}}


class ShareRequest(BaseModel):
    """How a proof is made public."""

    model_config = ConfigDict(extra="forbid")

    with_others: bool = Field(
        False, description="even if it shows the samples of other jobs of yours as well"
    )


class ProofLinks(BaseModel):
    """Where the files are, and the page for people."""

    self: str
    proof: str
    verifying_key: str
    page: str


class ProofView(BaseModel):
    """A public proof: what it says, and where it is. `model` is told where the model is public."""

    digest: str
    sentence: str
    circuit_id: str
    tier: str
    model: str | None
    version: str | None
    samples: int
    inputs: list[int] | None
    outputs: list[int] | None
    insecure_srs: bool
    recipient: str | None
    proof_bytes: int
    proved_at: datetime
    shared_at: datetime
    links: ProofLinks


def proofs_router(parts: Parts, who: Callable[..., Any]) -> APIRouter:
    """The endpoints; `who` is a FastAPI dependency that gives the id of the tenant that shares, or raises."""
    router = APIRouter(
        prefix="/api/v1", tags=["proofs"], route_class=small_bodies(parts.settings.body_seconds)
    )

    def public(digest: str) -> Shared:
        found = shared(parts, digest)
        if found is None:
            raise NotFound(f"there is no public proof {digest}")
        return found

    @router.post("/jobs/{job_id}/share")
    def make_public(job_id: JobId, how: ShareRequest | None = None, tenant: str = Depends(who)) -> ProofView:
        """Let everybody see a job's proof, at an address by its digest."""
        return _view(public(share(parts, tenant, job_id, how is not None and how.with_others)))

    @router.delete("/jobs/{job_id}/share", status_code=204)
    def make_private(job_id: JobId, tenant: str = Depends(who)) -> None:
        """Let nobody see it any more. Whoever has it, has it."""
        unshare(parts, tenant, job_id)

    @router.get("/proofs/{digest}")
    def one_proof(digest: Digest) -> ProofView:
        """What a public proof says. No account is needed."""
        return _view(public(digest))

    @router.get(
        "/proofs/{digest}/proof",
        response_class=StreamingResponse,
        responses={200: {"content": {PROOF_TYPE: BINARY}}},
    )
    def proof(digest: Digest) -> Response:
        """The proof, as `verinfer verify` reads it."""
        return download(parts.artifacts, public(digest).tenant, digest, f"{digest[:16]}.proof", PROOF_TYPE)

    @router.get(
        "/proofs/{digest}/verifying-key",
        response_class=StreamingResponse,
        responses={200: {"content": {KEY_TYPE: BINARY}}},
    )
    def verifying_key(digest: Digest) -> Response:
        """The key that the proof is for. Whoever relies on it makes it anew from the circuit."""
        found = public(digest)
        name = f"{digest[:16]}.vk"
        return download(parts.artifacts, found.tenant, found.verifying_key, name, KEY_TYPE)

    return router


def _view(found: Shared) -> ProofView:
    path = f"/api/v1/proofs/{found.digest}"
    return ProofView(
        digest=found.digest,
        sentence=found.sentence,
        circuit_id=found.circuit_id,
        tier=found.tier,
        model=found.model,
        version=found.version,
        samples=found.samples,
        inputs=found.inputs,
        outputs=found.outputs,
        insecure_srs=found.insecure_srs,
        recipient=found.recipient,
        proof_bytes=found.size,
        proved_at=found.proved_at,
        shared_at=found.shared_at,
        links=ProofLinks(
            self=path,
            proof=f"{path}/proof",
            verifying_key=f"{path}/verifying-key",
            page=f"/proofs/{found.digest}",
        ),
    )
