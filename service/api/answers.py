"""Answers with receipts, to many requests of one model at a time.

What costs per call rather than per number is done once for all: rounding, the circuit, the commitments. A
request that is wrong spoils nothing for the others: where a batch fails, each request is worked on alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic_core import to_json

from circuits.circuit import Circuit
from circuits.errors import InputError
from circuits.executor import execute
from circuits.tensor import IntArray
from service import tracing
from service.api.tensors import Asked, Outputs, flag, integers_of, read_request, text
from service.models import Served
from service.receipt_check import Receipt, Sample
from service.receipts import ReceiptSigner, samples_of
from service.submitting import Settlement, Tier, bound_to

MAX_SAMPLES = 256
"""How many samples of several requests are joined."""
MAX_CELLS = 1 << 24
"""How large a tensor of a batch may become; beyond it, the batch is run in pieces."""


Submit = Callable[[Settlement], str]
"""Keeps a job, for good, and returns its id; see `service.submitting.Submitter`."""


@dataclass(frozen=True)
class Question:
    """A request to infer, not read yet."""

    tenant: str
    model: Served
    body: bytes
    json_bytes: int | None
    """The length of the body's JSON, where binary data follows it."""
    idempotency_key: str | None = None
    trace: str | None = None
    """The request's, for `service.tracing`."""


@dataclass(frozen=True)
class Answer:
    """An answer's JSON, and the binary data behind it."""

    json: bytes
    binary: bytes
    samples: int


Outcome = Answer | Exception
Unsettled = Callable[[], Answer]
"""An answer that waits for its job to be kept. It takes a while, and raises what `Submit` raises."""


@dataclass(frozen=True)
class _Read:
    """A question that was read: its place among those asked together, and how it is to be settled."""

    place: int
    question: Question
    asked: Asked
    tier: Tier
    alone: bool
    recipient: str | None


class Answers:
    """Answers questions.

    Parameters
    ----------
    submit
        Where jobs go.
    max_samples
        The largest batch in a request.
    """

    def __init__(self, signer: ReceiptSigner, submit: Submit, max_samples: int) -> None:
        self._signer = signer
        self._submit = submit
        self._max_samples = max_samples

    def to(self, questions: Sequence[Question]) -> list[Outcome | Unsettled]:
        """What comes of each of several questions about one circuit. It raises nothing."""
        found: dict[int, Outcome | Unsettled] = {}
        groups: dict[Any, list[_Read]] = {}
        for i, question in enumerate(questions):
            try:
                read = self._read(i, question)
            except Exception as error:
                found[i] = error
            else:
                groups.setdefault(read.asked.form, []).append(read)
        for group in groups.values():
            for part in _parts(group):
                self._run(part, found)
        return [found[i] for i in range(len(questions))]

    def _read(self, place: int, question: Question) -> _Read:
        asked = read_request(question.model.circuit, question.body, question.json_bytes)
        if asked.samples > self._max_samples:
            raise InputError(f"the batch has {asked.samples} samples, over the limit of {self._max_samples}")
        parameters = asked.parameters
        tier = _tier(parameters)
        recipient = bound_to(tier, text(parameters, "recipient"))
        return _Read(place, question, asked, tier, flag(parameters, "alone"), recipient)

    def _run(self, group: list[_Read], found: dict[int, Outcome | Unsettled]) -> None:
        circuit = group[0].question.model.circuit
        try:
            inputs = integers_of(circuit, [read.asked for read in group])
            outputs = executed(circuit, inputs)
            samples = samples_of(circuit, inputs, outputs)
        except Exception as error:
            if len(group) == 1:
                found[group[0].place] = error
            else:
                for read in group:
                    self._run([read], found)
            return
        written = Outputs(circuit, outputs)
        start = 0
        for read in group:
            part = slice(start, start + read.asked.samples)
            start = part.stop
            try:
                found[read.place] = self._finish(read, written, part, inputs, samples[part])
            except Exception as error:
                found[read.place] = error

    def _finish(
        self,
        read: _Read,
        outputs: Outputs,
        part: slice,
        inputs: Sequence[IntArray],
        samples: Sequence[Sample],
    ) -> Answer | Unsettled:
        question, asked, tier = read.question, read.asked, read.tier
        described, binary = outputs.write(part, asked.outputs)
        model = question.model

        def answer(job: str | None) -> Answer:
            receipt = Receipt(
                model.circuit.circuit_id,
                model.name,
                model.version,
                tier.value,
                datetime.now(UTC),
                job,
                tuple(samples),
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
            return Answer(to_json(response), b"".join(binary), asked.samples)

        if tier is Tier.NONE:
            return answer(None)
        own = [array[part] for array in inputs]
        settlement = Settlement(
            question.tenant, model, tier, own, question.idempotency_key, read.alone, read.recipient
        )

        def settle() -> Answer:
            with tracing.going_on(question.trace):
                return answer(self._submit(settlement))

        return settle


def _parts(group: list[_Read]) -> list[list[_Read]]:
    """A group in parts of at most so many samples, unless one request alone has more."""
    parts: list[list[_Read]] = []
    samples = MAX_SAMPLES
    for read in group:
        samples += read.asked.samples
        if samples > MAX_SAMPLES:
            parts.append([])
            samples = read.asked.samples
        parts[-1].append(read)
    return parts


def executed(circuit: Circuit, inputs: Sequence[IntArray]) -> list[IntArray]:
    """The circuit's outputs on a batch, run in pieces where its tensors would become too large."""
    step = max(1, MAX_CELLS // max(node.size for node in circuit.nodes))
    starts = range(0, len(inputs[0]), step)
    pieces = [execute(circuit, [array[start : start + step] for array in inputs]) for start in starts]
    if len(pieces) == 1:
        return pieces[0]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _tier(parameters: dict[str, Any]) -> Tier:
    value = parameters.get("tier", Tier.NONE.value)
    try:
        return Tier(value)
    except ValueError:
        known = ", ".join(tier.value for tier in Tier)
        raise InputError(f"the parameter 'tier' is one of {known}, not {value!r:.40}") from None
