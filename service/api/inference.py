"""The Open Inference Protocol, version 2, over HTTP. Every answer comes with a receipt.

The receipt stands in the answer's parameters as `receipt`, a string (`service.receipt_check` reads it). The
request's parameter `tier` says how the answer is to be settled: none (as it is by default), sumcheck, ezkl or
optimistic. For any but none, a job is submitted before the answer is given, and named in it as `job`; the
parameters `alone` and `recipient` are that job's.

Specification: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from circuits.errors import InputError
from service import tracing
from service.api.answers import Answer, Answers, Outcome, Question, Unsettled
from service.api.bodies import Bodies, idempotency_key
from service.api.headers import header
from service.api.problems import Busy
from service.api.tensors import InferRequest, metadata
from service.ledger import Meter, What
from service.models import Models, Served
from service.receipts import ReceiptSigner
from service.submitting import Settlement

JSON_BYTES = b"inference-header-content-length"
EXTENSIONS = ("binary_tensor_data",)
CLOSING_SECONDS = 30.0
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Asking:
    """A question, and who waits for what comes of it."""

    question: Question
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


class Inference:
    """Answers requests, in threads of its own.

    Parameters
    ----------
    models, signer
        What is served, and who signs for it.
    submit
        Keeps a job that settles an answer, for good, and returns its id.
    threads, max_waiting
        How many requests are worked on at a time, and how many more may wait.
    max_samples
        The largest batch in a request.
    """

    def __init__(
        self,
        models: Models,
        signer: ReceiptSigner,
        submit: Callable[[Settlement], str],
        *,
        threads: int = 8,
        max_waiting: int = 1024,
        max_samples: int = 256,
    ) -> None:
        self._models = models
        self._answers = Answers(signer, submit, max_samples)
        self._room = self._all_room = threads + max_waiting
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
        self._enter()
        # Whoever asked may go away; the room is free when the work is done.
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._leave)
        return await asyncio.shield(future)

    async def find(self, tenant: str, name: str, version: str | None) -> Served:
        """See `Models.find`. Raises Busy, too."""
        found = self._models.ready(tenant, name, version)
        if found is None:
            found = await self.in_thread(lambda: self._models.find(tenant, name, version))
        return found

    async def ask(self, question: Question) -> Answer:
        """Run a model on the request in a body, and sign for the answer.

        Raises
        ------
        Busy
            If too much waits already, or the service is about to stop.
        InputError, BoundError
            If the request does not fit the model.
        """
        self._enter()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        question.model.batcher.add(_Asking(question, future, loop), self._work, self._threads)
        return await future

    def close(self) -> None:
        """Take no more requests, and wait for those that are being worked on. Call it in a thread."""
        self.ready = False
        until = time.monotonic() + CLOSING_SECONDS
        while self._room < self._all_room and time.monotonic() < until:
            time.sleep(0.01)
        self._threads.shutdown()

    def _enter(self) -> None:
        if not self.ready or self._room == 0:
            raise Busy("the service is " + ("busy: come back in a moment" if self.ready else "stopping"))
        self._room -= 1

    def _leave(self, future: asyncio.Future[Any]) -> None:
        self._room += 1
        if not future.cancelled():
            future.exception()  # it is looked at here if nobody waits for it any more

    def _work(self, batch: Sequence[_Asking]) -> None:
        """Answer a batch, in a thread. Those whose jobs are to be kept first do not hold up the others."""
        done: dict[asyncio.AbstractEventLoop, list[tuple[_Asking, Outcome]]] = {}
        for asking, found in zip(batch, self._answers.to([one.question for one in batch]), strict=True):
            if callable(found):
                self._threads.submit(self._settle, asking, found)
            else:
                done.setdefault(asking.loop, []).append((asking, found))
        for loop, outcomes in done.items():
            loop.call_soon_threadsafe(self._deliver, outcomes)

    def _settle(self, asking: _Asking, unsettled: Unsettled) -> None:
        try:
            outcome: Outcome = unsettled()
        except Exception as error:
            outcome = error
        asking.loop.call_soon_threadsafe(self._deliver, [(asking, outcome)])

    def _deliver(self, outcomes: Sequence[tuple[_Asking, Outcome]]) -> None:
        for asking, outcome in outcomes:
            self._room += 1
            if asking.future.done():  # nobody waits any more
                continue
            if isinstance(outcome, Exception):
                asking.future.set_exception(outcome)
            else:
                asking.future.set_result(outcome)


class InferEndpoint:
    """The endpoint that runs a model.

    Parameters
    ----------
    who
        Gives the id of the tenant that asks, or raises.
    bodies
        What requests are read with.
    meter
        What counts those that were answered.
    """

    def __init__(
        self, inference: Inference, who: Callable[[Request], Awaitable[str]], bodies: Bodies, meter: Meter
    ) -> None:
        self._inference = inference
        self._who = who
        self._bodies = bodies
        self._meter = meter

    async def __call__(self, request: Request, name: str, number: str | None) -> Response:
        """Answer by a version of a model, by default the newest."""
        tenant = await self._who(request)
        json_bytes = _json_bytes(request)
        key = idempotency_key(request)
        model = await self._inference.find(tenant, name, number)
        async with self._bodies.read(request, tenant) as body:
            question = Question(tenant, model, body, json_bytes, key, tracing.current())
            answer = await self._inference.ask(question)
        counted = {
            What.REQUESTS: 1,
            What.SAMPLES: answer.samples,
            What.BYTES_IN: len(body),
            What.BYTES_OUT: len(answer.json) + len(answer.binary),
        }
        self._meter.count(tenant, counted)
        if not answer.binary:
            return Response(answer.json, media_type="application/json")
        headers = {JSON_BYTES.decode(): str(len(answer.json))}
        return Response(answer.json + answer.binary, 200, headers, "application/octet-stream")


def inference_router(
    inference: Inference,
    endpoint: InferEndpoint,
    who: Callable[[Request], Awaitable[str]],
    ready: Callable[[], Awaitable[bool]],
    version: str,
) -> APIRouter:
    """The protocol's endpoints.

    Parameters
    ----------
    endpoint
        What requests to infer are given to.
    who
        A FastAPI dependency that gives the id of the tenant that asks, or raises.
    ready
        Whether the service can do what it is for.
    version
        The service's own version.
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
    async def said() -> Response:
        """The service takes requests, and can do what they ask."""
        good = await ready()
        return _json({"ready": good}, 200 if good else 503)

    async def described(tenant: str, name: str, number: str | None) -> Response:
        found = await inference.find(tenant, name, number)
        content = {
            "name": found.name,
            "versions": found.versions,
            "platform": "verinfer_circuit",
            **metadata(found.circuit),
            "parameters": {"circuit_id": found.circuit.circuit_id.hex(), "version": found.version},
        }
        return _json(content)

    async def said_ready(tenant: str, name: str, number: str | None) -> Response:
        found = await inference.find(tenant, name, number)
        return _json({"name": found.name, "ready": inference.ready}, 200 if inference.ready else 503)

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
    async def infer(request: Request, name: str) -> Response:
        """The answer of a model's newest version, with its receipt."""
        return await endpoint(request, name, None)

    @router.post("/models/{name}/versions/{number}/infer", openapi_extra=body_schema)
    async def version_infer(request: Request, name: str, number: str) -> Response:
        """The answer of a version of a model, with its receipt."""
        return await endpoint(request, name, number)

    return router


def _json_bytes(request: Request) -> int | None:
    text = header(request.scope, JSON_BYTES)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("Inference-Header-Content-Length is no number of bytes")
    return int(text)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(content), status, media_type="application/json")
