"""Answers to many requests at a time are those that each would get alone."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.circuit import Circuit, Node, Port
from circuits.errors import BoundError, InputError
from circuits.trace import input_tree
from contracts.packing import pack_outputs
from service.api import answers as module
from service.api.answers import MAX_CELLS, Answer, Answers, Question, executed
from service.batching import Batcher
from service.models import Served
from service.receipt_check import Keyring, check_receipt
from service.receipts import ReceiptSigner
from service.submitting import Settlement

NODES = (Node("input", (), {}, (3,), -100, 100, "x"), Node("add", (0, 0), {}, (3,), -200, 200, "y"))
CIRCUIT = Circuit(NODES, {}, (Port("x", 0, 0.5, "real"),), (Port("y", 1, 0.5, "real"),))
MODEL = Served("version", "twice", "1", ("1",), CIRCUIT, Batcher())


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> ReceiptSigner:
    """A key."""
    return ReceiptSigner.create(tmp_path_factory.mktemp("key") / "key.pem")


def refuse(settlement: Settlement) -> str:
    """Where no job is wanted."""
    raise AssertionError


def question(values: list[list[Any]], datatype: str = "FP32", **parameters: Any) -> Question:
    """A request of samples."""
    integers = parameters.pop("integers", False)
    tensor = {
        "name": "x", "datatype": datatype, "shape": [len(values), 3], "data": values,
        "parameters": {"integers": integers},
    }  # fmt: skip
    body = json.dumps({"inputs": [tensor], "parameters": parameters, "id": "mine"}).encode()
    return Question("tenant", MODEL, body, None)


def outputs(answer: object) -> list[float]:
    """The numbers in an answer."""
    assert isinstance(answer, Answer), answer
    found: list[float] = json.loads(answer.json)["outputs"][0]["data"]
    return found


REQUESTS = st.lists(
    st.tuples(
        st.lists(st.lists(st.integers(-55, 55), min_size=3, max_size=3), min_size=1, max_size=4),
        st.sampled_from(["FP32", "FP64", "INT16", "nonsense"]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(requests=REQUESTS)
def test_each_is_answered_as_it_would_be_alone(requests: Any, signer: ReceiptSigner) -> None:
    asked = [
        question(values, datatype, integers=integers, saturate=saturate)
        for values, datatype, integers, saturate in requests
    ]
    together = Answers(signer, refuse, 3).to(asked)
    for one, answer in zip(asked, together, strict=True):
        [alone] = Answers(signer, refuse, 3).to([one])
        if isinstance(alone, Answer):
            assert outputs(answer) == outputs(alone)
        else:
            assert type(answer) is type(alone) and str(answer) == str(alone)


def test_who_is_wrong_spoils_nothing_for_the_others(signer: ReceiptSigner) -> None:
    asked = [
        question([[1, 2, 3]]),
        question([[1, 2, 51]]),
        question([[float("nan")] * 3]),
        question([[4, 5, 6]]),
    ]
    good, over, nan, other = Answers(signer, refuse, 8).to([*asked[:2], asked[3], asked[3]])
    assert outputs(good) == [2, 4, 6] and outputs(nan) == outputs(other) == [8, 10, 12]
    assert isinstance(over, BoundError) and "51" in str(over)
    assert isinstance(Answers(signer, refuse, 8).to(asked)[2], InputError)


def test_only_who_wishes_it_has_inputs_clamped(signer: ReceiptSigner) -> None:
    """Real inputs are bounded by 50, integers by 100."""
    over, low = [[1e9, 2, -51]], [[np.iinfo(np.int64).min, 2, 101]]
    wrong = [[float("nan"), 0, 0]]
    asked = [
        question(over),
        question(over, saturate=True),
        question(over, saturate=False),
        question(low, "INT64", integers=True, saturate=True),
        question(low, "INT64", integers=True),
        question([[2**64 - 1] * 3], "UINT64", integers=True, saturate=True),
        question(wrong, saturate=True),
        question(over, saturate="yes"),
    ]
    found = Answers(signer, refuse, 8).to(asked)
    clamped = {1: [50, 2, -50], 3: [-50, 1, 50], 5: [50, 50, 50]}
    for i, answer in enumerate(found):
        if i not in clamped:
            assert isinstance(answer, BoundError if i in (0, 2, 4) else InputError), i
            continue
        assert isinstance(answer, Answer) and outputs(answer) == [2 * x for x in clamped[i]]
        signed = json.loads(answer.json)["parameters"]["receipt"]
        [sample] = check_receipt(signed, Keyring([signer.public_key])).samples
        integers = np.array([[round(2 * x) for x in clamped[i]]])
        assert sample.input_commitment == input_tree(CIRCUIT, [integers]).root


def test_an_empty_batch_is_refused_in_company_too(signer: ReceiptSigner) -> None:
    empty, good = Answers(signer, refuse, 8).to([question([]), question([[1, 2, 3]])])
    assert isinstance(empty, InputError) and outputs(good) == [2, 4, 6]


@pytest.mark.parametrize("cells", [1, 3, 7, 1 << 24])
def test_receipts_are_of_each_requests_own_samples(
    signer: ReceiptSigner, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(module, "MAX_CELLS", cells)
    rng = np.random.default_rng(cells)
    batches = [rng.integers(-100, 101, (count, 3)) for count in (1, 4, 2)]
    asked = [question(batch.tolist(), "INT64", integers=True) for batch in batches]
    for batch, answer in zip(batches, Answers(signer, refuse, 8).to(asked), strict=True):
        assert isinstance(answer, Answer) and answer.samples == len(batch)
        receipt = check_receipt(
            json.loads(answer.json)["parameters"]["receipt"], Keyring([signer.public_key])
        )
        assert [(s.input_commitment, s.output_commitment) for s in receipt.samples] == [
            (input_tree(CIRCUIT, [x[None]]).root, keccak(pack_outputs(CIRCUIT, [2 * x]))) for x in batch
        ]


def test_many_samples_are_run_in_parts_and_one_request_may_have_more(
    signer: ReceiptSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SAMPLES", 3)
    asked = [question([[i, i, i]] * count) for i, count in enumerate([2, 2, 1, 5, 1])]
    answers = Answers(signer, refuse, 8).to(asked)
    assert [outputs(answer)[0] for answer in answers] == [0, 2, 4, 6, 8]


def test_memory_is_bounded_for_a_large_batch_of_a_circuit_with_a_large_tensor() -> None:
    large, few = (1 << 18, 3), {"starts": (5, 0), "steps": (1, 1), "sizes": (1, 3)}
    nodes = (
        NODES[0],
        Node("broadcast", (0,), {"shape": large}, large, -100, 100, "wide"),
        Node("add", (1, 1), {}, large, -200, 200, "sum"),
        Node("slice", (2,), few, (1, 3), -200, 200, "few"),
        Node("reshape", (3,), {"shape": (3,)}, (3,), -200, 200, "y"),
    )
    inputs, outputs = (Port("x", 0, 0.5, "real"),), (Port("y", 4, 0.5, "real"),)
    circuit = Circuit(nodes, {}, inputs, outputs)
    samples = np.arange(3 * 120, dtype=np.int64).reshape(120, 3) % 100
    tracemalloc.start()
    try:
        [found] = executed(circuit, [samples])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tolist() == (2 * samples).tolist()
    cell = 8  # bytes of an intermediate number
    assert peak < 3 * MAX_CELLS * cell < len(samples) * nodes[2].size * cell


def test_a_settled_answer_waits_for_its_job_and_the_others_do_not(signer: ReceiptSigner) -> None:
    kept: list[Settlement] = []

    def submit(settlement: Settlement) -> str:
        kept.append(settlement)
        return "the job"

    asked = [question([[1, 2, 3]]), question([[4, 5, 6]], tier="ezkl", alone=True), question([[7, 8, 9]])]
    first, waits, last = Answers(signer, submit, 8).to(asked)
    assert outputs(first) == [2, 4, 6] and outputs(last) == [14, 16, 18] and not kept
    assert callable(waits)
    answer = waits()
    assert [(s.tier, s.alone, s.inputs[0].tolist()) for s in kept] == [("ezkl", True, [[8, 10, 12]])]
    assert json.loads(answer.json)["parameters"]["job"] == "the job" and outputs(answer) == [8, 10, 12]


def test_the_circuit_failing_is_told_to_all_in_the_batch(
    signer: ReceiptSigner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(circuit: Circuit, inputs: Any) -> Any:
        raise MemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(module, "execute", fail)
        found = Answers(signer, refuse, 8).to([question([[1, 2, 3]])] * 3)
    assert all(isinstance(one, MemoryError) for one in found)
