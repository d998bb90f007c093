"""Trying a model: an answer at once, with its receipt; then the job that proves it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from circuits.data import input_ports
from circuits.errors import InputError
from circuits.tensor import IntArray
from prover.backends import BACKENDS
from service.api.answers import executed
from service.api.bodies import MAX_IDEMPOTENCY_KEY
from service.api_keys import Caller, Scope
from service.ledger import Meter, What
from service.models import Served
from service.pages import charts
from service.pages.site import MAX_FORM_BYTES, Site, text, upload
from service.pages.values import Shown, Tensor, canvas, example, read_values, show, tensors_of
from service.quotes import Quotes
from service.receipt_check import Receipt
from service.receipts import samples_of
from service.submitting import BINDING, Settlement, Submitter, Tier

MOST_NODES = 2000
"""Of larger circuits it takes long to say how long a proof takes."""
MOST_SHOWN = 20
"""How many answers of a batch are shown."""


@dataclass(frozen=True)
class Offer:
    """A way in which an answer can be proved, and about how many seconds that takes, if that is known."""

    tier: str
    seconds: float | None

    @property
    def binds(self) -> bool:
        """Whether the proof can be made for one recipient."""
        return self.tier in BINDING


@dataclass(frozen=True)
class Answer:
    """What a model answered."""

    samples: tuple[tuple[tuple[Shown, ...], tuple[Shown, ...]], ...]
    """The first samples: inputs and outputs."""
    count: int
    seconds: float
    receipt: Receipt
    signed: str
    integers: str
    """The inputs as JSON, from which the proof is made."""


def asking_pages(site: Site, submit: Submitter, quotes: Quotes, meter: Meter) -> APIRouter:
    """The pages."""
    router = APIRouter(include_in_schema=False)
    parts = site.parts
    asker, prover = Depends(site.member(Scope.INFER)), Depends(site.member(Scope.JOBS))

    @router.get("/models/{name}/try")
    def form(request: Request, name: str, version: str | None = None, caller: Caller = asker) -> Response:
        return _page(request, parts.models.find(caller.tenant, name, version), "")

    def _page(
        request: Request,
        model: Served,
        given: str,
        answer: Answer | None = None,
        offers: Sequence[Offer] = (),
        problem: str | None = None,
        saturate: bool = False,
    ) -> Response:
        return site.render(
            request,
            "try.html",
            200 if problem is None else 400,
            model=model,
            ports=input_ports(model.circuit),
            canvas=canvas(model.circuit),
            given=given or example(model.circuit),
            saturate=saturate,
            answer=answer,
            problem=problem,
            offers=offers,
            bar=charts.bar,
            may_prove=Scope.JOBS in request.state.visitor.caller.scopes,
        )

    @router.post("/models/{name}/try")
    async def ask(request: Request, name: str, caller: Caller = asker) -> Response:
        await site.access.admit(caller.tenant)
        data = await site.form(request, MAX_FORM_BYTES)
        return await asyncio.to_thread(_answered, request, name, caller, data)

    def _answered(request: Request, name: str, caller: Caller, data: FormData) -> Response:
        model = parts.models.find(caller.tenant, name, text(data, "version") or None)
        given, suffix = text(data, "values"), "input.json"
        file, saturate = upload(data, "file"), text(data, "saturate") == "yes"
        answer, problem, offers = None, None, list[Offer]()
        try:
            if file is not None:
                given, suffix = _text_of(file.file.read()), file.filename or ""
            answer = _answer(model, given, suffix, saturate)
            meter.count(caller.tenant, {What.REQUESTS: 1, What.SAMPLES: answer.count})
            offers = _offers(caller.tenant, model, answer.count)
        except InputError as error:
            problem = str(error)
        if "HX-Request" in request.headers:
            return site.render(
                request,
                "answer.html",
                model=model,
                answer=answer,
                problem=problem,
                offers=offers,
                bar=charts.bar,
                may_prove=Scope.JOBS in caller.scopes,
            )
        given = "" if suffix.endswith(".csv") else given
        return _page(request, model, given, answer, offers, problem, saturate)

    def _offers(tenant: str, model: Served, samples: int) -> list[Offer]:
        """The ways in which an answer can be proved."""
        if len(model.circuit.nodes) > MOST_NODES:
            return [Offer(name, None) for name in BACKENDS]
        found = []
        for name in BACKENDS:
            try:
                quote = quotes.quote(tenant, model, name, samples)
            except InputError:  # not this circuit, not so many samples, or there is no key
                continue
            found.append(Offer(name, quote.wait.likely + quote.seconds.likely))
        if parts.settings.has_chain and samples == 1:
            found.append(Offer(Tier.OPTIMISTIC, None))
        return found

    def _answer(model: Served, given: str, suffix: str, saturate: bool) -> Answer:
        circuit = model.circuit
        inputs = read_values(circuit, given, suffix, saturate)
        count = inputs[0].shape[0]
        if count > parts.settings.max_samples:
            raise InputError(f"there are {count} samples, over the limit of {parts.settings.max_samples}")
        begun = time.perf_counter()
        outputs = executed(circuit, inputs)
        seconds = time.perf_counter() - begun
        receipt = Receipt(
            circuit.circuit_id,
            model.name,
            model.version,
            Tier.NONE.value,
            datetime.now(UTC),
            None,
            tuple(samples_of(circuit, inputs, outputs)),
        )
        taken, given_back = tensors_of(circuit, circuit.inputs), tensors_of(circuit, circuit.outputs)

        samples = tuple(
            (_sample(taken, inputs, place), _sample(given_back, outputs, place))
            for place in range(min(count, MOST_SHOWN))
        )
        integers = json.dumps({"input_ints": [array.tolist() for array in inputs]})
        return Answer(samples, count, seconds, receipt, parts.signer.sign(receipt), integers)

    @router.post("/models/{name}/prove")
    async def prove(request: Request, name: str, caller: Caller = prover) -> Response:
        await site.access.admit(caller.tenant)
        data = await site.form(request, MAX_FORM_BYTES)
        job = await asyncio.to_thread(_submit, name, caller, data)
        return RedirectResponse(f"/jobs/{job}", 303)

    def _submit(name: str, caller: Caller, data: FormData) -> str:
        model = parts.models.find(caller.tenant, name, text(data, "version") or None)
        tier = text(data, "tier")
        if tier not in set(Tier) - {Tier.NONE}:
            raise InputError(f"there is no tier {tier!r:.40}")
        inputs = read_values(model.circuit, text(data, "integers"))
        recipient, once = text(data, "recipient").strip() or None, text(data, "once")
        # Who presses the button twice gets one proof, and another one who goes back and chooses otherwise.
        key = f"{once}-{tier}-{recipient or 'anyone'}"[:MAX_IDEMPOTENCY_KEY] if once else None
        # It shows nobody else's samples: it may be shared.
        return submit(
            Settlement(caller.tenant, model, Tier(tier), inputs, key, alone=True, recipient=recipient)
        )

    return router


def _sample(tensors: Sequence[Tensor], arrays: Sequence[IntArray], place: int) -> tuple[Shown, ...]:
    """One sample of a batch."""
    pairs = zip(tensors, arrays, strict=True)
    return tuple(show(tensor, array[place].reshape(-1).tolist()) for tensor, array in pairs)


def _text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the file is no text: give CSV or JSON") from None
