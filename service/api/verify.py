"""Checking what this service, or another, has handed out: proofs and receipts. Nobody needs an account."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from circuits.errors import CheckFailed, FormatError
from service.api.access import Access
from service.api.bodies import read_body
from service.api.problems import Busy
from service.api.uploads import Uploads, form_schema
from service.parts import Parts
from service.receipt_check import MAX_RECEIPT_BYTES, Keyring, check_receipt
from service.verification import Checked, TooMany, Verification
from verifier.proof import PROOF_FILE

MAX_KEY_BYTES = 64 << 20
UPLOAD_SECONDS = 60.0
"""How long sending a proof and its key may take."""
FILES = {
    "proof": "the proof",
    "key": "the verifying key; without it, that of a model here that is public or yours",
}


class _Out(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class KnownModel(_Out):
    """The model whose key a proof was checked against."""

    name: str = Field(description="NAME@TENANT")
    version: int


class VerdictOut(_Out):
    """What a check has found."""

    valid: bool
    says: str = Field(description="what that means, in a sentence")
    reason: str = Field(description="why it is not valid; empty if it is")
    circuit_id: str
    backend: str
    model: KnownModel | None = Field(description="null where the key was sent")
    outputs: list[int] = Field(description="the outputs that are proved, the first 1000 of them, as integers")
    output_count: int
    inputs: str = Field(description="public, or committed")
    input_commitment: str | None = Field(description="what names the input, if it is one sample")
    recipient: str | None = Field(description="the address that it holds for; null: everybody")
    insecure_srs: bool


class ReceiptKey(_Out):
    """The key that signs this service's receipts."""

    key_id: str
    algorithm: str
    public_key: str = Field(description="32 bytes, hexadecimal")
    pem: str


class SampleOut(_Out):
    """What names one sample's input and output."""

    input_commitment: str
    output_commitment: str


class ReceiptOut(_Out):
    """What a receipt says, if this service has signed it."""

    valid: bool
    reason: str
    circuit_id: str | None = None
    model: str | None = None
    version: str | None = None
    tier: str | None = None
    time: datetime | None = None
    job: str | None = None
    samples: list[SampleOut] = Field(default_factory=list)


def verify_router(parts: Parts, access: Access, uploads: Uploads, verification: Verification) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1", tags=["verification"])
    keyring = Keyring([parts.signer.public_key])

    @router.post("/verify", openapi_extra=form_schema({}, FILES, ["proof"]))
    async def verify(request: Request, viewer: str | None = Depends(access.visitor)) -> VerdictOut:
        """Check a proof: against the key that is sent with it, or that of a model here."""
        limit = PROOF_FILE.max_bytes + MAX_KEY_BYTES
        async with uploads.read(request, limit, frozenset(), frozenset(FILES)) as form:
            proof, key = form.file("proof"), form.files.get("key")
            try:
                return _verdict(await asyncio.to_thread(verification.check, viewer, proof, key))
            except TooMany:
                raise Busy("as many proofs are being checked as may: come back in a moment") from None

    @router.get("/receipt-key")
    def receipt_key() -> ReceiptKey:
        """The public key that this service's receipts are signed with."""
        raw = parts.signer.public_key
        pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return ReceiptKey(
            key_id=parts.signer.key_id, algorithm="ed25519", public_key=raw.hex(), pem=pem.decode()
        )

    @router.post("/receipts/verify", openapi_extra=_receipt_body(), dependencies=[Depends(access.visitor)])
    async def verify_receipt(request: Request) -> ReceiptOut:
        """Check a receipt of this service's: the body is the receipt, as an answer had it."""
        body = await read_body(request, MAX_RECEIPT_BYTES, parts.settings.body_seconds)
        return await asyncio.to_thread(_receipt, body, keyring)

    return router


def _verdict(checked: Checked) -> VerdictOut:
    verdict = checked.verdict
    commitment = verdict["input_commitment"]
    return VerdictOut(
        **{
            name: verdict[name]
            for name in ("valid", "reason", "backend", "outputs", "output_count", "inputs", "recipient")
        },
        insecure_srs=verdict["insecure_srs"],
        says=checked.says,
        circuit_id="0x" + verdict["circuit_id"],
        input_commitment=None if commitment is None else "0x" + commitment,
        model=None
        if checked.known is None
        else KnownModel(name=checked.known.model, version=checked.known.version),
    )


def _receipt(data: bytes, keyring: Keyring) -> ReceiptOut:
    try:
        receipt = check_receipt(data, keyring)
    except (CheckFailed, FormatError) as error:
        return ReceiptOut(valid=False, reason=str(error))
    return ReceiptOut(
        valid=True,
        reason="",
        circuit_id="0x" + receipt.circuit_id.hex(),
        model=receipt.model,
        version=receipt.version,
        tier=receipt.tier,
        time=receipt.time,
        job=receipt.job,
        samples=[
            SampleOut(
                input_commitment="0x" + sample.input_commitment.hex(),
                output_commitment="0x" + sample.output_commitment.hex(),
            )
            for sample in receipt.samples
        ],
    )


def _receipt_body() -> dict[str, Any]:
    schema = {"type": "object", "description": "a DSSE envelope in canonical JSON"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
