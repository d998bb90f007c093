"""The Open Inference Protocol, version 2, over HTTP. Every answer comes with a receipt.

The receipt stands in the answer's parameters as `receipt`, a string (`service.receipt_check` reads it). The
request's parameter `tier` says how the answer is to be settled: none (as it is by default), sumcheck, ezkl or
optimistic. For any but none, a job is submitted before the answer is given, and named in it as `job`.

Specification: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from circuits.errors import InputError
from circuits.tensor import IntArray
from service.api.problems import Busy, Unsupported
from service.api.tensors import InferRequest, metadata, read_request, write_outputs
from service.errors import TooLarge
from service.models import Models, Served
from service.receipts import ReceiptSigner, receipt_of

JSON_BYTES = "Inference-Header-Content-Length"
EXTENSIONS = ("binary_tensor_data",)
MAX_IDEMPOTENCY_KEY = 255
T = TypeVar("T")


class Tier(StrEnum):
    """How an answer is settled."""

    NONE = "none"
    SUMCHECK = "sumcheck"
    EZKL = "ezkl"
    OPTIMISTIC = "optimistic"


@dataclass(frozen=True)
class Settlement:
    """What a job is to settle: a model's answer on inputs, integers of shape (batch, *port's shape)."""

    tenant: str
    model: Served
    tier: Tier
    inputs: Sequence[IntArray]
    idempotency_key: str | None


class Submit(Protocol):
    """Where jobs go."""

    def __call__(self, settlement: Settlement) -> str:
        """Keep a job, for good, and return its id.

        Raises
        ------
        InputError
            If there cannot be such a job.
        """


@dataclass(frozen=True)
class Answer:
    """An answer's JSON, and the binary data behind it."""

    json: bytes
    binary: bytes


class Inference:
    """Answers requests, in threads of its own.

    Parameters
    ----------
    models, signer
        What is served, and who signs for it.
    submit
        Where jobs go; without it, no tier but none can be had.
    threads, max_waiting
        How many requests are worked on at a time, and how many more may wait.
    max_samples
        The largest batch in a request.
    """

    def __init__(
        self,
        models: Models,
        signer: ReceiptSigner,
        submit: Submit | None = None,
        *,
        threads: int = 8,
        max_waiting: int = 1024,
        max_samples: int = 256,
    ) -> None:
        self._models = models
        self._signer = signer
        self._submit = submit
        self._max_samples = max_samples
        self._room = threads + max_waiting
        self._threads = ThreadPoolExecutor(threads, "inference")
        self.ready = True
        """Whether requests are taken."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Have something done in one of the threads.

        Raises
        ------
        Busy
            If too much waits already, or the service is about to stop.
        """
        if not self.ready or self._room == 0:
            raise Busy("the service is " + ("busy: come back in a moment" if self.ready else "stopping"))
        self._room -= 1
        # Whoever asked may go away; the room is free when the work is done.
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._leave)
        return await asyncio.shield(future)

    def _leave(self, future: asyncio.Future[Any]) -> None:
        self._room += 1
        if not future.cancelled():
            future.exception()  # it is looked at here if nobody waits for it any more

    def close(self) -> None:
        """Take no more requests, and wait for those that are being worked on."""
        self.ready = False
        self._threads.shutdown()

    def find(self, tenant: str, name: str, version: str | None) -> Served:
        """See `Models.find`."""
        return self._models.find(tenant, name, version)

    def answer(
        self,
        tenant: str,
        name: str,
        version: str | None,
        body: bytes,
        json_bytes: int | None,
        idempotency_key: str | None,
    ) -> Answer:
        """Run a model on the request in a body, and sign for the answer.

        Raises
        ------
        NotFound
            If the tenant has no such model.
        InputError, BoundError
            If the request does not fit it.
        """
        model = self._models.find(tenant, name, version)
        circuit = model.circuit
        asked = read_request(circuit, body, json_bytes)
        if asked.samples > self._max_samples:
            raise InputError(f"the batch has {asked.samples} samples, over the limit of {self._max_samples}")
        tier = _tier(asked.parameters)
        if tier is not Tier.NONE and self._submit is None:
            raise InputError(f"this service settles nothing, so the tier {tier.value} is not to be had here")
        outputs = model.batcher.run(asked.inputs)
        described, binary = write_outputs(circuit, outputs, asked.outputs)
        job = None
        if tier is not Tier.NONE and self._submit is not None:
            job = self._submit(Settlement(tenant, model, tier, asked.inputs, idempotency_key))
        receipt = receipt_of(
            circuit, asked.inputs, outputs, model=model.name, version=model.version, tier=tier, job=job
        )
        parameters = {"receipt": self._signer.sign(receipt), "tier": tier.value}
        response: dict[str, Any] = {
            "model_name": model.name,
            "model_version": model.version,
            "outputs": described,
            "parameters": parameters if job is None else {**parameters, "job": job},
        }
        if asked.id is not None:
            response["id"] = asked.id
        return Answer(to_json(response), b"".join(binary))


def inference_router(
    inference: Inference, who: Callable[..., Any], version: str, max_body_bytes: int
) -> APIRouter:
    """The protocol's endpoints.

    Parameters
    ----------
    who
        A FastAPI dependency that gives the id of the tenant that asks, or raises.
    version
        The service's own version.
    max_body_bytes
        The largest request.
    """
    router = APIRouter(prefix="/v2", tags=["inference"])

    @router.get("")
    async def server_metadata() -> Response:
        """What this server is."""
        return _json({"name": "verinfer", "version": version, "extensions": EXTENSIONS})

    @router.get("/health/live")
    async def live() -> Response:
        """The service runs."""
        return _json({"live": True})

    @router.get("/health/ready")
    async def ready() -> Response:
        """The service takes requests."""
        return _json({"ready": inference.ready}, 200 if inference.ready else 503)

    async def described(tenant: str, name: str, number: str | None) -> Response:
        found = await inference.in_thread(lambda: inference.find(tenant, name, number))
        content = {
            "name": found.name,
            "versions": found.versions,
            "platform": "verinfer_circuit",
            **metadata(found.circuit),
            "parameters": {"circuit_id": found.circuit.circuit_id.hex(), "version": found.version},
        }
        return _json(content)

    async def said_ready(tenant: str, name: str, number: str | None) -> Response:
        found = await inference.in_thread(lambda: inference.find(tenant, name, number))
        return _json({"name": found.name, "ready": inference.ready}, 200 if inference.ready else 503)

    async def answered(request: Request, tenant: str, name: str, number: str | None) -> Response:
        json_bytes = _json_bytes(request)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
            raise InputError(f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters")
        body = await _body(request, max_body_bytes)
        answer = await inference.in_thread(
            lambda: inference.answer(tenant, name, number, body, json_bytes, key)
        )
        if not answer.binary:
            return Response(answer.json, media_type="application/json")
        headers = {JSON_BYTES: str(len(answer.json))}
        return Response(answer.json + answer.binary, 200, headers, "application/octet-stream")

    body_schema = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": InferRequest.model_json_schema()}},
        }
    }

    @router.get("/models/{name}")
    async def model_metadata(name: str, tenant: str = Depends(who)) -> Response:
        """What a model's newest version takes and gives."""
        return await described(tenant, name, None)

    @router.get("/models/{name}/versions/{number}")
    async def version_metadata(name: str, number: str, tenant: str = Depends(who)) -> Response:
        """What a version of a model takes and gives."""
        return await described(tenant, name, number)

    @router.get("/models/{name}/ready")
    async def model_ready(name: str, tenant: str = Depends(who)) -> Response:
        """A model can be asked."""
        return await said_ready(tenant, name, None)

    @router.get("/models/{name}/versions/{number}/ready")
    async def version_ready(name: str, number: str, tenant: str = Depends(who)) -> Response:
        """A version of a model can be asked."""
        return await said_ready(tenant, name, number)

    @router.post("/models/{name}/infer", openapi_extra=body_schema)
    async def infer(request: Request, name: str, tenant: str = Depends(who)) -> Response:
        """The answer of a model's newest version, with its receipt."""
        return await answered(request, tenant, name, None)

    @router.post("/models/{name}/versions/{number}/infer", openapi_extra=body_schema)
    async def version_infer(request: Request, name: str, number: str, tenant: str = Depends(who)) -> Response:
        """The answer of a version of a model, with its receipt."""
        return await answered(request, tenant, name, number)

    return router


def _tier(parameters: dict[str, Any]) -> Tier:
    value = parameters.get("tier", Tier.NONE.value)
    try:
        return Tier(value)
    except ValueError:
        known = ", ".join(tier.value for tier in Tier)
        raise InputError(f"the parameter 'tier' is one of {known}, not {value!r:.40}") from None


def _json_bytes(request: Request) -> int | None:
    text = request.headers.get(JSON_BYTES)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError(f"{JSON_BYTES} is no number of bytes")
    return int(text)


async def _body(request: Request, limit: int) -> bytes:
    """All of a request's body."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Unsupported("the body is compressed: send it as it is")
    length = request.headers.get("Content-Length", "0")
    too_large = TooLarge(f"the request has over {limit} bytes")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")
